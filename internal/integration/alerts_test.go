package integration

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/hibiken/asynq"

	"github.com/musterhq/muster/internal/source/sourcetest"
	"github.com/musterhq/muster/internal/testenv"
)

// prometheus is a real one.
type prometheus struct {
	t    testing.TB
	base string
}

// quickly makes the alerts fire within seconds: for and ranges become short, what counts as long as well.
var quickly = []struct{ from, to string }{
	{`(?m)^(\s+for:) .*$`, "$1 1s"}, {`\[\d+m\]`, "[8s]"}, {`> 600`, "> 3"}, {`\) > 60`, ") > 5"}, {`\) > 3$`, ") > 0"},
}

// startPrometheus scrapes the targets, by job, with the alerts of deployments.
func startPrometheus(t testing.TB, targets map[string][]string) *prometheus {
	t.Helper()
	program, err := exec.LookPath("prometheus")
	if err != nil {
		if strings.Contains(os.Getenv("MUSTER_TEST_REQUIRE"), "prometheus") {
			t.Fatal("prometheus is not installed")
		}
		t.Skip("prometheus is not installed: the alerts are not tried on a running stack")
	}
	dir := t.TempDir()
	rules, err := os.ReadFile(filepath.Join("..", "..", "deployments", "prometheus", "alerts.yml"))
	if err != nil {
		t.Fatal(err)
	}
	for _, q := range quickly {
		rules = regexp.MustCompile("(?m)"+q.from).ReplaceAll(rules, []byte(q.to))
	}
	config := "global: {scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}\nrule_files: [alerts.yml]\nscrape_configs:\n"
	for job, addrs := range targets {
		timeout := "3s" // a process whose database hangs answers after two
		config += fmt.Sprintf("  - {job_name: %s, scrape_interval: 3s, scrape_timeout: %s, static_configs: [{targets: ['%s']}]}\n", job, timeout, strings.Join(addrs, "','"))
	}
	for name, text := range map[string][]byte{"alerts.yml": rules, "prometheus.yml": []byte(config)} {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	port, err := testenv.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	addr := fmt.Sprintf("127.0.0.1:%d", port)
	var log bytes.Buffer
	cmd := exec.Command(program, "--config.file="+filepath.Join(dir, "prometheus.yml"), "--storage.tsdb.path="+filepath.Join(dir, "data"), "--web.listen-address="+addr)
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("the end of Prometheus's log:\n%s", tail(log.String(), 10))
		}
	})
	return &prometheus{t: t, base: "http://" + addr}
}

// firing returns the names of the alerts that fire.
func (p *prometheus) firing() (names []string) {
	resp, err := http.Get(p.base + "/api/v1/alerts")
	if err != nil {
		return nil
	}
	defer func() { _ = resp.Body.Close() }()
	var got struct {
		Data struct {
			Alerts []struct {
				Labels map[string]string
				State  string
			}
		}
	}
	if err := json.NewDecoder(resp.Body).Decode(&got); err != nil {
		return nil
	}
	for _, a := range got.Data.Alerts {
		if a.State == "firing" && !slices.Contains(names, a.Labels["alertname"]) {
			names = append(names, a.Labels["alertname"])
		}
	}
	return names
}

// fires waits for an alert.
func (p *prometheus) fires(alert, because string) {
	p.t.Helper()
	eventually(p.t, time.Minute, alert+" fires", func() bool { return slices.Contains(p.firing(), alert) })
	p.t.Logf("%-24s %s", alert, because)
}

// scrapes waits until a query has a result.
func (p *prometheus) scrapes(query string) {
	p.t.Helper()
	eventually(p.t, time.Minute, query, func() bool {
		resp, err := http.Get(p.base + "/api/v1/query?query=" + query)
		if err != nil {
			return false
		}
		defer func() { _ = resp.Body.Close() }()
		var got struct{ Data struct{ Result []any } }
		return json.NewDecoder(resp.Body).Decode(&got) == nil && len(got.Data.Result) > 0
	})
}

// A real Prometheus scrapes a running stack, and each alert fires by trouble of its kind; without trouble none does.
func TestAlertsFire(t *testing.T) {
	if os.Getenv("MUSTER_ALERTS") == "" {
		t.Skip("it takes more than a minute: make alerts runs it")
	}
	testenv.Redis(t)
	eachServer(t, func(t *testing.T, s *stack) {
		upstream := sourcetest.New(sourcetest.Config{})
		var broken atomic.Bool
		stub := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if broken.Load() {
				w.WriteHeader(http.StatusBadGateway)
				return
			}
			upstream.ServeHTTP(w, r)
		}))
		defer stub.Close()
		s.env = append(s.env, "MUSTER_RANDOMUSER_URL="+stub.URL, "MUSTER_MAX_EXPORTS=1", "MUSTER_MAX_QUEUE_DEPTH=3", "MUSTER_TIERS=SMALL:100:50,MEDIUM:10000:50,LARGE:100000:50,XL:0:50")
		api := s.admin()
		health := make([]string, 2)
		for i := range health {
			port, err := testenv.FreePort()
			if err != nil {
				t.Fatal(err)
			}
			health[i] = fmt.Sprintf("127.0.0.1:%d", port)
		}
		first, second := s.workers(1, "MUSTER_HEALTH_ADDR="+health[0])[0], s.workers(1, "MUSTER_HEALTH_ADDR="+health[1])[0]
		p := startPrometheus(t, map[string][]string{"muster-api": {strings.TrimPrefix(api.ops, "http://")}, "muster-worker": health})
		p.scrapes(`count(up==1)==3`)
		p.scrapes(`max(muster_workers)==2`)
		done := api.must("POST", "/import/bulk?count=30000", "ann", http.StatusAccepted)
		api.follow(done.JobID, "ann", time.Minute)
		p.scrapes(`sum(muster_users_stored_total)==30000`)
		if names := p.firing(); len(names) > 0 {
			t.Errorf("without trouble: %v", names)
		}

		// Exports: two at once, where one may run.
		slow, err := http.Get(api.base + "/export/stream")
		if err != nil {
			t.Fatal(err)
		}
		eventually(t, time.Minute, "an export is refused", func() bool {
			resp, err := http.Get(api.base + "/export/csv")
			if err != nil {
				return false
			}
			_ = resp.Body.Close()
			return resp.StatusCode == http.StatusTooManyRequests || p.firing() != nil
		})
		p.keep(func() { refuse(api) }, "MusterExportsRefused", "a second export at MUSTER_MAX_EXPORTS=1")
		_ = slow.Body.Close()

		// The upstream fails, and the breaker opens.
		broken.Store(true)
		up := api.must("POST", "/import/random-users?count=20000", "ann", http.StatusAccepted)
		p.fires("MusterUpstreamDown", "RandomUser's stand-in answers 502")
		api.must("POST", "/jobs/"+up.JobID+"/cancel", "ann", http.StatusOK)
		broken.Store(false)

		// A queue is paused, so that chunks wait; it fills up.
		queues := s.queues()
		if err := queues.PauseQueue("xl"); err != nil {
			t.Fatal(err)
		}
		waits := api.must("POST", "/import/bulk?count=300000", "ann", http.StatusAccepted)
		p.fires("MusterQueuePaused", "asynq's inspector paused it")
		p.fires("MusterQueueSlow", "chunks of a job in the paused queue")
		p.keep(func() { _, _ = api.call("POST", "/import/bulk?count=300000", "bob") }, "MusterQueueFull", "MUSTER_MAX_QUEUE_DEPTH=3")

		// Workers are gone.
		second.kill()
		p.fires("MusterProcessDown", "a worker was killed")
		first.kill()
		p.fires("MusterNoWorkers", "all were, and a job waits")
		p.fires("MusterReconcilerStopped", "the same")
		if err := queues.UnpauseQueue("xl"); err != nil {
			t.Fatal(err)
		}

		// Workers are back, and die again and again with the chunk in hand: it fails for good.
		first = s.workers(1, "MUSTER_HEALTH_ADDR="+health[0], "MUSTER_FILES=file:///nowhere")[0]
		eventually(t, time.Minute, "the job runs", func() bool {
			v, err := api.call("GET", "/jobs/"+waits.JobID, "ann")
			return err == nil && v.Processed > 0
		})
		first.signal(syscall.SIGSTOP)
		p.fires("MusterNoProgress", "the only worker is frozen, with a job in progress")
		first.signal(syscall.SIGCONT)
		api.must("POST", "/jobs/"+waits.JobID+"/cancel", "ann", http.StatusOK)

		// The file store is away.
		if err := os.RemoveAll(s.files); err != nil {
			t.Fatal(err)
		}
		p.keep(func() {
			_, _ = api.send("POST", "/import/file", "ann", strings.NewReader("email\na@example.com\n"), "Content-Type", "text/csv")
		}, "MusterFileStoreTrouble", "the folder of the files is gone")

		// Redis, and then the database, do not answer. Requests fail meanwhile.
		if err := s.redis.Kill(); err != nil {
			t.Fatal(err)
		}
		p.keep(func() { _, _ = api.call("POST", "/import/bulk?count=5", "ann") }, "MusterRedisTrouble", "Redis was killed")
		p.keep(func() { _, _ = api.call("POST", "/import/bulk?count=5", "ann") }, "MusterServerErrors", "requests meanwhile: 503")
	})
}

// keep makes trouble until the alert fires.
func (p *prometheus) keep(trouble func(), alert, because string) {
	p.t.Helper()
	eventually(p.t, time.Minute, alert+" fires", func() bool {
		trouble()
		return slices.Contains(p.firing(), alert)
	})
	p.t.Logf("%-24s %s", alert, because)
}

func refuse(api *proc) {
	resp, err := http.Get(api.base + "/export/csv")
	if err == nil {
		_ = resp.Body.Close()
	}
}

// The alerts that trouble of a running stack does not make fire at will do so on figures that are made up.
func TestAlertsFireOnFigures(t *testing.T) {
	var scrapes atomic.Int64
	fake := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		n := scrapes.Add(1)
		fmt.Fprintf(w, "muster_chunk_claims_total{end=\"stalled\"} %[1]d\nmuster_reconcile_actions_total{action=\"stalled_chunk_failed\"} %[1]d\n"+
			"muster_scrape_errors_total{part=\"database\"} %[1]d\nmuster_exports_total{format=\"csv\",outcome=\"failed\"} %[1]d\n"+
			"muster_http_request_duration_seconds_bucket{route=\"/api/v1/jobs/:jobId\",le=\"1\"} %[1]d\n"+
			"muster_http_request_duration_seconds_bucket{route=\"/api/v1/jobs/:jobId\",le=\"5\"} %[2]d\n"+
			"muster_http_request_duration_seconds_bucket{route=\"/api/v1/jobs/:jobId\",le=\"+Inf\"} %[2]d\n", n, 2*n)
	}))
	defer fake.Close()
	p := startPrometheus(t, map[string][]string{"muster-fake": {strings.TrimPrefix(fake.URL, "http://")}})
	for _, alert := range []string{"MusterChunksStalling", "MusterChunksFailed", "MusterDatabaseTrouble", "MusterExportsFailing", "MusterPollsSlow"} {
		p.fires(alert, "figures that were made up")
	}
}

// queues returns the inspector of asynq's queues.
func (s *stack) queues() *asynq.Inspector { return asynq.NewInspectorFromRedisClient(s.rdb) }
