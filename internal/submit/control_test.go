package submit

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/musterhq/muster/internal/job"
)

// yard is the store of one job of ann's, and the slots beside world's.
type yard struct {
	*world
	job     job.Job
	moveErr error
	after   job.Status // what another request made of the job right after the move; empty: nothing
}

func (y *yard) Job(context.Context, string) (job.Job, error) { return y.job, nil }

func (y *yard) Chunks(context.Context, string) ([]job.Chunk, error) {
	return []job.Chunk{{No: 0, Rows: 10, Done: 10}, {No: 1, Rows: 10, Done: 4}, {No: 2, Rows: 10}}, nil
}

func (y *yard) move(name string, to job.Status) (job.Job, error) {
	y.log(name)
	moved := y.job
	moved.Status = to
	y.job.Status = cmp.Or(y.after, to)
	if y.moveErr != nil {
		return job.Job{}, y.moveErr
	}
	return moved, nil
}

func (y *yard) Cancel(context.Context, string, string) (job.Job, error) {
	return y.move("cancel", job.Cancelled)
}
func (y *yard) Pause(context.Context, string, string) (job.Job, error) {
	return y.move("pause", job.Paused)
}
func (y *yard) Resume(context.Context, string, string) (job.Job, error) {
	return y.move("resume", job.Pending)
}
func (y *yard) Retry(context.Context, string, string) (job.Job, error) {
	return y.move("retry", job.Pending)
}

func (y *yard) RequestUndo(context.Context, string, string) (job.Job, error) {
	y.job.UndoRequested = true
	return y.move("request undo", y.job.Status)
}

func (y *yard) RingUndo(context.Context, job.Tier, string, int64) error {
	y.log("ring undo")
	return nil
}

func (y *yard) Renew(_ context.Context, _, id string, _ job.TierLimit) (added bool, err error) {
	y.log("renew")
	added = !y.slots[id]
	y.slots[id] = true
	return added, nil
}

func (y *yard) Release(_ context.Context, _, id string, _ time.Time, _ job.TierLimit) error {
	y.log("release")
	delete(y.slots, id)
	return nil
}

func newYard(status job.Status) (*yard, *Control) {
	w, s := newWorld()
	y := &yard{world: w, job: job.Job{ID: "j", UserID: "ann", Tier: "LARGE", Status: status, Requested: 30}}
	if status.HoldsSlot() {
		w.slots["j"] = true
	}
	return y, &Control{Submitter: s, Store: y, Slots: y, Undos: y, Log: slog.New(slog.DiscardHandler)}
}

func TestControlSteps(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		from job.Status
		do   func(c *Control) (job.Job, error)
		want []string
		slot bool
	}{
		"cancel":            {job.InProgress, func(c *Control) (job.Job, error) { return c.Cancel(context.Background(), "ann", "j") }, []string{"cancel", "release"}, false},
		"pause":             {job.InProgress, func(c *Control) (job.Job, error) { return c.Pause(context.Background(), "ann", "j") }, []string{"pause", "undo"}, false},
		"resume":            {job.Paused, func(c *Control) (job.Job, error) { return c.Resume(context.Background(), "ann", "j") }, []string{"reserve LARGE", "resume", "renew", "ring", "ring"}, true},
		"resume of running": {job.InProgress, func(c *Control) (job.Job, error) { return c.Resume(context.Background(), "ann", "j") }, nil, true},
		"retry":             {job.Failed, func(c *Control) (job.Job, error) { return c.Retry(context.Background(), "ann", "j") }, []string{"reserve LARGE", "retry", "renew", "ring", "ring"}, true},
		"undo":              {job.Completed, func(c *Control) (job.Job, error) { return c.RequestUndo(context.Background(), "ann", "j") }, []string{"request undo", "release", "ring undo"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			y, control := newYard(c.from)
			if _, err := c.do(control); err != nil {
				t.Fatal(err)
			}
			if diff := gocmp.Diff(c.want, y.calls); diff != "" {
				t.Errorf("steps (-want +got):\n%s", diff)
			}
			if y.slots["j"] != c.slot {
				t.Errorf("slot held: %v, want %v", y.slots["j"], c.slot)
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
		"cancelled":       {moveErr: &job.StateError{Action: "resume", Status: job.Cancelled}},
		"outcome lost":    {moveErr: errors.Join(job.ErrUncertain, job.ErrStoreUnavailable), slot: true},
		"somebody else's": {want: job.ErrNotFound},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			y, control := newYard(job.Paused)
			y.slotErr, y.moveErr, y.after = c.slotErr, c.moveErr, job.Cancelled
			caller := "ann"
			if c.want != nil {
				caller = "eve"
			}
			_, err := control.Resume(t.Context(), caller, "j")
			if want := errors.Join(c.slotErr, c.moveErr, c.want); err == nil || err.Error() != want.Error() {
				t.Errorf("error %v, want %v", err, want)
			}
			if y.slots["j"] != c.slot {
				t.Errorf("slot held: %v, want %v", y.slots["j"], c.slot)
			}
		})
	}
}

// Two requests move the job at once: whichever frees the slot last looks again, and leaves it with a job that runs.
func TestSlotOfAJobThatMovedOnStays(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		from    job.Status
		do      func(c *Control) (job.Job, error)
		moveErr error
	}{
		"paused, and resumed": {job.InProgress, func(c *Control) (job.Job, error) { return c.Pause(context.Background(), "ann", "j") }, nil},
		"resumed twice": {job.Paused, func(c *Control) (job.Job, error) { return c.Resume(context.Background(), "ann", "j") },
			errors.Join(job.ErrStoreUnavailable)},
		"retried twice": {job.Failed, func(c *Control) (job.Job, error) { return c.Retry(context.Background(), "ann", "j") },
			errors.Join(job.ErrStoreUnavailable)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			y, control := newYard(c.from)
			y.after, y.moveErr = job.Pending, c.moveErr
			if _, err := c.do(control); !errors.Is(err, c.moveErr) {
				t.Fatalf("error %v, want %v", err, c.moveErr)
			}
			if !y.slots["j"] {
				t.Error("a running job lost its slot")
			}
		})
	}
}
