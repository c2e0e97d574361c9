package httpapi_test

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/musterhq/muster/internal/apikey"
	"github.com/musterhq/muster/internal/httpapi"
	"github.com/musterhq/muster/internal/job"
	"github.com/musterhq/muster/internal/schedules"
)

// scheduleStore keeps schedules and runs in memory. Nothing fires.
type scheduleStore struct {
	schedules.Store

	mu   sync.Mutex
	list []job.Schedule
	runs []job.ScheduleRun
}

func newSchedules() *schedules.Service {
	created := time.UnixMilli(1).UTC()
	there := job.Schedule{
		ID: jobID, Owner: "ada", Cron: "@daily", TimeZone: "UTC", Action: job.ScheduleAction{Type: job.ActionExport}, CreatedAt: created, UpdatedAt: created,
	}
	return &schedules.Service{Store: &scheduleStore{list: []job.Schedule{there}}, Max: 1000}
}

func (s *scheduleStore) Now(context.Context) (time.Time, error) {
	return time.Date(2026, 3, 27, 10, 0, 0, 0, time.UTC), nil
}

func (s *scheduleStore) CreateSchedule(_ context.Context, c *job.Schedule, most int) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.list) >= most {
		return &job.ScheduleLimitError{Max: most}
	}
	s.list = append(s.list, *c)
	return nil
}

func (s *scheduleStore) Schedule(_ context.Context, id string) (job.Schedule, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.list {
		if c.ID == id {
			return c, nil
		}
	}
	return job.Schedule{}, job.ErrScheduleNotFound
}

func (s *scheduleStore) Schedules(_ context.Context, owner, after string, limit int) (list []job.Schedule, _ error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range slices.Backward(s.list) {
		if c.Owner == owner && (after == "" || c.ID < after) && len(list) < limit {
			list = append(list, c)
		}
	}
	return list, nil
}

func (s *scheduleStore) ChangeSchedule(_ context.Context, c *job.Schedule) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.IndexFunc(s.list, func(l job.Schedule) bool { return l.ID == c.ID })
	s.list[i] = *c
	return nil
}

func (s *scheduleStore) DeleteSchedule(_ context.Context, owner, id string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	before := len(s.list)
	s.list = slices.DeleteFunc(s.list, func(c job.Schedule) bool { return c.ID == id && c.Owner == owner })
	if len(s.list) == before {
		return job.ErrScheduleNotFound
	}
	return nil
}

func (s *scheduleStore) AddRun(_ context.Context, r job.ScheduleRun) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if slices.ContainsFunc(s.runs, func(o job.ScheduleRun) bool { return o.FireAt.Equal(r.FireAt) }) {
		return job.ErrRunExists
	}
	s.runs = append(s.runs, r)
	return nil
}

func (s *scheduleStore) Runs(_ context.Context, _ string, before time.Time, limit int) (list []job.ScheduleRun, _ error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range slices.Backward(s.runs) {
		if (before.IsZero() || r.FireAt.Before(before)) && len(list) < limit {
			list = append(list, r)
		}
	}
	return list, nil
}

const (
	nightly = `{"name":"nightly","cron":"30 2 * * *","timeZone":"Europe/Berlin","action":{"type":"export",` +
		`"parameters":{"format":"ndjson","compress":"gzip","destination":"nightly/{date}","minAge":"18"}}}`
	partners = `{"cron":"@hourly","catchUp":"none","overlap":"queue","action":{"type":"import",` +
		`"parameters":{"from":"partners/{date}.csv","onDuplicate":"update","key":"email","map":["email:Mail","city:Town"],"dryRun":"true"}}}`
)

func scheduleID(t *testing.T, body []byte) string {
	t.Helper()
	var v struct {
		ID string `json:"id"`
	}
	if err := json.Unmarshal(body, &v); err != nil || v.ID == "" {
		t.Fatalf("%s: %v", body, err)
	}
	return v.ID
}

var adaJSON = as{"X-USER-ID", "ada", "Content-Type", "application/json"}

func TestSchedules(t *testing.T) {
	t.Parallel()
	s := newSchedules()
	store := s.Store.(*scheduleStore)
	a := newAPI(t, newFakes(), func(c *httpapi.Config) { c.Schedules = s })
	first := a.do("POST /api/v1/schedules", adaJSON, strings.NewReader(nightly))
	if first.StatusCode != http.StatusCreated {
		t.Fatalf("%d %s", first.StatusCode, first.body)
	}
	id := scheduleID(t, first.body)
	if first.Header.Get("Location") != "/api/v1/schedules/"+id {
		t.Errorf("it is at %s", first.Header.Get("Location"))
	}
	for _, want := range []string{
		`"nextFireTimes":["2026-03-28T01:30:00.000Z","2026-03-29T01:00:00.000Z","2026-03-30T00:30:00.000Z"`, `"catchUp":"last"`, `"overlap":"skip"`,
		`"destination":"nightly/{date}"`, `"pausedAt":null`, `"lastJobId":null`,
	} {
		if !strings.Contains(string(first.body), want) {
			t.Errorf("no %s in %s", want, first.body)
		}
	}
	second := a.do("POST /api/v1/schedules", adaJSON, strings.NewReader(partners))
	if second.StatusCode != http.StatusCreated || !strings.Contains(string(second.body), `"map":["email:Mail","city:Town"]`) {
		t.Fatalf("%d %s", second.StatusCode, second.body)
	}
	if a := store.list[1].Action; a.Export == nil || a.Export.Destination != "nightly/{date}" || !strings.Contains(string(a.Export.Users), `"MinAge":18`) {
		t.Errorf("%+v", a)
	}
	want := job.FileOptions{
		OnDuplicate: "update", Key: "email", InFile: "first", EmptyMeans: "keep", MaxRejected: job.DefaultMaxRejected,
		Map: map[string]string{"email": "Mail", "city": "Town"},
	}
	if a := store.list[2].Action; a.From != "partners/{date}.csv" || !a.DryRun || a.File == nil || cmp.Diff(want, *a.File) != "" {
		t.Errorf("%+v, %+v", a, a.File)
	}

	page := a.do("GET /api/v1/schedules?limit=1", ada, nil)
	if page.StatusCode != http.StatusOK || !strings.Contains(string(page.body), `"hasNext":true`) || !strings.Contains(string(page.body), `"cron":"@hourly"`) {
		t.Errorf("%d %s", page.StatusCode, page.body)
	}
	for request, want := range map[string]int{
		"GET /api/v1/schedules/" + id: 200, "HEAD /api/v1/schedules/" + id: 200, "GET /api/v1/schedules/" + otherID: 404,
		"POST /api/v1/schedules/" + id + "/pause": 200, "POST /api/v1/schedules/" + id + "/run": 202, "GET /api/v1/schedules/" + id + "/runs": 200,
		"GET /api/v1/schedules/" + id + "/runs?after=1": 200,
	} {
		if got := a.do(request, ada, nil); got.StatusCode != want {
			t.Errorf("%s: %d %s", request, got.StatusCode, got.body)
		}
	}
	if got := a.do("GET /api/v1/schedules/"+id, as{"X-USER-ID", "bob"}, nil); got.StatusCode != http.StatusNotFound || !strings.Contains(string(got.body), "schedule_not_found") {
		t.Errorf("somebody else's: %d %s", got.StatusCode, got.body)
	}
	if got := a.do("PUT /api/v1/schedules/"+id, adaJSON, strings.NewReader(partners)); got.StatusCode != http.StatusOK || !strings.Contains(string(got.body), `"@hourly"`) ||
		!strings.Contains(string(got.body), `"nextFireTimes":[]`) {
		t.Errorf("%d %s", got.StatusCode, got.body)
	}
	if got := a.do("POST /api/v1/schedules/"+id+"/resume", ada, nil); !strings.Contains(string(got.body), `"nextFireTimes":["2026-03-27T11:00:00.000Z"`) {
		t.Errorf("%d %s", got.StatusCode, got.body)
	}
	if got := a.do("DELETE /api/v1/schedules/"+id, ada, nil); got.StatusCode != http.StatusNoContent {
		t.Errorf("%d %s", got.StatusCode, got.body)
	}
	s.Max = 1
	if got := a.do("POST /api/v1/schedules", adaJSON, strings.NewReader(partners)); got.StatusCode != http.StatusConflict || !strings.Contains(string(got.body), "too_many_schedules") {
		t.Errorf("%d %s", got.StatusCode, got.body)
	}
}

// What is wrong with a schedule is listed by field; that of its parameters as their own route would say it.
func TestBadSchedules(t *testing.T) {
	t.Parallel()
	a := newAPI(t, newFakes(), func(c *httpapi.Config) { c.Schedules = newSchedules() })
	action := func(kind, parameters string) string {
		return `{"cron":"@daily","action":{"type":"` + kind + `","parameters":` + parameters + `}}`
	}
	for body, want := range map[string]string{
		`{}`: `"field":"cron","message":"is required"`,
		`[]`: `"field":"body"`,
		`{"cron":"@daily","cron":"@daily","action":{"type":"export","parameters":{}}}`:                   `"message":"is given more than once"`,
		`{"cron":"@daily","owner":"bob","action":{"type":"export","parameters":{}}}`:                     `"field":"owner","message":"is not known here"`,
		`{"cron":7,"action":{"type":"export","parameters":{}}}`:                                          `"field":"cron","message":"must be text`,
		`{"cron":"0 0 31 2 *","action":{"type":"export","parameters":{}}}`:                               `"field":"cron","message":"never fires"`,
		`{"cron":"@daily","timeZone":"Mars","catchUp":"all","action":{"type":"export","parameters":{}}}`: `"field":"catchUp"`,
		action("delete", `{}`):                                      `"field":"action.type"`,
		action("export", `[]`):                                      `"field":"action.parameters"`,
		action("export", `{"format":"xml"}`):                        `"field":"action.parameters.format"`,
		action("export", `{"size":"7"}`):                            `"field":"action.parameters.size"`,
		action("export", `{"minAge":30}`):                           `"field":"action.parameters.minAge"`,
		action("export", `{"minAge":"30","maxAge":"20"}`):           `"field":"action.parameters.minAge"`,
		action("export", `{"destination":"../x"}`):                  `"field":"action.parameters.destination"`,
		action("export", `{"destination":"x/{hour}"}`):              `"field":"action.parameters.destination"`,
		action("export", `{"format":["csv","json"]}`):               `"field":"action.parameters.format"`,
		action("import", `{}`):                                      `"field":"action.parameters.from","message":"is required"`,
		action("import", `{"from":"x.csv","uploadId":"`+jobID+`"}`): `"field":"action.parameters.uploadId"`,
		action("import", `{"from":"x.csv","key":"email"}`):          `"field":"action.parameters.key"`,
		action("import", `{"from":"x.csv","map":["shoe:Size"]}`):    `"field":"action.parameters.map"`,
	} {
		got := a.do("POST /api/v1/schedules", adaJSON, strings.NewReader(body))
		if got.StatusCode != http.StatusBadRequest || !strings.Contains(string(got.body), want) {
			t.Errorf("%s: %d, no %s in %s", body, got.StatusCode, want, got.body)
		}
	}
	if got := a.do("POST /api/v1/schedules", as{"X-USER-ID", "ada", "Content-Type", "text/plain"}, strings.NewReader(nightly)); got.StatusCode != http.StatusUnsupportedMediaType {
		t.Errorf("%d %s", got.StatusCode, got.body)
	}
	key := as{"X-USER-ID", "ada", "Idempotency-Key", job.ScheduleKeyPrefix + jobID + ":1"}
	if got := a.do("POST /api/v1/import/bulk?count=5", key, nil); got.StatusCode != http.StatusBadRequest || !strings.Contains(string(got.body), `"field":"Idempotency-Key"`) {
		t.Errorf("a key of a schedule's: %d %s", got.StatusCode, got.body)
	}
}

// A key that may not export all users can schedule imports, and no exports.
func TestScheduledExportNeedsItsScope(t *testing.T) {
	t.Parallel()
	keys, asks := keyMode(t)
	a := newAPI(t, newFakes(), asks)
	writes := keys.add(apikey.Key{Owner: "ada", Scopes: []apikey.Scope{apikey.Write}})
	exports := keys.add(apikey.Key{Owner: "ada", Scopes: []apikey.Scope{apikey.Write, apikey.Export}})
	for _, test := range []struct {
		key, body string
		want      int
	}{{writes, nightly, 403}, {writes, partners, 201}, {exports, nightly, 201}} {
		got := a.do("POST /api/v1/schedules", bearer(test.key, "Content-Type", "application/json"), strings.NewReader(test.body))
		if got.StatusCode != test.want || test.want == 403 && !strings.Contains(string(got.body), "insufficient_scope") {
			t.Errorf("%d %s, want %d", got.StatusCode, got.body, test.want)
		}
	}
}
