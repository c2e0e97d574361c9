package integration

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"strconv"
	"syscall"
	"testing"
	"time"
)

// chaosSeed is SEED, to repeat a run, or a new one; it is logged either way.
func chaosSeed(t *testing.T) *rand.Rand {
	t.Helper()
	seed, err := strconv.ParseUint(os.Getenv("SEED"), 10, 64)
	if err != nil {
		seed = uint64(time.Now().UnixNano())
	}
	t.Logf("SEED=%d repeats this run", seed)
	return rand.New(rand.NewPCG(seed, 0))
}

// rounds is full, or short with MUSTER_CHAOS=short.
func rounds(short, full int) int {
	if os.Getenv("MUSTER_CHAOS") == "short" {
		return short
	}
	return full
}

// R1: workers killed at random. The count is exact, and the chunk of a dead worker goes on within five seconds.
func TestChaosKillStorm(t *testing.T) {
	eachServer(t, func(t *testing.T, s *stack) {
		random := chaosSeed(t)
		api := s.api()
		workers := s.workers(3, "MUSTER_WORKER_CONCURRENCY=2")
		kills := rounds(8, 100)
		v := api.must("POST", "/import/bulk?count=10000000", "ann", http.StatusAccepted)
		for kill := range kills {
			before := api.must("GET", "/jobs/"+v.JobID, "ann", 200).Processed
			i := random.IntN(len(workers))
			workers[i].kill()
			workers[i] = s.workers(1, "MUSTER_WORKER_CONCURRENCY=2")[0]
			eventually(t, 5*time.Second, fmt.Sprintf("progress after kill %d", kill), func() bool {
				return api.must("GET", "/jobs/"+v.JobID, "ann", 200).Processed > before
			})
		}
		// The rest would only take time: the rows that are in must be exact.
		got := api.must("POST", "/jobs/"+v.JobID+"/cancel", "ann", http.StatusOK)
		rows, distinct, err := s.store.Count(t.Context())
		if err != nil || rows != got.Processed || distinct != rows {
			t.Fatalf("%d users, %d distinct; the job says %d, %v", rows, distinct, got.Processed, err)
		}
		n := size(t)
		v2 := api.must("POST", fmt.Sprintf("/import/bulk?count=%d", min(n, 100_000)), "bob", http.StatusAccepted)
		for range rounds(3, 10) {
			i := random.IntN(len(workers))
			workers[i].kill()
			workers[i] = s.workers(1)[0]
		}
		api.follow(v2.JobID, "bob", 2*time.Minute)
		s.audit(api, fakerRow(t), v.JobID, v2.JobID)
	})
}

// The sole worker dies: its chunk goes on with the next one within five seconds of the short profile.
func TestChaosDeadWorkersChunkGoesOn(t *testing.T) {
	eachServer(t, func(t *testing.T, s *stack) {
		api := s.api()
		first := s.workers(1)[0]
		n := int64(100_000)
		v := api.must("POST", fmt.Sprintf("/import/bulk?count=%d", n), "ann", http.StatusAccepted)
		eventually(t, 20*time.Second, "the job moves", func() bool {
			return api.must("GET", "/jobs/"+v.JobID, "ann", 200).Processed > 0
		})
		first.kill()
		killed := time.Now()
		before := s.done(v.JobID)
		s.workers(1)
		eventually(t, 5*time.Second, "a chunk of the dead worker goes on", func() bool {
			now := s.done(v.JobID)
			for no, done := range before {
				if done > 0 && done < 25_000 && now[no] > done {
					return true
				}
			}
			return false
		})
		t.Logf("a dead worker's chunk went on after %s", time.Since(killed).Round(time.Millisecond))
		end := api.follow(v.JobID, "ann", time.Minute)
		if end.Status != "COMPLETED" || end.Processed != n {
			t.Fatalf("the job ended: %s", end.RawResponse)
		}
		s.audit(api, fakerRow(t), v.JobID)
	})
}

// done is the rows done of each chunk.
func (s *stack) done(id string) []int64 {
	s.t.Helper()
	chunks, err := s.store.Chunks(s.t.Context(), id)
	if err != nil {
		s.t.Fatal(err)
	}
	done := make([]int64, len(chunks))
	for i, c := range chunks {
		done[i] = c.Done
	}
	return done
}

// R10: the database is killed in mid-import, perhaps during a COMMIT.
func TestChaosKillDatabase(t *testing.T) {
	s, database := ownDatabase(t)
	api := s.api()
	s.workers(2)
	v := api.must("POST", "/import/bulk?count=300000", "ann", http.StatusAccepted)
	for range rounds(2, 5) {
		before := s.rdb.HGetAll(t.Context(), "muster:job:{"+v.JobID+"}").Val()
		eventually(t, 20*time.Second, "the job moves", func() bool {
			j := api.must("GET", "/jobs/"+v.JobID, "ann", 200)
			return j.terminal() || fmt.Sprint(s.rdb.HGetAll(t.Context(), "muster:job:{"+v.JobID+"}").Val()) != fmt.Sprint(before)
		})
		if err := database.Kill(); err != nil {
			t.Fatal(err)
		}
		database = restart(t, database)
	}
	end := api.follow(v.JobID, "ann", 2*time.Minute)
	if end.Status != "COMPLETED" {
		t.Fatalf("the job ended: %s", end.RawResponse)
	}
	s.audit(api, fakerRow(t), v.JobID)
}

// R2: a frozen worker that wakes is stopped by the guard.
func TestChaosFrozenWorkers(t *testing.T) {
	eachServer(t, func(t *testing.T, s *stack) {
		random := chaosSeed(t)
		api := s.api()
		workers := s.workers(3)
		v := api.must("POST", "/import/bulk?count=100000", "ann", http.StatusAccepted)
		for range rounds(2, 30) {
			w := workers[random.IntN(len(workers))]
			w.signal(syscall.SIGSTOP)
			wake := time.NewTimer(2*time.Second + time.Duration(random.Int64N(int64(2*time.Second))))
			<-wake.C
			w.signal(syscall.SIGCONT)
		}
		api.follow(v.JobID, "ann", 2*time.Minute)
		s.audit(api, fakerRow(t), v.JobID)
	})
}

// R9: Redis forgets everything in mid-import; slots, bells and progress are rebuilt from the store.
func TestChaosFlush(t *testing.T) {
	eachServer(t, func(t *testing.T, s *stack) {
		api := s.api()
		s.workers(2)
		v := api.must("POST", "/import/bulk?count=600000", "ann", http.StatusAccepted)
		for range 3 {
			if err := s.rdb.FlushAll(t.Context()).Err(); err != nil {
				t.Fatal(err)
			}
			eventually(t, 5*time.Second, "the slot is back", func() bool {
				return s.rdb.ZCard(t.Context(), "muster:{ann}:slots:XL").Val() == 1 ||
					api.must("GET", "/jobs/"+v.JobID, "ann", 200).terminal()
			})
		}
		end := api.follow(v.JobID, "ann", 2*time.Minute)
		if end.Status != "COMPLETED" {
			t.Fatalf("the job ended: %s", end.RawResponse)
		}
		s.audit(api, fakerRow(t), v.JobID)
	})
}

// R15: workers are told to stop one after the other, as in a deploy: quick exits, no stall, exact.
func TestChaosRollingDeploy(t *testing.T) {
	eachServer(t, func(t *testing.T, s *stack) {
		api := s.api()
		workers := s.workers(2)
		v := api.must("POST", "/import/bulk?count=400000", "ann", http.StatusAccepted)
		for i := range rounds(4, 20) {
			w := workers[i%2]
			w.signal(syscall.SIGTERM)
			select {
			case <-w.done:
			case <-time.After(10 * time.Second):
				t.Fatal("a worker did not stop within 10 s")
			}
			if code := w.cmd.ProcessState.ExitCode(); code != 0 {
				t.Fatalf("a worker that was told to stop exits with %d", code)
			}
			chunks, err := s.store.Chunks(t.Context(), v.JobID)
			if err != nil {
				t.Fatal(err)
			}
			for _, c := range chunks {
				if c.Stalls > 1 {
					t.Errorf("chunk %d has %d stalls", c.No, c.Stalls)
				}
			}
			workers[i%2] = s.workers(1)[0]
		}
		api.follow(v.JobID, "ann", 2*time.Minute)
		s.audit(api, fakerRow(t), v.JobID)
	})
}
