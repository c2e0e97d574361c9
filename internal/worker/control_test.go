package worker

import (
	"context"
	"testing"

	"github.com/musterhq/muster/internal/job"
	"github.com/musterhq/muster/internal/store"
)

// retrying is a store in which the owner retries a job the moment that it fails, before anybody reads it.
type retrying struct {
	*store.Store
	t *testing.T
}

func (r retrying) FinishJob(ctx context.Context, id string) (bool, error) {
	moved, err := r.Store.FinishJob(ctx, id)
	if moved {
		if _, err := r.MoveJob(ctx, "ann", id, job.MoveRetry); err != nil {
			r.t.Error(err)
		}
	}
	return moved, err
}

// poisoned panics for rows of the second chunk.
func poisoned(row int64) error {
	if row >= 25 && row < 50 {
		panic("poison")
	}
	return nil
}

// Two workers show a job at once, the one why it waits and the other that it goes on: the slower one may be wrong.
func TestReconcilerMendsAReasonShownTooLate(t *testing.T) {
	t.Parallel()
	f := newFleet(t, counting{})
	j := f.record(t)
	f.Import(t.Context(), j.ID, 0)
	late := f.job(t, j.ID)
	late.WaitReason = job.WaitUpstreamAllowance
	f.redis.shown[j.ID] = late
	f.reconcile(t)
	if got := f.redis.shown[j.ID]; got.WaitReason != "" || got.Processed != 25 {
		t.Errorf("shown: %+v", got)
	}
}

func TestRetryBeforeTheEndIsSeen(t *testing.T) {
	t.Parallel()
	f := newFleet(t, counting{fail: poisoned})
	j := f.record(t)
	f.Jobs.Repair = retrying{f.store, t}
	for range job.MaxStalls + 1 {
		f.Import(t.Context(), j.ID, 1)
	}
	for _, no := range []int{0, 2, 3} {
		f.Import(t.Context(), j.ID, no)
	}
	f.reconcile(t)
	if got := f.job(t, j.ID); got.Status != job.Pending || !f.redis.slots[j.ID] || f.finalized(t) {
		t.Fatalf("retried job: %s, slot %v, finalized %v", got.Status, f.redis.slots[j.ID], f.finalized(t))
	}
	f.redis.tasks = nil
	f.reconcile(t)
	f.wantTasks(t, "1/3")
}
