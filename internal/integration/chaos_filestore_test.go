package integration

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/musterhq/muster/internal/job"
	"github.com/musterhq/muster/internal/testenv"
)

// F-R4: the file store is away, full or slow, while one file is read and another one imported. The jobs wait, say why, and
// go on; what cannot be stored is refused, and leaves nothing.
func TestChaosFR4BucketTrouble(t *testing.T) {
	eachServer(t, func(t *testing.T, s *stack) {
		chaos(t, "F-R4", "a bucket away, full, slow", s, func(s *stack) string {
			return bucketTroubles(s, troubles[:rounds(1, len(troubles))])
		})
		if long() {
			control(t, "F-R4", s, "file-trouble-is-failure", `is FAILED while the file store`, func(s *stack) string {
				return bucketTroubles(s, troubles[:1])
			})
		}
	})
}

// trouble is how a bucket does not serve.
type trouble struct {
	status int // of all answers; 0: they come too late
	code   string
	waits  job.WaitReason
	says   string // to who sends a file
}

var troubles = []trouble{
	{http.StatusServiceUnavailable, "ServiceUnavailable", job.WaitFilesDown, "files_unavailable"},
	{http.StatusInsufficientStorage, "XMinioStorageFull", job.WaitFilesFull, "no_space"},
	{0, "", job.WaitSourceSlow, ""},
}

func bucketTroubles(s *stack, list []trouble) string {
	b := newBucket(s.t)
	s.env = append(s.env, noCooldown, "MUSTER_FILES="+b.url, "MUSTER_CHUNK_ROWS=500", "MUSTER_BATCH_ROWS=50", "MUSTER_WORKER_CONCURRENCY=1",
		"MUSTER_LEASE=10s")
	api := s.api()
	s.workers(1)
	var jobs []fileJob
	for i, x := range list {
		jobs = append(jobs, s.bucketTrouble(api, b, x, i)...)
	}
	s.auditFiles(api, jobs...)
	return fmt.Sprintf("%d troubles, %d jobs exact", len(list), len(jobs))
}

// bucketTrouble imports two files through it.
func (s *stack) bucketTrouble(api *proc, b *bucket, x trouble, round int) []fileJob {
	t := s.t
	send := func(what string) fileJob {
		set := fmt.Sprint(what, round)
		f := newFile(chaosSeed(t), mix{set: set, n: 1500, bad: 1, again: 5, step: 1})
		return api.importFile(set, f, strategy{onDuplicate: job.DuplicateSkip}, f.text)
	}
	importing := send("importing")
	api.untilMoves(importing)
	b.hold(reads)
	eventually(t, time.Minute, "the worker is at its next chunk", func() bool { return b.waiting() > 0 })
	preparing := send("preparing")
	b.fail(x.status, x.code)
	if x.status == 0 {
		b.slow(11 * time.Second)
	}
	b.hold(nil)
	s.untilWaits(importing, x.waits)
	if x.status != 0 {
		s.untilWaits(preparing, x.waits)
		api.refusesFiles(x.says)
	}
	b.fail(0, "")
	b.slow(0)
	api.complete(importing, preparing)
	return []fileJob{importing, preparing}
}

// complete follows jobs to their ends, which must be good.
func (p *proc) complete(jobs ...fileJob) {
	p.t.Helper()
	for _, f := range jobs {
		if end := p.follow(f.id, f.owner, 5*time.Minute); end.Status != "COMPLETED" {
			p.t.Fatal(end.RawResponse)
		}
	}
}

// reads are requests for the content of uploaded files.
func reads(r *http.Request) bool {
	return r.Method == http.MethodGet && strings.Contains(r.URL.Path, "/uploads/") && !strings.Contains(r.URL.Path, "~")
}

// untilMoves waits until some rows of the file are imported.
func (p *proc) untilMoves(f fileJob) {
	p.t.Helper()
	eventually(p.t, time.Minute, "the import moves", func() bool {
		return p.must(http.MethodGet, "/jobs/"+f.id, f.owner, http.StatusOK).Processed > 0
	})
}

// untilWaits waits until the job says that it waits for this.
func (s *stack) untilWaits(f fileJob, reason job.WaitReason) {
	s.t.Helper()
	eventually(s.t, time.Minute, fmt.Sprintf("job %s waits: %s", f.id, reason), func() bool {
		j := s.job(f.id)
		if j.Status.Terminal() {
			s.t.Fatalf("job %s is %s while the file store does not serve", f.id, j.Status)
		}
		return j.WaitReason == reason
	})
}

// refusesFiles checks that neither way to send a file takes one.
func (p *proc) refusesFiles(code string) {
	p.t.Helper()
	body := bytes.NewReader([]byte("email\nada@example.com\n"))
	for _, ask := range []func() (response, error){
		func() (response, error) { return p.send(http.MethodPost, "/import/file", "refused", body) },
		func() (response, error) {
			return p.call(http.MethodPost, "/uploads", "refused", "Tus-Resumable", "1.0.0", "Upload-Length", "1000")
		},
	} {
		if v, err := ask(); err != nil || v.HTTP != http.StatusServiceUnavailable || v.Code != code {
			p.t.Errorf("a file that cannot be stored: %v %d %s, want 503 %s", err, v.HTTP, v.RawResponse, code)
		}
	}
}

// F-R4: the folder is moved away while jobs run, and comes back; its disk is full, and has room again.
func TestChaosFR4FolderTrouble(t *testing.T) {
	eachServer(t, func(t *testing.T, s *stack) {
		fullOnly(t)
		chaos(t, "F-R4", "a folder away, a disk full", s, folderTrouble)
	})
}

func folderTrouble(s *stack) string {
	disk := tmpfs(s.t, "size=24m")
	s.files = filepath.Join(disk, "files")
	s.env = append(s.env, noCooldown, "MUSTER_FILES=file://"+s.files, "MUSTER_CHUNK_ROWS=500", "MUSTER_BATCH_ROWS=50", "MUSTER_WORKER_CONCURRENCY=1")
	api := s.api()
	w := s.workers(1)[0]
	jobs := append(s.folderAway(api, w), s.diskFull(api, disk))
	s.auditFiles(api, jobs...)
	return fmt.Sprintf("%d jobs exact", len(jobs))
}

// folderAway moves the folder away while one file is imported, and another one is still to be read.
func (s *stack) folderAway(api, w *proc) []fileJob {
	t := s.t
	random, y := chaosSeed(t), strategy{onDuplicate: job.DuplicateSkip}
	f := newFile(random, mix{set: "away", n: 10_000, bad: 1, again: 5, step: 1})
	jobs := []fileJob{api.importFile("ann", f, y, f.text)}
	api.untilMoves(jobs[0])
	w.signal(syscall.SIGSTOP)
	next := newFile(random, mix{set: "next", n: 1000, step: 1})
	jobs = append(jobs, api.importFile("bob", next, y, next.text))
	if err := os.Rename(s.files, s.files+"-away"); err != nil {
		t.Fatal(err)
	}
	w.signal(syscall.SIGCONT)
	for _, f := range jobs {
		s.untilWaits(f, job.WaitFilesDown)
	}
	api.refusesFiles("files_unavailable")
	if err := os.Rename(s.files+"-away", s.files); err != nil {
		t.Fatal(err)
	}
	api.complete(jobs...)
	return jobs
}

// diskFull fills the disk, so that the text of a compressed file has no room, nor has another file.
func (s *stack) diskFull(api *proc, disk string) fileJob {
	t := s.t
	s.stopWorkers()
	large := newFile(chaosSeed(t), mix{set: "full", n: 4000, bad: 1, step: 1, wide: 3000})
	j := api.importFile("eve", large, strategy{onDuplicate: job.DuplicateSkip}, large.gzipped(t))
	filler := filepath.Join(disk, "filler")
	fill(t, filler)
	s.workers(1)
	s.untilWaits(j, job.WaitFilesFull)
	before := s.objects()
	v, err := api.send(http.MethodPost, "/import/file", "refused", bytes.NewReader(large.text))
	if err != nil || v.HTTP != http.StatusServiceUnavailable || v.Code != "no_space" {
		t.Errorf("a file that has no room: %v %d %s", err, v.HTTP, v.RawResponse)
	}
	if after := s.objects(); len(after) > len(before) {
		t.Errorf("left of a file that had no room: %v, before %v", after, before)
	}
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	api.complete(j)
	return j
}

// fill writes a file until the disk is full.
func fill(t testing.TB, path string) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	for err == nil {
		_, err = f.Write(make([]byte, 64<<10))
	}
}

// tmpfs mounts an empty file system in memory, which only root may.
func tmpfs(t testing.TB, options string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	if err := syscall.Mount("none", dir, "tmpfs", 0, options); err != nil {
		testenv.Missing(t, "tmpfs")
		t.SkipNow()
	}
	t.Cleanup(func() { _ = syscall.Unmount(dir, syscall.MNT_DETACH) })
	return dir
}
