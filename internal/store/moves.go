package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jmoiron/sqlx"

	"github.com/musterhq/muster/internal/crash"
	"github.com/musterhq/muster/internal/job"
)

// from is the IN list of the statuses from which a job may move to s.
func from(s job.Status) string {
	var names []string
	for _, f := range job.Sources(s) {
		names = append(names, "'"+string(f)+"'")
	}
	return "(" + strings.Join(names, ", ") + ")"
}

// totals settles the counts of a job that ends, from its chunks.
const totals = `
	processed = (SELECT COALESCE(SUM(c.rows_done - c.rows_rejected), 0) FROM job_chunks c WHERE c.job_id = jobs.id),
	rejected = (SELECT COALESCE(SUM(c.rows_rejected), 0) FROM job_chunks c WHERE c.job_id = jobs.id)`

// FinishJob ends the job when all its chunks are over: COMPLETED when each is done, FAILED when one failed for
// good. It reports whether this call made the move; exactly one call does. Call it after the commit that ended a
// chunk, never inside: two last chunks that end at once must not both look before the other is visible.
func (s *Store) FinishJob(ctx context.Context, id string) (bool, error) {
	crash.Point("finish.begin")
	// A look without locks first: the statements below lock the chunks that they read.
	var open int
	err := s.r.GetContext(ctx, &open, `SELECT COUNT(*) FROM job_chunks WHERE job_id = ? AND state = 'READY'`, id)
	if err != nil || open > 0 {
		return false, translate("finish job", err)
	}
	rows, err := s.exec(ctx, "finish job", `
		UPDATE jobs
		   SET status = 'COMPLETED', version = version + 1, message = '', settled_at = 0, finished_at = `+s.dialect.now+`,`+totals+`
		 WHERE id = ? AND status IN `+from(job.Completed)+`
		   AND NOT EXISTS (SELECT 1 FROM job_chunks c WHERE c.job_id = jobs.id AND c.state <> 'DONE')`, id)
	if err != nil || rows == 1 {
		crash.Point("finish.moved")
		return rows == 1, err
	}
	rows, err = s.exec(ctx, "finish job", `
		UPDATE jobs
		   SET status = 'FAILED', version = version + 1, error_code = 'chunk_failed',
		       message = 'Some of the users could not be imported; those counted are stored.',
		       settled_at = 0, finished_at = `+s.dialect.now+`,`+totals+`
		 WHERE id = ? AND status IN `+from(job.Failed)+`
		   AND EXISTS (SELECT 1 FROM job_chunks c WHERE c.job_id = jobs.id AND c.state = 'FAILED')
		   AND NOT EXISTS (SELECT 1 FROM job_chunks c WHERE c.job_id = jobs.id AND c.state = 'READY')`, id)
	return rows == 1, err
}

// FailPoison marks the chunks of a job that stalled too often as failed for good, and says how many.
func (s *Store) FailPoison(ctx context.Context, id string) (int64, error) {
	return s.exec(ctx, "fail poison", `
		UPDATE job_chunks SET state = 'FAILED'
		 WHERE job_id = ? AND state = 'READY' AND stalls >= ? AND lease_until < `+s.dialect.now, id, MaxStalls)
}

// control makes a move that a job's owner asks for: the transaction, in which errMoved says that the job does not stand
// where it must, and then a look at where it stands. A job that is in one of the statuses already there is answered
// as if it had moved now.
func (s *Store) control(ctx context.Context, action, userID, id string, already []job.Status, move func(tx *sqlx.Tx) error) (job.Job, error) {
	err := s.inTx(ctx, action+" job", move)
	stayed := errors.Is(err, errMoved)
	if err != nil && !stayed {
		return job.Job{}, err
	}
	j, err := s.Job(ctx, id)
	switch {
	case err != nil && !stayed:
		return job.Job{}, fmt.Errorf("%w: %w", job.ErrUncertain, err) // to the caller, who is not told how it went
	case err != nil:
		return job.Job{}, err
	case j.UserID != userID:
		return job.Job{}, job.ErrNotFound
	case stayed && !slices.Contains(already, j.Status): // one that moved may have moved on since
		return job.Job{}, &job.StateError{Action: action, Status: j.Status}
	}
	return j, nil
}

// one turns a statement that matched no row into errMoved.
func one(res sql.Result, err error) error {
	rows, err := changed(res, err)
	if err == nil && rows == 0 {
		return errMoved
	}
	return err
}

// idled adds the time since a column's to that in which a job stood still after its start. It goes before an assignment
// to the column: MySQL evaluates from left to right, with the new values.
func (s *Store) idled(since string) string {
	return `idle_ms = idle_ms + CASE WHEN started_at > 0 AND ` + since + ` > 0 THEN ` + s.dialect.now + ` - ` + since + ` ELSE 0 END`
}

// Cancel ends the user's job. Every worker on it is stopped by the guard at its next batch, and no row of the job
// appears afterwards. Cancelling a cancelled job answers it again; another finished job is a *job.StateError, an
// unknown one or somebody else's is job.ErrNotFound.
func (s *Store) Cancel(ctx context.Context, userID, id string) (job.Job, error) {
	return s.control(ctx, "cancel", userID, id, []job.Status{job.Cancelled}, func(tx *sqlx.Tx) error {
		err := one(tx.ExecContext(ctx, `
			UPDATE jobs
			   SET status = 'CANCELLED', version = version + 1, message = 'Cancelled.', settled_at = 0, finished_at = `+s.dialect.now+`,
			       `+s.idled("paused_at")+`, paused_at = 0
			 WHERE id = ? AND user_id = ? AND status IN `+from(job.Cancelled), id, userID))
		if err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `UPDATE job_chunks SET state = 'CANCELLED' WHERE job_id = ? AND state IN ('READY', 'PAUSED')`, id); err != nil {
			return err
		}
		// The batches in flight are over now, so the sum is final.
		_, err = tx.ExecContext(ctx, `UPDATE jobs SET `+totals+` WHERE id = ?`, id)
		return err
	})
}

// Say sets the message that a running job shows, such as why it waits; an empty one clears it.
func (s *Store) Say(ctx context.Context, id, message string) error {
	_, err := s.exec(ctx, "say", `UPDATE jobs SET message = ? WHERE id = ? AND finished_at = 0`, cut(message), id)
	return err
}

// Unsettled answers up to limit jobs that need a keeper, by id from after on: those that run, and those that are
// over, paused or to be undone but whose slot, cooldown, live progress or users were not seen to.
func (s *Store) Unsettled(ctx context.Context, after string, limit int) ([]job.Job, error) {
	return s.selectJobs(ctx, `WHERE settled_at = 0 AND id > ? ORDER BY id LIMIT ?`, after, limit)
}

// Settle marks a job as seen to, if it still is at the version that was seen. One that runs is never seen to.
func (s *Store) Settle(ctx context.Context, id string, version int64) error {
	_, err := s.exec(ctx, "settle job", `UPDATE jobs SET settled_at = `+s.dialect.now+`
		 WHERE id = ? AND settled_at = 0 AND version = ? AND status NOT IN ('PENDING', 'IN_PROGRESS')
		   AND (undo_at = 0 OR undone_at > 0)`, id, version)
	return err
}

// Unheld answers those of the job's first window open chunks that no worker holds: what a keeper rings for.
func (s *Store) Unheld(ctx context.Context, id string, window int) ([]job.Chunk, error) {
	return s.selectChunks(ctx, `
		WHERE job_id = ? AND lease_until < `+s.dialect.now+` AND state = 'READY' AND chunk_no IN (
			SELECT chunk_no FROM (
				SELECT chunk_no FROM job_chunks WHERE job_id = ? AND state = 'READY' ORDER BY chunk_no LIMIT ?) AS first_open)
		ORDER BY chunk_no`, id, id, window)
}
