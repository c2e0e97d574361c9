package httpapi_test

import (
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/gorillamux"
	"go.uber.org/goleak"

	"github.com/musterhq/muster/internal/httpapi"
	"github.com/musterhq/muster/internal/httpapi/api"
	"github.com/musterhq/muster/internal/webhook"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		// A server that the tests started lives as long as they do.
		goleak.IgnoreAnyFunction("github.com/musterhq/muster/internal/testenv.(*Process).run.func1"),
		// What tusd ends some seconds after its request.
		goleak.IgnoreAnyFunction("github.com/tus/tusd/v2/pkg/handler.newDelayedContext.func1"))
}

// logBuffer keeps what the server logs.
type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// testServer is a server on a port of its own, as cmd/api runs it.
type testServer struct {
	t      *testing.T
	url    string
	srv    *http.Server
	client *http.Client
	log    *logBuffer
	router routers.Router
}

func newConfig(t *testing.T, f *fakes, log *slog.Logger) httpapi.Config {
	t.Helper()
	return httpapi.Config{
		Jobs: newFakeJobs(f, log), Users: f, UserStore: f, Export: f, Log: log,
		Duplicates: f, Rejects: f, Files: f, Source: f, Uploads: newUploads(t), KnownCharset: func(name string) bool { return name != "klingon" },
		ExportLinks: fakeLinks{}, Schedules: newSchedules(), Webhooks: fakeWebhooks{}, WebhookGuard: webhook.NewGuard(nil),
	}
}

func newServer(t *testing.T, f *fakes, change func(*httpapi.Config)) (*httpapi.Server, *logBuffer) {
	t.Helper()
	logs := &logBuffer{}
	log := slog.New(slog.NewTextHandler(logs, &slog.HandlerOptions{Level: slog.LevelDebug}))
	c := newConfig(t, f, log)
	if change != nil {
		change(&c)
	}
	s, err := httpapi.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return s, logs
}

func newAPI(t *testing.T, f *fakes, change func(*httpapi.Config)) *testServer {
	t.Helper()
	s, logs := newServer(t, f, change)
	return serve(t, s.Public(), logs, nil)
}

func serve(t *testing.T, h http.Handler, logs *logBuffer, change func(*http.Server)) *testServer {
	t.Helper()
	srv := httpapi.NewHTTPServer(h, slog.New(slog.NewTextHandler(logs, nil)))
	if change != nil {
		change(srv)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = srv.Serve(l)
	}()
	transport := &http.Transport{DisableCompression: true}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		_ = srv.Close()
		<-done
	})
	router, err := contract()
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	return &testServer{t: t, url: "http://" + l.Addr().String(), srv: srv, client: client, log: logs, router: router}
}

// contract finds the operation of a request, for all tests at once: making it takes longer than most of them.
var contract = sync.OnceValues(func() (routers.Router, error) {
	spec, err := api.GetSpec()
	if err != nil {
		return nil, err
	}
	return gorillamux.NewRouter(spec)
})

// answer is a response, read whole.
type answer struct {
	*http.Response
	body []byte
}

// as is a request's headers: name, value, name, value …
type as []string

var ada = as{"X-USER-ID", "ada"}

// do sends "METHOD /path", or "METHOD /path JSON", and checks the answer against the contract, if that has the route.
func (a *testServer) do(request string, headers as, body io.Reader) answer {
	a.t.Helper()
	method, path, _ := strings.Cut(request, " ")
	path, text, _ := strings.Cut(path, " ")
	if text != "" {
		headers, body = append(as{"Content-Type", "application/json"}, headers...), strings.NewReader(text)
	}
	r, err := http.NewRequestWithContext(a.t.Context(), method, a.url+path, body)
	if err != nil {
		a.t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	res, err := a.client.Do(r)
	if err != nil {
		a.t.Fatalf("%s: %v", request, err)
	}
	defer func() { _ = res.Body.Close() }()
	got, err := io.ReadAll(res.Body)
	if err != nil {
		a.t.Fatalf("%s: %v", request, err)
	}
	a.matchesContract(r, res, got)
	return answer{res, got}
}

func (a *testServer) matchesContract(r *http.Request, res *http.Response, body []byte) {
	a.t.Helper()
	plain, _ := http.NewRequest(r.Method, r.URL.RequestURI(), nil) // the contract's servers have no host
	plain.URL.RawPath = ""                                         // the router would match it
	route, params, err := a.router.FindRoute(plain)
	if err != nil {
		return
	}
	in := &openapi3filter.ResponseValidationInput{
		RequestValidationInput: &openapi3filter.RequestValidationInput{Request: plain, PathParams: params, Route: route},
		Status:                 res.StatusCode, Header: res.Header,
		Options: &openapi3filter.Options{IncludeResponseStatus: true, MultiError: true},
	}
	// What is compressed, binary or a part of a file has no schema that says more than its type.
	kind, _, _ := strings.Cut(res.Header.Get("Content-Type"), ";")
	in.Options.ExcludeResponseBody = res.Header.Get("Content-Encoding") != "" || res.StatusCode == http.StatusPartialContent ||
		openapi3filter.RegisteredBodyDecoder(kind) == nil && route.Operation.Responses.Status(res.StatusCode).Value.Content[kind] != nil
	if err := openapi3filter.ValidateResponse(a.t.Context(), in.SetBodyBytes(body)); err != nil {
		a.t.Errorf("%s %s: the answer breaks the contract: %v\n%d %s", r.Method, r.URL.Path, err, res.StatusCode, body)
	}
}

func decode[T any](t *testing.T, a answer) T {
	t.Helper()
	var v T
	d := json.NewDecoder(bytes.NewReader(a.body))
	d.DisallowUnknownFields()
	if err := d.Decode(&v); err != nil {
		t.Fatalf("decode %q: %v", a.body, err)
	}
	return v
}

// failure checks that the answer is an error in the one form and returns it.
func (a *testServer) failure(got answer, status int, code string) api.Error {
	a.t.Helper()
	if got.StatusCode != status {
		a.t.Fatalf("status = %d, want %d: %s", got.StatusCode, status, got.body)
	}
	e := decode[api.Error](a.t, got)
	if e.Status != status || e.Code != code || e.Error != http.StatusText(status) || e.Path != got.Request.URL.Path {
		a.t.Errorf("error = %s, want code %s", got.body, code)
	}
	if id := got.Header.Get("X-Request-ID"); id == "" || e.RequestID != id {
		a.t.Errorf("requestId = %q, header %q", e.RequestID, id)
	}
	return e
}
