package httpapi_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/musterhq/muster/client"
	"github.com/musterhq/muster/internal/httpapi"
	"github.com/musterhq/muster/internal/httpapi/api"
)

// tus are the headers of ada's requests.
func tus(more ...string) as {
	return append(as{"X-USER-ID", "ada", "Tus-Resumable", "1.0.0"}, more...)
}

func (a *fileAPI) begin(size int) (path string) {
	a.t.Helper()
	got := a.do("POST /api/v1/uploads", tus("Upload-Length", fmt.Sprint(size)), nil)
	path = got.Header.Get("Location")
	if got.StatusCode != http.StatusCreated || !strings.HasPrefix(path, "/api/v1/uploads/") {
		a.t.Fatalf("%d %s %v", got.StatusCode, got.body, got.Header)
	}
	return path
}

func (a *fileAPI) patch(path string, offset int, body io.Reader, more ...string) answer {
	a.t.Helper()
	return a.do("PATCH "+path, tus(append(more, "Content-Type", "application/offset+octet-stream", "Upload-Offset", fmt.Sprint(offset))...), body)
}

// The walk of an upload through the whole server: below both prefixes, larger than other bodies, and then imported.
func TestUploads(t *testing.T) {
	t.Parallel()
	a := newFileAPI(t, nil)
	body := bytes.Repeat([]byte("ada@example.com\n"), 200_000)
	path := a.begin(len(body))
	if got := a.patch(path, 0, bytes.NewReader(body[:2_000_000])); got.StatusCode != http.StatusNoContent || got.Header.Get("Upload-Offset") != "2000000" {
		t.Fatalf("%d %s %v", got.StatusCode, got.body, got.Header)
	}
	other := strings.Replace(path, "/api/v1/", "/api/", 1)
	got := a.do("HEAD "+other, tus(), nil)
	if got.StatusCode != http.StatusOK || got.Header.Get("Upload-Offset") != "2000000" || got.Header.Get("X-Request-ID") == "" || got.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("%d %v", got.StatusCode, got.Header)
	}
	// For who cannot send PATCH.
	got = a.do("POST "+other, tus("X-HTTP-Method-Override", "PATCH", "Content-Type", "application/offset+octet-stream", "Upload-Offset", "2000000"), bytes.NewReader(body[2_000_000:]))
	if got.StatusCode != http.StatusNoContent {
		t.Fatalf("%d %s", got.StatusCode, got.body)
	}
	if got = a.do("POST /api/v1/import/file?uploadId="+path[len("/api/v1/uploads/"):], ada, nil); got.StatusCode != http.StatusAccepted {
		t.Fatalf("%d %s", got.StatusCode, got.body)
	}
	a.spec(string(body))
	id := path[len("/api/v1/uploads/"):]
	usedUploads.Store(id, true)
	if got = a.do("DELETE "+path, tus(), nil); got.StatusCode != http.StatusConflict || !strings.Contains(string(got.body), `"upload_in_use"`) || a.left() == 0 {
		t.Errorf("while its job runs: %d %s", got.StatusCode, got.body)
	}
	usedUploads.Delete(id)
	if got = a.do("DELETE "+path, tus(), nil); got.StatusCode != http.StatusNoContent || a.left() > 0 {
		t.Errorf("%d %s", got.StatusCode, got.body)
	}
}

// The Go client's own upload goes through.
func TestUploadsOfTheClient(t *testing.T) {
	t.Parallel()
	a := newFileAPI(t, nil)
	c, err := client.Open(a.url, client.WithHTTPClient(a.client))
	if err != nil {
		t.Fatal(err)
	}
	body := bytes.Repeat([]byte("x"), 10_000_000)
	id, err := c.SendFile(t.Context(), "ada", client.FileUpload{File: bytes.NewReader(body), Size: int64(len(body)), Name: "users.csv"})
	if err != nil {
		t.Fatal(err)
	}
	up, err := a.uploads.Find(t.Context(), "ada", id)
	if err != nil || up.Size != int64(len(body)) || up.FileName != "users.csv" {
		t.Errorf("%+v, %v", up, err)
	}
}

// Errors of the protocol have the one form, and the headers of tus.
func TestUploadsFail(t *testing.T) {
	t.Parallel()
	a := newFileAPI(t, nil)
	path := a.begin(10)
	gone := "/api/v1/uploads/" + otherID
	for _, c := range []struct {
		request string
		headers as
		status  int
		code    string
	}{
		{"POST /api/v1/uploads", as{"Tus-Resumable", "1.0.0", "Upload-Length", "5"}, 400, "user_id_missing"},
		{"POST /api/v1/uploads", as{"Tus-Resumable", "1.0.0", "Upload-Length", "5", "X-USER-ID", "{x}"}, 400, "validation_failed"},
		{"POST /api/v1/uploads", tus(), 400, "validation_failed"},
		{"POST /api/v1/uploads", as{"X-USER-ID", "ada", "Upload-Length", "5"}, 412, "precondition_failed"},
		{"POST /api/v1/uploads", tus("Upload-Length", fmt.Sprint(maxUpload+1)), 413, "payload_too_large"},
		{"PATCH " + gone, tus("Upload-Offset", "0", "Content-Type", "application/offset+octet-stream"), 404, "upload_not_found"},
		{"DELETE " + gone, tus(), 404, "upload_not_found"},
		{"DELETE " + path, as{"Tus-Resumable", "1.0.0", "X-USER-ID", "bob"}, 404, "upload_not_found"},
		{"DELETE /api/v1/uploads/..%2f..%2fx", tus(), 404, "upload_not_found"},
		{"PATCH " + path, tus("Upload-Offset", "5", "Content-Type", "application/offset+octet-stream"), 409, "upload_conflict"},
		{"PATCH " + path, tus("Upload-Offset", "0", "Content-Type", "text/csv"), 400, "validation_failed"},
		{"POST " + path, tus(), 405, "method_not_allowed"},
	} {
		got := a.do(c.request, c.headers, nil)
		a.failure(got, c.status, c.code)
		if got.Header.Get("Tus-Resumable") != "1.0.0" || strings.Contains(string(got.body), "ERR_") {
			t.Errorf("%s: %s %v", c.request, got.body, got.Header)
		}
	}
	for request, status := range map[string]int{"HEAD " + gone: 404, "HEAD /api/v1/uploads/x": 404} {
		if got := a.do(request, tus(), nil); got.StatusCode != status || len(got.body) > 0 {
			t.Errorf("%s: %d %q", request, got.StatusCode, got.body)
		}
	}
}

// OPTIONS tells what is spoken, also where CORS answers preflights; other methods are refused as anywhere.
func TestUploadsOtherMethods(t *testing.T) {
	t.Parallel()
	const page = "https://app.example.com"
	for _, origins := range [][]string{nil, {page}} {
		a := newFileAPI(t, func(c *httpapi.Config) { c.CORSOrigins = origins })
		path := a.begin(1)
		for url, allow := range map[string]string{"/api/v1/uploads": "OPTIONS, POST", path: "DELETE, HEAD, OPTIONS, PATCH, POST"} {
			got := a.do("OPTIONS "+url, nil, nil)
			if got.StatusCode/100 != 2 || got.Header.Get("Tus-Version") != "1.0.0" || got.Header.Get("Tus-Max-Size") != fmt.Sprint(maxUpload) {
				t.Errorf("OPTIONS %s: %d %v", url, got.StatusCode, got.Header)
			}
			got = a.do("GET "+url, tus(), nil)
			a.failure(got, 405, "method_not_allowed")
			methods := strings.Split(got.Header.Get("Allow"), ", ")
			if slices.Sort(methods); strings.Join(methods, ", ") != allow {
				t.Errorf("GET %s: Allow = %q", url, methods)
			}
		}
		if origins == nil {
			continue
		}
		preflight := a.do("OPTIONS "+path, as{"Origin", page, "Access-Control-Request-Method", "PATCH", "Access-Control-Request-Headers", "tus-resumable,upload-offset,content-type,x-user-id"}, nil)
		allowed := strings.ToLower(preflight.Header.Get("Access-Control-Allow-Headers"))
		if preflight.StatusCode != http.StatusNoContent || preflight.Header.Get("Access-Control-Allow-Origin") != page || !strings.Contains(preflight.Header.Get("Access-Control-Allow-Methods"), "PATCH") ||
			!strings.Contains(allowed, "tus-resumable") || !strings.Contains(allowed, "upload-offset") || !strings.Contains(allowed, "upload-metadata") {
			t.Errorf("preflight: %d %v", preflight.StatusCode, preflight.Header)
		}
		got := a.patch(path, 0, strings.NewReader("x"), "Origin", page, "Sec-Fetch-Site", "cross-site")
		if exposed := got.Header.Get("Access-Control-Expose-Headers"); got.StatusCode != http.StatusNoContent || !strings.Contains(exposed, "Upload-Offset") || !strings.Contains(exposed, "Location") {
			t.Errorf("%d %v", got.StatusCode, got.Header)
		}
	}
	a := newFileAPI(t, nil)
	a.failure(a.do("DELETE "+a.begin(1), tus("Origin", page, "Sec-Fetch-Site", "cross-site"), nil), 403, "forbidden")
}

// An upload takes as long as it takes, and one that is under way when the process stops keeps what has arrived.
func TestUploadsAndTheServersTimeouts(t *testing.T) {
	t.Parallel()
	f := newFakes()
	s, logs := newServer(t, f, nil)
	h := &fileAPI{testServer: serve(t, s.Public(), logs, func(srv *http.Server) {
		srv.ReadTimeout, srv.WriteTimeout = 100*time.Millisecond, 100*time.Millisecond
	}), fakes: f}
	path := h.begin(1000)
	r, w := io.Pipe()
	go func() {
		for range 6 {
			<-time.After(50 * time.Millisecond)
			_, _ = w.Write([]byte("x"))
		}
		_ = w.Close()
	}()
	if got := h.patch(path, 0, r); got.StatusCode != http.StatusNoContent || got.Header.Get("Upload-Offset") != "6" {
		t.Fatalf("%d %s %v", got.StatusCode, got.body, got.Header)
	}
	got := h.whileStopping(http.MethodPatch, path, func(w *io.PipeWriter) {
		// A byte now and then, since a body that stands still is waited for; until nobody reads it any more.
		for _, err := w.Write([]byte("xxxx")); err == nil; _, err = w.Write([]byte("x")) {
			<-time.After(time.Millisecond)
		}
	}, tus("Content-Type", "application/offset+octet-stream", "Upload-Offset", "6")...)
	if n := got.Header.Get("Upload-Offset"); got.StatusCode != http.StatusNoContent || n == "6" || n == "1000" {
		t.Errorf("%d %s %v", got.StatusCode, got.body, got.Header)
	}
}

// whileStopping makes a request whose body send writes, once the server has begun to shut down, and returns the answer.
func (a *fileAPI) whileStopping(method, path string, send func(w *io.PipeWriter), headers ...string) answer {
	a.t.Helper()
	ctx, cancel := context.WithTimeout(a.t.Context(), time.Minute)
	defer cancel()
	r, w := io.Pipe()
	stopped := make(chan error, 1)
	a.srv.RegisterOnShutdown(func() {
		send(w)
		_ = w.Close()
	})
	go func() {
		_, _ = w.Write([]byte("x")) // which the server wants: it is at it
		stopped <- a.srv.Shutdown(ctx)
	}()
	req, err := http.NewRequestWithContext(ctx, method, a.url+path, r)
	if err != nil {
		a.t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	req.Header.Set("Expect", "100-continue")
	a.client.Transport.(*http.Transport).ExpectContinueTimeout = time.Minute
	res, err := a.client.Do(req)
	if err != nil {
		a.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		a.t.Fatal(err)
	}
	_ = r.Close()
	if err := <-stopped; err != nil {
		a.t.Error(err)
	}
	return answer{res, body}
}

// Paths of tus are in the contract, for people.
func TestContractDescribesUploads(t *testing.T) {
	t.Parallel()
	spec, err := api.GetSpec()
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/uploads", "/uploads/{uploadId}"} {
		if item := spec.Paths.Value(path); item == nil || len(item.Operations()) > 0 || !strings.Contains(item.Description, "tus") && !strings.Contains(item.Description, "Upload-Offset") {
			t.Errorf("%s: %+v", path, item)
		}
	}
}
