package store

import (
	"context"
	"database/sql/driver"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"strconv"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/jmoiron/sqlx"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/database"
	"github.com/pressly/goose/v3/lock"

	"database/sql"

	"github.com/musterhq/muster/internal/job"
)

//go:embed migrations
var migrations embed.FS

func openDB(c driver.Connector, name string) *sqlx.DB { return sqlx.NewDb(sql.OpenDB(c), name) }

// Migrate brings the database at rawURL to this program's schema and returns how many steps that took. Several
// replicas may call it at once: on MySQL one does the work under a lock table and the others wait; on SQLite those that
// lose a race look again. Where a long transaction uses a table, it lets others go on meanwhile, and tries for ten minutes.
func Migrate(ctx context.Context, rawURL string) (steps int, err error) {
	s, db, locker, err := openToMigrate(ctx, rawURL)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, closeMigrated(s, db)) }()
	var opts []goose.ProviderOption
	if locker != nil {
		opts = append(opts, goose.WithLocker(locker))
	}
	p, err := s.provider(db, opts...)
	if err != nil {
		return 0, err
	}
	for n, until := 1, time.Now().Add(tableInUse); ; n++ {
		results, err := p.Up(ctx)
		steps += len(results)
		if err == nil {
			return steps, nil
		}
		if partial, ok := errors.AsType[*goose.PartialError](err); ok {
			steps += len(partial.Applied)
		}
		if !s.migrateAgain(ctx, err, n, until) {
			return steps, translate("migrate", err)
		}
	}
}

// openToMigrate opens the database at rawURL: db is for changes of its schema, under the locker, which SQLite has not.
func openToMigrate(ctx context.Context, rawURL string) (s *Store, db *sqlx.DB, locker lock.Locker, err error) {
	s, err = Open(rawURL, Options{MaxConns: 4})
	if err != nil {
		return nil, nil, nil, err
	}
	if s.dialect.name == "sqlite" {
		return s, s.w, nil, nil
	}
	if err := s.checkServer(ctx); err != nil {
		return nil, nil, nil, errors.Join(translate("migrate", err), s.Close())
	}
	connector, err := migrationConnector(rawURL)
	if err != nil {
		return nil, nil, nil, errors.Join(err, s.Close())
	}
	locker, err = lock.NewMySQLTableLocker(lock.WithTableName("schema_lock"), lock.WithTableLockTimeout(500*time.Millisecond, 600))
	if err != nil {
		return nil, nil, nil, errors.Join(err, s.Close())
	}
	return s, openDB(connector, "mysql"), locker, nil
}

func closeMigrated(s *Store, db *sqlx.DB) error {
	if db != s.w {
		_ = db.Close() // a server that is gone is no trouble any more
	}
	return s.Close()
}

// migrationConnector makes connections with a long wait_timeout: an index on a large table takes minutes, during which the
// lock's connection is silent.
func migrationConnector(rawURL string) (driver.Connector, error) {
	u, err := url.Parse(rawURL)
	if err != nil {
		return nil, err
	}
	cfg, err := mysqlConfig(u)
	if err != nil {
		return nil, err
	}
	cfg.ReadTimeout, cfg.ClientFoundRows = 0, false
	cfg.ParseTime = true    // goose's lock scans a time.Time; without this it retries for its whole timeout
	if u.Scheme != vitess { // which takes no notice of it
		if cfg.Params == nil {
			cfg.Params = map[string]string{}
		}
		cfg.Params["lock_wait_timeout"] = strconv.Itoa(int(holdUp.Seconds()))
		cfg.Params["wait_timeout"] = "28800" // MySQL's default; the server's own may be a second
	}
	return mysql.NewConnector(cfg)
}

const (
	// holdUp is how long a step waits for a table that a long transaction uses, or a backup. All that others ask of the table
	// meanwhile waits behind the step, less than the 5 s after which their sessions give up.
	holdUp = 3 * time.Second
	// others is how long they go on then, before the step tries again, until tableInUse is over.
	others     = 2 * time.Second
	tableInUse = 10 * time.Minute
)

// migrateAgain waits before the migrations are tried again after an error, and reports whether they are to be.
func (s *Store) migrateAgain(ctx context.Context, err error, n int, until time.Time) bool {
	if s.dialect.name == "sqlite" {
		// It has no lock that spans goose's look and its step. Its DDL is transactional, so a step that another process took
		// meanwhile fails whole, and the next look sees it taken.
		return n < attempts && backoff(ctx, n) == nil
	}
	if classify(err).class != conflict || time.Now().After(until) {
		return false
	}
	select {
	case <-ctx.Done():
		return false
	case <-time.After(others):
		return true
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
	opts = append(opts, goose.WithDisableGlobalRegistry(true))
	if s.dialect.sharded {
		versions, err := database.NewStore(d, versionTable)
		if err != nil {
			return nil, err
		}
		return goose.NewProvider(goose.DialectCustom, db.DB, dir, append(opts, goose.WithStore(vitessVersions{versions}))...)
	}
	return goose.NewProvider(d, db.DB, dir, append(opts, goose.WithTableName(versionTable))...)
}

const versionTable = "schema_version"

// vitessVersions asks for the table of versions by reading it: behind vtgate information_schema has other names of databases than
// DATABASE().
type vitessVersions struct{ database.Store }

// TableExists reports whether there is a table of versions.
func (vitessVersions) TableExists(ctx context.Context, db database.DBTxConn) (bool, error) {
	var rows int
	err := db.QueryRowContext(ctx, `SELECT COUNT(*) FROM `+versionTable).Scan(&rows)
	if classify(err).class == schema {
		return false, nil
	}
	return err == nil, err
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
