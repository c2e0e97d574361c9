package store_test

import (
	"context"
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/musterhq/muster/internal/job"
	"github.com/musterhq/muster/internal/store"
	"github.com/musterhq/muster/internal/store/storetest"
)

// Only a schema that is missing or old is mended by a migration; a broken file is not.
func TestSchemaCheckOfABrokenFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "muster.db")
	if err := os.WriteFile(path, []byte(strings.Repeat("this is no database ", 500)), 0o600); err != nil {
		t.Fatal(err)
	}
	url, err := store.SQLiteURL(path)
	if err != nil {
		t.Fatal(err)
	}
	s := storetest.Open(t, url, store.Options{})
	if err := s.SchemaCurrent(t.Context()); err == nil || errors.Is(err, job.ErrSchema) || strings.Contains(err.Error(), "muster migrate") {
		t.Errorf("SchemaCurrent = %v, want an error that does not ask for a migration", err)
	}
}

// A table that a long transaction uses keeps a migration waiting, and nobody else.
func TestMigrateBehindALongTransaction(t *testing.T) {
	t.Parallel()
	for _, e := range storetest.Engines(t) {
		if e.Name == "sqlite" {
			continue
		}
		t.Run(e.Name, func(t *testing.T) {
			t.Parallel()
			url := e.Empty(t)
			if err := store.MigrateSteps(t.Context(), url, 17); err != nil {
				t.Fatal(err)
			}
			db, _ := storetest.DB(t, url)
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			long, err := db.BeginTx(ctx, nil)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = long.Rollback() }()
			count := func(q interface {
				QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
			}, query string) (n int) {
				if err := q.QueryRowContext(ctx, query).Scan(&n); err != nil {
					t.Fatal(err)
				}
				return n
			}
			count(long, `SELECT COUNT(*) FROM jobs`)
			migrated := make(chan error, 1)
			go func() { _, err := store.Migrate(ctx, url); migrated <- err }()
			for range 2 { // it tries more than once
				for waiting(t, db) == 0 {
					select {
					case err := <-migrated:
						t.Fatalf("migrated, though the table is in use: %v", err)
					case <-time.After(10 * time.Millisecond):
					}
				}
				count(db, `SELECT COUNT(*) FROM jobs`)
			}
			if err := long.Commit(); err != nil {
				t.Fatal(err)
			}
			if err := <-migrated; err != nil {
				t.Error(err)
			}
		})
	}
}

// waiting returns how many sessions wait for a table of the database.
func waiting(t *testing.T, db *sql.DB) (n int) {
	t.Helper()
	err := db.QueryRowContext(t.Context(), `SELECT COUNT(*) FROM information_schema.processlist
		WHERE db = DATABASE() AND state LIKE 'Waiting for table metadata lock%'`).Scan(&n)
	if my, ok := errors.AsType[*mysql.MySQLError](err); ok && my.Number == 3854 { // MySQL cannot show the bytes in a statement of another test
		return 0
	}
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// v0.1.0 looks at its rights by INSERT INTO users SELECT * FROM users WHERE FALSE, which MySQL refuses where a column is generated and
// visible: a process of that release that starts on the new schema, to go back or in mid-upgrade, would end.
func TestGeneratedColumnsAreInvisible(t *testing.T) {
	t.Parallel()
	for _, e := range storetest.Engines(t) {
		if e.Name == "sqlite" {
			continue
		}
		t.Run(e.Name, func(t *testing.T) {
			t.Parallel()
			db, _ := storetest.DB(t, e.New(t))
			for _, column := range texts(t, db, `SELECT CONCAT(table_name, '.', column_name) FROM information_schema.columns
				WHERE table_schema = DATABASE() AND generation_expression <> '' AND extra NOT LIKE '%INVISIBLE%'`) {
				t.Errorf("%s is generated and visible", column)
			}
		})
	}
}
