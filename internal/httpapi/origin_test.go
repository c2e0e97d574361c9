package httpapi_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/labstack/echo/v4"

	"github.com/musterhq/muster/internal/httpapi"
)

// hosts are the Host headers of a listener on loopback, and whether they may be taken for it: true where no DNS is
// asked.
var hosts = map[string]bool{
	"localhost": true, "localhost:9090": true, "LOCALHOST:1": true, "localhost.": true, "muster.localhost:9090": true,
	"127.0.0.1": true, "127.0.0.1:9090": true, "127.8.9.10:80": true, "[::1]": true, "[::1]:9090": true, "[::ffff:127.0.0.1]:9090": true,

	"evil.example": false, "evil.example:9090": false, "localhost.evil.example": false, "localhost.evil.example:9090": false,
	"127.0.0.1.evil.example": false, "notlocalhost": false, "10.0.0.1:9090": false, "0.0.0.0": false, "[::]:9090": false, "[fe80::1]": false,
	"muster": false, "::1.evil.example": false,
}

// under asks under another Host.
func (a *testServer) under(host, path string) int {
	a.t.Helper()
	r, _ := http.NewRequest(http.MethodGet, a.url+path, nil)
	r.Host = host
	res, err := a.client.Do(r)
	if err != nil {
		a.t.Fatal(err)
	}
	_ = res.Body.Close()
	return res.StatusCode
}

// A page whose name is resolved to loopback is of the same origin as what listens there, and reads what needs no
// password.
func TestAdminAnswersUnderNamesOfLoopback(t *testing.T) {
	t.Parallel()
	open, locked := adminAPI(t, "", false), adminAPI(t, "hunter2", false)
	for host, ours := range hosts {
		for _, path := range []string{"/monitoring/api/queues", "/monitoring", "/debug/pprof/heap", "/healthz", "/nothing"} {
			want := map[bool]int{true: 200, false: 403}[ours]
			if ours && path == "/nothing" {
				want = 404
			}
			if got := open.under(host, path); got != want {
				t.Errorf("%s%s: %d, want %d", host, path, got, want)
			}
		}
		// A browser sends the password to no other origin, and what is behind a proxy has any name.
		if got := locked.under(host, "/monitoring/api/queues"); got != 401 {
			t.Errorf("%s, with a password: %d, want 401", host, got)
		}
	}
	r, _ := http.NewRequest(http.MethodGet, open.url+"/monitoring/api/queues", nil)
	r.Host = "evil.example"
	res, err := open.client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	if kind := res.Header.Get("Content-Type"); kind != "application/json" {
		t.Errorf("the refusal is of %s", kind)
	}
}

func TestPublicAnswersUnderAnyName(t *testing.T) {
	t.Parallel()
	public := newAPI(t, newFakes(), nil)
	dev := newAPI(t, newFakes(), func(c *httpapi.Config) { c.LoopbackNames = true })
	for host, ours := range hosts {
		if got := public.under(host, "/api/v1/users/1"); got != 200 {
			t.Errorf("%s: %d", host, got)
		}
		if got, want := dev.under(host, "/api/v1/users/1"), map[bool]int{true: 200, false: 403}[ours]; got != want {
			t.Errorf("%s, loopback's names only: %d, want %d", host, got, want)
		}
	}
}

// changing returns the routes by which something may change, each with a path that its handler takes.
func changing(t *testing.T, h http.Handler) (requests []string) {
	t.Helper()
	for _, r := range h.(*echo.Echo).Routes() {
		switch r.Method {
		case http.MethodGet, http.MethodHead, http.MethodOptions, echo.RouteNotFound:
		default:
			requests = append(requests, r.Method+" "+concrete(r.Path))
		}
	}
	if len(requests) < 10 {
		t.Fatalf("only %d routes change something: %v", len(requests), requests)
	}
	return requests
}

// No page of another origin changes anything, on any route.
func TestOtherOriginsChangeNothing(t *testing.T) {
	t.Parallel()
	foreign := []as{
		{"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Site", "same-site", "Origin", "https://app.example"},
		{"Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example", "Content-Type", "text/plain"},
	}
	// Of browsers that say only this.
	old := []as{{"Origin", "https://evil.example"}, {"Origin", "null"}, {"Origin", "http://127.0.0.1"}}
	monitored := func(c *httpapi.Config) { c.Monitoring = &httpapi.Monitoring{Redis: fakeRedis(t), Writable: true} }
	s, _ := newServer(t, newFakes(), monitored)
	public := newAPI(t, newFakes(), nil)
	refused := func(got answer) bool { // 403 is also what keys are where nobody has to show one
		return got.StatusCode == http.StatusForbidden && !strings.Contains(string(got.body), "asks for no keys")
	}
	for name, test := range map[string]struct {
		of     *testServer
		routes http.Handler
		proxy  bool // may stand before it, and change the Host
	}{
		"public": {public, s.Public(), true},
		"dev":    {newAPI(t, newFakes(), func(c *httpapi.Config) { c.LoopbackNames = true }), s.Public(), false},
		"admin":  {adminAPI(t, "", true), s.Admin(), false},
	} {
		a := test.of
		for _, request := range changing(t, test.routes) {
			for _, headers := range foreign {
				a.failure(a.do(request, append(headers, ada...), nil), 403, "forbidden")
			}
			for _, headers := range old {
				if got := a.do(request, append(headers, ada...), nil); refused(got) == test.proxy {
					t.Errorf("%s: %s, %v: %d %s", name, request, headers, got.StatusCode, got.body)
				}
			}
			for _, headers := range []as{nil, {"Sec-Fetch-Site", "none"}, {"Sec-Fetch-Site", "same-origin", "Origin", a.url}, {"Origin", a.url}} {
				if got := a.do(request, append(headers, ada...), nil); refused(got) {
					t.Errorf("%s: %s of this origin, %v: %d %s", name, request, headers, got.StatusCode, got.body)
				}
			}
		}
	}
	// To look is no change, and CORS says whose pages may do more.
	if got := public.do("GET /api/v1/users", as{"Sec-Fetch-Site", "cross-site"}, nil); got.StatusCode != http.StatusOK {
		t.Errorf("a look from another site: %d", got.StatusCode)
	}
	cors := newAPI(t, newFakes(), func(c *httpapi.Config) { c.CORSOrigins = []string{"https://app.example"} })
	for origin, want := range map[string]int{"https://app.example": 200, "https://evil.example": 403} {
		if got := cors.do(`PATCH /api/v1/users/1 {"city":"Paris"}`, as{"Sec-Fetch-Site", "cross-site", "Origin", origin}, nil); got.StatusCode != want {
			t.Errorf("CORS, from %s: %d, want %d", origin, got.StatusCode, want)
		}
	}
}

// The command line may hold passwords.
func TestPprofDoesNotShowTheCommandLine(t *testing.T) {
	t.Parallel()
	a := adminAPI(t, "", false)
	if got := a.do("GET /debug/pprof/cmdline", nil, nil); got.StatusCode != http.StatusNotFound {
		t.Errorf("%d %s", got.StatusCode, got.body)
	}
	if got := a.do("GET /debug/pprof/symbol", nil, nil); got.StatusCode != http.StatusOK {
		t.Errorf("symbol: %d", got.StatusCode)
	}
}
