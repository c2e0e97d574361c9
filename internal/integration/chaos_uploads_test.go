package integration

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/musterhq/muster/internal/filestore"
	"github.com/musterhq/muster/internal/job"
	"github.com/musterhq/muster/internal/jobs"
)

// F-R2: the API is killed in the middle of uploads, and others go on with them.
func TestChaosFR2KilledUploads(t *testing.T) {
	eachServer(t, func(t *testing.T, s *stack) {
		chaos(t, "F-R2", "API killed in mid-upload", s, func(s *stack) string { return killedUploads(s, rounds(2, 6)) })
		if long() {
			control(t, "F-R2", s, "upload-without-hash-state", `SHA-256 of the file`, func(s *stack) string { return killedUploads(s, 1) })
		}
	})
}

func killedUploads(s *stack, kills int) string {
	t := s.t
	s.env = append(s.env, noCooldown)
	// A file of more than one block of the file store for each kill: what fills no block yet is lost with the process.
	const block = 8 << 20
	f := newFile(chaosSeed(t), mix{set: "up", n: (kills + 1) * 3000, step: 1, wide: 4000})
	if len(f.text) < (kills+1)*block {
		t.Fatalf("the file has only %d bytes", len(f.text))
	}
	healthy := s.api()
	id := healthy.beginUpload("ann", len(f.text))
	for kill := range kills {
		dying := s.api()
		from := healthy.uploaded("ann", id)
		to := (kill+1)*block + block/2
		done := make(chan error, 1)
		body := newStuck(f.text[from:to])
		go func() { _, err := dying.patch("ann", id, from, body); done <- err }()
		eventually(t, time.Minute, "the block is there", func() bool { return healthy.uploaded("ann", id) >= (kill+1)*block })
		dying.kill()
		body.end()
		if err := <-done; err == nil {
			t.Error("the API survived")
		}
	}
	from := healthy.uploaded("ann", id)
	if v, err := healthy.patch("ann", id, from, bytes.NewReader(f.text[from:])); err != nil || v.HTTP != http.StatusNoContent {
		t.Fatalf("the rest, from %d: %v %d %s", from, err, v.HTTP, v.RawResponse)
	}
	y := strategy{onDuplicate: job.DuplicateInsert}
	s.workers(1)
	j := fileJob{owner: "ann", file: f, strategy: y, id: healthy.postFile("ann", y.query()+"&uploadId="+id, nil)}
	healthy.complete(j)
	s.auditHash(j)
	s.auditFiles(healthy, j)
	left := s.cutBody(f.text)
	return fmt.Sprintf("%d kills, %d MB exact; of a cut body %d objects, which the sweep took", kills, len(f.text)/1e6, left)
}

// auditHash compares the hash that the job shows, and the file that is stored, with what was sent.
func (s *stack) auditHash(f fileJob) {
	s.t.Helper()
	sum := sha256.Sum256(f.file.text)
	want := hex.EncodeToString(sum[:])
	file := s.job(f.id).File
	if file.SHA256 != want {
		s.t.Errorf("SHA-256 of the file: %s, want %s", file.SHA256, want)
	}
	o, err := s.fileStore().Open(s.t.Context(), file.Object)
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = o.Close() }()
	hash := sha256.New()
	if _, err := io.Copy(hash, o.Range(s.t.Context(), 0, -1)); err != nil || hex.EncodeToString(hash.Sum(nil)) != want {
		s.t.Errorf("what is stored has another SHA-256; %v", err)
	}
}

func (s *stack) fileStore() *filestore.Store {
	s.t.Helper()
	files, err := filestore.Open("file://" + s.files)
	if err != nil {
		s.t.Fatal(err)
	}
	return files
}

// cutBody kills an API that receives a file as a body. It leaves no job and no slot, and in the file store nothing but what
// the sweep takes, which is how many objects it returns.
func (s *stack) cutBody(text []byte) int {
	t := s.t
	before := s.objects()
	dying := s.api()
	body := newStuck(text[:len(text)*2/3])
	done := make(chan error, 1)
	go func() { _, err := dying.send(http.MethodPost, "/import/file", "eve", body); done <- err }()
	eventually(t, time.Minute, "something of the body is stored", func() bool { return len(s.objects()) > len(before) })
	dying.kill()
	body.end()
	if err := <-done; err == nil {
		t.Error("the API survived")
	}
	if list, err := s.store.Jobs(t.Context(), job.Filter{Owner: "eve", Limit: 10}); err != nil || len(list) > 0 {
		t.Errorf("a body that was cut made %d jobs; %v", len(list), err)
	}
	if held := s.keys("muster:{eve}:slots:*"); len(held) > 0 {
		t.Errorf("slots of a body that was cut: %v", held)
	}
	left := len(s.objects()) - len(before)
	s.sweepLater()
	if after := s.objects(); !maps.Equal(after, before) {
		t.Errorf("after the sweep there is %v, want what was there before: %v", slices.Sorted(maps.Keys(after)), slices.Sorted(maps.Keys(before)))
	}
	return left
}

// objects are the files in the folder of the file store.
func (s *stack) objects() map[string]bool {
	s.t.Helper()
	names := map[string]bool{}
	err := filepath.WalkDir(s.files, func(path string, d os.DirEntry, err error) error {
		if os.IsNotExist(err) || err == nil && d.IsDir() {
			return nil
		}
		names[strings.TrimPrefix(path, s.files+"/")] = true
		return err
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return names
}

// sweepLater sweeps as if all files were two days old.
func (s *stack) sweepLater() {
	s.t.Helper()
	old := time.Now().Add(-48 * time.Hour)
	for name := range s.objects() {
		if err := os.Chtimes(filepath.Join(s.files, name), old, old); err != nil {
			s.t.Fatal(err)
		}
	}
	sweeper := jobs.Sweeper{Store: s.store, Files: s.fileStore(), Retention: time.Hour, Log: slog.New(slog.DiscardHandler)}
	if err := sweeper.Sweep(s.t.Context()); err != nil {
		s.t.Error(err)
	}
}

// beginUpload returns the id of a new upload by tus.
func (p *proc) beginUpload(owner string, size int) (id string) {
	p.t.Helper()
	v := p.must(http.MethodPost, "/uploads", owner, http.StatusCreated, "Tus-Resumable", "1.0.0", "Upload-Length", strconv.Itoa(size))
	at := v.Header.Get("Location")
	return at[strings.LastIndexByte(at, '/')+1:]
}

// uploaded returns how many bytes of an upload are there.
func (p *proc) uploaded(owner, id string) int {
	p.t.Helper()
	v := p.must(http.MethodHead, "/uploads/"+id, owner, http.StatusOK, "Tus-Resumable", "1.0.0")
	n, err := strconv.Atoi(v.Header.Get("Upload-Offset"))
	if err != nil {
		p.t.Fatal(err)
	}
	return n
}

// patch appends to an upload.
func (p *proc) patch(owner, id string, from int, body io.Reader) (response, error) {
	return p.send(http.MethodPatch, "/uploads/"+id, owner, body, "Tus-Resumable", "1.0.0",
		"Upload-Offset", strconv.Itoa(from), "Content-Type", "application/offset+octet-stream")
}

// stuck is a body that stops in the middle, and does not end.
type stuck struct {
	text *bytes.Reader
	over context.Context
	end  context.CancelFunc
}

func newStuck(text []byte) *stuck {
	ctx, cancel := context.WithCancel(context.Background())
	return &stuck{text: bytes.NewReader(text), over: ctx, end: cancel}
}

func (b *stuck) Read(p []byte) (int, error) {
	if b.text.Len() > 0 {
		return b.text.Read(p)
	}
	<-b.over.Done()
	return 0, io.ErrUnexpectedEOF
}
