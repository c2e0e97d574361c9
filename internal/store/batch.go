package store

import (
	"context"
	"errors"
	"time"

	"github.com/jmoiron/sqlx"

	"github.com/musterhq/muster/internal/crash"
	"github.com/musterhq/muster/internal/job"
	"github.com/musterhq/muster/internal/user"
)

// CommitBatch stores users, the next rows of the claimed chunk, of which rejected more were left out by the
// source, and moves the claim on. Rows and checkpoint commit together: the guarded UPDATE is lock, fence,
// checkpoint, lease renewal and counter in one statement. It returns job.ErrFenced when the chunk is not the
// caller's any more; any other error leaves the chunk where it stood, and wraps job.ErrStoreUnavailable when
// trying later may help.
func (s *Store) CommitBatch(ctx context.Context, c *job.Claim, users []user.User, rejected int) error {
	crash.Point("batch.begin")
	if c.Job.Status == job.Pending {
		if err := s.startJob(ctx, c); err != nil {
			return err
		}
	}
	crash.Point("batch.started")
	unknown := false
	for n := 1; ; n++ {
		err := s.tryBatch(ctx, c, users, rejected, unknown)
		switch {
		case err == nil:
			crash.Point("batch.committed")
			c.Chunk.Done += int64(len(users) + rejected)
			c.Chunk.Rejected += int64(rejected)
			return nil
		case errors.Is(err, errNoRow):
			return job.ErrFenced
		case !classify(err).passing() || n == attempts || ctx.Err() != nil:
			return s.refuse("commit batch", err)
		case errors.Is(err, job.ErrUncertain):
			// Whether the COMMIT took effect shows in the next run of the same transaction: its guard waits for the
			// first one's lock, which a plain SELECT would not do.
			unknown = true
		}
		if backoff(ctx, n) != nil {
			return s.refuse("commit batch", err)
		}
	}
}

// tryBatch runs the transaction of a batch a single time; unknown says that an earlier run may have committed.
func (s *Store) tryBatch(ctx context.Context, c *job.Claim, users []user.User, rejected int, unknown bool) error {
	guard, err := s.inserts.get(ctx, s.guardSQL())
	if err != nil {
		return err
	}
	rowsPerInsert := s.rowsPerInsert()
	var full *sqlx.Stmt
	if len(users) >= rowsPerInsert {
		if full, err = s.inserts.get(ctx, insertSQL(rowsPerInsert)); err != nil {
			return err
		}
	}
	return s.runTx(ctx, func(tx *sqlx.Tx) error {
		n := int64(len(users) + rejected)
		began := time.Now()
		rows, err := changed(tx.StmtxContext(ctx, guard).ExecContext(ctx,
			n, n, rejected, s.lease.Milliseconds(), c.Chunk.JobID, c.Chunk.No, c.Chunk.Done))
		if err != nil {
			return err
		}
		s.observeRTT(time.Since(began))
		if rows == 0 {
			return s.resolve(ctx, tx, c, n, unknown)
		}
		crash.Point("batch.guarded")
		if err := s.insertUsers(ctx, tx, full, rowsPerInsert, users); err != nil {
			return err
		}
		crash.Point("batch.inserted")
		return nil
	})
}

// farRTT is the round trip from which on fewer statements are worth more than quick ones.
const farRTT = 2 * time.Millisecond

// rowsPerInsert is how many users one INSERT stores.
func (s *Store) rowsPerInsert() int {
	if time.Duration(s.rtt.Load()) > farRTT {
		return s.dialect.farRowsPerInsert
	}
	return s.dialect.rowsPerInsert
}

// observeRTT estimates the round trip to the server from what a statement took that touches one row. A shorter time
// counts at once, a longer one by a sixteenth: it may come from a busy server, and not from a far one.
func (s *Store) observeRTT(took time.Duration) {
	least := s.rtt.Load()
	if least == 0 {
		least = int64(took)
	}
	s.rtt.Store(min(int64(took), least+(int64(took)-least)/16))
}

// guardSQL returns the guard of a batch. It sets state before rows_done: MySQL evaluates assignments from left to
// right, with the new values.
func (s *Store) guardSQL() string {
	return `
		UPDATE job_chunks
		   SET state = CASE WHEN rows_done + ? >= row_count THEN 'DONE' ELSE state END,
		       rows_done = rows_done + ?, rows_rejected = rows_rejected + ?,
		       lease_until = ` + s.dialect.now + ` + ?, stalls = 0
		 WHERE job_id = ? AND chunk_no = ? AND state = 'READY' AND rows_done = ?`
}

// resolve finds out why the guard of a batch of n rows matched no row. After a lost connection the first commit may
// have taken effect: a checkpoint that already stands at the batch's end is this batch's own, and resolve returns nil.
// Otherwise it returns errNoRow.
func (s *Store) resolve(ctx context.Context, tx *sqlx.Tx, c *job.Claim, n int64, unknown bool) error {
	if !unknown {
		return errNoRow
	}
	var done int64
	err := tx.GetContext(ctx, &done, `SELECT rows_done FROM job_chunks WHERE job_id = ? AND chunk_no = ?`+s.dialect.forUpdate,
		c.Chunk.JobID, c.Chunk.No)
	if err != nil {
		return err
	}
	if done == c.Chunk.Done+n {
		crash.Point("batch.resolved")
		return nil
	}
	return errNoRow
}
