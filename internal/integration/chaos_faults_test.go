package integration

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/Shopify/toxiproxy/v2"
	"github.com/rs/zerolog"

	"github.com/musterhq/muster/internal/testenv"
)

// points are those of internal/crash that a worker passes.
var points = []string{
	"claim.begin", "claim.taken", "claim.read",
	"batch.begin", "batch.guarded", "batch.inserted", "batch.committed", "batch.counted", "batch.shown",
	"chunk.done", "chunk.rung", "finish.begin", "finish.moved",
	"settle.begin", "settle.freed", "settle.shown", "settle.settled",
	"keeper.begin", "keeper.finished", "keeper.looked", "keeper.rung", "keeper.renewed",
}

// R4: a worker dies at each named point, at the first, second and third time it comes there.
func TestChaosR4CrashPoints(t *testing.T) {
	eachServer(t, func(t *testing.T, s *stack) {
		if rounds(0, 1) == 0 {
			t.Skip("the short set leaves it out")
		}
		chaos(t, "R4", "a crash at each point", s, func(s *stack) string { return crashPoints(s, points, 3) })
		control(t, "R4", s, "keeper", func(s *stack) { crashPoints(s, []string{"batch.committed", "claim.taken"}, 1) })
	})
}

func crashPoints(s *stack, at []string, hits int) string {
	t := s.t
	s.hooks = true
	s.env = append(s.env, "MUSTER_CHUNK_ROWS=300", "MUSTER_BATCH_ROWS=100", "MUSTER_WORKER_CONCURRENCY=1")
	api := s.api()
	var list []string
	died := 0
	for _, point := range at {
		for hit := 1; hit <= hits; hit++ {
			dying := s.start("worker", fmt.Sprintf("MUSTER_CHAOS_CRASH=%s:%d", point, hit))
			caller := fmt.Sprintf("user%d", len(list))
			v := api.must("POST", "/import/bulk?count=1200", caller, http.StatusAccepted)
			select {
			case <-dying.done:
				died++
			case <-time.After(3 * time.Second): // not every point comes so often
				dying.kill()
			}
			s.workers(1)
			if end := api.follow(v.JobID, caller, 20*time.Second); end.Status != "COMPLETED" {
				t.Fatalf("%s:%d: %s", point, hit, end.RawResponse)
			}
			list = append(list, v.JobID)
			s.killWorkers()
		}
	}
	s.workers(1)
	s.audit(api, fakerRow(t), list...)
	return fmt.Sprintf("%d points, %d crashes, %d jobs exact", len(at), died, len(list))
}

// killWorkers ends the workers that the test started, so that each round has its own.
func (s *stack) killWorkers() {
	for _, p := range s.procs {
		if p.name == "worker" {
			p.kill()
		}
	}
}

// R5: the slots against a model in memory, and the model against a script that forgets to drop the dead.
func TestChaosR5SlotsModel(t *testing.T) {
	testenv.Redis(t)
	s := &stack{t: t, engine: "redis"}
	model := func(off string, checks int) error {
		args := []string{"test", "-count=1", "-run", "Model", "github.com/musterhq/muster/internal/ratelimit", "-rapid.checks=" + fmt.Sprint(checks)}
		if off != "" {
			args = append([]string{"test", "-tags", "chaos"}, args[1:]...)
		}
		cmd := exec.Command("go", args...)
		cmd.Env = append(cmd.Environ(), "MUSTER_CHAOS_OFF="+off)
		out, err := cmd.CombinedOutput()
		if err != nil && off == "" {
			t.Errorf("%s", out)
		}
		return err
	}
	chaos(t, "R5", "slots against a model", s, func(*stack) string {
		_ = model("", rounds(1000, 10_000))
		return fmt.Sprintf("%d sequences, 0 differences", rounds(1000, 10_000))
	})
	passed := model("purge", 1000) != nil
	results.add(result{ID: "R5", Engine: "redis", Test: "control: purge off", Passed: passed, Figures: "the model finds the difference"})
	if !passed {
		t.Error("the model does not see that dead slots are kept")
	}
}

// R8: Redis is killed under mixed jobs. What was accepted is done; what cannot be is refused with 503.
func TestChaosR8KillRedis(t *testing.T) {
	eachServer(t, func(t *testing.T, s *stack) {
		if rounds(0, 1) == 0 {
			t.Skip("the short set leaves it out")
		}
		chaos(t, "R8", "kill -9 of Redis", s, func(s *stack) string { return redisKills(t, s, 10) })
	})
}

func redisKills(t *testing.T, s *stack, kills int) string {
	for _, setting := range [][2]string{{"appendonly", "yes"}, {"appendfsync", "everysec"}} {
		if err := s.rdb.ConfigSet(t.Context(), setting[0], setting[1]).Err(); err != nil {
			t.Fatal(err)
		}
	}
	random := chaosSeed(t)
	api := s.api()
	s.workers(2)
	accepted := map[string]string{}
	refused := 0
	for i := range kills * 20 {
		caller := fmt.Sprintf("user%d", i%7)
		v, err := api.call("POST", fmt.Sprintf("/import/bulk?count=%d", 1+random.IntN(5000)), caller)
		switch {
		case err != nil:
			t.Fatal(err)
		case v.HTTP == http.StatusAccepted:
			accepted[v.JobID] = caller
		case v.HTTP == http.StatusServiceUnavailable, v.HTTP == http.StatusTooManyRequests:
			refused++
		default:
			t.Errorf("%d %s", v.HTTP, v.RawResponse)
		}
		if i%20 == 10 {
			_ = s.redis.Kill()
		}
		if i%20 == 13 {
			p, err := testenv.RestartRedis(s.redis, "--appendonly", "yes")
			if err != nil {
				t.Fatal(err)
			}
			s.redis = p
			t.Cleanup(func() { _ = p.Kill() })
		}
	}
	var list []string
	for id, caller := range accepted {
		if end := api.follow(id, caller, time.Minute); end.Status != "COMPLETED" {
			t.Error(end.RawResponse)
		}
		list = append(list, id)
	}
	s.audit(api, fakerRow(t), list...)
	return fmt.Sprintf("%d kills, %d accepted and done, %d refused", kills, len(list), refused)
}

// R11: the answer to COMMIT is lost a hundred times. Each batch is there once, and no chunk has to be claimed again for it.
func TestChaosR11LostCommits(t *testing.T) {
	eachServer(t, func(t *testing.T, s *stack) {
		if rounds(0, 1) == 0 {
			t.Skip("the short set leaves it out")
		}
		chaos(t, "R11", "answers of COMMIT lost", s, func(s *stack) string { return lostCommits(s, 100) })
		control(t, "R11", s, "moved", func(s *stack) { lostCommits(s, 10) })
	})
}

func lostCommits(s *stack, n int64) string {
	t := s.t
	u, err := url.Parse(s.database)
	if err != nil {
		t.Fatal(err)
	}
	p := newCommitProxy(t, u.Host, n)
	u.Host = p.addr
	api := s.api()
	s.workers(1, "MUSTER_DATABASE="+u.String(), "MUSTER_BATCH_ROWS=500")
	v := api.must("POST", "/import/bulk?count=200000", "ann", http.StatusAccepted)
	if end := api.follow(v.JobID, "ann", 4*time.Minute); end.Status != "COMPLETED" {
		t.Fatal(end.RawResponse)
	}
	if lost := p.lost.Load(); lost < n {
		t.Errorf("only %d answers were lost, want %d", lost, n)
	}
	chunks, err := s.store.Chunks(t.Context(), v.JobID)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range chunks {
		if c.Claims != 1 {
			t.Errorf("chunk %d was claimed %d times: its own commit was taken for somebody else's", c.No, c.Claims)
		}
	}
	s.audit(api, fakerRow(t), v.JobID)
	return fmt.Sprintf("%d lost, all resolved at once", p.lost.Load())
}

// commitProxy is a proxy for MySQL that lets COMMIT through to the server and cuts the connection instead of handing back
// the answer, until it has done so n times.
type commitProxy struct {
	addr, upstream string
	n              int64
	seen, lost     atomic.Int64
}

func newCommitProxy(t testing.TB, upstream string, n int64) *commitProxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	p := &commitProxy{addr: l.Addr().String(), upstream: upstream, n: n}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go p.serve(c)
		}
	}()
	return p
}

func (p *commitProxy) serve(client net.Conn) {
	defer func() { _ = client.Close() }()
	server, err := net.Dial("tcp", p.upstream)
	if err != nil {
		return
	}
	defer func() { _ = server.Close() }()
	var cut atomic.Bool
	go func() { // answers
		defer func() { _ = client.Close() }()
		buf := make([]byte, 64<<10)
		for {
			k, err := server.Read(buf)
			if err != nil || cut.Load() { // the server has committed: it answers
				return
			}
			if _, err := client.Write(buf[:k]); err != nil {
				return
			}
		}
	}()
	header := make([]byte, 4)
	for {
		if _, err := io.ReadFull(client, header); err != nil {
			return
		}
		size := binary.LittleEndian.Uint32(append(header[:3:3], 0))
		packet := make([]byte, 4+size)
		copy(packet, header)
		if _, err := io.ReadFull(client, packet[4:]); err != nil {
			return
		}
		// 3 is COM_QUERY. Every third, so that some batches go through and the job moves.
		if bytes.Equal(packet[4:], []byte("\x03COMMIT")) && p.seen.Add(1)%3 == 0 && p.lost.Add(1) <= p.n {
			cut.Store(true)
		}
		if _, err := server.Write(packet); err != nil {
			return
		}
	}
}

// R12: a slow line, a thin one, a black hole and resets, on Redis and on the database, while jobs run.
func TestChaosR12Network(t *testing.T) {
	eachServer(t, func(t *testing.T, s *stack) {
		if rounds(0, 1) == 0 {
			t.Skip("the short set leaves it out")
		}
		chaos(t, "R12", "latency, thin line, black hole, resets", s, func(s *stack) string { return badNetwork(t, s) })
	})
}

func badNetwork(t *testing.T, s *stack) string {
	u, err := url.Parse(s.database)
	if err != nil {
		t.Fatal(err)
	}
	server := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop())
	proxies := map[string]*toxiproxy.Proxy{}
	for name, upstream := range map[string]string{"redis": s.redis.Addr, "database": u.Host} {
		p := toxiproxy.NewProxy(server, name, "127.0.0.1:0", upstream)
		if err := p.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(p.Stop)
		proxies[name] = p
	}
	u.Host = proxies["database"].Listen
	s.env = append(s.env, "MUSTER_DATABASE="+u.String(), "MUSTER_REDIS=redis://"+proxies["redis"].Listen)
	api := s.api()
	s.workers(2)
	v := api.must("POST", "/import/bulk?count=400000", "ann", http.StatusAccepted)
	slowest := time.Duration(0)
	for _, toxic := range []string{
		`"type":"latency","attributes":{"latency":200,"jitter":100}`, `"type":"bandwidth","attributes":{"rate":20}`,
		`"type":"timeout","attributes":{"timeout":0}`, `"type":"reset_peer","attributes":{"timeout":50}`,
	} {
		for name, p := range proxies {
			if _, err := p.Toxics.AddToxicJson(strings.NewReader(`{"name":"bad","stream":"downstream",` + toxic + `}`)); err != nil {
				t.Fatal(err)
			}
			for end := time.Now().Add(4 * time.Second); time.Now().Before(end); {
				began := time.Now()
				if got, err := api.call("GET", "/jobs/"+v.JobID, "ann"); err != nil || got.HTTP != 200 && got.HTTP != 503 {
					t.Errorf("%s on %s: %v %d %s", toxic, name, err, got.HTTP, got.RawResponse)
				}
				slowest = max(slowest, time.Since(began))
				time.Sleep(200 * time.Millisecond)
			}
			if err := p.Toxics.RemoveToxic(t.Context(), "bad"); err != nil {
				t.Fatal(err)
			}
		}
	}
	if slowest > 15*time.Second {
		t.Errorf("an answer took %s", slowest)
	}
	if end := api.follow(v.JobID, "ann", 3*time.Minute); end.Status != "COMPLETED" {
		t.Fatal(end.RawResponse)
	}
	s.audit(api, fakerRow(t), v.JobID)
	return fmt.Sprintf("8 faults, 400,000 users exact, the slowest answer %d ms", slowest.Milliseconds())
}

// R13: one chunk of 20 always panics. It fails after three claims, the others are stored; a retry without the fault
// completes the job.
func TestChaosR13PoisonChunk(t *testing.T) {
	eachServer(t, func(t *testing.T, s *stack) {
		if rounds(0, 1) == 0 {
			t.Skip("the short set leaves it out")
		}
		chaos(t, "R13", "a chunk that always panics", s, poisonChunk)
	})
}

func poisonChunk(s *stack) string {
	t := s.t
	s.hooks = true
	s.env = append(s.env, "MUSTER_CHUNK_ROWS=500")
	api := s.api()
	s.start("worker", "MUSTER_CHAOS_OFF=chunk 7")
	v := api.must("POST", "/import/bulk?count=10000", "ann", http.StatusAccepted)
	began := time.Now()
	end := api.follow(v.JobID, "ann", 15*time.Second)
	took := time.Since(began)
	if end.Status != "FAILED" || end.ErrorCode != "chunk_failed" || end.Processed != 9500 {
		t.Fatal(end.RawResponse)
	}
	s.killWorkers()
	s.workers(1)
	api.must("POST", "/jobs/"+v.JobID+"/retry", "ann", http.StatusOK)
	if end := api.follow(v.JobID, "ann", 30*time.Second); end.Status != "COMPLETED" || end.Processed != 10_000 {
		t.Fatal(end.RawResponse)
	}
	s.audit(api, fakerRow(t), v.JobID)
	return fmt.Sprintf("FAILED after %d ms with 19 of 20 chunks, COMPLETED by a retry", took.Milliseconds())
}

// R16: every fuzz target for a while.
func TestChaosR16Fuzz(t *testing.T) {
	if rounds(0, 1) == 0 {
		t.Skip("the short set leaves it out")
	}
	s := &stack{t: t, engine: "none"}
	targets := [][2]string{
		{"FuzzBody", "internal/httpapi"}, {"FuzzCursor", "internal/httpapi"}, {"FuzzLists", "internal/httpapi"},
		{"FuzzAppendCSV", "internal/export"}, {"FuzzAppendString", "internal/export"}, {"FuzzDecodePage", "internal/source"},
	}
	chaos(t, "R16", "fuzzing", s, func(*stack) string {
		for _, target := range targets {
			out, err := exec.Command("go", "test", "-run", "^$", "-fuzz", "^"+target[0]+"$", "-fuzztime", "20s", "github.com/musterhq/muster/"+target[1]).CombinedOutput()
			if err != nil {
				t.Errorf("%s: %v\n%s", target[0], err, out)
			}
		}
		return fmt.Sprintf("%d targets, 20 s each", len(targets))
	})
}

// R17: an export whose client stops reading, and one whose client goes.
func TestChaosR17IdleClients(t *testing.T) {
	eachServer(t, func(t *testing.T, s *stack) {
		if rounds(0, 1) == 0 {
			t.Skip("the short set leaves it out")
		}
		chaos(t, "R17", "export clients that stop reading", s, idleClients)
	})
}

func idleClients(s *stack) string {
	t := s.t
	api := s.api("MUSTER_MAX_EXPORTS=4")
	s.workers(2)
	v := api.must("POST", "/import/bulk?count=300000", "ann", http.StatusAccepted)
	api.follow(v.JobID, "ann", 2*time.Minute)
	var conns []net.Conn
	for range 4 { // they take every place, and read nothing
		c, err := net.Dial("tcp", strings.TrimSuffix(strings.TrimPrefix(api.base, "http://"), "/api/v1"))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		if _, err := io.WriteString(c, "GET /api/v1/export/stream HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		first := make([]byte, len("HTTP/1.1 200"))
		if _, err := io.ReadFull(c, first); err != nil || string(first) != "HTTP/1.1 200" {
			t.Fatalf("%q, %v", first, err)
		}
		conns = append(conns, c)
	}
	export := func() (view, error) { return api.call("GET", "/export/stream?minAge=90&maxAge=90&format=json", "") }
	eventually(t, 5*time.Second, "all places are taken", func() bool {
		v, _ := export()
		return v.HTTP == http.StatusTooManyRequests
	})
	_ = conns[0].Close() // this one goes: its place is free at once
	eventually(t, 10*time.Second, "a place is free", func() bool {
		v, _ := export()
		return v.HTTP == http.StatusOK
	})
	var wg sync.WaitGroup
	began := time.Now()
	for _, c := range conns[1:] {
		wg.Go(func() { // the server's patience with the others ends
			time.Sleep(35 * time.Second)
			_, _ = io.Copy(io.Discard, c)
		})
	}
	wg.Wait()
	if took := time.Since(began); took > 50*time.Second {
		t.Errorf("the idle connections were cut after %s", took)
	}
	return "places, connections and memory are free again"
}
