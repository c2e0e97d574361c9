package integration

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/musterhq/muster/internal/job"
)

// How a test of files fails without the protection that it is about.
const (
	wrongOutcome = `outcome of job|its chunks count`
	wrongRejects = `rejected rows of job`
)

// F-R1: workers killed while they prepare and import files, at named points and at random. What became of each row, the
// users and the rejected rows are those of a model that reads the file once, on its own.
func TestChaosFR1KillStorm(t *testing.T) {
	eachServer(t, func(t *testing.T, s *stack) {
		chaos(t, "F-R1", "kill -9 of workers over files", s, func(s *stack) string {
			return fileKills(s, rounds(6, 30), fileDeaths, rounds(40_000, 500_000), rounds(6000, 100_000))
		})
		if !long() {
			return
		}
		few := []string{"batch.committed:2", "batch.committed:3", "batch.committed:4"}
		fewKills := func(s *stack) string { return fileKills(s, 1, few, 3000, 3000) }
		control(t, "F-R1", s, "file-outcome-outside-transaction", wrongOutcome, fewKills)
		control(t, "F-R1", s, "rejects-outside-transaction", wrongRejects, fewKills)
	})
}

// fileDeaths are points at which workers die one after the other: while they read a file, when it is read, and in a batch.
var fileDeaths = []string{"prepare.read:1", "prepare.moved:1", "batch.inserted:3", "batch.committed:5"}

// fileKills imports one large file and two smaller ones, each with another strategy. Of the keys of each, a third is there
// before, some of them twice.
func fileKills(s *stack, kills int, deaths []string, rows, smaller int) string {
	t := s.t
	random := chaosSeed(t)
	s.hooks = true
	s.env = append(s.env, noCooldown, "MUSTER_LEASE=1s", "MUSTER_BATCH_ROWS=200", "MUSTER_CHUNK_ROWS=2000")
	api := s.api()
	var before, files []*sampleFile
	strategies := []strategy{{onDuplicate: job.DuplicateSkip}, {onDuplicate: job.DuplicateUpdate, last: true}, {onDuplicate: job.DuplicateFill}}
	for i, y := range strategies {
		n := rows
		if i > 0 {
			n = smaller
		}
		before = append(before, newFile(random, mix{set: y.onDuplicate, n: n / 3, again: 1, step: 3}))
		files = append(files, newFile(random, mix{set: y.onDuplicate, n: n, bad: 1, again: 10, step: 1, variants: 5}))
	}
	jobs := s.preload(api, before...)
	var under []fileJob // under fire
	for i, f := range files {
		body := f.text
		if i == 1 { // whose text has to be written before it is imported
			body = f.gzipped(t)
		}
		under = append(under, api.importFile(fmt.Sprint("user", i), f, strategies[i], body))
	}
	for _, at := range deaths {
		s.start("worker", "MUSTER_WORKER_CONCURRENCY=1", "MUSTER_CHAOS_CRASH="+at).waitExit(time.Minute)
	}
	s.killInMidImport(api, kills, under)
	api.complete(under...)
	s.auditFiles(api, append(jobs, under...)...)
	return fmt.Sprintf("%d kills, %d rows exact", kills+len(deaths), rows+2*smaller)
}

// killInMidImport kills a worker of three each time that so many more rows of the jobs are done, and starts another one.
func (s *stack) killInMidImport(api *proc, kills int, jobs []fileJob) {
	s.t.Helper()
	random := chaosSeed(s.t)
	done := func() (rows int64) {
		for _, f := range jobs {
			v := api.must(http.MethodGet, "/jobs/"+f.id, f.owner, http.StatusOK)
			rows += v.Processed + v.Rejected
		}
		return rows
	}
	total := int64(0)
	for _, f := range jobs {
		total += int64(len(f.file.rows))
	}
	from := done()
	workers := s.workers(3)
	for kill := range kills {
		target := from + (total-from)*int64(kill)/int64(kills+1)
		eventually(s.t, 2*time.Minute, fmt.Sprintf("progress up to kill %d", kill+1), func() bool { return done() > target })
		i := random.IntN(len(workers))
		workers[i].kill()
		workers[i] = s.start("worker")
	}
}
