package integration

import (
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/musterhq/muster/internal/job"
	"github.com/musterhq/muster/internal/user"
)

// scenario makes a worker pass a crash point three times. Three jobs of ten chunks are submitted before it; nil: that
// is enough.
type scenario func(s *stack, api, dying *proc, ids []string, user string)

// points are the names of internal/crash that a worker passes, by the scenario in which it does.
var points = []struct {
	scenario scenario
	files    bool // the jobs import files
	env      []string
	names    []string
}{
	{nil, false, nil, []string{
		"claim.begin", "claim.taken", "claim.read", "batch.read",
		"batch.begin", "batch.started", "batch.guarded", "batch.inserted", "batch.committed", "batch.counted", "batch.shown",
		"chunk.done", "chunk.enqueued", "finish.begin", "finish.moved",
		"reconcile.begin", "reconcile.aligned", "reconcile.slot", "reconcile.view", "reconcile.enqueued",
		"reconcile.published", "reconcile.finalized",
	}},
	// The worker is told to stop while it works on three chunks, one row a batch.
	{stopInMidChunk, false, []string{"MUSTER_BATCH_ROWS=1", "MUSTER_WORKER_CONCURRENCY=3"}, []string{"giveback.begin", "giveback.done"}},
	// Three jobs that are over are undone.
	{undoAll, false, nil, []string{"undo.begin", "undo.deleted", "undo.sliced"}},
	// Three files are read and imported.
	{nil, true, nil, []string{"prepare.read", "prepare.done", "prepare.moved", "batch.started", "batch.guarded", "batch.inserted", "batch.committed"}},
}

// submitPoints are those that an API passes when it accepts a job; R3 kills it at each.
var submitPoints = []string{
	"submit.begin", "submit.reserved", "submit.created", "submit.chunks", "reconcile.slot", "reconcile.view", "reconcile.enqueued",
	"submit.end",
}

// movePoints are those that an API passes when an owner moves a job; R3 kills it at each.
var movePoints = []string{"move.written", "align.followed", "reconcile.slot", "reconcile.view"}

// schedulePoints are those that a worker passes when it fires a schedule and submits its job; S-R1 kills workers at each.
var schedulePoints = []string{
	"schedule.submitted", "schedule.moved", "schedule.due", "schedule.fired", "schedule.claimed", "schedule.fetched", "schedule.noted",
}

// countedPoints are those at which no process is killed: tests count who passes.
var countedPoints = []string{"batch.resolved"}

// The lists above have every point of the program, and no point that is not there any more.
func TestCrashPointsAreListed(t *testing.T) {
	t.Parallel()
	listed := slices.Concat(submitPoints, movePoints, countedPoints, schedulePoints, []string{"export.published"})
	for _, at := range slices.Concat(exportDeaths, webhookPoints) {
		name, _, _ := strings.Cut(at, ":")
		listed = append(listed, name)
	}
	for _, p := range points {
		listed = append(listed, p.names...)
	}
	var placed []string
	call := regexp.MustCompile(`crash\.Point\("([a-z.]+)"\)`)
	err := filepath.WalkDir(filepath.Join(root, "internal"), func(path string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".go") {
			return err
		}
		source, err := os.ReadFile(path)
		for _, m := range call.FindAllSubmatch(source, -1) {
			placed = append(placed, string(m[1]))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(listed)
	slices.Sort(placed)
	if diff := cmp.Diff(slices.Compact(placed), slices.Compact(listed)); diff != "" {
		t.Errorf("crash points, in the program (-) and in the tests (+):\n%s", diff)
	}
}

// R4: a worker dies at each named point, at the first, second and third time it comes there.
func TestChaosR4CrashPoints(t *testing.T) {
	eachServer(t, func(t *testing.T, s *stack) {
		fullOnly(t)
		chaos(t, "R4", "a crash at each point", s, func(s *stack) string { return crashPoints(s, "", 3) })
		control(t, "R4", s, "no-reconciler", neverEnds, func(s *stack) string { return crashPoints(s, "batch.committed", 1) })
	})
}

// crashPoints kills a worker at all points, or only at one.
func crashPoints(s *stack, only string, hits int) string {
	t := s.t
	s.hooks = true
	s.env = append(s.env, "MUSTER_CHUNK_ROWS=300", "MUSTER_BATCH_ROWS=100", "MUSTER_LEASE=1s")
	api := s.api()
	random := chaosSeed(t)
	files := map[string]*sampleFile{}
	var all []string
	swept := 0
	for _, p := range points {
		for _, name := range p.names {
			if only != "" && name != only {
				continue
			}
			swept++
			for hit := 1; hit <= hits; hit++ {
				owner := fmt.Sprintf("%s-%d", name, hit)
				env := append([]string{"MUSTER_WORKER_CONCURRENCY=1", "MUSTER_RECONCILE_INTERVAL=50ms", fmt.Sprintf("MUSTER_CHAOS_CRASH=%s:%d", name, hit)}, p.env...)
				submit := func(n int) string { return api.submit(owner, n).JobID }
				if p.files {
					submit = func(n int) string {
						set := fmt.Sprintf("%s-%d-", owner, n)
						files[set] = newFile(random, mix{set: set, n: n, step: 1, variants: 5})
						return api.importFile(owner, files[set], strategy{onDuplicate: job.DuplicateSkip}, files[set].text).id
					}
				}
				all = append(all, s.crashAt(api, owner, env, submit, p.scenario)...)
			}
		}
	}
	s.workers(1)
	faker := fakerRow(t)
	s.audit(api, func(j job.Job, n int64) user.User {
		if j.Source != job.SourceFile {
			return faker(j, n)
		}
		u := files[fmt.Sprintf("%s-%d-", j.Owner, j.Requested)].rows[n].says
		u.ID = j.FirstID + n
		return u
	}, all...)
	return fmt.Sprintf("%d points, %d crashes, %d jobs exact", swept, swept*hits, len(all))
}

// crashAt lets a worker die at a point, with three jobs of so many users, and has another one end them.
func (s *stack) crashAt(api *proc, user string, env []string, submit func(n int) (id string), scenario scenario) (ids []string) {
	t := s.t
	for n := range 3 {
		ids = append(ids, submit(2998+n))
	}
	dying := s.start("worker", env...)
	if scenario != nil {
		scenario(s, api, dying, ids, user)
	}
	dying.waitExit(20 * time.Second)
	if status, ok := dying.cmd.ProcessState.Sys().(syscall.WaitStatus); !ok || status.Signal() != syscall.SIGKILL {
		t.Fatalf("the worker did not die at %s: %v", env, dying.cmd.ProcessState)
	}
	s.workers(1)
	for _, id := range ids {
		if end := api.follow(id, user, 20*time.Second); end.Status != "COMPLETED" {
			t.Fatalf("%s: %s", env, end.RawResponse)
		}
	}
	eventually(t, 20*time.Second, "what is to be undone is undone", func() bool {
		left, err := s.store.UnfinalizedJobs(t.Context(), "", 10)
		return err == nil && len(left) == 0
	})
	s.killWorkers()
	return ids
}

func stopInMidChunk(s *stack, _, dying *proc, ids []string, _ string) {
	eventually(s.t, 20*time.Second, "the worker has three chunks in hand", func() bool {
		held := 0
		for _, id := range ids {
			for _, c := range s.chunks(id) {
				if c.Done > 0 && c.Done < c.Rows/2 {
					held++
				}
			}
		}
		return held == 3
	})
	dying.signal(syscall.SIGTERM)
}

func undoAll(s *stack, api, _ *proc, ids []string, user string) {
	// All jobs first: the worker may die at the first undo.
	for _, id := range ids {
		api.follow(id, user, 20*time.Second)
	}
	for _, id := range ids {
		api.must("POST", "/jobs/"+id+"/undo", user, http.StatusAccepted)
	}
}
