// Package integration runs the real commands as processes on real servers, and kills them.
package integration

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/musterhq/muster/internal/job"
	"github.com/musterhq/muster/internal/source/sourcetest"
	"github.com/musterhq/muster/internal/store/storetest"
	"github.com/musterhq/muster/internal/testenv"
)

// size is how many users the large imports have; MUSTER_TEST_USERS raises it.
func size(t testing.TB) int64 {
	t.Helper()
	s := os.Getenv("MUSTER_TEST_USERS")
	if s == "" {
		return 250_000
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestImportByThreeWorkers(t *testing.T) {
	eachServer(t, func(t *testing.T, s *stack) {
		port, err := testenv.FreePort()
		if err != nil {
			t.Fatal(err)
		}
		admin := fmt.Sprintf("127.0.0.1:%d", port)
		api := s.api("MUSTER_ADMIN_ADDR=" + admin)
		workers := s.workers(3)
		n := size(t)
		v := api.must("POST", fmt.Sprintf("/users/import/async?count=%d&seed=42", n), "ann", http.StatusAccepted)
		events := make(chan []response, 1)
		go func() { events <- api.events(v.JobID, "ann") }()
		end := api.follow(v.JobID, "ann", 5*time.Minute)
		if end.Status != "COMPLETED" || end.Processed != n || end.Progress != 100 || end.Seed != 42 {
			t.Fatalf("the job ended: %s", end.RawResponse)
		}
		seen := <-events
		grows := slices.IsSortedFunc(seen, func(a, b response) int { return cmp.Compare(a.Processed, b.Processed) })
		if n := len(seen); n < 3 || !grows || seen[n-1].Status != "COMPLETED" || seen[n-1].Processed != end.Processed {
			t.Errorf("%d events, growing: %v: %+v", n, grows, seen)
		}
		s.audit(api, fakerRow(t), v.JobID)
		for i, w := range workers {
			if !strings.Contains(w.log.String(), "chunk done") {
				t.Errorf("worker %d took no part", i)
			}
		}
		for _, path := range []string{"/monitoring", "/monitoring/api/queues", "/monitoring/api/redis_info"} {
			resp, err := http.Get("http://" + admin + path)
			if err != nil {
				t.Fatal(err)
			}
			_ = resp.Body.Close()
			if resp.StatusCode != http.StatusOK {
				t.Errorf("%s answers %s", path, resp.Status)
			}
		}
	})
}

// A thousand submissions at once against two APIs: each tier lets exactly its limit through.
func TestLimitsOverTwoAPIs(t *testing.T) {
	eachServer(t, func(t *testing.T, s *stack) {
		apis := []*proc{s.api(), s.api()}
		for _, c := range []struct {
			user, count string
			limit       int32
		}{{"small", "100", 10}, {"medium", "10000", 5}, {"large", "100000", 3}, {"extra", "100001", 1}} {
			var accepted, refused atomic.Int32
			var wg sync.WaitGroup
			gate := make(chan struct{}, 64) // connections at once; more only fill the listener's backlog
			for i := range 1000 {
				wg.Go(func() {
					gate <- struct{}{}
					defer func() { <-gate }()
					v, err := apis[i%2].call("POST", "/import/bulk?count="+c.count, c.user)
					wait, _ := strconv.Atoi(v.Header.Get("Retry-After"))
					switch {
					case err != nil:
						t.Error(err)
					case v.HTTP == http.StatusAccepted:
						accepted.Add(1)
					case v.HTTP == http.StatusTooManyRequests && v.Code == "tier_limit_reached" && wait >= 1:
						refused.Add(1)
					default:
						t.Errorf("%d, Retry-After %d: %s", v.HTTP, wait, v.RawResponse)
					}
				})
			}
			wg.Wait()
			if accepted.Load() != c.limit || refused.Load() != 1000-c.limit {
				t.Errorf("%s: %d accepted, %d refused; the limit is %d", c.user, accepted.Load(), refused.Load(), c.limit)
			}
		}
	})
}

// After an XL job its user waits for the cooldown, and only its user.
func TestCooldown(t *testing.T) {
	eachServer(t, func(t *testing.T, s *stack) {
		cooldown := 3 * time.Second
		tiers := "MUSTER_TIERS=SMALL:100:10,MEDIUM:10000:5,LARGE:20000:3,XL:0:1:" + cooldown.String()
		api := s.api(tiers)
		s.workers(1, tiers)
		v := api.must("POST", "/import/bulk?count=20001", "ann", http.StatusAccepted, "Prefer", "wait=0")
		api.follow(v.JobID, "ann", time.Minute)
		var refusal response
		eventually(t, 10*time.Second, "the cooldown runs", func() bool {
			refusal = api.must("POST", "/import/bulk?count=20001", "ann", http.StatusTooManyRequests)
			return refusal.Code == "cooldown_active"
		})
		if wait, _ := strconv.Atoi(refusal.Header.Get("Retry-After")); wait < 1 || wait > 3 {
			t.Errorf("Retry-After: %d, want 1 to 3", wait)
		}
		other := api.must("POST", "/import/bulk?count=20001", "bob", http.StatusAccepted)
		var again response
		eventually(t, 10*time.Second, "the cooldown ends", func() bool {
			var err error
			again, err = api.call("POST", "/import/bulk?count=20001", "ann")
			return err == nil && again.HTTP == http.StatusAccepted
		})
		api.follow(other.JobID, "bob", time.Minute)
		api.follow(again.JobID, "ann", time.Minute)
		s.audit(api, fakerRow(t), v.JobID, other.JobID, again.JobID)
	})
}

// 12,345 users from an upstream that has each of its faults a single time.
func TestRandomUserWithEveryFault(t *testing.T) {
	eachServer(t, func(t *testing.T, s *stack) {
		stub := sourcetest.New(sourcetest.Config{SlowFor: 2 * time.Second})
		stub.FailOnceEach()
		upstream := httptest.NewServer(stub)
		t.Cleanup(upstream.Close)
		api := s.api()
		// Under the race detector and beside other tests a page of 5,000 users takes longer to read than the short lease.
		s.workers(2, "MUSTER_RANDOMUSER_URL="+upstream.URL, "MUSTER_LEASE=8s")
		v := api.must("POST", "/import/random-users?count=12345", "ann", http.StatusAccepted)
		end := api.follow(v.JobID, "ann", 8*time.Minute)
		if end.Status != "COMPLETED" || end.Processed != 12_345 || stub.FaultsLeft() != 0 {
			t.Fatalf("%d faults left; the job ended: %s", stub.FaultsLeft(), end.RawResponse)
		}
		s.audit(api, randomUserRow(), v.JobID)
	})
}

func TestCancelStopsTheFleet(t *testing.T) {
	eachServer(t, func(t *testing.T, s *stack) {
		api := s.api()
		s.workers(2)
		v := api.must("POST", "/import/bulk?count=2000000", "ann", http.StatusAccepted)
		eventually(t, 30*time.Second, "the job moves", func() bool {
			return api.must("GET", "/jobs/"+v.JobID, "ann", 200).Processed > 0
		})
		if other, err := api.call("POST", "/jobs/"+v.JobID+"/cancel", "eve"); err != nil || other.HTTP != http.StatusNotFound {
			t.Fatalf("somebody else's cancel: %d, %v", other.HTTP, err)
		}
		got := api.must("POST", "/jobs/"+v.JobID+"/cancel", "ann", http.StatusOK)
		rows, _, err := storetest.Count(t.Context(), s.store)
		if err != nil || rows != got.Processed {
			t.Fatalf("%d users stored, the cancelled job says %d, %v", rows, got.Processed, err)
		}
		s.auditEnds(api, fakerRow(t), wantStatus{v.JobID: job.Cancelled})
	})
}

// With Redis or the database down the API refuses with 503, and serves again when they are back.
func TestOutages(t *testing.T) {
	eachServer(t, func(t *testing.T, s *stack) {
		api := s.api()
		if err := s.redis.Kill(); err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		v := api.must("POST", "/import/bulk?count=10", "ann", http.StatusServiceUnavailable)
		if v.Code != "queue_unavailable" || v.Header.Get("Retry-After") == "" {
			t.Errorf("Redis down: %s", v.RawResponse)
		}
		t.Logf("refused after %s", time.Since(start).Round(time.Millisecond))
		back, err := testenv.RestartRedis(s.redis)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = back.Kill() })
		var accepted response
		eventually(t, 10*time.Second, "the API accepts again", func() bool {
			accepted, err = api.call("POST", "/import/bulk?count=10", "ann")
			return err == nil && accepted.HTTP == http.StatusAccepted
		})
		s.workers(1)
		api.follow(accepted.JobID, "ann", 30*time.Second)
		s.audit(api, fakerRow(t), accepted.JobID)
	})
}

// ownDatabase is a stack on a MariaDB that the test may kill.
func ownDatabase(t testing.TB) (*stack, *testenv.Process) {
	t.Helper()
	testenv.Redis(t)
	if !testenv.Installed("mariadb") {
		testenv.MySQLServers(t) // says that it is missing, or fails
		t.SkipNow()
	}
	p, err := testenv.StartMariaDB(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Kill() })
	return newStack(t, storetest.Server("mariadb", "root@tcp("+p.Addr+")/")), p
}

// restart brings a killed database back.
func restart(t testing.TB, p *testenv.Process) *testenv.Process {
	t.Helper()
	back, err := testenv.RestartMariaDB(p)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = back.Kill() })
	return back
}

// With the database down nothing is half-stored: 503, and no slot without a job.
func TestDatabaseOutage(t *testing.T) {
	s, database := ownDatabase(t)
	api := s.api()
	s.workers(1)
	before := api.must("POST", "/import/bulk?count=10", "ann", http.StatusAccepted)
	api.follow(before.JobID, "ann", 30*time.Second)
	if err := database.Kill(); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		v := api.must("POST", "/import/bulk?count=200000", "ann", http.StatusServiceUnavailable)
		if v.Code != "store_unavailable" || v.Header.Get("Retry-After") == "" {
			t.Errorf("database down: %s", v.RawResponse)
		}
	}
	if held := s.rdb.ZCard(t.Context(), "muster:{ann}:slots:XL").Val(); held != 0 {
		t.Errorf("%d slots are held without a job", held)
	}
	api.must("GET", "/jobs/"+before.JobID, "ann", http.StatusOK) // what is shown needs no database
	restart(t, database)
	var again response
	eventually(t, 10*time.Second, "the API accepts again", func() bool {
		var err error
		again, err = api.call("POST", "/import/bulk?count=1000", "ann")
		return err == nil && again.HTTP == http.StatusAccepted
	})
	api.follow(again.JobID, "ann", 30*time.Second)
	s.audit(api, fakerRow(t), before.JobID, again.JobID)
}

// A command that cannot work says why in one line and exits with 1.
func TestBadStart(t *testing.T) {
	eachServer(t, func(t *testing.T, s *stack) {
		empty := ""
		for _, e := range storetest.Engines(t) {
			if e.Name == s.engine {
				empty = e.Empty(t)
			}
		}
		for name, c := range map[string]struct{ env, want string }{
			"wrong password":      {"MUSTER_DATABASE=" + strings.Replace(s.database, "root", "root:sesame", 1), "Access denied"},
			"database down":       {"MUSTER_DATABASE=mysql://root@127.0.0.1:1/x", "MUSTER_DATABASE"},
			"Redis down":          {"MUSTER_REDIS=redis://:sesame@127.0.0.1:1", "MUSTER_REDIS"},
			"schema not migrated": {"MUSTER_DATABASE=" + empty, "muster migrate"},
			"bad setting":         {"MUSTER_TIERS=x", "MUSTER_TIERS"},
		} {
			for _, binary := range []string{"api", "worker"} {
				p := s.start(binary, c.env, "MUSTER_LOG_LEVEL=error")
				select {
				case <-p.done:
				case <-time.After(10 * time.Second):
					t.Errorf("%s, %s: still runs", binary, name)
					continue
				}
				out := p.log.String()
				if p.cmd.ProcessState.ExitCode() != 1 || !strings.Contains(out, c.want) || strings.Contains(out, "sesame") {
					t.Errorf("%s, %s: exit code %d, output %q", binary, name, p.cmd.ProcessState.ExitCode(), out)
				}
			}
		}
	})
}

// onRedisCluster has the processes that are started from here on use a Redis Cluster of six.
func (s *stack) onRedisCluster() {
	s.t.Helper()
	addrs, err := testenv.StartRedisCluster(s.t.Context(), s.t.TempDir())
	if err != nil {
		s.t.Fatal(err)
	}
	s.env = append(s.env, "MUSTER_REDIS=redis://"+strings.Join(addrs, ",redis://"))
	s.rdb = redis.NewClusterClient(&redis.ClusterOptions{Addrs: addrs})
	s.t.Cleanup(func() { _ = s.rdb.Close() })
}

// The same processes on a Redis Cluster: slots, tasks and progress spread over its nodes.
func TestImportOnRedisCluster(t *testing.T) {
	eachServer(t, func(t *testing.T, s *stack) {
		s.onRedisCluster()
		api := s.api()
		s.workers(2)
		var ids []string
		for _, user := range []string{"ann", "bob", "eve"} {
			v := api.must("POST", "/import/bulk?count=30000", user, http.StatusAccepted)
			ids = append(ids, v.JobID)
		}
		for i, user := range []string{"ann", "bob", "eve"} {
			if end := api.follow(ids[i], user, time.Minute); end.Status != "COMPLETED" {
				t.Fatalf("the job ended: %s", end.RawResponse)
			}
		}
		s.audit(api, fakerRow(t), ids...)
	})
}

// The embedded stack: the demo imports, exports and counts.
func TestDemo(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	out, err := exec.CommandContext(ctx, filepath.Join(binaries, "muster"), "demo", "--count=30000").CombinedOutput()
	if err != nil || !strings.Contains(string(out), "30000 requested, 30000 imported, 30000 exported") {
		t.Fatalf("%v:\n%s", err, out)
	}
}
