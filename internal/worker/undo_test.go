package worker

import (
	"log/slog"
	"testing"

	"github.com/musterhq/muster/internal/job"
	"github.com/musterhq/muster/internal/store/storetest"
)

// finished is a job of 100 users that is over and finalized.
func finished(t *testing.T, f *fleet) job.Job {
	t.Helper()
	j := f.record(t)
	for no := range 4 {
		f.Import(t.Context(), j.ID, no)
	}
	if !f.finalized(t) {
		t.Fatal("the job is not finalized")
	}
	f.redis.tasks = nil
	return j
}

func TestUndoRemovesTheUsersAndFinalizes(t *testing.T) {
	t.Parallel()
	f := newFleet(t, counting{})
	j := finished(t, f)
	u := &Undoer{Store: f.store, Jobs: f.Jobs, Drain: f.drain, Log: slog.New(slog.DiscardHandler)}
	u.Undo(t.Context(), j.ID) // a task without a request
	if n, _, err := storetest.Count(t.Context(), f.store); err != nil || n != 100 {
		t.Fatalf("%d users before the request, %v", n, err)
	}
	if _, err := f.store.MoveJob(t.Context(), "ann", j.ID, job.MoveUndo); err != nil {
		t.Fatal(err)
	}
	f.reconcile(t) // the API may have died before it enqueued
	f.wantTasks(t, "undo/0")
	if f.finalized(t) {
		t.Fatal("a job to be undone is finalized")
	}
	u.Undo(t.Context(), j.ID)
	if n, _, err := storetest.Count(t.Context(), f.store); err != nil || n != 0 {
		t.Fatalf("%d users after the undo, %v", n, err)
	}
	if !f.finalized(t) || !f.redis.shown[j.ID].Undone {
		t.Errorf("finalized %v, shown %+v", f.finalized(t), f.redis.shown[j.ID])
	}
}

func TestUndoStopsWhenDraining(t *testing.T) {
	t.Parallel()
	f := newFleet(t, counting{})
	j := finished(t, f)
	if _, err := f.store.MoveJob(t.Context(), "ann", j.ID, job.MoveUndo); err != nil {
		t.Fatal(err)
	}
	close(f.drain)
	(&Undoer{Store: f.store, Jobs: f.Jobs, Drain: f.drain, Log: slog.New(slog.DiscardHandler)}).Undo(t.Context(), j.ID)
	if n, _, err := storetest.Count(t.Context(), f.store); err != nil || n != 100 {
		t.Fatalf("%d users, %v", n, err)
	}
}

// The API may die between a pause and the release of the slot.
func TestReconcilerFreesTheSlotOfAPausedJob(t *testing.T) {
	t.Parallel()
	f := newFleet(t, counting{})
	j := f.record(t)
	if _, err := f.store.MoveJob(t.Context(), "ann", j.ID, job.MovePause); err != nil {
		t.Fatal(err)
	}
	f.reconcile(t)
	f.wantTasks(t)
	if f.redis.slots[j.ID] || !f.finalized(t) || f.redis.shown[j.ID].Status != job.Paused {
		t.Errorf("slot %v, finalized %v, shown %+v", f.redis.slots[j.ID], f.finalized(t), f.redis.shown[j.ID])
	}
	if _, err := f.store.MoveJob(t.Context(), "ann", j.ID, job.MoveResume); err != nil {
		t.Fatal(err)
	}
	f.reconcile(t)
	f.wantTasks(t, "0/0", "1/0")
	if !f.redis.slots[j.ID] || f.redis.shown[j.ID].Status != job.Pending {
		t.Errorf("after the resume: slot %v, shown %+v", f.redis.slots[j.ID], f.redis.shown[j.ID])
	}
}
