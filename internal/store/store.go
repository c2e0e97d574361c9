// Package store keeps users, jobs and chunks in MySQL, MariaDB or SQLite. It is the only home of SQL.
//
// The rows of jobs and job_chunks are the truth about every import; what Redis holds can be rebuilt from them.
package store

import (
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/jmoiron/sqlx"
	"go.opentelemetry.io/otel/trace"
	_ "modernc.org/sqlite" // registers the driver "sqlite"

	"github.com/musterhq/muster/internal/store/search"
	"github.com/musterhq/muster/internal/user"
)

// Options tunes a Store. The zero value takes the defaults.
type Options struct {
	// MaxConns bounds the connections to MySQL, or the readers of SQLite. Default 16.
	MaxConns int
	// Lease is how long a claimed chunk stays its worker's without a committed batch. Default 15 s. The server
	// closes a connection that is silent for two thirds of it, so that the open transaction of a frozen worker
	// does not block its successor.
	Lease time.Duration
	// Deadline is how long a job may take, pauses aside, before the reconciler ends it. 0: as long as it takes.
	Deadline time.Duration
	// Traces is where spans of statements go, below those that record; nil: nowhere.
	Traces trace.TracerProvider
}

// Store is a handle on the database, safe for concurrent use. Close it when done.
//
// Besides those that a method names, errors wrap job.ErrStoreUnavailable when trying later may help, and job.ErrSchema
// when the database's schema is not this program's.
type Store struct {
	w, r    *sqlx.DB // the same pool on MySQL; one writer beside many readers on SQLite
	locks   *sqlx.DB // of a sharded database, for locks of keys: who holds some must not wait for a connection behind who wants some
	dialect dialect
	lease   time.Duration
	allowed time.Duration // Options.Deadline
	inserts statements
	rtt     atomic.Int64 // estimate of the round trip, ns
	ids     ids

	maxIdle  int       // connections that may be open and idle, of MySQL
	database string    // its name, of MySQL
	session  []setting // of each connection, of MySQL

	indexes atomic.Pointer[knownIndexes] // for searches; nil: not looked for

	// What Ready has found out.
	ready   atomic.Pointer[answer] // when all was well
	refused atomic.Pointer[answer] // the last write that was refused for good
	probed  atomic.Bool            // all rights were there
}

// dialect is where the engines differ.
type dialect struct {
	name      string // "mysql", "vitess" or "sqlite", as the folders of migrations
	now       string // the database's clock, ms since 1970
	forUpdate string
	// onDuplicateKeep, at the end of an INSERT, leaves rows alone whose key exists.
	onDuplicateKeep string
	// onDuplicateReplace, at the end of an INSERT of users, replaces the values of those whose id exists.
	onDuplicateReplace string
	// current are transactions of which each statement reads what is committed then, and that lock rows but not the gaps
	// between them. nil: that of SQLite is alone.
	current  *sql.TxOptions
	keyLocks bool // others may write at the same time, and so be about the same users
	// sharded: users and chunks lie on several servers by their block, and the rest on another. A transaction has one of them.
	sharded bool
	// rowsPerInsert is for a server nearby, farRowsPerInsert for one that is farther than farRTT. MySQL takes 65,535
	// placeholders, but 1000 rows in one statement cost it a tenth more work than 250 in each of four. SQLite copies each
	// page aside that a statement of several rows changes, which costs more than the calls that it saves.
	rowsPerInsert, farRowsPerInsert int
	search                          *search.Dialect
}

var (
	// SYSDATE, not NOW: NOW is the statement's start, which lies a lock wait behind the moment it stands for.
	mysqlDialect = dialect{
		name: "mysql", rowsPerInsert: 250, farRowsPerInsert: 1000,
		now: "CAST(UNIX_TIMESTAMP(SYSDATE(3)) * 1000 AS SIGNED)", forUpdate: " FOR UPDATE",
		onDuplicateKeep:    " ON DUPLICATE KEY UPDATE state = state",
		onDuplicateReplace: " ON DUPLICATE KEY UPDATE " + replaced("%[1]s = VALUES(%[1]s)"),
		current:            &sql.TxOptions{Isolation: sql.LevelReadCommitted},
		keyLocks:           true,
		search:             &search.MySQL,
	}
	vitessDialect = func() dialect {
		d := mysqlDialect
		d.name, d.sharded, d.search = vitess, true, &search.Vitess
		return d
	}()
	sqliteDialect = dialect{
		name: "sqlite", rowsPerInsert: 1, farRowsPerInsert: 1,
		now:                "CAST(unixepoch('subsec') * 1000 AS INTEGER)",
		onDuplicateKeep:    " ON CONFLICT DO NOTHING",
		onDuplicateReplace: " ON CONFLICT (id) DO UPDATE SET " + replaced("%[1]s = excluded.%[1]s"),
		search:             &search.SQLite,
	}
)

// replaced returns the SET list of all columns that a patch of a user may change; assignment has the place of the column's name.
func replaced(assignment string) string {
	var list []string
	for _, column := range user.Inserts {
		if column != "id" {
			list = append(list, fmt.Sprintf(assignment, column))
		}
	}
	return strings.Join(list, ", ")
}

// Open connects lazily to the database at rawURL, mysql://user:password@host:3306/db?… (or mariadb://, or vitess:// for a sharded
// one, of which db is the unsharded keyspace; the query says what
// is to be said of TLS, as ssl-mode=REQUIRED, and of timeouts) or sqlite:///path/to/file, as SQLiteURL writes it. It fails on a URL that it does not
// understand, with a message that holds no password; use Ready to learn whether the database can serve.
func Open(rawURL string, o Options) (*Store, error) {
	if o.MaxConns == 0 {
		o.MaxConns = 16
	}
	if o.Lease == 0 {
		o.Lease = 15 * time.Second
	}
	u, err := url.Parse(rawURL)
	if err != nil {
		return nil, errNoURL
	}
	s := &Store{lease: o.Lease, allowed: o.Deadline}
	switch u.Scheme {
	case "mysql", "mariadb":
		err = s.openMySQL(u, o, &mysqlDialect)
	case vitess:
		err = s.openMySQL(u, o, &vitessDialect)
	case "sqlite":
		err = s.openSQLite(rawURL, u, o)
	default:
		err = fmt.Errorf("the database address starts with %q: want mysql://, mariadb://, vitess:// or sqlite://", u.Scheme)
	}
	if err != nil {
		return nil, err
	}
	s.inserts.db = s.w
	return s, nil
}

func (s *Store) openMySQL(u *url.URL, o Options, d *dialect) error {
	cfg, err := mysqlConfig(u)
	if err != nil {
		return err
	}
	idle := max(o.Lease*2/3, time.Second)
	s.session = sent(u.Scheme, append(slices.Clip(settings),
		setting{name: "wait_timeout", value: fmt.Sprint(int(idle.Seconds())), local: true},
		setting{name: "innodb_lock_wait_timeout", value: "5"},
		setting{name: "lock_wait_timeout", value: "5", local: true})) // for a table that is being altered, or a backup that locks all
	setSession(cfg, s.session)
	connector, err := mysql.NewConnector(cfg)
	if err != nil {
		return fmt.Errorf("the database address: %w", err)
	}
	db := sqlx.NewDb(o.open(connector, "mysql"), "mysql")
	db.SetMaxOpenConns(o.MaxConns)
	db.SetMaxIdleConns(o.MaxConns)
	db.SetConnMaxIdleTime(idle / 2)
	// A connection that only reads would stay with a demoted primary for ever.
	db.SetConnMaxLifetime(time.Minute)
	s.w, s.r, s.dialect = db, db, *d
	if d.sharded {
		s.locks = sqlx.NewDb(o.open(connector, "mysql"), "mysql")
		s.locks.SetMaxOpenConns(o.MaxConns)
		s.locks.SetConnMaxIdleTime(idle / 2)
		s.locks.SetConnMaxLifetime(time.Minute)
	}
	s.maxIdle, s.database = o.MaxConns, cfg.DBName
	return nil
}

// SQLiteURL returns the address, for Open, of the SQLite file that the path names, whatever characters it holds.
func SQLiteURL(path string) (string, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	abs = filepath.ToSlash(abs)
	if !strings.HasPrefix(abs, "/") { // C:/…
		abs = "/" + abs
	}
	return (&url.URL{Scheme: "sqlite", Path: abs}).String(), nil
}

func (s *Store) openSQLite(rawURL string, u *url.URL, o Options) error {
	path := u.Host + u.Path // sqlite:///abs/path, and sqlite://relative/path
	switch {
	case path == "":
		return errors.New("the database address wants a file: sqlite:///path/to/file")
	case u.User != nil || strings.ContainsAny(rawURL, "?#") || strings.ContainsRune(path, 0):
		return errors.New("the database address of SQLite has neither user nor parameters: in its path write %23 for #, %3F for ? and %25 for %")
	}
	file := path
	if rest := strings.TrimPrefix(path, "/"); filepath.VolumeName(rest) != "" { // on Windows: /C:/…
		file = rest
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o750); err != nil {
		return fmt.Errorf("the folder of the SQLite file: %w", err)
	}
	// SQLite takes an escaped path, and behind // a host first: that of an absolute path is empty.
	name := "file:" + (&url.URL{Path: path}).EscapedPath()
	if strings.HasPrefix(path, "/") {
		name = "file://" + (&url.URL{Path: path}).EscapedPath()
	}
	// synchronous(FULL): a job that was accepted outlives a power failure here too.
	// wal_autocheckpoint: an import changes most pages of the indexes in every transaction, so the fewer times they move
	// from the log to the file the better; the log grows to some 100 MB.
	// cache_size, in KiB: the writer's holds the indexes of a million users, each of whose pages an import changes again and again.
	const pragmas = "?_pragma=wal_autocheckpoint(20000)&_pragma=busy_timeout(10000)&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_txlock=immediate"
	w, err := o.openSQLiteFile(name + pragmas + "&_pragma=cache_size(-131072)")
	if err != nil {
		return err
	}
	r, err := o.openSQLiteFile(name + pragmas + "&_pragma=cache_size(-65536)")
	if err != nil {
		return errors.Join(err, w.Close())
	}
	s.w, s.r = sqlx.NewDb(w, "sqlite"), sqlx.NewDb(r, "sqlite")
	s.w.SetMaxOpenConns(1) // SQLite has one writer; waiting for it here is fairer than its busy handler
	s.r.SetMaxOpenConns(o.MaxConns)
	s.dialect = sqliteDialect
	return nil
}

// Close releases all connections.
func (s *Store) Close() error {
	s.inserts.close()
	if s.locks != nil {
		_ = s.locks.Close() // as below
	}
	if s.w == s.r {
		// A server closes idle connections by itself, and then there is nobody to say good-bye to: no error, for a process that
		// was told to stop would end with one.
		_ = s.w.Close()
		return nil
	}
	return errors.Join(s.r.Close(), s.w.Close())
}
