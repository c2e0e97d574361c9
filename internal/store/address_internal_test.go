package store

import (
	"encoding/pem"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Addresses as people and providers of databases write them.
func TestAddresses(t *testing.T) {
	t.Parallel()
	server := httptest.NewTLSServer(nil) // for its certificate
	defer server.Close()
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	type read struct {
		user, password, addr, db string
		tls                      string // unverified, chain, verified or none
		plain                    bool   // it may go on without TLS
	}
	for address, want := range map[string]read{
		"mysql://u:p@h:3307/db":   {user: "u", password: "p", addr: "h:3307", db: "db"},
		"mariadb://u:p@h/db/":     {user: "u", password: "p", addr: "h:3306", db: "db"},
		"mysql://u@[::1]:3306/db": {user: "u", addr: "[::1]:3306", db: "db"},
		"mysql://h/db":            {addr: "h:3306", db: "db"},
		"mysql://a%40b:%2F%23%3F%40%25%3A%20%C3%BC@h/a%2Fb":       {user: "a@b", password: "/#?@%: ü", addr: "h:3306", db: "a/b"},
		"mysql://u:p@h/d%40b":                                     {user: "u", password: "p", addr: "h:3306", db: "d@b"},
		"mysql://u:p@ss@h/db":                                     {user: "u", password: "p@ss", addr: "h:3306", db: "db"},
		"mysql://u:p@h/db?timeout=3s&readTimeout=1m&compress=1":   {user: "u", password: "p", addr: "h:3306", db: "db"},
		"mysql://u:p@h/db?connectionAttributes=program_name:a%40": {user: "u", password: "p", addr: "h:3306", db: "db"},

		"mysql://h/db?ssl-mode=REQUIRED":                {addr: "h:3306", db: "db", tls: "unverified"},
		"mysql://h/db?sslmode=require":                  {addr: "h:3306", db: "db", tls: "unverified"},
		"mysql://h/db?sslMode=VERIFY_IDENTITY":          {addr: "h:3306", db: "db", tls: "verified"},
		"mysql://h/db?ssl_mode=verify-full":             {addr: "h:3306", db: "db", tls: "verified"},
		"mysql://h/db?ssl-mode=verify_ca":               {addr: "h:3306", db: "db", tls: "chain"},
		"mysql://h/db?ssl-mode=PREFERRED":               {addr: "h:3306", db: "db", tls: "unverified", plain: true},
		"mysql://h/db?ssl-mode=disabled":                {addr: "h:3306", db: "db"},
		"mysql://h/db?useSSL=true":                      {addr: "h:3306", db: "db", tls: "unverified"},
		"mysql://h/db?useSSL=true&sslMode=REQUIRED":     {addr: "h:3306", db: "db", tls: "unverified"},
		"mysql://h/db?ssl=false":                        {addr: "h:3306", db: "db"},
		"mysql://h/db?tls=true":                         {addr: "h:3306", db: "db", tls: "verified"},
		"mysql://h/db?tls=skip-verify":                  {addr: "h:3306", db: "db", tls: "unverified"},
		"mysql://h/db?ssl-ca=CA":                        {addr: "h:3306", db: "db", tls: "verified"},
		"mysql://h/db?ssl-mode=REQUIRED&sslrootcert=CA": {addr: "h:3306", db: "db", tls: "chain"},
	} {
		u, err := url.Parse(strings.Replace(address, "CA", ca, 1))
		if err != nil {
			t.Fatal(err)
		}
		cfg, err := mysqlConfig(u)
		if err != nil {
			t.Errorf("%s: %v", address, err)
			continue
		}
		// As the driver does with what has only a name.
		got := read{cfg.User, cfg.Passwd, cfg.Addr, cfg.DBName, "", cfg.TLSConfig == "preferred"}
		switch {
		case cfg.TLS != nil && cfg.TLS.VerifyConnection != nil:
			got.tls = "chain"
		case cfg.TLS != nil && cfg.TLS.RootCAs != nil, cfg.TLSConfig == "true":
			got.tls = "verified"
		case cfg.TLSConfig == "skip-verify", cfg.TLSConfig == "preferred":
			got.tls = "unverified"
		}
		if got != want {
			t.Errorf("%s: %+v, want %+v", address, got, want)
		}
		if cfg.MultiStatements || cfg.ParseTime || cfg.AllowAllFiles || !cfg.ClientFoundRows || !cfg.InterpolateParams {
			t.Errorf("%s: %+v", address, cfg)
		}
	}
}

// What cannot be meant is refused by name, and no message repeats a password.
func TestAddressesRefused(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]string{
		"mysql://u:se/cret@h/db":            "percent-encode",
		"mysql://u:se#cret@h/db":            "percent-encode",
		"mysql://u:se?cret@h/db":            "percent-encode",
		"mysql://u:12/cret@h/db":            "percent-encode",
		"mysql://u:12#cret@h/db":            "percent-encode",
		"mysql://u:12?cret@h/db":            "percent-encode",
		"mysql://u:p@cret/word@h/db":        "percent-encode",
		"mysql://u:cret%zz@h/db":            "percent-encode",
		"mysql://u:se cret@h/db":            "percent-encode",
		"mysql://u:cret@h:bad/db":           "percent-encode",
		"u:cret@tcp(h:3306)/db":             "mariadb://",
		"mysql://u:cret@h":                  "wants a host and a database",
		"mysql://u:cret@h/":                 "wants a host and a database",
		"mysql:///db":                       "wants a host and a database",
		"postgres://u:cret@h/db":            "mariadb://",
		"mysql://u:cret@h/db?%zz":           "percent-encoded",
		"mysql://u:cret@h/db?autocommit=0":  `"autocommit"`,
		"mysql://u:cret@h/db?parseTime=1":   `"parseTime"`,
		"mysql://u:cret@h/db?charset=utf8":  `"charset"`,
		"mysql://u:cret@h/db?collation=x":   `"collation"`,
		"mysql://u:cret@h/db?strict=true":   `"strict"`, // the driver panics
		"mysql://u:cret@h/db?sql_mode=%27%": "percent-encoded",

		"mysql://u:cret@h/db?multiStatements=true":       `"multiStatements"`,
		"mysql://u:cret@h/db?clientFoundRows=false":      `"clientFoundRows"`,
		"mysql://u:cret@h/db?allowAllFiles=true":         `"allowAllFiles"`,
		"mysql://u:cret@h/db?interpolateParams=false":    `"interpolateParams"`,
		"mysql://u:cret@h/db?rejectReadOnly=false":       `"rejectReadOnly"`,
		"mysql://u:cret@h/db?allowFallbackToPlaintext=1": `"allowFallbackToPlaintext"`,
		"mysql://u:cret@h/db?loc=Local":                  `"loc"`,
		"mysql://u:cret@h/db?transaction_isolation=x":    `"transaction_isolation"`,

		"mysql://u:cret@h/db?timeout=soon":                     "parameter timeout",
		"mysql://u:cret@h/db?timeout=1s&timeout=2s":            "parameter timeout",
		"mysql://u:cret@h/db?compress=maybe":                   "parameter compress",
		"mysql://u:cret@h/db?ssl-mode=yes":                     "verify_identity",
		"mysql://u:cret@h/db?useSSL=maybe":                     "false, true",
		"mysql://u:cret@h/db?tls=my-config":                    "skip-verify",
		"mysql://u:cret@h/db?ssl-mode=REQUIRED&tls=false":      "ssl-mode and tls, which disagree",
		"mysql://u:cret@h/db?ssl-mode=VERIFY_CA&tls=true":      "disagree",
		"mysql://u:cret@h/db?ssl-mode=DISABLED&ssl-ca=x":       "ssl-mode",
		"mysql://u:cret@h/db?ssl-ca=none.pem":                  "none.pem",
		"mysql://u:cret@h/db?ssl-ca=address_internal_test.go":  "PEM",
		"mysql://u:cret@h/db?sslaccept=strict&ssl-mode=prefer": `"sslaccept"`,
	} {
		s, err := Open(address, Options{})
		if err == nil {
			_ = s.Close()
			t.Errorf("%s was taken", address)
			continue
		}
		if text := err.Error(); !strings.Contains(text, want) || strings.Contains(text, "cret") {
			t.Errorf("%s: %q, want %q", address, text, want)
		}
	}
}
