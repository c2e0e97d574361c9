// Package storetest gives each test a private, migrated database on every engine that is present.
package storetest

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/hex"
	"net/url"
	"path/filepath"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/musterhq/muster/internal/job"
	"github.com/musterhq/muster/internal/store"
	"github.com/musterhq/muster/internal/testenv"
	"github.com/musterhq/muster/internal/user"
)

// Engine is a database server, or SQLite, on which tests run.
type Engine struct {
	Name   string // sqlite, mariadb, mysql or vitess
	server string // DSN of the server; empty for SQLite
}

// Engines lists the engines that are present: SQLite always, others as internal/testenv finds or requires them.
func Engines(t testing.TB) []Engine {
	t.Helper()
	engines := []Engine{{Name: "sqlite"}}
	for _, s := range testenv.MySQLServers(t) {
		engines = append(engines, Engine{Name: s.Name, server: s.DSN})
	}
	return engines
}

// Server returns the engine of a MySQL or MariaDB server of the test's own, which it may kill.
func Server(name, dsn string) Engine { return Engine{Name: name, server: dsn} }

// Vitess is the engine of a sharded database of each test's own.
var Vitess = Engine{Name: "vitess"}

// Cluster returns the engine of a sharded database of the test's own, which has one database only.
func Cluster(dsn string) Engine { return Engine{Name: Vitess.Name, server: dsn} }

// Each runs fn as a parallel subtest on every engine that is present, with the URL of an empty private database
// that is at the current schema. On Vitess, which takes some seconds for each, only where MUSTER_TEST_REQUIRE names it.
func Each(t *testing.T, fn func(t *testing.T, url string)) {
	t.Helper()
	engines := Engines(t)
	if testenv.Required("vitess") {
		engines = append(engines, Vitess)
	}
	each(t, engines, fn)
}

// EachServer is Each without Vitess, for tests that look into a server.
func EachServer(t *testing.T, fn func(t *testing.T, url string)) {
	t.Helper()
	each(t, Engines(t), fn)
}

func each(t *testing.T, engines []Engine, fn func(t *testing.T, url string)) {
	t.Helper()
	for _, e := range engines {
		t.Run(e.Name, func(t *testing.T) {
			t.Parallel()
			fn(t, e.New(t))
		})
	}
}

// Open returns a Store on the database at url, closed with the test.
func Open(t testing.TB, url string, o store.Options) *store.Store {
	t.Helper()
	s, err := store.Open(url, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// CreateJob stores a job and its chunks.
func CreateJob(ctx context.Context, s *store.Store, j *job.Job, chunkRows int64) error {
	j.ChunkRows = chunkRows
	if err := s.CreateJob(ctx, j); err != nil {
		return err
	}
	return s.AddChunks(ctx, *j)
}

// New makes a private database at the current schema, dropped with the test, and returns its URL.
func (e Engine) New(t testing.TB) string {
	t.Helper()
	u := e.Empty(t)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if _, err := store.Migrate(ctx, u); err != nil {
		t.Fatalf("migrate: %v", err)
	}
	return u
}

// Empty is New without the schema.
func (e Engine) Empty(t testing.TB) string {
	t.Helper()
	if e.Name == Vitess.Name {
		dsn := e.server
		if dsn == "" {
			dsn = testenv.Vitess(t)
		}
		cfg, err := mysql.ParseDSN(dsn)
		if err != nil {
			t.Fatal(err)
		}
		return (&url.URL{Scheme: "vitess", User: url.User(cfg.User), Host: cfg.Addr, Path: "/" + cfg.DBName}).String()
	}
	if e.server == "" {
		u, err := store.SQLiteURL(filepath.Join(t.TempDir(), "muster.db"))
		if err != nil {
			t.Fatal(err)
		}
		return u
	}
	cfg, err := mysql.ParseDSN(e.server)
	if err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 6)
	_, _ = rand.Read(b)
	name := "t_" + hex.EncodeToString(b)
	cfg.DBName, cfg.Logger = "", &mysql.NopLogger{}
	db, err := sql.Open("mysql", cfg.FormatDSN())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_, _ = db.Exec("DROP DATABASE IF EXISTS " + name)
		_ = db.Close()
	})
	if _, err := db.Exec("CREATE DATABASE " + name); err != nil {
		t.Fatal(err)
	}
	u := url.URL{Scheme: "mysql", User: url.UserPassword(cfg.User, cfg.Passwd), Host: cfg.Addr, Path: "/" + name}
	return u.String()
}

// Count reads the id of every user that is not deleted, and returns how many there are and how many differ.
func Count(ctx context.Context, s *store.Store) (rows, distinct int64, err error) {
	const ids = 100_000
	seen := ""
	first, last, err := s.Span(ctx, user.Filter{})
	for err == nil && first <= last {
		_, first, err = s.Range(ctx, user.Filter{}, []int{0}, first, min(first+ids-1, last), func(cols [][]byte) error {
			rows++
			if id := string(cols[0]); id != seen {
				distinct, seen = distinct+1, id
			}
			return nil
		})
	}
	return rows, distinct, err
}
