// Package schedules submits jobs when their time has come.
//
// Rows in the store decide, not the queue: the row of a schedule says when it fires next, and a row of a run that it has
// fired. Any worker fires a schedule, by one transaction that moves it on and writes the run; any worker submits the job of a
// run, under an idempotency key that is made of the schedule and the fire time. So each step may be repeated, by whoever goes
// on where another died.
package schedules

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/musterhq/muster/internal/cron"
	"github.com/musterhq/muster/internal/invalid"
	"github.com/musterhq/muster/internal/job"
)

// Store keeps schedules and their runs. Every write compares and sets. Errors: job.ErrStoreUnavailable,
// job.ErrScheduleNotFound.
type Store interface {
	// Now is the time by which schedules fire: the database's.
	Now(ctx context.Context) (time.Time, error)

	// CreateSchedule's errors also: *job.ScheduleLimitError. ChangeSchedule's also: job.ErrScheduleChanged.
	CreateSchedule(ctx context.Context, s *job.Schedule, most int) error
	Schedule(ctx context.Context, id string) (job.Schedule, error)
	Schedules(ctx context.Context, owner, after string, limit int) ([]job.Schedule, error)
	ChangeSchedule(ctx context.Context, s *job.Schedule) error
	DeleteSchedule(ctx context.Context, owner, id string) error
	Runs(ctx context.Context, scheduleID string, before time.Time, limit int) ([]job.ScheduleRun, error)
	// AddRun's errors also: job.ErrRunExists.
	AddRun(ctx context.Context, r job.ScheduleRun) error

	DueSchedules(ctx context.Context, now time.Time, limit int) ([]job.Schedule, error)
	// Fire moves the schedule on and adds runs, both or nothing; false: somebody else did, or the schedule has changed.
	Fire(ctx context.Context, s *job.Schedule, next time.Time, runs []job.ScheduleRun) (bool, error)
	PendingRuns(ctx context.Context, now time.Time, limit int) ([]job.ScheduleRun, error)
	EarlierRuns(ctx context.Context, r *job.ScheduleRun) ([]job.ScheduleRun, error)
	ClaimRun(ctx context.Context, r *job.ScheduleRun, until time.Time) (bool, error)
	DelayRun(ctx context.Context, r *job.ScheduleRun) error
	EndRun(ctx context.Context, r *job.ScheduleRun) error
	// JobByKey returns job.ErrNotFound when there is none.
	JobByKey(ctx context.Context, owner, key string) (job.Job, error)
}

// Service is what owners do with schedules.
type Service struct {
	Store Store
	Max   int // schedules of one owner
}

// Check returns what is wrong with a schedule but for its action, as an *invalid.Error.
func Check(s *job.Schedule) error {
	var bad invalid.Error
	if _, err := cron.Parse(s.Cron, s.TimeZone); err != nil {
		e, ok := errors.AsType[*invalid.Error](err)
		if !ok {
			return err
		}
		bad = *e
	}
	if s.CatchUp != job.CatchUpNone && s.CatchUp != job.CatchUpLast {
		bad.Add("catchUp", "must be none or last")
	}
	if s.Overlap != job.OverlapSkip && s.Overlap != job.OverlapQueue {
		bad.Add("overlap", "must be skip or queue")
	}
	return bad.Err()
}

// Create stores a schedule of the owner's. Errors: *invalid.Error, *job.ScheduleLimitError, the store's.
func (v *Service) Create(ctx context.Context, s job.Schedule) (job.Schedule, error) {
	if err := Check(&s); err != nil {
		return s, err
	}
	id, err := uuid.NewV7()
	if err != nil {
		return s, fmt.Errorf("make a schedule id: %w", err)
	}
	now, err := v.Store.Now(ctx)
	if err != nil {
		return s, err
	}
	s.ID, s.CreatedAt, s.UpdatedAt = id.String(), now, now
	if err := arm(&s, now); err != nil {
		return s, err
	}
	return s, v.Store.CreateSchedule(ctx, &s, v.Max)
}

// arm sets when the schedule fires next, after now.
func arm(s *job.Schedule, now time.Time) error {
	s.NextFireAt = time.Time{}
	if !s.PausedAt.IsZero() {
		return nil
	}
	c, err := cron.Parse(s.Cron, s.TimeZone)
	if err == nil {
		s.NextFireAt = c.Next(now)
	}
	return err
}

// Get returns the owner's schedule. Somebody else's is job.ErrScheduleNotFound.
func (v *Service) Get(ctx context.Context, owner, id string) (job.Schedule, error) {
	s, err := v.Store.Schedule(ctx, id)
	if err == nil && s.Owner != owner {
		return job.Schedule{}, job.ErrScheduleNotFound
	}
	return s, err
}

// List returns the owner's schedules, newest first, that are older than after; empty: from the newest.
func (v *Service) List(ctx context.Context, owner, after string, limit int) ([]job.Schedule, error) {
	return v.Store.Schedules(ctx, owner, after, limit)
}

// Replace gives the owner's schedule another name, times, rules and action. When it fires next is reckoned anew.
func (v *Service) Replace(ctx context.Context, with job.Schedule) (job.Schedule, error) {
	if err := Check(&with); err != nil {
		return with, err
	}
	return v.change(ctx, with.Owner, with.ID, func(s *job.Schedule, now time.Time) error {
		s.Name, s.Cron, s.TimeZone, s.CatchUp, s.Overlap, s.Action = with.Name, with.Cron, with.TimeZone, with.CatchUp, with.Overlap, with.Action
		return arm(s, now)
	})
}

// Pause keeps the owner's schedule from firing. What it would have done meanwhile is not made up for.
func (v *Service) Pause(ctx context.Context, owner, id string) (job.Schedule, error) {
	return v.change(ctx, owner, id, func(s *job.Schedule, now time.Time) error {
		if s.PausedAt.IsZero() {
			s.PausedAt = now
		}
		return arm(s, now)
	})
}

// Resume lets it fire again, for the first time at the next time from now on.
func (v *Service) Resume(ctx context.Context, owner, id string) (job.Schedule, error) {
	return v.change(ctx, owner, id, func(s *job.Schedule, now time.Time) error {
		if s.PausedAt.IsZero() {
			return nil
		}
		s.PausedAt = time.Time{}
		return arm(s, now)
	})
}

// change reads the owner's schedule, changes and writes it, again when somebody else was faster.
func (v *Service) change(ctx context.Context, owner, id string, how func(s *job.Schedule, now time.Time) error) (job.Schedule, error) {
	const tries = 5
	for n := 1; ; n++ {
		s, err := v.Get(ctx, owner, id)
		if err != nil {
			return s, err
		}
		now, err := v.Store.Now(ctx)
		if err != nil {
			return s, err
		}
		if err := how(&s, now); err != nil {
			return s, err
		}
		s.UpdatedAt = now
		err = v.Store.ChangeSchedule(ctx, &s)
		if err == nil {
			s.Version++
			return s, nil
		}
		if !errors.Is(err, job.ErrScheduleChanged) || n == tries {
			return s, err
		}
	}
}

// Delete removes the owner's schedule and its runs. Jobs that it has submitted stay.
func (v *Service) Delete(ctx context.Context, owner, id string) error {
	return v.Store.DeleteSchedule(ctx, owner, id)
}

// RunNow adds a run of now to the owner's schedule, also while it is paused. A worker submits its job within seconds.
func (v *Service) RunNow(ctx context.Context, owner, id string) (job.ScheduleRun, error) {
	s, err := v.Get(ctx, owner, id)
	if err != nil {
		return job.ScheduleRun{}, err
	}
	now, err := v.Store.Now(ctx)
	if err != nil {
		return job.ScheduleRun{}, err
	}
	const tries = 10
	for n := range int64(tries) {
		r := job.ScheduleRun{ScheduleID: s.ID, FireAt: time.UnixMilli(now.UnixMilli() + n).UTC(), Manual: true, State: job.RunPending}
		if err = v.Store.AddRun(ctx, r); !errors.Is(err, job.ErrRunExists) {
			return r, err
		}
	}
	return job.ScheduleRun{}, err
}

// Runs returns runs of the owner's schedule, newest first, that fired before a time; the zero time: from the newest.
func (v *Service) Runs(ctx context.Context, owner, id string, before time.Time, limit int) ([]job.ScheduleRun, error) {
	if _, err := v.Get(ctx, owner, id); err != nil {
		return nil, err
	}
	return v.Store.Runs(ctx, id, before, limit)
}

// Upcoming returns the next n times at which the schedule fires, fewer when there are none; none while it is paused.
func Upcoming(s *job.Schedule, n int) []time.Time {
	c, err := cron.Parse(s.Cron, s.TimeZone)
	times := []time.Time{}
	if err != nil {
		return times // it was checked when it was created
	}
	for at := s.NextFireAt; !at.IsZero() && len(times) < n; at = c.Next(at) {
		times = append(times, at)
	}
	return times
}

// Upcoming is the function of that name.
func (*Service) Upcoming(s *job.Schedule, n int) []time.Time { return Upcoming(s, n) }
