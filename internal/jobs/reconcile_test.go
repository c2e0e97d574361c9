package jobs

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/musterhq/muster/internal/job"
)

// The live view is written where it differs from the job, and left alone otherwise.
func TestReconcileRepairsTheView(t *testing.T) {
	t.Parallel()
	cancelled := job.Job{ID: "j", Owner: "ann", Tier: "LARGE", Status: job.Cancelled, Version: 3, Requested: 30, Processed: 14}
	running := cancelled
	running.Status = job.InProgress
	change := func(j job.Job, fn func(*job.Job)) *job.Job { fn(&j); return &j }
	for name, c := range map[string]struct {
		is    job.Job
		shown *job.Job
		want  bool
	}{
		"as it is":               {cancelled, &cancelled, false},
		"lost":                   {cancelled, nil, true},
		"older":                  {cancelled, change(cancelled, func(j *job.Job) { j.Version = 2 }), true},
		"later":                  {cancelled, change(cancelled, func(j *job.Job) { j.Version, j.Processed = 4, 0 }), false},
		"read too early":         {cancelled, change(cancelled, func(j *job.Job) { j.Processed = 4 }), true},
		"why it waited":          {running, change(running, func(j *job.Job) { j.WaitReason = job.WaitSourceSlow }), true},
		"waits for the database": {running, change(running, func(j *job.Job) { j.WaitReason = job.WaitStoreReadOnly }), false},
		"a batch went by":        {running, change(running, func(j *job.Job) { j.Processed = 16 }), false},
		"a rejected row less":    {cancelled, change(cancelled, func(j *job.Job) { j.Rejected = 1 }), true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f, s := withJob(c.is.Status)
			if c.shown != nil {
				f.live["j"] = *c.shown
			}
			if err := s.syncView(t.Context(), c.is); err != nil {
				t.Fatal(err)
			}
			if got := slices.Contains(f.calls, "show"); got != c.want {
				t.Errorf("shown anew: %v, want %v", got, c.want)
			}
		})
	}
}

// Chunks whose tasks are lost, with a Redis or a worker, are enqueued again in the trace of the request that submitted the job.
func TestReconcileKeepsTheTrace(t *testing.T) {
	t.Parallel()
	const parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	f, s := withJob(job.InProgress)
	f.job.Origin = job.Origin{RequestID: "r-1", TraceParent: parent}
	if err := s.Reconcile(t.Context(), f.job); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{parent, parent}, f.traces); diff != "" {
		t.Errorf("traces (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]any{"job", f.job.ID, "request", "r-1", "trace", "0af7651916cd43dd8448eb211c80319c"}, f.job.LogAttrs()); diff != "" {
		t.Errorf("attributes of lines (-want +got):\n%s", diff)
	}
}

// stuck is the store of the fakes with many jobs, the rows of one of which are locked until free is closed.
type stuck struct {
	*fakes
	ids     []string
	stuck   string
	aligned chan string
	free    chan struct{}
}

func (s *stuck) UnfinalizedJobs(_ context.Context, after string, limit int) (list []job.Job, err error) {
	for _, id := range s.ids {
		if id > after && len(list) < limit {
			list = append(list, job.Job{ID: id, Owner: "ann", Tier: "LARGE", Status: job.InProgress, Requested: 30})
		}
	}
	return list, nil
}

func (s *stuck) AlignChunks(_ context.Context, j job.Job) (job.ChunkTotals, error) {
	if j.ID == s.stuck {
		<-s.free
	}
	s.aligned <- j.ID
	return job.ChunkTotals{Recorded: 3, Open: 2}, job.ErrStoreUnavailable // enough for this test
}

// A job whose rows are locked does not keep the others waiting, and every job is reconciled once.
func TestReconcileAllPassesAStuckJob(t *testing.T) {
	t.Parallel()
	f, s := withJob(job.InProgress)
	r := &stuck{fakes: f, aligned: make(chan string, 1000), free: make(chan struct{})}
	for n := range 2*pageSize + 5 {
		r.ids = append(r.ids, fmt.Sprintf("%03d", n))
	}
	r.stuck = r.ids[0]
	s.Repair, s.AtOnce = r, 2
	done := make(chan error)
	go func() { done <- s.ReconcileAll(t.Context()) }()
	var got []string
	deadline := time.After(time.Minute)
	for late := false; len(got) < pageSize-1 && !late; { // the others of the first page
		select {
		case id := <-r.aligned:
			got = append(got, id)
		case <-deadline:
			late = true
			t.Errorf("only %d jobs were reconciled beside one that is stuck", len(got))
		}
	}
	close(r.free)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	close(r.aligned)
	for id := range r.aligned {
		got = append(got, id)
	}
	slices.Sort(got)
	if diff := cmp.Diff(r.ids, got); diff != "" {
		t.Errorf("reconciled (-want +got):\n%s", diff)
	}
}
