package store_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

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
		if _, err := move(ctx, s, "bob", j.ID, job.MovePause); !errors.Is(err, job.ErrNotFound) {
			t.Errorf("somebody else's pause: %v", err)
		}
		for range 2 { // the second is harmless
			if got, err := move(ctx, s, "ann", j.ID, job.MovePause); err != nil || got.Status != job.Paused || got.Processed != 20 {
				t.Fatalf("pause: %+v, %v", got, err)
			}
		}
		if err := s.CommitBatch(ctx, c, rows(c, 20), 0); !errors.Is(err, job.ErrFenced) {
			t.Errorf("batch of a paused job: %v", err)
		}
		if claim(t, s, j.ID, 1) != nil {
			t.Error("a chunk of a paused job was claimed")
		}
		_, err := move(ctx, s, "ann", j.ID, job.MoveRetry)
		wantState(t, "retry of a paused job", err, job.Paused)
		_, err = move(ctx, s, "ann", j.ID, job.MoveUndo)
		wantState(t, "undo of a paused job", err, job.Paused)
		for range 2 {
			if got, err := move(ctx, s, "ann", j.ID, job.MoveResume); err != nil || got.Status != job.Pending {
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
		_, err = move(ctx, s, "ann", j.ID, job.MovePause)
		wantState(t, "pause of a completed job", err, job.Completed)
		_, err = move(ctx, s, "ann", j.ID, job.MoveResume)
		wantState(t, "resume of a completed job", err, job.Completed)
	})
}

// A move whose outcome cannot be read is not made: its caller would not know whose the slot is.
func TestMoveThatCannotBeReadIsNotMade(t *testing.T) {
	t.Parallel()
	url := storetest.Engines(t)[0].New(t)
	s := storetest.Open(t, url, store.Options{})
	j := record(t, s, 10, 10)
	if _, err := move(t.Context(), s, "ann", j.ID, job.MovePause); err != nil {
		t.Fatal(err)
	}
	sabotage(t, url, `CREATE TRIGGER garble AFTER UPDATE OF status ON jobs BEGIN UPDATE jobs SET params = '{' WHERE id = NEW.id; END`)
	if _, err := s.MoveJob(t.Context(), "ann", j.ID, job.MoveResume); err == nil || errors.Is(err, job.ErrUncertain) {
		t.Errorf("a move that cannot be read: %v", err)
	}
	if now, err := s.Job(t.Context(), j.ID); err != nil || now.Status != job.Paused || now.Version != 1 {
		t.Errorf("the job is %s, version %d, %v", now.Status, now.Version, err)
	}
}

// A job keeps the time of its first start; how long it was paused or FAILED is kept beside it.
func TestStartIsKept(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url string) {
		s := storetest.Open(t, url, store.Options{Deadline: time.Hour})
		ctx := t.Context()
		j := record(t, s, 100, 100)
		must := func(m job.Move) job.Job {
			t.Helper()
			got, err := move(ctx, s, "ann", j.ID, m)
			if err != nil {
				t.Fatal(err)
			}
			return got
		}
		must(job.MovePause)
		if got := must(job.MoveResume); got.Idle != 0 {
			t.Errorf("idle for %s before it began", got.Idle)
		}
		mustCommit(t, s, claim(t, s, j.ID, 0), 20)
		first, err := s.Job(ctx, j.ID)
		if err != nil || first.StartedAt.IsZero() {
			t.Fatal(first.StartedAt, err)
		}
		var resumed job.Job
		within(t, func() bool {
			must(job.MovePause)
			resumed = must(job.MoveResume)
			return resumed.Idle > 0 // a millisecond of the database's clock went by
		})
		mustCommit(t, s, claim(t, s, j.ID, 0), 20)
		again, err := s.Job(ctx, j.ID)
		if err != nil || !again.StartedAt.Equal(first.StartedAt) || again.Idle != resumed.Idle {
			t.Errorf("started %s and idle %s, then started %s and idle %s, %v", first.StartedAt, resumed.Idle, again.StartedAt, again.Idle, err)
		}
		must(job.MovePause)
		if cancelled := must(job.MoveCancel); cancelled.Idle < resumed.Idle {
			t.Errorf("idle for %s, and after another pause for %s", resumed.Idle, cancelled.Idle)
		}
	})
}

// A job whose last batch was committed just before the pause has no batch left to start it, and must still end.
func TestPauseAfterTheLastBatch(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url string) {
		s := storetest.Open(t, url, store.Options{})
		j := record(t, s, 10, 10)
		mustCommit(t, s, claim(t, s, j.ID, 0), 10)
		if _, err := move(t.Context(), s, "ann", j.ID, job.MovePause); err != nil {
			t.Fatal(err)
		}
		if ok, err := s.FinishJob(t.Context(), j.ID); ok || err != nil {
			t.Fatalf("a paused job was finished: %v, %v", ok, err)
		}
		if _, err := move(t.Context(), s, "ann", j.ID, job.MoveResume); err != nil {
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
		for range job.MaxStalls {
			within(t, func() bool {
				c := claim(t, s, j.ID, 1)
				return c != nil && s.Stall(ctx, c, "test") == nil
			})
		}
		if n, err := s.FailStalled(ctx, *j); n != 1 || err != nil {
			t.Fatal(n, err)
		}
		if ok, err := s.FinishJob(ctx, j.ID); !ok || err != nil {
			t.Fatal(ok, err)
		}
		failed, err := s.Job(ctx, j.ID)
		if err != nil || failed.Status != job.Failed || failed.Processed != 70 {
			t.Fatalf("%+v, %v", failed, err)
		}
		if _, err := move(ctx, s, "bob", j.ID, job.MoveRetry); !errors.Is(err, job.ErrNotFound) {
			t.Errorf("somebody else's retry: %v", err)
		}
		got, err := move(ctx, s, "ann", j.ID, job.MoveRetry)
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

// failOverdue fails the open chunks of the job if its deadline has passed, and reports whether there were any.
func failOverdue(t *testing.T, s *store.Store, id string) (bool, error) {
	t.Helper()
	j, err := s.Job(t.Context(), id)
	if err != nil || !j.Overdue || !j.Status.HoldsSlot() {
		return false, err
	}
	n, err := s.FailOpen(t.Context(), j, "deadline_exceeded")
	if err == nil && n > 0 {
		_, err = s.FinishJob(t.Context(), id)
	}
	return n > 0, err
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
		if _, err := move(ctx, s, "ann", paused.ID, job.MovePause); err != nil {
			t.Fatal(err)
		}
		within(t, func() bool {
			ok, err := failOverdue(t, s, j.ID)
			return ok && err == nil
		})
		got, err := s.Job(ctx, j.ID)
		if err != nil || got.Status != job.Failed || got.ErrorCode != "deadline_exceeded" || got.Processed != 20 {
			t.Fatalf("%+v, %v", got, err)
		}
		if err := s.CommitBatch(ctx, c, rows(c, 20), 0); !errors.Is(err, job.ErrFenced) {
			t.Errorf("batch after the deadline: %v", err)
		}
		if ok, err := failOverdue(t, s, paused.ID); ok || err != nil {
			t.Errorf("a paused job ran out of time: %v, %v", ok, err)
		}
		if _, err := move(ctx, s, "ann", paused.ID, job.MoveResume); err != nil {
			t.Fatal(err)
		}
		if ok, err := failOverdue(t, s, paused.ID); ok || err != nil {
			t.Errorf("the pause counted against the deadline: %v, %v", ok, err)
		}
		if got, err := move(ctx, s, "ann", j.ID, job.MoveRetry); err != nil || got.Status != job.Pending {
			t.Errorf("retry: %+v, %v", got, err)
		}
		if ok, err := failOverdue(t, s, j.ID); ok || err != nil {
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
			ok, err := failOverdue(t, s, late.ID)
			return ok && err == nil
		})
		if ok, err := failOverdue(t, s, j.ID); ok || err != nil {
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
		_, err := move(ctx, s, "ann", j.ID, job.MoveUndo)
		wantState(t, "undo of a running job", err, job.InProgress)
		if ok, err := s.FinishJob(ctx, j.ID); !ok || err != nil {
			t.Fatal(ok, err)
		}
		if _, err := move(ctx, s, "bob", j.ID, job.MoveUndo); !errors.Is(err, job.ErrNotFound) {
			t.Errorf("somebody else's undo: %v", err)
		}
		for range 2 {
			if got, err := move(ctx, s, "ann", j.ID, job.MoveUndo); err != nil || !got.UndoRequested || got.Undone {
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

// An undo goes from user to user, and not over the millions of ids that a job which was cancelled never used.
func TestUndoPassesOverUnusedIDs(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url string) {
		s := storetest.Open(t, url, store.Options{})
		j := record(t, s, 10_000_000, 1_000_000)
		mustCommit(t, s, claim(t, s, j.ID, 0), 3)
		mustCommit(t, s, claim(t, s, j.ID, 7), 2)
		after := record(t, s, 10, 10)
		mustCommit(t, s, claim(t, s, after.ID, 0), 10)
		for _, m := range []job.Move{job.MoveCancel, job.MoveUndo} {
			if _, err := move(t.Context(), s, "ann", j.ID, m); err != nil {
				t.Fatal(err)
			}
		}
		now, err := s.Job(t.Context(), j.ID)
		if err != nil {
			t.Fatal(err)
		}
		var at []int64
		for more := true; more; at = append(at, now.UndoneRows) {
			if more, err = s.UndoSlice(t.Context(), &now); err != nil {
				t.Fatal(err)
			}
		}
		if diff := cmp.Diff([]int64{5000, 7_005_000, 10_000_000}, at); diff != "" {
			t.Errorf("rows undone after each slice (-want +got):\n%s", diff)
		}
		wantRows(t, s, 10)
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
			for range 40 { // each pause takes the chunk from the worker: without an end to them, a slow machine never commits
				if _, err := move(ctx, s, "ann", j.ID, job.MovePause); err != nil {
					return // over
				}
				if _, err := move(ctx, s, "ann", j.ID, job.MoveResume); err != nil {
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

// A job is finalized anew after each move, and never while it runs.
func TestFinalizesOnlyWhatStandsStill(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url string) {
		s := storetest.Open(t, url, store.Options{})
		j := record(t, s, 10, 10)
		if err := s.FinalizeJob(t.Context(), *j); err != nil {
			t.Fatal(err)
		}
		unfinalized(t, s, j.ID) // it runs
		paused, err := move(t.Context(), s, "ann", j.ID, job.MovePause)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.FinalizeJob(t.Context(), paused); err != nil {
			t.Fatal(err)
		}
		unfinalized(t, s)
		if _, err := move(t.Context(), s, "ann", j.ID, job.MoveCancel); err != nil {
			t.Fatal(err)
		}
		unfinalized(t, s, j.ID)
	})
}

// A process may freeze between the two steps of a move. When it wakes up after later moves, its second step has no effect.
func TestLateSecondStep(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url string) {
		s := storetest.Open(t, url, store.Options{})
		ctx := t.Context()
		j := record(t, s, 100, 50)
		mustCommit(t, s, claim(t, s, j.ID, 0), 20)
		late, err := s.MoveJob(ctx, "ann", j.ID, job.MovePause)
		if err != nil {
			t.Fatal(err)
		}
		if claim(t, s, j.ID, 1) != nil {
			t.Fatal("a chunk was claimed whose job is paused")
		}
		if _, err := move(ctx, s, "ann", j.ID, job.MoveResume); err != nil {
			t.Fatal(err)
		}
		if _, err := s.AlignChunks(ctx, late); err != nil {
			t.Fatal(err)
		}
		running := claim(t, s, j.ID, 1)
		mustCommit(t, s, running, 50)

		if _, err = s.MoveJob(ctx, "ann", j.ID, job.MovePause); err != nil {
			t.Fatal(err)
		}
		if late, err = s.MoveJob(ctx, "ann", j.ID, job.MoveResume); err != nil {
			t.Fatal(err)
		}
		cancelled, err := move(ctx, s, "ann", j.ID, job.MoveCancel)
		if err != nil || cancelled.Processed != 70 {
			t.Fatal(cancelled.Processed, err)
		}
		if _, err := s.AlignChunks(ctx, late); err != nil {
			t.Fatal(err)
		}
		if states := chunkStates(t, s, j.ID); states != "CANCELLED DONE" {
			t.Errorf("chunks after a resume that came late: %s", states)
		}
	})
}

// chunkStates returns the states of the job's chunks, in order.
func chunkStates(t *testing.T, s *store.Store, id string) string {
	t.Helper()
	chunks, err := s.ChunkStates(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	var states []string
	for i := range chunks {
		states = append(states, string(chunks[i].State))
	}
	return strings.Join(states, " ")
}

// An API may die after it has stored the job, and freeze while it adds the chunks. Whatever the owner does meanwhile,
// all chunks are there in the end, and each as the job's last move wants it.
func TestChunksOfADeadSubmission(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		move job.Move
		want string
	}{
		{"", "READY READY READY"}, {job.MovePause, "PAUSED PAUSED PAUSED"}, {job.MoveCancel, "CANCELLED CANCELLED CANCELLED"},
	} {
		t.Run(c.want, func(t *testing.T) {
			t.Parallel()
			storetest.Each(t, func(t *testing.T, url string) {
				s := storetest.Open(t, url, store.Options{})
				j := newJob(30)
				j.ChunkRows = 10
				if err := s.CreateJob(t.Context(), j); err != nil {
					t.Fatal(err)
				}
				if ok, err := s.FinishJob(t.Context(), j.ID); ok || err != nil {
					t.Fatalf("a job without its chunks was finished: %v, %v", ok, err)
				}
				now := *j
				if c.move != "" {
					var err error
					if now, err = s.MoveJob(t.Context(), "ann", j.ID, c.move); err != nil {
						t.Fatal(err)
					}
				}
				for range 2 { // the second has no effect
					totals, err := s.AlignChunks(t.Context(), now)
					if err != nil || totals.Recorded != 3 || totals.Behind != 0 {
						t.Fatalf("aligned: %+v, %v", totals, err)
					}
				}
				if err := s.AddChunks(t.Context(), *j); err != nil { // the submission wakes up
					t.Fatal(err)
				}
				if got := chunkStates(t, s, j.ID); got != c.want {
					t.Errorf("chunks are %s, want %s", got, c.want)
				}
			})
		})
	}
}

// The deadline may be about to fail a job that is paused and resumed meanwhile: the reconciler that comes late has no effect.
func TestLateDeadline(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url string) {
		s := storetest.Open(t, url, store.Options{Deadline: time.Millisecond})
		j := record(t, s, 10, 10)
		late, err := s.Job(t.Context(), j.ID)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range []job.Move{job.MovePause, job.MoveResume} {
			if _, err := move(t.Context(), s, "ann", j.ID, m); err != nil {
				t.Fatal(err)
			}
		}
		if n, err := s.FailOpen(t.Context(), late, "deadline_exceeded"); n != 0 || err != nil {
			t.Errorf("%d chunks of a resumed job failed, %v", n, err)
		}
	})
}
