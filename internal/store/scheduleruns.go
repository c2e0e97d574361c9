package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"

	"github.com/musterhq/muster/internal/crash"
	"github.com/musterhq/muster/internal/job"
)

const fireSQL = `
	UPDATE schedules
	   SET next_fire_at = ?, version = version + 1
	 WHERE id = ? AND next_fire_at = ? AND version = ?`

// Fire notes runs of a schedule and moves it on to its next fire time, both or nothing. It returns false when another worker
// has done so, or the owner has changed the schedule since it was read.
func (s *Store) Fire(ctx context.Context, c *job.Schedule, next time.Time, runs []job.ScheduleRun) (bool, error) {
	err := s.inTx(ctx, "fire schedule", func(tx *sqlx.Tx) error {
		err := requireRow(tx.ExecContext(ctx, fireSQL, sinceEpoch(next), c.ID, sinceEpoch(c.NextFireAt), c.Version))
		if err != nil {
			return err
		}
		crash.Point("schedule.moved")
		// A run of that time may be there already, such as one that the owner asked for at that very millisecond: it is the
		// time's one. The schedule moves on all the same.
		return insertRuns(ctx, tx, runs, s.dialect.onDuplicateKeep)
	})
	if errors.Is(err, errNoRow) {
		return false, nil
	}
	return err == nil, err
}

// AddRun notes one run of a schedule that exists. Errors: job.ErrScheduleNotFound, job.ErrRunExists.
func (s *Store) AddRun(ctx context.Context, r job.ScheduleRun) error {
	err := s.inTx(ctx, "add run", func(tx *sqlx.Tx) error {
		var there int
		// Under its lock, so that it is not deleted in between, and the run left over.
		err := tx.GetContext(ctx, &there, `SELECT COUNT(*) FROM schedules WHERE id = ?`+s.dialect.forUpdate, r.ScheduleID)
		if err == nil && there == 0 {
			err = job.ErrScheduleNotFound
		}
		if err != nil {
			return err
		}
		return insertRuns(ctx, tx, []job.ScheduleRun{r}, "")
	})
	return err
}

func insertRuns(ctx context.Context, tx *sqlx.Tx, runs []job.ScheduleRun, onDuplicate string) error {
	args := make([]any, 0, 8*len(runs))
	for _, r := range runs {
		args = append(args, r.ScheduleID, r.FireAt.UnixMilli(), r.Manual, r.State, r.JobID, r.Code, sinceEpoch(r.TryAt), sinceEpoch(r.FinishedAt))
	}
	_, err := tx.ExecContext(ctx, `
		INSERT INTO schedule_runs (schedule_id, fire_at, manual, state, job_id, code, try_at, finished_at)
		VALUES `+lists("(?,?,?,?,?,?,?,?)", len(runs))+onDuplicate, args...)
	if classify(err).class == duplicate {
		return fmt.Errorf("%w: %w", job.ErrRunExists, err)
	}
	return err
}

const selectRuns = `
	SELECT schedule_id, fire_at, manual, state, job_id, code, attempts, try_at, finished_at
	  FROM schedule_runs `

// Runs returns runs of a schedule, newest first, that fired before a time; the zero time: from the newest.
func (s *Store) Runs(ctx context.Context, scheduleID string, before time.Time, limit int) ([]job.ScheduleRun, error) {
	if before.IsZero() {
		return s.runs(ctx, `WHERE schedule_id = ? ORDER BY fire_at DESC LIMIT ?`, scheduleID, limit)
	}
	return s.runs(ctx, `WHERE schedule_id = ? AND fire_at < ? ORDER BY fire_at DESC LIMIT ?`, scheduleID, before.UnixMilli(), limit)
}

// PendingRuns returns PENDING runs of all schedules that are to be looked at by now.
func (s *Store) PendingRuns(ctx context.Context, now time.Time, limit int) ([]job.ScheduleRun, error) {
	return s.runs(ctx, `WHERE state = 'PENDING' AND try_at <= ? ORDER BY try_at, fire_at LIMIT ?`, now.UnixMilli(), limit)
}

// EarlierRuns returns the PENDING runs of the run's schedule that fired before it, oldest first.
func (s *Store) EarlierRuns(ctx context.Context, r *job.ScheduleRun) ([]job.ScheduleRun, error) {
	const most = 100
	return s.runs(ctx, `WHERE schedule_id = ? AND fire_at < ? AND state = 'PENDING' ORDER BY fire_at LIMIT ?`,
		r.ScheduleID, r.FireAt.UnixMilli(), most)
}

func (s *Store) runs(ctx context.Context, where string, args ...any) ([]job.ScheduleRun, error) {
	var rows []struct {
		ScheduleID string `db:"schedule_id"`
		FireAt     int64  `db:"fire_at"`
		Manual     bool   `db:"manual"`
		State      string `db:"state"`
		JobID      string `db:"job_id"`
		Code       string `db:"code"`
		Attempts   int64  `db:"attempts"`
		TryAt      int64  `db:"try_at"`
		FinishedAt int64  `db:"finished_at"`
	}
	if err := s.w.SelectContext(ctx, &rows, selectRuns+where, args...); err != nil {
		return nil, translate("read runs", err)
	}
	list := make([]job.ScheduleRun, len(rows))
	for i, r := range rows {
		list[i] = job.ScheduleRun{
			ScheduleID: r.ScheduleID, FireAt: millis(r.FireAt), Manual: r.Manual, State: job.RunState(r.State), JobID: r.JobID,
			Code: r.Code, Attempts: r.Attempts, TryAt: millis(r.TryAt), FinishedAt: millis(r.FinishedAt),
		}
	}
	return list, nil
}

// ClaimRun gives a PENDING run to one caller until a time, unless another has claimed it since it was read. r is then as it
// is in the table.
func (s *Store) ClaimRun(ctx context.Context, r *job.ScheduleRun, until time.Time) (bool, error) {
	err := s.inTx(ctx, "claim run", func(tx *sqlx.Tx) error {
		return requireRow(tx.ExecContext(ctx, `
			UPDATE schedule_runs
			   SET try_at = ?, attempts = attempts + 1
			 WHERE schedule_id = ? AND fire_at = ? AND state = 'PENDING' AND try_at = ? AND attempts = ?`,
			until.UnixMilli(), r.ScheduleID, r.FireAt.UnixMilli(), sinceEpoch(r.TryAt), r.Attempts))
	})
	if errors.Is(err, errNoRow) {
		return false, nil
	}
	if err == nil {
		r.TryAt, r.Attempts = until, r.Attempts+1
	}
	return err == nil, err
}

// DelayRun writes the run's Code and TryAt, if it is PENDING.
func (s *Store) DelayRun(ctx context.Context, r *job.ScheduleRun) error {
	_, err := s.exec(ctx, "delay run", `
		UPDATE schedule_runs SET code = ?, try_at = ? WHERE schedule_id = ? AND fire_at = ? AND state = 'PENDING'`,
		r.Code, sinceEpoch(r.TryAt), r.ScheduleID, r.FireAt.UnixMilli())
	return err
}

// EndRun writes the run's State, JobID, Code and FinishedAt, if it is PENDING, and its job as its schedule's last.
func (s *Store) EndRun(ctx context.Context, r *job.ScheduleRun) error {
	return s.inTx(ctx, "end run", func(tx *sqlx.Tx) error {
		n, err := changed(tx.ExecContext(ctx, `
			UPDATE schedule_runs
			   SET state = ?, job_id = ?, code = ?, finished_at = ?, try_at = 0
			 WHERE schedule_id = ? AND fire_at = ? AND state = 'PENDING'`,
			r.State, r.JobID, r.Code, r.FinishedAt.UnixMilli(), r.ScheduleID, r.FireAt.UnixMilli()))
		if err != nil || n == 0 || r.JobID == "" {
			return err
		}
		_, err = tx.ExecContext(ctx, `UPDATE schedules SET last_job_id = ? WHERE id = ?`, r.JobID, r.ScheduleID)
		return err
	})
}

// DeleteRuns forgets runs that were over before a time, and returns how many.
func (s *Store) DeleteRuns(ctx context.Context, before time.Time) (int64, error) {
	return s.exec(ctx, "delete runs", `DELETE FROM schedule_runs WHERE finished_at > 0 AND finished_at < ?`, before.UnixMilli())
}
