package integration

import (
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"time"

	"github.com/musterhq/muster/internal/job"
)

// baseUsers is how many users are exported: those with the ids from 1 on.
const baseUsers = 25_000

var chunkDone = regexp.MustCompile(`"msg":"chunk done","job":"([^"]+)"`)

// cargoJob is a job of ann's, whose end is told.
type cargoJob struct {
	id   string
	want job.Status
}

// cargo is the jobs that one crew submits.
type cargo struct {
	jobs                    []cargoJob
	file                    fileJob
	export                  string
	paused, cancelled, undo string
	moved                   bool
}

// load submits jobs of every kind, and waits until some of them have begun.
func (u *upgrade) load(crew int, c crew) *cargo {
	u.t.Helper()
	l := &cargo{}
	add := func(id string, want job.Status) string {
		l.jobs = append(l.jobs, cargoJob{id, want})
		return id
	}
	submit := func(count int) string { return u.api.submit("ann", count+crew).JobID }
	l.undo = add(submit(1500), job.Completed)
	add(submit(50), job.Completed)
	l.paused = add(submit(15_000), job.Completed)
	l.cancelled = add(submit(16_000), job.Cancelled)
	add(submit(20_000), job.Completed)
	add(u.orphan(crew, c.api), job.Completed)
	f := u.files[crew]
	l.file = fileJob{owner: "files", file: f, strategy: strategy{onDuplicate: job.DuplicateUpdate, last: true}}
	l.file = u.api.importFile("files", f, l.file.strategy, f.text)
	l.export = add(u.api.must(http.MethodPost, "/exports?format=csv&compress=gzip&jobId="+u.base, "ann", http.StatusAccepted).JobID, job.Completed)
	for _, id := range []string{l.paused, l.cancelled} {
		eventually(u.t, time.Minute, "the job has begun", func() bool { return u.api.shown(id).Processed > 0 })
	}
	if v := u.api.must(http.MethodPost, "/jobs/"+l.paused+"/pause", "ann", http.StatusOK); v.Status != "PAUSED" {
		u.t.Fatalf("paused: %s", v.RawResponse)
	}
	return l
}

// orphan returns a job whose API died between its row and its chunks: workers, of whichever version, add them.
func (u *upgrade) orphan(crew int, v version) string {
	u.t.Helper()
	count, key := 3000+crew, fmt.Sprint("orphan", crew)
	u.as(v, func() {
		dying := u.stack.api("MUSTER_CHAOS_CRASH=submit.created:1")
		if v, err := dying.call(http.MethodPost, importPath("ann", count), "ann", "Idempotency-Key", key); err == nil {
			u.t.Fatalf("the API lives on: %s", v.RawResponse)
		}
		dying.waitExit(10 * time.Second)
	})
	return u.api.submit("ann", count, "Idempotency-Key", key).JobID
}

// shown returns a job of ann's as the API shows it.
func (p *proc) shown(id string) response {
	p.t.Helper()
	return p.must(http.MethodGet, "/jobs/"+id, "ann", http.StatusOK)
}

// move makes the moves that are still to be made: the job that was paused goes on, one is cancelled, one is undone.
func (l *cargo) move(api *proc) {
	api.t.Helper()
	if l.moved {
		return
	}
	l.moved = true
	api.must(http.MethodPost, "/jobs/"+l.paused+"/resume", "ann", http.StatusOK)
	// Somebody may have been faster: then it is over, and must have all its users.
	if v, err := api.call(http.MethodPost, "/jobs/"+l.cancelled+"/cancel", "ann"); err != nil || v.HTTP != http.StatusOK {
		if v.HTTP != http.StatusConflict {
			api.t.Fatalf("cancelled: %v %s", err, v.RawResponse)
		}
		i := slices.IndexFunc(l.jobs, func(j cargoJob) bool { return j.id == l.cancelled })
		l.jobs[i].want = job.Completed
	}
	if end := api.follow(l.undo, "ann", time.Minute); end.Status != "COMPLETED" {
		api.t.Fatal(end.RawResponse)
	}
	api.must(http.MethodPost, "/jobs/"+l.undo+"/undo", "ann", http.StatusAccepted)
}

// end follows all jobs to their ends.
func (l *cargo) end(api *proc) {
	api.t.Helper()
	l.move(api)
	for _, j := range l.jobs {
		if end := api.follow(j.id, "ann", 2*time.Minute); end.Status != string(j.want) {
			api.t.Fatalf("want %s: %s", j.want, end.RawResponse)
		}
	}
	api.complete(l.file)
	eventually(api.t, time.Minute, "the job is undone", func() bool { return api.shown(l.undo).Undone })
}
