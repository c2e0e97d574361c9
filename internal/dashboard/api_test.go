package dashboard_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/musterhq/muster/internal/dashboard"
	"github.com/musterhq/muster/internal/job"
)

// fakeAPI answers as it is told, and keeps what it was asked.
type fakeAPI struct {
	status int
	answer string

	mu    sync.Mutex
	asked []string // "ann GET /api/v1/users/search?city=x"
	ids   []string // X-Request-ID
	kind  string   // of the last body
	bytes int64
}

func (a *fakeAPI) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	n, _ := io.Copy(io.Discard, r.Body)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.asked = append(a.asked, fmt.Sprint(r.Header.Get("X-USER-ID"), " ", r.Method, " ", r.URL.RequestURI()))
	a.ids = append(a.ids, r.Header.Get("X-Request-ID"))
	a.kind, a.bytes = r.Header.Get("Content-Type"), n
	w.WriteHeader(a.status)
	_, _ = io.WriteString(w, a.answer)
}

func serveAPI(t *testing.T, status int, answer string) (*site, *fakeAPI) {
	t.Helper()
	a := &fakeAPI{status: status, answer: answer}
	return serve(t, newFakes(1, job.Completed), func(c *dashboard.Config) { c.API = a }), a
}

// The search asks the API as the caller, and shows what it answers as text.
func TestSearchPage(t *testing.T) {
	t.Parallel()
	s, a := serveAPI(t, 200, `{"content": [{"id": 7, "firstName": "<b>Eve</b>", "lastName": "O'Neil", "email": "e@example.com", "age": 0}], "nextCursor": "a+b"}`)
	if status, html := s.get("/dashboard/users"); status != http.StatusOK || len(a.asked) != 0 || strings.Contains(html, "<table") {
		t.Errorf("before anything was asked: %d, %v", status, a.asked)
	}
	status, html := s.get("/dashboard/users?name=" + url.QueryEscape(`a "b"`) + "&city=&sortBy=age&direction=desc&other=1&size=9")
	for _, text := range []string{
		"&lt;b&gt;Eve&lt;/b&gt; O&#39;Neil", `href="/api/v1/users/7"`, `value="a &#34;b&#34;"`, `<input type="hidden" name="name" value="a &#34;b&#34;">`,
		`href="/dashboard/users?after=a%2Bb&amp;direction=desc&amp;name=a&#43;%22b%22&amp;sortBy=age" rel="next"`,
	} {
		if status != http.StatusOK || !strings.Contains(html, text) {
			t.Errorf("no %s in %d %s", text, status, html)
		}
	}
	if strings.Contains(html, `name="other"`) || strings.Contains(html, `name="size"`) { // csv=raw would switch off a protection
		t.Errorf("what somebody wrote into a link goes into the export: %s", html)
	}
	if strings.Contains(html, "<b>Eve") {
		t.Error("a name is taken for HTML")
	}
	want := []string{"ann GET /api/v1/users/search?direction=desc&name=a+%22b%22&size=25&sortBy=age"}
	if diff := cmp.Diff(want, a.asked); diff != "" {
		t.Errorf("asked (-want +got):\n%s", diff)
	}
}

// What the API refuses is said on the page, under the same status.
func TestRefusalsOfTheAPI(t *testing.T) {
	t.Parallel()
	const refusal = `{"message": "1 field is invalid", "details": {"fieldErrors": [{"field": "minAge", "message": "must be <i>less</i>"}]}}`
	for _, tt := range []struct {
		status       int
		answer, text string
	}{
		{400, refusal, "1 field is invalid; minAge must be &lt;i&gt;less&lt;/i&gt;."},
		{400, `{"message": "count is required", "details": {"fieldErrors": [{"field": "count", "message": "is required"}]}}`, ">count is required."},
		{429, `{"message": "XL concurrency limit reached"}`, "XL concurrency limit reached."},
		{502, "<html>a proxy</html>", "That is not possible now."},
	} {
		s, _ := serveAPI(t, tt.status, tt.answer)
		if status, html := s.get("/dashboard/users?name=a"); status != tt.status || !strings.Contains(html, tt.text) || !strings.Contains(html, `role="alert"`) {
			t.Errorf("search: %d %s", status, html)
		}
		if status, html := s.post("/dashboard/import/users", url.Values{"count": {"5"}}); status != tt.status || !strings.Contains(html, tt.text) {
			t.Errorf("import: %d %s", status, html)
		}
	}
}

// An import leads to the page of its job. A file may be larger than other forms.
func TestImportPages(t *testing.T) {
	t.Parallel()
	s, a := serveAPI(t, 202, `{"jobId": "`+id(1)+`"}`)
	if status, html := s.get("/dashboard/import"); status != http.StatusOK || !strings.Contains(html, `data-user="ann"`) {
		t.Errorf("the form: %d %s", status, html)
	}
	file := url.Values{"file": {strings.Repeat("x", 1<<20)}} // no form of files; that is the API's affair
	if status, html := s.post("/dashboard/import/file", file, "Content-Type", "multipart/form-data; boundary=b"); status != http.StatusSeeOther || !strings.HasSuffix(html, "/dashboard/jobs/"+id(1)) {
		t.Errorf("a file: %d %s", status, html)
	}
	if a.kind != "multipart/form-data; boundary=b" || a.bytes <= 1<<20 {
		t.Errorf("the file: %d bytes of %s", a.bytes, a.kind)
	}
	a.asked = nil
	if status, html := s.post("/dashboard/import/users", url.Values{"count": {"5"}, "source": {"faker"}, "seed": {""}, "owner": {"bob"}}); status != http.StatusSeeOther || !strings.HasSuffix(html, "/dashboard/jobs/"+id(1)) {
		t.Errorf("made-up users: %d %s", status, html)
	}
	if diff := cmp.Diff([]string{"ann POST /api/v1/users/import/async?count=5&source=faker"}, a.asked); diff != "" {
		t.Errorf("asked (-want +got):\n%s", diff)
	}
}

// The request to the API is the page's, in logs, too; and it has nothing of the page's headers.
func TestRequestsToTheAPI(t *testing.T) {
	t.Parallel()
	s, a := serveAPI(t, 200, "{}")
	for _, path := range []string{"/dashboard/users?name=a", "/dashboard/jobs/" + id(1) + "/rejected"} {
		w := httptest.NewRecorder()
		w.Header().Set("X-Request-ID", "the-page-s-own") // as whoever logs it has set
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil)
		r.Header.Set("X-USER-ID", "ann")
		r.Header.Set("X-Request-ID", "what the client sent")
		s.d.ServeHTTP(w, r)
	}
	if diff := cmp.Diff([]string{"the-page-s-own", "the-page-s-own"}, a.ids); diff != "" {
		t.Errorf("ids (-want +got):\n%s", diff)
	}
}

// Rejected rows are those of the API, which decides whose they are; no id leads to another of its paths.
func TestRejectedRows(t *testing.T) {
	t.Parallel()
	s, a := serveAPI(t, 200, "line,error\n")
	if status, text := s.get("/dashboard/jobs/" + id(1) + "/rejected?format=csv"); status != http.StatusOK || text != "line,error\n" {
		t.Errorf("%d %s", status, text)
	}
	for _, bad := range []string{"x", "..%2fusers", id(1) + "%2f..%2f" + id(1), strings.Repeat("-", 37)} {
		if status, _ := s.get("/dashboard/jobs/" + bad + "/rejected"); status != http.StatusNotFound {
			t.Errorf("%s: %d", bad, status)
		}
	}
	if status, html := s.get("/dashboard/jobs/"+id(1)+"/rejected", "X-USER-ID", ""); !strings.Contains(html, "Who are you?") {
		t.Errorf("nobody: %d %s", status, html)
	}
	// With a cookie the API is told who it is.
	s.get("/dashboard/jobs/"+id(1)+"/rejected", "X-USER-ID", "", "Cookie", "muster_user=eve")
	path := " GET /api/v1/jobs/" + id(1) + "/rejected"
	if diff := cmp.Diff([]string{"ann" + path + "?format=csv", "eve" + path}, a.asked); diff != "" {
		t.Errorf("asked (-want +got):\n%s", diff)
	}
}
