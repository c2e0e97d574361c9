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

// MaxStalls is how many claims in a row a chunk may have without one committed batch before it counts as poison.
const MaxStalls = 3

// ClaimChunk takes a chunk for one lease. It answers nil when somebody else holds it, it is over, or it is poison:
// there is nothing to do then. The job's counts are not read.
//
// The read is part of the claim: one that failed would leave a stall behind, and three of them poison.
func (s *Store) ClaimChunk(ctx context.Context, jobID string, no int) (*job.Claim, error) {
	crash.Point("claim.begin")
	now := s.dialect.now
	var row struct {
		jobRow
		chunkRow
	}
	err := s.inTx(ctx, "claim chunk", func(tx *sqlx.Tx) error {
		began := time.Now()
		err := one(tx.ExecContext(ctx, `
			UPDATE job_chunks
			   SET lease_until = `+now+` + ?, stalls = stalls + 1, claims = claims + 1
			 WHERE job_id = ? AND chunk_no = ? AND state = 'READY' AND lease_until < `+now+` AND stalls < ?`,
			s.lease.Milliseconds(), jobID, no, MaxStalls))
		if err != nil {
			return err
		}
		s.answered(time.Since(began))
		crash.Point("claim.taken")
		err = tx.GetContext(ctx, &row, `
			SELECT `+jobColumns+`, `+chunkColumns+` FROM jobs JOIN job_chunks ON job_id = id WHERE id = ? AND chunk_no = ?`, jobID, no)
		crash.Point("claim.read")
		return err
	})
	if errors.Is(err, errMoved) {
		return nil, nil
	}
	// After a lost COMMIT the chunk may be the caller's or not. Going on is safe, since each batch has its own guard;
	// giving up would leave the stall.
	if err != nil && !errors.Is(err, job.ErrUncertain) {
		return nil, err
	}
	c := &job.Claim{Chunk: row.chunk()}
	if c.Job, err = row.job(); err != nil {
		return nil, err
	}
	return c, nil
}

// far is the wait for an answer from which on fewer statements are worth more than quick ones.
const far = 2 * time.Millisecond

// errMoved is the guard's answer inside a transaction: the chunk does not stand where the caller believes.
var errMoved = errors.New("the guard matched no row")

// CommitBatch stores users, the next rows of the claimed chunk, of which rejected more were left out by the
// source, and moves the claim on. Rows and checkpoint commit together: the guarded UPDATE is lock, fence,
// checkpoint, lease renewal and counter in one statement. The answer is job.ErrFenced when the chunk is not the
// caller's any more; any other error leaves the chunk where it stood, and wraps job.ErrStoreUnavailable when
// trying later may help.
func (s *Store) CommitBatch(ctx context.Context, c *job.Claim, users []user.User, rejected int) error {
	crash.Point("batch.begin")
	unknown := false
	for n := 1; ; n++ {
		err := s.tryBatch(ctx, c, users, rejected, unknown)
		switch k := classify(err); {
		case err == nil:
			crash.Point("batch.committed")
			c.Chunk.Done += int64(len(users) + rejected)
			c.Chunk.Rejected += int64(rejected)
			if c.Job.Status == job.Pending {
				c.Job.Status, c.Job.Version = job.InProgress, c.Job.Version+1
			}
			return nil
		case errors.Is(err, errMoved):
			return job.ErrFenced
		case k != conflict && k != unavailable || n == attempts || ctx.Err() != nil:
			return translate("commit batch", err)
		case errors.Is(err, job.ErrUncertain):
			// Whether the COMMIT took effect shows in the next run of the same transaction: its guard waits for the
			// first one's lock, which a plain SELECT would not do.
			unknown = true
		}
		if backoff(ctx, n) != nil {
			return translate("commit batch", err)
		}
	}
}

func (s *Store) tryBatch(ctx context.Context, c *job.Claim, users []user.User, rejected int, unknown bool) error {
	guard, err := s.inserts.get(ctx, s.guardSQL())
	if err != nil {
		return err
	}
	height := s.dialect.insertRows
	if time.Duration(s.answer.Load()) > far {
		height = s.dialect.farRows
	}
	var full *sqlx.Stmt
	if len(users) >= height {
		if full, err = s.inserts.get(ctx, insertSQL(height)); err != nil {
			return err
		}
	}
	return s.once(ctx, func(tx *sqlx.Tx) error {
		// Before the chunk, as in Cancel: one order of locks, no deadlock.
		if c.Job.Status == job.Pending {
			if err := s.start(ctx, tx, c.Job.ID); err != nil {
				return err
			}
		}
		n := int64(len(users) + rejected)
		began := time.Now()
		rows, err := changed(tx.StmtxContext(ctx, guard).ExecContext(ctx,
			n, n, rejected, s.lease.Milliseconds(), c.Chunk.JobID, c.Chunk.No, c.Chunk.Done))
		if err != nil {
			return err
		}
		s.answered(time.Since(began))
		if rows == 0 {
			return s.moved(ctx, tx, c, n, unknown)
		}
		crash.Point("batch.guarded")
		if err := s.insertUsers(ctx, tx, full, height, users); err != nil {
			return err
		}
		crash.Point("batch.inserted")
		return nil
	})
}

// answered keeps the least that a statement took which touches one row. More counts little by little: a busy server is
// not a far one.
func (s *Store) answered(took time.Duration) {
	least := s.answer.Load()
	if least == 0 {
		least = int64(took)
	}
	s.answer.Store(min(int64(took), least+(int64(took)-least)/16))
}

// guardSQL sets state before rows_done: MySQL evaluates assignments from left to right, with the new values.
func (s *Store) guardSQL() string {
	return `
		UPDATE job_chunks
		   SET state = CASE WHEN rows_done + ? >= row_count THEN 'DONE' ELSE state END,
		       rows_done = rows_done + ?, rows_rejected = rows_rejected + ?,
		       lease_until = ` + s.dialect.now + ` + ?, stalls = 0
		 WHERE job_id = ? AND chunk_no = ? AND state = 'READY' AND rows_done = ?`
}

// start moves the job to IN_PROGRESS with its first batch, also the first after a pause; no row matches when another
// chunk was first.
func (s *Store) start(ctx context.Context, tx *sqlx.Tx, id string) error {
	_, err := tx.ExecContext(ctx, `
		UPDATE jobs
		   SET status = 'IN_PROGRESS', version = version + 1,
		       started_at = CASE WHEN started_at = 0 THEN `+s.dialect.now+` ELSE started_at END
		 WHERE id = ? AND status = 'PENDING'`, id)
	return err
}

// moved tells the fence from a first commit that did take effect: after a lost connection, a checkpoint that
// already stands at the batch's end is this batch's own.
func (s *Store) moved(ctx context.Context, tx *sqlx.Tx, c *job.Claim, n int64, unknown bool) error {
	if !unknown {
		return errMoved
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
	return errMoved
}

// GiveBack ends a claim on purpose: the chunk may be claimed again after wait, and the claim does not count as a
// stall. It does nothing when the chunk is not the caller's any more.
func (s *Store) GiveBack(ctx context.Context, c *job.Claim, wait time.Duration, reason string) error {
	crash.Point("giveback.begin")
	_, err := s.exec(ctx, "give back chunk", `
		UPDATE job_chunks
		   SET lease_until = CASE WHEN ? > 0 THEN `+s.dialect.now+` + ? ELSE 0 END,
		       stalls = CASE WHEN stalls > 0 AND stalls >= ? THEN stalls - 1 ELSE stalls END, last_error = ?
		 WHERE job_id = ? AND chunk_no = ? AND state = 'READY' AND claims = ? AND rows_done = ?`,
		wait.Milliseconds(), wait.Milliseconds(), c.Chunk.Stalls, cut(reason), c.Chunk.JobID, c.Chunk.No, c.Chunk.Claims, c.Chunk.Done)
	crash.Point("giveback.done")
	return err
}

// Stall ends a claim that failed by the chunk's own fault, a panic for one: the stall stays counted.
func (s *Store) Stall(ctx context.Context, c *job.Claim, reason string) error {
	_, err := s.exec(ctx, "stall chunk", `
		UPDATE job_chunks SET lease_until = 0, last_error = ?
		 WHERE job_id = ? AND chunk_no = ? AND state = 'READY' AND claims = ?`,
		cut(reason), c.Chunk.JobID, c.Chunk.No, c.Chunk.Claims)
	return err
}

// cut keeps a text within the column; the rest of a long error says little.
func cut(s string) string {
	const most = 500
	if r := []rune(s); len(r) > most {
		return string(r[:most])
	}
	return s
}
