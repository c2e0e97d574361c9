package ratelimit_test

import (
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/musterhq/muster/internal/job"
	"github.com/musterhq/muster/internal/ratelimit"
)

func budget(rdb redis.UniversalClient, limit int64, window time.Duration) *ratelimit.Budget {
	return ratelimit.NewBudget(rdb, id(), limit, window)
}

func testBudget(t *testing.T, rdb redis.UniversalClient) {
	b := budget(rdb, 20_000, 5*time.Minute)
	for _, step := range []struct {
		n     int64
		taken bool
	}{{5000, true}, {14_999, true}, {5000, false}, {2, false}, {1, true}, {1, false}} {
		wait, err := b.Take(t.Context(), step.n)
		if err != nil {
			t.Fatal(err)
		}
		if (wait == 0) != step.taken || wait < 0 || wait > 5*time.Minute || !step.taken && wait < 4*time.Minute {
			t.Errorf("take %d: wait %v, want taken %v, else what is left of 5m", step.n, wait, step.taken)
		}
	}
	for _, n := range []int64{-1, 0, 20_001} {
		if _, err := b.Take(t.Context(), n); err == nil || errors.Is(err, job.ErrQueueUnavailable) {
			t.Errorf("take %d: err = %v", n, err)
		}
	}
}

func testBudgetStampede(t *testing.T, rdb redis.UniversalClient) {
	b := budget(rdb, 100, time.Minute)
	var taken atomic.Int64
	together(300, func() {
		wait, err := b.Take(t.Context(), 7)
		if err != nil {
			t.Error(err)
		} else if wait == 0 {
			taken.Add(7)
		}
	})
	if taken.Load() != 98 {
		t.Errorf("%d taken of 100 in sevens, want 98", taken.Load())
	}
}

func testExhaust(t *testing.T, rdb redis.UniversalClient) {
	fresh, used := budget(rdb, 10, time.Minute), budget(rdb, 10, time.Minute)
	if wait, err := used.Take(t.Context(), 3); wait != 0 || err != nil {
		t.Fatal(wait, err)
	}
	for _, b := range []*ratelimit.Budget{fresh, used} {
		first, err := b.Exhaust(t.Context())
		if err != nil || first <= 50*time.Second || first > time.Minute {
			t.Errorf("exhaust: %v, %v, want what is left of 1m", first, err)
		}
		if wait, err := b.Take(t.Context(), 1); err != nil || wait <= 0 || wait > first {
			t.Errorf("take from a spent window: %v, %v", wait, err)
		}
		if again, err := b.Exhaust(t.Context()); err != nil || again > first {
			t.Errorf("exhausting again waits for %v (%v), before it was %v", again, err, first)
		}
	}
}

func testWindowEnds(t *testing.T, rdb redis.UniversalClient) {
	prefix := id()
	b := ratelimit.NewBudget(rdb, prefix, 10, 50*time.Millisecond)
	if wait, err := b.Exhaust(t.Context()); err != nil || wait > 50*time.Millisecond {
		t.Fatal(wait, err)
	}
	if ttl := rdb.PTTL(t.Context(), prefix+":upstream:{randomuser}").Val(); ttl == -1 {
		t.Error("the key outlives its window")
	}
	eventually(t, "the next window allows all of it", func() bool {
		wait, err := b.Take(t.Context(), 10)
		return err == nil && wait == 0
	})
}
