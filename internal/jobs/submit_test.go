package jobs

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/musterhq/muster/internal/invalid"
	"github.com/musterhq/muster/internal/job"
	"github.com/musterhq/muster/internal/tracing"
)

// fakes is every adapter of the Service in memory, with a log of what was called. It knows one job, and those that were
// created under an idempotency key.
type fakes struct {
	mu    sync.Mutex
	calls []string

	job   job.Job            // what Job returns
	byKey map[string]job.Job // by idempotency key
	slots map[string]bool
	live  map[string]job.Job
	depth int64

	traces []string // in which chunks were enqueued, as headers

	createErr, slotErr, queueErr, moveErr, alignErr error

	meanwhile job.Status // what another request makes of the job right after a move; empty: nothing
}

func (f *fakes) log(s string) { f.mu.Lock(); f.calls = append(f.calls, s); f.mu.Unlock() }

func (f *fakes) CreateJob(_ context.Context, j *job.Job) error {
	f.log("create")
	if f.createErr != nil {
		return f.createErr
	}
	j.Status, j.Chunks = job.Pending, int((j.Requested+j.ChunkRows-1)/j.ChunkRows)
	if j.IdempotencyKey != "" {
		f.byKey[j.IdempotencyKey] = *j
	}
	f.job = *j
	return nil
}

func (f *fakes) AddChunks(context.Context, job.Job) error {
	f.log("add chunks")
	return f.alignErr
}

func (f *fakes) JobByKey(_ context.Context, _, key string) (job.Job, error) {
	if j, ok := f.byKey[key]; ok {
		return j, nil
	}
	return job.Job{}, job.ErrNotFound
}

func (f *fakes) Job(context.Context, string) (job.Job, error) { return f.job, nil }

func (f *fakes) Jobs(context.Context, job.Filter) ([]job.Job, error) { return []job.Job{f.job}, nil }

func (f *fakes) MoveJob(_ context.Context, _, _ string, m job.Move) (job.Job, error) {
	f.log(string(m))
	moved := f.job
	moved.Status = cmp.Or(m.To(), f.job.Status)
	moved.UndoRequested = m == job.MoveUndo
	f.job.Status = cmp.Or(f.meanwhile, moved.Status)
	if f.moveErr != nil {
		return job.Job{}, f.moveErr
	}
	return moved, nil
}

// Of three chunks the first is done.
func (f *fakes) Chunks(context.Context, string) ([]job.Chunk, error) {
	return []job.Chunk{{No: 0, Rows: 10, Done: 10}, {No: 1, Rows: 10, Done: 4}, {No: 2, Rows: 10}}, nil
}

func (f *fakes) ClaimableChunks(context.Context, string, int) ([]job.Chunk, error) {
	return []job.Chunk{{No: 1, Rows: 10, Done: 4}, {No: 2, Rows: 10}}, nil
}

func (f *fakes) AlignChunks(context.Context, job.Job) (job.ChunkTotals, error) {
	f.log("align")
	return job.ChunkTotals{Recorded: 3, Open: 2, Processed: 14}, f.alignErr
}

func (f *fakes) UnfinalizedJobs(context.Context, string, int) ([]job.Job, error) {
	return []job.Job{f.job}, nil
}
func (f *fakes) FailStalled(context.Context, job.Job) (int64, error)         { return 0, nil }
func (f *fakes) FailOpen(context.Context, job.Job, string) (int64, error)    { return 0, nil }
func (f *fakes) FinishJob(context.Context, string) (bool, error)             { return false, nil }
func (f *fakes) SetWaitReason(context.Context, string, job.WaitReason) error { return nil }
func (f *fakes) FinalizeJob(context.Context, job.Job) error                  { f.log("finalize"); return nil }
func (f *fakes) EnqueueUndo(context.Context, job.Tier, string, int64) error {
	f.log("enqueue undo")
	return nil
}
func (f *fakes) EnqueueChunk(ctx context.Context, _ job.Tier, _ string, _ int, _ int64) error {
	f.log("enqueue")
	f.traces = append(f.traces, tracing.Parent(ctx))
	return f.queueErr
}
func (f *fakes) Depth(context.Context) (int64, error)            { return f.depth, nil }
func (f *fakes) Put(context.Context, job.Job, []job.Chunk) error { f.log("show"); return nil }

func (f *fakes) Get(_ context.Context, id string) (job.Job, bool, error) {
	j, ok := f.live[id]
	return j, ok, nil
}

func (f *fakes) Reserve(_ context.Context, _, id string, l job.TierLimit) error {
	f.log("reserve " + string(l.Tier))
	if f.slotErr != nil {
		return f.slotErr
	}
	f.slots[id] = true
	return nil
}

func (f *fakes) Renew(_ context.Context, _, id string, _ job.TierLimit) (added bool, err error) {
	f.log("renew")
	added = !f.slots[id]
	f.slots[id] = true
	return added, nil
}

func (f *fakes) Release(_ context.Context, _, id string, _ time.Time, _ job.TierLimit) error {
	f.log("release")
	delete(f.slots, id)
	return nil
}

func (f *fakes) Unreserve(_ context.Context, _, id string, _ job.TierLimit) error {
	f.log("unreserve")
	delete(f.slots, id)
	return nil
}

func newFakes() (*fakes, *Service) {
	f := &fakes{slots: map[string]bool{}, byKey: map[string]job.Job{}, live: map[string]job.Job{}}
	tiers, _ := job.ParseTiers(job.DefaultTiers)
	return f, &Service{
		Store: f, Repair: f, Slots: f, Queue: f, Live: f, Tiers: tiers, MaxCount: 1_000_000, ChunkRows: 25_000, Window: 8, MaxDepth: 100,
		Log: slog.New(slog.DiscardHandler),
	}
}

func spec() job.Spec { return job.Spec{Owner: "ann", Source: job.SourceFaker, Count: 50_000} }

func TestSubmitSteps(t *testing.T) {
	t.Parallel()
	f, s := newFakes()
	j, replayed, err := s.Submit(t.Context(), spec())
	if err != nil || replayed || j.Tier != "LARGE" || j.Chunks != 2 || j.Seed < 0 || !f.slots[j.ID] {
		t.Fatalf("job %+v, replayed %v, %v", j, replayed, err)
	}
	if diff := gocmp.Diff([]string{"reserve LARGE", "create", "add chunks", "renew", "show", "enqueue", "enqueue"}, f.calls); diff != "" {
		t.Errorf("steps (-want +got):\n%s", diff)
	}
}

// A small job is shared by several workers, as long as each has a batch to commit.
func TestChunksOfSmallJobs(t *testing.T) {
	t.Parallel()
	for count, want := range map[int64]int64{1: 1000, 1000: 1000, 4000: 1000, 10_000: 2500, 10_001: 2501, 99_999: 25_000, 1_000_000: 25_000} {
		f, s := newFakes()
		s.BatchRows = 1000
		sp := spec()
		sp.Count = count
		j, _, err := s.Submit(t.Context(), sp)
		if err != nil || j.ChunkRows != want {
			t.Errorf("%d users: chunks of %d, want %d; %v after %v", count, j.ChunkRows, want, err, f.calls)
		}
	}
}

func TestFullQueueRefusesBeforeTheSlot(t *testing.T) {
	t.Parallel()
	f, s := newFakes()
	f.depth = 100
	if _, _, err := s.Submit(t.Context(), spec()); !errors.Is(err, job.ErrQueueFull) || len(f.calls) != 0 {
		t.Errorf("%v after %v", err, f.calls)
	}
}

// Whatever step fails, no slot is left without a job, unless the job may exist.
func TestSlotOfARefusedJob(t *testing.T) {
	t.Parallel()
	down := errors.Join(job.ErrStoreUnavailable)
	for name, c := range map[string]struct {
		createErr, slotErr, queueErr, chunksErr error
		want                                    error
		slots                                   int
	}{
		"slot refused":               {slotErr: &job.LimitError{Tier: "LARGE", Limit: 3}, want: &job.LimitError{}},
		"Redis down":                 {slotErr: job.ErrQueueUnavailable, want: job.ErrQueueUnavailable},
		"store down":                 {createErr: down, want: job.ErrStoreUnavailable},
		"commit's outcome lost":      {createErr: errors.Join(job.ErrUncertain, down), want: job.ErrStoreUnavailable, slots: 1},
		"queue down: accepted":       {queueErr: job.ErrQueueUnavailable, slots: 1},
		"chunks not added: accepted": {chunksErr: down, slots: 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f, s := newFakes()
			f.createErr, f.slotErr, f.queueErr, f.alignErr = c.createErr, c.slotErr, c.queueErr, c.chunksErr
			_, _, err := s.Submit(t.Context(), spec())
			var limit *job.LimitError
			switch {
			case c.want == nil && err != nil, c.want != nil && !errors.Is(err, c.want) && !errors.As(err, &limit):
				t.Errorf("error %v, want %v", err, c.want)
			case len(f.slots) != c.slots:
				t.Errorf("%d slots held, want %d", len(f.slots), c.slots)
			}
		})
	}
}

func TestIdempotency(t *testing.T) {
	t.Parallel()
	f, s := newFakes()
	sp := spec()
	sp.IdempotencyKey = "k1"
	first, _, err := s.Submit(t.Context(), sp)
	if err != nil {
		t.Fatal(err)
	}
	again, replayed, err := s.Submit(t.Context(), sp)
	if err != nil || !replayed || again.ID != first.ID || len(f.slots) != 1 {
		t.Fatalf("repeat: %s replayed %v, %v, %d slots", again.ID, replayed, err, len(f.slots))
	}
	sp.Count++
	if _, _, err := s.Submit(t.Context(), sp); !errors.Is(err, job.ErrKeyReused) {
		t.Fatalf("another request under the key: %v", err)
	}
}

// Two equal requests at once: the one whose insert loses gives its slot back and returns the other's job.
func TestIdempotencyRace(t *testing.T) {
	t.Parallel()
	f, s := newFakes()
	sp := spec()
	sp.IdempotencyKey = "k"
	winner := job.Job{ID: "winner", RequestHash: requestHash(sp)}
	race := &racer{fakes: f, winner: winner}
	s.Store = race
	j, replayed, err := s.Submit(t.Context(), sp)
	if err != nil || !replayed || j.ID != "winner" || len(f.slots) != 0 {
		t.Fatalf("loser: %s replayed %v, %v, %d slots", j.ID, replayed, err, len(f.slots))
	}
}

type racer struct {
	*fakes
	winner job.Job
}

func (r *racer) CreateJob(context.Context, *job.Job) error {
	r.byKey["k"] = r.winner
	return job.ErrDuplicateKey
}

func TestValidation(t *testing.T) {
	t.Parallel()
	_, s := newFakes()
	for name, c := range map[string]struct {
		change func(*job.Spec)
		fields []string
	}{
		"several at once":  {func(sp *job.Spec) { sp.Count, sp.Owner, sp.Source = 0, "", "x" }, []string{"X-USER-ID", "count", "source"}},
		"braces in the id": {func(sp *job.Spec) { sp.Owner = "a{b}" }, []string{"X-USER-ID"}},
		"long id":          {func(sp *job.Spec) { sp.Owner = strings.Repeat("a", 10_000) }, []string{"X-USER-ID"}},
		"bad nat":          {func(sp *job.Spec) { sp.Source, sp.Nat = "randomuser", []string{"us", "xx"} }, []string{"nat"}},
		"empty nat":        {func(sp *job.Spec) { sp.Source, sp.Nat = "randomuser", []string{"", ""} }, []string{"nat"}},
		"nat with faker":   {func(sp *job.Spec) { sp.Nat = []string{"us"} }, []string{"nat"}},
		"key with a space": {func(sp *job.Spec) { sp.IdempotencyKey = "a b" }, []string{"Idempotency-Key"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sp := spec()
			c.change(&sp)
			_, _, err := s.Submit(t.Context(), sp)
			var bad *invalid.Error
			if !errors.As(err, &bad) {
				t.Fatalf("error %v", err)
			}
			var got []string
			for _, f := range bad.Fields {
				got = append(got, f.Field)
			}
			if diff := gocmp.Diff(c.fields, got); diff != "" {
				t.Errorf("fields (-want +got):\n%s", diff)
			}
		})
	}
	for _, sp := range []job.Spec{{Owner: "a", Source: "faker", Count: 1_000_001}, {Owner: "a", Source: "randomuser", Count: 100_001}} {
		var limit *job.BatchLimitError
		if _, _, err := s.Submit(t.Context(), sp); !errors.As(err, &limit) {
			t.Errorf("%d from %s: %v", sp.Count, sp.Source, err)
		}
	}
}

// The wait of a refusal is the time in which the first of the jobs that hold the slots should end.
func TestRefusalEstimatesTheWait(t *testing.T) {
	t.Parallel()
	f, s := newFakes()
	started := time.Now().Add(-10 * time.Second)
	f.live["near"] = job.Job{Status: job.InProgress, Requested: 1000, Processed: 500, StartedAt: started}
	f.live["far"] = job.Job{Status: job.InProgress, Requested: 100_000, Processed: 500, StartedAt: started}
	f.slotErr = &job.LimitError{Tier: "LARGE", RetryAfter: time.Second, Jobs: []string{"far", "near", "unknown"}}
	_, _, err := s.Submit(t.Context(), spec())
	var limit *job.LimitError
	if !errors.As(err, &limit) || limit.RetryAfter < 8*time.Second || limit.RetryAfter > 15*time.Second {
		t.Fatalf("%v: retry after %s, want about 10 s", err, limit.RetryAfter)
	}
	f.slotErr = &job.LimitError{Tier: "XL", Cooldown: true, RetryAfter: 29 * time.Second, Jobs: []string{"near"}}
	if _, _, err := s.Submit(t.Context(), spec()); !errors.As(err, &limit) || limit.RetryAfter != 29*time.Second {
		t.Fatalf("a cooldown's wait was changed: %v", err)
	}
}
