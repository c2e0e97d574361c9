package integration

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/musterhq/muster/internal/job"
)

// S-R1: schedules fire over four workers, of which two die at each step. Each fire time has one job.
func TestChaosSR1Schedules(t *testing.T) {
	eachServer(t, func(t *testing.T, s *stack) {
		if !long() {
			chaos(t, "S-R1", "schedules fired by workers that die", s, func(s *stack) string { return schedulesFire(s, 20, schedulePoints[:2]) })
			return
		}
		chaos(t, "S-R1", "1,000 schedules fired by workers that die", s, func(s *stack) string { return schedulesFire(s, 1000, schedulePoints) })
		control(t, "S-R1", s, "schedule-without-key", `jobs for \d+ fire times`, func(s *stack) string {
			return schedulesFire(s, 20, []string{"schedule.submitted"})
		})
		control(t, "S-R1", s, "schedule-moved-by-itself", `fire times are lost`, func(s *stack) string {
			return schedulesFire(s, 20, []string{"schedule.moved"})
		})
	})
}

// scheduleOwner has all schedules.
const scheduleOwner = "ann"

// schedulesFire makes n schedules fire once for each point, at which two of four workers die, and audits the runs and jobs.
func schedulesFire(s *stack, n int, points []string) string {
	t, ctx := s.t, s.t.Context()
	s.hooks = true
	from := t.TempDir()
	if err := os.WriteFile(filepath.Join(from, "daily.csv"), []byte("email\nada@example.com\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s.env = append(s.env, "MUSTER_MAX_EXPORT_JOBS=1000", "MUSTER_IMPORT_FROM=file://"+from, noCooldown)
	ids := make([]string, n)
	for i := range ids {
		ids[i] = s.schedule(i)
	}
	fired := map[string]map[int64]bool{} // fire times in ms by schedule
	killed := 0
	for _, point := range points {
		var dying []*proc
		for range 2 {
			dying = append(dying, s.start("worker", "MUSTER_RECONCILE_INTERVAL=50ms", "MUSTER_CHAOS_CRASH="+point+":2"))
		}
		for _, id := range ids {
			c, err := s.store.Schedule(ctx, id)
			if err == nil {
				c.NextFireAt, err = s.store.Now(ctx)
			}
			if err == nil {
				err = s.store.ChangeSchedule(ctx, &c)
			}
			if err != nil {
				t.Fatal(err)
			}
			if fired[id] == nil {
				fired[id] = map[int64]bool{}
			}
			fired[id][c.NextFireAt.UnixMilli()] = true
		}
		dying[0].waitExitOr(dying[1], time.Minute)
		s.workers(2)
		s.decided(time.Duration(n)*time.Second + time.Minute)
		for _, p := range dying {
			_ = p.cmd.Process.Kill() // one may not have come there any more
			p.waitExit(10 * time.Second)
			killed++
		}
		s.killWorkers()
	}
	s.auditSchedules(fired)
	return fmt.Sprintf("%d fire times, %d workers killed, one job each", n*len(points), killed)
}

// waitExitOr waits until one of two processes is dead.
func (p *proc) waitExitOr(other *proc, deadline time.Duration) {
	p.t.Helper()
	select {
	case <-p.done:
	case <-other.done:
	case <-time.After(deadline):
		p.t.Fatalf("neither %s stops within %s", p.name, deadline)
	}
}

// schedule makes one that fires when it is told to: the others of its times are far away. One of ten imports a file.
func (s *stack) schedule(i int) string {
	s.t.Helper()
	const importing = 10
	c := job.Schedule{
		ID: uuid.Must(uuid.NewV7()).String(), Owner: scheduleOwner, Cron: "0 0 29 2 *", TimeZone: "UTC", CatchUp: job.CatchUpLast, Overlap: job.OverlapQueue,
		Action: job.ScheduleAction{Type: job.ActionExport, Export: &job.Export{Users: []byte(`{"Format":"csv","Email":"nobody@example.com"}`)}},
	}
	if i%importing == 0 {
		c.Action = job.ScheduleAction{
			Type: job.ActionImport, From: "daily.csv", DryRun: true,
			File: &job.FileOptions{OnDuplicate: job.DuplicateInsert, MaxRejected: job.DefaultMaxRejected},
		}
	}
	if err := s.store.CreateSchedule(s.t.Context(), &c, 1_000_000); err != nil {
		s.t.Fatal(err)
	}
	return c.ID
}

// decided waits until no schedule is due, no run is PENDING, and no job of a schedule runs.
func (s *stack) decided(deadline time.Duration) {
	s.t.Helper()
	far := time.Now().AddDate(1, 0, 0)
	eventually(s.t, deadline, "all runs are decided, and their jobs over", func() bool {
		now, err := s.store.Now(s.t.Context())
		if err != nil {
			return false
		}
		due, err := s.store.DueSchedules(s.t.Context(), now, 1)
		if err != nil || len(due) > 0 {
			return false
		}
		pending, err := s.store.PendingRuns(s.t.Context(), far, 1)
		if err != nil || len(pending) > 0 {
			return false
		}
		open, err := s.store.UnfinalizedJobs(s.t.Context(), "", 1)
		return err == nil && len(open) == 0
	})
}

// auditSchedules compares the runs with the times that fired, and the jobs with the runs.
func (s *stack) auditSchedules(fired map[string]map[int64]bool) {
	t := s.t
	t.Helper()
	want, lost := 0, 0
	jobs := map[string]bool{}
	for id, times := range fired {
		runs, err := s.store.Runs(t.Context(), id, time.Time{}, 1000)
		if err != nil {
			t.Fatal(err)
		}
		want += len(times)
		lost += len(times) - len(runs)
		for _, r := range runs {
			if !times[r.FireAt.UnixMilli()] || r.State != job.RunSubmitted || jobs[r.JobID] {
				t.Errorf("schedule %s: %+v", id, r)
			}
			jobs[r.JobID] = true
		}
	}
	if lost != 0 {
		t.Errorf("%d of %d fire times are lost", lost, want)
	}
	list, err := s.store.Jobs(t.Context(), job.Filter{Owner: scheduleOwner, Limit: 2*want + 1})
	if err != nil {
		t.Fatal(err)
	}
	if len(list) != want-lost {
		t.Errorf("%d jobs for %d fire times", len(list), want-lost)
	}
	for _, j := range list {
		if !jobs[j.ID] || j.Status != job.Completed {
			t.Errorf("job %s is %s, of a run: %t", j.ID, j.Status, jobs[j.ID])
		}
	}
}
