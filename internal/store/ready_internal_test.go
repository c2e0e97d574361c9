package store

import (
	"fmt"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/musterhq/muster/internal/job"
	"github.com/musterhq/muster/internal/testenv"
	"github.com/musterhq/muster/internal/user"
)

func TestVersions(t *testing.T) {
	t.Parallel()
	for version, ok := range map[string]bool{
		"8.4.0": true, "8.4.3-log": true, "9.7.1": true, "10.0.0": true, "10.11.6-MariaDB-0+deb12u1": true, "11.8.2-MariaDB": true, "12.0.1-mariadb": true,
		"8.0.44": false, "8.0.mysql_aurora.3.08.0": false, "5.7.44-log": false, "8.0.11-TiDB-v8.5.0": false, "10.6.18-MariaDB": false,
		"10.10.7-MariaDB": false, "5.5.5-10.3.39-MariaDB": false, "unknown": false, "": false,
	} {
		err := checkVersion(version)
		if (err == nil) != ok {
			t.Errorf("%q: %v", version, err)
		}
		if err != nil && (!strings.Contains(err.Error(), version) || !strings.Contains(err.Error(), "MySQL 8.4 or MariaDB 10.11")) {
			t.Errorf("%q: the message %q does not say what was found and what is wanted", version, err)
		}
	}
}

// On each server, our settings win over whatever stands before them, and the check sees each that does not.
func TestEachSettingIsSetAndChecked(t *testing.T) {
	t.Parallel()
	for _, server := range testenv.MySQLServers(t) {
		t.Run(server.Name, func(t *testing.T) {
			t.Parallel()
			// sessions opens a store whose connections have list set.
			sessions := func(list []setting) *Store {
				cfg, err := mysql.ParseDSN(server.DSN)
				if err != nil {
					t.Fatal(err)
				}
				u := &url.URL{Scheme: "mysql", User: url.UserPassword(cfg.User, cfg.Passwd), Host: cfg.Addr, Path: "/information_schema"}
				s := &Store{}
				if err := s.openMySQL(u, Options{MaxConns: 1}, &mysqlDialect); err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { _ = s.Close() })
				if list != nil {
					if cfg, err = mysqlConfig(u); err != nil {
						t.Fatal(err)
					}
					setSession(cfg, list)
					connector, err := mysql.NewConnector(cfg)
					if err != nil {
						t.Fatal(err)
					}
					_ = s.w.Close()
					s.w = openDB(connector, "mysql")
					s.r = s.w
				}
				return s
			}
			ours := sessions(nil)
			if err := ours.checkServer(t.Context()); err != nil {
				t.Fatal(err)
			}
			for _, wrong := range []setting{
				{name: "autocommit", value: "0"}, {name: "completion_type", value: "'CHAIN'"},
				{name: "transaction_isolation", value: "'SERIALIZABLE'", on: onMySQL}, {name: "tx_isolation", value: "'SERIALIZABLE'", on: onMariaDB},
				{name: "transaction_read_only", value: "1", on: onMySQL}, {name: "tx_read_only", value: "1", on: onMariaDB},
				{name: "unique_checks", value: "0"}, {name: "foreign_key_checks", value: "0"},
				{name: "character_set_client", value: "'latin1'"}, {name: "character_set_results", value: "'latin1'"},
				{name: "collation_connection", value: "'latin1_swedish_ci'"}, {name: "time_zone", value: "'+13:00'"}, {name: "sql_mode", value: "'ANSI'"},
				{name: "sql_select_limit", value: "10"}, {name: "sql_big_selects", value: "0"}, {name: "sql_safe_updates", value: "1"},
				{name: "max_sort_length", value: "8"}, {name: "max_execution_time", value: "1", on: onMySQL}, {name: "max_statement_time", value: "1", on: onMariaDB},
				{name: "default_storage_engine", value: "'MyISAM'"},
				{name: "sql_if_exists", value: "1", on: onMariaDB}, {name: "wait_timeout", value: "7"},
				{name: "innodb_lock_wait_timeout", value: "1"}, {name: "lock_wait_timeout", value: "1"},
			} {
				before := append([]setting{{name: "autocommit", value: "1"}, wrong}, ours.session...)
				if err := sessions(before).checkServer(t.Context()); err != nil {
					t.Errorf("%s set before: %v", wrong.name, err)
				}
				err := sessions(append(ours.session[:len(ours.session):len(ours.session)], wrong)).checkServer(t.Context())
				here := wrong.on == "" || (wrong.on == onMariaDB) == (server.Name == "mariadb")
				if here != (err != nil) || err != nil && (!strings.Contains(err.Error(), wrong.name) && wrong.name != "collation_connection" || job.StoreTrouble(err) != job.WaitStoreUnsuitable) {
					t.Errorf("%s set afterwards: %v", wrong.name, err)
				}
			}
		})
	}
}

// A SQLite file on a full disk refuses what does not fit, with the reason.
func TestFullSQLite(t *testing.T) {
	t.Parallel()
	address := "sqlite://" + filepath.Join(t.TempDir(), "muster.db")
	if _, err := Migrate(t.Context(), address); err != nil {
		t.Fatal(err)
	}
	s, err := Open(address, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	if err := s.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	var pages int
	if err := s.w.GetContext(t.Context(), &pages, `PRAGMA page_count`); err != nil {
		t.Fatal(err)
	}
	if err := s.w.GetContext(t.Context(), &pages, fmt.Sprintf(`PRAGMA max_page_count = %d`, pages+2)); err != nil {
		t.Fatal(err)
	}
	create := func() error {
		return s.CreateUser(t.Context(), &user.User{FirstName: strings.Repeat("x", 100), Email: "ada@example.com", Age: 36, Gender: user.Female})
	}
	for err == nil {
		err = create()
	}
	if job.StoreTrouble(err) != job.WaitStoreDisk {
		t.Errorf("a write: %v", err)
	}
	ready := s.Ready(t.Context())
	for end := time.Now().Add(time.Minute); job.StoreTrouble(ready) != job.WaitStoreDisk; ready = s.Ready(t.Context()) {
		if time.Now().After(end) {
			t.Fatalf("ready: %v", ready)
		}
		_ = create()
	}
	if _, err := s.User(t.Context(), 1); err != nil {
		t.Errorf("a read: %v", err)
	}
}
