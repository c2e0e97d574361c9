package submit

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/musterhq/muster/internal/job"
)

// world is every adapter of the Submitter in memory, with a log of what was called.
type world struct {
	mu        sync.Mutex
	calls     []string
	slots     map[string]bool
	jobs      map[string]job.Job // by idempotency key
	live      map[string]job.Job
	recordErr error
	slotErr   error
	bellErr   error
	depth     int64
}

func (w *world) log(s string) { w.mu.Lock(); w.calls = append(w.calls, s); w.mu.Unlock() }

func (w *world) RecordJob(_ context.Context, j *job.Job, chunkRows int64) error {
	w.log("record")
	if w.recordErr != nil {
		return w.recordErr
	}
	j.Chunks = int((j.Requested + chunkRows - 1) / chunkRows)
	if j.IdempotencyKey != "" {
		w.jobs[j.IdempotencyKey] = *j
	}
	return nil
}

func (w *world) JobByKey(_ context.Context, _, key string) (job.Job, error) {
	if j, ok := w.jobs[key]; ok {
		return j, nil
	}
	return job.Job{}, job.ErrNotFound
}

func (w *world) Reserve(_ context.Context, _, id string, l job.TierLimit) error {
	w.log("reserve " + string(l.Tier))
	if w.slotErr != nil {
		return w.slotErr
	}
	w.slots[id] = true
	return nil
}

func (w *world) Undo(_ context.Context, _, id string, _ job.TierLimit) error {
	w.log("undo")
	delete(w.slots, id)
	return nil
}

func (w *world) Ring(context.Context, job.Tier, string, int, int64) error {
	w.log("ring")
	return w.bellErr
}

func (w *world) Depth(context.Context) (int64, error) { return w.depth, nil }

func (w *world) Get(_ context.Context, id string) (job.Job, bool, error) {
	j, ok := w.live[id]
	return j, ok, nil
}

func (w *world) Put(context.Context, job.Job, []job.Chunk) error { return nil }

func newWorld() (*world, *Submitter) {
	w := &world{slots: map[string]bool{}, jobs: map[string]job.Job{}, live: map[string]job.Job{}}
	tiers, _ := job.ParseTiers(job.DefaultTiers)
	return w, &Submitter{
		Store: w, Slots: w, Bells: w, Live: w, Tiers: tiers, MaxCount: 1_000_000, ChunkRows: 25_000, Window: 8, MaxDepth: 100,
		Log: slog.New(slog.DiscardHandler),
	}
}

func spec() job.Spec { return job.Spec{UserID: "ann", Source: job.SourceFaker, Count: 50_000} }

func TestAcceptance(t *testing.T) {
	t.Parallel()
	w, s := newWorld()
	j, replayed, err := s.Submit(t.Context(), spec())
	if err != nil || replayed || j.Tier != "LARGE" || j.Chunks != 2 || j.Seed < 0 || !w.slots[j.ID] {
		t.Fatalf("job %+v, replayed %v, %v", j, replayed, err)
	}
	if diff := cmp.Diff([]string{"reserve LARGE", "record", "ring", "ring"}, w.calls); diff != "" {
		t.Errorf("steps (-want +got):\n%s", diff)
	}
}

func TestFullQueueRefusesBeforeTheSlot(t *testing.T) {
	t.Parallel()
	w, s := newWorld()
	w.depth = 100
	if _, _, err := s.Submit(t.Context(), spec()); !errors.Is(err, job.ErrQueueFull) || len(w.calls) != 0 {
		t.Errorf("%v after %v", err, w.calls)
	}
}

// Whatever step fails, no slot stays without a job, unless the job may exist.
func TestUndo(t *testing.T) {
	t.Parallel()
	down := errors.Join(job.ErrStoreUnavailable)
	for name, c := range map[string]struct {
		recordErr, slotErr, bellErr error
		want                        error
		slots                       int
	}{
		"slot refused":           {slotErr: &job.LimitError{Tier: "LARGE", Limit: 3}, want: &job.LimitError{}},
		"Redis down":             {slotErr: job.ErrQueueUnavailable, want: job.ErrQueueUnavailable},
		"store down":             {recordErr: down, want: job.ErrStoreUnavailable},
		"commit's outcome lost":  {recordErr: errors.Join(job.ErrUncertain, down), want: job.ErrStoreUnavailable, slots: 1},
		"bell refused: accepted": {bellErr: job.ErrQueueUnavailable, slots: 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, s := newWorld()
			w.recordErr, w.slotErr, w.bellErr = c.recordErr, c.slotErr, c.bellErr
			_, _, err := s.Submit(t.Context(), spec())
			var limit *job.LimitError
			switch {
			case c.want == nil && err != nil, c.want != nil && !errors.Is(err, c.want) && !errors.As(err, &limit):
				t.Errorf("error %v, want %v", err, c.want)
			case len(w.slots) != c.slots:
				t.Errorf("%d slots held, want %d", len(w.slots), c.slots)
			}
		})
	}
}

func TestIdempotency(t *testing.T) {
	t.Parallel()
	w, s := newWorld()
	sp := spec()
	sp.IdempotencyKey = "k1"
	first, _, err := s.Submit(t.Context(), sp)
	if err != nil {
		t.Fatal(err)
	}
	again, replayed, err := s.Submit(t.Context(), sp)
	if err != nil || !replayed || again.ID != first.ID || len(w.slots) != 1 {
		t.Fatalf("repeat: %s replayed %v, %v, %d slots", again.ID, replayed, err, len(w.slots))
	}
	sp.Count++
	if _, _, err := s.Submit(t.Context(), sp); !errors.Is(err, job.ErrKeyReused) {
		t.Fatalf("another request under the key: %v", err)
	}
}

// Two equal requests at once: the one whose insert loses gives its slot back and answers the other's job.
func TestIdempotencyRace(t *testing.T) {
	t.Parallel()
	w, s := newWorld()
	sp := spec()
	sp.IdempotencyKey = "k"
	winner := job.Job{ID: "winner", RequestHash: requestHash(sp)}
	race := &racer{world: w, winner: winner}
	s.Store = race
	j, replayed, err := s.Submit(t.Context(), sp)
	if err != nil || !replayed || j.ID != "winner" || len(w.slots) != 0 {
		t.Fatalf("loser: %s replayed %v, %v, %d slots", j.ID, replayed, err, len(w.slots))
	}
}

type racer struct {
	*world
	winner job.Job
}

func (r *racer) RecordJob(context.Context, *job.Job, int64) error {
	r.jobs["k"] = r.winner
	return job.ErrDuplicateKey
}

func TestValidation(t *testing.T) {
	t.Parallel()
	_, s := newWorld()
	for name, c := range map[string]struct {
		change func(*job.Spec)
		fields []string
	}{
		"several at once":  {func(sp *job.Spec) { sp.Count, sp.UserID, sp.Source = 0, "", "x" }, []string{"X-USER-ID", "count", "source"}},
		"braces in the id": {func(sp *job.Spec) { sp.UserID = "a{b}" }, []string{"X-USER-ID"}},
		"long id":          {func(sp *job.Spec) { sp.UserID = strings.Repeat("a", 10_000) }, []string{"X-USER-ID"}},
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
			var bad *job.ValidationError
			if !errors.As(err, &bad) {
				t.Fatalf("error %v", err)
			}
			var got []string
			for _, f := range bad.Fields {
				got = append(got, f.Field)
			}
			if diff := cmp.Diff(c.fields, got); diff != "" {
				t.Errorf("fields (-want +got):\n%s", diff)
			}
		})
	}
	for _, sp := range []job.Spec{{UserID: "a", Source: "faker", Count: 1_000_001}, {UserID: "a", Source: "randomuser", Count: 100_001}} {
		var limit *job.BatchLimitError
		if _, _, err := s.Submit(t.Context(), sp); !errors.As(err, &limit) {
			t.Errorf("%d from %s: %v", sp.Count, sp.Source, err)
		}
	}
}

// The wait of a refusal is when the first of the holders should be through.
func TestEstimate(t *testing.T) {
	t.Parallel()
	w, s := newWorld()
	started := time.Now().Add(-10 * time.Second)
	w.live["near"] = job.Job{Status: job.InProgress, Requested: 1000, Processed: 500, StartedAt: started}
	w.live["far"] = job.Job{Status: job.InProgress, Requested: 100_000, Processed: 500, StartedAt: started}
	w.slotErr = &job.LimitError{Tier: "LARGE", RetryAfter: time.Second, Jobs: []string{"far", "near", "unknown"}}
	_, _, err := s.Submit(t.Context(), spec())
	var limit *job.LimitError
	if !errors.As(err, &limit) || limit.RetryAfter < 8*time.Second || limit.RetryAfter > 15*time.Second {
		t.Fatalf("%v: retry after %s, want about 10 s", err, limit.RetryAfter)
	}
	w.slotErr = &job.LimitError{Tier: "XL", Cooldown: true, RetryAfter: 29 * time.Second, Jobs: []string{"near"}}
	if _, _, err := s.Submit(t.Context(), spec()); !errors.As(err, &limit) || limit.RetryAfter != 29*time.Second {
		t.Fatalf("a cooldown's wait was changed: %v", err)
	}
}
