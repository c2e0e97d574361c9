package integration

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/musterhq/muster/internal/testenv"
)

// seed is SEED, to repeat a run, or a new one.
var seed = func() uint64 {
	n, err := strconv.ParseUint(os.Getenv("SEED"), 10, 64)
	if err != nil {
		n = uint64(time.Now().UnixNano())
	}
	return n
}()

func chaosSeed(t testing.TB) *rand.Rand {
	t.Helper()
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
func TestChaosR1KillStorm(t *testing.T) {
	eachServer(t, func(t *testing.T, s *stack) {
		chaos(t, "R1", "kill -9 of workers", s, func(s *stack) string { return killStorm(s, rounds(8, 100)) })
		control(t, "R1", s, "keeper", func(s *stack) { killStorm(s, 12) })
	})
}

func killStorm(s *stack, kills int) string {
	t := s.t
	random := chaosSeed(t)
	api := s.api()
	workers := s.workers(3, "MUSTER_WORKER_CONCURRENCY=2")
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
	v2 := api.must("POST", "/import/bulk?count=100000", "bob", http.StatusAccepted)
	for range rounds(3, 10) {
		i := random.IntN(len(workers))
		workers[i].kill()
		workers[i] = s.workers(1)[0]
	}
	api.follow(v2.JobID, "bob", 2*time.Minute)
	s.audit(api, fakerRow(t), v.JobID, v2.JobID)
	return fmt.Sprintf("%d kills, %d users exact", kills+rounds(3, 10), rows+100_000)
}

// The sole worker dies: its chunk goes on with the next one within five seconds of the short profile.
func TestChaosR1DeadWorkersChunkGoesOn(t *testing.T) {
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

// R10: the database is killed in mid-import, perhaps during a COMMIT. What must not be done about that is R11's control.
func TestChaosR10KillDatabase(t *testing.T) {
	s, database := ownDatabase(t)
	chaos(t, "R10", "kill -9 of MariaDB", s, func(s *stack) string { return databaseKills(t, s, database) })
}

func databaseKills(t *testing.T, s *stack, database *testenv.Process) string {
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
	return fmt.Sprintf("%d kills, 300,000 users exact", rounds(2, 5))
}

// R2: a frozen worker that wakes is stopped by the guard.
func TestChaosR2FrozenWorkers(t *testing.T) {
	eachServer(t, func(t *testing.T, s *stack) {
		chaos(t, "R2", "SIGSTOP of workers", s, func(s *stack) string { return freezes(s, rounds(4, 30)) })
		control(t, "R2", s, "guard", func(s *stack) { freezes(s, 10) })
	})
}

func freezes(s *stack, n int) string {
	t := s.t
	random := chaosSeed(t)
	// A frozen worker wakes into a chunk that goes on, because there are hands for it and it is long.
	s.env = append(s.env, "MUSTER_CHUNK_ROWS=500000", "MUSTER_WORKER_CONCURRENCY=5")
	api := s.api()
	workers := s.workers(3)
	v := api.must("POST", "/import/bulk?count=10000000", "ann", http.StatusAccepted)
	for i := range n {
		w := workers[i%len(workers)]
		w.signal(syscall.SIGSTOP)
		time.Sleep(2500*time.Millisecond + time.Duration(random.Int64N(int64(1500*time.Millisecond)))) // beyond the lease of 2 s
		w.signal(syscall.SIGCONT)
	}
	fenced := 0
	for end := time.Now().Add(5 * time.Second); fenced < max(n/3, 1) && time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		fenced = 0
		for _, w := range workers {
			fenced += strings.Count(w.log.String(), "somebody else's or over; stopped")
		}
	}
	api.must("POST", "/jobs/"+v.JobID+"/cancel", "ann", http.StatusOK)
	v2 := api.must("POST", "/import/bulk?count=50000", "bob", http.StatusAccepted)
	api.follow(v2.JobID, "bob", 2*time.Minute)
	s.audit(api, fakerRow(t), v.JobID, v2.JobID)
	if fenced < max(n/3, 1) {
		t.Errorf("%d freezes, and only %d batches were fenced", n, fenced)
	}
	return fmt.Sprintf("%d freezes, %d fenced batches", n, fenced)
}

// R9: Redis forgets everything in mid-import; slots, bells and progress are rebuilt from the store.
func TestChaosR9Flush(t *testing.T) {
	eachServer(t, func(t *testing.T, s *stack) {
		chaos(t, "R9", "FLUSHALL in mid-import", s, flushes)
		control(t, "R9", s, "rebuild", func(s *stack) { flushes(s) })
	})
}

func flushes(s *stack) string {
	t := s.t
	api := s.api()
	s.workers(2)
	v := api.must("POST", "/import/bulk?count=600000", "ann", http.StatusAccepted)
	for range 3 {
		if err := s.rdb.FlushAll(t.Context()).Err(); err != nil {
			t.Fatal(err)
		}
		eventually(t, 5*time.Second, "the slot is back", func() bool {
			return s.rdb.ZCard(t.Context(), "muster:{ann}:slots:XL").Val() == 1
		})
	}
	if end := api.follow(v.JobID, "ann", 3*time.Minute); end.Status != "COMPLETED" {
		t.Fatalf("the job ended: %s", end.RawResponse)
	}
	s.audit(api, fakerRow(t), v.JobID)
	return "3 flushes, 600,000 users exact"
}

// R15: workers are told to stop one after the other, as in a deploy: quick exits, no stall, exact.
func TestChaosR15RollingDeploy(t *testing.T) {
	eachServer(t, func(t *testing.T, s *stack) { chaos(t, "R15", "SIGTERM of workers in turn", s, rollingDeploy) })
}

func rollingDeploy(s *stack) string {
	t := s.t
	api := s.api()
	workers := s.workers(2)
	v := api.must("POST", "/import/bulk?count=400000", "ann", http.StatusAccepted)
	slowest := time.Duration(0)
	for i := range rounds(4, 20) {
		w := workers[i%2]
		told := time.Now()
		w.signal(syscall.SIGTERM)
		select {
		case <-w.done:
		case <-time.After(10 * time.Second):
			t.Fatal("a worker did not stop within 10 s")
		}
		slowest = max(slowest, time.Since(told))
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
	api.follow(v.JobID, "ann", 3*time.Minute)
	s.audit(api, fakerRow(t), v.JobID)
	return fmt.Sprintf("%d exits, the slowest after %d ms", rounds(4, 20), slowest.Milliseconds())
}
