package integration

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/musterhq/muster/internal/store"
	"github.com/musterhq/muster/internal/store/storetest"
	"github.com/musterhq/muster/internal/testenv"
)

// root is the module's folder.
var root = filepath.Join("..", "..")

// binaries is where TestMain built api, worker and muster.
var binaries string

func TestMain(m *testing.M) {
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "muster-bin-")
		if err != nil {
			panic(err)
		}
		defer func() { _ = os.RemoveAll(dir) }()
		args := []string{"build", "-o", dir, "github.com/musterhq/muster/cmd/..."}
		if raceDetector { // the races to look for are in the processes, not in this test
			args = append([]string{"build", "-race"}, args[1:]...)
		}
		build := exec.Command("go", args...)
		if out, err := build.CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "build the commands: %v\n%s", err, out)
			return 1
		}
		binaries = dir
		defer writeResults()
		return m.Run()
	}())
}

// stack is a private database and Redis, and the processes that a test starts on them.
type stack struct {
	t             testing.TB
	engine        string
	database      string
	redis         *testenv.Process
	rdb           redis.UniversalClient
	store         *store.Store
	env           []string
	server        storetest.Engine
	files         string // the folder of the file store
	procs         []*proc
	hooks         bool   // start processes that have internal/crash's hooks
	control       string // start processes that also lack what this control takes away
	from          string // start the commands that lie here, not this tree's
	flakyDatabase bool   // the database's answers may get lost, and with them the log line about a job's end
}

// eachServer runs fn on every MySQL and MariaDB server that is present.
func eachServer(t *testing.T, fn func(t *testing.T, s *stack)) {
	t.Helper()
	testenv.Redis(t) // skips, or fails, where there is none
	for _, e := range storetest.Engines(t) {
		if e.Name == "sqlite" {
			continue // the embedded stack has a test of its own
		}
		t.Run(e.Name, func(t *testing.T) { fn(t, newStack(t, e)) })
	}
}

func newStack(t testing.TB, e storetest.Engine) *stack { t.Helper(); return newStackOn(t, e, e.New(t)) }

// newStackOn is newStack on a database that is there.
func newStackOn(t testing.TB, e storetest.Engine, database string) *stack {
	t.Helper()
	p, err := testenv.StartRedis(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Kill() })
	s := &stack{t: t, engine: e.Name, server: e, database: database, redis: p, files: filepath.Join(t.TempDir(), "files")}
	s.rdb = redis.NewClient(&redis.Options{Addr: p.Addr})
	t.Cleanup(func() { _ = s.rdb.Close() })
	s.store = storetest.Open(t, s.database, store.Options{})
	s.env = append(os.Environ(), shortLeases...)
	s.env = append(s.env, "MUSTER_DATABASE="+s.database, "MUSTER_REDIS=redis://"+p.Addr, "MUSTER_ADMIN_ADDR=off", "MUSTER_LOG_LEVEL=debug",
		"MUSTER_FILES=file://"+s.files)
	return s
}

// shortLeases makes leases and the interval of the reconciler short, for tests that kill processes.
var shortLeases = []string{"MUSTER_LEASE=2s", "MUSTER_RECONCILE_INTERVAL=250ms", "MUSTER_DRAIN_TIMEOUT=5s", "MUSTER_RANDOMUSER_WINDOW=5s"}

// proc is one of Muster's processes.
type proc struct {
	t    testing.TB
	name string
	cmd  *exec.Cmd
	log  *buffer
	done chan struct{}
	base string // of an API, with /api/v1

	version version
	ops     string        // of an API with operators' pages
	timeout time.Duration // of call, if not 30 s
}

// buffer is a log that is read while it is written.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) { b.mu.Lock(); defer b.mu.Unlock(); return b.b.Write(p) }
func (b *buffer) String() string              { b.mu.Lock(); defer b.mu.Unlock(); return b.b.String() }

func (s *stack) start(binary string, env ...string) *proc {
	s.t.Helper()
	p := &proc{t: s.t, name: binary, version: newer, log: &buffer{}, done: make(chan struct{})}
	dir := binaries
	switch {
	case s.from != "":
		dir, p.version = s.from, older
	case s.hooks || s.control != "":
		var err error
		if dir, err = chaosBuild(s.control); err != nil {
			s.t.Fatal(err)
		}
	}
	p.cmd = exec.Command(filepath.Join(dir, binary))
	p.cmd.Env = append(append([]string{}, s.env...), env...)
	p.cmd.Stdout, p.cmd.Stderr = p.log, p.log
	p.cmd.Dir = s.t.TempDir()
	if err := p.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.procs = append(s.procs, p)
	go func() { _ = p.cmd.Wait(); close(p.done) }()
	s.t.Cleanup(func() {
		p.kill()
		p.checkPrivate()
		if s.t.Failed() {
			s.t.Logf("the end of %s's log:\n%s", binary, tail(p.log.String(), 25))
		}
	})
	return p
}

func tail(s string, n int) string {
	lines := strings.Split(strings.TrimSpace(s), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}

func (p *proc) signal(sig syscall.Signal) { _ = p.cmd.Process.Signal(sig) }

func (p *proc) kill() {
	p.signal(syscall.SIGKILL)
	<-p.done
}

// api starts an API and waits until it is ready.
func (s *stack) api(env ...string) *proc {
	s.t.Helper()
	port, err := testenv.FreePort()
	if err != nil {
		s.t.Fatal(err)
	}
	addr := fmt.Sprintf("127.0.0.1:%d", port)
	p := s.start("api", append([]string{"MUSTER_HTTP_ADDR=" + addr}, env...)...)
	p.base = "http://" + addr + "/api/v1"
	eventually(s.t, time.Minute, "the API is ready", func() bool {
		p.mustRun("the API is ready")
		resp, err := http.Get("http://" + addr + "/readyz")
		if err != nil {
			return false
		}
		_ = resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	})
	return p
}

// admin starts an API that has its operators' pages.
func (s *stack) admin(env ...string) *proc {
	s.t.Helper()
	port, err := testenv.FreePort()
	if err != nil {
		s.t.Fatal(err)
	}
	addr := fmt.Sprintf("127.0.0.1:%d", port)
	p := s.api(append(env, "MUSTER_ADMIN_ADDR="+addr)...)
	p.ops = "http://" + addr
	return p
}

// profile returns a number that follows a word in a text profile of the process.
func (p *proc) profile(name, pattern string) int {
	p.t.Helper()
	resp, err := http.Get(p.ops + "/debug/pprof/" + name + "?debug=1&gc=1")
	if err != nil {
		p.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	m := regexp.MustCompile(pattern).FindSubmatch(body)
	if err != nil || m == nil {
		p.t.Fatalf("profile %s has no %s: %v", name, pattern, err)
	}
	n, err := strconv.Atoi(string(m[1]))
	if err != nil {
		p.t.Fatal(err)
	}
	return n
}

func (p *proc) goroutines() int { p.t.Helper(); return p.profile("goroutine", `total (\d+)`) }

// mustRun ends the test if the process has ended before what was waited for.
func (p *proc) mustRun(what string) {
	p.t.Helper()
	select {
	case <-p.done:
		p.t.Fatalf("%s: it ended: %s", what, tail(p.log.String(), 1))
	default:
	}
}

func (s *stack) workers(n int, env ...string) []*proc {
	s.t.Helper()
	var all []*proc
	for range n {
		all = append(all, s.start("worker", env...))
	}
	for _, w := range all {
		eventually(s.t, time.Minute, "the worker runs", func() bool {
			if strings.Contains(w.log.String(), "worker runs") {
				return true
			}
			w.mustRun("the worker runs")
			return false
		})
	}
	return all
}

// killWorkers ends the workers at once, as a crash would.
func (s *stack) killWorkers() {
	for _, p := range s.procs {
		if p.name == "worker" {
			p.kill()
		}
	}
}

// stopWorkers tells the workers to stop and waits until they have.
func (s *stack) stopWorkers() {
	s.t.Helper()
	for _, p := range s.procs {
		if p.name == "worker" {
			p.signal(syscall.SIGTERM)
		}
	}
	for _, p := range s.procs {
		if p.name == "worker" {
			p.waitExit(10 * time.Second)
		}
	}
}

// waitExit waits until the process has ended.
func (p *proc) waitExit(deadline time.Duration) {
	p.t.Helper()
	select {
	case <-p.done:
	case <-time.After(deadline):
		p.t.Fatalf("a %s does not stop within %s", p.name, deadline)
	}
}

// eventually polls until ok, which must come within the deadline.
func eventually(t testing.TB, deadline time.Duration, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(deadline); ; <-tick.C {
		if ok() {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("not within %s: %s", deadline, what)
		}
	}
}

// response is a job or an error, as the API sends it.
type response struct {
	HTTP        int         `json:"-"`
	Header      http.Header `json:"-"`
	JobID       string      `json:"jobId"`
	Status      any         `json:"status"` // a number in errors
	Tier        string      `json:"tier"`
	Requested   int64       `json:"requestedCount"`
	Processed   int64       `json:"processedCount"`
	Rejected    int64       `json:"rejectedCount"`
	Progress    int         `json:"progress"`
	Rate        int64       `json:"ratePerSecond"`
	Seed        int64       `json:"seed"`
	FirstID     int64       `json:"firstId"`
	Code        string      `json:"code"`
	Message     string      `json:"message"`
	ErrorCode   string      `json:"errorCode"`
	Undone      bool        `json:"undone"`
	FinishedAt  *time.Time  `json:"finishedAt"`
	Phase       string      `json:"phase"`
	Outcome     outcome     `json:"outcome"`
	RawResponse string      `json:"-"`
}

func (v response) terminal() bool {
	return v.Status == "COMPLETED" || v.Status == "FAILED" || v.Status == "CANCELLED"
}

// call makes a request; header holds name and value in turn. It does not fail the test when the API is gone.
func (p *proc) call(method, path, user string, header ...string) (response, error) {
	return p.send(method, path, user, nil, header...)
}

// send is call with a body.
func (p *proc) send(method, path, user string, body io.Reader, header ...string) (response, error) {
	ctx, cancel := context.WithTimeout(context.Background(), cmp.Or(p.timeout, 30*time.Second))
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, p.base+path, body)
	if err != nil {
		return response{}, err
	}
	if user != "" {
		req.Header.Set("X-USER-ID", user)
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return response{}, err
	}
	defer func() { _ = resp.Body.Close() }()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		return response{}, err
	}
	v := response{HTTP: resp.StatusCode, Header: resp.Header, RawResponse: string(answer)}
	if len(answer) == 0 { // HEAD, and what tus answers
		return v, nil
	}
	return v, json.Unmarshal(answer, &v)
}

func (p *proc) must(method, path, user string, want int, header ...string) response {
	p.t.Helper()
	v, err := p.call(method, path, user, header...)
	if err != nil {
		p.t.Fatalf("%s %s: %v", method, path, err)
	}
	if v.HTTP != want {
		p.t.Fatalf("%s %s: %d, want %d: %s", method, path, v.HTTP, want, v.RawResponse)
	}
	return v
}

// follow polls a job to its end and checks that its progress only grows, that of a file in each phase.
func (p *proc) follow(id, user string, deadline time.Duration) response {
	p.t.Helper()
	var last response
	eventually(p.t, deadline, "job "+id+" ends", func() bool {
		v := p.must(http.MethodGet, "/jobs/"+id, user, http.StatusOK)
		if v.Processed < last.Processed || v.Phase == last.Phase && v.Progress < last.Progress {
			p.t.Fatalf("progress went back from %d (%d %%) to %d (%d %%)", last.Processed, last.Progress, v.Processed, v.Progress)
		}
		last = v
		return v.terminal()
	})
	return last
}

// events reads the events of a job to their end, and returns what they showed.
func (p *proc) events(id, user string) (seen []response) {
	req, err := http.NewRequest(http.MethodGet, p.base+"/jobs/"+id+"/events", nil)
	if err != nil {
		p.t.Error(err)
		return nil
	}
	req.Header.Set("X-USER-ID", user)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		p.t.Error(err)
		return nil
	}
	defer func() { _ = resp.Body.Close() }()
	lines := bufio.NewScanner(resp.Body)
	for lines.Scan() {
		if data, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
			var v response
			if err := json.Unmarshal([]byte(data), &v); err != nil {
				p.t.Errorf("event %q: %v", data, err)
			}
			seen = append(seen, v)
		}
	}
	if err := lines.Err(); err != nil {
		p.t.Error(err)
	}
	return seen
}
