package store

import (
	"context"
	"database/sql/driver"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/jmoiron/sqlx"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"

	"database/sql"

	"github.com/musterhq/muster/internal/job"
)

//go:embed migrations
var migrations embed.FS

func openDB(c driver.Connector, name string) *sqlx.DB { return sqlx.NewDb(sql.OpenDB(c), name) }

// Migrate brings the database at rawURL to this program's schema and returns how many steps that took. Several
// replicas may call it at once: on MySQL one does the work under a lock table and the others wait; on SQLite those that
// lose a race look again.
func Migrate(ctx context.Context, rawURL string) (steps int, err error) {
	s, err := Open(rawURL, Options{MaxConns: 4})
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	db := s.w
	var opts []goose.ProviderOption
	if s.dialect.name != "sqlite" {
		if err := s.checkServer(ctx); err != nil {
			return 0, translate("migrate", err)
		}
		// A connection of its own without the workers' short wait_timeout: an index on a large table takes
		// minutes, during which the lock's connection is silent.
		u, err := url.Parse(rawURL)
		if err != nil {
			return 0, err
		}
		cfg, err := mysqlConfig(u)
		if err != nil {
			return 0, err
		}
		cfg.ReadTimeout, cfg.ClientFoundRows = 0, false
		cfg.ParseTime = true // goose's lock scans a time.Time; without this it retries for its whole timeout
		connector, err := mysql.NewConnector(cfg)
		if err != nil {
			return 0, err
		}
		db = openDB(connector, "mysql")
		defer func() { _ = db.Close() }()
		locker, err := lock.NewMySQLTableLocker(
			lock.WithTableName("schema_lock"), lock.WithTableLockTimeout(500*time.Millisecond, 600))
		if err != nil {
			return 0, err
		}
		opts = append(opts, goose.WithLocker(locker))
	}
	p, err := s.provider(db, opts...)
	if err != nil {
		return 0, err
	}
	for n := 1; ; n++ {
		results, err := p.Up(ctx)
		steps += len(results)
		if err == nil {
			return steps, nil
		}
		// SQLite has no lock that spans goose's look and its step. Its DDL is transactional, so a step that another
		// process took meanwhile fails whole, and the next look sees it taken.
		if s.dialect.name != "sqlite" || n == attempts || backoff(ctx, n) != nil {
			return steps, translate("migrate", err)
		}
	}
}

func (s *Store) provider(db *sqlx.DB, opts ...goose.ProviderOption) (*goose.Provider, error) {
	dir, err := fs.Sub(migrations, "migrations/"+s.dialect.name)
	if err != nil {
		return nil, err
	}
	d := goose.DialectMySQL
	if s.dialect.name == "sqlite" {
		d = goose.DialectSQLite3
	}
	opts = append(opts, goose.WithTableName("schema_version"), goose.WithDisableGlobalRegistry(true))
	return goose.NewProvider(d, db.DB, dir, opts...)
}

// SchemaCurrent returns job.ErrSchema when the database's schema is not the one this program was built for, with
// a message that says how to mend it.
func (s *Store) SchemaCurrent(ctx context.Context) error {
	have, want, err := s.schemaVersions(ctx)
	if err != nil {
		return translate("schema", err)
	}
	if have < want {
		return fmt.Errorf("%w: it is at version %d, this program needs %d; run `muster migrate`", job.ErrSchema, have, want)
	}
	return nil
}

// schemaVersions returns the version of the database's schema, 0 where nothing was ever migrated, and that of this program.
func (s *Store) schemaVersions(ctx context.Context) (have, want int64, err error) {
	p, err := s.provider(s.w)
	if err != nil {
		return 0, 0, err
	}
	sources := p.ListSources()
	want = sources[len(sources)-1].Version
	// Not Provider.GetDBVersion: it creates the version table, and a check must change nothing.
	err = s.r.GetContext(ctx, &have, `SELECT COALESCE(MAX(version_id), 0) FROM schema_version WHERE is_applied = 1`)
	if classify(err).class == schema { // no version table
		return 0, want, nil
	}
	return have, want, err
}
