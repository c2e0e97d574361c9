package httpapi_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/labstack/echo/v4"

	"github.com/musterhq/muster/internal/httpapi"
	"github.com/musterhq/muster/internal/httpapi/api"
	"github.com/musterhq/muster/internal/job"
	"github.com/musterhq/muster/internal/user"
)

func TestContractIsValid(t *testing.T) {
	t.Parallel()
	spec, err := api.GetSpec()
	if err != nil {
		t.Fatal(err)
	}
	if err := spec.Validate(t.Context()); err != nil {
		t.Error(err)
	}
	for path, item := range spec.Paths.Map() {
		for method, op := range item.Operations() {
			for _, p := range op.Parameters {
				if _, ok := p.Value.Extensions["x-message"]; !ok && p.Value.Name != "Prefer" {
					t.Errorf("%s %s: parameter %s has no x-message", method, path, p.Value.Name)
				}
			}
		}
	}
}

// Every route of the contract is served, the API's under both prefixes, and nothing else under /api.
func TestRoutesAreThoseOfTheContract(t *testing.T) {
	t.Parallel()
	s, _ := newServer(t, newFakes(), nil)
	served := map[string]bool{}
	for _, r := range s.Public().(*echo.Echo).Routes() {
		if r.Method != http.MethodHead || strings.Contains(r.Path, "/uploads") { // HTTP has it where there is GET
			served[r.Method+" "+r.Path] = true
		}
	}
	spec, err := api.GetSpec()
	if err != nil {
		t.Fatal(err)
	}
	for path, item := range spec.Paths.Map() {
		for _, method := range methods(item) {
			for _, prefix := range prefixes(spec, item) {
				key := method + " " + prefix + strings.NewReplacer("{", ":", "}", "").Replace(path)
				if !served[key] {
					t.Errorf("%s is not served", key)
				}
				delete(served, key)
			}
		}
	}
	for key := range served {
		if strings.Contains(key, " /api") && !strings.HasPrefix(key, echo.RouteNotFound) {
			t.Errorf("%s is served but not in the contract", key)
		}
	}
}

// methods are those of a path. What speaks another protocol lists them, since it has no operations.
func methods(item *openapi3.PathItem) []string {
	list := slices.Collect(maps.Keys(item.Operations()))
	others, _ := item.Extensions["x-methods"].([]any)
	for _, m := range others {
		list = append(list, m.(string))
	}
	return list
}

func prefixes(spec *openapi3.T, item *openapi3.PathItem) []string {
	servers := spec.Servers
	if len(item.Servers) > 0 {
		servers = item.Servers
	}
	var urls []string
	for _, s := range servers {
		urls = append(urls, strings.TrimSuffix(s.URL, "/"))
	}
	return urls
}

// call is one line of the table: a request, what the fakes behind the API do, and the answer.
type call struct {
	request string
	headers as
	given   func(*fakes)
	status  int
	code    string // of an error
}

// failing lets everything behind the API return err.
func failing(err error) func(*fakes) {
	return func(f *fakes) {
		f.submitErr, f.storeErr, f.liveErr, f.userErr = err, err, err, err
		f.stream = failingStream(err)
	}
}

// jobCalls returns the calls that are the same for every route of jobs.
func jobCalls(request string, ok int) []call {
	secret := errors.New("dial tcp 10.1.2.3: password hunter2 refused")
	has := func(f *fakes) { f.stored[jobID] = sample(job.InProgress) }
	return []call{
		{request, ada, has, ok, ""},
		{request, nil, nil, 400, "user_id_missing"},
		{request + "?what=1", ada, has, 400, "validation_failed"},
		{request, ada, failing(fmt.Errorf("x: %w", &job.StoreError{Reason: job.WaitStoreDenied, Err: secret})), 503, "store_unavailable"},
		{request, ada, failing(fmt.Errorf("x: %w", job.ErrSchema)), 503, "store_unavailable"},
		{request, ada, failing(secret), 500, "internal_error"},
	}
}

// calls lists every status of every route; the harness checks each answer against the contract.
func calls() []call {
	unknown, secret := as{"X-USER-ID", "bob"}, errors.New("dial tcp 10.1.2.3: password hunter2 refused")
	has := func(s job.Status) func(*fakes) { return func(f *fakes) { f.stored[jobID] = sample(s) } }
	var all []call
	for _, route := range []string{"/users/import/async", "/import/bulk", "/import/random-users"} {
		post := "POST /api/v1" + route + "?count=100000"
		all = append(all,
			call{post, append(as{"Prefer", "wait=5"}, ada...), func(f *fakes) { f.live[jobID] = sample(job.Completed) }, 201, ""},
			call{post, append(as{"Prefer", "wait=0"}, ada...), nil, 202, ""},
			call{post, ada, nil, 202, ""},
			call{post, nil, nil, 400, "user_id_missing"},
			call{post + "&count=2", ada, nil, 400, "validation_failed"},
			call{post, ada, func(f *fakes) { f.submitErr = &job.BatchLimitError{Count: 100_000, Max: 10} }, 400, "batch_limit_exceeded"},
			call{post, ada, func(f *fakes) { f.submitErr = job.ErrKeyReused }, 422, "idempotency_key_reused"},
			call{post, ada, func(f *fakes) { f.submitErr = &job.LimitError{Tier: "XL", Limit: 1, InUse: 1, Jobs: []string{otherID}} }, 429, "tier_limit_reached"},
			call{post, ada, func(f *fakes) {
				f.submitErr = &job.LimitError{Tier: "XL", Limit: 1, Cooldown: true, RetryAfter: 1500 * time.Millisecond}
			}, 429, "cooldown_active"},
			call{post, ada, failing(fmt.Errorf("x: %w", job.ErrQueueUnavailable)), 503, "queue_unavailable"},
			call{post, ada, failing(job.ErrQueueFull), 503, "queue_full"},
			call{post, ada, failing(fmt.Errorf("x: %w", job.ErrUncertain)), 503, "store_unavailable"},
			call{post, ada, failing(secret), 500, "internal_error"},
		)
	}
	for _, request := range []string{"GET /api/v1/jobs", "GET /api/v1/jobs/" + jobID} {
		all = append(all, jobCalls(request, 200)...)
	}
	// A job that is over, or the answer would not end.
	all = append(all, call{"GET /api/v1/jobs/" + jobID + "/events", ada, has(job.Completed), 200, ""})
	for _, c := range jobCalls("GET /api/v1/jobs/"+jobID+"/events", 200) {
		if c.status != 200 {
			all = append(all, c)
		}
	}
	for action, status := range map[string]int{"cancel": 200, "pause": 200, "resume": 200, "retry": 200, "undo": 202} {
		request := "POST /api/v1/jobs/" + jobID + "/" + action
		code := map[string]string{"cancel": "job_not_cancellable", "pause": "job_not_pausable", "resume": "job_not_resumable", "retry": "job_not_retryable", "undo": "job_not_undoable"}[action]
		all = append(all, jobCalls(request, status)...)
		all = append(all,
			call{request, ada, nil, 404, "job_not_found"},
			call{strings.Replace(request, jobID, "17", 1), ada, nil, 400, "validation_failed"},
			call{request, ada, func(f *fakes) {
				f.stored[jobID] = sample(job.Completed)
				f.moveErr = &job.StateError{Move: job.Move(action), Status: job.Completed}
			}, 409, code},
		)
		if action == "resume" || action == "retry" {
			all = append(all, call{request, ada, func(f *fakes) {
				f.stored[jobID] = sample(job.Paused)
				f.moveErr = &job.LimitError{Tier: "XL", Limit: 1, InUse: 1, Jobs: []string{otherID}}
			}, 429, "tier_limit_reached"})
		}
	}
	all = append(all,
		call{"GET /api/v1/jobs/" + jobID, ada, nil, 404, "job_not_found"},
		call{"GET /api/v1/jobs/" + jobID, unknown, has(job.InProgress), 404, "job_not_found"},
		call{"GET /api/v1/jobs/17", ada, nil, 400, "validation_failed"},
		call{"GET /healthz", nil, nil, 200, ""},
		call{"GET /readyz", nil, nil, 200, ""},
	)
	return all
}

func TestEveryStatusOfEveryRoute(t *testing.T) {
	t.Parallel()
	for _, c := range slices.Concat(calls(), userCalls(), exportCalls(), fileCalls()) {
		for _, version := range []string{"/api/v1/", "/api/"} {
			request := strings.Replace(c.request, "/api/v1/", version, 1)
			t.Run(fmt.Sprint(request, " ", c.status, c.code), func(t *testing.T) {
				t.Parallel()
				f := newFakes()
				if c.given != nil {
					c.given(f)
				}
				a := newAPI(t, f, nil)
				got := a.do(request, c.headers, nil)
				if c.code == "" {
					if got.StatusCode != c.status {
						t.Fatalf("status = %d, want %d: %s", got.StatusCode, c.status, got.body)
					}
					return
				}
				a.failure(got, c.status, c.code)
				if strings.Contains(string(got.body), "hunter2") {
					t.Errorf("the answer shows the cause: %s", got.body)
				}
				if c.status == 500 && !strings.Contains(a.log.String(), "hunter2") {
					t.Errorf("the log does not have the cause: %s", a.log)
				}
				if wait := got.Header.Get("Retry-After"); (c.status == 429 || c.status == 503) != (wait != "") || wait == "0" {
					t.Errorf("status %d has Retry-After %q", c.status, wait)
				}
			})
		}
	}
}

func TestRoutesThatAreNotThere(t *testing.T) {
	t.Parallel()
	a := newAPI(t, newFakes(), nil)
	for _, request := range []string{"GET /api", "GET /api/v1/nothing", "GET /api/v2/jobs", "GET /api/v1/jobs/", "GET /monitoring", "GET /debug/pprof/"} {
		a.failure(a.do(request, ada, nil), 404, "route_not_found")
	}
	for _, page := range []string{"GET /", "HEAD /"} {
		if got := a.do(page, nil, nil); got.StatusCode != http.StatusFound || got.Header.Get("Location") != "/docs" {
			t.Errorf("%s: %d, Location %q, want it to lead to /docs", page, got.StatusCode, got.Header.Get("Location"))
		}
	}
}

// concrete returns a path with values for the parameters of a route, or of the contract's path.
func concrete(path string) string {
	return strings.NewReplacer(":id", "1", "{id}", "1", ":jobId", jobID, "{jobId}", jobID, ":keyId", jobID, "{keyId}", jobID, "{scheduleId}", jobID, ":scheduleId", jobID, "{webhookId}", jobID, ":webhookId", jobID, "{deliveryId}", deliveryID, ":deliveryId", deliveryID, ":name", "part-00000-000-1.csv?expires=9&signature=good", "/docs/*", "/docs/swagger-ui.css", "/*", "/x").Replace(path)
}

// A path of the contract has the methods that the contract says, and Allow names them, also where another route would
// fit with a part of the path for its parameter.
func TestMethodsThatAreNotThere(t *testing.T) {
	t.Parallel()
	a := newAPI(t, newFakes(), nil)
	spec, err := api.GetSpec()
	if err != nil {
		t.Fatal(err)
	}
	for path, item := range spec.Paths.Map() {
		if item.Extensions["x-methods"] != nil {
			continue // see TestUploadsOtherMethods
		}
		want := []string{http.MethodOptions}
		for method := range item.Operations() {
			want = append(want, method)
		}
		if item.Get != nil {
			want = append(want, http.MethodHead)
		}
		slices.Sort(want)
		for _, prefix := range prefixes(spec, item) {
			url := prefix + concrete(path)
			for _, method := range []string{"POST", "PUT", "PATCH", "DELETE", "GET", "HEAD", "OPTIONS", "TRACE", "PROPFIND"} {
				if slices.Contains(want, method) && method != http.MethodOptions {
					continue
				}
				got := a.do(method+" "+url, ada, nil)
				switch method {
				case http.MethodOptions:
					if got.StatusCode != http.StatusNoContent {
						t.Errorf("%s %s: %d", method, url, got.StatusCode)
					}
				case http.MethodHead:
					if got.StatusCode != http.StatusMethodNotAllowed {
						t.Errorf("%s %s: %d", method, url, got.StatusCode)
					}
				default:
					a.failure(got, 405, "method_not_allowed")
				}
				allow := strings.Split(got.Header.Get("Allow"), ", ")
				if slices.Sort(allow); !slices.Equal(allow, want) {
					t.Errorf("%s %s: Allow = %q, want %q", method, url, allow, want)
				}
			}
		}
	}
	// Braces of a caller's are no parameter of the contract's.
	a.failure(a.do("GET /api/v1/users/%7Bid%7D", nil, nil), 400, "validation_failed")
}

// HEAD is there wherever GET is: the same status and headers, without a body.
func TestHead(t *testing.T) {
	t.Parallel()
	f := newFakes()
	s, logs := newServer(t, f, nil)
	a := serve(t, s.Public(), logs, nil)
	for _, r := range s.Public().(*echo.Echo).Routes() {
		path := concrete(r.Path)
		if r.Method != http.MethodGet || strings.Contains(path, "/keys") { // which nobody sees here, see TestHeaderModeHasNoKeys
			continue
		}
		j := sampleFile(job.Completed)
		if strings.Contains(path, "/exports/") {
			j.Source = job.SourceExport
		}
		f.stored[jobID] = j
		get, head := a.do("GET "+path, ada, nil), a.do("HEAD "+path, ada, nil)
		if head.StatusCode != get.StatusCode || get.StatusCode >= 400 || len(head.body) != 0 {
			t.Errorf("HEAD %s: %d %q, GET has %d", path, head.StatusCode, head.body, get.StatusCode)
		}
		for _, name := range []string{"Content-Type", "Content-Disposition", "Content-Security-Policy", "ETag", "Location", "Cache-Control"} {
			now := regexp.MustCompile(`\d{8}T\d{6}Z`)
			if got, want := now.ReplaceAllString(head.Header.Get(name), ""), now.ReplaceAllString(get.Header.Get(name), ""); got != want {
				t.Errorf("HEAD %s: %s = %q, GET has %q", path, name, got, want)
			}
		}
	}
	for path, status := range map[string]int{
		"/api/users/search?size=0": 400, "/api/users/2": 404, "/api/v1/export/stream?size=1": 400, "/api/v1/export/csv?jobId=" + otherID: 404,
		"/api/v1/jobs/" + otherID + "/events": 404, "/nothing": 404,
	} {
		if got := a.do("HEAD "+path, ada, nil); got.StatusCode != status || len(got.body) != 0 {
			t.Errorf("HEAD %s: %d %q, want %d", path, got.StatusCode, got.body, status)
		}
	}
	if got := a.do("HEAD /api/v1/users/1", as{"If-None-Match", byronTag}, nil); got.StatusCode != http.StatusNotModified {
		t.Errorf("HEAD with the tag: %d", got.StatusCode)
	}
}

// A stream is not made to answer HEAD, and takes no place of one.
func TestHeadOfStreams(t *testing.T) {
	t.Parallel()
	f := newFakes()
	f.stored[jobID] = sample(job.InProgress) // its events would not end
	f.stream = func(context.Context, io.Writer, user.ExportSpec) (int64, error) {
		t.Error("HEAD made the file")
		return 0, nil
	}
	a := newAPI(t, f, func(c *httpapi.Config) { c.MaxExports = 1 })
	for _, path := range []string{"/api/v1/export/stream?format=avro", "/api/v1/jobs/" + jobID + "/events"} {
		if got := a.do("HEAD "+path, ada, nil); got.StatusCode != http.StatusOK || got.Header.Get("Content-Type") == "" {
			t.Errorf("%s: %d %v", path, got.StatusCode, got.Header)
		}
	}
}

// A path is what it reads decoded, but an encoded slash separates nothing.
func TestEncodedPaths(t *testing.T) {
	t.Parallel()
	f := newFakes()
	f.stored[jobID] = sample(job.Completed)
	a := newAPI(t, f, nil)
	for path, status := range map[string]int{
		"/api/v1/users/%31": 200, "/%61pi/v1/%75sers/1": 200, "/api/v1/users/%73earch": 200, "/d%6fcs": 200,
		"/api/v1/jobs/" + strings.ReplaceAll(jobID, "-", "%2D"): 200, "/api/v1/jobs/" + strings.ReplaceAll(jobID, "-", "%2d"): 200,
		// Decoded once, not twice.
		"/api/v1/users/%2531": 400, "/api/v1/jobs/" + strings.ReplaceAll(jobID, "-", "%252D"): 400,
		"/api/v1/users%2F1": 404, "/api/v1%2fusers/1": 404, "/api/v1/users/1%2Freactivate": 400, "/api/v1/users/%2F": 400, "/api/v1/users/%31%2F": 400,
		"/api/v1/users/%2e%2e": 400, "/api/v1/users/%00": 400, "/api/v1/users/1%20": 400, "/docs/%2e%2e/%2e%2e/etc/passwd": 404, "/docs/..%2f..%2fetc/passwd": 404,
	} {
		if got := a.do("GET "+path, ada, nil); got.StatusCode != status {
			t.Errorf("%s: %d %.200s, want %d", path, got.StatusCode, got.body, status)
		}
	}
	if got := a.do("PUT /api/v1/users/%73earch", ada, nil); got.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("PUT of a literal path, encoded: %d", got.StatusCode)
	}
}

func TestPanicIsAnInternalError(t *testing.T) {
	t.Parallel()
	s, logs := newServer(t, newFakes(), func(c *httpapi.Config) { c.Jobs = nil })
	rec := httptest.NewRecorder()
	r := httptest.NewRequest(http.MethodPost, "/api/v1/import/bulk?count=1", nil)
	r.Header.Set("X-USER-ID", "ada")
	s.Public().ServeHTTP(rec, r)
	if rec.Code != 500 || !strings.Contains(rec.Body.String(), `"code":"internal_error"`) || strings.Contains(rec.Body.String(), "nil pointer") {
		t.Errorf("answer %d %s", rec.Code, rec.Body)
	}
	if !strings.Contains(logs.String(), "nil pointer") || !strings.Contains(logs.String(), "submit.go") {
		t.Errorf("the log has neither cause nor stack: %s", logs)
	}
}
