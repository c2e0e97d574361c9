package store_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/musterhq/muster/internal/job"
	"github.com/musterhq/muster/internal/store"
	"github.com/musterhq/muster/internal/store/storetest"
)

func newSchedule(owner string, next time.Time) *job.Schedule {
	return &job.Schedule{
		ID: uuid.Must(uuid.NewV7()).String(), Owner: owner, Name: "nightly ☾", Cron: "0 2 * * *", TimeZone: "Europe/Berlin",
		CatchUp: job.CatchUpLast, Overlap: job.OverlapSkip, NextFireAt: next, CreatedAt: time.UnixMilli(1000).UTC(), UpdatedAt: time.UnixMilli(1000).UTC(),
		Action: job.ScheduleAction{
			Type: job.ActionExport, Parameters: map[string][]string{"format": {"csv"}},
			Export: &job.Export{Users: []byte(`{"Format":"csv"}`), Destination: "nightly/{date}"},
		},
	}
}

func run(s *job.Schedule, at time.Time) job.ScheduleRun {
	return job.ScheduleRun{ScheduleID: s.ID, FireAt: at, State: job.RunPending}
}

// sameJSON compares JSON as a database may store it that puts spaces of its own between.
var sameJSON = cmp.Comparer(func(a, b json.RawMessage) bool {
	var one, other bytes.Buffer
	return json.Compact(&one, a) == nil && json.Compact(&other, b) == nil && bytes.Equal(one.Bytes(), other.Bytes())
})

func TestSchedules(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url string) {
		s, ctx := storetest.Open(t, url, store.Options{}), t.Context()
		now, err := s.Now(ctx)
		if err != nil || time.Since(now).Abs() > time.Hour {
			t.Fatalf("now is %v, %v", now, err)
		}
		first, second, foreign := newSchedule("ann", now), newSchedule("ann", now.Add(time.Hour)), newSchedule("bob", time.Time{})
		for _, c := range []*job.Schedule{first, second, foreign} {
			if err := s.CreateSchedule(ctx, c, 2); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.CreateSchedule(ctx, newSchedule("ann", now), 2); !errors.As(err, new(*job.ScheduleLimitError)) {
			t.Errorf("one too many: %v", err)
		}
		got, err := s.Schedule(ctx, first.ID)
		if diff := cmp.Diff(*first, got, sameJSON); err != nil || diff != "" {
			t.Errorf("%v, (-want +got):\n%s", err, diff)
		}
		for after, want := range map[string][]string{"": {second.ID, first.ID}, second.ID: {first.ID}, first.ID: {}} {
			list, err := s.Schedules(ctx, "ann", after, 10)
			ids := []string{}
			for _, c := range list {
				ids = append(ids, c.ID)
			}
			if diff := cmp.Diff(want, ids); err != nil || diff != "" {
				t.Errorf("after %q: %v, %s", after, err, diff)
			}
		}
		due, err := s.DueSchedules(ctx, now, 10)
		if err != nil || len(due) != 1 || due[0].ID != first.ID {
			t.Errorf("due: %v, %v", due, err)
		}

		changed := got
		changed.Name, changed.PausedAt, changed.NextFireAt = "other", now, time.Time{}
		if err := s.ChangeSchedule(ctx, &changed); err != nil {
			t.Fatal(err)
		}
		if err := s.ChangeSchedule(ctx, &changed); !errors.Is(err, job.ErrScheduleChanged) {
			t.Errorf("changed as it was before: %v", err)
		}
		if fired, err := s.Fire(ctx, first, now.Add(time.Hour), []job.ScheduleRun{run(first, now)}); fired || err != nil {
			t.Errorf("fired as it was before: %v, %v", fired, err)
		}
		if err := s.DeleteSchedule(ctx, "bob", first.ID); !errors.Is(err, job.ErrScheduleNotFound) {
			t.Errorf("somebody else's: %v", err)
		}
		if err := s.AddRun(ctx, run(first, now)); err != nil {
			t.Fatal(err)
		}
		if err := s.AddRun(ctx, run(first, now)); !errors.Is(err, job.ErrRunExists) {
			t.Errorf("the same run: %v", err)
		}
		if err := s.DeleteSchedule(ctx, "ann", first.ID); err != nil {
			t.Fatal(err)
		}
		if left, err := s.Runs(ctx, first.ID, time.Time{}, 10); err != nil || len(left) != 0 {
			t.Errorf("runs of a deleted schedule: %v, %v", left, err)
		}
		if err := s.AddRun(ctx, run(first, now)); !errors.Is(err, job.ErrScheduleNotFound) {
			t.Errorf("a run of a deleted schedule: %v", err)
		}
	})
}

// Of several workers that see the same schedule due, one fires it, and one gets each of its runs.
func TestScheduleFiresOnce(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url string) {
		s, ctx := storetest.Open(t, url, store.Options{}), t.Context()
		now := time.UnixMilli(1_800_000_000_000).UTC()
		c := newSchedule("ann", now)
		if err := s.CreateSchedule(ctx, c, 2); err != nil {
			t.Fatal(err)
		}
		var fired, claimed atomic.Int64
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				ok, err := s.Fire(ctx, c, now.Add(time.Hour), []job.ScheduleRun{run(c, now)})
				if err != nil {
					t.Error(err)
				}
				if ok {
					fired.Add(1)
				}
			})
		}
		wg.Wait()
		pending, err := s.PendingRuns(ctx, now, 10)
		if err != nil || len(pending) != 1 || fired.Load() != 1 {
			t.Fatalf("fired %d times, runs %v, %v", fired.Load(), pending, err)
		}
		for range 8 {
			wg.Go(func() {
				r := pending[0]
				ok, err := s.ClaimRun(ctx, &r, now.Add(time.Minute))
				if err != nil {
					t.Error(err)
				}
				if ok {
					claimed.Add(1)
				}
			})
		}
		wg.Wait()
		if claimed.Load() != 1 {
			t.Errorf("claimed %d times", claimed.Load())
		}
		if again, err := s.PendingRuns(ctx, now, 10); err != nil || len(again) != 0 {
			t.Errorf("claimed, and to be looked at: %v, %v", again, err)
		}

		later := run(c, now.Add(time.Hour))
		if err := s.AddRun(ctx, later); err != nil {
			t.Fatal(err)
		}
		earlier, err := s.EarlierRuns(ctx, &later)
		if err != nil || len(earlier) != 1 || !earlier[0].FireAt.Equal(now) {
			t.Errorf("earlier: %v, %v", earlier, err)
		}
		r := earlier[0]
		r.Code, r.TryAt = "tier_limit_reached", now.Add(2*time.Minute)
		if err := s.DelayRun(ctx, &r); err != nil {
			t.Fatal(err)
		}
		r.State, r.JobID, r.Code, r.FinishedAt = job.RunSubmitted, uuid.NewString(), "", now
		if err := s.EndRun(ctx, &r); err != nil {
			t.Fatal(err)
		}
		skipped := r
		skipped.State, skipped.JobID = job.RunSkipped, ""
		if err := s.EndRun(ctx, &skipped); err != nil { // too late: it is over
			t.Fatal(err)
		}
		r.TryAt = time.Time{}
		list, err := s.Runs(ctx, c.ID, now.Add(time.Hour), 10)
		if diff := cmp.Diff([]job.ScheduleRun{r}, list); err != nil || diff != "" {
			t.Errorf("%v, (-want +got):\n%s", err, diff)
		}
		if got, err := s.Schedule(ctx, c.ID); err != nil || got.LastJobID != r.JobID || !got.NextFireAt.Equal(now.Add(time.Hour)) {
			t.Errorf("%+v, %v", got, err)
		}
		if n, err := s.DeleteRuns(ctx, now.Add(time.Second)); err != nil || n != 1 {
			t.Errorf("%d runs forgotten, %v", n, err)
		}
	})
}

// A schedule moves on though there is a run of its time already, such as one that was asked for at that moment; and a change that
// was read before it fired does not put it back.
func TestScheduleFiresOverARunThatIsThere(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url string) {
		s, ctx := storetest.Open(t, url, store.Options{}), t.Context()
		now := time.UnixMilli(1_800_000_000_000).UTC()
		c := newSchedule("ann", now)
		if err := s.CreateSchedule(ctx, c, 2); err != nil {
			t.Fatal(err)
		}
		manual := run(c, now)
		manual.Manual = true
		if err := s.AddRun(ctx, manual); err != nil {
			t.Fatal(err)
		}
		read, err := s.Schedule(ctx, c.ID)
		if err != nil {
			t.Fatal(err)
		}
		if fired, err := s.Fire(ctx, c, now.Add(time.Hour), []job.ScheduleRun{run(c, now)}); !fired || err != nil {
			t.Errorf("fired %t, %v", fired, err)
		}
		if runs, err := s.Runs(ctx, c.ID, time.Time{}, 10); err != nil || len(runs) != 1 || !runs[0].Manual {
			t.Errorf("runs %+v, %v", runs, err)
		}
		if err := s.ChangeSchedule(ctx, &read); !errors.Is(err, job.ErrScheduleChanged) {
			t.Errorf("a change from before it fired: %v", err)
		}
		if after, err := s.Schedule(ctx, c.ID); err != nil || !after.NextFireAt.Equal(now.Add(time.Hour)) {
			t.Errorf("fires next at %s, %v", after.NextFireAt, err)
		}
	})
}
