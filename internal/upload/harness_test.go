package upload_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"

	"github.com/musterhq/muster/client"
	"github.com/musterhq/muster/internal/filestore"
	"github.com/musterhq/muster/internal/job"
	"github.com/musterhq/muster/internal/upload"
)

const maxBytes = 1 << 30

var errNoCaller = errors.New("no caller")

// config is that of an API process whose store is at address.
func config(address string) (upload.Config, error) {
	files, err := filestore.Open(address)
	return upload.Config{
		Files: files, Max: maxBytes, Expiry: time.Hour,
		Owner: func(r *http.Request) (string, error) {
			if owner := r.Header.Get("X-USER-ID"); owner != "" {
				return owner, nil
			}
			return "", errNoCaller
		},
		InUse: func(_ context.Context, id string) (bool, error) { return inUse(id), nil },
		Fail:  fail,
	}, err
}

// imported are the uploads that a job needs.
var imported sync.Map

func inUse(id string) bool {
	_, used := imported.Load(id)
	return used
}

// fail answers with an error as package httpapi does.
func fail(w http.ResponseWriter, _ *http.Request, err error) {
	status := http.StatusInternalServerError
	large, isLarge := errors.AsType[*job.FileTooLargeError](err)
	broken, isBroken := errors.AsType[*job.UploadError](err)
	switch {
	case errors.Is(err, errNoCaller):
		status = http.StatusBadRequest
	case errors.Is(err, job.ErrUploadNotFound):
		status = http.StatusNotFound
	case errors.Is(err, job.ErrUploadConflict), errors.Is(err, job.ErrUploadInUse):
		status = http.StatusConflict
	case errors.Is(err, job.ErrFilesUnavailable), errors.Is(err, job.ErrNoSpace):
		status = http.StatusServiceUnavailable
	case isLarge && large.Max == maxBytes:
		status = http.StatusRequestEntityTooLarge
	case isBroken:
		status = broken.Status
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = fmt.Fprintf(w, `{"code":"c","message":%q}`, err)
}

// newUploads is an API process.
func newUploads(t testing.TB, address string, change func(*upload.Config)) *upload.Uploads {
	t.Helper()
	c, err := config(address)
	if err != nil {
		t.Fatal(err)
	}
	if change != nil {
		change(&c)
	}
	u, err := upload.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// serve serves it below /api/v1.
func serve(t testing.TB, h http.Handler) string {
	t.Helper()
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	return srv.URL
}

func folder(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "muster") //nolint:usetesting // t.TempDir is on the disk
	if err != nil {
		dir = t.TempDir()
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return "file://" + dir
}

func bucket(t testing.TB) string {
	t.Helper()
	mem := s3mem.New()
	if err := mem.CreateBucket("muster"); err != nil {
		t.Fatal(err)
	}
	return "s3://key:secret@muster?endpoint=" + serve(t, gofakes3.New(mem, gofakes3.WithLogger(gofakes3.DiscardLog())).Server())
}

func open(t testing.TB, server string) *client.ClientWithResponses {
	t.Helper()
	c, err := client.Open(server)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func content(size int) []byte {
	b := make([]byte, size)
	_, _ = rand.NewChaCha8([32]byte{byte(size), byte(size >> 8)}).Read(b)
	return b
}

func sha(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// answer is what a server said to a request by hand.
type answer struct {
	Status int
	Header http.Header
	Body   string
}

// call makes a request of ann. Headers are "Name: value"; one without a value is left out.
func call(t testing.TB, method, url string, body io.Reader, headers ...string) answer {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, url, body)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Tus-Resumable", "1.0.0")
	req.Header.Set("X-USER-ID", "ann")
	if method == http.MethodPatch {
		req.Header.Set("Content-Type", "application/offset+octet-stream")
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		req.Header.Set(name, value)
		if value == "" {
			req.Header.Del(name)
		}
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{resp.StatusCode, resp.Header, string(b)}
}

// begin begins an upload of ann's and returns its URL and id.
func begin(t testing.TB, server string, size int, headers ...string) (url, id string) {
	t.Helper()
	a := call(t, "POST", server+"/api/v1/uploads", nil, append(headers, fmt.Sprintf("Upload-Length: %d", size))...)
	at := a.Header.Get("Location")
	id, ok := strings.CutPrefix(at, "/api/v1/uploads/")
	if a.Status != http.StatusCreated || !ok {
		t.Fatalf("begun: %+v", a)
	}
	return server + at, id
}

// finished checks an upload of ann's.
func finished(t testing.TB, u *upload.Uploads, id string, body []byte) *job.Upload {
	t.Helper()
	up, err := u.Find(t.Context(), "ann", id)
	if err != nil {
		t.Fatal(err)
	}
	if up.ID != id || up.Size != int64(len(body)) || up.SHA256 != sha(body) {
		t.Errorf("found %+v, want %d bytes with the hash %s", up, len(body), sha(body))
	}
	o, err := u.Files.Open(t.Context(), up.Object)
	if err != nil {
		t.Fatal(err)
	}
	defer o.Close()
	got, err := io.ReadAll(o.Range(t.Context(), 0, -1))
	if err != nil || !bytes.Equal(got, body) {
		t.Errorf("the file has %d other bytes: %v", len(got), err)
	}
	return up
}

func eventually(t testing.TB, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("it does not come true")
		}
	}
}

// TestMain is also an API process, which TestKilled kills: with the address of its store and its own.
func TestMain(m *testing.M) {
	if store := os.Getenv("MUSTER_TEST_UPLOADS"); store != "" {
		if err := process(store, os.Getenv("MUSTER_TEST_LISTEN")); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

func process(store, listen string) error {
	c, err := config(store)
	if err != nil {
		return err
	}
	u, err := upload.New(c)
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", listen)
	if err != nil {
		return err
	}
	fmt.Println(l.Addr()) // it listens
	return (&http.Server{Handler: u, ReadHeaderTimeout: time.Minute}).Serve(l)
}

// pieces is a body that comes when it is sent.
type pieces struct {
	*io.PipeReader
	w    *io.PipeWriter
	once sync.Once
}

func newPieces() *pieces {
	r, w := io.Pipe()
	return &pieces{PipeReader: r, w: w}
}

func (p *pieces) send(t testing.TB, b []byte) {
	t.Helper()
	if _, err := p.w.Write(b); err != nil {
		t.Fatal(err)
	}
}

func (p *pieces) end() { p.once.Do(func() { _ = p.w.Close() }) }
