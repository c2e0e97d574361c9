package jobs

import (
	"slices"
	"testing"

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
		"as it is":            {cancelled, &cancelled, false},
		"lost":                {cancelled, nil, true},
		"older":               {cancelled, change(cancelled, func(j *job.Job) { j.Version = 2 }), true},
		"later":               {cancelled, change(cancelled, func(j *job.Job) { j.Version, j.Processed = 4, 0 }), false},
		"read too early":      {cancelled, change(cancelled, func(j *job.Job) { j.Processed = 4 }), true},
		"why it waited":       {running, change(running, func(j *job.Job) { j.WaitReason = job.WaitSourceSlow }), true},
		"a batch went by":     {running, change(running, func(j *job.Job) { j.Processed = 16 }), false},
		"a rejected row less": {cancelled, change(cancelled, func(j *job.Job) { j.Rejected = 1 }), true},
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
