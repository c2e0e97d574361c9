package integration

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/Shopify/toxiproxy/v2"
	"github.com/rs/zerolog"
)

// R11: the answer to COMMIT is lost a hundred times. Each batch is there once, and no chunk has to be claimed again for it.
func TestChaosR11LostCommits(t *testing.T) {
	eachServer(t, func(t *testing.T, s *stack) {
		fullOnly(t)
		chaos(t, "R11", "answers of COMMIT lost", s, func(s *stack) string { return lostCommits(s, 100) })
		control(t, "R11", s, "batch-without-fence", wrongRows, func(s *stack) string { return lostCommits(s, 10) }) // a blind retry
		control(t, "R11", s, "lost-commit-unrecognized", takenForAnothers, func(s *stack) string { return lostCommits(s, 10) })
	})
}

const takenForAnothers = `its own commit was taken for somebody else's`

func lostCommits(s *stack, n int64) string {
	t := s.t
	u, err := url.Parse(s.database)
	if err != nil {
		t.Fatal(err)
	}
	p := newCommitProxy(t, u.Host, n)
	u.Host = p.addr
	s.hooks, s.flakyDatabase = true, true
	api := s.api()
	w := s.workers(1, "MUSTER_DATABASE="+u.String(), "MUSTER_BATCH_ROWS=250", "MUSTER_CHAOS_SHOW=batch.resolved")[0]
	v := api.submit("ann", 100_000)
	api.follow(v.JobID, "ann", 4*time.Minute)
	if lost := p.lost.Load(); lost != n {
		t.Errorf("%d answers were lost, want %d", lost, n)
	}
	for _, c := range s.chunks(v.JobID) {
		if c.Claims != 1 {
			t.Errorf("chunk %d was claimed %d times: its own commit was taken for somebody else's", c.No, c.Claims)
		}
	}
	s.audit(api, fakerRow(t), v.JobID)
	return fmt.Sprintf("%d lost, %d batches resolved at once", n, w.resolved())
}

// resolved returns how many commits, whose answers were lost, the worker found made.
func (p *proc) resolved() int { return strings.Count(p.log.String(), "passed batch.resolved") }

// R12: a slow line, a thin one, a black hole and resets, on Redis and on the database, while jobs run.
func TestChaosR12Network(t *testing.T) {
	eachServer(t, func(t *testing.T, s *stack) {
		fullOnly(t)
		chaos(t, "R12", "latency, thin line, black hole, resets", s, func(s *stack) string { return badNetwork(s, toxics) })
		control(t, "R12", s, "redis-without-timeouts", "no answer within", func(s *stack) string { return badNetwork(s, []string{blackHole}) })
	})
}

const blackHole = `"type":"timeout","attributes":{"timeout":0}`

var toxics = []string{
	`"type":"latency","attributes":{"latency":200,"jitter":100}`, `"type":"bandwidth","attributes":{"rate":20}`,
	blackHole, `"type":"reset_peer","attributes":{"timeout":50}`,
}

// proxied is a server behind a proxy.
type proxied struct {
	name  string
	proxy *toxiproxy.Proxy
}

// proxies puts a proxy before Redis and one before the database.
func (s *stack) proxies() []proxied {
	t := s.t
	u, err := url.Parse(s.database)
	if err != nil {
		t.Fatal(err)
	}
	zerolog.SetGlobalLevel(zerolog.Disabled) // toxiproxy's faults log by zerolog
	server := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop())
	all := []proxied{
		{"redis", toxiproxy.NewProxy(server, "redis", "127.0.0.1:0", s.redis.Addr)},
		{"database", toxiproxy.NewProxy(server, "database", "127.0.0.1:0", u.Host)},
	}
	for _, l := range all {
		if err := l.proxy.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(l.proxy.Stop)
	}
	u.Host = all[1].proxy.Listen
	s.env = append(s.env, "MUSTER_DATABASE="+u.String(), "MUSTER_REDIS=redis://"+all[0].proxy.Listen)
	return all
}

// badNetwork lets each fault last on each connection until the API has answered for 4 s; every answer has 12 s, 10 of
// which are the API's own timeout for its servers.
func badNetwork(s *stack, toxics []string) string {
	t := s.t
	s.flakyDatabase = true
	s.env = append(s.env, noCooldown, "MUSTER_SLOT_RESERVE_LEASE=2s")
	servers := s.proxies()
	api := s.admin()
	api.timeout = 12 * time.Second
	workers := s.workers(2, "MUSTER_BATCH_ROWS=200")
	w := newLoad(api, 200_000)
	w.running()
	before := api.goroutines()
	slowest := time.Duration(0)
	var ids []string
	for i, toxic := range toxics {
		for _, l := range servers {
			w.running()
			caller := fmt.Sprintf("%s%d", l.name, i)
			l.with(t, toxic, func() { slowest = max(slowest, w.underFault(toxic+" on "+l.name, caller)) })
			ids = append(ids, api.retried(caller, 500))
		}
	}
	large, users := w.finish()
	ids = append(ids, large...)
	for _, id := range ids {
		api.follow(id, s.job(id).Owner, 3*time.Minute)
	}
	s.noLeaks(api, before, workers)
	s.audit(api, fakerRow(t), ids...)
	return fmt.Sprintf("%d faults, %d users exact, the slowest answer %d ms, no goroutine left", 2*len(toxics), users, slowest.Milliseconds())
}

// with runs fn while the connection has the fault.
func (l proxied) with(t testing.TB, toxic string, fn func()) {
	t.Helper()
	if _, err := l.proxy.Toxics.AddToxicJson(strings.NewReader(`{"name":"bad","stream":"downstream",` + toxic + `}`)); err != nil {
		t.Fatal(err)
	}
	fn()
	if err := l.proxy.Toxics.RemoveToxic(t.Context(), "bad"); err != nil {
		t.Fatal(err)
	}
}

// underFault looks at the job for 4 s and then submits another one. It returns how long the slowest answer took.
func (w *load) underFault(fault, caller string) (slowest time.Duration) {
	ask := func(method, path, user string, want int, header ...string) {
		began := time.Now()
		got, err := w.api.call(method, path, user, header...)
		if err != nil || got.HTTP != want && got.HTTP != http.StatusServiceUnavailable {
			w.api.t.Errorf("%s: no answer within %s, or a wrong one: %v %d %s", fault, w.api.timeout, err, got.HTTP, got.RawResponse)
		}
		slowest = max(slowest, time.Since(began))
	}
	for end := time.Now().Add(4 * time.Second); time.Now().Before(end); pause(w.api.t, 100*time.Millisecond) {
		ask("GET", "/jobs/"+w.now.JobID, w.users[w.now.JobID], http.StatusOK)
	}
	ask("POST", importPath(caller, 500), caller, http.StatusAccepted, "Idempotency-Key", caller)
	return slowest
}

// retried asks until the import is accepted; the user's name is the key.
func (p *proc) retried(user string, count int) (id string) {
	p.t.Helper()
	eventually(p.t, 20*time.Second, "the import of "+user+" is accepted", func() bool {
		v, err := p.call("POST", importPath(user, count), user, "Idempotency-Key", user)
		id = v.JobID
		return err == nil && v.HTTP == http.StatusAccepted
	})
	return id
}

// noLeaks compares the goroutines of the API with those before, and those of workers that lived through faults with a
// new one's.
func (s *stack) noLeaks(api *proc, before int, workers []*proc) {
	t := s.t
	const pools = 8 // connections come and go, each with its goroutines
	http.DefaultClient.CloseIdleConnections()
	eventually(t, 20*time.Second, fmt.Sprintf("the API is down to its %d goroutines", before), func() bool {
		return api.goroutines() <= before+pools
	})
	idle := s.workers(1)[0].dump()
	for _, w := range workers {
		if n := w.dump(); n > idle+pools {
			t.Errorf("a worker has %d goroutines after the faults, a new one %d:\n%s", n, idle, tail(w.log.String(), 500))
		}
	}
}

// dump ends the process and returns how many goroutines it had: Go programs list them on SIGQUIT.
func (p *proc) dump() int {
	p.t.Helper()
	p.signal(syscall.SIGQUIT)
	p.waitExit(10 * time.Second)
	return strings.Count(p.log.String(), "\ngoroutine ")
}
