package store_test

import (
	"context"
	"crypto/x509"
	"database/sql"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/pressly/goose/v3/lock"

	"github.com/musterhq/muster/internal/job"
	"github.com/musterhq/muster/internal/store"
	"github.com/musterhq/muster/internal/store/storetest"
	"github.com/musterhq/muster/internal/testenv"
	"github.com/musterhq/muster/internal/user"
)

// ownServer starts a MariaDB of the test's own, which it may set as it likes, and returns it with a connection of root's.
func ownServer(t *testing.T, args ...string) (storetest.Engine, *sql.DB) {
	t.Helper()
	if !testenv.Installed("mariadb") {
		testenv.Missing(t, "mariadb")
		t.SkipNow()
	}
	p, err := testenv.StartMariaDB(t.TempDir(), append([]string{"--innodb-buffer-pool-size=64M", "--innodb-log-file-size=16M"}, args...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Kill() })
	db, err := sql.Open("mysql", "root@tcp("+p.Addr+")/")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return storetest.Server("mariadb", "root@tcp("+p.Addr+")/"), db
}

// eachServer runs fn as a parallel subtest on every MySQL and MariaDB that is present, with the address of a private
// database at the current schema and a connection of root's. The server's settings are not the test's.
func eachServer(t *testing.T, fn func(t *testing.T, db *sql.DB, address string)) {
	t.Helper()
	for _, e := range storetest.Engines(t) {
		if e.Name == "sqlite" {
			continue
		}
		t.Run(e.Name, func(t *testing.T) {
			t.Parallel()
			address := e.New(t)
			u, err := url.Parse(address)
			if err != nil {
				t.Fatal(err)
			}
			password, _ := u.User.Password()
			db, err := sql.Open("mysql", u.User.Username()+":"+password+"@tcp("+u.Host+")/")
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = db.Close() })
			fn(t, db, address)
		})
	}
}

func execAll(t *testing.T, db *sql.DB, statements ...string) {
	t.Helper()
	for _, s := range statements {
		if _, err := db.ExecContext(t.Context(), s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
}

// account makes an account, each of whose rights is the beginning of a GRANT, and returns the address of the database for it.
// Its name is followed by the database's.
func account(t *testing.T, db *sql.DB, address, name string, rights ...string) string {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	database := strings.Trim(u.Path, "/")
	name = name + database // others make accounts, too
	execAll(t, db, "CREATE USER "+name+"@'%' IDENTIFIED BY 'sesame'")
	t.Cleanup(func() { _, _ = db.Exec("DROP USER " + name) })
	for _, r := range rights {
		execAll(t, db, "GRANT "+strings.Replace(r, " ON ", " ON "+database+".", 1)+" TO "+name+"@'%'")
	}
	u.User = url.UserPassword(name, "sesame")
	return u.String()
}

// everyday are the rights that Muster needs once the schema is there.
var everyday = []string{"SELECT, INSERT, UPDATE, DELETE ON *"}

// hostile is what an administrator may set for all sessions, for good reasons of other programs.
var hostile = []string{
	"autocommit = 0", "completion_type = 2", "tx_isolation = 'SERIALIZABLE'", "tx_read_only = 1", "unique_checks = 0", "foreign_key_checks = 0",
	"character_set_client = 'latin1'", "character_set_results = 'latin1'", "character_set_connection = 'latin1'", "character_set_server = 'latin1'",
	"time_zone = '+13:00'", "sql_mode = 'ANSI,PIPES_AS_CONCAT,NO_BACKSLASH_ESCAPES,ONLY_FULL_GROUP_BY,IGNORE_SPACE,PAD_CHAR_TO_FULL_LENGTH'",
	"sql_select_limit = 10", "sql_big_selects = 0", "max_join_size = 1", "sql_safe_updates = 1", "max_sort_length = 4", "max_statement_time = 0.0001",
	"default_storage_engine = 'Aria'", "sql_if_exists = 1", "group_concat_max_len = 4", "sql_auto_is_null = 1",
	"wait_timeout = 2", "lock_wait_timeout = 1", "innodb_lock_wait_timeout = 1", "innodb_strict_mode = 0", "low_priority_updates = 1",
	"div_precision_increment = 0", "big_tables = 1", "optimizer_switch = 'index_merge=off,mrr=on'", "tmp_memory_table_size = 1024",
	"old_mode = ''", "innodb_snapshot_isolation = 1", "in_predicate_conversion_threshold = 2", "eq_range_index_dive_limit = 1",
}

// Whatever is set for all sessions, and by init_connect for new ones, ours do what they do elsewhere.
func TestSessionsAreOurs(t *testing.T) {
	t.Parallel()
	engine, db := ownServer(t, "--character-set-server=latin1", "--skip-character-set-client-handshake",
		"--init-connect=SET NAMES latin1, autocommit = 0, sql_select_limit = 3; START TRANSACTION")
	db.SetMaxOpenConns(1) // the session from before
	address := engine.Empty(t)
	release := holdSchemaLock(t, address)
	for _, setting := range hostile {
		if _, err := db.ExecContext(t.Context(), "SET GLOBAL "+setting); err != nil {
			t.Logf("not of this version: %s: %v", setting, err)
		}
	}
	time.AfterFunc(4*time.Second, release) // longer than the server lets a session be silent
	if _, err := store.Migrate(t.Context(), address); err != nil {
		t.Fatal(err)
	}
	// init_connect is not for root.
	s := storetest.Open(t, account(t, db, address, "muster", everyday...), store.Options{})
	if err := s.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	importAndRead(t, s)

	// Each statement alone is committed, also for others who look with what the server sets.
	var status string
	if err := db.QueryRowContext(t.Context(), "SELECT status FROM "+databaseOf(t, address)+".jobs LIMIT 1").Scan(&status); err != nil || status != "COMPLETED" {
		t.Errorf("status %q, %v", status, err)
	}
}

// holdSchemaLock takes the lock of migrations, as another replica does that is at them, and returns what releases it.
func holdSchemaLock(t *testing.T, address string) (release func()) {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	cfg := mysql.NewConfig()
	cfg.User, cfg.Net, cfg.Addr, cfg.DBName, cfg.ParseTime = "root", "tcp", u.Host, databaseOf(t, address), true
	connector, err := mysql.NewConnector(cfg)
	if err != nil {
		t.Fatal(err)
	}
	other := sql.OpenDB(connector)
	other.SetMaxOpenConns(1)
	t.Cleanup(func() { _ = other.Close() })
	locker, err := lock.NewMySQLTableLocker(lock.WithTableName("schema_lock"))
	if err != nil {
		t.Fatal(err)
	}
	if err := locker.Lock(t.Context(), other); err != nil {
		t.Fatal(err)
	}
	return func() { _ = locker.Unlock(context.WithoutCancel(t.Context()), other) }
}

func databaseOf(t *testing.T, address string) string {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Trim(u.Path, "/")
}

// importAndRead imports users to the end of their job and reads them back, beyond what a limited session would show.
func importAndRead(t *testing.T, s *store.Store) {
	t.Helper()
	const count = 60
	j := record(t, s, count, count)
	c := claim(t, s, j.ID, 0)
	users := rows(c, count)
	for i := range users {
		users[i].FirstName = "Łukasz José 😀 " + string(rune('a'+(i*7)%26)) // alike in the first letters
		users[i].City = "Beispielstadt \"am\" || O'Brien \\ %_ " + string(rune('a'+(i*11)%26))
	}
	if err := s.CommitBatch(t.Context(), c, users, 0); err != nil {
		t.Fatal(err)
	}
	if done, err := s.FinishJob(t.Context(), j.ID); !done || err != nil {
		t.Fatal(done, err)
	}
	wantRows(t, s, count)
	found, _, err := s.Users(t.Context(), user.Query{Size: 100, Sort: user.Sort{By: "city"}})
	if err != nil || len(found) != count {
		t.Fatalf("%d users, %v", len(found), err)
	}
	byID := map[int64]user.User{}
	for i, u := range found {
		if i > 0 && found[i-1].City > u.City {
			t.Errorf("%q comes after %q", u.City, found[i-1].City)
		}
		byID[u.ID] = u
	}
	for _, u := range users {
		if got := byID[u.ID]; got.FirstName != u.FirstName || got.City != u.City || got.LastName != u.LastName {
			t.Fatalf("stored %q %q, read %q %q", u.FirstName, u.City, got.FirstName, got.City)
		}
	}
	again := newJob(1)
	again.IdempotencyKey = "key"
	if err := storetest.CreateJob(t.Context(), s, again, 1); err != nil {
		t.Fatal(err)
	}
	again.ID = newJob(1).ID
	if err := storetest.CreateJob(t.Context(), s, again, 1); !errors.Is(err, job.ErrDuplicateKey) {
		t.Errorf("the same key again: %v", err)
	}
}

// The database of a provider that hands out ssl-mode, and wants TLS.
func TestTLS(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	web := httptest.NewTLSServer(nil) // for its certificate, which is its own authority
	web.Close()
	pair := web.TLS.Certificates[0]
	key, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	ca, private := filepath.Join(dir, "ca.pem"), filepath.Join(dir, "key.pem")
	for file, block := range map[string]*pem.Block{ca: {Type: "CERTIFICATE", Bytes: pair.Certificate[0]}, private: {Type: "PRIVATE KEY", Bytes: key}} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	engine, db := ownServer(t, "--ssl-cert="+ca, "--ssl-key="+private)
	address := account(t, db, engine.New(t), "muster", everyday...)
	execAll(t, db, "SET GLOBAL require_secure_transport = 1")
	const plain = "Access denied" // so MariaDB says; MySQL names the reason, 3159
	for parameters, want := range map[string]string{
		"":                                       plain,
		"?ssl-mode=DISABLED":                     plain,
		"?ssl-mode=REQUIRED":                     "",
		"?ssl-mode=PREFERRED":                    "",
		"?useSSL=true":                           "",
		"?tls=skip-verify":                       "",
		"?tls=true":                              "certificate",
		"?ssl-mode=VERIFY_CA":                    "certificate",
		"?ssl-mode=VERIFY_CA&ssl-ca=" + ca:       "",
		"?ssl-mode=REQUIRED&ssl-ca=" + ca:        "",
		"?ssl-mode=VERIFY_IDENTITY&ssl-ca=" + ca: "",
		"?ssl-ca=" + ca:                          "",
	} {
		for _, host := range []string{"127.0.0.1", "localhost"} { // the certificate is for the first
			s := storetest.Open(t, strings.Replace(strings.Replace(address, "127.0.0.1", host, 1), "mysql:", "mariadb:", 1)+parameters, store.Options{})
			err := s.Ready(t.Context())
			want := want
			if host == "localhost" && (strings.HasPrefix(parameters, "?ssl-mode=VERIFY_IDENTITY") || strings.HasPrefix(parameters, "?ssl-ca")) {
				want = "certificate"
			}
			switch {
			case want == "" && err != nil:
				t.Errorf("%s at %s: %v", parameters, host, err)
			case want != "" && (err == nil || !strings.Contains(err.Error(), want) || want != plain && job.StoreTrouble(err) != job.WaitStoreUnsuitable):
				t.Errorf("%s at %s: %v, %q, want %q", parameters, host, err, job.StoreTrouble(err), want)
			}
		}
	}
}

// MySQL makes certificates for itself, as MariaDB does from 11.4 on; before, it has none.
func TestTLSAsItComes(t *testing.T) {
	t.Parallel()
	for _, e := range storetest.Engines(t) {
		if e.Name == "sqlite" {
			continue
		}
		address := e.New(t)
		err := storetest.Open(t, address+"?ssl-mode=REQUIRED", store.Options{}).Ready(t.Context())
		if none := e.Name == "mariadb" && strings.Contains(fmt.Sprint(err), "does not support TLS"); err != nil && !none {
			t.Errorf("%s: %v", e.Name, err)
		}
		err = storetest.Open(t, address+"?ssl-mode=VERIFY_IDENTITY", store.Options{}).Ready(t.Context())
		wantTrouble(t, err, job.WaitStoreUnsuitable, "")
	}
}
