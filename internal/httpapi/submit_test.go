package httpapi_test

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/musterhq/muster/internal/httpapi/api"
	"github.com/musterhq/muster/internal/job"
)

func TestSubmitPassesTheSpecOn(t *testing.T) {
	t.Parallel()
	seed := int64(-9223372036854775808)
	tests := map[string]job.Spec{
		"/users/import/async?count=5":                                {Source: "faker", Count: 5},
		"/users/import/async?count=9223372036854775807&source=faker": {Source: "faker", Count: 9223372036854775807},
		"/users/import/async?count=5&source=randomuser&nat=us,ca":    {Source: "randomuser", Count: 5, Nat: []string{"us", "ca"}},
		"/import/bulk?count=5&seed=-9223372036854775808":             {Source: "faker", Count: 5, Seed: &seed},
		"/import/random-users?count=5&nat=gb":                        {Source: "randomuser", Count: 5, Nat: []string{"gb"}},
		"/import/random-users?count=5&seed=0":                        {Source: "randomuser", Count: 5, Seed: new(int64(0))},
	}
	for path, want := range tests {
		for _, prefix := range []string{"/api/v1", "/api"} {
			f := newFakes()
			got := newAPI(t, f, nil).do("POST "+prefix+path, as{"X-USER-ID", "a.B_c@d-1", "Idempotency-Key", "k1", "X-Request-ID", "request-1"}, nil)
			if got.StatusCode != http.StatusAccepted {
				t.Fatalf("%s: %d %s", path, got.StatusCode, got.body)
			}
			want.Owner, want.IdempotencyKey, want.Origin = "a.B_c@d-1", "k1", job.Origin{RequestID: "request-1"}
			if diff := cmp.Diff([]job.Spec{want}, f.specs); diff != "" {
				t.Errorf("%s: spec (-want +got):\n%s", path, diff)
			}
		}
	}
}

func TestAccepted(t *testing.T) {
	t.Parallel()
	f := newFakes()
	a := newAPI(t, f, nil)
	got := a.do("POST /api/users/import/async?count=100000", ada, nil)
	want := `{"jobId":"` + jobID + `","message":"Import started. Use jobId to check status.","status":"PENDING"}` + "\n"
	if diff := cmp.Diff(want, string(got.body)); diff != "" {
		t.Errorf("body (-want +got):\n%s", diff)
	}
	if l := got.Header.Get("Location"); l != "/api/v1/jobs/"+jobID {
		t.Errorf("Location = %q", l)
	}
	for _, h := range []string{"Idempotent-Replayed", "Preference-Applied"} {
		if v := got.Header.Get(h); v != "" {
			t.Errorf("%s = %q without a reason", h, v)
		}
	}
	f.replayed = true
	if got := a.do("POST /api/users/import/async?count=1", ada, nil); got.Header.Get("Idempotent-Replayed") != "true" {
		t.Error("a replay does not say so")
	}
}

func TestRefusalNamesTheLimit(t *testing.T) {
	t.Parallel()
	f := newFakes()
	f.submitErr = &job.LimitError{Tier: "XL", Limit: 1, InUse: 1, RetryAfter: 11_001 * time.Millisecond, Jobs: []string{otherID}}
	a := newAPI(t, f, nil)
	got := a.do("POST /api/v1/users/import/async?count=1000000", ada, nil)
	e := a.failure(got, 429, "tier_limit_reached")
	want := &api.ErrorDetails{Tier: "XL", Limit: 1, InUse: new(int64(1)), RetryAfterSeconds: 12, Jobs: []string{otherID}}
	if diff := cmp.Diff(want, e.Details); diff != "" {
		t.Errorf("details (-want +got):\n%s", diff)
	}
	if e.Message != "XL concurrency limit reached. Max allowed = 1" || got.Header.Get("Retry-After") != "12" {
		t.Errorf("message %q, Retry-After %q", e.Message, got.Header.Get("Retry-After"))
	}
}

func TestPreferWait(t *testing.T) {
	t.Parallel()
	tests := []struct {
		prefer  string
		status  job.Status
		code    int
		applied string
	}{
		{"wait=10", job.Completed, 201, "wait=10"},
		{"wait=10", job.Failed, 201, "wait=10"},
		{"respond-async, Wait=10; x=y", job.Cancelled, 201, "wait=10"},
		{`wait="10"`, job.Completed, 201, "wait=10"},
		{"wait=3600", job.Completed, 201, "wait=60"},
		{"wait=1", job.InProgress, 202, "wait=1"},
		{"wait=0", job.Completed, 202, "wait=0"},
		{"wait=-1", job.Completed, 202, ""},
		{"wait=soon", job.Completed, 202, ""},
		{"return=minimal", job.Completed, 202, ""},
	}
	for _, test := range tests {
		t.Run(test.prefer+" "+string(test.status), func(t *testing.T) {
			t.Parallel()
			f := newFakes()
			f.live[jobID] = sample(test.status)
			got := newAPI(t, f, nil).do("POST /api/v1/import/bulk?count=5", append(as{"Prefer", test.prefer}, ada...), nil)
			if got.StatusCode != test.code || got.Header.Get("Preference-Applied") != test.applied {
				t.Fatalf("answer %d, applied %q, want %d, %q", got.StatusCode, got.Header.Get("Preference-Applied"), test.code, test.applied)
			}
			if test.code == 201 && decode[api.Job](t, got).Status != test.status {
				t.Errorf("job %s", got.body)
			}
			if test.code == 202 && test.applied == "wait=1" && decode[api.Job](t, got).ProcessedCount != 45_000 {
				t.Errorf("the running job is not as last seen: %s", got.body)
			}
		})
	}
}

// The job is accepted: an outage while waiting for it must not look like a refusal.
func TestPreferWaitDuringAnOutage(t *testing.T) {
	t.Parallel()
	f := newFakes()
	f.storeErr, f.liveErr = job.ErrStoreUnavailable, job.ErrQueueUnavailable
	s, logs := newServer(t, f, nil)
	// A wait also outlives the deadline for reading a request.
	a := serve(t, s.Public(), logs, func(srv *http.Server) { srv.ReadTimeout = 100 * time.Millisecond })
	start := time.Now()
	got := a.do("POST /api/v1/import/bulk?count=5", append(as{"Prefer", "wait=1"}, ada...), nil)
	if got.StatusCode != http.StatusAccepted || decode[api.Job](t, got).Status != job.Pending {
		t.Errorf("answer %d %s", got.StatusCode, got.body)
	}
	if waited := time.Since(start); waited < time.Second {
		t.Errorf("waited %v, want a second", waited)
	}
}

func TestShutdownEndsWaits(t *testing.T) {
	t.Parallel()
	f := newFakes()
	f.live[jobID] = sample(job.InProgress)
	a := newAPI(t, f, nil)
	result := make(chan int, 1)
	go func() {
		r, _ := http.NewRequest(http.MethodPost, a.url+"/api/v1/import/bulk?count=5", nil)
		r.Header.Set("X-USER-ID", "ada")
		r.Header.Set("Prefer", "wait=60")
		res, err := a.client.Do(r)
		if err != nil {
			result <- 0
			return
		}
		_ = res.Body.Close()
		result <- res.StatusCode
	}()
	eventually(t, func() bool { f.mu.Lock(); defer f.mu.Unlock(); return len(f.specs) == 1 }, "the request")
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := a.srv.Shutdown(ctx); err != nil {
		t.Errorf("Shutdown: %v", err)
	}
	if status := <-result; status != 202 {
		t.Errorf("status = %d, want 202", status)
	}
}

// Bad input: the right code, all bad fields at once, nothing passed on, and no value repeated.
func TestBadInput(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 10_000)
	const post = "POST /api/v1/users/import/async"
	tests := []struct {
		request string
		headers as
		code    string
		fields  []string
	}{
		{post, ada, "validation_failed", []string{"count"}},
		{post + "?count=0", ada, "validation_failed", []string{"count"}},
		{post + "?count=-1", ada, "validation_failed", []string{"count"}},
		{post + "?count=1e12", ada, "validation_failed", []string{"count"}},
		{post + "?count=abc", ada, "validation_failed", []string{"count"}},
		{post + "?count=", ada, "validation_failed", []string{"count"}},
		{post + "?count=1.0", ada, "validation_failed", []string{"count"}},
		{post + "?count=9223372036854775808", ada, "validation_failed", []string{"count"}},
		{post + "?count=1&count=2", ada, "validation_failed", []string{"count"}},
		{post + "?cuont=1", ada, "validation_failed", []string{"cuont", "count"}},
		{post + "?count=1&%zz", ada, "validation_failed", []string{"query"}},
		{post + "?count=1;x", ada, "validation_failed", []string{"query", "count"}},
		{post + "?count=1", nil, "user_id_missing", []string{"X-USER-ID"}},
		{post + "?count=1", as{"X-USER-ID", ""}, "user_id_missing", []string{"X-USER-ID"}},
		{post + "?count=0", nil, "user_id_missing", []string{"X-USER-ID", "count"}},
		{post + "?count=1", as{"X-USER-ID", "{ada}"}, "validation_failed", []string{"X-USER-ID"}},
		{post + "?count=1", as{"X-USER-ID", "a da"}, "validation_failed", []string{"X-USER-ID"}},
		{post + "?count=1", as{"X-USER-ID", long}, "validation_failed", []string{"X-USER-ID"}},
		{post + "?count=1&source=csv", ada, "validation_failed", []string{"source"}},
		{post + "?count=1&seed=x", ada, "validation_failed", []string{"seed"}},
		{post + "?count=1&nat=,", ada, "validation_failed", []string{"nat"}},
		{post + "?count=1&nat=", ada, "validation_failed", []string{"nat"}},
		{post + "?count=1&nat=usa", ada, "validation_failed", []string{"nat"}},
		{post + "?count=1&nat=US", ada, "validation_failed", []string{"nat"}},
		{post + "?count=1&nat=us,xx", ada, "validation_failed", []string{"nat"}},
		{post + "?count=%2B5&seed=-0", ada, "validation_failed", []string{"count", "seed"}},
		{post + "?count=05&seed=%2B1", ada, "validation_failed", []string{"count", "seed"}},
		{post + "?count=1", append(as{"Idempotency-Key", long}, ada...), "validation_failed", []string{"Idempotency-Key"}},
		{post + "?count=1", append(as{"Idempotency-Key", "a b"}, ada...), "validation_failed", []string{"Idempotency-Key"}},
		{post + "?count=x&source=y&seed=z&nat=,", as{"X-USER-ID", "{}"}, "validation_failed", []string{"X-USER-ID", "count", "source", "seed", "nat"}},
		{"POST /api/v1/import/bulk?count=1&source=faker", ada, "validation_failed", []string{"source"}},
		{"GET /api/v1/jobs/" + long, ada, "validation_failed", []string{"jobId"}},
		{"GET /api/v1/jobs/01950e6a7d3c7b1e9c3f2f6d1a8b4c5d", ada, "validation_failed", []string{"jobId"}},
		{"GET /api/v1/jobs?status=DONE&tier=XXL&limit=101&after=1", ada, "validation_failed", []string{"status", "tier", "limit", "after"}},
		{"GET /api/v1/jobs?limit=0", ada, "validation_failed", []string{"limit"}},
		{"GET /api/v1/users/+1", nil, "validation_failed", []string{"id"}},
		{"GET /api/v1/users/01", nil, "validation_failed", []string{"id"}},
		{"GET /api/v1/users?deleted=1&age=%2B36", nil, "validation_failed", []string{"age", "deleted"}},
		{"GET /api/v1/users?deleted=TRUE", nil, "validation_failed", []string{"deleted"}},
		{"GET /api/v1/export/csv?deleted=t", nil, "validation_failed", []string{"deleted"}},
		{"GET /api/v1/users?size=0&page=-1&sortBy=password&direction=up&age=0&minAge=x&maxAge=151&gender=male&deleted=maybe", nil, "validation_failed",
			[]string{"page", "size", "sortBy", "direction", "age", "minAge", "maxAge", "gender", "deleted"}},
		{"GET /api/v1/users/search?size=1001&minAge=50&maxAge=20&page=10", nil, "validation_failed", []string{"size", "minAge", "page"}},
		{"GET /api/v1/users?size=10&page=1001", nil, "validation_failed", []string{"page"}},
		{"GET /api/v1/users?page=1001", nil, "validation_failed", []string{"page"}},
		{"GET /api/v1/users?size=1000&page=9223372036854775807", nil, "validation_failed", []string{"page"}},
		{"GET /api/v1/users?page=9223372036854775808", nil, "validation_failed", []string{"page"}},
		{"GET /api/v1/users?page=0&after=AQ", nil, "validation_failed", []string{"after"}},
		{"GET /api/v1/users?after=", nil, "validation_failed", []string{"after"}},
		{"GET /api/v1/users?after=AQ%00", nil, "validation_failed", []string{"after"}},
		{"GET /api/v1/users?after=" + long, nil, "validation_failed", []string{"after"}},
		{"GET /api/v1/users?name=a%00b&city=%ff&state=%ed%a0%80&email=a&email=b", nil, "validation_failed", []string{"city", "email", "name", "state"}},
		{"GET /api/v1/users?name=" + long + "&city=" + long + "&state=" + long + "&email=" + long, nil, "validation_failed", []string{"name", "city", "state", "email"}},
		{"GET /api/v1/users?age=&gender=&sortBy=", nil, "validation_failed", []string{"sortBy", "age", "gender"}},
		{"PUT /api/v1/users/abc {\"age\":0,\"nick\":1}", nil, "validation_failed", []string{"id", "nick", "age", "email"}},
		{"PATCH /api/v1/users/1?x=1 {\"deleted\":true,\"id\":2,\"phNum\":1}", nil, "validation_failed", []string{"x", "deleted", "id", "phNum"}},
		{"GET /api/v1/export/csv?format=xml&compress=zip&csv=1&fields=id&age=0", nil, "validation_failed", []string{"format", "compress", "csv", "age"}},
		{"GET /api/v1/export/csv?fields=id,nick,id&age=0&minAge=2&maxAge=1", nil, "validation_failed", []string{"fields", "age", "minAge"}},
		{"GET /api/v1/export/stream?fields=", nil, "validation_failed", []string{"fields"}},
		{"GET /api/v1/export/stream?fields=id,id", nil, "validation_failed", []string{"fields"}},
		{"GET /api/v1/export/stream?fields=" + long, nil, "validation_failed", []string{"fields"}},
		{"GET /api/v1/export/stream?jobId=1&age=x", nil, "user_id_missing", []string{"X-USER-ID", "jobId", "age"}},
		{"GET /api/v1/export/csv?jobId=" + jobID, as{"X-USER-ID", "a b"}, "validation_failed", []string{"X-USER-ID"}},
		{"GET /api/v1/export/stream?page=1", nil, "validation_failed", []string{"page"}},
		{"GET /api/v1/export/stream?" + long + "=1", nil, "validation_failed", []string{long[:40] + "…"}},
	}
	f := newFakes()
	a := newAPI(t, f, nil)
	for _, test := range tests {
		got := a.do(test.request, test.headers, nil)
		e := a.failure(got, 400, test.code)
		var fields []string
		for _, f := range e.Details.FieldErrors {
			fields = append(fields, f.Field)
			if f.Message == "" || strings.Contains(f.Message, long) {
				t.Errorf("%.80s: message of %s is %q", test.request, f.Field, f.Message)
			}
		}
		if diff := cmp.Diff(test.fields, fields); diff != "" {
			t.Errorf("%.80s: fields (-want +got):\n%s", test.request, diff)
		}
	}
	if len(f.specs)+len(f.queries)+len(f.patches) != 0 {
		t.Errorf("bad requests were passed on: %+v %+v %+v", f.specs, f.queries, f.patches)
	}
	if strings.Contains(a.log.String(), long) {
		t.Error("the log repeats what a caller sent")
	}
}

// A refusal lists a hundred errors at most, however many there are.
func TestManyBadParameters(t *testing.T) {
	t.Parallel()
	a := newAPI(t, newFakes(), nil)
	query := ""
	for i := range 3000 {
		query += "&a" + strconv.Itoa(i)
	}
	for request, code := range map[string]string{"GET /api/v1/users?": "validation_failed", "POST /api/v1/users/import/async?count=1": "user_id_missing"} {
		e := a.failure(a.do(request+query, nil, nil), 400, code)
		if len(e.Details.FieldErrors) != 100 {
			t.Errorf("%s lists %d errors", request, len(e.Details.FieldErrors))
		}
	}
}

func TestLargeBody(t *testing.T) {
	t.Parallel()
	f := newFakes()
	a := newAPI(t, f, nil)
	ten := strings.Repeat("x", 10<<20)
	const post = "POST /api/v1/users/import/async?count=1"
	a.failure(a.do(post, ada, strings.NewReader(ten)), 413, "payload_too_large")
	// The body does not say its length, so that only reading it shows how long it is.
	a.failure(a.do(post, ada, struct{ *strings.Reader }{strings.NewReader(ten)}), 413, "payload_too_large")
	if len(f.specs) != 0 {
		t.Error("a request with a large body was passed on")
	}
	if got := a.do(post, ada, strings.NewReader("{}")); got.StatusCode != http.StatusAccepted {
		t.Errorf("small body: %d %s", got.StatusCode, got.body)
	}
}
