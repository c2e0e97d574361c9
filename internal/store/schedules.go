package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"

	"github.com/musterhq/muster/internal/job"
)

const selectSchedules = `
	SELECT id, owner, name, cron, time_zone, catch_up, overlaps, action, version, paused_at, next_fire_at, last_job_id,
	       created_at, updated_at
	  FROM schedules `

type scheduleRow struct {
	ID         string `db:"id"`
	Owner      string `db:"owner"`
	Name       string `db:"name"`
	Cron       string `db:"cron"`
	TimeZone   string `db:"time_zone"`
	CatchUp    string `db:"catch_up"`
	Overlap    string `db:"overlaps"`
	Action     string `db:"action"`
	Version    int64  `db:"version"`
	PausedAt   int64  `db:"paused_at"`
	NextFireAt int64  `db:"next_fire_at"`
	LastJobID  string `db:"last_job_id"`
	CreatedAt  int64  `db:"created_at"`
	UpdatedAt  int64  `db:"updated_at"`
}

func (r *scheduleRow) schedule() (job.Schedule, error) {
	s := job.Schedule{
		ID: r.ID, Owner: r.Owner, Name: r.Name, Cron: r.Cron, TimeZone: r.TimeZone, CatchUp: r.CatchUp, Overlap: r.Overlap,
		Version: r.Version, PausedAt: millis(r.PausedAt), NextFireAt: millis(r.NextFireAt), LastJobID: r.LastJobID,
		CreatedAt: millis(r.CreatedAt), UpdatedAt: millis(r.UpdatedAt),
	}
	if err := json.Unmarshal([]byte(r.Action), &s.Action); err != nil {
		return s, fmt.Errorf("action of schedule %s: %w", r.ID, err)
	}
	return s, nil
}

// sinceEpoch returns t as the tables have it; 0 for the zero time.
func sinceEpoch(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

// Now returns the time by the database's clock.
func (s *Store) Now(ctx context.Context) (time.Time, error) {
	var now int64
	err := s.w.GetContext(ctx, &now, `SELECT `+s.dialect.now)
	return millis(now), translate("read the clock", err)
}

// CreateSchedule stores a new schedule, unless its owner has most already: *job.ScheduleLimitError. Requests at once may pass
// the limit together.
func (s *Store) CreateSchedule(ctx context.Context, c *job.Schedule, most int) error {
	action, err := json.Marshal(c.Action)
	if err != nil {
		return err
	}
	return s.inTx(ctx, "create schedule", func(tx *sqlx.Tx) error {
		var there int
		if err := tx.GetContext(ctx, &there, `SELECT COUNT(*) FROM schedules WHERE owner = ?`, c.Owner); err != nil {
			return err
		}
		if there >= most {
			return &job.ScheduleLimitError{Max: most}
		}
		_, err := tx.ExecContext(ctx, `
			INSERT INTO schedules (id, owner, name, cron, time_zone, catch_up, overlaps, action, paused_at, next_fire_at, created_at, updated_at)
			VALUES (?,?,?,?,?,?,?,?,?,?,?,?)`,
			c.ID, c.Owner, c.Name, c.Cron, c.TimeZone, c.CatchUp, c.Overlap, string(action), sinceEpoch(c.PausedAt), sinceEpoch(c.NextFireAt),
			sinceEpoch(c.CreatedAt), sinceEpoch(c.UpdatedAt))
		return err
	})
}

// Schedule returns the schedule, or job.ErrScheduleNotFound.
func (s *Store) Schedule(ctx context.Context, id string) (job.Schedule, error) {
	list, err := s.schedules(ctx, `WHERE id = ?`, id)
	if err != nil || len(list) == 0 {
		return job.Schedule{}, errors.Join(err, job.ErrScheduleNotFound)
	}
	return list[0], nil
}

// Schedules returns schedules of an owner, newest first, that are older than the one with the id after; empty: from the newest.
func (s *Store) Schedules(ctx context.Context, owner, after string, limit int) ([]job.Schedule, error) {
	if after == "" {
		return s.schedules(ctx, `WHERE owner = ? ORDER BY id DESC LIMIT ?`, owner, limit)
	}
	return s.schedules(ctx, `WHERE owner = ? AND id < ? ORDER BY id DESC LIMIT ?`, owner, after, limit)
}

// DueSchedules returns those that fire by now, the latest first to be late.
func (s *Store) DueSchedules(ctx context.Context, now time.Time, limit int) ([]job.Schedule, error) {
	return s.schedules(ctx, `WHERE next_fire_at > 0 AND next_fire_at <= ? ORDER BY next_fire_at LIMIT ?`, now.UnixMilli(), limit)
}

// schedules reads from the connections that write: what was just written is there.
func (s *Store) schedules(ctx context.Context, where string, args ...any) ([]job.Schedule, error) {
	var rows []scheduleRow
	if err := s.w.SelectContext(ctx, &rows, selectSchedules+where, args...); err != nil {
		return nil, translate("read schedules", err)
	}
	list := make([]job.Schedule, len(rows))
	for i := range rows {
		var err error
		if list[i], err = rows[i].schedule(); err != nil {
			return nil, err
		}
	}
	return list, nil
}

const changeScheduleSQL = `
	UPDATE schedules
	   SET name = ?, cron = ?, time_zone = ?, catch_up = ?, overlaps = ?, action = ?, paused_at = ?, next_fire_at = ?, updated_at = ?,
	       version = version + 1
	 WHERE id = ? AND version = ?`

// ChangeSchedule writes what the owner may change, if the schedule is as it was read: job.ErrScheduleChanged.
func (s *Store) ChangeSchedule(ctx context.Context, c *job.Schedule) error {
	action, err := json.Marshal(c.Action)
	if err != nil {
		return err
	}
	err = s.inTx(ctx, "change schedule", func(tx *sqlx.Tx) error {
		return requireRow(tx.ExecContext(ctx, changeScheduleSQL, c.Name, c.Cron, c.TimeZone, c.CatchUp, c.Overlap, string(action),
			sinceEpoch(c.PausedAt), sinceEpoch(c.NextFireAt), sinceEpoch(c.UpdatedAt), c.ID, c.Version))
	})
	if errors.Is(err, errNoRow) {
		return job.ErrScheduleChanged
	}
	return err
}

// DeleteSchedule removes a schedule of the owner's and its runs, or returns job.ErrScheduleNotFound. Jobs stay.
func (s *Store) DeleteSchedule(ctx context.Context, owner, id string) error {
	err := s.inTx(ctx, "delete schedule", func(tx *sqlx.Tx) error {
		if err := requireRow(tx.ExecContext(ctx, `DELETE FROM schedules WHERE id = ? AND owner = ?`, id, owner)); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, `DELETE FROM schedule_runs WHERE schedule_id = ?`, id)
		return err
	})
	if errors.Is(err, errNoRow) {
		return job.ErrScheduleNotFound
	}
	return err
}
