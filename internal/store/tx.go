package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/jmoiron/sqlx"

	"github.com/musterhq/muster/internal/job"
)

// attempts bounds how often a transaction is run again after a lost race or a lost connection.
const attempts = 8

// backoff waits after failed attempt n, from 1: 10 to 20 ms, twice as long after each further one, up to about a second. It
// returns ctx's error when that ends first.
func backoff(ctx context.Context, n int) error {
	d := 10 * time.Millisecond << min(n, 7)
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d/2 + rand.N(d/2)):
		return nil
	}
}

// inTx runs fn in a transaction and commits it; any error rolls back explicitly, since error 1205 undoes only the
// statement. After a lost race, or on a connection to a server that takes no writes any more, the whole of it runs
// again, so fn may run several times and must not keep state from one run to the next. It does not retry a lost
// COMMIT: whether that took effect is unknown, and only the caller can find out. Such an error wraps job.ErrUncertain.
func (s *Store) inTx(ctx context.Context, op string, fn func(tx *sqlx.Tx) error) error {
	return s.inTxAt(ctx, op, nil, fn)
}

// inTxAt is inTx at another isolation level; nil: the session's.
func (s *Store) inTxAt(ctx context.Context, op string, isolation *sql.TxOptions, fn func(tx *sqlx.Tx) error) error {
	for n := 1; ; n++ {
		err := s.runTx(ctx, isolation, fn)
		if err == nil {
			return nil
		}
		if !isRetryable(err) || n == attempts || backoff(ctx, n) != nil {
			return s.refuse(op, err) // the database's error, not that ctx ended during the wait
		}
	}
}

// isRetryable reports whether a transaction that failed with err was certainly not committed, and may succeed in
// another run.
func isRetryable(err error) bool {
	switch classify(err).class {
	case conflict, readOnly:
		return true
	}
	return errors.Is(err, driver.ErrBadConn) && !errors.Is(err, job.ErrUncertain)
}

// refuse is translate for a write that was given up.
func (s *Store) refuse(op string, err error) error {
	err = translate(op, err)
	s.noteRefused(err)
	return err
}

// leave closes the connections that nobody uses, if err says that the server takes no writes: it may be a primary that was
// demoted, and the address lead to another by now. The driver would do so itself, and keep back what the server said.
func (s *Store) leave(err error) {
	if classify(err).class == readOnly {
		s.w.SetMaxIdleConns(0)
		s.w.SetMaxIdleConns(s.maxIdle)
	}
}

// runTx is inTxAt without the retries and the translation of errors.
func (s *Store) runTx(ctx context.Context, isolation *sql.TxOptions, fn func(tx *sqlx.Tx) error) error {
	tx, err := s.w.BeginTxx(ctx, isolation)
	if err != nil {
		return err
	}
	if err := fn(tx); err != nil {
		_ = tx.Rollback() // the first error is the one that matters; a failed rollback closes the connection
		s.leave(err)
		return err
	}
	err = tx.Commit()
	s.leave(err)
	if classify(err).class == unavailable {
		return fmt.Errorf("%w: %w", job.ErrUncertain, err)
	}
	return err
}

// errNoRow: the row is not as the statement asks for it, since somebody else has changed it.
var errNoRow = errors.New("the statement matched no row")

// requireRow turns a statement that matched no row into errNoRow.
func requireRow(res sql.Result, err error) error {
	rows, err := changed(res, err)
	if err == nil && rows == 0 {
		return errNoRow
	}
	return err
}

// changed returns the number of rows that a statement matched.
func changed(res sql.Result, err error) (int64, error) {
	if err != nil {
		return 0, err
	}
	return res.RowsAffected()
}

// exec runs one statement outside a transaction, again after what passes, and returns how many rows it matched. Only for
// statements that are harmless to repeat.
func (s *Store) exec(ctx context.Context, op, query string, args ...any) (int64, error) {
	for n := 1; ; n++ {
		rows, err := changed(s.w.ExecContext(ctx, query, args...))
		if err == nil {
			return rows, nil
		}
		s.leave(err)
		if !classify(err).passing() || n == attempts || backoff(ctx, n) != nil {
			return 0, s.refuse(op, err)
		}
	}
}
