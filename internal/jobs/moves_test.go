package jobs

import (
	"context"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/musterhq/muster/internal/job"
)

// withJob returns a Service with one job of ann's, its slot held if its status says so.
func withJob(status job.Status) (*fakes, *Service) {
	f, s := newFakes()
	f.job = job.Job{ID: "j", Owner: "ann", Tier: "LARGE", Status: status, Requested: 30}
	if status.HoldsSlot() {
		f.slots["j"] = true
	}
	return f, s
}

func TestMoveSteps(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		from job.Status
		do   func(s *Service) (job.Job, error)
		want []string
		slot bool
	}{
		"cancel":            {job.InProgress, func(s *Service) (job.Job, error) { return s.Cancel(context.Background(), "ann", "j") }, []string{"cancel", "align", "release", "show", "finalize"}, false},
		"pause":             {job.InProgress, func(s *Service) (job.Job, error) { return s.Pause(context.Background(), "ann", "j") }, []string{"pause", "align", "unreserve", "show", "finalize"}, false},
		"resume":            {job.Paused, func(s *Service) (job.Job, error) { return s.Resume(context.Background(), "ann", "j") }, []string{"reserve LARGE", "resume", "align", "renew", "show", "enqueue", "enqueue"}, true},
		"resume of running": {job.InProgress, func(s *Service) (job.Job, error) { return s.Resume(context.Background(), "ann", "j") }, []string{"align", "renew", "show", "enqueue", "enqueue"}, true},
		"retry":             {job.Failed, func(s *Service) (job.Job, error) { return s.Retry(context.Background(), "ann", "j") }, []string{"reserve LARGE", "retry", "align", "renew", "show", "enqueue", "enqueue"}, true},
		"undo":              {job.Completed, func(s *Service) (job.Job, error) { return s.Undo(context.Background(), "ann", "j") }, []string{"undo", "align", "release", "show", "enqueue undo"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f, s := withJob(c.from)
			if _, err := c.do(s); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, f.calls); diff != "" {
				t.Errorf("steps (-want +got):\n%s", diff)
			}
			if f.slots["j"] != c.slot {
				t.Errorf("slot held: %v, want %v", f.slots["j"], c.slot)
			}
		})
	}
}

func TestResumeThatFailsLeavesNoSlot(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		slotErr, moveErr, want error
		slot                   bool
	}{
		"no slot":         {slotErr: &job.LimitError{Tier: "LARGE"}},
		"cancelled":       {moveErr: &job.StateError{Move: job.MoveResume, Status: job.Cancelled}},
		"outcome lost":    {moveErr: errors.Join(job.ErrUncertain, job.ErrStoreUnavailable), slot: true},
		"somebody else's": {want: job.ErrNotFound},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f, s := withJob(job.Paused)
			f.slotErr, f.moveErr, f.meanwhile = c.slotErr, c.moveErr, job.Cancelled
			caller := "ann"
			if c.want != nil {
				caller = "eve"
			}
			_, err := s.Resume(t.Context(), caller, "j")
			if want := errors.Join(c.slotErr, c.moveErr, c.want); err == nil || err.Error() != want.Error() {
				t.Errorf("error %v, want %v", err, want)
			}
			if f.slots["j"] != c.slot {
				t.Errorf("slot held: %v, want %v", f.slots["j"], c.slot)
			}
		})
	}
}

// Two requests move the job at once: whichever frees the slot last looks at the job again, and puts the slot back if the
// job runs.
func TestSlotOfAJobThatMovedOnStays(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		from    job.Status
		do      func(s *Service) (job.Job, error)
		moveErr error
	}{
		"paused, and resumed": {job.InProgress, func(s *Service) (job.Job, error) { return s.Pause(context.Background(), "ann", "j") }, nil},
		"resumed twice": {job.Paused, func(s *Service) (job.Job, error) { return s.Resume(context.Background(), "ann", "j") },
			errors.Join(job.ErrStoreUnavailable)},
		"retried twice": {job.Failed, func(s *Service) (job.Job, error) { return s.Retry(context.Background(), "ann", "j") },
			errors.Join(job.ErrStoreUnavailable)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f, s := withJob(c.from)
			f.meanwhile, f.moveErr = job.Pending, c.moveErr
			if _, err := c.do(s); !errors.Is(err, c.moveErr) {
				t.Fatalf("error %v, want %v", err, c.moveErr)
			}
			if !f.slots["j"] {
				t.Error("a running job lost its slot")
			}
		})
	}
}

// A client that is told that its job is paused or cancelled may rely on it: no batch commits afterwards.
func TestMoveWaitsForTheChunks(t *testing.T) {
	t.Parallel()
	f, s := withJob(job.InProgress)
	f.alignErr = job.ErrStoreUnavailable
	if j, err := s.Cancel(t.Context(), "ann", "j"); !errors.Is(err, job.ErrStoreUnavailable) {
		t.Errorf("cancelled while its chunks do not know: %+v, %v", j, err)
	}
	if diff := cmp.Diff([]string{"cancel", "align"}, f.calls); diff != "" {
		t.Errorf("steps (-want +got):\n%s", diff)
	}
}
