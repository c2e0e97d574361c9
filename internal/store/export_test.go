package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/jmoiron/sqlx"
	"github.com/pressly/goose/v3"

	"github.com/musterhq/muster/internal/columns"
	"github.com/musterhq/muster/internal/job"
	"github.com/musterhq/muster/internal/store/search"
	"github.com/musterhq/muster/internal/user"
)

// Plain returns the ids of the users of f, by nothing but its conditions.
func (s *Store) Plain(ctx context.Context, f user.Filter) (ids []int64, err error) {
	c := s.dialect.search.Where(f)
	err = s.r.SelectContext(ctx, &ids, `SELECT id FROM users WHERE `+c.String()+` ORDER BY id`, c.Args...)
	return ids, err
}

// UsersInterrupted is Users, and calls between after each search, before the users that it found are read.
func (s *Store) UsersInterrupted(ctx context.Context, q user.Query, between func()) ([]user.User, bool, error) {
	return s.list(ctx, q, func() ([]int64, error) {
		defer between()
		return search.IDs(ctx, s.r, s.dialect.search, q)
	})
}

// SetRTT sets the estimate of the round trip, which the next batch goes by.
func (s *Store) SetRTT(rtt time.Duration) { s.rtt.Store(int64(rtt)) }

// Prepared reports whether the INSERT of so many rows is prepared.
func (s *Store) Prepared(rows int) bool {
	s.inserts.mu.Lock()
	defer s.inserts.mu.Unlock()
	return s.inserts.m[s.dialect.insertSQL(rows)] != nil
}

// RowsPerInsert returns how many rows an INSERT has to a server nearby, and to one that is far.
func (s *Store) RowsPerInsert() (near, far int) {
	return s.dialect.rowsPerInsert, s.dialect.farRowsPerInsert
}

// InTx runs the statements in one transaction.
func (s *Store) InTx(ctx context.Context, statements ...string) error {
	return s.inTx(ctx, "test", func(tx *sqlx.Tx) error {
		for _, statement := range statements {
			if _, err := tx.ExecContext(ctx, statement); err != nil {
				return err
			}
		}
		return nil
	})
}

// MigrateTo brings an empty database to an earlier schema.
func (s *Store) MigrateTo(ctx context.Context, version int64) error {
	p, err := s.provider(s.w)
	if err != nil {
		return err
	}
	_, err = p.UpTo(ctx, version)
	return err
}

// FileStatements returns what is asked of large tables for the jobs of files, with arguments.
func (s *Store) FileStatements() map[string][]any {
	statements := map[string][]any{
		uploadInUseSQL: {"upload", 1},
		rejectsSQL:     {"job", -1, 10},
		`SELECT job_id FROM job_rejects WHERE job_id > ? ORDER BY job_id LIMIT 1`: {"job"},
	}
	for _, onDuplicate := range []string{job.DuplicateSkip, job.DuplicateUpdate} {
		byEmail := newStrategy(job.FileOptions{Key: columns.KeyEmail, OnDuplicate: onDuplicate}, 1, false)
		statements[s.findSQL(&byEmail, 3)+s.lockFound(&byEmail)] = []any{"a1@example.com", "b2@example.com", "c3@example.com"}
		byID := newStrategy(job.FileOptions{Key: columns.KeyID, OnDuplicate: onDuplicate}, 1, false)
		statements[s.findSQL(&byID, 3)+s.lockFound(&byID)] = []any{1, 2, 3}
	}
	return statements
}

// JobsStatement returns what is asked for a list of jobs, with its arguments.
func (s *Store) JobsStatement(f job.Filter) (query string, args []any) {
	from, args := s.fromJobs(f)
	return `SELECT ` + s.jobColumns() + ` FROM jobs ` + from, args
}

// SlotsInUseSQL is what SlotsInUse asks.
const SlotsInUseSQL = slotsInUseSQL

// HoldKeys does what a batch of onDuplicate=update does before it stores anything, for these keys, calls held, and lets go of them.
func (s *Store) HoldKeys(ctx context.Context, key string, keys []any, held func() error) error {
	st := newStrategy(job.FileOptions{Key: key, OnDuplicate: job.DuplicateUpdate}, 1, false)
	return s.runTx(ctx, s.dialect.current, func(tx *sqlx.Tx) error {
		there := make(map[string][]*known)
		for _, k := range keys {
			there[fmt.Sprint(k)] = nil
		}
		if err := s.find(ctx, tx, &st, s.lockFound(&st), keys, there); err != nil {
			return err
		}
		locks, err := s.lockMissing(ctx, tx, &st, there)
		if err != nil {
			return err
		}
		if err := held(); err != nil {
			return err
		}
		return locks.remove(ctx, tx)
	})
}

// MigrateDown takes the steps above the version back.
func (s *Store) MigrateDown(ctx context.Context, version int64) error {
	p, err := s.provider(s.w)
	if err != nil {
		return err
	}
	_, err = p.DownTo(ctx, version)
	return err
}

// Wholly lists the tables of which all rights are needed.
func Wholly() (tables []string) {
	for _, t := range wholly {
		tables = append(tables, t.table)
	}
	return tables
}

// FailingSince sets since when nothing has arrived at an endpoint.
func (s *Store) FailingSince(t interface {
	Context() context.Context
	Fatal(args ...any)
}, id string, since time.Time) {
	if _, err := s.w.ExecContext(t.Context(), `UPDATE webhook_endpoints SET failing_since = ? WHERE id = ?`, since.UnixMilli(), id); err != nil {
		t.Fatal(err)
	}
}

// MigrateSteps makes the migrations up to a version, on a connection as Migrate's.
func MigrateSteps(ctx context.Context, rawURL string, version int64) error {
	return withProvider(rawURL, func(p *goose.Provider) error {
		_, err := p.UpTo(ctx, version)
		return err
	})
}

// MigrateOne makes the next migration, and returns its version and how long it took; io.EOF: there is none.
func MigrateOne(ctx context.Context, rawURL string) (version int64, took time.Duration, err error) {
	err = withProvider(rawURL, func(p *goose.Provider) error {
		r, err := p.UpByOne(ctx)
		if errors.Is(err, goose.ErrNoNextVersion) {
			return io.EOF
		}
		if err == nil {
			version, took = r.Source.Version, r.Duration
		}
		return err
	})
	return version, took, err
}

// withProvider calls fn with the migrations of a database, on connections that wait as long as an ALTER TABLE takes.
func withProvider(rawURL string, fn func(p *goose.Provider) error) (err error) {
	s, err := Open(rawURL, Options{MaxConns: 2})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	u, err := url.Parse(rawURL)
	if err != nil {
		return err
	}
	cfg, err := mysqlConfig(u)
	if err != nil {
		return err
	}
	cfg.ReadTimeout, cfg.ParseTime = 0, true
	connector, err := mysql.NewConnector(cfg)
	if err != nil {
		return err
	}
	db := openDB(connector, "mysql")
	defer func() { err = errors.Join(err, db.Close()) }()
	p, err := s.provider(db)
	if err != nil {
		return err
	}
	return fn(p)
}

// ForgetIndexes makes the next search look which indexes there are.
func (s *Store) ForgetIndexes() { s.indexes.Store(nil) }
