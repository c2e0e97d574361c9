package store

import (
	"context"
	"database/sql/driver"
	"errors"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/jmoiron/sqlx"

	"github.com/musterhq/muster/internal/searchindex"
)

// AlignIndexes gives the database at rawURL, whose schema is current, the wanted indexes for searches, and drops the others. It
// returns which it built and dropped, of a sharded database on any shard. Users can be read and written meanwhile, but on SQLite.
// It works under the lock of Migrate, and waits for long transactions as that does; after an end half-way, the next call does the
// rest.
func AlignIndexes(ctx context.Context, rawURL string, want searchindex.Set) (built, dropped searchindex.Set, err error) {
	s, db, locker, err := openToMigrate(ctx, rawURL)
	if err != nil {
		return 0, 0, err
	}
	defer func() { err = errors.Join(err, closeMigrated(s, db)) }()
	if locker != nil {
		if err := locker.Lock(ctx, db.DB); err != nil {
			return 0, 0, translate("lock the schema", err)
		}
		defer func() { err = errors.Join(err, locker.Unlock(context.WithoutCancel(ctx), db.DB)) }()
	}
	align := s.alignServer
	if s.dialect.name == "sqlite" {
		align = s.alignSQLite
	}
	for n, until := 1, time.Now().Add(tableInUse); ; n++ {
		began := time.Now()
		more, less, err := align(ctx, db, want)
		built, dropped = built|more, dropped|less
		until = until.Add(time.Since(began)) // a build may be long, and fail at its end for a transaction that uses the table
		again := err != nil && s.migrateAgain(ctx, err, n, until)
		if isOvertaken(err) {
			again = n < attempts && backoff(ctx, n) == nil
		}
		if !again {
			return built, dropped, translate("change indexes", err)
		}
	}
}

// isOvertaken reports whether an index is there already, or gone: the server went on with the statement of a process that died.
func isOvertaken(err error) bool {
	my, ok := errors.AsType[*mysql.MySQLError](err)
	return ok && (my.Number == 1061 || my.Number == 1091)
}

// alignSQLite does it in one transaction, so that of two processes the second finds nothing to do.
func (s *Store) alignSQLite(ctx context.Context, db *sqlx.DB, want searchindex.Set) (built, dropped searchindex.Set, err error) {
	tx, err := db.BeginTxx(ctx, nil)
	if err != nil {
		return 0, 0, err
	}
	defer func() { _ = tx.Rollback() }() // after a commit it has no effect
	have, err := s.readIndexes(ctx, tx)
	if err != nil {
		return 0, 0, err
	}
	built, dropped = want.Without(have), have.Without(want)
	var statements []string
	for _, column := range dropped.Columns() {
		statements = append(statements, `DROP INDEX `+indexPrefix+column)
	}
	for _, column := range built.Columns() {
		only := ""
		if column == "deleted" {
			only = ` WHERE deleted = 1`
		}
		statements = append(statements, `CREATE INDEX `+indexPrefix+column+` ON users (`+s.dialect.search.Column(column)+`)`+only)
	}
	for _, statement := range statements {
		if _, err := tx.ExecContext(ctx, statement); err != nil {
			return 0, 0, err
		}
	}
	return built, dropped, tx.Commit()
}

// alignServer does it with one statement for what is to go and one for what is to come, on each shard if there are some: one that
// failed on some of them leaves these with other indexes than the rest.
func (s *Store) alignServer(ctx context.Context, db *sqlx.DB, want searchindex.Set) (built, dropped searchindex.Set, err error) {
	conn, err := db.Connx(ctx)
	if err != nil {
		return 0, 0, err
	}
	defer func() {
		// It may be left in a shard, where the lock's table is not.
		_ = conn.Raw(func(any) error { return driver.ErrBadConn })
		_ = conn.Close()
	}()
	shards, err := s.shardsOfUsers(ctx, conn)
	if err != nil {
		return 0, 0, err
	}
	for _, shard := range shards {
		if err := s.enter(ctx, conn, shard); err != nil {
			return built, dropped, err
		}
		have, err := s.readIndexes(ctx, conn)
		if err != nil {
			return built, dropped, err
		}
		more, less := want.Without(have), have.Without(want)
		if err := alter(ctx, conn, less, func(name, _ string) string { return "DROP INDEX " + name }); err != nil {
			return built, dropped, err
		}
		dropped |= less
		if err := alter(ctx, conn, more, func(name, column string) string { return "ADD INDEX " + name + " (" + column + ")" }); err != nil {
			return built, dropped, err
		}
		built |= more
	}
	return built, dropped, nil
}

// enter makes a shard that of the connection's next statements, which may take a day: vttablet allows 30 s by default.
func (s *Store) enter(ctx context.Context, conn *sqlx.Conn, shard string) error {
	if !s.dialect.sharded {
		return nil
	}
	for _, statement := range []string{"USE `" + shard + "`", "SET query_timeout = 86400000"} {
		if _, err := conn.ExecContext(ctx, statement); err != nil {
			return err
		}
	}
	return nil
}

// alter changes the indexes of users while others read and write them, or fails at once where the server cannot.
func alter(ctx context.Context, conn *sqlx.Conn, set searchindex.Set, change func(name, column string) string) error {
	var changes []string
	for _, column := range set.Columns() {
		changes = append(changes, change(indexPrefix+column, column))
	}
	if len(changes) == 0 {
		return nil
	}
	_, err := conn.ExecContext(ctx, "ALTER TABLE users "+strings.Join(changes, ", ")+", ALGORITHM=INPLACE, LOCK=NONE")
	return err
}

// shardsOfUsers returns what to USE to reach each shard that has users; one empty name where there are no shards.
func (s *Store) shardsOfUsers(ctx context.Context, conn *sqlx.Conn) (shards []string, err error) {
	if !s.dialect.sharded {
		return []string{""}, nil
	}
	list, err := selectRows(ctx, conn, `SHOW VITESS_SHARDS`)
	for _, row := range list {
		for _, value := range row {
			if shard, ours := strings.CutPrefix(textOf(value), "muster_users/"); ours {
				shards = append(shards, "muster_users:"+shard)
			}
		}
	}
	if err == nil && len(shards) == 0 {
		err = errors.New("there is no shard of the keyspace muster_users")
	}
	return shards, err
}
