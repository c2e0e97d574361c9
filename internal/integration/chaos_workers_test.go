package integration

import (
	"database/sql"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/musterhq/muster/internal/job"
)

// noCooldown is the default tier table without the wait after a large job.
const noCooldown = "MUSTER_TIERS=SMALL:100:10,MEDIUM:10000:5,LARGE:100000:3,XL:0:1"

// load keeps the workers busy with a large import: when one is over, the next is submitted.
type load struct {
	api   *proc
	rows  int
	users map[string]string // by job
	now   response
	over  int64 // users of the imports that are over
}

func newLoad(api *proc, rows int) *load {
	return &load{api: api, rows: rows, users: map[string]string{}}
}

// running submits an import when none runs, and returns how many users are stored so far.
func (w *load) running() int64 {
	w.api.t.Helper()
	if w.now.JobID != "" {
		w.now = w.api.must("GET", "/jobs/"+w.now.JobID, w.users[w.now.JobID], http.StatusOK)
	}
	if w.now.JobID == "" || w.now.terminal() {
		w.over += w.now.Processed
		user := fmt.Sprintf("user%d", len(w.users))
		w.now = w.api.submit(user, w.rows)
		w.users[w.now.JobID] = user
	}
	return w.over + w.now.Processed
}

// finish waits for the last import and returns all of them.
func (w *load) finish() (ids []string, users int) {
	w.api.t.Helper()
	w.api.follow(w.now.JobID, w.users[w.now.JobID], 5*time.Minute)
	for id := range w.users {
		ids = append(ids, id)
	}
	return ids, len(ids) * w.rows
}

// R1: workers killed at random, now and then the whole fleet. The count is exact, and work goes on within five seconds.
func TestChaosR1KillStorm(t *testing.T) {
	eachServer(t, func(t *testing.T, s *stack) {
		chaos(t, "R1", "kill -9 of workers", s, func(s *stack) string {
			return killStorm(s, rounds(8, 100), rounds(100_000, 1_000_000))
		})
		// Kills alone never bring two workers to one chunk, so the fence has no part in this; that rows and checkpoint
		// commit together has.
		control(t, "R1", s, "batch-in-two-transactions", wrongRows, func(s *stack) string { return killStorm(s, 12, 100_000) })
		control(t, "R1", s, "no-reconciler", `progress after kill|`+neverEnds, func(s *stack) string { return killStorm(s, 12, 100_000) })
	})
}

func killStorm(s *stack, kills, rows int) string {
	t := s.t
	random := chaosSeed(t)
	s.env = append(s.env, noCooldown, "MUSTER_BATCH_ROWS=500")
	api := s.api()
	workers := s.workers(4)
	w := newLoad(api, rows)
	slowest := time.Duration(0)
	for kill := 0; kill < kills; {
		w.running()
		pause(t, between(random, 100*time.Millisecond, 400*time.Millisecond))
		n, first := 1, random.IntN(len(workers))
		if random.IntN(10) == 0 {
			n = len(workers)
		}
		before := w.running()
		for i := range n {
			at := (first + i) % len(workers)
			workers[at].kill()
			workers[at] = s.start("worker")
		}
		kill += n
		killed := time.Now()
		eventually(t, 5*time.Second, fmt.Sprintf("progress after kill %d", kill), func() bool { return w.running() > before })
		slowest = max(slowest, time.Since(killed))
	}
	ids, users := w.finish()
	s.audit(api, fakerRow(t), ids...)
	return fmt.Sprintf("%d kills, %d users exact, progress after at most %d ms", kills, users, slowest.Milliseconds())
}

// The sole worker dies: its chunk goes on with the next one. How soon is in the table: some 3 s of the short profile on a quiet machine.
func TestChaosR1DeadWorkersChunkGoesOn(t *testing.T) {
	eachServer(t, func(t *testing.T, s *stack) {
		chaos(t, "R1", "the sole worker's chunk", s, deadWorkersChunk)
	})
}

func deadWorkersChunk(s *stack) string {
	t := s.t
	// Small chunks: the next worker first does what is in the queue before the dead one's chunks.
	s.env = append(s.env, "MUSTER_CHUNK_ROWS=5000")
	api := s.api()
	first := s.workers(1)[0]
	v := api.submit("ann", 100_000)
	eventually(t, 20*time.Second, "the job moves", func() bool {
		return api.must("GET", "/jobs/"+v.JobID, "ann", 200).Processed > 0
	})
	first.kill()
	killed := time.Now()
	before := s.chunks(v.JobID)
	s.workers(1)
	eventually(t, 20*time.Second, "a chunk of the dead worker goes on", func() bool {
		for no, c := range s.chunks(v.JobID) {
			if before[no].Done > 0 && before[no].Left() > 0 && c.Done > before[no].Done {
				return true
			}
		}
		return false
	})
	took := time.Since(killed)
	api.follow(v.JobID, "ann", time.Minute)
	s.audit(api, fakerRow(t), v.JobID)
	return fmt.Sprintf("went on after %d ms", took.Milliseconds())
}

// R2: a frozen worker that wakes is stopped by the guard.
func TestChaosR2FrozenWorkers(t *testing.T) {
	eachServer(t, func(t *testing.T, s *stack) {
		chaos(t, "R2", "SIGSTOP of workers", s, func(s *stack) string { return freezes(s, rounds(4, 30), rounds(1, 10)) })
		control(t, "R2", s, "batch-without-fence", wrongRows, func(s *stack) string { return freezes(s, 10, 0) })
	})
}

// freezes freezes two of three workers at a time, beyond the lease of 2 s.
func freezes(s *stack, n, least int) string {
	t := s.t
	random := chaosSeed(t)
	// Chunks are long and the other workers have room for more, so that a frozen worker wakes up while another works on its
	// chunk.
	s.env = append(s.env, noCooldown, "MUSTER_CHUNK_ROWS=60000", "MUSTER_BATCH_ROWS=100", "MUSTER_WORKER_CONCURRENCY=4")
	api := s.api()
	workers := s.workers(3)
	w := newLoad(api, 240_000)
	for i := 0; i < n; i += 2 {
		w.running()
		pause(t, between(random, 200*time.Millisecond, 500*time.Millisecond))
		frozen := []*proc{workers[i%3], workers[(i+1)%3]}
		for _, p := range frozen {
			p.signal(syscall.SIGSTOP)
		}
		pause(t, between(random, 2500*time.Millisecond, 4*time.Second))
		for _, p := range frozen {
			p.signal(syscall.SIGCONT)
		}
	}
	ids, users := w.finish()
	fenced := 0
	for _, p := range workers {
		fenced += strings.Count(p.log.String(), "somebody else's or over; stopped")
	}
	s.audit(api, fakerRow(t), ids...)
	if fenced < least {
		t.Errorf("%d freezes, and only %d batches were fenced", n, fenced)
	}
	return fmt.Sprintf("%d freezes, %d fenced batches, %d users exact", n, fenced, users)
}

// R13: one chunk of 20 always panics. It fails after three claims, the others are stored; a retry without the fault
// completes the job.
func TestChaosR13PoisonChunk(t *testing.T) {
	eachServer(t, func(t *testing.T, s *stack) {
		fullOnly(t)
		chaos(t, "R13", "a chunk that always panics", s, poisonChunk)
	})
}

func poisonChunk(s *stack) string {
	t := s.t
	s.env = append(s.env, "MUSTER_CHUNK_ROWS=500")
	api := s.api()
	s.control = "poison-chunk"
	s.workers(1)
	s.control = ""
	v := api.submit("ann", 10_000)
	began := time.Now()
	end := api.follow(v.JobID, "ann", 15*time.Second)
	took := time.Since(began)
	if end.Status != "FAILED" || end.ErrorCode != "chunk_failed" || end.Processed != 9500 {
		t.Fatal(end.RawResponse)
	}
	for _, c := range s.rows(`SELECT stalls, claims, state = 'FAILED', rows_done FROM job_chunks WHERE job_id = ? AND chunk_no = 7`, v.JobID) {
		if c != [4]int64{3, 3, 1, 0} {
			t.Errorf("the poison chunk has stalls, claims, failed, rows %v, want 3 3 1 0", c)
		}
	}
	s.killWorkers()
	s.workers(1)
	api.must("POST", "/jobs/"+v.JobID+"/retry", "ann", http.StatusOK)
	api.follow(v.JobID, "ann", 30*time.Second)
	s.audit(api, fakerRow(t), v.JobID)
	return fmt.Sprintf("FAILED after %d ms and 3 stalls with 19 of 20 chunks, COMPLETED by a retry", took.Milliseconds())
}

// rows returns what a query of four numbers a row finds, for what the store tells nobody.
func (s *stack) rows(query string, args ...any) (list [][4]int64) {
	s.t.Helper()
	u, err := url.Parse(s.database)
	if err != nil {
		s.t.Fatal(err)
	}
	cfg := mysql.NewConfig()
	cfg.Net, cfg.Addr, cfg.DBName, cfg.User = "tcp", u.Host, u.Path[1:], u.User.Username()
	cfg.Passwd, _ = u.User.Password()
	db, err := sql.Open("mysql", cfg.FormatDSN())
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	found, err := db.QueryContext(s.t.Context(), query, args...)
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = found.Close() }()
	for found.Next() {
		var r [4]int64
		if err := found.Scan(&r[0], &r[1], &r[2], &r[3]); err != nil {
			s.t.Fatal(err)
		}
		list = append(list, r)
	}
	if err := found.Err(); err != nil {
		s.t.Fatal(err)
	}
	return list
}

// R15: workers are told to stop one after the other, as in a deploy, and at last all at once: quick exits, no stall, exact.
func TestChaosR15RollingDeploy(t *testing.T) {
	eachServer(t, func(t *testing.T, s *stack) {
		fullOnly(t)
		chaos(t, "R15", "SIGTERM of workers in turn", s, func(s *stack) string { return rollingDeploy(s, 20) })
	})
}

func rollingDeploy(s *stack, exits int) string {
	t := s.t
	random := chaosSeed(t)
	s.env = append(s.env, "MUSTER_BATCH_ROWS=200")
	api := s.api()
	workers := s.workers(3)
	v := api.submit("ann", 1_000_000)
	slowest := time.Duration(0)
	stop := func(all ...*proc) {
		if now := s.job(v.JobID); now.Status != job.InProgress && now.Status != job.Pending {
			t.Fatalf("the job is %s before the workers are told to stop", now.Status)
		}
		told := time.Now()
		for _, w := range all {
			w.signal(syscall.SIGTERM)
		}
		for _, w := range all {
			w.waitExit(10 * time.Second)
			if code := w.cmd.ProcessState.ExitCode(); code != 0 {
				t.Errorf("a worker that was told to stop exits with %d", code)
			}
		}
		slowest = max(slowest, time.Since(told))
	}
	for i := range exits - len(workers) {
		pause(t, between(random, 50*time.Millisecond, 300*time.Millisecond))
		stop(workers[i%3])
		workers[i%3] = s.workers(1)[0]
	}
	stop(workers...)
	// Nobody has claimed a chunk since, so the chunks show what each worker gave back.
	given := 0
	for _, c := range s.rows(`SELECT stalls, lease_until, rows_done, chunk_no FROM job_chunks WHERE job_id = ? AND state = 'READY'`, v.JobID) {
		if c[0] != 0 || c[1] != 0 {
			t.Errorf("chunk %d, which was given back, has %d stalls and a lease until %d", c[3], c[0], c[1])
		}
		if c[2] > 0 {
			given++
		}
	}
	if given == 0 {
		t.Error("no chunk was in hand when the fleet was told to stop")
	}
	s.workers(3, "MUSTER_BATCH_ROWS=1000")
	api.follow(v.JobID, "ann", 5*time.Minute)
	s.audit(api, fakerRow(t), v.JobID)
	return fmt.Sprintf("%d exits, the slowest after %d ms, 0 stalls", exits, slowest.Milliseconds())
}
