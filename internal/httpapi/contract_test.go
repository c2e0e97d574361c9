package httpapi_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/labstack/echo/v4"

	"github.com/musterhq/muster/internal/httpapi"
	"github.com/musterhq/muster/internal/httpapi/api"
	"github.com/musterhq/muster/internal/job"
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
		if r.Method != http.MethodHead { // HTTP has it where there is GET
			served[r.Method+" "+r.Path] = true
		}
	}
	spec, err := api.GetSpec()
	if err != nil {
		t.Fatal(err)
	}
	for path, item := range spec.Paths.Map() {
		for method := range item.Operations() {
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
	for _, c := range slices.Concat(calls(), userCalls(), exportCalls()) {
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
	for _, request := range []string{"GET /", "GET /api", "GET /api/v1/nothing", "GET /api/v2/jobs", "GET /api/v1/jobs/", "GET /monitoring", "GET /debug/pprof/"} {
		a.failure(a.do(request, ada, nil), 404, "route_not_found")
	}
	got := a.do("DELETE /api/v1/jobs", ada, nil)
	a.failure(got, 405, "method_not_allowed")
	if allow := got.Header.Get("Allow"); !strings.Contains(allow, "GET") {
		t.Errorf("Allow = %q", allow)
	}
}

// HEAD is GET without its body.
func TestHead(t *testing.T) {
	t.Parallel()
	f := newFakes()
	f.stored[jobID] = sample(job.Completed)
	a := newAPI(t, f, nil)
	for path, status := range map[string]int{
		"/api/v1/users": 200, "/api/users/search?size=0": 400, "/api/v1/users/1": 200, "/api/users/2": 404, "/api/v1/jobs": 200,
		"/api/v1/jobs/" + jobID: 200, "/healthz": 200, "/readyz": 200, "/openapi.json": 200,
	} {
		get, head := a.do("GET "+path, ada, nil), a.do("HEAD "+path, ada, nil)
		if head.StatusCode != status || len(head.body) != 0 || head.Header.Get("ETag") != get.Header.Get("ETag") ||
			status == 200 && head.Header.Get("Content-Type") != get.Header.Get("Content-Type") {
			t.Errorf("HEAD %s: %d %v %q, GET has %v", path, head.StatusCode, head.Header, head.body, get.Header)
		}
	}
	if got := a.do("HEAD /api/v1/users/1", as{"If-None-Match", byronTag}, nil); got.StatusCode != http.StatusNotModified {
		t.Errorf("HEAD with the tag: %d", got.StatusCode)
	}
	for _, path := range []string{"/api/v1/export/stream", "/api/v1/jobs/" + jobID + "/events"} {
		if got := a.do("HEAD "+path, ada, nil); got.StatusCode != http.StatusMethodNotAllowed {
			t.Errorf("HEAD of the stream %s: %d", path, got.StatusCode)
		}
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
