package schedules_test

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/musterhq/muster/internal/job"
	"github.com/musterhq/muster/internal/schedules"
	"github.com/musterhq/muster/internal/store"
	"github.com/musterhq/muster/internal/store/storetest"
)

// clocked is a store whose clock stands until it is set.
type clocked struct {
	*store.Store
	jobs *fakeJobs

	mu  sync.Mutex
	now time.Time
}

func (c *clocked) Now(context.Context) (time.Time, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now, nil
}

func (c *clocked) set(t *testing.T, now string) {
	t.Helper()
	at, err := time.Parse("2006-01-02T15:04:05Z", now)
	if err != nil {
		t.Fatal(err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = at
}

func (c *clocked) JobByKey(_ context.Context, _, key string) (job.Job, error) {
	return c.jobs.byKey(key)
}

// fakeJobs keeps jobs as jobs.Service does: one of each key.
type fakeJobs struct {
	mu     sync.Mutex
	jobs   []job.Job
	specs  []job.Spec
	refuse error
}

func (f *fakeJobs) byKey(key string) (job.Job, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, j := range f.jobs {
		if j.IdempotencyKey == key {
			return j, nil
		}
	}
	return job.Job{}, job.ErrNotFound
}

func (f *fakeJobs) Submit(_ context.Context, s job.Spec) (job.Job, bool, error) {
	if j, err := f.byKey(s.IdempotencyKey); err == nil {
		return j, true, nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.refuse != nil {
		return job.Job{}, false, f.refuse
	}
	j := job.Job{ID: uuid.Must(uuid.NewV7()).String(), Owner: s.Owner, IdempotencyKey: s.IdempotencyKey, Status: job.Pending}
	f.jobs, f.specs = append(f.jobs, j), append(f.specs, s)
	return j, false, nil
}

func (f *fakeJobs) Find(_ context.Context, id string) (job.Job, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, j := range f.jobs {
		if j.ID == id {
			return j, nil
		}
	}
	return job.Job{}, job.ErrNotFound
}

func (f *fakeJobs) endAll() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i := range f.jobs {
		f.jobs[i].Status = job.Completed
	}
}

func (f *fakeJobs) count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.jobs)
}

type fakeFiles struct {
	err     error
	fetched []string
	deleted int
}

func (f *fakeFiles) Fetch(_ context.Context, _, from string) (*job.Upload, error) {
	if f.err != nil {
		return nil, f.err
	}
	f.fetched = append(f.fetched, from)
	return &job.Upload{ID: uuid.NewString(), Object: "uploads/x", Size: 3, SHA256: "ab"}, nil
}

func (f *fakeFiles) Delete(context.Context, *job.Upload) error { f.deleted++; return nil }

// bench is a service and a runner on a store in a file.
type bench struct {
	*testing.T
	store   *clocked
	jobs    *fakeJobs
	files   *fakeFiles
	service *schedules.Service
	runner  *schedules.Runner
}

func newBench(t *testing.T, now string) *bench {
	t.Helper()
	t.Parallel()
	engines := storetest.Engines(t)
	i := slices.IndexFunc(engines, func(e storetest.Engine) bool { return e.Name == "sqlite" })
	b := &bench{T: t, jobs: &fakeJobs{}, files: &fakeFiles{}}
	b.store = &clocked{Store: storetest.Open(t, engines[i].New(t), store.Options{}), jobs: b.jobs}
	b.store.set(t, now)
	b.service = &schedules.Service{Store: b.store, Max: 100}
	b.runner = &schedules.Runner{
		Store: b.store, Jobs: b.jobs, Files: b.files, Lease: time.Minute, Log: slog.New(slog.DiscardHandler),
		Metrics: schedules.NewMetrics(prometheus.NewRegistry()),
	}
	return b
}

func (b *bench) create(change func(*job.Schedule)) job.Schedule {
	b.Helper()
	s := job.Schedule{
		Owner: "ann", Name: "nightly", Cron: "0 2 * * *", TimeZone: "UTC", CatchUp: job.CatchUpLast, Overlap: job.OverlapSkip,
		Action: job.ScheduleAction{Type: job.ActionExport, Export: &job.Export{Users: []byte(`{}`), Destination: "nightly/{date}"}},
	}
	if change != nil {
		change(&s)
	}
	s, err := b.service.Create(b.Context(), s)
	if err != nil {
		b.Fatal(err)
	}
	return s
}

// at sets the clock, and looks at all schedules and runs.
func (b *bench) at(now string) {
	b.Helper()
	b.store.set(b.T, now)
	if err := b.runner.Fire(b.Context()); err != nil {
		b.Fatal(err)
	}
	if err := b.runner.Submit(b.Context()); err != nil {
		b.Fatal(err)
	}
}

// want compares the runs of a schedule, oldest first: fire time, state and code.
func (b *bench) want(s job.Schedule, want ...string) {
	b.Helper()
	runs, err := b.service.Runs(b.Context(), s.Owner, s.ID, time.Time{}, 1000)
	if err != nil {
		b.Fatal(err)
	}
	got := make([]string, 0, len(runs))
	for _, r := range slices.Backward(runs) {
		text := r.FireAt.Format("02T15:04") + " " + string(r.State)
		if r.Code != "" {
			text += " " + r.Code
		}
		got = append(got, text)
		if (r.JobID != "") != (r.State == job.RunSubmitted) || r.FinishedAt.IsZero() != (r.State == job.RunPending) {
			b.Errorf("%+v", r)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		b.Errorf("(-want +got):\n%s", diff)
	}
}

func TestFiresAtItsTimes(t *testing.T) {
	b := newBench(t, "2026-03-28T12:00:00Z")
	s := b.create(func(s *job.Schedule) { s.TimeZone, s.Cron = "Europe/Berlin", "30 2 * * *" })
	b.at("2026-03-29T00:59:59Z")
	b.want(s, []string{}...)
	b.at("2026-03-29T01:00:01Z") // 02:30 is skipped there
	b.at("2026-03-29T01:00:02Z")
	b.jobs.endAll()
	b.at("2026-03-30T00:30:00Z")
	b.want(s, "29T01:00 SUBMITTED", "30T00:30 SUBMITTED")
	if got := b.jobs.specs[1].Export.Destination; got != "nightly/2026-03-30" {
		t.Errorf("destination %s", got)
	}
	if b.jobs.specs[1].Owner != "ann" || b.jobs.specs[1].Source != job.SourceExport {
		t.Errorf("%+v", b.jobs.specs[1])
	}
}

func TestCatchUp(t *testing.T) {
	for _, test := range []struct {
		catchUp string
		back    string
		want    []string
	}{
		{job.CatchUpNone, "2026-03-03T07:10:00Z", []string{"01T02:00 MISSED missed", "02T02:00 MISSED missed", "03T02:00 MISSED missed"}},
		{job.CatchUpLast, "2026-03-03T07:10:00Z", []string{"01T02:00 MISSED missed", "02T02:00 MISSED missed", "03T02:00 SUBMITTED"}},
		{job.CatchUpNone, "2026-03-02T02:00:50Z", []string{"01T02:00 MISSED missed", "02T02:00 SUBMITTED"}}, // late, and on time
	} {
		t.Run(test.catchUp+" "+test.back, func(t *testing.T) {
			b := newBench(t, "2026-02-28T12:00:00Z")
			s := b.create(func(s *job.Schedule) { s.CatchUp = test.catchUp })
			b.at(test.back)
			b.want(s, test.want...)
		})
	}
}

// Of a schedule of each minute that nobody fired for years the newest times are noted, and no more.
func TestMissedTimesAreBounded(t *testing.T) {
	b := newBench(t, "2026-01-01T00:00:00Z")
	s := b.create(func(s *job.Schedule) { s.Cron, s.CatchUp = "* * * * *", job.CatchUpNone })
	b.at("2028-06-01T00:00:30Z")
	runs, err := b.service.Runs(t.Context(), "ann", s.ID, time.Time{}, 1000)
	if err != nil || len(runs) != 100 {
		t.Fatalf("%d runs, %v", len(runs), err)
	}
	if got := runs[0].FireAt.Format(time.RFC3339); got != "2028-06-01T00:00:00Z" || runs[0].State != job.RunSubmitted || runs[1].State != job.RunMissed {
		t.Errorf("%s %s, %s", got, runs[0].State, runs[1].State)
	}
}

func TestOverlap(t *testing.T) {
	b := newBench(t, "2026-03-01T00:00:30Z")
	skip := b.create(func(s *job.Schedule) { s.Cron = "0 * * * *" })
	queue := b.create(func(s *job.Schedule) { s.Cron, s.Overlap = "0 * * * *", job.OverlapQueue })
	b.at("2026-03-01T01:00:01Z")
	b.at("2026-03-01T02:00:01Z")
	b.at("2026-03-01T03:00:01Z")
	b.want(skip, "01T01:00 SUBMITTED", "01T02:00 SKIPPED previous_job_running", "01T03:00 SKIPPED previous_job_running")
	b.want(queue, "01T01:00 SUBMITTED", "01T02:00 PENDING previous_job_running", "01T03:00 SKIPPED run_waiting")
	b.jobs.endAll()
	b.at("2026-03-01T03:10:00Z")
	b.want(queue, "01T01:00 SUBMITTED", "01T02:00 SUBMITTED", "01T03:00 SKIPPED run_waiting")
}

func TestRefusals(t *testing.T) {
	b := newBench(t, "2026-03-01T00:00:30Z")
	s := b.create(func(s *job.Schedule) { s.Cron = "0 * * * *" })
	b.jobs.refuse = &job.LimitError{Tier: "EXPORT", Limit: 2, InUse: 2}
	b.at("2026-03-01T01:00:01Z")
	b.at("2026-03-01T01:30:00Z")
	b.want(s, "01T01:00 PENDING tier_limit_reached")
	b.at("2026-03-01T02:00:01Z") // its time is over
	b.want(s, "01T01:00 FAILED tier_limit_reached", "01T02:00 PENDING tier_limit_reached")
	b.jobs.refuse = nil
	b.at("2026-03-01T02:10:00Z")
	b.jobs.endAll()
	b.at("2026-03-01T03:00:01Z")
	b.want(s, "01T01:00 FAILED tier_limit_reached", "01T02:00 SUBMITTED", "01T03:00 SUBMITTED")
}

func TestImports(t *testing.T) {
	b := newBench(t, "2026-03-01T00:00:30Z")
	s := b.create(func(s *job.Schedule) {
		s.Cron = "0 * * * *"
		s.Action = job.ScheduleAction{Type: job.ActionImport, From: "partners/{date}.csv", File: &job.FileOptions{OnDuplicate: job.DuplicateSkip}, DryRun: true}
	})
	b.at("2026-03-01T01:00:01Z")
	b.jobs.endAll()
	b.files.err = job.ErrFileNotFound
	b.at("2026-03-01T02:00:01Z")
	b.files.err = job.ErrFilesUnavailable
	b.at("2026-03-01T03:00:01Z")
	b.files.err = nil
	b.jobs.refuse = job.ErrQueueFull
	b.at("2026-03-01T03:10:00Z")
	b.want(s, "01T01:00 SUBMITTED", "01T02:00 FAILED file_not_found", "01T03:00 PENDING queue_full")
	spec := b.jobs.specs[0]
	if spec.Source != job.SourceFile || !spec.DryRun || spec.File.Options.OnDuplicate != job.DuplicateSkip || b.files.fetched[0] != "partners/2026-03-01.csv" {
		t.Errorf("%+v, %v", spec, b.files.fetched)
	}
	if b.files.deleted != 1 {
		t.Errorf("%d files of refused jobs deleted, want 1", b.files.deleted)
	}
}

// A worker dies when the job is submitted, and before it says so: the next one finds the job.
func TestSubmittedTwice(t *testing.T) {
	b := newBench(t, "2026-03-01T00:00:30Z")
	s := b.create(func(s *job.Schedule) { s.Cron = "0 * * * *" })
	r := job.ScheduleRun{ScheduleID: s.ID, FireAt: s.NextFireAt}
	if _, _, err := b.jobs.Submit(t.Context(), job.Spec{Owner: "ann", IdempotencyKey: r.JobKey()}); err != nil {
		t.Fatal(err)
	}
	b.at("2026-03-01T01:00:01Z")
	b.want(s, "01T01:00 SUBMITTED")
	if n := b.jobs.count(); n != 1 {
		t.Errorf("%d jobs", n)
	}
}

func TestPauseAndRunNow(t *testing.T) {
	b := newBench(t, "2026-03-01T00:00:30Z")
	ctx := t.Context()
	s := b.create(func(s *job.Schedule) { s.Cron = "0 * * * *" })
	paused, err := b.service.Pause(ctx, "ann", s.ID)
	if err != nil || paused.PausedAt.IsZero() || len(schedules.Upcoming(&paused, 5)) != 0 {
		t.Fatalf("%+v, %v", paused, err)
	}
	b.at("2026-03-01T02:30:00Z")
	b.want(s, []string{}...)
	if r, err := b.service.RunNow(ctx, "ann", s.ID); err != nil || !r.Manual {
		t.Fatalf("%+v, %v", r, err)
	}
	if _, err := b.service.RunNow(ctx, "ann", s.ID); err != nil { // in the same millisecond
		t.Fatal(err)
	}
	b.at("2026-03-01T02:31:00Z")
	b.at("2026-03-01T02:32:00Z")
	b.want(s, "01T02:30 SUBMITTED", "01T02:30 SKIPPED previous_job_running")
	b.jobs.endAll()
	resumed, err := b.service.Resume(ctx, "ann", s.ID)
	if err != nil || len(schedules.Upcoming(&resumed, 5)) != 5 {
		t.Fatalf("%+v, %v", resumed, err)
	}
	b.at("2026-03-01T03:00:00Z")
	b.want(s, "01T02:30 SUBMITTED", "01T02:30 SKIPPED previous_job_running", "01T03:00 SUBMITTED")
	for _, err := range []error{
		second(b.service.Get(ctx, "bob", s.ID)), second(b.service.Pause(ctx, "bob", s.ID)), second(b.service.RunNow(ctx, "bob", s.ID)),
		second(b.service.Runs(ctx, "bob", s.ID, time.Time{}, 1)), b.service.Delete(ctx, "bob", s.ID),
	} {
		if !errors.Is(err, job.ErrScheduleNotFound) {
			t.Errorf("somebody else's schedule: %v", err)
		}
	}
	with := s
	with.Cron = "30 * * * *"
	if got, err := b.service.Replace(ctx, with); err != nil || got.NextFireAt.Minute() != 30 {
		t.Errorf("%+v, %v", got, err)
	}
	with.Cron = "0 0 31 2 *"
	if _, err := b.service.Replace(ctx, with); err == nil {
		t.Error("a schedule that never fires was taken")
	}
}

func second[T any](_ T, err error) error { return err }

// Several workers look at the same schedules: each time there is one job.
func TestSeveralWorkers(t *testing.T) {
	b := newBench(t, "2026-03-01T00:00:30Z")
	for range 20 {
		b.create(func(s *job.Schedule) { s.Cron = "*/10 * * * *" })
	}
	for _, now := range []string{"2026-03-01T00:10:00Z", "2026-03-01T00:20:00Z", "2026-03-01T00:30:00Z"} {
		b.store.set(t, now)
		var workers sync.WaitGroup
		for range 4 {
			workers.Go(func() {
				if err := errors.Join(b.runner.Fire(t.Context()), b.runner.Submit(t.Context())); err != nil {
					t.Error(err)
				}
			})
		}
		workers.Wait()
		b.at(now)
		b.jobs.endAll()
	}
	if n := b.jobs.count(); n != 60 {
		t.Errorf("%d jobs, want 60", n)
	}
}
