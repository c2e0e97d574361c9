package httpapi_test

import (
	"bufio"
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/musterhq/muster/internal/httpapi/api"
	"github.com/musterhq/muster/internal/job"
)

// event is one of a stream of server-sent events.
type event struct {
	name string
	job  api.Job
}

// watch opens the events of ada's job.
func (a *testServer) watch(ctx context.Context) *bufio.Scanner {
	a.t.Helper()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, a.url+"/api/v1/jobs/"+jobID+"/events", nil)
	if err != nil {
		a.t.Fatal(err)
	}
	r.Header.Set("X-USER-ID", "ada")
	res, err := a.client.Do(r)
	if err != nil {
		a.t.Fatal(err)
	}
	a.t.Cleanup(func() { _ = res.Body.Close() })
	if kind := res.Header.Get("Content-Type"); res.StatusCode != http.StatusOK || kind != "text/event-stream" {
		a.t.Fatalf("answer %d %s", res.StatusCode, kind)
	}
	return bufio.NewScanner(res.Body)
}

// nextEvent reads one; false at the end of the stream.
func nextEvent(t *testing.T, s *bufio.Scanner) (e event, ok bool) {
	t.Helper()
	for s.Scan() {
		line := s.Text()
		if line == "" && e.name != "" {
			return e, true
		}
		if name, found := strings.CutPrefix(line, "event: "); found {
			e.name = name
		}
		if data, found := strings.CutPrefix(line, "data: "); found {
			if err := json.Unmarshal([]byte(data), &e.job); err != nil {
				t.Fatalf("data %q: %v", data, err)
			}
		}
	}
	return e, false
}

func (f *fakes) setLive(change func(*job.Job)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	j := f.live[jobID]
	change(&j)
	f.live[jobID] = j
}

func TestEventsFollowTheJobToItsEnd(t *testing.T) {
	t.Parallel()
	f := newFakes()
	f.live[jobID] = sample(job.InProgress)
	s := newAPI(t, f, nil).watch(t.Context())
	want := func(name string, status job.Status, processed int64, message string) {
		t.Helper()
		e, ok := nextEvent(t, s)
		if !ok || e.name != name || e.job.Status != status || e.job.ProcessedCount != processed || message != "" && e.job.Message != message {
			t.Fatalf("event %v %+v, want %s %s %d", ok, e, name, status, processed)
		}
	}
	want("progress", job.InProgress, 45_000, "")
	f.setLive(func(j *job.Job) { j.Processed = 46_000 })
	want("progress", job.InProgress, 46_000, "")
	f.setLive(func(j *job.Job) { j.WaitReason = job.WaitSourceSlow })
	want("progress", job.InProgress, 46_000, "The source answers too slowly; trying again.")
	f.setLive(func(j *job.Job) { j.Status, j.Version, j.WaitReason = job.Paused, j.Version+1, "" })
	want("progress", job.Paused, 46_000, "")
	f.setLive(func(j *job.Job) { *j = sample(job.Completed); j.Version = 9 })
	want("done", job.Completed, 100_000, "")
	if e, ok := nextEvent(t, s); ok || s.Err() != nil {
		t.Errorf("after done: %+v, %v", e, s.Err())
	}
}

// An outage of Redis and the store does not end the stream: what happened meanwhile is shown when it is over.
func TestEventsOutliveTrouble(t *testing.T) {
	t.Parallel()
	f := newFakes()
	f.live[jobID] = sample(job.InProgress)
	a := newAPI(t, f, nil)
	s := a.watch(t.Context())
	if e, ok := nextEvent(t, s); !ok || e.name != "progress" {
		t.Fatalf("event %v %+v", ok, e)
	}
	f.mu.Lock()
	f.liveErr, f.storeErr = job.ErrQueueUnavailable, job.ErrStoreUnavailable
	f.mu.Unlock()
	eventually(t, func() bool { return strings.Contains(a.log.String(), "live progress not read") }, "a look that failed")
	f.mu.Lock()
	f.liveErr, f.storeErr, f.live[jobID] = nil, nil, sample(job.Completed)
	f.mu.Unlock()
	if e, ok := nextEvent(t, s); !ok || e.name != "done" {
		t.Errorf("event %v %+v", ok, e)
	}
}

func TestEventsOfAJobThatIsOver(t *testing.T) {
	t.Parallel()
	f := newFakes()
	f.stored[jobID] = sample(job.Failed)
	s := newAPI(t, f, nil).watch(t.Context())
	e, ok := nextEvent(t, s)
	if !ok || e.name != "done" || e.job.Status != job.Failed {
		t.Fatalf("event %v %+v", ok, e)
	}
	if e, ok := nextEvent(t, s); ok {
		t.Errorf("after done: %+v", e)
	}
}

// Neither a client that goes away nor a shutdown leaves a goroutine behind: TestMain looks for them.
func TestEventsEndWithEitherSide(t *testing.T) {
	t.Parallel()
	f := newFakes()
	f.live[jobID] = sample(job.Paused)
	a := newAPI(t, f, nil)
	gone, leave := context.WithCancel(t.Context())
	left, stays := a.watch(gone), a.watch(t.Context())
	for _, s := range []*bufio.Scanner{left, stays} {
		if e, ok := nextEvent(t, s); !ok || e.name != "progress" {
			t.Fatalf("event %v %+v", ok, e)
		}
	}
	leave()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if err := a.srv.Shutdown(ctx); err != nil {
		t.Errorf("Shutdown: %v", err)
	}
	if e, ok := nextEvent(t, stays); ok || stays.Err() != nil {
		t.Errorf("after the shutdown: %+v, %v", e, stays.Err())
	}
}
