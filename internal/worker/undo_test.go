package worker

import (
	"log/slog"
	"testing"

	"github.com/musterhq/muster/internal/job"
	"github.com/musterhq/muster/internal/store/storetest"
)

// finished is a job of 100 users that is over and settled.
func finished(t *testing.T, f *fleet) job.Job {
	t.Helper()
	j := f.record(t)
	for no := range 4 {
		f.Import(t.Context(), j.ID, no)
	}
	if !f.settled(t) {
		t.Fatal("the job is not settled")
	}
	f.redis.bells = nil
	return j
}

func TestUndoRemovesTheUsersAndSettles(t *testing.T) {
	t.Parallel()
	f := newFleet(t, counting{})
	j := finished(t, f)
	u := &Undoer{Store: f.store, Keeper: f.Keeper, Live: f.redis, Drain: f.drain, Log: slog.New(slog.DiscardHandler)}
	u.Undo(t.Context(), j.ID) // a bell without a request
	if n, _, err := storetest.Count(t.Context(), f.store); err != nil || n != 100 {
		t.Fatalf("%d users before the request, %v", n, err)
	}
	if _, err := f.store.RequestUndo(t.Context(), "ann", j.ID); err != nil {
		t.Fatal(err)
	}
	f.round(t) // the keeper rings, as the API may have died
	f.wantBells(t, "undo/0")
	if f.settled(t) {
		t.Fatal("a job to be undone counts as seen to")
	}
	u.Undo(t.Context(), j.ID)
	if n, _, err := storetest.Count(t.Context(), f.store); err != nil || n != 0 {
		t.Fatalf("%d users after the undo, %v", n, err)
	}
	if !f.settled(t) || !f.redis.shown[j.ID].Undone {
		t.Errorf("settled %v, shown %+v", f.settled(t), f.redis.shown[j.ID])
	}
}

func TestUndoStopsWhenDraining(t *testing.T) {
	t.Parallel()
	f := newFleet(t, counting{})
	j := finished(t, f)
	if _, err := f.store.RequestUndo(t.Context(), "ann", j.ID); err != nil {
		t.Fatal(err)
	}
	close(f.drain)
	(&Undoer{Store: f.store, Keeper: f.Keeper, Live: f.redis, Drain: f.drain, Log: slog.New(slog.DiscardHandler)}).Undo(t.Context(), j.ID)
	if n, _, err := storetest.Count(t.Context(), f.store); err != nil || n != 100 {
		t.Fatalf("%d users, %v", n, err)
	}
}

// The API may die between a pause and the release of the slot.
func TestKeeperFreesTheSlotOfAPausedJob(t *testing.T) {
	t.Parallel()
	f := newFleet(t, counting{})
	j := f.record(t)
	if _, err := f.store.Pause(t.Context(), "ann", j.ID); err != nil {
		t.Fatal(err)
	}
	f.round(t)
	f.wantBells(t)
	if f.redis.slots[j.ID] || !f.settled(t) || f.redis.shown[j.ID].Status != job.Paused {
		t.Errorf("slot %v, settled %v, shown %+v", f.redis.slots[j.ID], f.settled(t), f.redis.shown[j.ID])
	}
	if _, err := f.store.Resume(t.Context(), "ann", j.ID); err != nil {
		t.Fatal(err)
	}
	f.round(t)
	f.wantBells(t, "0/0", "1/0")
	if !f.redis.slots[j.ID] || f.redis.shown[j.ID].Status != job.Pending {
		t.Errorf("after the resume: slot %v, shown %+v", f.redis.slots[j.ID], f.redis.shown[j.ID])
	}
}
