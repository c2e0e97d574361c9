package store

import (
	"context"
	"errors"

	"github.com/jmoiron/sqlx"

	"github.com/musterhq/muster/internal/crash"
	"github.com/musterhq/muster/internal/job"
)

// deadlineFrom is when a job that begins now must be over; 0: never.
func (s *Store) deadlineFrom(now int64) int64 {
	if s.allowed == 0 {
		return 0
	}
	return now + s.allowed.Milliseconds()
}

// Pause halts the user's job: every worker on it is stopped by the guard at its next batch. Pausing a paused job answers
// it again. Errors: job.ErrNotFound, *job.StateError.
func (s *Store) Pause(ctx context.Context, userID, id string) (job.Job, error) {
	return s.control(ctx, "pause", userID, id, []job.Status{job.Paused}, func(tx *sqlx.Tx) error {
		err := one(tx.ExecContext(ctx, `
			UPDATE jobs SET status = 'PAUSED', version = version + 1, message = 'Paused.', settled_at = 0, paused_at = `+s.dialect.now+`
			 WHERE id = ? AND user_id = ? AND status IN `+from(job.Paused), id, userID))
		if err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `UPDATE job_chunks SET state = 'PAUSED' WHERE job_id = ? AND state = 'READY'`, id)
		return err
	})
}

// Resume lets the user's paused job go on where it stood; the time that it was paused does not count against its
// deadline. Resuming a job that runs answers it. Its slot is the caller's to reserve before. Errors: job.ErrNotFound,
// *job.StateError.
func (s *Store) Resume(ctx context.Context, userID, id string) (job.Job, error) {
	return s.control(ctx, "resume", userID, id, []job.Status{job.Pending, job.InProgress}, func(tx *sqlx.Tx) error {
		// These two before paused_at.
		err := one(tx.ExecContext(ctx, `
			UPDATE jobs
			   SET deadline_at = CASE WHEN deadline_at > 0 THEN deadline_at + `+s.dialect.now+` - paused_at ELSE 0 END,
			       `+s.idled("paused_at")+`,
			       status = 'PENDING', version = version + 1, message = '', settled_at = 0, paused_at = 0
			 WHERE id = ? AND user_id = ? AND status = 'PAUSED'`, id, userID))
		if err != nil {
			return err
		}
		return reopen(ctx, tx, id, "PAUSED")
	})
}

// reopen makes the chunks of a job in that state claimable, at once and with a clean record.
func reopen(ctx context.Context, tx *sqlx.Tx, id, state string) error {
	_, err := tx.ExecContext(ctx,
		`UPDATE job_chunks SET state = 'READY', lease_until = 0, stalls = 0, last_error = '' WHERE job_id = ? AND state = ?`, id, state)
	return err
}

// Retry lets the user's failed job go on with the chunks that are not done, and gives it a new deadline. Its slot is the
// caller's to reserve before. Errors: job.ErrNotFound, *job.StateError.
func (s *Store) Retry(ctx context.Context, userID, id string) (job.Job, error) {
	return s.control(ctx, "retry", userID, id, []job.Status{job.Pending, job.InProgress}, func(tx *sqlx.Tx) error {
		err := one(tx.ExecContext(ctx, `
			UPDATE jobs
			   SET `+s.idled("finished_at")+`,
			       status = 'PENDING', version = version + 1, message = '', error_code = '', finished_at = 0, settled_at = 0,
			       deadline_at = CASE WHEN ? > 0 THEN `+s.dialect.now+` + ? ELSE 0 END
			 WHERE id = ? AND user_id = ? AND status = 'FAILED' AND undo_at = 0`,
			s.allowed.Milliseconds(), s.allowed.Milliseconds(), id, userID))
		if err != nil {
			return err
		}
		return reopen(ctx, tx, id, "FAILED")
	})
}

// FailOverdue ends the job when its deadline has passed and it has work left, and says whether it did.
func (s *Store) FailOverdue(ctx context.Context, id string) (bool, error) {
	var overdue int
	err := s.r.GetContext(ctx, &overdue, `SELECT COUNT(*) FROM jobs WHERE id = ? AND deadline_at > 0 AND deadline_at <= `+s.dialect.now, id)
	if err != nil || overdue == 0 {
		return false, translate("fail overdue job", err)
	}
	err = s.inTx(ctx, "fail overdue job", func(tx *sqlx.Tx) error {
		err := one(tx.ExecContext(ctx, `
			UPDATE jobs SET status = 'FAILED', version = version + 1, error_code = 'deadline_exceeded',
			       message = 'The job took longer than it may; the users counted are stored.', settled_at = 0,
			       finished_at = `+s.dialect.now+`
			 WHERE id = ? AND deadline_at > 0 AND deadline_at <= `+s.dialect.now+` AND status IN `+from(job.Failed)+`
			   AND EXISTS (SELECT 1 FROM job_chunks c WHERE c.job_id = jobs.id AND c.state = 'READY')`, id))
		if err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `UPDATE job_chunks SET state = 'FAILED' WHERE job_id = ? AND state = 'READY'`, id); err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `UPDATE jobs SET `+totals+` WHERE id = ?`, id)
		return err
	})
	if errors.Is(err, errMoved) {
		return false, nil
	}
	return err == nil, err
}

// RequestUndo records that the users of the user's job, which is over, are to be removed; UndoSlice does it. Asking again
// answers the job as it stands. Errors: job.ErrNotFound, *job.StateError.
func (s *Store) RequestUndo(ctx context.Context, userID, id string) (job.Job, error) {
	over := []job.Status{job.Completed, job.Failed, job.Cancelled}
	return s.control(ctx, "undo", userID, id, over, func(tx *sqlx.Tx) error {
		return one(tx.ExecContext(ctx, `
			UPDATE jobs SET undo_at = `+s.dialect.now+`, version = version + 1, settled_at = 0
			 WHERE id = ? AND user_id = ? AND undo_at = 0 AND status IN ('COMPLETED', 'FAILED', 'CANCELLED')`, id, userID))
	})
}

// undoRows is how many users one transaction removes: some ten milliseconds of locks.
const undoRows = 5000

// UndoSlice removes the next users of a job that is to be undone and says whether there may be more. Checkpoint and users
// change together, so that any number of workers may call it and any of them may die.
func (s *Store) UndoSlice(ctx context.Context, j *job.Job) (more bool, err error) {
	crash.Point("undo.begin")
	from, to := j.UndoneRows, min(j.UndoneRows+undoRows, j.Requested)
	err = s.inTx(ctx, "undo job", func(tx *sqlx.Tx) error {
		err := one(tx.ExecContext(ctx, `
			UPDATE jobs
			   SET undo_rows = ?, version = version + 1, undone_at = CASE WHEN ? >= requested THEN `+s.dialect.now+` ELSE 0 END
			 WHERE id = ? AND undo_at > 0 AND undone_at = 0 AND undo_rows = ?`, to, to, j.ID, from))
		if err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `DELETE FROM users WHERE id >= ? AND id < ?`, j.FirstID+from, j.FirstID+to)
		return err
	})
	switch {
	case errors.Is(err, errMoved):
		return false, nil // another worker is at it, or it is over
	case err != nil:
		return false, err
	}
	crash.Point("undo.sliced")
	j.UndoneRows, j.Undone, j.Version = to, to >= j.Requested, j.Version+1
	return !j.Undone, nil
}
