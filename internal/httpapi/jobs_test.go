package httpapi_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/musterhq/muster/internal/httpapi/api"
	"github.com/musterhq/muster/internal/job"
)

func TestJobView(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		job  job.Job
		want map[string]any // what differs from the running job
	}{
		"running": {sample(job.InProgress), nil},
		"pending": {sample(job.Pending), map[string]any{
			"status": "PENDING", "processedCount": 0., "progress": 0., "etaSeconds": nil, "ratePerSecond": 0., "startedAt": nil,
			"message": "Waiting for a worker.",
		}},
		"completed": {sample(job.Completed), map[string]any{
			"status": "COMPLETED", "processedCount": 100_000., "progress": 100., "etaSeconds": 0., "ratePerSecond": 100_000.,
			"finishedAt": "2026-02-16T10:05:32.123Z", "message": "Completed: 100000 users stored.",
		}},
		"failed": {func() job.Job {
			j := sample(job.Failed)
			j.ErrorCode = "chunk_failed"
			return j
		}(), map[string]any{
			"status": "FAILED", "etaSeconds": 0., "ratePerSecond": 45_000., "finishedAt": "2026-02-16T10:05:32.123Z",
			"errorCode": "chunk_failed", "partial": true, "message": "Some of the users could not be imported; those counted are stored.",
		}},
		"cancelled": {sample(job.Cancelled), map[string]any{
			"status": "CANCELLED", "etaSeconds": 0., "ratePerSecond": 45_000., "finishedAt": "2026-02-16T10:05:32.123Z", "message": "Cancelled.",
		}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			want := map[string]any{
				"jobId": jobID, "status": "IN_PROGRESS", "source": "faker", "tier": "LARGE", "requestedCount": 100_000.,
				"processedCount": 45_000., "rejectedCount": 0., "progress": 45., "seed": 42., "firstId": 1., "lastId": 100_000.,
				"createdAt": "2026-02-16T10:05:30.123Z", "startedAt": "2026-02-16T10:05:31.123Z", "finishedAt": nil,
				"message": "Processing batch 45/100...",
			}
			for k, v := range test.want {
				want[k] = v
			}
			f := newFakes()
			f.live[jobID] = test.job
			got := newAPI(t, f, nil).do("GET /api/v1/jobs/"+jobID, ada, nil)
			var m map[string]any
			if err := json.Unmarshal(got.body, &m); err != nil {
				t.Fatal(err)
			}
			if name == "running" { // these two depend on the clock
				delete(m, "ratePerSecond")
				delete(m, "etaSeconds")
			}
			if diff := cmp.Diff(want, m); diff != "" {
				t.Errorf("job (-want +got):\n%s", diff)
			}
		})
	}
}

func TestGetJobAsksTheLiveViewFirst(t *testing.T) {
	t.Parallel()
	f := newFakes()
	f.live[jobID] = sample(job.InProgress)
	f.storeErr = errors.New("the store must not be asked")
	a := newAPI(t, f, nil)
	if got := a.do("GET /api/v1/jobs/"+jobID, ada, nil); got.StatusCode != http.StatusOK {
		t.Errorf("answer %d %s", got.StatusCode, got.body)
	}
	a.failure(a.do("GET /api/v1/jobs/"+jobID, as{"X-USER-ID", "bob"}, nil), 404, "job_not_found")
	// UUIDs may be written in capitals.
	if got := a.do("GET /api/v1/jobs/01950E6A-7D3C-7B1E-9C3F-2F6D1A8B4C5D", ada, nil); got.StatusCode != http.StatusOK {
		t.Errorf("answer %d %s", got.StatusCode, got.body)
	}
}

func TestGetJobRebuildsTheLiveView(t *testing.T) {
	t.Parallel()
	f := newFakes()
	f.stored[jobID] = sample(job.InProgress)
	a := newAPI(t, f, nil)
	a.failure(a.do("GET /api/v1/jobs/"+jobID, as{"X-USER-ID", "bob"}, nil), 404, "job_not_found")
	if len(f.puts) != 0 {
		t.Error("somebody else's request rebuilt the live copy")
	}
	if got := a.do("GET /api/v1/jobs/"+jobID, ada, nil); got.StatusCode != http.StatusOK {
		t.Fatalf("answer %d %s", got.StatusCode, got.body)
	}
	if diff := cmp.Diff([]job.Job{sample(job.InProgress)}, f.puts); diff != "" {
		t.Errorf("live copy (-want +got):\n%s", diff)
	}
}

func TestGetJobWithoutRedis(t *testing.T) {
	t.Parallel()
	f := newFakes()
	f.stored[jobID], f.liveErr = sample(job.InProgress), job.ErrQueueUnavailable
	if got := newAPI(t, f, nil).do("GET /api/v1/jobs/"+jobID, ada, nil); got.StatusCode != http.StatusOK {
		t.Errorf("answer %d %s", got.StatusCode, got.body)
	}
	if len(f.puts) != 0 {
		t.Error("wrote to a Redis that had just failed to answer")
	}
}

func TestListJobs(t *testing.T) {
	t.Parallel()
	f := newFakes()
	for i := range 25 {
		j := sample(job.Completed)
		j.ID = fmt.Sprintf("01950e6a-7d3c-7b1e-9c3f-%012d", 99-i)
		f.listed = append(f.listed, j)
	}
	a := newAPI(t, f, nil)
	page := decode[api.JobPage](t, a.do("GET /api/v1/jobs", ada, nil))
	if len(page.Content) != 20 || !page.HasNext || page.NextCursor == nil || *page.NextCursor != f.listed[19].ID {
		t.Errorf("first page has %d jobs, hasNext %t", len(page.Content), page.HasNext)
	}
	page = decode[api.JobPage](t, a.do("GET /api/v1/jobs?limit=25&status=COMPLETED&tier=LARGE&after="+jobID, ada, nil))
	if len(page.Content) != 25 || page.HasNext || page.NextCursor != nil {
		t.Errorf("last page has %d jobs, hasNext %t", len(page.Content), page.HasNext)
	}
	want := []job.Filter{
		{Owner: "ada", Limit: 21},
		{Owner: "ada", Limit: 26, Status: job.Completed, Tier: "LARGE", After: jobID},
	}
	if diff := cmp.Diff(want, f.filters); diff != "" {
		t.Errorf("filters (-want +got):\n%s", diff)
	}
	f.listed = nil
	if got := a.do("GET /api/v1/jobs", ada, nil); string(got.body) != `{"content":[],"hasNext":false,"nextCursor":null}`+"\n" {
		t.Errorf("no jobs: %s", got.body)
	}
}

func TestMovesShowTheJob(t *testing.T) {
	t.Parallel()
	for action, want := range map[string]job.Status{
		"cancel": job.Cancelled, "pause": job.Paused, "resume": job.Pending, "retry": job.Pending, "undo": job.Completed,
	} {
		f := newFakes()
		f.stored[jobID] = sample(job.InProgress)
		a := newAPI(t, f, nil)
		got := a.do("POST /api/v1/jobs/"+jobID+"/"+action, ada, nil)
		v := decode[api.Job](t, got)
		if v.Status != want || got.StatusCode/100 != 2 {
			t.Errorf("%s: answer %d %s", action, got.StatusCode, got.body)
		}
		if action == "undo" && v.Message != "Undoing: 50 %" {
			t.Errorf("undo says %q", v.Message)
		}
	}
}

// Whatever the route, somebody else's job does not exist.
func TestSomebodyElsesJobIsNotFound(t *testing.T) {
	t.Parallel()
	spec, err := api.GetSpec()
	if err != nil {
		t.Fatal(err)
	}
	tried := 0
	for path, item := range spec.Paths.Map() {
		if !strings.Contains(path, "{jobId}") || strings.HasSuffix(path, "/files/{name}") { // whose link says all
			continue
		}
		for method := range item.Operations() {
			f := newFakes()
			f.stored[jobID], f.live[jobID] = sample(job.InProgress), sample(job.InProgress)
			a := newAPI(t, f, nil)
			got := a.do(method+" /api/v1"+strings.ReplaceAll(path, "{jobId}", jobID), as{"X-USER-ID", "eve"}, nil)
			a.failure(got, 404, "job_not_found")
			if strings.Contains(string(got.body), "ada") {
				t.Errorf("%s %s names the owner: %s", method, path, got.body)
			}
			tried++
		}
	}
	if tried < 6 {
		t.Errorf("only %d routes have a job", tried)
	}
}

func TestConflictNamesTheStatus(t *testing.T) {
	t.Parallel()
	f := newFakes()
	f.stored[jobID], f.moveErr = sample(job.Failed), &job.StateError{Move: job.MoveCancel, Status: job.Failed}
	a := newAPI(t, f, nil)
	e := a.failure(a.do("POST /api/v1/jobs/"+jobID+"/cancel", ada, nil), 409, "job_not_cancellable")
	if e.Details.Status != job.Failed {
		t.Errorf("details %+v", e.Details)
	}
}

func TestTimestamp(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 2, 16, 11, 5, 30, 999_999_999, time.FixedZone("", 3600))
	b, err := json.Marshal([]api.Timestamp{api.Timestamp(at), {}})
	if err != nil || string(b) != `["2026-02-16T10:05:30.999Z",null]` {
		t.Errorf("Marshal = %s, %v", b, err)
	}
}
