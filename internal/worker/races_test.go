package worker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/musterhq/muster/internal/job"
	"github.com/musterhq/muster/internal/jobs"
	"github.com/musterhq/muster/internal/store"
	"github.com/musterhq/muster/internal/store/storetest"
)

// task is a task in the queue; an undo task has chunk -1.
type task struct {
	id    string
	chunk int
}

// slowRedis is a fakeRedis with a queue that loses tasks, and whose slots take a moment.
type slowRedis struct {
	*fakeRedis
	store *store.Store
	queue chan task
}

// moment lets other goroutines run, as a round trip to Redis does.
func (c *slowRedis) moment() {
	for range rand.N(4) {
		_, _ = c.store.Job(context.Background(), "nobody's")
	}
}

func (c *slowRedis) Renew(ctx context.Context, user, id string, l job.TierLimit) (bool, error) {
	c.moment()
	defer c.moment()
	return c.fakeRedis.Renew(ctx, user, id, l)
}

func (c *slowRedis) Release(ctx context.Context, user, id string, ended time.Time, l job.TierLimit) error {
	c.moment()
	defer c.moment()
	if ended.IsZero() {
		return errors.New("a job that is over has no end")
	}
	return c.fakeRedis.Release(ctx, user, id, ended, l)
}

func (c *slowRedis) Reserve(ctx context.Context, owner, id string, l job.TierLimit) error {
	_, err := c.Renew(ctx, owner, id, l)
	return err
}

func (c *slowRedis) Unreserve(ctx context.Context, user, id string, l job.TierLimit) error {
	c.moment()
	defer c.moment()
	return c.fakeRedis.Unreserve(ctx, user, id, l)
}

func (c *slowRedis) EnqueueChunk(_ context.Context, _ job.Tier, id string, chunk int, _ int64) error {
	if rand.N(4) > 0 {
		select {
		case c.queue <- task{id, chunk}:
		default: // the queue is full: the task is lost
		}
	}
	return nil
}

func (c *slowRedis) EnqueueUndo(ctx context.Context, tier job.Tier, id string, _ int64) error {
	return c.EnqueueChunk(ctx, tier, id, -1, 0)
}

// simulation is what workers, reconcilers and owners, who use the API, do at once with five jobs.
type simulation struct {
	*slowRedis
	importer *Importer
	undoer   *Undoer
	service  *jobs.Service
	jobs     []job.Job
}

func newSimulation(t *testing.T, deadline time.Duration) *simulation {
	t.Helper()
	f := newFleet(t, counting{fail: func(row int64) error {
		if row >= 75 && rand.N(3) > 0 {
			panic("the last chunk fails often")
		}
		return nil
	}})
	st := storetest.Open(t, storetest.Engines(t)[0].New(t), store.Options{Lease: time.Second, Deadline: deadline})
	c := &slowRedis{fakeRedis: f.redis, store: st, queue: make(chan task, 100)}
	f.Chunks, f.Progress = st, c
	service := f.Jobs
	service.Store, service.Repair, service.Slots, service.Queue, service.Live = st, st, c, c, c
	w := &simulation{
		slowRedis: c, importer: f.Importer, service: service,
		undoer: &Undoer{Store: st, Jobs: service, Drain: f.drain, Log: slog.New(slog.DiscardHandler)},
	}
	for range 5 {
		j := job.Job{ID: uuid.Must(uuid.NewV7()).String(), Owner: "ann", Source: "faker", Tier: "SMALL", Requested: 100}
		if err := storetest.CreateJob(t.Context(), st, &j, 25); err != nil {
			t.Fatal(err)
		}
		w.jobs = append(w.jobs, j)
	}
	return w
}

// work takes tasks from the queue until ctx ends; a task that was taken is done to its end.
func (w *simulation) work(ctx context.Context) {
	for whole := context.WithoutCancel(ctx); ; {
		select {
		case <-ctx.Done():
			return
		case b := <-w.queue:
			if b.chunk < 0 {
				w.undoer.Undo(whole, b.id)
			} else {
				w.importer.Import(whole, b.id, b.chunk)
			}
		}
	}
}

// reconcile reconciles all jobs again and again until ctx ends; a round that was begun is done to its end.
func (w *simulation) reconcile(ctx context.Context, t *testing.T) {
	for ctx.Err() == nil {
		if err := w.service.ReconcileAll(context.WithoutCancel(ctx)); err != nil {
			t.Error(err)
		}
	}
}

// owner asks for n moves at random.
func (w *simulation) owner(t *testing.T, r *rand.Rand, n int) {
	for range n {
		j := w.jobs[r.IntN(len(w.jobs))]
		moves := []func(context.Context, string, string) (job.Job, error){
			w.service.Pause, w.service.Resume, w.service.Pause, w.service.Resume, w.service.Retry, w.service.Retry,
			w.service.Undo, w.service.Cancel,
		}
		pick := r.IntN(len(moves))
		if pick >= 6 && r.IntN(4) > 0 { // after an undo or a cancel a job moves no more, so they are rare
			pick = r.IntN(6)
		}
		_, err := moves[pick](t.Context(), "ann", j.ID)
		if _, refused := errors.AsType[*job.StateError](err); err != nil && !refused {
			t.Errorf("move %d: %v", pick, err)
		}
	}
}

// check compares users, slots and live views with each job's row, after everything has come to rest.
func (w *simulation) check(t *testing.T) {
	t.Helper()
	var stored int64
	for _, j := range w.jobs {
		now, err := w.store.Job(t.Context(), j.ID)
		if err != nil {
			t.Fatal(err)
		}
		done := int64(0)
		chunks, err := w.store.Chunks(t.Context(), j.ID)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range chunks {
			done += c.Done
		}
		if !now.Undone {
			stored += now.Processed
		}
		if now.Processed != done || now.Status == job.Completed && done != 100 || now.UndoRequested && !now.Undone {
			t.Errorf("%d rows done: %+v", done, now)
		}
		shown := w.shown[j.ID]
		if shown.Version != now.Version || shown.Status != now.Status || shown.Undone != now.Undone {
			t.Errorf("shown as %s, version %d; is %s, version %d", shown.Status, shown.Version, now.Status, now.Version)
		}
	}
	if n, distinct, err := storetest.Count(t.Context(), w.store); n != stored || distinct != stored || err != nil {
		t.Errorf("%d users, %d of them distinct, %v; the jobs have %d", n, distinct, err, stored)
	}
	if len(w.slots) != 0 {
		t.Errorf("slots of jobs that do not run: %v", w.slots)
	}
}

// Owners, workers and reconcilers at once, in whatever order: in the end every job is finalized, no slot is held, the users
// stored are those counted, and the live views show the rows.
func TestOwnersWorkersAndReconcilersAtOnce(t *testing.T) {
	t.Parallel()
	for seed := range uint64(4) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			w := newSimulation(t, time.Duration(seed%2)*200*time.Millisecond)
			ctx, stop := context.WithCancel(t.Context())
			defer stop()
			var fleet, owners sync.WaitGroup
			for range 3 {
				fleet.Go(func() { w.work(ctx) })
			}
			for range 2 {
				fleet.Go(func() { w.reconcile(ctx, t) })
			}
			for n := range uint64(4) {
				owners.Go(func() { w.owner(t, rand.New(rand.NewPCG(seed, n)), 30) })
			}
			owners.Wait()
			running := func() (ids []string) {
				left, err := w.store.UnfinalizedJobs(t.Context(), "", 100)
				if err != nil {
					t.Fatal(err)
				}
				for _, j := range left {
					ids = append(ids, fmt.Sprintf("%s %s v%d", j.ID, j.Status, j.Version))
				}
				return ids
			}
			for end := time.Now().Add(30 * time.Second); len(running()) > 0 && time.Now().Before(end); {
				w.moment()
			}
			if left := running(); len(left) > 0 {
				t.Errorf("not over: %v", left)
			}
			stop()
			fleet.Wait()
			w.check(t)
		})
	}
}

// A few moves of one job at once, with a reconciler among them or not: as soon as all have returned, and although
// nobody mends anything later, the slot is held exactly if the job's status says so.
func TestSlotAgreesAfterEveryMove(t *testing.T) {
	t.Parallel()
	for seed := range uint64(4) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			w := newSimulation(t, time.Duration(seed)*20*time.Millisecond)
			r := rand.New(rand.NewPCG(seed, 1))
			for range 40 {
				id := w.jobs[r.IntN(len(w.jobs))].ID
				var names []string
				var wg sync.WaitGroup
				for range 2 + r.IntN(3) {
					name, move := w.move(r)
					names = append(names, name)
					wg.Go(func() {
						err := move(t.Context(), id)
						if _, refused := errors.AsType[*job.StateError](err); err != nil && !refused {
							t.Errorf("%s: %v", name, err)
						}
					})
				}
				wg.Wait()
				now, err := w.store.Job(t.Context(), id)
				if err != nil {
					t.Fatal(err)
				}
				// A job that was never moved would hold the slot of its submission, which this test leaves out.
				if held := w.slots[id]; held != now.Status.HoldsSlot() && now.Version > 0 {
					t.Fatalf("slot held: %v, with the job %s after %v", held, now.Status, names)
				}
			}
		})
	}
}

// move returns a random move of a job, or a reconciler's or a worker's visit.
func (w *simulation) move(r *rand.Rand) (name string, do func(ctx context.Context, id string) error) {
	by := func(move func(context.Context, string, string) (job.Job, error)) func(context.Context, string) error {
		return func(ctx context.Context, id string) error {
			_, err := move(ctx, "ann", id)
			return err
		}
	}
	switch r.IntN(8) {
	case 0, 1:
		return "pause", by(w.service.Pause)
	case 2, 3:
		return "resume", by(w.service.Resume)
	case 4, 5:
		return "retry", by(w.service.Retry)
	case 6:
		return "reconcile", func(ctx context.Context, _ string) error { return w.service.ReconcileAll(ctx) }
	}
	chunk := r.IntN(4)
	return "import", func(ctx context.Context, id string) error {
		w.importer.Import(ctx, id, chunk)
		return nil
	}
}

// repairs is a store at which something happens right after a job has ended.
type repairs struct {
	*store.Store
	ended func()
}

func (r *repairs) FinishJob(ctx context.Context, id string) (bool, error) {
	moved, err := r.Store.FinishJob(ctx, id)
	if moved && r.ended != nil {
		ended := r.ended
		r.ended = nil
		ended()
	}
	return moved, err
}

// batch commits the next n rows of the claim.
func (f *fleet) batch(t *testing.T, c *job.Claim, n int) error {
	t.Helper()
	next, err := counting{}.Open(t.Context(), *c)
	if err != nil {
		t.Fatal(err)
	}
	users, _, _ := next(t.Context(), nil, n)
	return f.store.CommitBatch(t.Context(), c, users, 0)
}

// A reconciler ends a job and freezes. Before it looks again, the job is retried, claimed, and cancelled by a process that
// dies between the two steps. The chunks have to follow before anything is finalized.
func TestEndThatIsMovedOnBeforeItIsSeen(t *testing.T) {
	t.Parallel()
	f := newFleet(t, counting{fail: func(row int64) error {
		if row >= 75 {
			panic("the last chunk fails")
		}
		return nil
	}})
	j := f.record(t)
	for no := range 3 {
		f.Import(t.Context(), j.ID, no)
	}
	for range job.MaxStalls {
		f.Import(t.Context(), j.ID, 3)
	}
	owner := *f.Jobs
	var held *job.Claim
	f.Jobs.Repair = &repairs{f.store, func() {
		if _, err := owner.Retry(t.Context(), "ann", j.ID); err != nil {
			t.Fatal(err)
		}
		var err error
		if held, err = f.store.ClaimChunk(t.Context(), j.ID, 3); held == nil || err != nil {
			t.Fatal(held, err)
		}
		if _, err = f.store.MoveJob(t.Context(), "ann", j.ID, job.MoveCancel); err != nil {
			t.Fatal(err)
		}
	}}
	f.reconcile(t)
	if err := f.batch(t, held, 10); !errors.Is(err, job.ErrFenced) {
		t.Errorf("a batch of a cancelled job: %v", err)
	}
	if now := f.job(t, j.ID); now.Status != job.Cancelled || now.Processed != 75 || !f.finalized(t) {
		t.Errorf("finalized %v: %+v", f.finalized(t), now)
	}
}

// Between the two steps of a cancel a poll, a list and a worker may read the job. Whoever is told that it is cancelled may
// rely on its count.
func TestNobodyIsToldBeforeTheChunksFollow(t *testing.T) {
	t.Parallel()
	for name, look := range map[string]func(f *fleet, c *job.Claim, before job.Job) (job.Job, error){
		"a poll": func(f *fleet, c *job.Claim, _ job.Job) (job.Job, error) {
			return f.Jobs.Get(context.Background(), "ann", c.Job.ID)
		},
		"a list": func(f *fleet, _ *job.Claim, _ job.Job) (job.Job, error) {
			list, err := f.Jobs.List(context.Background(), job.Filter{Owner: "ann", Limit: 1})
			return list[0], err
		},
		"a worker shows its batch": func(f *fleet, c *job.Claim, before job.Job) (job.Job, error) {
			f.show(context.Background(), c, before, 0, f.Log)
			return f.redis.shown[c.Job.ID], nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFleet(t, counting{})
			j := f.record(t)
			c, err := f.store.ClaimChunk(t.Context(), j.ID, 0)
			if err != nil {
				t.Fatal(err)
			}
			before := c.Job
			if err := f.batch(t, c, 10); err != nil {
				t.Fatal(err)
			}
			if _, err := f.store.MoveJob(t.Context(), "ann", j.ID, job.MoveCancel); err != nil {
				t.Fatal(err)
			}
			if told, err := look(f, c, before); err != nil || told.Status != job.Cancelled || told.Processed != 10 {
				t.Errorf("told %s with %d users, %v", told.Status, told.Processed, err)
			}
			if err := f.batch(t, c, 10); !errors.Is(err, job.ErrFenced) {
				t.Errorf("a batch after somebody was told: %v", err)
			}
		})
	}
}

// A slow worker may say why a job waits that was paused meanwhile.
func TestPausedJobDoesNotWait(t *testing.T) {
	t.Parallel()
	f := newFleet(t, counting{})
	j := f.record(t)
	c, err := f.store.ClaimChunk(t.Context(), j.ID, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Jobs.Pause(t.Context(), "ann", j.ID); err != nil {
		t.Fatal(err)
	}
	f.endClaim(c, &job.WaitError{Wait: 1, Reason: job.WaitSourceSlow}, f.Log)
	if now := f.job(t, j.ID); now.WaitReason != "" {
		t.Errorf("a job that is %s waits for %q", now.Status, now.WaitReason)
	}
}
