package fileimport_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"

	"github.com/musterhq/muster/internal/columns"
	"github.com/musterhq/muster/internal/fileimport"
	"github.com/musterhq/muster/internal/filestore"
	"github.com/musterhq/muster/internal/job"
)

// today is when all jobs were made.
var today = time.Date(2026, time.July, 1, 12, 0, 0, 0, time.UTC)

// tb is what *testing.T, *testing.B and *rapid.T have.
type tb interface {
	Helper()
	Fatal(args ...any)
	Fatalf(format string, args ...any)
}

// tempDir is in memory where that is possible: the file store flushes what it writes to the disk.
func tempDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "muster") //nolint:usetesting // t.TempDir is on the disk
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// newFiles returns Files on a folder.
func newFiles(t testing.TB, chunkRows int64) *fileimport.Files {
	t.Helper()
	dir := tempDir(t)
	store, err := filestore.Open("file://" + filepath.Join(dir, "files"))
	if err != nil {
		t.Fatal(err)
	}
	return &fileimport.Files{Store: store, TempDir: dir, ChunkRows: chunkRows}
}

// newBucket returns Files on an S3 in this process, whose requests between may change.
func newBucket(t testing.TB, chunkRows int64, between func(http.Handler) http.Handler) *fileimport.Files {
	t.Helper()
	mem := s3mem.New()
	if err := mem.CreateBucket("muster"); err != nil {
		t.Fatal(err)
	}
	h := gofakes3.New(mem, gofakes3.WithLogger(gofakes3.DiscardLog())).Server()
	if between != nil {
		h = between(h)
	}
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	store, err := filestore.Open("s3://key:secret@muster/some/where?endpoint=" + srv.URL)
	if err != nil {
		t.Fatal(err)
	}
	return &fileimport.Files{Store: store, TempDir: tempDir(t), ChunkRows: chunkRows}
}

// again returns Files that remember nothing, as those of another process.
func again(f *fileimport.Files) *fileimport.Files {
	return &fileimport.Files{Store: f.Store, TempDir: f.TempDir, ChunkRows: f.ChunkRows, MaxRows: f.MaxRows}
}

// newJob stores a file and returns a job that imports it.
func newJob(t tb, f *fileimport.Files, id string, file []byte, o job.FileOptions) *job.Job {
	t.Helper()
	put(t, f, "uploads/"+id, file)
	if o.OnDuplicate == "" {
		o.OnDuplicate = job.DuplicateInsert
	}
	return &job.Job{
		ID: id, CreatedAt: today, Phase: job.Preparing,
		File: &job.File{Object: "uploads/" + id, Bytes: int64(len(file)), Options: o},
	}
}

func put(t tb, f *fileimport.Files, name string, body []byte) {
	t.Helper()
	w, err := f.Store.Create(ctxOf(t), name, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Discard()
	if _, err := w.Write(body); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
}

func noProgress(int64) error { return nil }

// imported is what becomes of a file.
type imported struct {
	Prepared *fileimport.Prepared
	Rows     []columns.Row
	Rejects  []job.Reject
	Skipped  int
}

// importAll prepares the file of a job and reads all its chunks, from the rows done on, in batches of n rows.
func importAll(t tb, f *fileimport.Files, j *job.Job, n int) (out imported) {
	t.Helper()
	var err error
	if out.Prepared, err = f.Prepare(ctxOf(t), j, noProgress); err != nil {
		t.Fatal(err)
	}
	for no := range out.Prepared.Chunks {
		out.readChunk(t, f, claim(j, out.Prepared, no, 0), n)
	}
	return out
}

// claim returns that of a chunk.
func claim(j *job.Job, p *fileimport.Prepared, no int, done int64) *job.Claim {
	first := int64(no) * p.ChunkRows
	return &job.Claim{Job: *j, Chunk: job.Chunk{JobID: j.ID, No: no, FirstRow: first, Rows: min(p.ChunkRows, p.Found.Rows-first), Done: done}}
}

// readChunk adds what is left of a chunk.
func (out *imported) readChunk(t tb, f *fileimport.Files, c *job.Claim, n int) {
	t.Helper()
	chunk, err := f.Open(ctxOf(t), c)
	if err != nil {
		t.Fatal(err)
	}
	defer chunk.Close()
	left := c.Chunk.Left()
	for read := int64(1); read > 0; left -= read {
		read = out.readBatch(t, chunk, n)
	}
	if left != 0 {
		t.Fatalf("chunk %d: %d rows are left", c.Chunk.No, left)
	}
}

// readBatch adds a batch and returns how many rows it is.
func (out *imported) readBatch(t tb, chunk *fileimport.Chunk, n int) int64 {
	t.Helper()
	var b columns.Batch
	if err := chunk.Next(ctxOf(t), &b, n); err != nil {
		t.Fatal(err)
	}
	if b.Len() > n {
		t.Fatalf("a batch of %d rows has %d", n, b.Len())
	}
	out.Skipped += b.Skipped
	out.Rows = append(out.Rows, b.Rows...)
	out.Rejects = append(out.Rejects, b.Rejects...)
	return int64(b.Len())
}

// shown lists what became of a file, a line each.
func (out *imported) shown() string {
	var b strings.Builder
	for _, r := range out.Rows {
		fmt.Fprintf(&b, "row %d line %d: %s %s %s\n", r.Index, r.Line, r.User.Email, r.User.FirstName, r.User.LastName)
	}
	for _, r := range out.Rejects {
		fmt.Fprintf(&b, "reject %d line %d: %s %s %q\n", r.Row, r.Line, r.Code, r.Field, r.Raw)
	}
	fmt.Fprintf(&b, "skipped %d\n", out.Skipped)
	return b.String()
}

func ctxOf(t tb) context.Context { return t.(interface{ Context() context.Context }).Context() }
