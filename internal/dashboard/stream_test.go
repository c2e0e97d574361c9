package dashboard_test

import (
	"context"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/musterhq/muster/internal/dashboard"
	"github.com/musterhq/muster/internal/job"
)

// eventually waits until is holds.
func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within a minute: %s", what)
		}
	}
}

// A stream is refused before it begins: the page of a wrong address says why.
func TestStreamsThatAreRefused(t *testing.T) {
	t.Parallel()
	f := newFakes(2, job.InProgress)
	f.jobs[0].Owner = "bob"
	s := serve(t, f, nil)
	for path, want := range map[string]int{
		"/dashboard/events?job=" + id(2): http.StatusNotFound, "/dashboard/events?job=x": http.StatusNotFound,
		"/dashboard/events?status=WRONG": http.StatusBadRequest, "/dashboard/events?tier=WRONG": http.StatusBadRequest,
		"/dashboard/events?after=%00": http.StatusBadRequest, "/dashboard/events?find=xyz": http.StatusBadRequest,
	} {
		if status, html := s.get(path); status != want || !strings.Contains(html, "<main") {
			t.Errorf("%s: %d, want %d", path, status, want)
		}
	}
	// HEAD is over at once: it holds no stream, and no connection.
	if status, text := s.send(http.MethodHead, "/dashboard/events", nil); status != http.StatusOK || text != "" {
		t.Errorf("HEAD: %d %q", status, text)
	}
	eventually(t, "the stream of HEAD ends", func() bool { return s.d.OpenStreams() == 0 })
}

// There are as many streams as a process bears; one more is refused, until one of them ends.
func TestTooManyStreams(t *testing.T) {
	t.Parallel()
	s := serve(t, newFakes(1, job.InProgress), nil)
	s.d.LimitStreams(2)
	ctx, leave := context.WithCancel(t.Context())
	for range 2 {
		req, _ := http.NewRequestWithContext(ctx, http.MethodGet, s.url+"/dashboard/events", nil)
		req.Header.Set("X-USER-ID", "ann")
		res, err := s.client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = res.Body.Close() })
	}
	if status, html := s.get("/dashboard/events"); status != http.StatusServiceUnavailable || !strings.Contains(html, "Too many pages") {
		t.Errorf("one too many: %d %s", status, html)
	}
	if status, _ := s.get("/dashboard"); status != http.StatusOK {
		t.Errorf("the page itself: %d", status)
	}
	leave()
	eventually(t, "those that left make room", func() bool { return s.d.OpenStreams() == 0 })
	next(t, s.follow("/dashboard/events"), "a stream after that", func(e event) bool { return e.kind == "update" })
}

// The page of a job follows it, says what keeps it from doing so, and takes that back although nothing else has changed.
func TestStreamOfAJob(t *testing.T) {
	t.Parallel()
	f := newFakes(1, job.InProgress)
	s := serve(t, f, nil)
	events := s.follow("/dashboard/events?job=" + id(1))
	update := func(e event) bool { return e.kind == "update" }
	first := next(t, events, "all of the page", update)
	if !strings.Contains(first.data.Parts["job"], "It is IN_PROGRESS.") || first.data.Order != nil {
		t.Errorf("first: %s", first.text)
	}
	f.set(func() { f.down = true })
	if e := next(t, events, "trouble", func(event) bool { return true }); e.kind != "trouble" || !strings.Contains(e.text, "The database does not answer") {
		t.Errorf("trouble: %s %s", e.kind, e.text)
	}
	f.set(func() { f.down = false })
	if e := next(t, events, "the end of the trouble", func(event) bool { return true }); e.kind != "update" || len(e.data.Parts) != 0 {
		t.Errorf("after the trouble: %s %s", e.kind, e.text)
	}
	f.set(func() { f.jobs[0].Status, f.jobs[0].Processed = job.Completed, 100 })
	if e := next(t, events, "the end of the job", update); !strings.Contains(e.data.Parts["job"], "It is COMPLETED.") || !strings.Contains(e.data.Parts["job"], "/undo") {
		t.Errorf("the end: %s", e.text)
	}
}

// A stream that is opened again begins with all that there is then.
func TestStreamThatComesBack(t *testing.T) {
	t.Parallel()
	f := newFakes(2, job.InProgress)
	process, restart := context.WithCancel(context.Background())
	s := serve(t, f, func(c *dashboard.Config) {
		c.Live = func(ctx context.Context) (context.Context, context.CancelFunc) {
			ctx, cancel := context.WithCancel(ctx)
			context.AfterFunc(process, cancel)
			return ctx, cancel
		}
	})
	first := func(rows int) <-chan event {
		t.Helper()
		events := s.follow("/dashboard/events")
		e := next(t, events, "all of the page", func(event) bool { return true })
		if len(e.data.Order) != rows || len(e.data.Rows) != rows || len(e.data.Parts) != 3 {
			t.Errorf("%d rows wanted first: %s", rows, e.text)
		}
		return events
	}
	events := first(2)
	restart()
	for range events { // until it ends
	}
	process = context.Background()
	f.set(func() { f.jobs = newFakes(3, job.Completed).jobs })
	first(3)
}

// countedLists counts the lists that were asked for.
type countedLists struct {
	*fakes

	n atomic.Int64
}

func (c *countedLists) List(ctx context.Context, q job.Filter) ([]job.Job, error) {
	c.n.Add(1)
	return c.fakes.List(ctx, q)
}

// Many streams of a page cost two looks a second at most, and one at the fleet; those of others have their own.
func TestStreamsShareLooks(t *testing.T) {
	t.Parallel()
	f := &countedLists{fakes: newFakes(1, job.InProgress)}
	s := serve(t, f.fakes, func(c *dashboard.Config) { c.Jobs = f })
	began := time.Now()
	update := func(e event) bool { return e.kind == "update" }
	for range 20 {
		if e := next(t, s.follow("/dashboard/events"), "all of the page", update); len(e.data.Rows) != 1 {
			t.Errorf("ann sees %s", e.text)
		}
	}
	for _, page := range []struct {
		path, owner string
		rows        int
	}{{"/dashboard/events", "bob", 0}, {"/dashboard/events?status=FAILED", "ann", 0}, {"/dashboard/events?tier=SMALL", "ann", 1}} {
		if e := next(t, s.follow(page.path, "X-USER-ID", page.owner), "all of the page", update); len(e.data.Rows) != page.rows {
			t.Errorf("%s of %s: %s", page.path, page.owner, e.text)
		}
	}
	eventually(t, "some looks", func() bool { return f.n.Load() >= 12 })
	lists, steps := f.n.Load(), int64(time.Since(began)/time.Second)+1
	var looks int
	f.set(func() { looks = f.fleets })
	if lists > 4*2*steps+4 || int64(looks) > steps+1 {
		t.Errorf("in %d s: %d lists, %d looks at the fleet", steps, lists, looks)
	}
}

// panicking is a list that panics.
type panicking struct{ *fakes }

func (panicking) List(context.Context, job.Filter) ([]job.Job, error) { panic("a fault of ours") }

// lines takes what is written.
type lines chan string

func (l lines) Write(p []byte) (int, error) {
	select {
	case l <- string(p):
	default:
	}
	return len(p), nil
}

// A panic of a look is an error in the log, not the end of the process.
func TestLookThatPanics(t *testing.T) {
	t.Parallel()
	logs := make(chan string, 100)
	s := serve(t, newFakes(1, job.InProgress), func(c *dashboard.Config) {
		c.Jobs, c.Log = panicking{newFakes(1, job.InProgress)}, slog.New(slog.NewTextHandler(lines(logs), nil))
	})
	e := next(t, s.follow("/dashboard/events"), "trouble", func(event) bool { return true })
	if e.kind != "trouble" || !strings.Contains(e.text, "The log has more") || strings.Contains(e.text, "fault of ours") {
		t.Errorf("%s %s", e.kind, e.text)
	}
	if line := <-logs; !strings.Contains(line, "page not followed") || !strings.Contains(line, "a fault of ours") {
		t.Errorf("log: %s", line)
	}
}
