package integration

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/musterhq/muster/internal/store"
	"github.com/musterhq/muster/internal/store/storetest"
	"github.com/musterhq/muster/internal/testenv"
)

// Two deployments on one Redis: without a prefix of its own the second does not start; with one, neither takes the other's
// tasks, and the jobs of the one do not count for the other. The second has the rights that docs/operations.md names.
func TestTwoDeploymentsOnOneRedis(t *testing.T) {
	eachServer(t, func(t *testing.T, ours *stack) {
		ours.env = append(ours.env, "MUSTER_TIERS=SMALL:1:10,MEDIUM:2:5,LARGE:3:3,XL:0:1:30s", "MUSTER_CHUNK_ROWS=250")
		theirs := *ours
		theirs.procs, theirs.database = nil, ours.server.New(t)
		theirs.store = storetest.Open(t, theirs.database, store.Options{})
		theirs.env = append(theirs.env[:len(theirs.env):len(theirs.env)], "MUSTER_DATABASE="+theirs.database)
		rights := strings.Fields("ACL SETUSER theirs on >pa55word-of-theirs ~theirs:* ~asynq:* &asynq:* +@all -@dangerous +info")
		if err := ours.rdb.Do(t.Context(), list(rights)...).Err(); err != nil {
			t.Fatal(err)
		}
		theirsPrefix := "MUSTER_REDIS_PREFIX=theirs"

		ourAPI := ours.api()
		for _, binary := range []string{"api", "worker"} {
			p := theirs.start(binary, "MUSTER_HTTP_ADDR=127.0.0.1:0")
			p.waitExit(time.Minute)
			if code := p.cmd.ProcessState.ExitCode(); code != 1 || !strings.Contains(p.log.String(), "MUSTER_REDIS_PREFIX") {
				t.Fatalf("the %s of another deployment exits with %d: %s", binary, code, p.log.String())
			}
		}

		account := "MUSTER_REDIS=redis://theirs:pa55word-of-theirs@" + ours.redis.Addr
		theirAPI := theirs.api(theirsPrefix, account)
		theirs.workers(1, theirsPrefix, account)
		const submit = "/users/import/async?count=2000&seed=1"
		waits := ourAPI.must("POST", submit, "ann", http.StatusAccepted)
		ourAPI.must("POST", submit, "ann", http.StatusTooManyRequests)
		runs := theirAPI.must("POST", submit, "ann", http.StatusAccepted)
		if end := theirAPI.follow(runs.JobID, "ann", 5*time.Minute); end.Status != "COMPLETED" || end.Processed != 2000 {
			t.Fatalf("their job ended: %s", end.RawResponse)
		}
		// Their worker had time for all of their tasks, and for ours if it took them.
		if n := ours.rdb.LLen(t.Context(), "asynq:{xl}:pending").Val(); n != 8 {
			t.Errorf("%d of our tasks wait after their job, want the whole window of 8", n)
		}
		ours.workers(1)
		if end := ourAPI.follow(waits.JobID, "ann", 5*time.Minute); end.Status != "COMPLETED" || end.Processed != 2000 {
			t.Fatalf("our job ended: %s", end.RawResponse)
		}
		if denied, err := ours.rdb.ACLLog(t.Context(), 10).Result(); err != nil || len(denied) > 0 {
			t.Errorf("denied: %v, %v", denied, err)
		}
		// Their cooldown is not ours, nor ours theirs: each has begun one.
		for _, prefix := range []string{"muster", "theirs"} {
			if n := ours.rdb.Exists(t.Context(), prefix+":{ann}:cooldown:XL").Val(); n != 1 {
				t.Errorf("no cooldown under the prefix %s", prefix)
			}
		}
	})
}

// Whatever a library has to say while Redis is gone, it says in the process's log: every line is JSON. So is the reason why a
// process does not start.
func TestLogsAreJSON(t *testing.T) {
	eachServer(t, func(t *testing.T, s *stack) {
		s.env = append(s.env, "MUSTER_LOG_FORMAT=json", "MUSTER_REDIS_URL=x")
		api, worker := s.api(), s.workers(1, "MUSTER_HEALTH_ADDR=127.0.0.1:0")[0]
		if err := s.redis.Kill(); err != nil {
			t.Fatal(err)
		}
		api.must("POST", "/users/import/async?count=10", "ann", http.StatusServiceUnavailable)
		eventually(t, time.Minute, "go-redis logs", func() bool { return strings.Contains(worker.log.String(), `"part":"redis"`) })
		late := s.start("worker")
		late.waitExit(time.Minute)
		if code := late.cmd.ProcessState.ExitCode(); code != 1 {
			t.Errorf("a worker without Redis exits with %d", code)
		}
		for _, p := range s.procs {
			p.signal(syscall.SIGTERM)
			p.waitExit(time.Minute)
			lines := 0
			for line := range strings.Lines(p.log.String()) {
				lines++
				var fields struct{ Time, Level, Msg string }
				if err := json.Unmarshal([]byte(line), &fields); err != nil || fields.Time == "" || fields.Level == "" || fields.Msg == "" {
					t.Errorf("the %s writes %q", p.name, line)
				}
			}
			if lines == 0 || !strings.Contains(p.log.String(), "did you mean MUSTER_REDIS?") {
				t.Errorf("the %s does not warn of a name that it does not read, in %d lines", p.name, lines)
			}
		}
	})
}

// A worker says at /readyz why Redis takes no jobs.
func TestReadyzNamesTheReason(t *testing.T) {
	eachServer(t, func(t *testing.T, s *stack) {
		api := s.api()
		port, err := testenv.FreePort()
		if err != nil {
			t.Fatal(err)
		}
		health := fmt.Sprintf("127.0.0.1:%d", port)
		s.workers(1, "MUSTER_HEALTH_ADDR="+health)
		urls := map[string]string{"api": strings.TrimSuffix(api.base, "/api/v1") + "/readyz", "worker": "http://" + health + "/readyz"}
		answers := func(what string, status int, text string) {
			t.Helper()
			for name, url := range urls {
				eventually(t, time.Minute, fmt.Sprintf("the %s is %s", name, what), func() bool {
					resp, err := http.Get(url)
					if err != nil {
						t.Fatal(err)
					}
					defer func() { _ = resp.Body.Close() }()
					body, err := io.ReadAll(resp.Body)
					return err == nil && resp.StatusCode == status && strings.Contains(string(body), text)
				})
			}
		}
		answers("ready", http.StatusOK, "ok")
		if err := s.rdb.ConfigSet(t.Context(), "maxmemory", "1").Err(); err != nil {
			t.Fatal(err)
		}
		answers("out of memory", http.StatusServiceUnavailable, "is out of memory: maxmemory is reached")
		if err := s.rdb.ConfigSet(t.Context(), "maxmemory", "0").Err(); err != nil {
			t.Fatal(err)
		}
		answers("ready again", http.StatusOK, "ok")
	})
}

func list(words []string) (all []any) {
	for _, word := range words {
		all = append(all, word)
	}
	return all
}
