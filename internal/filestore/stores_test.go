package filestore_test

import (
	"crypto/sha256"
	"encoding/hex"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"

	"github.com/musterhq/muster/internal/filestore"
)

const block = filestore.TestBlock

// place is where a store keeps its objects. Each open is another process.
type place struct {
	t   testing.TB
	url string
}

func (p place) open() *filestore.Store {
	p.t.Helper()
	s, err := filestore.OpenTest(p.url, time.Minute)
	if err != nil {
		p.t.Fatal(err)
	}
	return s
}

// onEach runs a test on every kind of store.
func onEach(t *testing.T, test func(t *testing.T, p place)) {
	t.Helper()
	t.Run("folder", func(t *testing.T) {
		t.Parallel()
		test(t, place{t, "file://" + filepath.Join(tempDir(t), "files")})
	})
	t.Run("bucket", func(t *testing.T) {
		t.Parallel()
		test(t, newS3(t, nil))
	})
}

// tempDir is in memory where that is possible: each block is flushed to the disk, which may be a slow one.
func tempDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "muster") //nolint:usetesting // t.TempDir is on the disk
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// newS3 starts an S3 in this process, of which between may change requests.
func newS3(t testing.TB, between func(http.Handler) http.Handler) place {
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
	return place{t, "s3://key:secret@muster/some/where?endpoint=" + srv.URL}
}

// content is size bytes that look like no others.
func content(seed uint64, size int) []byte {
	b := make([]byte, size)
	r := rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8), byte(size), byte(size >> 8)})
	_, _ = r.Read(b)
	return b
}

func sha(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// create writes an object.
func create(t testing.TB, s *filestore.Store, name string, body []byte) {
	t.Helper()
	w, err := s.Create(t.Context(), name, 0)
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
	if w.Size() != int64(len(body)) || w.SHA256() != sha(body) {
		t.Errorf("%s has %d bytes and hash %s, want %d and %s", name, w.Size(), w.SHA256(), len(body), sha(body))
	}
}

// read returns an object.
func read(t testing.TB, s *filestore.Store, name string) []byte {
	t.Helper()
	o, err := s.Open(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	defer o.Close()
	r := o.Range(t.Context(), 0, -1)
	defer r.Close()
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// keys lists all that is there.
func keys(t testing.TB, s *filestore.Store) []string {
	t.Helper()
	k, err := s.Keys(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// eventually waits for a condition.
func eventually(t testing.TB, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("it does not come true")
		}
	}
}
