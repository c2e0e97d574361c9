package integration

import (
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// R3: the API dies at each step of acceptance, and the client tries again with its key. Each key ends in one job.
func TestChaosR3DeadAPIs(t *testing.T) {
	eachServer(t, func(t *testing.T, s *stack) {
		if rounds(0, 1) == 0 {
			t.Skip("the short set leaves it out")
		}
		chaos(t, "R3", "API killed at each step of acceptance", s, func(s *stack) string { return deadAPIs(s, 300) })
		control(t, "R3", s, "keeper", func(s *stack) { deadAPIs(s, 6) })
	})
}

func deadAPIs(s *stack, kills int) string {
	t := s.t
	s.hooks = true
	s.workers(2)
	points := []string{"submit.begin", "submit.reserved", "submit.recorded", "submit.shown", "submit.rung", "submit.announced"}
	healthy := s.api()
	ids := map[string]string{} // job id by caller
	for i := range kills {
		dying := s.api("MUSTER_CHAOS_CRASH=" + points[i%len(points)] + ":1")
		caller := fmt.Sprintf("user%d", i)
		request := func(p *proc) (view, error) {
			return p.call("POST", "/import/bulk?count=120", caller, "Idempotency-Key", "key of "+caller)
		}
		if v, err := request(dying); err == nil && v.HTTP < 500 {
			t.Fatalf("the API survived %s: %s", points[i%len(points)], v.RawResponse)
		}
		<-dying.done
		var v view
		// A slot without a job is held for its lease; the tier has room for more.
		eventually(t, 10*time.Second, "the second try is accepted", func() bool {
			var err error
			v, err = request(healthy)
			return err == nil && v.HTTP == http.StatusAccepted
		})
		ids[v.JobID] = caller
	}
	if len(ids) != kills {
		t.Fatalf("%d keys made %d jobs", kills, len(ids))
	}
	list := make([]string, 0, len(ids))
	for id, caller := range ids {
		if end := healthy.follow(id, caller, 30*time.Second); end.Status != "COMPLETED" {
			t.Fatal(end.RawResponse)
		}
		list = append(list, id)
	}
	// Slots that were reserved for jobs that never came to be end with their lease of a minute.
	for _, caller := range ids {
		s.rdb.Del(t.Context(), "muster:{"+caller+"}:slots:MEDIUM")
	}
	s.audit(healthy, fakerRow(t), list...)
	return fmt.Sprintf("%d kills, %d jobs", kills, len(ids))
}

// R6: more clients than slots. At no moment are there more slots than the tier allows.
func TestChaosR6LimitStorm(t *testing.T) {
	eachServer(t, func(t *testing.T, s *stack) {
		if rounds(0, 1) == 0 {
			t.Skip("the short set leaves it out")
		}
		chaos(t, "R6", "500 clients want 19 slots", s, func(s *stack) string { return limitStorm(s, 20) })
		control(t, "R6", s, "atomic", func(s *stack) { limitStorm(s, 2) })
	})
}

var tierCounts = map[string]struct{ count, limit int }{"SMALL": {1, 10}, "MEDIUM": {101, 5}, "LARGE": {10_001, 3}, "XL": {100_001, 1}}

func limitStorm(s *stack, n int) string {
	t := s.t
	s.env = append(s.env, "MUSTER_TIERS=SMALL:100:10,MEDIUM:10000:5,LARGE:100000:3,XL:0:1")
	apis := []*proc{s.api(), s.api()}
	var refused atomic.Int64
	for range n {
		var accepted sync.Map
		perTier := map[string]*atomic.Int64{}
		for tier := range tierCounts {
			perTier[tier] = &atomic.Int64{}
		}
		var wg sync.WaitGroup
		gate := make(chan struct{}, 200) // connections at once
		for i := range 500 {
			for tier, c := range tierCounts {
				wg.Go(func() {
					gate <- struct{}{}
					defer func() { <-gate }()
					v, err := apis[i%2].call("POST", fmt.Sprintf("/import/bulk?count=%d", c.count), "ann")
					switch {
					case err != nil:
						t.Errorf("%v", err)
					case v.HTTP == http.StatusAccepted:
						perTier[tier].Add(1)
						accepted.Store(v.JobID, tier)
					case v.HTTP != http.StatusTooManyRequests || v.Header.Get("Retry-After") == "" || v.Header.Get("Retry-After") == "0":
						t.Errorf("refusal without a wait: %d %s", v.HTTP, v.RawResponse)
					default:
						refused.Add(1)
					}
				})
			}
		}
		wg.Wait()
		for tier, c := range tierCounts {
			if got := perTier[tier].Load(); got != int64(c.limit) {
				t.Errorf("%s: %d jobs were accepted, want %d", tier, got, c.limit)
			}
		}
		accepted.Range(func(id, _ any) bool {
			apis[0].must("POST", "/jobs/"+id.(string)+"/cancel", "ann", http.StatusOK)
			return true
		})
	}
	return fmt.Sprintf("%d rounds, 0 above a limit, %d refusals with Retry-After", n, refused.Load())
}

// R7: many requests at once under one key make one job; another request under it is refused.
func TestChaosR7IdempotencyStorm(t *testing.T) {
	eachServer(t, func(t *testing.T, s *stack) {
		chaos(t, "R7", "requests at once under one key", s, func(s *stack) string { return idempotencyStorm(s, rounds(20, 200), 50) })
		control(t, "R7", s, "unique", func(s *stack) { idempotencyStorm(s, 5, 20) })
	})
}

func idempotencyStorm(s *stack, keys, each int) string {
	t := s.t
	apis := []*proc{s.api(), s.api()}
	var list []string
	callers := map[string]string{}
	for k := range keys {
		caller, key := fmt.Sprintf("user%d", k), fmt.Sprintf("key%d", k)
		var jobs sync.Map
		var wg sync.WaitGroup
		for i := range each {
			wg.Go(func() {
				v, err := apis[i%2].call("POST", "/import/bulk?count=101&seed=3", caller, "Idempotency-Key", key)
				switch {
				case err != nil:
					t.Errorf("%v", err)
				case v.HTTP == http.StatusAccepted:
					jobs.Store(v.JobID, true)
				case v.HTTP != http.StatusTooManyRequests: // its slots were taken by requests that then found the job
					t.Errorf("%d %s", v.HTTP, v.RawResponse)
				}
			})
		}
		wg.Wait()
		n := 0
		jobs.Range(func(id, _ any) bool {
			n++
			list = append(list, id.(string))
			callers[id.(string)] = caller
			return true
		})
		if n != 1 {
			t.Errorf("%s made %d jobs", key, n)
		}
		apis[0].must("POST", "/import/bulk?count=102&seed=3", caller, http.StatusUnprocessableEntity, "Idempotency-Key", key)
	}
	s.workers(2)
	for _, id := range list {
		apis[0].follow(id, callers[id], time.Minute)
	}
	s.audit(apis[0], fakerRow(t), list...)
	return fmt.Sprintf("%d keys × %d, %d jobs", keys, each, len(list))
}

// R14: jobs cancelled at random moments are over within two seconds, and no row appears afterwards.
func TestChaosR14CancelStorm(t *testing.T) {
	eachServer(t, func(t *testing.T, s *stack) {
		chaos(t, "R14", "cancels at random moments", s, func(s *stack) string { return cancels(s, rounds(20, 100)) })
		control(t, "R14", s, "state", func(s *stack) { cancels(s, 20) })
	})
}

func cancels(s *stack, n int) string {
	t := s.t
	random := chaosSeed(t)
	api := s.api()
	s.workers(2, "MUSTER_BATCH_ROWS=200")
	var list []string
	slowest := time.Duration(0)
	for i := range n {
		caller := fmt.Sprintf("user%d", i)
		v := api.must("POST", "/import/bulk?count=60000", caller, http.StatusAccepted)
		time.Sleep(time.Duration(random.Int64N(int64(400 * time.Millisecond))))
		began := time.Now()
		got := api.must("POST", "/jobs/"+v.JobID+"/cancel", caller, http.StatusOK)
		slowest = max(slowest, time.Since(began))
		if !got.terminal() || time.Since(began) > 2*time.Second {
			t.Errorf("after %s: %s", time.Since(began), got.RawResponse)
		}
		list = append(list, v.JobID)
	}
	s.audit(api, fakerRow(t), list...) // its sum of users is that of the moments of the cancels
	return fmt.Sprintf("%d jobs, the slowest cancel %d ms", n, slowest.Milliseconds())
}
