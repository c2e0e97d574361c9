package dashboard_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/musterhq/muster/internal/dashboard"
	"github.com/musterhq/muster/internal/job"
)

// queue is a Fleet and Stored that fail, or do not answer before hang is closed.
type queue struct {
	*fakes

	err   error
	looks atomic.Int64 // that failed
	hang  chan struct{}
}

func (q *queue) Fleet() (job.Fleet, error) {
	if q.hang != nil {
		<-q.hang
	}
	if q.err != nil {
		q.looks.Add(1)
		return job.Fleet{}, q.err
	}
	return q.fakes.Fleet()
}

func (q *queue) StoredSince(ctx context.Context, owner string, steps int) ([]int64, error) {
	if q.err != nil {
		return nil, q.err
	}
	return q.fakes.StoredSince(ctx, owner, steps)
}

// Without Redis the jobs are there, and what is missing is said.
func TestWithoutRedis(t *testing.T) {
	t.Parallel()
	f := newFakes(2, job.InProgress)
	q := &queue{fakes: f, err: job.QueueUnavailable("look at the queues", errors.New("dial tcp 10.0.0.7:6379"))}
	var logs strings.Builder // the pages are opened one after the other
	s := serve(t, f, func(c *dashboard.Config) {
		c.Fleet, c.Stored, c.Log = q, q, slog.New(slog.NewTextHandler(&logs, nil))
	})
	for range 20 {
		s.get("/dashboard")
	}
	for path, want := range map[string][]string{
		"/dashboard":               {id(2), id(1), "the queue does not answer", `<dt>Users a second</dt><dd>?</dd>`},
		"/dashboard/jobs/" + id(1): {"It is IN_PROGRESS."},
		"/dashboard/fleet":         {"The queue does not answer. Jobs are safe in the database"},
	} {
		status, html := s.get(path)
		if status != http.StatusOK || strings.Contains(html, "10.0.0.7") {
			t.Errorf("%s: %d %s", path, status, html)
		}
		for _, text := range want {
			if !strings.Contains(html, text) {
				t.Errorf("%s lacks %q", path, text)
			}
		}
	}
	if n := strings.Count(logs.String(), "fleet not shown"); n == 0 || int64(n) > q.looks.Load() {
		t.Errorf("%d lines for %d looks: %s", n, q.looks.Load(), logs.String())
	}
}

// A Redis that takes connections and does not answer keeps no page from being shown, and nobody asks it twice at once.
func TestRedisThatHangs(t *testing.T) {
	t.Parallel()
	f := newFakes(2, job.InProgress)
	q := &queue{fakes: f, hang: make(chan struct{})}
	s := serve(t, f, func(c *dashboard.Config) { c.Fleet = q })
	for range 3 {
		if status, html := s.get("/dashboard"); status != http.StatusOK || !strings.Contains(html, "the queue does not answer") || !strings.Contains(html, id(2)) {
			t.Errorf("%d %s", status, html)
		}
	}
	close(q.hang)
	eventually(t, "the fleet is shown", func() bool {
		_, html := s.get("/dashboard")
		return strings.Contains(html, "<dt>Workers</dt><dd>1</dd>")
	})
	f.set(func() {
		if f.fleets > 2 { // one that hung, and perhaps one after that
			t.Errorf("%d looks at the fleet", f.fleets)
		}
	})
}

// refusing makes every move fail.
type refusing struct {
	*fakes

	err error
}

func (r *refusing) Pause(context.Context, string, string) (job.Job, error) { return job.Job{}, r.err }

// Each error is a page with a sentence, and none shows more than it should.
func TestErrorsOfMoves(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		err    error
		status int
		text   string
	}{
		{&job.StateError{Move: job.MovePause, Status: job.Completed}, 409, "The job is COMPLETED"},
		{job.ErrNotFound, 404, "no such job"},
		{&job.LimitError{Tier: "XL", Limit: 1}, 429, "XL concurrency limit reached"},
		{&job.BatchLimitError{Max: 7}, 400, "at most 7"},
		{job.ErrQueueFull, 503, "The queue is full"},
		{job.ErrQueueUnavailable, 503, "The queue does not answer"},
		{job.ErrStoreUnavailable, 503, "The database does not answer"},
		{fmt.Errorf("%w: %w", job.ErrUncertain, job.ErrStoreUnavailable), 503, "may have been done or not"},
		{job.ErrSchema, 503, "has to migrate"},
		{context.DeadlineExceeded, 503, "took too long"},
		{errors.New("no column jobs.owner"), 500, "Something went wrong here"},
	} {
		f := newFakes(1, job.InProgress)
		s := serve(t, f, func(c *dashboard.Config) { c.Jobs = &refusing{f, fmt.Errorf("secret: %w", tt.err)} })
		status, html := s.post("/dashboard/jobs/"+id(1)+"/pause", nil)
		if status != tt.status || !strings.Contains(html, tt.text) || strings.Contains(html, "secret") || strings.Contains(html, "column") {
			t.Errorf("%v: %d %s", tt.err, status, html)
		}
		if !strings.Contains(html, `href="/dashboard"`) {
			t.Errorf("%v: no way on", tt.err)
		}
	}
}

// What people and files are called, and what went wrong, is text wherever it stands.
func TestHostileTexts(t *testing.T) {
	t.Parallel()
	const hostile = `"><script>alert(1)</script><i title='`
	f := newFakes(1, job.InProgress)
	f.jobs[0].Owner, f.jobs[0].Source, f.jobs[0].Rejected = hostile, job.SourceFile, 1
	f.jobs[0].File = &job.File{Name: hostile}
	f.chunks = []job.ChunkNow{{Chunk: job.Chunk{No: 0, Rows: 10, Stalls: 1}, State: job.ChunkReady, LastError: hostile}}
	s := serve(t, f, func(c *dashboard.Config) {
		c.Everybody = true
		c.Message = func(job.Job) string { return hostile }
	})
	for _, path := range []string{"/dashboard", "/dashboard?owner=" + url.QueryEscape(hostile), "/dashboard/jobs/" + id(1), "/dashboard?status=" + url.QueryEscape(hostile)} {
		if _, html := s.get(path); strings.Contains(html, "<script>") || strings.Contains(html, "<i title") {
			t.Errorf("%s: %s", path, html)
		}
	}
	_, html := s.get("/dashboard/jobs/" + id(1))
	if n := strings.Count(html, "&lt;script&gt;"); n != 4 { // the owner, the file, the message, the chunk's error
		t.Errorf("%d times: %s", n, html)
	}
	for _, path := range []string{"/dashboard/events", "/dashboard/events?job=" + id(1)} {
		e := next(t, s.follow(path), "all of the page", func(e event) bool { return e.kind == "update" })
		if all := e.data.Parts["job"] + e.data.Rows[id(1)]; !strings.Contains(all, "&lt;script&gt;") || strings.Contains(all, "<script>") {
			t.Errorf("%s: %s", path, all)
		}
	}
}
