package dashboard_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/musterhq/muster/internal/job"
)

// A header that names nobody, or two, is not made up for by the cookie: a proxy has said that it knows nobody, or passed on what
// the client sent beside its own.
func TestHeaderOfTheProxy(t *testing.T) {
	t.Parallel()
	s := serve(t, newFakes(1, job.Completed), nil)
	for _, sent := range [][]string{{""}, {"bob", "ann"}, {"ann", "bob"}, {"ann", ""}, {"a+b"}, {" "}} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/dashboard", nil)
		r.Header["X-User-Id"] = sent
		r.AddCookie(&http.Cookie{Name: "muster_user", Value: "ann"})
		w := httptest.NewRecorder()
		s.d.ServeHTTP(w, r)
		if html := w.Body.String(); w.Code != http.StatusBadRequest || !strings.Contains(html, "The header X-USER-ID") || strings.Contains(html, id(1)) || strings.Contains(html, "sign-in") {
			t.Errorf("%q: %d %s", sent, w.Code, html)
		}
	}
}

// Who signs in gets the page that was asked for, and is never sent elsewhere.
func TestSignInLeadsOn(t *testing.T) {
	t.Parallel()
	s := serve(t, newFakes(1, job.Completed), nil)
	asked := "/dashboard?status=FAILED&tier=XL"
	if _, html := s.get(asked, "X-USER-ID", ""); !strings.Contains(html, `name="then" value="/dashboard?status=FAILED&amp;tier=XL"`) {
		t.Errorf("the form: %s", html)
	}
	for then, want := range map[string]string{
		"/dashboard/jobs/" + id(1): "/dashboard/jobs/" + id(1), asked: asked, "/dashboard": "/dashboard", "/dashboard?status=FAILED": "/dashboard?status=FAILED",
		"": "", "https://evil.example/dashboard": "", "//evil.example/dashboard": "", `/\evil.example/dashboard`: "", `\\evil.example`: "", `/\evil.example/%2e%2e/dashboard/`: "", `/dashboard/\evil`: "", "/dashboard/../../evil": "",
		"/dashboard/%2e%2e/evil": "", "/dashboardevil": "", "javascript:alert(1)": "", "/dashboard\r\nSet-Cookie: a=b": "", "dashboard": "", "http:/dashboard": "",
	} {
		if want == "" {
			want = "/dashboard"
		}
		w := httptest.NewRecorder()
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/dashboard/sign-in", strings.NewReader(url.Values{"user": {"ann"}, "then": {then}}.Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		s.d.ServeHTTP(w, r)
		if w.Code != http.StatusSeeOther || w.Header().Get("Location") != want {
			t.Errorf("%q: %d to %q, want %q", then, w.Code, w.Header().Get("Location"), want)
		}
		if c := w.Header().Get("Set-Cookie"); !strings.Contains(c, "; Path=/dashboard; Max-Age=2592000; HttpOnly; SameSite=Lax") {
			t.Errorf("cookie %q", c)
		}
	}
	// A name in the address is none: it would be in logs of proxies.
	if status, _ := s.post("/dashboard/sign-in?user=ann", nil, "X-USER-ID", ""); status != http.StatusBadRequest {
		t.Errorf("a name in the address: %d", status)
	}
}
