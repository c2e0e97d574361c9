package upload_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/musterhq/muster/internal/job"
	"github.com/musterhq/muster/internal/upload"
)

func metadata(pairs ...string) string {
	var list []string
	for i := 0; i < len(pairs); i += 2 {
		list = append(list, pairs[i]+" "+base64.StdEncoding.EncodeToString([]byte(pairs[i+1])))
	}
	return "Upload-Metadata: " + strings.Join(list, ",")
}

// The walk of an upload, request by request.
func TestProtocol(t *testing.T) {
	t.Parallel()
	for name, store := range map[string]func(testing.TB) string{"folder": folder, "bucket": bucket} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			u := newUploads(t, store(t), nil)
			server := serve(t, u)
			a := call(t, "OPTIONS", server+"/api/v1/uploads", nil, "X-USER-ID: ", "Tus-Resumable: ")
			if a.Status != http.StatusOK || a.Header.Get("Tus-Version") != "1.0.0" || a.Header.Get("Tus-Max-Size") != fmt.Sprint(maxBytes) ||
				a.Header.Get("Tus-Extension") != "creation,creation-with-upload,termination,expiration" {
				t.Errorf("OPTIONS: %+v", a)
			}

			body := content(10_000_000)
			url, id := begin(t, server, len(body), metadata("filename", "users.csv", "filetype", "text/csv", "owner", "bob", "x", "y"))
			if _, err := u.Find(t.Context(), "ann", id); !errors.Is(err, job.ErrUploadUnfinished) {
				t.Errorf("found unfinished: %v", err)
			}
			for off, end := 0, 1; off < len(body); off, end = end, min(3*end+1000, len(body)) {
				a = call(t, "HEAD", url, nil, "Tus-Resumable: ")
				if a.Status != http.StatusOK || a.Header.Get("Upload-Offset") != fmt.Sprint(off) || a.Header.Get("Upload-Length") != fmt.Sprint(len(body)) ||
					a.Header.Get("Cache-Control") != "no-store" || !expires(a.Header) {
					t.Fatalf("HEAD at %d: %+v", off, a)
				}
				a = call(t, "PATCH", url, bytes.NewReader(body[off:end]), fmt.Sprintf("Upload-Offset: %d", off))
				if a.Status != http.StatusNoContent || a.Header.Get("Upload-Offset") != fmt.Sprint(end) || a.Body != "" || expires(a.Header) == (end == len(body)) {
					t.Fatalf("PATCH from %d to %d: %+v", off, end, a)
				}
				if end < len(body) {
					if a = call(t, "PATCH", url, bytes.NewReader(body[off:end]), fmt.Sprintf("Upload-Offset: %d", off)); a.Status != http.StatusConflict {
						t.Errorf("the same once more: %+v", a)
					}
				}
			}
			up := finished(t, u, id, body)
			if up.FileName != "users.csv" || up.ContentType != "text/csv" {
				t.Errorf("found %+v", up)
			}
			a = call(t, "HEAD", url, nil)
			kept := map[string]bool{}
			for pair := range strings.SplitSeq(a.Header.Get("Upload-Metadata"), ",") {
				kept[pair] = true
			}
			want := map[string]bool{"filename dXNlcnMuY3N2": true, "filetype dGV4dC9jc3Y=": true}
			if diff := cmp.Diff(want, kept); diff != "" {
				t.Errorf("metadata (-want +got):\n%s", diff)
			}
			if a = call(t, "PATCH", url, nil, fmt.Sprintf("Upload-Offset: %d", len(body))); a.Status != http.StatusNoContent {
				t.Errorf("PATCH of nothing at the end: %+v", a)
			}
			if a = call(t, "PATCH", url, strings.NewReader("x"), fmt.Sprintf("Upload-Offset: %d", len(body))); a.Status != http.StatusConflict {
				t.Errorf("PATCH of more at the end: %+v", a)
			}

			// Another way to the same: all in the first request, and an empty file.
			a = call(t, "POST", server+"/api/uploads/", bytes.NewReader(body[:5]), "Upload-Length: 5", "Content-Type: application/offset+octet-stream")
			id, ok := strings.CutPrefix(a.Header.Get("Location"), "/api/uploads/")
			if a.Status != http.StatusCreated || !ok || a.Header.Get("Upload-Offset") != "5" {
				t.Fatalf("POST with a body: %+v", a)
			}
			finished(t, u, id, body[:5])
			_, id = begin(t, server, 0)
			finished(t, u, id, nil)

			imported.Store(path.Base(url), true)
			if a = call(t, "DELETE", url, nil); a.Status != http.StatusConflict {
				t.Errorf("DELETE while a job imports it: %+v", a)
			}
			imported.Delete(path.Base(url))
			if a = call(t, "DELETE", url, nil); a.Status != http.StatusNoContent {
				t.Errorf("DELETE: %+v", a)
			}
			for _, method := range []string{"HEAD", "PATCH", "DELETE"} {
				if a = call(t, method, url, nil, "Upload-Offset: 0"); a.Status != http.StatusNotFound {
					t.Errorf("%s after DELETE: %+v", method, a)
				}
			}
		})
	}
}

// expires reports whether the headers say when an unfinished upload goes.
func expires(h http.Header) bool {
	at, err := http.ParseTime(h.Get("Upload-Expires"))
	return err == nil && at.After(time.Now().Add(58*time.Minute)) && at.Before(time.Now().Add(61*time.Minute))
}

// What is not of the protocol is refused, in words of ours, and nothing is begun by it.
func TestRefused(t *testing.T) {
	t.Parallel()
	address := folder(t)
	server := serve(t, newUploads(t, address, nil))
	url, id := begin(t, server, 100)
	collection := server + "/api/v1/uploads"
	for _, tt := range []struct {
		method, url string
		status      int
		headers     []string
	}{
		{"POST", collection, 400, nil},
		{"POST", collection, 400, []string{"Upload-Length: 100", "X-USER-ID: "}},
		{"POST", collection, 412, []string{"Upload-Length: 100", "Tus-Resumable: "}},
		{"POST", collection, 412, []string{"Upload-Length: 100", "Tus-Resumable: 0.2.2"}},
		{"POST", collection, 400, []string{"Upload-Length: -1"}},
		{"POST", collection, 400, []string{"Upload-Length: 9223372036854775808"}},
		{"POST", collection, 400, []string{"Upload-Length: 1e3"}},
		{"POST", collection, 400, []string{"Upload-Length: 0x10"}},
		{"POST", collection, 413, []string{"Upload-Length: 9223372036854775807"}},
		{"POST", collection, 413, []string{fmt.Sprintf("Upload-Length: %d", maxBytes+1)}},
		{"POST", collection, 400, []string{"Upload-Defer-Length: 1"}},
		{"POST", collection, 400, []string{"Upload-Length: 100", "Upload-Metadata: " + strings.Repeat("a", 20_000)}},
		{"POST", collection, 400, []string{"Upload-Concat: partial"}},
		{"POST", collection, 405, []string{"X-HTTP-Method-Override: GET"}},
		{"GET", collection, 405, nil},
		{"PATCH", collection, 405, nil},
		{"GET", url, 405, nil},
		{"PUT", url, 405, nil},
		{"PATCH", url, 400, nil},
		{"PATCH", url, 400, []string{"Upload-Offset: -1"}},
		{"PATCH", url, 400, []string{"Upload-Offset: 9223372036854775808"}},
		{"PATCH", url, 409, []string{"Upload-Offset: 9223372036854775807"}},
		{"PATCH", url, 409, []string{"Upload-Offset: 1"}},
		{"PATCH", url, 400, []string{"Upload-Offset: 0", "Content-Type: text/csv"}},
		{"PATCH", url, 412, []string{"Upload-Offset: 0", "Tus-Resumable: "}},
		{"HEAD", url, 404, []string{"X-USER-ID: bob"}},
		{"PATCH", url, 404, []string{"X-USER-ID: bob", "Upload-Offset: 0"}},
		{"DELETE", url, 404, []string{"X-USER-ID: bob"}},
		{"HEAD", url, 400, []string{"X-USER-ID: "}},
		{"HEAD", collection + "/" + strings.ToUpper(id), 404, nil},
		{"HEAD", collection + "/urn:uuid:" + id, 404, nil},
		{"HEAD", collection + "/" + strings.ReplaceAll(id, "-", ""), 404, nil},
		{"HEAD", collection + "/..%2f..%2fetc%2fpasswd", 404, nil},
		{"HEAD", collection + "/%00", 404, nil},
		{"HEAD", collection + "/" + strings.Repeat("a", 10_000), 404, nil},
		{"HEAD", url + "/x", 404, nil},
		{"HEAD", collection + "x", 404, nil},
	} {
		a := call(t, tt.method, tt.url, nil, tt.headers...)
		if a.Status != tt.status || a.Header.Get("Location") != "" {
			t.Errorf("%s %s %.80q: %+v, want %d", tt.method, tt.url, tt.headers, a, tt.status)
		}
		if a.Status == http.StatusMethodNotAllowed && a.Header.Get("Allow") == "" {
			t.Errorf("%s %s: no Allow", tt.method, tt.url)
		}
		if tt.method != "HEAD" && !strings.HasPrefix(a.Body, `{"code":"c","message":"`) || strings.Contains(a.Body, "/") || strings.Contains(a.Body, "ERR_") {
			t.Errorf("%s %s: body %s", tt.method, tt.url, a.Body)
		}
	}
	if a := call(t, "PATCH", url, bytes.NewReader(content(101)), "Upload-Offset: 0"); a.Status != http.StatusRequestEntityTooLarge {
		t.Errorf("more bytes than it has: %+v", a)
	}
	// The same without a Content-Length: what fits is kept.
	if a := call(t, "PATCH", url, io.MultiReader(bytes.NewReader(content(101))), "Upload-Offset: 0"); a.Status != http.StatusRequestEntityTooLarge && a.Status != http.StatusNoContent {
		t.Errorf("more bytes than it has, by and by: %+v", a)
	}
	uploads, err := os.ReadDir(strings.TrimPrefix(address, "file://") + "/uploads")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range uploads {
		if !strings.HasPrefix(e.Name(), id) {
			t.Errorf("begun all the same: %s", e.Name())
		}
	}
}

// The name of a file is text.
func TestMetadata(t *testing.T) {
	t.Parallel()
	u := newUploads(t, folder(t), nil)
	server := serve(t, u)
	for given, want := range map[string]string{
		"users.csv":              "users.csv",
		"Müller & Söhne 名.csv":   "Müller & Söhne 名.csv",
		"../../etc/passwd":       "passwd",
		`C:\Users\ann\list.csv`:  "list.csv",
		"/":                      "",
		"..":                     "",
		"":                       "",
		"a/..":                   "",
		"a\r\nSet-Cookie: b":     "aSet-Cookie: b",
		"\x1b[31mred.csv\x00":    "[31mred.csv",
		"\xff\xfe.csv":           "\uFFFD.csv",
		strings.Repeat("ä", 200): strings.Repeat("ä", 127),
		"\u202Egpj.csv":          "gpj.csv",
	} {
		_, id := begin(t, server, 0, metadata("filename", given, "filetype", "text/csv\n"))
		up, err := u.Find(t.Context(), "ann", id)
		if err != nil || up.FileName != want || up.ContentType != "text/csv" {
			t.Errorf("%q: %+v, %v; want %q", given, up, err, want)
		}
	}
	for _, odd := range []string{"Upload-Metadata: filename", "Upload-Metadata: filename !!!", "Upload-Metadata: ,,,", "Upload-Metadata: filename a b c", "Upload-Metadata:  "} {
		_, id := begin(t, server, 0, odd)
		if up, err := u.Find(t.Context(), "ann", id); err != nil || up.FileName != "" {
			t.Errorf("%q: %+v, %v", odd, up, err)
		}
	}
}

func TestFind(t *testing.T) {
	t.Parallel()
	u := newUploads(t, folder(t), nil)
	_, id := begin(t, serve(t, u), 0)
	for _, who := range [][2]string{{"bob", id}, {"", id}, {"ann", "x"}, {"ann", ""}, {"ann", "../" + id}, {"ann", "0193a000-0000-7000-8000-000000000000"}} {
		if _, err := u.Find(t.Context(), who[0], who[1]); !errors.Is(err, job.ErrUploadNotFound) {
			t.Errorf("%q finds %q: %v", who[0], who[1], err)
		}
	}
}

// An upload that nobody continues is gone after a while; a finished one stays.
func TestExpiry(t *testing.T) {
	t.Parallel()
	u := newUploads(t, folder(t), func(c *upload.Config) { c.Expiry = time.Nanosecond })
	server := serve(t, u)
	url, id := begin(t, server, 10)
	eventually(t, func() bool { return call(t, "HEAD", url, nil).Status == http.StatusNotFound })
	if a := call(t, "PATCH", url, bytes.NewReader(content(10)), "Upload-Offset: 0"); a.Status != http.StatusNotFound {
		t.Errorf("continued: %+v", a)
	}
	if _, err := u.Find(t.Context(), "ann", id); !errors.Is(err, job.ErrUploadNotFound) {
		t.Errorf("found: %v", err)
	}
	url, id = begin(t, server, 0)
	if a := call(t, "HEAD", url, nil); a.Status != http.StatusOK {
		t.Errorf("a finished one: %+v", a)
	}
	finished(t, u, id, nil)
}

// A request that waits on a dead connection does not keep the client from going on, at another process too.
func TestTakenOver(t *testing.T) {
	t.Parallel()
	address := folder(t)
	u := newUploads(t, address, nil)
	one, two := serve(t, u), serve(t, newUploads(t, address, nil))
	body := content(20 << 20)
	for _, next := range []string{one, two} {
		url, id := begin(t, one, len(body))
		stuck := newPieces()
		first := make(chan answer, 1)
		go func() { first <- call(t, "PATCH", url, stuck, "Upload-Offset: 0") }()
		stuck.send(t, body[:9<<20]) // a block of it is saved
		url = next + strings.TrimPrefix(url, one)
		eventually(t, func() bool { return call(t, "HEAD", url, nil).Header.Get("Upload-Offset") == fmt.Sprint(8<<20) })
		if a := call(t, "PATCH", url, bytes.NewReader(body[8<<20:]), fmt.Sprintf("Upload-Offset: %d", 8<<20)); a.Status != http.StatusNoContent {
			t.Errorf("the second request: %+v", a)
		}
		finished(t, u, id, body)
		stuck.send(t, body[9<<20:10<<20])
		stuck.end()
		if a := <-first; a.Status != http.StatusConflict {
			t.Errorf("the first request: %+v", a)
		}
		finished(t, u, id, body)
	}
}

// The same piece over several connections at once is stored once.
func TestConcurrentPatches(t *testing.T) {
	t.Parallel()
	address := folder(t)
	u := newUploads(t, address, nil)
	servers := []string{serve(t, u), serve(t, newUploads(t, address, nil))}
	body := content(17 << 20)
	for range 3 {
		url, id := begin(t, servers[0], len(body))
		path := strings.TrimPrefix(url, servers[0])
		var wg sync.WaitGroup
		for i := range 6 {
			wg.Go(func() {
				a := call(t, "PATCH", servers[i%2]+path, bytes.NewReader(body), "Upload-Offset: 0")
				if a.Status != http.StatusNoContent && a.Status != http.StatusConflict {
					t.Errorf("PATCH: %+v", a)
				}
			})
		}
		wg.Wait()
		for off := ""; off != fmt.Sprint(len(body)); {
			off = call(t, "HEAD", url, nil).Header.Get("Upload-Offset")
			var n int
			if _, err := fmt.Sscan(off, &n); err != nil {
				t.Fatal(err)
			}
			if a := call(t, "PATCH", url, bytes.NewReader(body[n:]), "Upload-Offset: "+off); a.Status != http.StatusNoContent {
				t.Fatalf("from %s: %+v", off, a)
			}
		}
		finished(t, u, id, body)
	}
}

// A process that stops saves what it has, and says how far that is.
func TestShutdown(t *testing.T) {
	t.Parallel()
	u := newUploads(t, folder(t), nil)
	stop, cancel := context.WithCancel(t.Context())
	left := make(chan struct{}, 2) // of the requests, which end while the client would send more
	var got atomic.Int64
	server := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, end := context.WithCancel(r.Context())
		defer context.AfterFunc(stop, end)()
		r.Body = &counted{r.Body, &got}
		defer end()
		u.ServeHTTP(w, r.WithContext(ctx))
		left <- struct{}{}
	}))
	body := content(1000)
	url, id := begin(t, server, len(body))
	<-left
	r := newPieces()
	first := make(chan answer, 1)
	go func() { first <- call(t, "PATCH", url, r, "Upload-Offset: 0") }()
	r.send(t, body[:500])
	eventually(t, func() bool { return got.Load() == 500 })
	cancel()
	r.send(t, body[500:600])
	<-left
	r.end()
	a := <-first
	off := a.Header.Get("Upload-Offset")
	if a.Status != http.StatusNoContent || off != "500" && off != "600" {
		t.Errorf("stopped: %+v", a)
	}
	var n int
	if _, err := fmt.Sscan(off, &n); err != nil {
		t.Fatal(err)
	}
	other := serve(t, u)
	if a := call(t, "PATCH", strings.Replace(url, server, other, 1), bytes.NewReader(body[n:]), "Upload-Offset: "+off); a.Status != http.StatusNoContent {
		t.Errorf("at another process: %+v", a)
	}
	finished(t, u, id, body)
}

// counted counts what is read of a body.
type counted struct {
	io.ReadCloser
	n *atomic.Int64
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.ReadCloser.Read(p)
	c.n.Add(int64(n))
	return n, err
}

// The store's troubles are told apart, and what it says of them stays inside.
func TestStoreAway(t *testing.T) {
	t.Parallel()
	address := folder(t)
	var told error
	u := newUploads(t, address, func(c *upload.Config) {
		c.Fail = func(w http.ResponseWriter, r *http.Request, err error) { told = err; fail(w, r, err) }
	})
	server := serve(t, u)
	url, id := begin(t, server, 10)
	dir := strings.TrimPrefix(address, "file://")
	if err := os.Rename(dir, dir+"-away"); err != nil {
		t.Fatal(err)
	}
	for _, method := range []string{"HEAD", "PATCH", "DELETE"} {
		if a := call(t, method, url, bytes.NewReader(content(10)), "Upload-Offset: 0"); a.Status != http.StatusServiceUnavailable || !errors.Is(told, job.ErrFilesUnavailable) {
			t.Errorf("%s: %+v, %v", method, a, told)
		}
	}
	if a := call(t, "POST", server+"/api/v1/uploads", nil, "Upload-Length: 1"); a.Status != http.StatusServiceUnavailable || !errors.Is(told, job.ErrFilesUnavailable) {
		t.Errorf("POST: %+v, %v", a, told)
	}
	if err := os.Rename(dir+"-away", dir); err != nil {
		t.Fatal(err)
	}
	if a := call(t, "PATCH", url, bytes.NewReader(content(10)), "Upload-Offset: 0"); a.Status != http.StatusNoContent {
		t.Errorf("it is back: %+v", a)
	}
	finished(t, u, id, content(10))
}
