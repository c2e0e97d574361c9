package integration

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/musterhq/muster/internal/store/storetest"
	"github.com/musterhq/muster/internal/testenv"
)

// version is whose commands a process runs.
type version string

const (
	older version = "older" // the last release
	newer version = "newer" // this tree
)

// crew is which processes run at a time.
type crew struct {
	api     version
	workers []version
	whole   bool // the jobs of this crew end before the next takes over
	migrate bool // this tree's schema is made before it starts
}

// rollouts are the orders in which an operator may go from the last release to this tree, and back.
var rollouts = []struct {
	name  string
	short bool // it is in the short set, too
	crews []crew
}{
	{"workers first", true, []crew{
		{api: older, workers: []version{older, older}},
		{api: older, workers: []version{older, newer}, migrate: true},
		{api: older, workers: []version{newer, newer}},
		{api: newer, workers: []version{newer, newer}},
	}},
	{"API first", false, []crew{
		{api: older, workers: []version{older, older}},
		{api: newer, workers: []version{older, older}, migrate: true},
		{api: newer, workers: []version{older, newer}},
		{api: newer, workers: []version{newer, newer}},
	}},
	{"side by side", false, []crew{
		{api: older, workers: []version{newer}, whole: true, migrate: true},
		{api: newer, workers: []version{older}, whole: true},
		{api: older, workers: []version{older, newer}, whole: true},
	}},
	{"and back", true, []crew{
		{api: newer, workers: []version{newer, newer}, migrate: true},
		{api: newer, workers: []version{older, newer}},
		{api: older, workers: []version{older, older}},
	}},
}

// The last release and this tree share jobs, in every order of an upgrade and on the way back: each job is exact.
func TestUpgrade(t *testing.T) {
	upgradeOnly(t)
	r := theRelease(t)
	eachServer(t, func(t *testing.T, s *stack) {
		for _, o := range rollouts {
			t.Run(strings.ReplaceAll(o.name, " ", "-"), func(t *testing.T) {
				if !o.short && os.Getenv("MUSTER_UPGRADE") == "short" {
					t.Skip("the short set leaves it out")
				}
				u := newUpgrade(newStackOn(t, s.server, s.server.Empty(t)), r.bin)
				began := time.Now()
				u.run(o.crews)
				t.Logf("%s from %s: %s, in %.0f s", o.name, r.tag, u.audit(), time.Since(began).Seconds())
			})
		}
	})
}

// A release that would refuse a newer schema is found out.
func TestUpgradeControl(t *testing.T) {
	upgradeOnly(t)
	const name = "newer-schema-refused"
	bin, err := theRelease(t).without(name)
	if err != nil {
		t.Fatal(err)
	}
	eachServer(t, func(t *testing.T, s *stack) {
		x, began := result{ID: "U", Engine: s.engine, Control: name, Test: "control"}, time.Now()
		failures := recorded(t, func(r *recorder) {
			u := newUpgrade(newStackOn(r, s.server, s.server.Empty(r)), bin)
			u.run(rollouts[len(rollouts)-1].crews)
			u.audit()
		})
		x.Seconds = seconds(began)
		verdict(t, x, failures, `the (API is ready|worker runs): it ended`)
	})
}

func upgradeOnly(t testing.TB) {
	t.Helper()
	if os.Getenv("MUSTER_UPGRADE") == "" {
		t.Skip("it takes minutes: make upgrade runs it")
	}
	testenv.Redis(t)
}

// upgrade is a stack that goes from one version to the other while jobs run.
type upgrade struct {
	*stack
	old     string // where the last release's commands are
	api     *proc
	workers map[version][]*proc
	cargo   []*cargo
	in      *inbox
	base    string // the job whose users are exported
	before  []fileJob
	files   []*sampleFile
}

func newUpgrade(s *stack, old string) *upgrade {
	s.hooks = true
	s.env = append(s.env, "MUSTER_TIERS=SMALL:100:100,MEDIUM:10000:100,LARGE:100000:100,XL:0:100", "MUSTER_MAX_EXPORT_JOBS=100",
		"MUSTER_CHUNK_ROWS=1000", "MUSTER_BATCH_ROWS=100", "MUSTER_WEBHOOK_ALLOWED_NETWORKS=127.0.0.1")
	return &upgrade{stack: s, old: old, workers: map[version][]*proc{}}
}

// as lets the processes that do starts be of the version.
func (u *upgrade) as(v version, do func()) {
	u.from = ""
	if v == older {
		u.from = u.old
	}
	do()
	u.from = ""
}

// migrate makes the schema of the version.
func (u *upgrade) migrate(v version) {
	u.t.Helper()
	dir := binaries
	if v == older {
		dir = u.old
	}
	cmd := exec.Command(filepath.Join(dir, "muster"), "migrate")
	cmd.Env = u.env
	if out, err := cmd.CombinedOutput(); err != nil {
		u.t.Fatalf("%s: %v: %s", cmd, err, out)
	}
}

// run lets the crews take over from one another. Each submits jobs of every kind, and moves those of the one before.
func (u *upgrade) run(crews []crew) {
	u.t.Helper()
	u.migrate(older)
	for i, c := range crews {
		if c.migrate {
			u.migrate(newer)
			u.laterSchema()
		}
		u.takeOver(c)
		if i == 0 {
			u.prepare(len(crews))
		} else {
			u.cargo[i-1].move(u.api)
		}
		next := u.load(i, c)
		u.cargo = append(u.cargo, next)
		if c.whole {
			next.move(u.api)
			next.end(u.api)
		}
	}
}

// laterSchema makes the schema a later one where the two versions have the same: the rule that an old process takes a newer
// schema is tried before there is one.
func (u *upgrade) laterSchema() {
	u.t.Helper()
	db, _ := storetest.DB(u.t, u.database)
	_, err := db.ExecContext(u.t.Context(), `INSERT INTO schema_version (version_id, is_applied) SELECT MAX(version_id) + 1000, 1 FROM schema_version`)
	if err != nil {
		u.t.Fatal(err)
	}
}

// takeOver starts the processes of a crew that do not run yet, and then tells those to stop that are not of it.
func (u *upgrade) takeOver(c crew) {
	u.t.Helper()
	before := u.api
	if before == nil || before.version != c.api {
		u.as(c.api, func() { u.api = u.stack.api() })
	}
	for _, v := range []version{older, newer} {
		want := len(slices.DeleteFunc(slices.Clone(c.workers), func(w version) bool { return w != v }))
		if n := want - len(u.workers[v]); n > 0 {
			u.as(v, func() { u.workers[v] = append(u.workers[v], u.stack.workers(n)...) })
		}
		for _, w := range u.workers[v][want:] {
			defer w.stop()
		}
		u.workers[v] = u.workers[v][:want]
	}
	if before != nil && before != u.api {
		defer before.stop()
	}
}

// stop tells a process to stop, as a deploy does.
func (p *proc) stop() {
	p.t.Helper()
	p.signal(syscall.SIGTERM)
	p.waitExit(20 * time.Second)
	// v0.1.0 ends with 1 where the server has closed an idle connection.
	if code := p.cmd.ProcessState.ExitCode(); code != 0 && p.version == newer {
		p.t.Errorf("a %s %s that was told to stop exits with %d: %s", p.version, p.name, code, tail(p.log.String(), 3))
	}
}

// prepare stores what the crews' jobs are about: users to export, users that files change, and a receiver of webhooks.
func (u *upgrade) prepare(crews int) {
	u.t.Helper()
	u.in = u.api.receiver("ann")
	u.base = u.api.submit("ann", baseUsers).JobID
	u.api.follow(u.base, "ann", time.Minute)
	random := chaosSeed(u.t)
	for i := range crews {
		set := fmt.Sprint("crew", i)
		f := newFile(random, mix{set: set, n: 300, again: 1, step: 3})
		u.before = append(u.before, u.api.importFile("before", f, strategy{onDuplicate: "insert"}, f.text))
		u.files = append(u.files, newFile(random, mix{set: set, n: 3000, bad: 1, again: 10, step: 1, variants: 5}))
	}
	u.api.complete(u.before...)
}

// shared returns of how many jobs both versions did chunks.
func (u *upgrade) shared() (n int) {
	done := map[version]map[string]bool{older: {}, newer: {}}
	for _, p := range u.procs {
		for _, m := range chunkDone.FindAllStringSubmatch(p.log.String(), -1) {
			done[p.version][m[1]] = true
		}
	}
	for id := range done[older] {
		if done[newer][id] {
			n++
		}
	}
	return n
}

// audit waits for all jobs and compares every user, rejected row, file and webhook with what there must be.
func (u *upgrade) audit() string {
	u.t.Helper()
	want, files := wantStatus{}, slices.Clone(u.before)
	told := []string{"job.completed of job " + u.base}
	for _, c := range u.cargo {
		c.end(u.api)
		for _, j := range c.jobs {
			want[j.id] = j.want
			told = append(told, "job."+strings.ToLower(string(j.want))+" of job "+j.id)
		}
		told = append(told, "job.undone of job "+c.undo)
		files = append(files, c.file)
	}
	for _, f := range files {
		want[f.id] = "COMPLETED"
	}
	want[u.base] = "COMPLETED"
	eventually(u.t, time.Minute, "all that ended is told", func() bool {
		v := u.api.must(http.MethodGet, "/webhooks/deliveries?state=PENDING&limit=1", "ann", http.StatusOK)
		return strings.Contains(v.RawResponse, `"content":[]`)
	})
	u.in.auditKeys(told)
	u.as(u.api.version, func() { u.settle(want) })
	users := u.auditAll(u.api, want, files...)
	for _, c := range u.cargo {
		u.auditExport(c.export, baseUsers)
	}
	n := u.shared()
	if n == 0 {
		u.t.Error("no job was shared by the two versions")
	}
	return fmt.Sprintf("%d jobs exact, %d users, %d jobs shared", len(want), users, n)
}
