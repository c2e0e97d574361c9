package integration

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/musterhq/muster/internal/job"
)

// R3: the API dies at each step of acceptance, and the client tries again with its key. Each key ends in one job.
func TestChaosR3DeadAPIs(t *testing.T) {
	eachServer(t, func(t *testing.T, s *stack) {
		fullOnly(t)
		chaos(t, "R3", "API killed at each step of acceptance", s, func(s *stack) string { return deadAPIs(s, 300) })
		control(t, "R3", s, "no-reconciler", neverEnds, func(s *stack) string { return deadAPIs(s, 6) })
	})
}

func deadAPIs(s *stack, kills int) string {
	t := s.t
	s.hooks = true
	// A slot that was reserved for a job that was never created has to be free soon: the audit waits for it.
	s.env = append(s.env, "MUSTER_SLOT_RESERVE_LEASE=3s")
	s.workers(2)
	healthy := s.api()
	ids := map[string]string{} // job id by caller
	for i := range kills {
		dying := s.api("MUSTER_CHAOS_CRASH=" + submitPoints[i%len(submitPoints)] + ":1")
		caller := fmt.Sprintf("user%d", i)
		if v, err := dying.call("POST", importPath(caller, 120), caller, "Idempotency-Key", caller); err == nil && v.HTTP < 500 {
			t.Fatalf("the API survived %s: %s", submitPoints[i%len(submitPoints)], v.RawResponse)
		}
		dying.waitExit(10 * time.Second)
		ids[healthy.retried(caller, 120)] = caller
	}
	if len(ids) != kills {
		t.Fatalf("%d keys made %d jobs", kills, len(ids))
	}
	list := make([]string, 0, len(ids))
	for id, caller := range ids {
		healthy.follow(id, caller, 30*time.Second)
		list = append(list, id)
	}
	s.audit(healthy, fakerRow(t), list...)
	return fmt.Sprintf("%d kills, %d jobs", kills, len(ids))
}

// R6: more clients than slots. At no moment are there more slots than the tier allows.
func TestChaosR6LimitStorm(t *testing.T) {
	eachServer(t, func(t *testing.T, s *stack) {
		fullOnly(t)
		chaos(t, "R6", "500 clients want 19 slots", s, func(s *stack) string { return limitStorm(s, 20) })
		control(t, "R6", s, "slots-in-two-steps", `slots of \w+ are held`, func(s *stack) string { return limitStorm(s, 2) })
	})
}

// storm is a tier, how many users make a job of it, and how many such jobs a user may have.
var storm = []struct {
	tier         string
	count, limit int
}{{"SMALL", 1, 10}, {"MEDIUM", 101, 5}, {"LARGE", 10_001, 3}, {"XL", 100_001, 1}}

func limitStorm(s *stack, n int) string {
	t := s.t
	s.env = append(s.env, noCooldown)
	apis := []*proc{s.api(), s.api()}
	ctx, stop := context.WithCancel(t.Context())
	sampled := make(chan int)
	go func() { sampled <- s.sample(ctx) }()
	var refused atomic.Int64
	want := wantStatus{}
	for round := range n {
		accepted := stormRound(t, apis, &refused)
		for id := range accepted {
			want[id] = job.Completed
			if round < n-1 {
				apis[0].must("POST", "/jobs/"+id+"/cancel", "ann", http.StatusOK)
				want[id] = job.Cancelled
			}
		}
	}
	stop()
	samples := <-sampled
	s.workers(2)
	for id := range want {
		apis[0].follow(id, "ann", 2*time.Minute)
	}
	s.auditEnds(apis[0], fakerRow(t), want)
	return fmt.Sprintf("%d rounds, 0 of %d samples above a limit, %d refusals with Retry-After", n, samples, refused.Load())
}

// stormRound lets 500 clients ask for each tier at once, and returns the jobs.
func stormRound(t testing.TB, apis []*proc, refused *atomic.Int64) map[string]string {
	t.Helper()
	var mu sync.Mutex
	accepted, perTier := map[string]string{}, map[string]int{}
	var wg sync.WaitGroup
	gate := make(chan struct{}, 200) // connections at once
	for i := range 500 {
		for _, c := range storm {
			wg.Go(func() {
				gate <- struct{}{}
				defer func() { <-gate }()
				v, err := apis[i%2].call("POST", importPath("ann", c.count), "ann")
				wait, _ := strconv.Atoi(v.Header.Get("Retry-After"))
				switch {
				case err != nil:
					t.Errorf("%v", err)
				case v.HTTP == http.StatusAccepted:
					mu.Lock()
					defer mu.Unlock()
					accepted[v.JobID] = c.tier
					perTier[c.tier]++
				case v.HTTP != http.StatusTooManyRequests || wait < 1:
					t.Errorf("refusal without a wait: %d %s", v.HTTP, v.RawResponse)
				default:
					refused.Add(1)
				}
			})
		}
	}
	wg.Wait()
	for _, c := range storm {
		if perTier[c.tier] != c.limit {
			t.Errorf("%s: %d jobs were accepted, want %d", c.tier, perTier[c.tier], c.limit)
		}
	}
	return accepted
}

// sample looks at the slots until ctx ends, and says how often.
func (s *stack) sample(ctx context.Context) (samples int) {
	for ; ctx.Err() == nil; samples++ {
		for _, c := range storm {
			if held := s.rdb.ZCard(ctx, "muster:{ann}:slots:"+c.tier).Val(); held > int64(c.limit) {
				s.t.Errorf("%d slots of %s are held", held, c.tier)
				return samples
			}
		}
	}
	return samples
}

// R7: many requests at once under one key make one job; another request under it is refused.
func TestChaosR7IdempotencyStorm(t *testing.T) {
	eachServer(t, func(t *testing.T, s *stack) {
		chaos(t, "R7", "requests at once under one key", s, func(s *stack) string { return idempotencyStorm(s, rounds(20, 200), 50) })
		control(t, "R7", s, "key-not-unique", `key\d+ made \d+ jobs`, func(s *stack) string { return idempotencyStorm(s, 5, 20) })
	})
}

func idempotencyStorm(s *stack, keys, each int) string {
	t := s.t
	apis := []*proc{s.api(), s.api()}
	callers := map[string]string{} // by job
	var list []string
	for k := range keys {
		caller, key := fmt.Sprintf("user%d", k), fmt.Sprintf("key%d", k)
		made := sameKey(t, apis, caller, key, each)
		if len(made) != 1 {
			t.Errorf("%s made %d jobs", key, len(made))
		}
		for id := range made {
			callers[id] = caller
			list = append(list, id)
		}
		var wg sync.WaitGroup
		for i := range 5 { // the same key with another request, also at once
			wg.Go(func() {
				v, err := apis[i%2].call("POST", importPath(caller, 102+i), caller, "Idempotency-Key", key)
				if err != nil || v.HTTP != http.StatusUnprocessableEntity {
					t.Errorf("another request under %s: %v %d %s", key, err, v.HTTP, v.RawResponse)
				}
			})
		}
		wg.Wait()
	}
	s.workers(2)
	for _, id := range list {
		apis[0].follow(id, callers[id], time.Minute)
	}
	s.audit(apis[0], fakerRow(t), list...)
	return fmt.Sprintf("%d keys × %d, %d jobs, %d mismatches refused", keys, each, len(list), 5*keys)
}

// sameKey makes the same request at once under one key, and returns the jobs that the responses name.
func sameKey(t testing.TB, apis []*proc, caller, key string, each int) map[string]bool {
	t.Helper()
	var mu sync.Mutex
	made := map[string]bool{}
	var wg sync.WaitGroup
	for i := range each {
		wg.Go(func() {
			v, err := apis[i%2].call("POST", importPath(caller, 101), caller, "Idempotency-Key", key)
			switch {
			case err != nil:
				t.Errorf("%v", err)
			case v.HTTP == http.StatusAccepted:
				mu.Lock()
				defer mu.Unlock()
				made[v.JobID] = true
			case v.HTTP != http.StatusTooManyRequests: // 429: the slots were held by requests under the same key, which then found the job
				t.Errorf("%d %s", v.HTTP, v.RawResponse)
			}
		})
	}
	wg.Wait()
	return made
}

// R14: jobs cancelled at random moments are over within two seconds, and no row appears afterwards.
func TestChaosR14CancelStorm(t *testing.T) {
	eachServer(t, func(t *testing.T, s *stack) {
		chaos(t, "R14", "cancels at random moments", s, func(s *stack) string { return cancels(s, rounds(20, 100)) })
		control(t, "R14", s, "batch-without-state", wrongRows, func(s *stack) string { return cancels(s, 20) })
	})
}

func cancels(s *stack, n int) string {
	t := s.t
	random := chaosSeed(t)
	api := s.api()
	s.workers(2, "MUSTER_BATCH_ROWS=200")
	want, users := wantStatus{}, map[string]int64{}
	slowest := time.Duration(0)
	for i := range n {
		caller := fmt.Sprintf("user%d", i)
		v := api.submit(caller, 60_000)
		pause(t, between(random, 0, 400*time.Millisecond))
		began := time.Now()
		got, err := api.call("POST", "/jobs/"+v.JobID+"/cancel", caller)
		took := time.Since(began)
		slowest = max(slowest, took)
		if err == nil && got.HTTP == http.StatusConflict { // it was done first
			want[v.JobID], users[v.JobID] = job.Completed, 60_000
			continue
		}
		if err != nil || got.Status != "CANCELLED" || took > 2*time.Second {
			t.Errorf("after %s: %v %s", took, err, got.RawResponse)
		}
		want[v.JobID], users[v.JobID] = job.Cancelled, got.Processed
	}
	s.auditEnds(api, fakerRow(t), want) // after the workers stopped, and with what each job said when it was cancelled
	for id, n := range users {
		if got := s.job(id).Processed; got != n {
			t.Errorf("row %d of job %s appeared after its end, at %d", got, id, n)
		}
	}
	return fmt.Sprintf("%d jobs, the slowest cancel %d ms", n, slowest.Milliseconds())
}
