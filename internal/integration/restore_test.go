package integration

import (
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/musterhq/muster/internal/job"
	"github.com/musterhq/muster/internal/store/storetest"
	"github.com/musterhq/muster/internal/testenv"
)

// A dump is taken while jobs run; then everything goes on for a while, and database and Redis are lost. On the dump, an empty
// Redis and the folder of the files, which is newer than the dump, all jobs go on from where the dump has them, and are exact.
func TestRestoreInMidImport(t *testing.T) {
	s, _ := ownDatabase(t)
	if _, err := exec.LookPath("mariadb-dump"); err != nil {
		testenv.Missing(t, "mariadb-dump")
		t.SkipNow()
	}
	// No cooldown: the second run of a job would begin it again.
	s.env = append(s.env, noCooldown, "MUSTER_CHUNK_ROWS=1000", "MUSTER_BATCH_ROWS=100", "MUSTER_WEBHOOK_ALLOWED_NETWORKS=127.0.0.1")
	b := backup{stack: s, api: s.api(), want: wantStatus{}}
	b.begin()
	dump := b.dump()
	b.goOn()
	s.killWorkers()
	b.api.kill()

	r := restored(t, s, dump)
	for _, id := range []string{b.running, b.file.id} {
		if j := r.job(id); j.Status != job.InProgress || j.Processed == 0 || j.Processed+j.Rejected >= j.Requested {
			t.Fatalf("the dump was not taken while job %s ran: it is %s with %d of %d", id, j.Status, j.Processed, j.Requested)
		}
	}
	api := r.api()
	r.workers(2)
	api.must(http.MethodPost, "/jobs/"+b.paused+"/resume", "ann", http.StatusOK)
	for id, status := range b.want {
		if end := api.follow(id, r.job(id).Owner, 2*time.Minute); end.Status != string(status) {
			t.Fatal(end.RawResponse)
		}
	}
	// What came after the dump never was: its key is free, and so are its ids.
	again := api.submit("late", 1234, "Idempotency-Key", "late")
	if again.JobID == b.late {
		t.Errorf("job %s is there, though it is younger than the dump", b.late)
	}
	api.follow(again.JobID, "late", time.Minute)
	b.want[again.JobID] = job.Completed
	eventually(t, time.Minute, "all ends are told", func() bool {
		return b.in.ids("job.completed of job "+b.running) == 2 && b.in.ids("job.completed of job "+b.paused) == 1
	})
	if n := b.in.ids("job.completed of job " + b.done); n != 1 {
		t.Errorf("the end of a job that was over and told of before the dump is told under %d ids", n)
	}
	r.flakyDatabase = true // jobs that were over before the dump did not end here
	r.settle(b.want)
	r.auditAll(api, b.want, b.before, b.file)
	r.auditExport(b.export, baseUsers)
}

// backup is a stack with jobs in flight, of which a dump is taken.
type backup struct {
	*stack
	api                         *proc
	in                          *inbox
	want                        wantStatus
	before, file                fileJob
	done, running, paused, late string
	export                      string
}

// begin submits jobs, and waits until those that take longest have begun.
func (b *backup) begin() {
	t := b.t
	b.in = b.api.receiver("ann")
	b.workers(2)
	submit := func(owner string, count int) string {
		id := b.api.submit(owner, count).JobID
		b.want[id] = job.Completed
		return id
	}
	random := chaosSeed(t)
	base := submit("ann", baseUsers)
	b.api.follow(base, "ann", time.Minute)
	old := newFile(random, mix{set: "people", n: 2000, again: 1, step: 3})
	b.before = b.api.importFile("files", old, strategy{onDuplicate: job.DuplicateInsert}, old.text)
	b.done = submit("ann", 2000)
	b.api.complete(b.before)
	b.api.follow(b.done, "ann", time.Minute)
	eventually(t, time.Minute, "the end is told", func() bool { return b.in.ids("job.completed of job "+b.done) == 1 })

	b.paused = submit("ann", 9000)
	b.api.moves("ann", b.paused)
	b.api.must(http.MethodPost, "/jobs/"+b.paused+"/pause", "ann", http.StatusOK)
	f := newFile(random, mix{set: "people", n: 40_000, bad: 1, again: 10, step: 1, variants: 5})
	b.file = b.api.importFile("files", f, strategy{onDuplicate: job.DuplicateUpdate, last: true}, f.text)
	b.api.untilMoves(b.file)
	b.running = submit("ann", 60_000)
	b.export = b.api.must(http.MethodPost, "/exports?format=csv&compress=gzip&jobId="+base, "ann", http.StatusAccepted).JobID
	b.api.moves("ann", b.running)
	b.want[b.before.id], b.want[b.file.id], b.want[b.export] = job.Completed, job.Completed, job.Completed
}

// moves waits until some users of the job are stored.
func (p *proc) moves(owner, id string) {
	p.t.Helper()
	eventually(p.t, time.Minute, "job "+id+" has begun", func() bool {
		return p.must(http.MethodGet, "/jobs/"+id, owner, http.StatusOK).Processed > 0
	})
}

// dump writes the database to a file, and returns its path.
func (b *backup) dump() string {
	path := filepath.Join(b.t.TempDir(), "muster.sql")
	u := b.client("mariadb-dump", "--single-transaction", "--quick")
	u.Args = append(u.Args, "--result-file="+path, b.name())
	if out, err := u.CombinedOutput(); err != nil {
		b.t.Fatalf("%s: %v: %s", u, err, out)
	}
	return path
}

// goOn lets all that runs come to its end, and more: what a dump does not have.
func (b *backup) goOn() {
	b.late = b.api.submit("late", 1234, "Idempotency-Key", "late").JobID
	b.api.follow(b.late, "late", time.Minute)
	for id, status := range b.want {
		if id == b.paused {
			continue
		}
		if end := b.api.follow(id, b.job(id).Owner, 2*time.Minute); end.Status != string(status) {
			b.t.Fatal(end.RawResponse)
		}
	}
	eventually(b.t, time.Minute, "the end is told", func() bool { return b.in.ids("job.completed of job "+b.running) == 1 })
}

// restored returns a stack on a new server with what the dump has, an empty Redis, and the files of the old one.
func restored(t *testing.T, old *stack, dump string) *stack {
	t.Helper()
	p, err := testenv.StartMariaDB(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Kill() })
	e := storetest.Server("mariadb", "root@tcp("+p.Addr+")/")
	r := newStackOn(t, e, e.Empty(t))
	r.files = old.files
	r.env = append(r.env, slices.DeleteFunc(slices.Clone(old.env), func(v string) bool {
		return slices.Contains(r.env, v) || hasName(v, "MUSTER_DATABASE", "MUSTER_REDIS")
	})...)
	r.env = append(r.env, "MUSTER_FILES=file://"+r.files)
	text, err := os.Open(dump)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = text.Close() }()
	load := r.client("mariadb")
	load.Args, load.Stdin = append(load.Args, r.name()), text
	if out, err := load.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v: %s", load, err, out)
	}
	return r
}

func hasName(setting string, names ...string) bool {
	return slices.ContainsFunc(names, func(n string) bool { return len(setting) > len(n) && setting[:len(n)+1] == n+"=" })
}

// client returns the call of a client program of MariaDB's for the stack's server.
func (s *stack) client(program string, args ...string) *exec.Cmd {
	s.t.Helper()
	u, err := url.Parse(s.database)
	if err != nil {
		s.t.Fatal(err)
	}
	return exec.Command(program, append([]string{"--no-defaults", "--host=" + u.Hostname(), "--port=" + u.Port(), "--user=" + u.User.Username()}, args...)...)
}

// name returns the name of the stack's database.
func (s *stack) name() string {
	u, err := url.Parse(s.database)
	if err != nil {
		s.t.Fatal(err)
	}
	return u.Path[1:]
}

// ids returns under how many ids an end was told.
func (in *inbox) ids(key string) int {
	in.mu.Lock()
	defer in.mu.Unlock()
	return len(in.told[key])
}

// auditAll compares all users and rejected rows with what the jobs, some of them imports of files in this order, must have made of
// them, and returns how many users there are.
func (s *stack) auditAll(api *proc, jobs wantStatus, files ...fileJob) (users int) {
	s.t.Helper()
	m := newModel()
	for _, f := range files {
		s.auditFile(api, m, f)
	}
	row := fakerRow(s.t)
	for id := range jobs {
		j, chunks := s.auditCounts(api, id)
		if j.Source != job.SourceFaker || j.Undone {
			continue
		}
		for n := range counted(chunks) {
			m.insert(j.FirstID+n, row(j, n))
		}
	}
	users = len(m.users)
	s.auditUsers(m)
	return users
}
