package httpapi_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/musterhq/muster/internal/job"
)

// A large file is not held in memory.
func TestImportFileTakesConstantMemory(t *testing.T) { // measures this process, so it is not parallel
	a := newFileAPI(t, nil)
	const size = 100 << 20
	heap := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.TotalAlloc
	}
	before := heap()
	if got := a.do("POST /api/v1/import/file", ada, &zeros{size}); got.StatusCode != http.StatusAccepted {
		t.Fatalf("%d %s", got.StatusCode, got.body)
	}
	if allocated := heap() - before; allocated > size/3 {
		t.Errorf("%d bytes were allocated for a file of %d", allocated, size)
	}
	if s := a.fakes.specs[0]; s.File.Bytes != size {
		t.Errorf("%d bytes", s.File.Bytes)
	}
	a.failure(a.do("POST /api/v1/import/file", ada, &zeros{maxUpload + 1}), 413, "payload_too_large")
	if n := a.left(); n != 1 {
		t.Errorf("%d objects are left", n)
	}
}

// A client that breaks off leaves nothing.
func TestImportFileThatBreaksOff(t *testing.T) {
	t.Parallel()
	a := newFileAPI(t, nil)
	for _, head := range []string{"Content-Length: 50000000", "Transfer-Encoding: chunked"} {
		c := a.dial()
		_, _ = fmt.Fprintf(c, "POST /api/v1/import/file HTTP/1.1\r\nHost: x\r\nX-USER-ID: ada\r\n%s\r\n\r\n", head)
		if strings.HasPrefix(head, "Transfer") {
			_, _ = fmt.Fprintf(c, "%x\r\n", 40_000_000)
		}
		if _, err := io.Copy(c, io.LimitReader(&zeros{1 << 40}, 20_000_000)); err != nil {
			t.Fatal(err)
		}
		eventually(t, func() bool { return a.left() == 1 }, "a part of the file")
		_ = c.Close()
		eventually(t, func() bool { return a.left() == 0 }, "an empty store")
	}
	if len(a.fakes.specs) > 0 {
		t.Error("a job was submitted")
	}
}

// The server's deadlines are for requests and short answers, not for a body that takes long; and the answer that waits
// for the job is not cut by what was set for the body.
func TestImportFileOutlivesTheServersTimeouts(t *testing.T) {
	t.Parallel()
	f := newFakes()
	f.live[jobID] = sampleFile(job.InProgress)
	s, logs := newServer(t, f, nil)
	a := serve(t, s.Public(), logs, func(srv *http.Server) {
		srv.ReadTimeout, srv.WriteTimeout = 100*time.Millisecond, 100*time.Millisecond
	})
	for _, route := range []string{"/import/file", "/import/preview"} {
		r, w := io.Pipe()
		go func() {
			for range 6 {
				<-time.After(50 * time.Millisecond)
				_, _ = w.Write([]byte("ada@example.com\n"))
			}
			_ = w.Close()
		}()
		got := a.do("POST /api/v1"+route, append(as{"Prefer", "wait=1"}, ada...), r)
		if got.StatusCode >= 300 {
			t.Fatalf("%s: %d %s", route, got.StatusCode, got.body)
		}
	}
	if s := f.specs[0]; s.File.Bytes != 6*16 {
		t.Errorf("%d bytes arrived", s.File.Bytes)
	}
}

// A process that stops lets a file that is on its way arrive.
func TestShutdownLetsAFileArrive(t *testing.T) {
	t.Parallel()
	a := newFileAPI(t, nil)
	got := a.whileStopping(http.MethodPost, "/api/v1/import/file", func(w *io.PipeWriter) {
		for range 10 {
			_, _ = w.Write([]byte("x"))
			<-time.After(time.Millisecond)
		}
	}, ada...)
	if got.StatusCode != http.StatusAccepted {
		t.Errorf("%d %s", got.StatusCode, got.body)
	}
	a.spec("xxxxxxxxxxx")
}
func TestImportFileWithExpectAndOverHTTP10(t *testing.T) {
	t.Parallel()
	a := newFileAPI(t, nil)
	const body = "email\nada@example.com\n"
	res, got, asked := a.raw("POST /api/v1/import/file", []byte(body), "Expect: 100-continue")
	if res.StatusCode != http.StatusAccepted || !asked {
		t.Fatalf("%d %s, asked %t", res.StatusCode, got, asked)
	}
	a.spec(body)
	if res, got, _ = a.raw("POST /api/v1/import/file HTTP/1.0", []byte(body)); res.StatusCode != http.StatusAccepted {
		t.Fatalf("HTTP/1.0: %d %s", res.StatusCode, got)
	}
	a.spec(body)
}

func TestImportFileFromAForm(t *testing.T) {
	t.Parallel()
	a := newFileAPI(t, nil)
	long := strings.Repeat("ada@example.com\n", 100_000)
	for name, want := range map[string]string{"users.csv": "users.csv", `..\\..\\boot.ini`: "boot.ini", "../../etc/passwd": "passwd", "": "", "größe.csv": "größe.csv"} {
		kind, body := form(t, "file", name, long)
		got := a.do("POST /api/v1/import/file", append(as{"Content-Type", kind}, ada...), bytes.NewReader(body))
		if got.StatusCode != http.StatusAccepted {
			t.Fatalf("%s: %d %s", name, got.StatusCode, got.body)
		}
		if s := a.spec(long); s.File.Name != want || s.File.ContentType != "text/csv" {
			t.Errorf("%s: file %+v", name, s.File)
		}
	}
	before := a.left()
	refused := func(what, code, kind string, body []byte) {
		t.Helper()
		a.failure(a.do("POST /api/v1/import/file", append(as{"Content-Type", kind}, ada...), bytes.NewReader(body)), 400, code)
		if n := a.left(); n != before {
			t.Errorf("%s: %d objects are left, %d were there", what, n, before)
		}
	}
	for what, parts := range map[string][]string{
		"another part behind":   {"file", "a", long, "onDuplicate", "", "skip"},
		"another part in front": {"onDuplicate", "", "skip", "file", "a", long},
		"two files":             {"file", "a", "x", "file", "b", "x"},
	} {
		kind, body := form(t, parts...)
		refused(what, "validation_failed", kind, body)
	}
	kind, body := form(t, "file", "a", "")
	refused("an empty file", "empty_file", kind, body)
	refused("no part", "empty_file", "multipart/form-data; boundary=b", []byte("--b--\r\n"))
	refused("no form", "empty_file", kind, []byte("email\nada@example.com\n"))
	kind, body = form(t, "file", "users.csv", long)
	refused("no boundary", "validation_failed", "multipart/form-data", body)
	refused("cut", "validation_failed", kind, body[:len(body)/2])
	refused("headers without end", "validation_failed", "multipart/form-data; boundary=b", []byte("--b\r\nX: "+strings.Repeat("x", 100_000)+"\r\n\r\na\r\n--b--\r\n"))
}

// A file that is sent under a key that was used for another request is of no use.
func TestImportFileUnderAUsedKeyIsNotKept(t *testing.T) {
	t.Parallel()
	a := newFileAPI(t, nil)
	a.fakes.submitErr = job.ErrKeyReused
	a.failure(a.do("POST /api/v1/import/file", append(as{"Idempotency-Key", "k"}, ada...), strings.NewReader("email\nada@example.com\n")), 422, "idempotency_key_reused")
	if n := a.left(); n != 0 {
		t.Errorf("%d objects are left", n)
	}
}

// So many previews at once would take the memory of the process.
func TestPreviewsAtOnceAreLimited(t *testing.T) {
	t.Parallel()
	a := newFileAPI(t, nil)
	var bodies []*io.PipeWriter
	var wg sync.WaitGroup
	for range 16 {
		r, w := io.Pipe()
		bodies = append(bodies, w)
		wg.Go(func() {
			if got := a.do("POST /api/v1/import/preview", append(as{"Content-Type", "text/csv"}, ada...), r); got.StatusCode != http.StatusOK {
				t.Errorf("a preview among sixteen: %s", got.body)
			}
		})
		if _, err := io.WriteString(w, "email\n"); err != nil {
			t.Fatal(err)
		}
	}
	var got answer
	eventually(t, func() bool {
		got = a.do("POST /api/v1/import/preview", append(as{"Content-Type", "text/csv"}, ada...), strings.NewReader("email\nada@example.com\n"))
		return got.StatusCode != http.StatusOK
	}, "a preview that is refused")
	if e := a.failure(got, 429, "too_many_requests"); e.Details.Limit != 16 {
		t.Errorf("refusal %s", got.body)
	}
	for _, w := range bodies {
		_ = w.Close()
	}
	wg.Wait() // their answers are this test's
	eventually(t, func() bool {
		got = a.do("POST /api/v1/import/preview", append(as{"Content-Type", "text/csv"}, ada...), strings.NewReader("email\nada@example.com\n"))
		return got.StatusCode == http.StatusOK
	}, "a preview again")
}

// The file is taken as it comes, whatever its type says, in pieces too, and compressed.
func TestImportFileTakesAnyBody(t *testing.T) {
	t.Parallel()
	a := newFileAPI(t, nil)
	body := "\x1f\x8b\x08\x00 whatever \x00\xff"
	for _, h := range []as{
		{}, {"Content-Type", "application/x-www-form-urlencoded"}, {"Content-Type", "no type"}, {"Content-Type", "application/json"}, {"Content-Encoding", "gzip"},
		{"Content-Encoding", "ZSTD"}, {"Content-Type", "multipart/mixed; boundary=x"},
	} {
		// A reader that is no more than that is sent in pieces.
		got := a.do("POST /api/v1/import/file", append(h, ada...), io.MultiReader(strings.NewReader(body)))
		if got.StatusCode != http.StatusAccepted {
			t.Fatalf("%v: %d %s", h, got.StatusCode, got.body)
		}
		a.spec(body)
	}
	a.failure(a.do("POST /api/v1/import/file", ada, io.MultiReader(strings.NewReader(""))), 400, "empty_file")
}
