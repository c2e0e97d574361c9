package httpapi_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/musterhq/muster/internal/apikey"
	"github.com/musterhq/muster/internal/httpapi"
	"github.com/musterhq/muster/internal/httpapi/api"
	"github.com/musterhq/muster/internal/job"
	"github.com/musterhq/muster/internal/user"
)

// needed are the scopes of all routes, below both prefixes; HEAD needs what GET does.
var needed = map[apikey.Scope][]string{
	apikey.Read: {
		"GET /users", "GET /users/search", "GET /users/:id", "GET /jobs", "GET /jobs/:jobId", "GET /jobs/:jobId/events", "GET /jobs/:jobId/rejected",
		"POST /import/preview", "GET /webhooks", "GET /webhooks/:webhookId", "GET /webhooks/deliveries", "GET /webhooks/deliveries/:deliveryId",
		"GET /schedules", "GET /schedules/:scheduleId", "GET /schedules/:scheduleId/runs",
	},
	apikey.Write: {
		"POST /users", "PUT /users/:id", "PATCH /users/:id", "DELETE /users/:id", "POST /users/:id/reactivate", "POST /users/import/async", "POST /import/bulk",
		"POST /import/random-users", "POST /import/file", "POST /uploads", "HEAD /uploads/:uploadId", "PATCH /uploads/:uploadId", "DELETE /uploads/:uploadId",
		"POST /uploads/:uploadId", "POST /jobs/:jobId/cancel", "POST /jobs/:jobId/pause", "POST /jobs/:jobId/resume", "POST /jobs/:jobId/retry", "POST /jobs/:jobId/undo",
		"POST /webhooks", "DELETE /webhooks/:webhookId", "GET /webhooks/:webhookId/secret", "POST /webhooks/:webhookId/rotate", "POST /webhooks/:webhookId/disable",
		"POST /webhooks/:webhookId/enable", "POST /webhooks/:webhookId/test", "POST /webhooks/:webhookId/replay", "POST /webhooks/deliveries/:deliveryId/replay",
		"POST /schedules", "PUT /schedules/:scheduleId", "DELETE /schedules/:scheduleId", "POST /schedules/:scheduleId/pause",
		"POST /schedules/:scheduleId/resume", "POST /schedules/:scheduleId/run",
	},
	apikey.Export: {"GET /export/stream", "GET /export/csv", "POST /exports", "GET /exports/:jobId/files"},
	apikey.Admin:  {"GET /keys", "POST /keys", "GET /keys/:keyId", "POST /keys/:keyId/revoke"},
}

// scopeNeeded returns what a route of the API needs.
func scopeNeeded(method, route string) apikey.Scope {
	route = strings.TrimPrefix(strings.TrimPrefix(route, "/api"), "/v1")
	for scope, routes := range needed {
		if slices.Contains(routes, method+" "+route) || method == http.MethodHead && slices.Contains(routes, "GET "+route) {
			return scope
		}
	}
	return ""
}

// all but the scope
func without(scope apikey.Scope) []apikey.Scope {
	return slices.DeleteFunc(slices.Clone(apikey.Scopes), func(s apikey.Scope) bool { return s == scope })
}

// Every route of the API lets in who has a key with its scope, and nobody else, whatever X-USER-ID says; what is outside
// the API is open.
func TestKeyMode(t *testing.T) {
	t.Parallel()
	f := newFakes()
	f.stored[jobID] = sampleFile(job.Completed)
	keys, asks := keyMode(t)
	s, _ := newServer(t, f, asks)
	public := s.Public()
	sent := 0
	send := func(method, path string, headers ...string) *httptest.ResponseRecorder {
		r := httptest.NewRequestWithContext(t.Context(), method, path, http.NoBody)
		sent++ // each from an address of its own, or they would be too many
		r.RemoteAddr = fmt.Sprintf("10.%d.%d.%d:1", sent>>16, sent>>8&255, sent&255)
		for i := 0; i < len(headers); i += 2 {
			r.Header.Add(headers[i], headers[i+1])
		}
		w := httptest.NewRecorder()
		public.ServeHTTP(w, r)
		return w
	}
	ada := keys.add(apikey.Key{Owner: "ada", Scopes: apikey.Scopes})
	bob := keys.add(apikey.Key{Owner: "bob", Scopes: apikey.Scopes})
	seen := map[apikey.Scope]int{}
	for _, r := range public.(*echo.Echo).Routes() {
		path := concrete(r.Path)
		if !strings.HasPrefix(r.Path, "/api") || r.Method == echo.RouteNotFound {
			if w := send(r.Method, path); w.Code == 401 || w.Code == 403 {
				t.Errorf("%s %s, outside the API: %d", r.Method, path, w.Code)
			}
			continue
		}
		if r.Method == http.MethodOptions { // of tus
			if w := send(r.Method, path, "Tus-Resumable", "1.0.0"); w.Code != 204 && w.Code != 200 {
				t.Errorf("%s %s: %d", r.Method, path, w.Code)
			}
			continue
		}
		if strings.HasSuffix(r.Path, "/files/:name") { // whose link is signed
			if w := send(r.Method, path); w.Code != http.StatusOK {
				t.Errorf("%s %s: %d", r.Method, path, w.Code)
			}
			continue
		}
		need := scopeNeeded(r.Method, r.Path)
		if seen[need]++; need == "" {
			t.Errorf("%s %s: this test knows no scope", r.Method, r.Path)
			continue
		}
		wrong, _, _ := apikey.New()
		dead := func(k apikey.Key) string { k.Owner, k.Scopes = "ada", apikey.Scopes; return keys.add(k) }
		for name, tt := range map[string]struct {
			headers []string
			status  int
			answer  string // WWW-Authenticate
		}{
			"none":          {nil, 401, `Bearer realm="muster"`},
			"by name":       {as{"X-USER-ID", "ada"}, 401, `Bearer realm="muster"`},
			"wrong":         {bearer(wrong), 401, `Bearer realm="muster", error="invalid_token"`},
			"malformed":     {bearer(wrong[:42]), 401, `Bearer realm="muster", error="invalid_token"`},
			"empty":         {bearer(""), 401, `Bearer realm="muster", error="invalid_token"`},
			"password":      {as{"Authorization", "Basic " + wrong}, 401, `Bearer realm="muster", error="invalid_token"`},
			"two":           {append(bearer(ada), bearer(ada)...), 401, `Bearer realm="muster", error="invalid_token"`},
			"expired":       {bearer(dead(apikey.Key{Expires: time.Now()})), 401, `Bearer realm="muster", error="invalid_token"`},
			"revoked":       {bearer(dead(apikey.Key{Revoked: time.Now()})), 401, `Bearer realm="muster", error="invalid_token"`},
			"missing scope": {bearer(keys.add(apikey.Key{Owner: "ada", Scopes: without(need)}), "X-USER-ID", "ada"), 403, `Bearer realm="muster", error="insufficient_scope", scope="` + string(need) + `"`},
			"good":          {bearer(ada, "X-USER-ID", "bob"), 0, ""},
			"only scope":    {as{"Authorization", "bearer " + keys.add(apikey.Key{Owner: "ada", Scopes: []apikey.Scope{need}})}, 0, ""},
			"other owner":   {bearer(bob, "X-USER-ID", "ada"), 0, ""},
		} {
			query := ""
			if strings.Contains(path, "/import/") {
				query = "?count=7"
			}
			w := send(r.Method, path+query, append(slices.Clone(tt.headers), "Tus-Resumable", "1.0.0")...)
			body := w.Body.String()
			if tt.status == 0 && (w.Code == 401 || w.Code == 403 || w.Code == 429 || strings.Contains(body, "user_id_missing")) || tt.status != 0 && w.Code != tt.status {
				t.Errorf("%s %s with key %q: %d %s", r.Method, path, name, w.Code, body)
			}
			if got := w.Header().Get("WWW-Authenticate"); got != tt.answer {
				t.Errorf("%s %s with key %q: WWW-Authenticate = %q, want %q", r.Method, path, name, got, tt.answer)
			}
			if tt.status == 401 && r.Method != http.MethodHead && !strings.Contains(body, `"message":"`+apikey.ErrRefused.Error()+`"`) {
				t.Errorf("%s %s with key %q: %s", r.Method, path, name, body)
			}
			if name == "other owner" && strings.Contains(r.Path, ":jobId") && w.Code != 404 {
				t.Errorf("%s %s with key %q: %d %s", r.Method, path, name, w.Code, body)
			}
		}
	}
	for scope, routes := range needed {
		if seen[scope] < 2*len(routes) {
			t.Errorf("%d routes need %s, this test knows %d", seen[scope], scope, 2*len(routes))
		}
	}
	for _, spec := range f.specs {
		if spec.Owner != "ada" && spec.Owner != "bob" {
			t.Errorf("a job was submitted for %q", spec.Owner)
		}
	}
}

// The caller is the key's owner, whatever X-USER-ID says, and nothing else of the answer changes.
func TestTheCallerIsTheKeysOwner(t *testing.T) {
	t.Parallel()
	f := newFakes()
	keys, asks := keyMode(t)
	a := newAPI(t, f, asks)
	bob := keys.add(apikey.Key{Owner: "bob", Scopes: []apikey.Scope{apikey.Write}})
	for i, headers := range []as{bearer(bob), bearer(bob, "X-USER-ID", "ada"), bearer(bob, "X-USER-ID", "not a name!"), bearer(bob, "X-USER-ID", "")} {
		if got := a.do("POST /api/v1/import/bulk?count=7", headers, nil); got.StatusCode != http.StatusAccepted {
			t.Fatalf("%v: %d %s", headers, got.StatusCode, got.body)
		}
		if f.specs[i].Owner != "bob" {
			t.Errorf("%v: submitted for %q", headers, f.specs[i].Owner)
		}
	}
	// An upload is its owner's, too.
	ada := keys.add(apikey.Key{Owner: "ada", Scopes: []apikey.Scope{apikey.Write}})
	begun := a.do("POST /api/v1/uploads", bearer(ada, "Tus-Resumable", "1.0.0", "Upload-Length", "5"), nil)
	at := begun.Header.Get("Location")
	for key, want := range map[string]int{ada: http.StatusOK, bob: http.StatusNotFound} {
		if got := a.do("HEAD "+at, bearer(key, "X-USER-ID", "ada", "Tus-Resumable", "1.0.0"), nil); begun.StatusCode != http.StatusCreated || got.StatusCode != want {
			t.Errorf("an upload of ada's: %d %s: %d, want %d", begun.StatusCode, at, got.StatusCode, want)
		}
	}
	if got := a.do("OPTIONS /api/v1/jobs", nil, nil); got.StatusCode != http.StatusNoContent {
		t.Errorf("OPTIONS: %d", got.StatusCode)
	}
	f.userErr = errors.New("a fault of ours")
	a.failure(a.do("GET /api/v1/users", bearer(keys.add(apikey.Key{Owner: "bob", Scopes: []apikey.Scope{apikey.Read}})), nil), 500, "internal_error")
	if log := a.log.String(); !strings.Contains(log, "a fault of ours") || strings.Contains(log, "client gone") {
		t.Errorf("what went wrong is not in the log:\n%s", log)
	}
	a.failure(a.do("GET /api/v1/nothing", nil, nil), 404, "route_not_found")
	a.failure(a.do("PUT /api/v1/jobs", nil, nil), 405, "method_not_allowed")
	if log := a.log.String(); strings.Contains(log, bob) || strings.Contains(log, bob[7:20]) {
		t.Error("the log has the key")
	}
}

// A preflight has no credentials, and a page that CORS lets in may send a key.
func TestKeysOverCORS(t *testing.T) {
	t.Parallel()
	keys, asks := keyMode(t)
	a := newAPI(t, newFakes(), func(c *httpapi.Config) {
		asks(c)
		c.CORSOrigins = []string{"https://app.example"}
	})
	got := a.do("OPTIONS /api/v1/jobs", as{"Origin", "https://app.example", "Access-Control-Request-Method", "GET", "Access-Control-Request-Headers", "authorization"}, nil)
	if got.StatusCode != http.StatusNoContent || !strings.Contains(got.Header.Get("Access-Control-Allow-Headers"), "Authorization") {
		t.Errorf("%d %v", got.StatusCode, got.Header)
	}
	key := keys.add(apikey.Key{Owner: "ada", Scopes: []apikey.Scope{apikey.Read}})
	if got := a.do("GET /api/v1/jobs", bearer(key, "Origin", "https://app.example", "Sec-Fetch-Site", "cross-site"), nil); got.StatusCode != http.StatusOK {
		t.Errorf("%d %s", got.StatusCode, got.body)
	}
}

// Nobody is let in, and nobody is told that their key is wrong, while that is not known.
func TestKeysWhileTheDatabaseIsAway(t *testing.T) {
	t.Parallel()
	keys, asks := keyMode(t)
	a := newAPI(t, newFakes(), asks)
	key := keys.add(apikey.Key{Owner: "ada", Scopes: apikey.Scopes})
	keys.err = fmt.Errorf("x: %w", &job.StoreError{Reason: job.WaitStoreDown, Err: errors.New("refused")})
	got := a.do("GET /api/v1/jobs", bearer(key), nil)
	a.failure(got, 503, "store_unavailable")
	if got.Header.Get("Retry-After") == "" || got.Header.Get("WWW-Authenticate") != "" {
		t.Errorf("%v", got.Header)
	}
	a.failure(a.do("GET /api/v1/jobs", bearer(key[:40]), nil), 401, "unauthenticated")
}

// Guesses are refused with a wait, and do not shut out a good key from the same address.
func TestTooManyAttempts(t *testing.T) {
	t.Parallel()
	keys, asks := keyMode(t)
	a := newAPI(t, newFakes(), asks)
	key := keys.add(apikey.Key{Owner: "ada", Scopes: apikey.Scopes})
	var got answer
	for range 1000 { // each takes less than the second in which one more is free
		if got = a.do("GET /api/v1/jobs", bearer("hunter2"), nil); got.StatusCode != http.StatusUnauthorized {
			break
		}
	}
	a.failure(got, 429, "too_many_attempts")
	if wait := got.Header.Get("Retry-After"); wait == "" || wait == "0" {
		t.Errorf("Retry-After = %q", wait)
	}
	if got := a.do("GET /api/v1/jobs", bearer(key), nil); got.StatusCode != http.StatusOK {
		t.Errorf("the good key: %d %s", got.StatusCode, got.body)
	}
}

// An export that runs ends when its key is revoked.
func TestRevocationEndsWhatRuns(t *testing.T) {
	t.Parallel()
	f := newFakes()
	begun := make(chan struct{})
	f.stream = func(ctx context.Context, w io.Writer, _ user.ExportSpec) (int64, error) {
		if _, err := io.WriteString(w, strings.Repeat("1,Ada\r\n", 10_000)); err != nil {
			return 0, err
		}
		close(begun)
		select {
		case <-ctx.Done():
			return 0, ctx.Err()
		case <-time.After(time.Minute):
			return 0, errors.New("it was not ended")
		}
	}
	keys, asks := keyMode(t)
	a := newAPI(t, f, asks)
	key := keys.add(apikey.Key{Owner: "ada", Scopes: []apikey.Scope{apikey.Export}})
	go func() {
		<-begun
		list, _ := keys.Keys(context.Background(), "", "", 1)
		_, _ = keys.RevokeKey(context.Background(), list[0].ID)
	}()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, a.url+"/api/v1/export/stream", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+key)
	res, err := a.client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	if _, err := io.Copy(io.Discard, res.Body); err == nil || res.StatusCode != http.StatusOK {
		t.Errorf("%d, and the file looks whole", res.StatusCode)
	}
	if log := a.log.String(); strings.Contains(log, "was not ended") || strings.Contains(log, "level=ERROR") {
		t.Error(log)
	}
}

// A file that arrives ends, too, though nobody looks at the context while reading.
func TestRevocationEndsBodies(t *testing.T) {
	t.Parallel()
	keys, asks := keyMode(t)
	a := newAPI(t, newFakes(), asks)
	key := keys.add(apikey.Key{Owner: "ada", Scopes: []apikey.Scope{apikey.Write}})
	if got := a.do("POST /api/v1/jobs/"+otherID+"/cancel", bearer(key), nil); got.StatusCode != http.StatusNotFound { // it counts
		t.Fatalf("%d %s", got.StatusCode, got.body)
	}
	list, err := keys.Keys(t.Context(), "", "", 1)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := keys.RevokeKey(t.Context(), list[0].ID); err != nil { // which is not known here for a moment
		t.Fatal(err)
	}
	body, sender := io.Pipe()
	ended, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			select {
			case <-ended:
				_ = sender.Close()
				return
			case <-time.After(20 * time.Millisecond): // a slow line
				if _, err := io.WriteString(sender, "ada@example.com\n"); err != nil {
					return
				}
			}
		}
	}()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, a.url+"/api/v1/import/file?fileName=x.csv", body)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+key)
	res, err := a.client.Do(r)
	_ = body.Close()
	close(ended)
	<-stopped
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	if res.StatusCode != http.StatusUnauthorized {
		t.Errorf("%d, want 401\n%s", res.StatusCode, a.log)
	}
}

func TestKeyRoutes(t *testing.T) {
	t.Parallel()
	keys, asks := keyMode(t)
	a := newAPI(t, newFakes(), asks)
	admin := bearer(keys.add(apikey.Key{Owner: "root", Name: "first", Scopes: []apikey.Scope{apikey.Admin}}))
	got := a.do("POST /api/v1/keys?owner=ada&name=ci&scopes=export,read&days=90", admin, nil)
	if got.StatusCode != http.StatusCreated {
		t.Fatalf("%d %s", got.StatusCode, got.body)
	}
	k := decode[api.NewAPIKey](t, got)
	if where := got.Header.Get("Location"); where != "/api/v1/keys/"+k.ID || k.Owner != "ada" || k.Name != "ci" || !slices.Equal(k.Scopes, []string{"read", "export"}) || k.Status != "live" || !strings.HasPrefix(k.Key, k.Prefix) {
		t.Errorf("at %q: %s", where, got.body)
	}
	if days := time.Time(k.ExpiresAt).Sub(time.Time(k.CreatedAt)); days != 90*24*time.Hour {
		t.Errorf("lasts %s", days)
	}
	if got := a.do("GET /api/v1/users", bearer(k.Key), nil); got.StatusCode != http.StatusOK {
		t.Errorf("with the new key: %d %s", got.StatusCode, got.body)
	}
	for _, request := range []string{"GET /api/v1/keys/" + k.ID, "GET /api/v1/keys", "GET /api/v1/keys?owner=ada&limit=1"} {
		if got := a.do(request, admin, nil); got.StatusCode != http.StatusOK || strings.Contains(string(got.body), k.Key) || !strings.Contains(string(got.body), k.Prefix) {
			t.Errorf("%s: %d %s", request, got.StatusCode, got.body)
		}
	}
	page := decode[api.APIKeyPage](t, a.do("GET /api/v1/keys?limit=1", admin, nil))
	if !page.HasNext || len(page.Content) != 1 {
		t.Fatalf("%+v", page)
	}
	if last := decode[api.APIKeyPage](t, a.do("GET /api/v1/keys?after="+*page.NextCursor, admin, nil)); last.HasNext || len(last.Content) != 1 || last.Content[0].Owner != "root" {
		t.Errorf("%+v", last)
	}
	gone := decode[api.APIKey](t, a.do("POST /api/v1/keys/"+k.ID+"/revoke", admin, nil))
	if gone.Status != "revoked" || time.Time(gone.RevokedAt).IsZero() {
		t.Errorf("%+v", gone)
	}
	for request, want := range map[string]string{
		"GET /api/v1/keys/" + otherID: "404 key_not_found", "POST /api/v1/keys/" + otherID + "/revoke": "404 key_not_found",
		"POST /api/v1/keys?owner=ada&name=ci": "400 validation_failed", "POST /api/v1/keys?owner=a%20b&name=ci&scopes=read": "400 validation_failed",
		"POST /api/v1/keys?owner=ada&name=ci&scopes=all": "400 validation_failed", "POST /api/v1/keys?owner=ada&name=ci&scopes=read&days=0": "400 validation_failed",
	} {
		var status int
		var code string
		_, _ = fmt.Sscan(want, &status, &code)
		a.failure(a.do(request, admin, nil), status, code)
	}
	keys.err = apikey.ErrTooMany
	a.failure(a.do("POST /api/v1/keys?owner=ada&name=ci&scopes=read", admin, nil), 409, "too_many_keys")
}

// Where nobody has to show a key, nobody makes one over HTTP, and a key that is sent is not looked at.
func TestHeaderModeHasNoKeys(t *testing.T) {
	t.Parallel()
	a := newAPI(t, newFakes(), nil)
	for _, request := range []string{"GET /api/v1/keys", "POST /api/v1/keys?owner=ada&name=ci&scopes=read", "GET /api/v1/keys/" + jobID, "POST /api/v1/keys/" + jobID + "/revoke"} {
		if e := a.failure(a.do(request, ada, nil), 403, "forbidden"); !strings.Contains(e.Message, "muster keys") {
			t.Error(e.Message)
		}
	}
	if got := a.do("GET /api/v1/jobs", bearer("hunter2", "X-USER-ID", "ada"), nil); got.StatusCode != http.StatusOK {
		t.Errorf("%d %s", got.StatusCode, got.body)
	}
}
