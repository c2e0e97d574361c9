package integration

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/musterhq/muster/internal/filestore"
	"github.com/musterhq/muster/internal/job"
)

// F-R5: jobs are paused, resumed, cancelled, retried and undone while their file is read, and while it is imported, with
// workers that are in the middle of it. What was inserted and then undone is gone, what was updated stays, and nothing else
// moves.
func TestChaosFR5Moves(t *testing.T) {
	eachServer(t, func(t *testing.T, s *stack) {
		chaos(t, "F-R5", "moves of a job in both phases", s, fileMoves)
		if !long() {
			return
		}
		control(t, "F-R5", s, "phase-move-without-guard", `while its file was read, is`, movesWhilePreparing)
		control(t, "F-R5", s, "undo-without-ids", `a user is missing`, movesWhilePreparing)
	})
}

// movedFiles is the setting of F-R5: a bucket that holds requests, workers, and files of whose users a third is there.
type movedFiles struct {
	*stack
	bucket *bucket
	api    *proc
	fleet  []*proc // the workers
	want   wantStatus
	jobs   []fileJob // with those before
}

func newMovedFiles(s *stack, names ...string) (x *movedFiles, files map[string]*sampleFile) {
	x = &movedFiles{stack: s, bucket: newBucket(s.t), want: wantStatus{}}
	s.env = append(s.env, noCooldown, "MUSTER_FILES="+x.bucket.url, "MUSTER_CHUNK_ROWS=100", "MUSTER_BATCH_ROWS=50", "MUSTER_WORKER_CONCURRENCY=4",
		"MUSTER_LEASE=15s")
	x.api = s.api()
	random := chaosSeed(s.t)
	files = map[string]*sampleFile{}
	var before []*sampleFile
	for _, name := range names {
		before = append(before, newFile(random, mix{set: name, n: 400, step: 3, again: 1}))
		n := 1200
		if name == "dead2" {
			n = 90 // one chunk, so that all workers die over the same one
		}
		files[name] = newFile(random, mix{set: name, n: n, bad: 1, again: 10, step: 1, variants: 5})
	}
	x.jobs = s.preload(x.api, before...)
	for _, f := range x.jobs {
		x.want[f.id] = job.Completed
	}
	x.fleet = s.workers(2)
	return x, files
}

// submit imports the file; the job is to end with that status.
func (x *movedFiles) submit(name string, f *sampleFile, ends job.Status) fileJob {
	x.t.Helper()
	j := x.api.importFile(name, f, strategy{onDuplicate: job.DuplicateUpdate}, f.text)
	x.want[j.id] = ends
	x.jobs = append(x.jobs, j)
	return j
}

func (x *movedFiles) move(f fileJob, move job.Move) {
	x.t.Helper()
	status := http.StatusOK
	if move == job.MoveUndo {
		status = http.StatusAccepted
	}
	x.api.must(http.MethodPost, "/jobs/"+f.id+"/"+string(move), f.owner, status)
}

// said counts lines in the logs of the workers.
func (x *movedFiles) said(lines ...string) (n int) {
	for _, p := range x.fleet {
		for _, line := range lines {
			n += strings.Count(p.log.String(), line)
		}
	}
	return n
}

func fileMoves(s *stack) string {
	names := []string{"pause", "cancel", "undo", "missing", "pause2", "cancel2", "whole2"}
	if long() {
		names = append(names, "dead2")
	}
	x, files := newMovedFiles(s, names...)
	x.whilePreparing(files)
	x.whileImporting(files)
	if f := files["dead2"]; f != nil {
		x.deadWhileImporting(f)
	}
	s.auditFileEnds(x.api, x.want, x.jobs...)
	return fmt.Sprintf("%d jobs as the model has them", len(names))
}

func movesWhilePreparing(s *stack) string {
	x, files := newMovedFiles(s, "pause", "cancel", "undo", "missing")
	x.whilePreparing(files)
	s.auditFileEnds(x.api, x.want, x.jobs...)
	return ""
}

// whilePreparing moves jobs whose file a worker is reading.
func (x *movedFiles) whilePreparing(files map[string]*sampleFile) {
	t := x.t
	x.bucket.hold(reads)
	paused := x.submit("pause", files["pause"], job.Completed)
	cancelled := x.submit("cancel", files["cancel"], job.Cancelled)
	undone := x.submit("undo", files["undo"], job.Cancelled)
	missing := x.submit("missing", files["missing"], job.Completed)
	eventually(t, time.Minute, "four files are read", func() bool { return x.bucket.waiting() >= 4 })
	object := x.job(missing.id).File.Object
	x.inBucket(func(files *filestore.Store) error { return files.Delete(t.Context(), object) })
	x.move(paused, job.MovePause)
	x.move(cancelled, job.MoveCancel)
	x.move(undone, job.MoveCancel)
	x.move(undone, job.MoveUndo)
	x.bucket.hold(nil)

	eventually(t, time.Minute, "the workers have stopped reading", func() bool {
		return x.said("somebody else's or over; stopped", "file prepared") >= 3
	})
	for _, f := range []fileJob{paused, cancelled, undone} {
		if j := x.job(f.id); j.Phase != job.Preparing || j.Status.HoldsSlot() || j.FirstID != 0 {
			t.Errorf("job %s, which was moved while its file was read, is %s and %s", f.id, j.Status, j.Phase)
		}
	}
	if end := x.api.follow(missing.id, missing.owner, time.Minute); end.Status != "FAILED" || end.ErrorCode != job.CodeFileMissing {
		t.Errorf("the file is gone: %s", end.RawResponse)
	}
	x.inBucket(func(files *filestore.Store) error {
		w, err := files.Create(t.Context(), object, 0)
		if err != nil {
			return err
		}
		if _, err := w.Write(missing.file.text); err != nil {
			return err
		}
		return w.Close()
	})
	x.move(missing, job.MoveRetry)
	x.move(paused, job.MoveResume)
	x.api.complete(missing, paused)
	x.untilUndone(undone)
}

// inBucket does something with the bucket's content.
func (x *movedFiles) inBucket(fn func(files *filestore.Store) error) {
	x.t.Helper()
	files, err := filestore.Open(x.bucket.url)
	if err == nil {
		err = fn(files)
	}
	if err != nil {
		x.t.Fatal(err)
	}
}

func (x *movedFiles) untilUndone(f fileJob) {
	x.t.Helper()
	eventually(x.t, time.Minute, "the job is undone", func() bool {
		return x.api.must(http.MethodGet, "/jobs/"+f.id, f.owner, http.StatusOK).Undone
	})
}

// whileImporting moves jobs of which some chunks are done, and of others a worker has the next.
func (x *movedFiles) whileImporting(files map[string]*sampleFile) {
	t := x.t
	x.bucket.slow(50 * time.Millisecond)
	paused := x.submit("pause2", files["pause2"], job.Completed)
	cancelled := x.submit("cancel2", files["cancel2"], job.Cancelled)
	x.api.untilMoves(paused)
	x.api.untilMoves(cancelled)
	x.bucket.hold(reads)
	eventually(t, time.Minute, "the workers are at their next chunks", func() bool { return x.bucket.waiting() > 0 })
	x.move(paused, job.MovePause)
	x.move(cancelled, job.MoveCancel)
	before := []int64{x.job(paused.id).Processed, x.job(cancelled.id).Processed}
	x.bucket.slow(0)
	x.bucket.hold(nil)
	whole := x.submit("whole2", files["whole2"], job.Completed)
	x.api.complete(whole)
	for i, f := range []fileJob{paused, cancelled} {
		if j := x.job(f.id); j.Processed != before[i] || j.Processed+j.Rejected >= int64(len(f.file.rows)) {
			t.Errorf("row %d of job %s appeared after it was stopped, at %d", j.Processed, f.id, before[i])
		}
	}
	x.move(cancelled, job.MoveUndo)
	x.move(whole, job.MoveUndo)
	x.move(paused, job.MoveResume)
	x.api.complete(paused)
	x.untilUndone(cancelled)
	x.untilUndone(whole)
}

// deadWhileImporting lets each worker die over a chunk, so that the job fails; then it is retried.
func (x *movedFiles) deadWhileImporting(f *sampleFile) {
	x.stopWorkers()
	x.hooks = true
	dead := x.submit("dead2", f, job.Completed)
	for range job.MaxStalls {
		w := x.start("worker", "MUSTER_CHAOS_CRASH=batch.guarded:1", "MUSTER_WORKER_CONCURRENCY=1", "MUSTER_LEASE=1s")
		w.waitExit(time.Minute)
	}
	x.workers(1)
	if end := x.api.follow(dead.id, dead.owner, time.Minute); end.Status != "FAILED" || end.ErrorCode != "chunk_failed" {
		x.t.Fatalf("three workers died over a chunk: %s", end.RawResponse)
	}
	x.move(dead, job.MoveRetry)
	x.api.complete(dead)
}
