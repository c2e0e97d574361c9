package store

import (
	"context"
	"database/sql"
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
	return s.commit(ctx, c, &batch{
		rows: len(users) + rejected, rejected: rejected, inserts: len(users),
		store: func(ctx context.Context, tx *sqlx.Tx, with prepared, _ *job.Chunk) error {
			return s.insertUsers(ctx, tx, with.insert, c.Chunk.Block, users)
		},
	})
}

// batch is what a transaction adds to a chunk.
type batch struct {
	rows, rejected   int // that the checkpoint moves on by, and how many of these are known to be rejected
	inserts, upserts int // at most so many users are inserted, and changed
	isolation        *sql.TxOptions
	// store writes what belongs to the rows, and adds what became of them to the counts of the chunk as it is afterwards. It may
	// run several times.
	store func(ctx context.Context, tx *sqlx.Tx, with prepared, after *job.Chunk) error
}

// commit stores b as the next rows of the claimed chunk.
func (s *Store) commit(ctx context.Context, c *job.Claim, b *batch) error {
	crash.Point("batch.begin")
	if err := s.startWaiting(ctx, c); err != nil {
		return err
	}
	crash.Point("batch.started")
	unknown := false
	for n := 1; ; n++ {
		after, err := s.tryBatch(ctx, c, b, unknown)
		switch {
		case err == nil:
			crash.Point("batch.committed")
			c.Chunk = after
			return nil
		case errors.Is(err, errNoRow):
			return job.ErrFenced
		case errors.Is(err, errKeysLost): // to be done anew from the locks on
			return err
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

// tryBatch runs the transaction of a batch a single time, and returns the chunk as it is then; unknown says that an earlier run
// may have committed.
func (s *Store) tryBatch(ctx context.Context, c *job.Claim, b *batch, unknown bool) (after job.Chunk, err error) {
	guard, err := s.inserts.get(ctx, s.guardSQL())
	if err != nil {
		return after, err
	}
	with, err := s.prepare(ctx, b.inserts, b.upserts)
	if err != nil {
		return after, err
	}
	err = s.runTx(ctx, b.isolation, func(tx *sqlx.Tx) error {
		began := time.Now()
		rows, err := changed(tx.StmtxContext(ctx, guard).ExecContext(ctx,
			b.rows, b.rows, b.rejected, s.lease.Milliseconds(), c.Chunk.JobID, c.Chunk.No, c.Chunk.Block, c.Chunk.Done))
		if err != nil {
			return err
		}
		s.observeRTT(time.Since(began))
		after = c.Chunk
		if rows == 0 {
			return s.resolve(ctx, tx, &after, int64(b.rows), unknown)
		}
		crash.Point("batch.guarded")
		after.Done += int64(b.rows)
		after.Rejected += int64(b.rejected)
		if err := b.store(ctx, tx, with, &after); err != nil {
			return err
		}
		crash.Point("batch.inserted")
		return nil
	})
	return after, err
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
		 WHERE job_id = ? AND chunk_no = ? AND block = ? AND state = 'READY' AND rows_done = ?`
}

// resolve finds out why the guard of a batch of n rows matched no row. After a lost connection the first commit may
// have taken effect: a checkpoint that already stands at the batch's end is this batch's own, and resolve sets c to the chunk as
// it is then. Otherwise it returns errNoRow.
func (s *Store) resolve(ctx context.Context, tx *sqlx.Tx, c *job.Chunk, n int64, unknown bool) error {
	if !unknown {
		return errNoRow
	}
	var now chunkRow
	err := tx.GetContext(ctx, &now, `SELECT `+chunkColumns+` FROM job_chunks WHERE job_id = ? AND chunk_no = ? AND block = ?`+s.dialect.forUpdate,
		c.JobID, c.No, c.Block)
	if err != nil {
		return err
	}
	if now.Done == c.Done+n {
		crash.Point("batch.resolved")
		now.Claims, now.Stalls = c.Claims, c.Stalls // those of the claim
		*c = now.chunk()
		return nil
	}
	return errNoRow
}
