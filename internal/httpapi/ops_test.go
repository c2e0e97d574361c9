package httpapi_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/alicebob/miniredis/v2"
	"github.com/google/go-cmp/cmp"
	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"github.com/musterhq/muster/internal/httpapi"
	"github.com/musterhq/muster/internal/httpapi/api"
	"github.com/musterhq/muster/internal/job"
)

func TestReadiness(t *testing.T) {
	t.Parallel()
	hang := func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
	a := newAPI(t, newFakes(), func(c *httpapi.Config) {
		c.Checks = []httpapi.Check{
			{Name: "database", Ping: func(context.Context) error { return nil }},
			{Name: "redis", Ping: func(context.Context) error { return errors.New("dial user:hunter2@10.1.2.3") }},
			{Name: "schema", Ping: func(context.Context) error { return job.ErrSchema }},
			{Name: "slow", Ping: hang},
			{Name: "temp_dir", Ping: func(context.Context) error { return httpapi.CheckTempDir("/nowhere/hunter2") }, Minor: true},
			{Name: "files", Ping: func(context.Context) error { return fmt.Errorf("%w: write /hunter2", job.ErrNoSpace) }, Minor: true},
			{Name: "full", Ping: func(context.Context) error {
				return fmt.Errorf("ping: %w", &job.UnreadyError{Reason: "is full", Err: errors.New("user:hunter2@10.1.2.3")})
			}},
			{Name: "rights", Ping: func(context.Context) error {
				return &job.StoreError{Reason: job.WaitStoreDenied, Err: errors.New("INSERT command denied to user 'ann'@'10.1.2.3'")}
			}},
			{Name: "disk", Ping: func(context.Context) error {
				return fmt.Errorf("check: %w", &job.StoreError{Reason: job.WaitStoreDisk, Err: errors.New("the table is full")})
			}},
			{Name: "hanging", Ping: func(ctx context.Context) error {
				return &job.StoreError{Reason: job.WaitStoreDown, Err: hang(ctx)}
			}},
		}
	})
	got := a.do("GET /readyz?from=probe", nil, nil)
	if got.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("status = %d", got.StatusCode)
	}
	want := api.Readiness{Status: "unavailable", Checks: []api.CheckResult{
		{Name: "database", Status: "ok"},
		{Name: "redis", Status: "failed", Message: "does not answer"},
		{Name: "schema", Status: "failed", Message: job.ErrSchema.Error()},
		{Name: "slow", Status: "failed", Message: "no answer within 1s"},
		{Name: "temp_dir", Status: "failed", Message: "does not take files"},
		{Name: "files", Status: "failed", Message: "the file store is full"},
		{Name: "full", Status: "failed", Message: "is full"},
		{Name: "rights", Status: "failed", Message: "the database account lacks a right"},
		{Name: "disk", Status: "failed", Message: "the database cannot write its files; the disk may be full"},
		{Name: "hanging", Status: "failed", Message: "no answer within 1s"},
	}}
	if diff := cmp.Diff(want, decode[api.Readiness](t, got)); diff != "" {
		t.Errorf("readiness (-want +got):\n%s", diff)
	}
	if !strings.Contains(a.log.String(), "hunter2") {
		t.Error("the log does not have the cause")
	}
	if got := a.do("GET /healthz", nil, nil); string(got.body) != `{"status":"ok"}`+"\n" {
		t.Errorf("healthz %s", got.body)
	}
}

func TestRequestID(t *testing.T) {
	t.Parallel()
	a := newAPI(t, newFakes(), nil)
	for id, taken := range map[string]bool{
		"abcDEF_-1": true, strings.Repeat("x", 64): true, "short": false, "": false, "with space": false,
		strings.Repeat("x", 65): false, `quote"newline`: false,
	} {
		got := a.do("GET /healthz", as{"X-Request-ID", id}, nil).Header.Get("X-Request-ID")
		if (got == id) != taken || len(got) < 8 {
			t.Errorf("X-Request-ID %q was answered with %q", id, got)
		}
	}
}

func TestAccessLogHasNothingPersonal(t *testing.T) {
	t.Parallel()
	a := newAPI(t, newFakes(), nil)
	a.do("GET /api/v1/jobs/"+jobID+"?email=secret@example.com", as{"X-USER-ID", "ada.byron"}, nil)
	eventually(t, func() bool { return strings.Contains(a.log.String(), "msg=request") }, "an access log line")
	line := a.log.String()
	for _, want := range []string{"method=GET", "route=/api/v1/jobs/:jobId", "status=400", "request=", "ms="} {
		if !strings.Contains(line, want) {
			t.Errorf("the line has no %q: %s", want, line)
		}
	}
	for _, not := range []string{"secret", "ada.byron", jobID} {
		if strings.Contains(line, not) {
			t.Errorf("the line has %q: %s", not, line)
		}
	}
}

func TestHeaders(t *testing.T) {
	t.Parallel()
	a := newAPI(t, newFakes(), nil)
	got := a.do("GET /api/v1/jobs", append(as{"Origin", "https://evil.example"}, ada...), nil)
	for name, want := range map[string]string{
		"X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY", "Cache-Control": "no-store",
		"Content-Security-Policy": "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'", "Access-Control-Allow-Origin": "",
	} {
		if h := got.Header.Get(name); h != want {
			t.Errorf("%s = %q, want %q", name, h, want)
		}
	}
	a = newAPI(t, newFakes(), func(c *httpapi.Config) { c.CORSOrigins = []string{"https://app.example"} })
	for origin, want := range map[string]string{"https://app.example": "https://app.example", "https://evil.example": ""} {
		got := a.do("GET /api/v1/jobs", append(as{"Origin", origin}, ada...), nil)
		if h := got.Header.Get("Access-Control-Allow-Origin"); h != want {
			t.Errorf("origin %s: Access-Control-Allow-Origin = %q", origin, h)
		}
	}
}

func TestDocs(t *testing.T) {
	t.Parallel()
	a := newAPI(t, newFakes(), nil)
	page := a.do("GET /docs", nil, nil)
	if page.StatusCode != http.StatusOK || strings.Contains(string(page.body), "<script>") || strings.Contains(string(page.body), "//") {
		t.Errorf("the page has an inline script or asks another host: %s", page.body)
	}
	if csp := page.Header.Get("Content-Security-Policy"); !strings.Contains(csp, "script-src 'self';") {
		t.Errorf("Content-Security-Policy = %q", csp)
	}
	for path, kind := range map[string]string{
		"/docs/":                     "text/html",
		"/docs/docs.js":              "text/javascript",
		"/docs/swagger-ui-bundle.js": "text/javascript",
		"/docs/swagger-ui.css":       "text/css",
		"/docs/favicon-32x32.png":    "image/png",
		"/openapi.json":              "application/json",
	} {
		got := a.do("GET "+path, nil, nil)
		if got.StatusCode != http.StatusOK || !strings.HasPrefix(strings.Replace(got.Header.Get("Content-Type"), "application/javascript", "text/javascript", 1), kind) || len(got.body) < 100 {
			t.Errorf("%s: %d %s, %d bytes", path, got.StatusCode, got.Header.Get("Content-Type"), len(got.body))
		}
	}
	if got := a.do("GET /openapi.json", nil, nil); !strings.Contains(string(got.body), `"openapi":"3.1.0"`) {
		t.Errorf("openapi.json starts %.100s", got.body)
	}
}

// ownClient hands asynq a client that stays the test's.
type ownClient struct{ redis.UniversalClient }

func (c ownClient) MakeRedisClient() any { return c.UniversalClient }

// fakeRedis is a Redis with a task in the queue small.
func fakeRedis(t *testing.T) asynq.RedisConnOpt {
	t.Helper()
	client := redis.NewClient(&redis.Options{Addr: miniredis.RunT(t).Addr()})
	t.Cleanup(func() { _ = client.Close() })
	if _, err := asynq.NewClientFromRedisClient(client).Enqueue(asynq.NewTask("x", nil), asynq.Queue("small")); err != nil {
		t.Fatal(err)
	}
	return ownClient{client}
}

func adminAPI(t *testing.T, password string, writable bool) *testServer {
	t.Helper()
	s, logs := newServer(t, newFakes(), func(c *httpapi.Config) {
		c.AdminPassword = password
		c.Monitoring = &httpapi.Monitoring{Redis: fakeRedis(t), Writable: writable}
	})
	return serve(t, s.Admin(), logs, nil)
}

func TestAdminPages(t *testing.T) {
	t.Parallel()
	a := adminAPI(t, "", false)
	if got := a.do("GET /monitoring/api/queues", nil, nil); !strings.Contains(string(got.body), `"queue":"small"`) {
		t.Errorf("queues: %d %s", got.StatusCode, got.body)
	}
	if got := a.do("GET /debug/pprof/goroutine?debug=1", nil, nil); !strings.Contains(string(got.body), "goroutine profile") {
		t.Errorf("pprof: %d %.100s", got.StatusCode, got.body)
	}
	res, err := a.client.Get(a.url + "/api/v1/jobs")
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	if res.StatusCode != http.StatusNotFound {
		t.Errorf("the API is on the admin listener: %d", res.StatusCode)
	}
}

func TestAdminPassword(t *testing.T) {
	t.Parallel()
	a := adminAPI(t, "hunter2", false)
	get := func(path, user, password string) int {
		r, _ := http.NewRequest(http.MethodGet, a.url+path, nil)
		if user != "" {
			r.SetBasicAuth(user, password)
		}
		res, err := a.client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = res.Body.Close() }()
		_, _ = io.Copy(io.Discard, res.Body)
		if res.StatusCode == http.StatusUnauthorized && res.Header.Get("WWW-Authenticate") == "" {
			t.Errorf("%s: 401 without WWW-Authenticate", path)
		}
		return res.StatusCode
	}
	for _, path := range []string{"/monitoring", "/monitoring/api/queues", "/debug/pprof/", "/debug/pprof/goroutine"} {
		for _, c := range []struct {
			user, password string
			want           int
		}{{"", "", 401}, {"admin", "", 401}, {"admin", "hunter", 401}, {"root", "hunter2", 401}, {"admin", "hunter2", 200}} {
			if got := get(path, c.user, c.password); got != c.want {
				t.Errorf("%s as %s:%s = %d, want %d", path, c.user, c.password, got, c.want)
			}
		}
	}
	if got := get("/", "admin", "hunter2"); got != 302 {
		t.Errorf("/ = %d, want it to lead to /monitoring", got)
	}
	if got := get("/", "", ""); got != 401 {
		t.Errorf("/ = %d without a password", got)
	}
	if got := get("/healthz", "", ""); got != 200 {
		t.Errorf("/healthz = %d, want 200 without a password", got)
	}
	a.failure(a.do("GET /monitoring", nil, nil), 401, "unauthenticated")
}

func TestMonitoringIsReadOnlyUnlessConfigured(t *testing.T) {
	t.Parallel()
	const pause = "POST /monitoring/api/queues/small:pause"
	if got := adminAPI(t, "", false).do(pause, nil, nil); got.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("read-only: %d %s", got.StatusCode, got.body)
	}
	a := adminAPI(t, "", true)
	if got := a.do(pause, nil, nil); got.StatusCode != http.StatusNoContent {
		t.Errorf("writable: %d %s", got.StatusCode, got.body)
	}
}
