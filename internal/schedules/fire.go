package schedules

import (
	"context"
	"slices"
	"time"

	"github.com/musterhq/muster/internal/crash"
	"github.com/musterhq/muster/internal/cron"
	"github.com/musterhq/muster/internal/job"
)

const (
	// Grace is how late a run may be and still count as on time, whatever the schedule says of catching up.
	Grace = time.Minute
	// mostMissed is how many fire times are noted at once that were missed, the newest; the others leave no row.
	mostMissed = 100
	// pageSize is how many schedules, or runs, a pass reads at once.
	pageSize = 200
)

// Fire notes the runs of all schedules whose time has come. An error of one schedule is logged and does not keep the others
// waiting; the error returned is that of reading the list.
func (r *Runner) Fire(ctx context.Context) error {
	for {
		now, err := r.Store.Now(ctx)
		if err != nil {
			return err
		}
		due, err := r.Store.DueSchedules(ctx, now, pageSize)
		if err != nil {
			return err
		}
		fired := 0
		for i := range due {
			ok, err := r.fire(ctx, &due[i], now)
			if err != nil && ctx.Err() == nil {
				r.Log.WarnContext(ctx, "schedule not fired", "schedule", due[i].ID, "err", err)
			}
			if ok {
				fired++
			}
		}
		if len(due) < pageSize || fired == 0 { // else those that cannot be fired would keep it here
			return ctx.Err()
		}
	}
}

// fire notes what becomes of the times of a schedule up to now, and moves it on.
func (r *Runner) fire(ctx context.Context, s *job.Schedule, now time.Time) (bool, error) {
	c, err := cron.Parse(s.Cron, s.TimeZone)
	if err != nil {
		return false, err
	}
	runs := plan(s, c, now)
	crash.Point("schedule.due")
	ok, err := r.Store.Fire(ctx, s, c.Next(now), runs)
	if !ok {
		return false, err
	}
	crash.Point("schedule.fired")
	for i := range runs {
		if runs[i].State == job.RunMissed {
			r.Metrics.did(&runs[i])
		}
	}
	return true, nil
}

// plan returns the runs of the schedule's fire times up to now: PENDING those on time, and the newest if it is to be caught up
// with; the others MISSED.
func plan(s *job.Schedule, c *cron.Cron, now time.Time) []job.ScheduleRun {
	times := newest(c, s.NextFireAt, now)
	runs := make([]job.ScheduleRun, len(times))
	for i, at := range times {
		runs[i] = job.ScheduleRun{ScheduleID: s.ID, FireAt: at, State: job.RunPending}
		caughtUp := i == len(times)-1 && s.CatchUp == job.CatchUpLast
		if now.Sub(at) > Grace && !caughtUp {
			runs[i].State, runs[i].Code, runs[i].FinishedAt = job.RunMissed, job.CodeMissed, now
		}
	}
	return runs
}

// newest returns the last mostMissed fire times from first, which is one, up to now, in order. After a year's pause of a
// schedule of each minute it does not go through half a million.
func newest(c *cron.Cron, first, now time.Time) []time.Time {
	for back := 2 * mostMissed * time.Minute; ; back *= 16 {
		var times []time.Time
		at, whole := now.Add(-back), false
		if !at.After(first) {
			at, whole = first.Add(-time.Nanosecond), true
		}
		for at = c.Next(at); !at.IsZero() && !at.After(now); at = c.Next(at) {
			times = append(times, at)
		}
		if whole && !slices.ContainsFunc(times, first.Equal) { // the zone's rules have changed since it was reckoned
			times = append([]time.Time{first}, times...)
		}
		if whole || len(times) >= mostMissed {
			return times[max(0, len(times)-mostMissed):]
		}
	}
}
