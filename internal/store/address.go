package store

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"
)

// errNoURL never repeats the address, which holds the password, nor the error of url.Parse, which repeats it.
var errNoURL = errors.New("the database address is no URL: want mysql://user:password@host:3306/db (or mariadb://, vitess://) or " +
	"sqlite:///path; percent-encode what is special in user and password: %2F for /, %23 for #, %3F for ?, %40 for @, %25 for %")

// driverParameters are those of go-sql-driver that the address may have. None of them changes what a statement means.
var driverParameters = []string{
	"allowCleartextPasswords", "allowNativePasswords", "compress", "connectionAttributes", "maxAllowedPacket",
	"readTimeout", "timeout", "writeTimeout",
}

// mysqlConfig reads the address of a MySQL or MariaDB database, without the settings that only the store's own connections
// carry.
func mysqlConfig(u *url.URL) (*mysql.Config, error) {
	name := strings.Trim(u.Path, "/")
	switch {
	// The rest of a password of which /, # or ? has cut off the beginning, which then stands where the host should.
	case strings.Contains(u.EscapedPath(), "@"), u.Fragment != "", u.User == nil && strings.Contains(u.RawQuery, "@"):
		return nil, errNoURL
	case u.Host == "" || name == "":
		return nil, errors.New("the database address wants a host and a database: mysql://user:password@host:3306/db")
	}
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return nil, errors.New("the database address has parameters that cannot be read: want ?name=value&name=value, percent-encoded")
	}
	encryption, err := takeTLS(query)
	if err != nil {
		return nil, err
	}
	for name, values := range query {
		if !slices.Contains(driverParameters, name) {
			return nil, refused(name)
		}
		if _, err := mysql.ParseDSN("/?" + url.Values{name: values}.Encode()); err != nil || len(values) > 1 {
			return nil, fmt.Errorf("the database address has a parameter %s that cannot be read", name)
		}
	}
	cfg, err := mysql.ParseDSN("tcp(" + u.Host + ")/" + url.PathEscape(name) + "?" + query.Encode())
	if err != nil {
		return nil, errNoURL
	}
	cfg.User = u.User.Username()
	cfg.Passwd, _ = u.User.Password()
	if err := encryption.apply(cfg); err != nil {
		return nil, err
	}
	// A statement that is not prepared for reuse takes one round trip instead of two, and nothing is left to close.
	cfg.InterpolateParams = true
	cfg.ClientFoundRows = true // "rows changed" means rows that matched, also when a value stays the same
	// Whatever it tells of comes back as an error too, or is the end of an idle connection.
	cfg.Logger = slog.NewLogLogger(slog.Default().Handler(), slog.LevelDebug)
	if cfg.Timeout == 0 {
		cfg.Timeout = 5 * time.Second
	}
	if cfg.ReadTimeout == 0 {
		cfg.ReadTimeout = 30 * time.Second
	}
	if cfg.WriteTimeout == 0 {
		cfg.WriteTimeout = 30 * time.Second
	}
	setSession(cfg, sent(u.Scheme, settings))
	return cfg, nil
}

// refused returns the error for a parameter that the address may not have. Whatever is not known goes to the server as a
// session variable, so a list of what is forbidden would never be whole.
func refused(name string) error {
	return fmt.Errorf("the database address has a parameter %q: Muster sets how it speaks to the database, and its sessions, itself; "+
		"the address may have %s, and for TLS ssl-mode and ssl-ca, or tls", name, strings.Join(driverParameters, ", "))
}

// encryption is what the address says about TLS.
type encryption struct {
	mode string // as tls of go-sql-driver; empty: not said
	by   string // the parameter that says so
	// noName: the certificate is checked, and not whether it was made for this host.
	noName bool
	ca     string // file of the authorities to believe; empty: the system's
}

// sslModes are the values of ssl-mode of MySQL's programs and drivers, and those of others that mean the same.
var sslModes = map[string]encryption{
	"disabled": {mode: "false"}, "disable": {mode: "false"},
	"preferred": {mode: "preferred"}, "prefer": {mode: "preferred"},
	"required": {mode: "skip-verify"}, "require": {mode: "skip-verify"},
	"verify_ca":       {mode: "true", noName: true},
	"verify_identity": {mode: "true"}, "verify_full": {mode: "true"},
}

// tlsModes are the values of tls, as go-sql-driver has them.
var tlsModes = map[string]encryption{
	"true": {mode: "true"}, "false": {mode: "false"}, "skip-verify": {mode: "skip-verify"}, "preferred": {mode: "preferred"},
}

// sslSwitches are the values of useSSL and ssl, by which older drivers ask for TLS without a look at the certificate.
var sslSwitches = map[string]encryption{"true": {mode: "skip-verify"}, "false": {mode: "false"}}

// takeTLS takes what is about TLS out of the parameters: every provider of databases hands out other names for it.
func takeTLS(query url.Values) (e encryption, err error) {
	for name, values := range query {
		var modes map[string]encryption
		value := strings.ToLower(values[0])
		switch strings.ToLower(strings.NewReplacer("-", "", "_", "").Replace(name)) {
		case "sslmode":
			modes, value = sslModes, strings.ReplaceAll(value, "-", "_")
		case "usessl", "ssl":
			modes = sslSwitches
		case "tls":
			modes = tlsModes
		case "sslca", "sslrootcert":
			e.ca = values[0]
			delete(query, name)
			continue
		default:
			continue
		}
		delete(query, name)
		said, ok := modes[value]
		switch {
		case !ok || len(values) > 1:
			return e, fmt.Errorf("the database address has a parameter %s that cannot be read: it may be one of %s", name, keys(modes))
		case e.by != "" && (said.mode != e.mode || said.noName != e.noName):
			return e, fmt.Errorf("the database address has %s and %s, which disagree: keep one", min(e.by, name), max(e.by, name))
		}
		e.mode, e.noName, e.by = said.mode, said.noName, name
	}
	if e.ca == "" {
		return e, nil
	}
	switch e.mode {
	case "":
		e.mode = "true"
	case "skip-verify": // who names an authority wants it asked
		e.mode, e.noName = "true", true
	case "true":
	default:
		return e, fmt.Errorf("the database address names an authority for certificates, but its %s does not have them checked", e.by)
	}
	return e, nil
}

func keys(modes map[string]encryption) string {
	list := make([]string, 0, len(modes))
	for value := range modes {
		list = append(list, value)
	}
	slices.Sort(list)
	return strings.Join(list, ", ")
}

// apply sets the TLS of cfg.
func (e *encryption) apply(cfg *mysql.Config) error {
	var authorities *x509.CertPool // nil: the system's
	if e.ca != "" {
		pem, err := os.ReadFile(e.ca)
		if err != nil {
			return fmt.Errorf("the authority for certificates that the database address names: %w", err)
		}
		authorities = x509.NewCertPool()
		if !authorities.AppendCertsFromPEM(pem) {
			return fmt.Errorf("the database address names %s as authority for certificates, and it holds no certificate in PEM form", e.ca)
		}
	}
	switch {
	case e.noName:
		cfg.TLS = &tls.Config{InsecureSkipVerify: true, VerifyConnection: func(s tls.ConnectionState) error {
			return verifyChain(s.PeerCertificates, authorities)
		}}
	case authorities != nil:
		cfg.TLS = &tls.Config{RootCAs: authorities} // the driver adds the host's name
	default:
		cfg.TLSConfig = e.mode
	}
	return nil
}

// verifyChain checks a certificate and leaves out whether it was made for the host.
func verifyChain(certificates []*x509.Certificate, authorities *x509.CertPool) error {
	o := x509.VerifyOptions{Roots: authorities, Intermediates: x509.NewCertPool()}
	for _, c := range certificates[1:] {
		o.Intermediates.AddCert(c)
	}
	if _, err := certificates[0].Verify(o); err != nil {
		return &tls.CertificateVerificationError{UnverifiedCertificates: certificates, Err: err}
	}
	return nil
}
