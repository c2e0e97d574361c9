package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// fakeFiles is an API that takes files, and says of each what the test wants.
type fakeFiles struct {
	url string

	mu       sync.Mutex
	uploads  map[string]*fakeUpload
	requests []*http.Request // imports, in their order
	bodies   []string        // theirs: sent with the request, or before
	job      string          // of every import

	preview func(body string) (status int, answer any)
	refuse  func(n int) (status int, code string) // the n-th import, from 1; 0: it is taken
	outcome map[string]int
	sent    func(n int) // called with each byte count that arrived of an upload
}

type fakeUpload struct {
	name   string
	length int
	data   bytes.Buffer
}

func newFakeFiles(t *testing.T) *fakeFiles {
	t.Helper()
	f := &fakeFiles{uploads: map[string]*fakeUpload{}, job: newID(), outcome: map[string]int{"inserted": 2}}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /api/v1/import/preview", f.servePreview)
	mux.HandleFunc("POST /api/v1/import/file", f.serveImport)
	mux.HandleFunc("/api/v1/uploads/", f.serveUpload)
	mux.HandleFunc("/api/v1/uploads", f.serveUpload)
	mux.HandleFunc("GET /api/v1/jobs/{id}", f.serveJob)
	mux.HandleFunc("GET /api/v1/jobs/{id}/rejected", f.serveRejected)
	api := httptest.NewServer(mux)
	t.Cleanup(api.Close)
	f.url = api.URL
	return f
}

func answer(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}

func (f *fakeFiles) servePreview(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	if f.preview != nil {
		status, v := f.preview(string(body))
		answer(w, status, v)
		return
	}
	answer(w, http.StatusOK, map[string]any{
		"format": "csv", "compression": "none", "charset": "utf-8", "delimiter": ";", "header": true, "columnCount": 3,
		"columns": []any{
			map[string]any{"name": "Mail", "field": "email", "samples": []string{"ada@example.com", "\x1b[31mbob@"}},
			map[string]any{"name": "Shoe size", "samples": []string{"38"}},
		},
		"rows": []any{
			map[string]any{"row": 1, "line": 2, "user": map[string]any{}, "errors": []any{}},
			map[string]any{"row": 2, "line": 3, "user": map[string]any{}, "errors": []any{map[string]any{"code": "bad_email", "field": "email", "message": "must be an e-mail address"}}},
		},
	})
}

func (f *fakeFiles) serveImport(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	f.mu.Lock()
	defer f.mu.Unlock()
	if u := f.uploads[r.URL.Query().Get("uploadId")]; u != nil {
		body = u.data.Bytes()
	}
	f.requests, f.bodies = append(f.requests, r), append(f.bodies, string(body))
	if f.refuse != nil {
		if status, code := f.refuse(len(f.requests)); status != 0 {
			if code == "cooldown_active" {
				w.Header().Set("Retry-After", "1")
			}
			answer(w, status, map[string]any{"status": status, "code": code, "message": "refused: " + code, "details": map[string]any{"uploadId": f.job}})
			return
		}
	}
	answer(w, http.StatusAccepted, map[string]any{"jobId": f.job, "status": "PENDING", "message": ""})
}

// serveUpload speaks tus.
func (f *fakeFiles) serveUpload(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	u := f.uploads[path.Base(r.URL.Path)]
	f.mu.Unlock()
	switch {
	case r.Method == http.MethodPost:
		id := newID()
		_, name, _ := strings.Cut(r.Header.Get("Upload-Metadata"), " ")
		text, _ := base64.StdEncoding.DecodeString(name)
		u := &fakeUpload{name: string(text)}
		u.length, _ = strconv.Atoi(r.Header.Get("Upload-Length"))
		f.mu.Lock()
		f.uploads[id] = u
		f.mu.Unlock()
		w.Header().Set("Location", "/api/v1/uploads/"+id)
		w.WriteHeader(http.StatusCreated)
		return
	case u == nil:
		answer(w, http.StatusNotFound, map[string]any{"status": http.StatusNotFound, "code": "upload_not_found", "message": "upload not found"})
		return
	case r.Method == http.MethodPatch:
		if f.sent != nil {
			_, _ = io.CopyN(&u.data, r.Body, 3)
			_, _ = io.Copy(io.Discard, r.Body) // that the client is gone is noticed behind the body
			f.sent(u.data.Len())
			<-r.Context().Done()
			return
		}
		_, _ = io.Copy(&u.data, r.Body)
	}
	w.Header().Set("Upload-Offset", strconv.Itoa(u.data.Len()))
	w.Header().Set("Upload-Length", strconv.Itoa(u.length))
	w.WriteHeader(http.StatusNoContent)
}

func (f *fakeFiles) serveJob(w http.ResponseWriter, _ *http.Request) {
	o := map[string]int{"inserted": 0, "updated": 0, "unchanged": 0, "skipped": 0, "rejected": 0}
	for name, n := range f.outcome {
		o[name] = n
	}
	answer(w, http.StatusOK, map[string]any{
		"jobId": f.job, "status": "COMPLETED", "source": "file", "phase": "IMPORTING", "requestedCount": 2, "outcome": o, "message": "Completed.",
		"file": map[string]any{
			"name": "users.csv", "bytes": 5000, "format": "csv", "uploadId": f.job, "sha256": "",
			"columns": []any{map[string]any{"name": "Mail", "field": "email"}, map[string]any{"name": "Shoe size"}},
		},
	})
}

func (f *fakeFiles) serveRejected(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Trailer", "X-Row-Count")
	_, _ = io.WriteString(w, r.URL.Query().Get("format")+"\n")
	w.Header().Set("X-Row-Count", "1")
}

// writeFile makes a file for a test.
func writeFile(t *testing.T, name, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}
