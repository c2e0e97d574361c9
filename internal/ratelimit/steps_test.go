package ratelimit_test

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"

	"github.com/musterhq/muster/internal/job"
	"github.com/musterhq/muster/internal/ratelimit"
)

func id() string { return uuid.NewString() }

func sorted(ids ...string) []string { return slices.Sorted(slices.Values(ids)) }

func slotsKey(user string, l job.TierLimit) string {
	return fmt.Sprintf("muster:{%s}:slots:%s", user, l.Tier)
}

func cooldownKey(user string) string { return "muster:{" + user + "}:cooldown:XL" }

func cooldown(t *testing.T, rdb redis.UniversalClient, user string) string {
	t.Helper()
	return rdb.Get(t.Context(), cooldownKey(user)).Val()
}

func leaseEnd(t *testing.T, rdb redis.UniversalClient, user string, l job.TierLimit, jobID string) time.Time {
	t.Helper()
	ms, err := rdb.ZScore(t.Context(), slotsKey(user, l), jobID).Result()
	if err != nil {
		t.Fatal(err)
	}
	return time.UnixMilli(int64(ms))
}

// take reserves n slots for new jobs.
func take(t *testing.T, s *ratelimit.Slots, user string, l job.TierLimit, n int) (jobs []string) {
	t.Helper()
	for range n {
		jobs = append(jobs, id())
		reserve(t, s, user, jobs[len(jobs)-1], l)
	}
	return jobs
}

func reserve(t *testing.T, s *ratelimit.Slots, user, jobID string, l job.TierLimit) {
	t.Helper()
	if err := s.Reserve(t.Context(), user, jobID, l); err != nil {
		t.Fatal(err)
	}
}

func release(t *testing.T, s *ratelimit.Slots, user, jobID string, l job.TierLimit) {
	t.Helper()
	if err := s.Release(t.Context(), user, jobID, time.Time{}, l); err != nil {
		t.Fatal(err)
	}
}

func renew(t *testing.T, s *ratelimit.Slots, user, jobID string, l job.TierLimit, want bool) {
	t.Helper()
	if added, err := s.Renew(t.Context(), user, jobID, l); err != nil || added != want {
		t.Fatalf("renew = %v, %v, want %v", added, err, want)
	}
}

// limitError is the refusal in err; anything else fails the test.
func limitError(t *testing.T, err error) *job.LimitError {
	t.Helper()
	refusal, ok := errors.AsType[*job.LimitError](err)
	if !ok {
		t.Errorf("err = %v, want a *job.LimitError", err)
		return &job.LimitError{}
	}
	return refusal
}

// together runs f n times at once.
func together(n int, f func()) {
	var wg sync.WaitGroup
	start := make(chan struct{})
	for range n {
		wg.Go(func() {
			<-start
			f()
		})
	}
	close(start)
	wg.Wait()
}
