package store_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/musterhq/muster/internal/job"
	"github.com/musterhq/muster/internal/store"
	"github.com/musterhq/muster/internal/store/storetest"
	"github.com/musterhq/muster/internal/user"
)

func wantState(t *testing.T, what string, err error, status job.Status) {
	t.Helper()
	var state *job.StateError
	if !errors.As(err, &state) || state.Status != status {
		t.Errorf("%s: %v, want a StateError with %s", what, err, status)
	}
}

func TestPauseAndResume(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url string) {
		s := storetest.Open(t, url, store.Options{})
		ctx := t.Context()
		j := record(t, s, 100, 50)
		c := claim(t, s, j.ID, 0)
		mustCommit(t, s, c, 20)
		if _, err := s.Pause(ctx, "bob", j.ID); !errors.Is(err, job.ErrNotFound) {
			t.Errorf("somebody else's pause: %v", err)
		}
		for range 2 { // the second is harmless
			if got, err := s.Pause(ctx, "ann", j.ID); err != nil || got.Status != job.Paused || got.Processed != 20 {
				t.Fatalf("pause: %+v, %v", got, err)
			}
		}
		if err := s.CommitBatch(ctx, c, rows(c, 20), 0); !errors.Is(err, job.ErrFenced) {
			t.Errorf("batch of a paused job: %v", err)
		}
		if claim(t, s, j.ID, 1) != nil {
			t.Error("a chunk of a paused job was claimed")
		}
		_, err := s.Retry(ctx, "ann", j.ID)
		wantState(t, "retry of a paused job", err, job.Paused)
		_, err = s.RequestUndo(ctx, "ann", j.ID)
		wantState(t, "undo of a paused job", err, job.Paused)
		for range 2 {
			if got, err := s.Resume(ctx, "ann", j.ID); err != nil || got.Status != job.Pending {
				t.Fatalf("resume: %+v, %v", got, err)
			}
		}
		for no, left := range []int{30, 50} {
			mustCommit(t, s, claim(t, s, j.ID, no), left)
		}
		if ok, err := s.FinishJob(ctx, j.ID); !ok || err != nil {
			t.Fatal(ok, err)
		}
		wantRows(t, s, 100)
		_, err = s.Pause(ctx, "ann", j.ID)
		wantState(t, "pause of a completed job", err, job.Completed)
		_, err = s.Resume(ctx, "ann", j.ID)
		wantState(t, "resume of a completed job", err, job.Completed)
	})
}

// A move that was made and then could not be read is told from one that was not made: its slot must stay.
func TestMoveThatCannotBeReadIsUncertain(t *testing.T) {
	t.Parallel()
	url := storetest.Engines(t)[0].New(t)
	s := storetest.Open(t, url, store.Options{})
	j := record(t, s, 10, 10)
	if _, err := s.Pause(t.Context(), "ann", j.ID); err != nil {
		t.Fatal(err)
	}
	sabotage(t, url, `CREATE TRIGGER garble AFTER UPDATE OF status ON jobs BEGIN UPDATE jobs SET params = '{' WHERE id = NEW.id; END`)
	if _, err := s.Retry(t.Context(), "ann", j.ID); errors.Is(err, job.ErrUncertain) {
		t.Errorf("a move that was not made: %v", err)
	}
	if _, err := s.Resume(t.Context(), "ann", j.ID); !errors.Is(err, job.ErrUncertain) {
		t.Errorf("a move that was made: %v, want ErrUncertain", err)
	}
}

// A job keeps its first start; the time that it was paused or FAILED is kept apart from it.
func TestStartIsKept(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url string) {
		s := storetest.Open(t, url, store.Options{Deadline: time.Hour})
		ctx := t.Context()
		j := record(t, s, 100, 100)
		must := func(move func(context.Context, string, string) (job.Job, error)) job.Job {
			t.Helper()
			got, err := move(ctx, "ann", j.ID)
			if err != nil {
				t.Fatal(err)
			}
			return got
		}
		must(s.Pause)
		if got := must(s.Resume); got.Idle != 0 {
			t.Errorf("idle for %s before it began", got.Idle)
		}
		mustCommit(t, s, claim(t, s, j.ID, 0), 20)
		first, err := s.Job(ctx, j.ID)
		if err != nil || first.StartedAt.IsZero() {
			t.Fatal(first.StartedAt, err)
		}
		var resumed job.Job
		within(t, func() bool {
			must(s.Pause)
			resumed = must(s.Resume)
			return resumed.Idle > 0 // a millisecond of the database's clock went by
		})
		mustCommit(t, s, claim(t, s, j.ID, 0), 20)
		again, err := s.Job(ctx, j.ID)
		if err != nil || !again.StartedAt.Equal(first.StartedAt) || again.Idle != resumed.Idle {
			t.Errorf("started %s and idle %s, then started %s and idle %s, %v", first.StartedAt, resumed.Idle, again.StartedAt, again.Idle, err)
		}
		must(s.Pause)
		if cancelled := must(s.Cancel); cancelled.Idle < resumed.Idle {
			t.Errorf("idle for %s, and after another pause for %s", resumed.Idle, cancelled.Idle)
		}
	})
}

// A job whose last batch was committed just before the pause has nothing left to begin with, and must still end.
func TestPauseAfterTheLastBatch(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url string) {
		s := storetest.Open(t, url, store.Options{})
		j := record(t, s, 10, 10)
		mustCommit(t, s, claim(t, s, j.ID, 0), 10)
		if _, err := s.Pause(t.Context(), "ann", j.ID); err != nil {
			t.Fatal(err)
		}
		if ok, err := s.FinishJob(t.Context(), j.ID); ok || err != nil {
			t.Fatalf("a paused job was finished: %v, %v", ok, err)
		}
		if _, err := s.Resume(t.Context(), "ann", j.ID); err != nil {
			t.Fatal(err)
		}
		if ok, err := s.FinishJob(t.Context(), j.ID); !ok || err != nil {
			t.Fatalf("the resumed job does not end: %v, %v", ok, err)
		}
	})
}

func TestRetryRunsOnlyWhatIsNotDone(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url string) {
		s := storetest.Open(t, url, store.Options{Lease: time.Second})
		ctx := t.Context()
		j := record(t, s, 100, 50)
		mustCommit(t, s, claim(t, s, j.ID, 0), 50)
		mustCommit(t, s, claim(t, s, j.ID, 1), 20)
		for range store.MaxStalls {
			within(t, func() bool {
				c := claim(t, s, j.ID, 1)
				return c != nil && s.Stall(ctx, c, "test") == nil
			})
		}
		if n, err := s.FailPoison(ctx, j.ID); n != 1 || err != nil {
			t.Fatal(n, err)
		}
		if ok, err := s.FinishJob(ctx, j.ID); !ok || err != nil {
			t.Fatal(ok, err)
		}
		failed, err := s.Job(ctx, j.ID)
		if err != nil || failed.Status != job.Failed || failed.Processed != 70 {
			t.Fatalf("%+v, %v", failed, err)
		}
		if _, err := s.Retry(ctx, "bob", j.ID); !errors.Is(err, job.ErrNotFound) {
			t.Errorf("somebody else's retry: %v", err)
		}
		got, err := s.Retry(ctx, "ann", j.ID)
		if err != nil || got.Status != job.Pending || got.ErrorCode != "" || !got.FinishedAt.IsZero() || got.Processed != 70 {
			t.Fatalf("retry: %+v, %v", got, err)
		}
		if claim(t, s, j.ID, 0) != nil {
			t.Error("a chunk that was done runs again")
		}
		mustCommit(t, s, claim(t, s, j.ID, 1), 30)
		if ok, err := s.FinishJob(ctx, j.ID); !ok || err != nil {
			t.Fatal(ok, err)
		}
		wantRows(t, s, 100)
	})
}

func TestDeadline(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url string) {
		s := storetest.Open(t, url, store.Options{Deadline: 300 * time.Millisecond})
		ctx := t.Context()
		j := record(t, s, 100, 50)
		c := claim(t, s, j.ID, 0)
		mustCommit(t, s, c, 20)
		paused := record(t, s, 10, 10)
		if _, err := s.Pause(ctx, "ann", paused.ID); err != nil {
			t.Fatal(err)
		}
		within(t, func() bool {
			ok, err := s.FailOverdue(ctx, j.ID)
			return ok && err == nil
		})
		got, err := s.Job(ctx, j.ID)
		if err != nil || got.Status != job.Failed || got.ErrorCode != "deadline_exceeded" || got.Processed != 20 {
			t.Fatalf("%+v, %v", got, err)
		}
		if err := s.CommitBatch(ctx, c, rows(c, 20), 0); !errors.Is(err, job.ErrFenced) {
			t.Errorf("batch after the deadline: %v", err)
		}
		if ok, err := s.FailOverdue(ctx, paused.ID); ok || err != nil {
			t.Errorf("a paused job ran out of time: %v, %v", ok, err)
		}
		if _, err := s.Resume(ctx, "ann", paused.ID); err != nil {
			t.Fatal(err)
		}
		if ok, err := s.FailOverdue(ctx, paused.ID); ok || err != nil {
			t.Errorf("the pause counted against the deadline: %v, %v", ok, err)
		}
		if got, err := s.Retry(ctx, "ann", j.ID); err != nil || got.Status != job.Pending {
			t.Errorf("retry: %+v, %v", got, err)
		}
		if ok, err := s.FailOverdue(ctx, j.ID); ok || err != nil {
			t.Errorf("a retry has no deadline of its own: %v, %v", ok, err)
		}
	})
}

// A job whose rows are all stored is not late, however long nobody finished it.
func TestDeadlineAfterTheLastBatch(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url string) {
		s := storetest.Open(t, url, store.Options{Deadline: time.Millisecond})
		j, late := record(t, s, 10, 10), record(t, s, 10, 10)
		mustCommit(t, s, claim(t, s, j.ID, 0), 10)
		within(t, func() bool {
			ok, err := s.FailOverdue(t.Context(), late.ID)
			return ok && err == nil
		})
		if ok, err := s.FailOverdue(t.Context(), j.ID); ok || err != nil {
			t.Fatalf("failed with all rows stored: %v, %v", ok, err)
		}
		if ok, err := s.FinishJob(t.Context(), j.ID); !ok || err != nil {
			t.Fatalf("finish: %v, %v", ok, err)
		}
	})
}

// Many workers undo one job at once; single users and other jobs stay.
func TestUndo(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url string) {
		s := storetest.Open(t, url, store.Options{})
		ctx := t.Context()
		other := record(t, s, 10, 10)
		mustCommit(t, s, claim(t, s, other.ID, 0), 10)
		j := record(t, s, 12_000, 12_000)
		mustCommit(t, s, claim(t, s, j.ID, 0), 12_000)
		single := user.User{FirstName: "Ada", Email: "ada@example.com", Age: 3, Gender: user.Female}
		if err := s.CreateUser(ctx, &single); err != nil {
			t.Fatal(err)
		}
		_, err := s.RequestUndo(ctx, "ann", j.ID)
		wantState(t, "undo of a running job", err, job.InProgress)
		if ok, err := s.FinishJob(ctx, j.ID); !ok || err != nil {
			t.Fatal(ok, err)
		}
		if _, err := s.RequestUndo(ctx, "bob", j.ID); !errors.Is(err, job.ErrNotFound) {
			t.Errorf("somebody else's undo: %v", err)
		}
		for range 2 {
			if got, err := s.RequestUndo(ctx, "ann", j.ID); err != nil || !got.UndoRequested || got.Undone {
				t.Fatalf("undo: %+v, %v", got, err)
			}
		}
		parallel(4, func() {
			for {
				now, err := s.Job(ctx, j.ID)
				if err != nil || now.Undone {
					if err != nil {
						t.Error(err)
					}
					return
				}
				if _, err := s.UndoSlice(ctx, &now); err != nil {
					t.Error(err)
					return
				}
			}
		})
		got, err := s.Job(ctx, j.ID)
		if err != nil || !got.Undone || got.UndoneRows != 12_000 || got.Status != job.Completed {
			t.Fatalf("%+v, %v", got, err)
		}
		wantRows(t, s, 11)
		if more, err := s.UndoSlice(ctx, &got); more || err != nil {
			t.Errorf("a slice after the end: %v, %v", more, err)
		}
	})
}

// Pausing, resuming and working at once: whatever the order, the count is exact in the end.
func TestPauseRacesBatches(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url string) {
		s := storetest.Open(t, url, store.Options{})
		ctx := t.Context()
		j := record(t, s, 400, 100)
		done := make(chan struct{})
		go func() {
			defer close(done)
			for {
				if _, err := s.Pause(ctx, "ann", j.ID); err != nil {
					return // over
				}
				if _, err := s.Resume(ctx, "ann", j.ID); err != nil {
					t.Error(err)
					return
				}
				time.Sleep(5 * time.Millisecond)
			}
		}()
		within(t, func() bool {
			for no := range 4 {
				c := claim(t, s, j.ID, no)
				for c != nil && c.Chunk.Left() > 0 {
					if err := s.CommitBatch(ctx, c, rows(c, 10), 0); errors.Is(err, job.ErrFenced) {
						break
					} else if err != nil {
						t.Fatal(err)
					}
				}
			}
			_, err := s.FinishJob(ctx, j.ID)
			now, readErr := s.Job(ctx, j.ID)
			return err == nil && readErr == nil && now.Status == job.Completed
		})
		<-done
		wantRows(t, s, 400)
	})
}

// What follows a move is seen to after each move anew, and never while the job runs.
func TestSettledOnlyWhatStandsStill(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url string) {
		s := storetest.Open(t, url, store.Options{})
		j := record(t, s, 10, 10)
		if err := s.Settle(t.Context(), j.ID, 0); err != nil {
			t.Fatal(err)
		}
		unsettled(t, s, j.ID) // it runs
		paused, err := s.Pause(t.Context(), "ann", j.ID)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Settle(t.Context(), j.ID, paused.Version); err != nil {
			t.Fatal(err)
		}
		unsettled(t, s)
		if _, err := s.Cancel(t.Context(), "ann", j.ID); err != nil {
			t.Fatal(err)
		}
		unsettled(t, s, j.ID)
	})
}
