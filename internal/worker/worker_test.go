package worker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/musterhq/muster/internal/job"
	"github.com/musterhq/muster/internal/jobs"
	"github.com/musterhq/muster/internal/store"
	"github.com/musterhq/muster/internal/store/storetest"
	"github.com/musterhq/muster/internal/user"
)

// fakeRedis is a fake of all that is in Redis: which slots are held, what is shown, which tasks were enqueued.
type fakeRedis struct {
	mu    sync.Mutex
	slots map[string]bool
	shown map[string]job.Job
	tasks []string // chunk/claims
	down  bool
}

var errDown = errors.New("redis is down")

func (r *fakeRedis) do(fn func()) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.down {
		return errDown
	}
	fn()
	return nil
}

func (r *fakeRedis) Renew(_ context.Context, _, id string, _ job.TierLimit) (added bool, err error) {
	err = r.do(func() { added = !r.slots[id]; r.slots[id] = true })
	return added, err
}

func (r *fakeRedis) Release(_ context.Context, _, id string, _ time.Time, _ job.TierLimit) error {
	return r.do(func() { delete(r.slots, id) })
}

func (r *fakeRedis) Unreserve(_ context.Context, _, id string, _ job.TierLimit) error {
	return r.do(func() { delete(r.slots, id) })
}

func (r *fakeRedis) EnqueueChunk(_ context.Context, _ job.Tier, _ string, chunk int, claims int64) error {
	return r.do(func() { r.tasks = append(r.tasks, fmt.Sprintf("%d/%d", chunk, claims)) })
}

func (r *fakeRedis) EnqueueUndo(_ context.Context, _ job.Tier, _ string, rows int64) error {
	return r.do(func() { r.tasks = append(r.tasks, fmt.Sprintf("undo/%d", rows)) })
}

func (r *fakeRedis) Depth(context.Context) (int64, error) { return 0, nil }

func (r *fakeRedis) Reserve(ctx context.Context, owner, id string, l job.TierLimit) error {
	_, err := r.Renew(ctx, owner, id, l)
	return err
}

func (r *fakeRedis) Get(_ context.Context, id string) (j job.Job, ok bool, err error) {
	err = r.do(func() { j, ok = r.shown[id] })
	return j, ok, err
}

func (r *fakeRedis) Put(_ context.Context, j job.Job, _ []job.Chunk) error {
	return r.do(func() {
		if j.Version >= r.shown[j.ID].Version {
			r.shown[j.ID] = j
		}
	})
}

func (r *fakeRedis) Chunk(_ context.Context, c *job.Chunk) error {
	return r.do(func() { j := r.shown[c.JobID]; j.Processed, j.WaitReason = c.Done, ""; r.shown[c.JobID] = j })
}

func (r *fakeRedis) Stored(context.Context, string, int64) error { return nil }

func (r *fakeRedis) WaitForStore(_ context.Context, id string, reason job.WaitReason) error {
	return r.do(func() { j := r.shown[id]; j.WaitReason = reason; r.shown[id] = j })
}

// counting is a source whose user n has the age that n asks for; fail is asked before each batch.
type counting struct {
	fail func(row int64) error
}

func (s counting) Open(_ context.Context, c job.Claim) (Next, error) {
	row := c.Chunk.FirstRow + c.Chunk.Done
	return func(_ context.Context, dst []user.User, n int) ([]user.User, int, error) {
		if s.fail != nil {
			if err := s.fail(row); err != nil {
				return nil, 0, err
			}
		}
		for range n {
			dst = append(dst, user.User{ID: c.Job.FirstID + row, FirstName: "Ada", Email: "a@example.com", Age: int(row%90) + 1, Gender: user.Female})
			row++
		}
		return dst, 0, nil
	}, nil
}

type fleet struct {
	*Importer
	store *store.Store
	redis *fakeRedis
	drain chan struct{}
}

func newFleet(t *testing.T, s Source) *fleet {
	t.Helper()
	st := storetest.Open(t, storetest.Engines(t)[0].New(t), store.Options{})
	r := &fakeRedis{slots: map[string]bool{}, shown: map[string]job.Job{}}
	tiers, err := job.ParseTiers(job.DefaultTiers)
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	drain := make(chan struct{})
	return &fleet{store: st, redis: r, drain: drain, Importer: &Importer{
		Chunks: st, Progress: r, Sources: map[string]Source{"faker": s}, BatchRows: 10, Lease: 15 * time.Second, Drain: drain, Log: log,
		Jobs: &jobs.Service{Store: st, Repair: st, Slots: r, Queue: r, Live: r, Tiers: tiers, Window: 2, Log: log},
	}}
}

// record stores a job of four chunks of 25 rows.
func (f *fleet) record(t *testing.T) job.Job {
	t.Helper()
	j := job.Job{ID: uuid.Must(uuid.NewV7()).String(), Owner: "ann", Source: "faker", Tier: "SMALL", Requested: 100}
	if err := storetest.CreateJob(t.Context(), f.store, &j, 25); err != nil {
		t.Fatal(err)
	}
	f.redis.slots[j.ID] = true
	return j
}

func (f *fleet) job(t *testing.T, id string) job.Job {
	t.Helper()
	j, err := f.store.Job(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return j
}

func (f *fleet) reconcile(t *testing.T) {
	t.Helper()
	if err := f.Jobs.ReconcileAll(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func (f *fleet) wantTasks(t *testing.T, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, f.redis.tasks); diff != "" {
		t.Fatalf("tasks chunk/claims (-want +got):\n%s", diff)
	}
	f.redis.tasks = nil
}

func (f *fleet) finalized(t *testing.T) bool {
	t.Helper()
	left, err := f.store.UnfinalizedJobs(t.Context(), "", 10)
	if err != nil {
		t.Fatal(err)
	}
	return len(left) == 0
}

func TestImportToTheEnd(t *testing.T) {
	t.Parallel()
	f := newFleet(t, counting{})
	j := f.record(t)
	for no := range j.Chunks {
		f.Import(t.Context(), j.ID, no)
	}
	f.wantTasks(t, "2/0", "3/0") // one window ahead of chunks 0 and 1
	got := f.job(t, j.ID)
	if got.Status != job.Completed || got.Processed != 100 || len(f.redis.slots) != 0 || !f.finalized(t) {
		t.Fatalf("job %+v, slots %v", got, f.redis.slots)
	}
	if s := f.redis.shown[j.ID]; s.Status != job.Completed || s.Processed != 100 {
		t.Fatalf("shown: %+v", s)
	}
	f.Import(t.Context(), j.ID, 0) // a late task
	if rows, _, err := storetest.Count(t.Context(), f.store); rows != 100 || err != nil {
		t.Fatalf("%d users, %v", rows, err)
	}
}

// The reconciler alone brings a job to its end whose tasks were all lost, and rebuilds what Redis forgot.
func TestReconcilerRebuildsWhatRedisLost(t *testing.T) {
	t.Parallel()
	f := newFleet(t, counting{})
	j := f.record(t)
	delete(f.redis.slots, j.ID)
	f.reconcile(t)
	f.wantTasks(t, "0/0", "1/0")
	if !f.redis.slots[j.ID] || f.redis.shown[j.ID].Requested != 100 {
		t.Fatalf("slots %v, shown %v", f.redis.slots, f.redis.shown)
	}
	f.Import(t.Context(), j.ID, 0)
	f.redis.tasks = nil
	f.reconcile(t)
	f.wantTasks(t, "1/0", "2/0") // the window moved on
}

// The last chunk's worker died after its commit: the reconciler ends the job. Redis is down then: it finalizes it later.
func TestReconcilerFinishesAndFinalizes(t *testing.T) {
	t.Parallel()
	f := newFleet(t, counting{})
	j := f.record(t)
	for no := range j.Chunks {
		c, err := f.store.ClaimChunk(t.Context(), j.ID, no)
		if err != nil {
			t.Fatal(err)
		}
		next, _ := counting{}.Open(t.Context(), *c)
		users, _, _ := next(t.Context(), nil, 25)
		if err := f.store.CommitBatch(t.Context(), c, users, 0); err != nil {
			t.Fatal(err)
		}
	}
	f.redis.down = true
	f.reconcile(t)
	if got := f.job(t, j.ID); got.Status != job.Completed || f.finalized(t) {
		t.Fatalf("with Redis down: %s, finalized %v", got.Status, f.finalized(t))
	}
	f.redis.down = false
	f.reconcile(t)
	if !f.finalized(t) || len(f.redis.slots) != 0 || f.redis.shown[j.ID].Status != job.Completed {
		t.Fatalf("slots %v, shown %v", f.redis.slots, f.redis.shown[j.ID].Status)
	}
}

// One chunk that always panics fails after three claims; the others are stored.
func TestPanickingChunkFails(t *testing.T) {
	t.Parallel()
	f := newFleet(t, counting{fail: poisoned})
	j := f.record(t)
	for range job.MaxStalls + 1 {
		f.Import(t.Context(), j.ID, 1)
	}
	for _, no := range []int{0, 2, 3} {
		f.Import(t.Context(), j.ID, no)
	}
	f.reconcile(t)
	got := f.job(t, j.ID)
	if got.Status != job.Failed || got.ErrorCode != "chunk_failed" || got.Processed != 75 || len(f.redis.slots) != 0 {
		t.Fatalf("job %+v, slots %v", got, f.redis.slots)
	}
}

// An upstream whose allowance is used up costs no stall, and the job says why it waits until it goes on.
func TestWaitIsNoFailure(t *testing.T) {
	t.Parallel()
	spent := true
	f := newFleet(t, counting{fail: func(int64) error {
		if spent {
			return &job.WaitError{Reason: job.WaitUpstreamAllowance}
		}
		return nil
	}})
	j := f.record(t)
	for range 2 * job.MaxStalls {
		f.Import(t.Context(), j.ID, 0)
	}
	if got := f.job(t, j.ID); got.Status != job.Pending || got.WaitReason != job.WaitUpstreamAllowance ||
		f.redis.shown[j.ID].WaitReason != got.WaitReason {
		t.Fatalf("job %+v, shown %+v", got, f.redis.shown[j.ID])
	}
	spent = false
	f.Import(t.Context(), j.ID, 0)
	if got := f.job(t, j.ID); got.Processed != 25 || got.WaitReason != "" || f.redis.shown[j.ID].WaitReason != "" {
		t.Fatalf("job %+v, shown %+v", got, f.redis.shown[j.ID])
	}
}

// troubled is a store whose batches, or claims, fail with an error for as long as there is one.
type troubled struct {
	Chunks
	batch, claim error
}

func (s *troubled) ClaimChunk(ctx context.Context, id string, no int) (*job.Claim, error) {
	if s.claim != nil {
		return nil, s.claim
	}
	return s.Chunks.ClaimChunk(ctx, id, no)
}

func (s *troubled) CommitBatch(ctx context.Context, c *job.Claim, users []user.User, rejected int) error {
	if s.batch != nil {
		return s.batch
	}
	return s.Chunks.CommitBatch(ctx, c, users, rejected)
}

// A database that does not serve costs no stall, whatever the reason, and the job says why it waits until it goes on.
func TestStoreTroubleIsNoFailure(t *testing.T) {
	t.Parallel()
	full := &job.StoreError{Reason: job.WaitStoreDisk, Err: errors.New("disk full")}
	readOnly := &job.StoreError{Reason: job.WaitStoreReadOnly, Err: errors.New("read-only")}
	for name, c := range map[string]struct {
		batch, claim error
		want         job.WaitReason
	}{
		"disk full":          {batch: full, want: job.WaitStoreDisk},
		"commit uncertain":   {batch: fmt.Errorf("%w: %w", job.ErrUncertain, full), want: job.WaitStoreDisk},
		"schema of tomorrow": {batch: fmt.Errorf("commit: %w", job.ErrSchema), want: job.WaitStoreSchema},
		"read-only":          {claim: readOnly, want: job.WaitStoreReadOnly},
		"gone":               {claim: job.ErrStoreUnavailable, want: job.WaitStoreDown},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFleet(t, counting{})
			s := &troubled{Chunks: f.store, batch: c.batch, claim: c.claim}
			f.Chunks = s
			j := f.record(t)
			f.reconcile(t)
			for range 2 * job.MaxStalls {
				f.Import(t.Context(), j.ID, 0)
				f.reconcile(t)
			}
			if got := f.job(t, j.ID); got.Status != job.Pending || f.redis.shown[j.ID].WaitReason != c.want {
				t.Fatalf("job %+v, shown %+v", got, f.redis.shown[j.ID])
			}
			s.batch, s.claim = nil, nil
			f.Import(t.Context(), j.ID, 0)
			if got := f.job(t, j.ID); got.Processed != 25 || f.redis.shown[j.ID].WaitReason != "" {
				t.Fatalf("job %+v, shown %+v", got, f.redis.shown[j.ID])
			}
		})
	}
}

// A worker that is told to stop finishes its batch, gives the chunk back and enqueues it.
func TestDrain(t *testing.T) {
	t.Parallel()
	var f *fleet
	var once sync.Once
	f = newFleet(t, counting{fail: func(row int64) error {
		if row == 10 {
			once.Do(func() { close(f.drain) })
		}
		return nil
	}})
	j := f.record(t)
	f.Import(t.Context(), j.ID, 0)
	f.wantTasks(t, "0/1")
	if got := f.job(t, j.ID); got.Processed != 20 {
		t.Fatalf("%d users stored, want the two batches begun", got.Processed)
	}
	c, err := f.store.ClaimChunk(t.Context(), j.ID, 0)
	if err != nil || c == nil || c.Chunk.Stalls != 1 || c.Chunk.Done != 20 {
		t.Fatalf("claim after the drain: %+v, %v", c, err)
	}
}

// A source that hangs is cut before the lease ends, and waits.
func TestHangingSource(t *testing.T) {
	t.Parallel()
	f := newFleet(t, hanging{})
	f.Lease = 50 * time.Millisecond
	j := f.record(t)
	f.Import(t.Context(), j.ID, 0)
	if got := f.job(t, j.ID); got.WaitReason != job.WaitSourceSlow {
		t.Fatalf("job %+v", got)
	}
}

type hanging struct{}

func (hanging) Open(ctx context.Context, _ job.Claim) (Next, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}
