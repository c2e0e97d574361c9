package dashboard_test

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/musterhq/muster/internal/apikey"
	"github.com/musterhq/muster/internal/dashboard"
	"github.com/musterhq/muster/internal/job"
)

// fakeSessions are sessions of keys, which are known by a word.
type fakeSessions struct {
	mu       sync.Mutex
	keys     map[string]*apikey.Key
	sessions map[string]*apikey.Key
	made     int
	down     bool
}

func newSessions() *fakeSessions {
	return &fakeSessions{sessions: map[string]*apikey.Key{}, keys: map[string]*apikey.Key{
		"all": {Owner: "ann", Scopes: apikey.Scopes}, "read": {Owner: "ann", Scopes: []apikey.Scope{apikey.Read}},
		"write": {Owner: "ann", Scopes: []apikey.Scope{apikey.Write}}, "bob": {Owner: "bob", Scopes: apikey.Scopes},
	}}
}

func (f *fakeSessions) SignIn(_ context.Context, key, _, before string) (string, *apikey.Key, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	k := f.keys[key]
	switch {
	case f.down:
		return "", nil, job.ErrStoreUnavailable
	case key == "often":
		return "", nil, &apikey.TooManyError{RetryAfter: time.Second}
	case k == nil:
		return "", nil, apikey.ErrRefused
	}
	delete(f.sessions, before)
	f.made++
	token := fmt.Sprint("token", f.made)
	f.sessions[token] = k
	return token, k, nil
}

func (f *fakeSessions) Session(_ context.Context, token string) (*apikey.Key, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if k := f.sessions[token]; k != nil && !f.down {
		return k, nil
	}
	if f.down {
		return nil, fmt.Errorf("secret address: %w", job.ErrStoreUnavailable)
	}
	return nil, apikey.ErrRefused
}

func (f *fakeSessions) SignOut(_ context.Context, token string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.sessions, token)
	return nil
}

func (f *fakeSessions) has(token string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.sessions[token] != nil
}

// keySite is a dashboard on which people sign in with keys.
type keySite struct {
	*site
	sessions *fakeSessions
	api      *fakeAPI
}

func serveKeys(t *testing.T) *keySite {
	t.Helper()
	k := &keySite{sessions: newSessions(), api: &fakeAPI{status: 200, answer: `{"content": [], "jobId": "x"}`}}
	k.site = serve(t, newFakes(1, job.InProgress), func(c *dashboard.Config) { c.Sessions, c.API = k.sessions, k.api })
	return k
}

// signIn returns the cookie of who signs in with the key, and what was answered.
func (k *keySite) signIn(key, cookie string, more ...string) (token string, w *httptest.ResponseRecorder) {
	k.t.Helper()
	r := httptest.NewRequestWithContext(k.t.Context(), http.MethodPost, "/dashboard/sign-in", strings.NewReader(url.Values{"key": {key}, "then": {"/dashboard/fleet"}}.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if cookie != "" {
		r.Header.Set("Cookie", "muster_session="+cookie)
	}
	for i := 0; i < len(more); i += 2 {
		r.Header.Set(more[i], more[i+1])
	}
	w = httptest.NewRecorder()
	k.d.ServeHTTP(w, r)
	for _, c := range w.Result().Cookies() {
		token = c.Value
	}
	return token, w
}

// as are the headers of a browser with the token.
func as(token string, more ...string) []string {
	return append([]string{"X-USER-ID", "", "Sec-Fetch-Site", "same-origin", "Cookie", "muster_session=" + token}, more...)
}

func TestSignInWithAKey(t *testing.T) {
	t.Parallel()
	k := serveKeys(t)
	token, w := k.signIn(" all ", "")
	if w.Code != http.StatusSeeOther || w.Header().Get("Location") != "/dashboard/fleet" {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	if c := w.Header().Get("Set-Cookie"); c != "muster_session="+token+"; Path=/dashboard; Max-Age=43200; HttpOnly; SameSite=Strict" {
		t.Errorf("cookie %q", c)
	}
	if _, w := k.signIn("all", "", "X-Forwarded-Proto", "https"); !strings.Contains(w.Header().Get("Set-Cookie"), "; HttpOnly; Secure; SameSite=Strict") {
		t.Errorf("cookie behind TLS: %q", w.Header().Get("Set-Cookie"))
	}
	if status, html := k.get("/dashboard", as(token)...); status != http.StatusOK || !strings.Contains(html, id(1)) || !strings.Contains(html, ">ann<") || !strings.Contains(html, "Sign out") {
		t.Errorf("%d %s", status, html)
	}
	// X-USER-ID and the cookie of a name are of no account.
	for _, headers := range [][]string{{"X-USER-ID", "ann", "Sec-Fetch-Site", "none"}, {"X-USER-ID", "", "Sec-Fetch-Site", "none", "Cookie", "muster_user=ann"}, as("token999")} {
		if status, html := k.get("/dashboard", headers...); status != http.StatusOK || strings.Contains(html, id(1)) || !strings.Contains(html, `name="key" type="password"`) || strings.Contains(html, ">ann<") {
			t.Errorf("%v: %d %s", headers, status, html)
		}
	}
	bob, _ := k.signIn("bob", "")
	if status, _ := k.get("/dashboard/jobs/"+id(1), as(bob)...); status != http.StatusNotFound {
		t.Errorf("bob gets ann's job: %d", status)
	}
	// Signing in again is another session, and ends the one before.
	again, _ := k.signIn("all", token)
	if again == token || k.sessions.has(token) || !k.sessions.has(again) {
		t.Errorf("%q after %q", again, token)
	}
	status, _ := k.post("/dashboard/sign-out", nil, as(again)...)
	if status != http.StatusSeeOther || k.sessions.has(again) {
		t.Errorf("signed out: %d", status)
	}
}

func TestKeysThatDoNotSignIn(t *testing.T) {
	t.Parallel()
	k := serveKeys(t)
	for key, want := range map[string]int{"wrong": 401, "": 401, "often": 429, "write": 403} {
		token, w := k.signIn(key, "")
		if html := w.Body.String(); w.Code != want || token != "" || !strings.Contains(html, `role="alert"`) || !strings.Contains(html, `value="/dashboard/fleet"`) || key != "" && strings.Contains(html, `value="`+key) {
			t.Errorf("%q: %d, cookie %q: %s", key, w.Code, token, html)
		}
	}
	if len(k.sessions.sessions) != 0 {
		t.Errorf("%d sessions are left", len(k.sessions.sessions))
	}
	k.sessions.down = true
	if _, w := k.signIn("all", ""); w.Code != http.StatusServiceUnavailable {
		t.Errorf("while the database is away: %d", w.Code)
	}
	if status, html := k.get("/dashboard", as("token1")...); status != http.StatusServiceUnavailable || strings.Contains(html, "secret") || strings.Contains(html, `name="key"`) {
		t.Errorf("a page while the database is away: %d %s", status, html)
	}
	if status, _ := k.get("/dashboard/assets/dashboard.css", as("token1")...); status != http.StatusOK {
		t.Errorf("its style sheet: %d", status)
	}
}

// A page of another origin changes nothing, whatever cookie comes with it, and signs nobody in.
func TestOtherOriginsPostNothing(t *testing.T) {
	t.Parallel()
	k := serveKeys(t)
	token, _ := k.signIn("all", "")
	for _, foreign := range [][]string{{"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Site", "same-site"}, {"Sec-Fetch-Site", "", "Origin", "https://evil.example"}} {
		for _, path := range []string{
			"/dashboard/sign-in", "/dashboard/sign-out", "/dashboard/jobs", "/dashboard/jobs/" + id(1) + "/pause", "/dashboard/import/users", "/dashboard/import/file",
			"/dashboard/api/v1/uploads", "/dashboard/api/v1/import/bulk?count=1",
		} {
			if status, _ := k.post(path, url.Values{"key": {"all"}}, as(token, foreign...)...); status != http.StatusForbidden {
				t.Errorf("%s, %v: %d", path, foreign, status)
			}
		}
	}
	if !k.sessions.has(token) || k.sessions.made != 1 || len(k.api.asked) != 0 {
		t.Errorf("%d sessions were made, the API was asked %v", k.sessions.made, k.api.asked)
	}
}

// Who follows a link from elsewhere sends no cookie the first time, and is not asked to sign in for that.
func TestLinksFromElsewhereKeepTheSession(t *testing.T) {
	t.Parallel()
	k := serveKeys(t)
	token, _ := k.signIn("all", "")
	asked := "/dashboard/jobs/" + id(1) + "?x=1&y=2"
	onward := "/dashboard/go?then=" + url.QueryEscape(asked)
	for _, site := range []string{"cross-site", "same-site", ""} {
		if status, html := k.get(asked, "X-USER-ID", "", "Sec-Fetch-Site", site); status != http.StatusOK || !strings.Contains(html, `<meta http-equiv="refresh" content="0;url=`+onward+`">`) || strings.Contains(html, `name="key"`) {
			t.Errorf("from %q: %d %s", site, status, html)
		}
	}
	if status, where := k.get(onward, as(token)...); status != http.StatusSeeOther || where[len(where)-len(asked):] != asked {
		t.Errorf("with the cookie: %d %s", status, where)
	}
	if status, html := k.get(onward, "X-USER-ID", "", "Sec-Fetch-Site", ""); status != http.StatusOK || !strings.Contains(html, `name="key"`) || !strings.Contains(html, `value="/dashboard/jobs/`+id(1)+`?x=1&amp;y=2"`) {
		t.Errorf("without one: %d %s", status, html)
	}
	if status, where := k.get("/dashboard/go?then=https://evil.example/", as(token)...); status != http.StatusSeeOther || !strings.HasSuffix(where, "/dashboard") || strings.Contains(where, "evil") {
		t.Errorf("to elsewhere: %d %s", status, where)
	}
}

// What the key's scopes do not allow is neither shown nor done.
func TestScopesOnPages(t *testing.T) {
	t.Parallel()
	k := serveKeys(t)
	reads, _ := k.signIn("read", "")
	all, _ := k.signIn("all", "")
	job1 := "/dashboard/jobs/" + id(1)
	for path, words := range map[string]string{job1: job1 + "/pause", "/dashboard": "Do it…", "/dashboard/users?name=x": "/dashboard/api/v1/export/stream", "/dashboard/fleet": `href="/dashboard/import"`} {
		if _, html := k.get(path, as(all)...); !strings.Contains(html, words) {
			t.Errorf("%s does not show %q to who may", path, words)
		}
		if status, html := k.get(path, as(reads)...); status != http.StatusOK || strings.Contains(html, words) {
			t.Errorf("%s shows %q to who may not: %d", path, words, status)
		}
	}
	for _, path := range []string{job1 + "/pause", "/dashboard/jobs", "/dashboard/import/users", "/dashboard/import/file"} {
		if status, html := k.post(path, url.Values{"id": {id(1)}, "move": {"pause"}}, as(reads)...); status != http.StatusForbidden || !strings.Contains(html, "lacks the scope write") {
			t.Errorf("%s: %d %s", path, status, html)
		}
	}
	if status, _ := k.get("/dashboard/import", as(reads)...); status != http.StatusForbidden {
		t.Errorf("the import's page: %d", status)
	}
	if status, _ := k.post(job1+"/pause", nil, as(all)...); status != http.StatusSeeOther {
		t.Errorf("who may: %d", status)
	}
}

// Pages reach the API as who is signed in; the cookie goes no further.
func TestPagesReachTheAPI(t *testing.T) {
	t.Parallel()
	var got *http.Request
	sessions := newSessions()
	s := serve(t, newFakes(1, job.Completed), func(c *dashboard.Config) {
		c.Sessions = sessions
		c.API = http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got = r })
	})
	k := &keySite{site: s, sessions: sessions}
	token, _ := k.signIn("all", "")
	for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPatch} {
		k.send(method, "/dashboard/api/v1/uploads/x?a=b", nil, as(token)...)
		key, counts := apikey.From(got.Context())
		if got.Method != method || got.URL.RequestURI() != "/api/v1/uploads/x?a=b" || key == nil || key.Owner != "ann" || got.Header.Get("Cookie") != "" {
			t.Errorf("%s %s as %+v, cookie %q", got.Method, got.URL, key, got.Header.Get("Cookie"))
		}
		if !counts(t.Context()) {
			t.Error("the session does not count")
		}
	}
	_, counts := apikey.From(got.Context())
	if err := sessions.SignOut(t.Context(), token); err != nil || counts(t.Context()) {
		t.Errorf("signed out, and still counts; %v", err)
	}
	k.send(http.MethodGet, "/dashboard/api/v1/jobs", nil, as(token)...)
	if key, _ := apikey.From(got.Context()); key != nil {
		t.Errorf("signed out, and still asks as %+v", key)
	}
}

// A page that is open is told no more when its session is over.
func TestStreamsEndWithTheirSession(t *testing.T) {
	t.Parallel()
	k := serveKeys(t)
	token, _ := k.signIn("all", "")
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, k.url+"/dashboard/events?fleet=1", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Cookie", "muster_session="+token)
	res, err := k.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	lines := bufio.NewScanner(res.Body)
	for lines.Scan() && !strings.HasPrefix(lines.Text(), "event: update") {
	}
	if err := k.sessions.SignOut(ctx, token); err != nil {
		t.Fatal(err)
	}
	told := false
	for lines.Scan() {
		told = told || lines.Text() == "event: signedout"
	}
	if lines.Err() != nil || ctx.Err() != nil || !told {
		t.Errorf("the stream goes on, or does not say why it ends: %v, %v", lines.Err(), ctx.Err())
	}
	if status, text := k.get("/dashboard/events?fleet=1", as(token)...); status != http.StatusOK || text != "event: signedout\ndata: {}\n\n" {
		t.Errorf("the next one: %d %s", status, text)
	}
}
