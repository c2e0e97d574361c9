package dashboard_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/musterhq/muster/internal/dashboard"
	"github.com/musterhq/muster/internal/job"
)

// fakes are jobs in memory, newest first, of which failing ones cannot be moved.
type fakes struct {
	mu      sync.Mutex
	jobs    []job.Job
	chunks  []job.ChunkNow
	down    bool // the store
	fleets  int  // how often the fleet was read
	refused map[string]bool
}

func id(n int) string { return fmt.Sprintf("01a21e68-c19f-7bb6-8e6a-%012x", n) }

func newFakes(n int, status job.Status) *fakes {
	f := &fakes{refused: map[string]bool{}}
	for i := n; i > 0; i-- {
		f.jobs = append(f.jobs, job.Job{
			ID: id(i), Owner: "ann", Source: "faker", Tier: "SMALL", Status: status, Requested: 100, CreatedAt: time.UnixMilli(int64(i) * 1000),
		})
	}
	return f
}

func (f *fakes) find(match func(j *job.Job) bool) (job.Job, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.down {
		return job.Job{}, job.ErrStoreUnavailable
	}
	for i := range f.jobs {
		if match(&f.jobs[i]) {
			return f.jobs[i], nil
		}
	}
	return job.Job{}, job.ErrNotFound
}

func (f *fakes) Get(_ context.Context, owner, id string) (job.Job, error) {
	return f.find(func(j *job.Job) bool { return j.ID == id && j.Owner == owner })
}

func (f *fakes) Find(_ context.Context, id string) (job.Job, error) {
	return f.find(func(j *job.Job) bool { return j.ID == id })
}

func (f *fakes) List(_ context.Context, q job.Filter) (list []job.Job, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.down {
		return nil, fmt.Errorf("secret address: %w", job.ErrStoreUnavailable)
	}
	for _, j := range f.jobs {
		if (q.Everybody || j.Owner == q.Owner) && (q.Status == "" || j.Status == q.Status) && (q.Tier == "" || j.Tier == q.Tier) &&
			strings.HasPrefix(j.ID, q.IDPrefix) && (q.After == "" || j.ID < q.After) && len(list) < q.Limit {
			list = append(list, j)
		}
	}
	return list, nil
}

func (f *fakes) move(m job.Move) func(ctx context.Context, owner, id string) (job.Job, error) {
	return func(_ context.Context, owner, id string) (job.Job, error) {
		f.mu.Lock()
		defer f.mu.Unlock()
		for i := range f.jobs {
			if j := &f.jobs[i]; j.ID == id && j.Owner == owner {
				if f.refused[id] {
					return job.Job{}, job.ErrQueueUnavailable
				}
				if m == job.MoveUndo {
					j.UndoRequested = true
				} else {
					j.Status = m.To()
				}
				return *j, nil
			}
		}
		return job.Job{}, job.ErrNotFound
	}
}

func (f *fakes) Cancel(ctx context.Context, owner, id string) (job.Job, error) {
	return f.move(job.MoveCancel)(ctx, owner, id)
}
func (f *fakes) Pause(ctx context.Context, owner, id string) (job.Job, error) {
	return f.move(job.MovePause)(ctx, owner, id)
}
func (f *fakes) Resume(ctx context.Context, owner, id string) (job.Job, error) {
	return f.move(job.MoveResume)(ctx, owner, id)
}
func (f *fakes) Retry(ctx context.Context, owner, id string) (job.Job, error) {
	return f.move(job.MoveRetry)(ctx, owner, id)
}
func (f *fakes) Undo(ctx context.Context, owner, id string) (job.Job, error) {
	return f.move(job.MoveUndo)(ctx, owner, id)
}

func (f *fakes) ChunkStates(context.Context, string) ([]job.ChunkNow, error) {
	return slices.Clone(f.chunks), nil
}

func (f *fakes) Rejects(context.Context, string, int64, int) ([]job.Reject, error) {
	return []job.Reject{{Line: 2, Field: "email", Code: "bad_email", Message: "<i>no</i> address"}}, nil
}

func (f *fakes) SlotsInUse(context.Context, string) (map[job.Tier]int, error) {
	return map[job.Tier]int{"XL": 1}, nil
}

func (f *fakes) Fleet() (job.Fleet, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fleets++
	return job.Fleet{
		Workers: []job.WorkerProcess{{Host: "host-7", Concurrency: 2, InHand: []job.TaskInHand{{JobID: id(1), Chunk: 3}}}},
		Queues:  []job.QueueState{{Name: "small", Pending: 5, Latency: time.Minute}},
	}, nil
}

func (f *fakes) StoredSince(_ context.Context, _ string, steps int) ([]int64, error) {
	counts := make([]int64, steps)
	counts[steps-2] = 50_000
	return counts, nil
}

func (f *fakes) set(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
}

// site is a dashboard that is served.
type site struct {
	t    *testing.T
	url  string
	stop context.CancelFunc // of the process, for streams
	d    *dashboard.Dashboard

	client *http.Client // whose connections are this site's only
}

func serve(t *testing.T, f *fakes, change func(*dashboard.Config)) *site {
	t.Helper()
	tiers, err := job.ParseTiers(job.DefaultTiers)
	if err != nil {
		t.Fatal(err)
	}
	process, stop := context.WithCancel(context.Background())
	c := dashboard.Config{
		Jobs: f, Store: f, Fleet: f, Stored: f, Step: 5 * time.Second, Tiers: tiers, Log: slog.New(slog.DiscardHandler),
		Message: func(j job.Job) string { return "It is " + string(j.Status) + "." },
		Live: func(ctx context.Context) (context.Context, context.CancelFunc) {
			ctx, cancel := context.WithCancel(ctx)
			context.AfterFunc(process, cancel)
			return ctx, cancel
		},
	}
	if change != nil {
		change(&c)
	}
	d := dashboard.New(c)
	srv := httptest.NewServer(d)
	t.Cleanup(srv.Close)
	t.Cleanup(stop)
	client := srv.Client()
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &site{t, srv.URL, stop, d, client}
}

// get returns the status and the text of a page that ann opens.
func (s *site) get(path string, header ...string) (int, string) {
	s.t.Helper()
	return s.send(http.MethodGet, path, nil, header...)
}

func (s *site) post(path string, form url.Values, header ...string) (int, string) {
	s.t.Helper()
	return s.send(http.MethodPost, path, form, header...)
}

func (s *site) send(method, path string, form url.Values, header ...string) (int, string) {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), method, s.url+path, strings.NewReader(form.Encode()))
	if err != nil {
		s.t.Fatal(err)
	}
	req.Header.Set("X-USER-ID", "ann")
	if method == http.MethodPost {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i < len(header); i += 2 {
		if req.Header.Set(header[i], header[i+1]); header[i+1] == "" {
			req.Header.Del(header[i])
		}
	}
	res, err := s.client.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	var b strings.Builder
	_, _ = bufio.NewReader(res.Body).WriteTo(&b)
	if !strings.HasPrefix(res.Header.Get("Content-Security-Policy"), "default-src 'none'; script-src 'self'") {
		s.t.Errorf("%s %s: policy %q", method, path, res.Header.Get("Content-Security-Policy"))
	}
	return res.StatusCode, b.String() + res.Header.Get("Location")
}

// The list goes on from page to page, and shows each job once.
func TestListPages(t *testing.T) {
	t.Parallel()
	s := serve(t, newFakes(60, job.Completed), nil)
	path, seen := "/dashboard?status=COMPLETED", 0
	for pages := 1; ; pages++ {
		status, html := s.get(path)
		if status != http.StatusOK {
			t.Fatalf("%d %s", status, html)
		}
		seen += strings.Count(html, "<tr data-id=")
		before, _, more := strings.Cut(html, `" rel="next"`)
		if !more {
			if pages != 3 || seen != 60 {
				t.Errorf("%d jobs on %d pages", seen, pages)
			}
			return
		}
		if pages > 5 {
			t.Fatalf("page %d: %s", pages, before)
		}
		path = strings.ReplaceAll(before[strings.LastIndex(before, `"`)+1:], "&amp;", "&")
	}
}

func TestWhatIsShown(t *testing.T) {
	t.Parallel()
	f := newFakes(3, job.InProgress)
	f.jobs[0].Source, f.jobs[0].Rejected = job.SourceFile, 7
	f.jobs[0].File = &job.File{Name: `<script>alert(1)</script>".csv`}
	f.jobs[1].Owner = "bob"
	s := serve(t, f, nil)
	admin := serve(t, f, func(c *dashboard.Config) { c.Everybody = true })
	for _, c := range []struct {
		of         *site
		path       string
		status     int
		has, hasNo []string
	}{
		{s, "/dashboard", 200, []string{"&lt;script&gt;alert(1)", "In progress", "10\u202f000", "<strong>1</strong> of 1", "5, oldest 1 min 0 s"}, []string{"<script>alert", id(2), "host-7"}},
		{s, "/dashboard/jobs/" + id(3), 200, []string{"It is IN_PROGRESS.", "&lt;i&gt;no&lt;/i&gt; address", `action="/dashboard/jobs/` + id(3) + `/pause"`}, []string{"/undo", "/resume", "<i>no"}},
		{s, "/dashboard/jobs/" + id(2), 404, []string{"no such job"}, nil},
		{s, "/dashboard/jobs/..%2f..%2fetc", 404, []string{"no such job"}, nil},
		{s, "/dashboard/fleet", 200, []string{"small"}, []string{"host-7"}},
		{s, "/dashboard/nothing", 404, []string{"no such page"}, nil},
		{s, "/dashboard?status=WRONG", 400, []string{"no such status"}, nil},
		{s, "/dashboard?after=%3Cb%3E", 400, []string{"no place in the list"}, nil},
		{s, "/dashboard?find=" + id(3), 303, []string{"/dashboard/jobs/" + id(3)}, nil},
		{s, "/dashboard?owner=bob", 200, []string{id(3)}, []string{id(2)}},
		{admin, "/dashboard", 200, []string{id(2), "bob", "everybody’s jobs"}, nil},
		{admin, "/dashboard?owner=bob", 200, []string{id(2)}, []string{id(3)}},
		{admin, "/dashboard?owner=%ff", 400, []string{"An owner has"}, nil},
		{admin, "/dashboard?owner=%00", 400, []string{"An owner has"}, nil},
		{admin, "/dashboard/jobs/" + id(2), 200, []string{"It is IN_PROGRESS."}, nil},
		{admin, "/dashboard/fleet", 200, []string{"host-7", "chunk 3"}, nil},
		{admin, "/dashboard/import", 404, nil, nil},
	} {
		status, html := c.of.get(c.path)
		if status != c.status {
			t.Errorf("%s: %d, want %d", c.path, status, c.status)
		}
		for _, text := range c.has {
			if !strings.Contains(strings.ToLower(html), strings.ToLower(text)) {
				t.Errorf("%s lacks %s", c.path, text)
			}
		}
		for _, text := range c.hasNo {
			if strings.Contains(html, text) {
				t.Errorf("%s has %s", c.path, text)
			}
		}
	}
	f.set(func() { f.down = true })
	if status, html := s.get("/dashboard"); status != http.StatusServiceUnavailable || !strings.Contains(html, "The database does not answer") || strings.Contains(html, "secret") {
		t.Errorf("without the database: %d %s", status, html)
	}
}

func TestSession(t *testing.T) {
	t.Parallel()
	s := serve(t, newFakes(1, job.Completed), nil)
	if status, html := s.get("/dashboard", "X-USER-ID", ""); status != http.StatusOK || !strings.Contains(html, "Who are you?") || strings.Contains(html, id(1)) {
		t.Errorf("nobody: %d %s", status, html)
	}
	for _, bad := range []string{"", "a b", "<script>", strings.Repeat("a", 65)} {
		if status, _ := s.post("/dashboard/sign-in", url.Values{"user": {bad}}, "X-USER-ID", ""); status != http.StatusBadRequest {
			t.Errorf("%q signs in: %d", bad, status)
		}
	}
	if status, _ := s.post("/dashboard/sign-in", url.Values{"user": {"ann"}}, "X-USER-ID", ""); status != http.StatusSeeOther {
		t.Errorf("ann: %d", status)
	}
	if status, html := s.get("/dashboard", "X-USER-ID", "", "Cookie", "muster_user=ann"); status != http.StatusOK || !strings.Contains(html, id(1)) {
		t.Errorf("with the cookie: %d %s", status, html)
	}
	if _, html := s.get("/dashboard", "Cookie", "muster_user=bob"); !strings.Contains(html, id(1)) {
		t.Error("the cookie goes before the proxy's word")
	}
	if status, _ := s.post("/dashboard/jobs/"+id(1)+"/undo", url.Values{"confirm": {"1"}}, "Sec-Fetch-Site", "cross-site"); status != http.StatusForbidden {
		t.Errorf("a page of another origin: %d", status)
	}
	if status, _ := s.post("/dashboard/sign-in", url.Values{"user": {strings.Repeat("a", 300_000)}}, "X-USER-ID", ""); status != http.StatusRequestEntityTooLarge {
		t.Errorf("a form of 300 kB: %d", status)
	}
	if status, html := s.send(http.MethodHead, "/dashboard", nil); status != http.StatusOK || html != "" {
		t.Errorf("HEAD: %d %q", status, html)
	}
}

// All that match are moved, over pages, after a question that counts them; those that cannot be are passed over.
func TestMoveMany(t *testing.T) {
	t.Parallel()
	f := newFakes(300, job.InProgress)
	for i := range f.jobs {
		switch {
		case i%3 == 0:
			f.jobs[i].Status = job.Completed
		case i == 100:
			f.refused[f.jobs[i].ID] = true
		case i == 299:
			f.jobs[i].Owner = "bob"
		}
	}
	s := serve(t, f, nil)
	form := url.Values{"move": {"pause"}, "all": {"1"}, "after": {id(200)}}
	if _, html := s.post("/dashboard/jobs", form); !strings.Contains(html, "<strong>199 jobs</strong>") {
		t.Errorf("the question: %s", html)
	}
	form.Set("confirm", "1")
	_, html := s.post("/dashboard/jobs", form)
	for _, text := range []string{"198 jobs moved: pause", "100 could not be moved", "1 × The queue does not answer"} {
		if !strings.Contains(html, text) {
			t.Errorf("no %q in %s", text, html)
		}
	}
	paused := 0
	for i := range f.jobs {
		if f.jobs[i].Status == job.Paused {
			paused++
		}
	}
	if paused != 198 || f.jobs[299].Status == job.Paused {
		t.Errorf("%d are paused, bob's is %s", paused, f.jobs[299].Status)
	}
	// Only those that are ticked; one is somebody else's.
	if _, html := s.post("/dashboard/jobs", url.Values{"move": {"resume"}, "id": {f.jobs[1].ID, f.jobs[299].ID}, "confirm": {"1"}}); !strings.Contains(html, "1 job moved: resume") {
		t.Errorf("ticked: %s", html)
	}
	for _, bad := range []url.Values{{"move": {"pause"}}, {"move": {"start"}, "all": {"1"}}, {"all": {"1"}}} {
		if status, _ := s.post("/dashboard/jobs", bad); status != http.StatusBadRequest {
			t.Errorf("%v: %d", bad, status)
		}
	}
	many := serve(t, newFakes(1500, job.InProgress), nil)
	if _, html := many.post("/dashboard/jobs", url.Values{"move": {"cancel"}, "all": {"1"}}); !strings.Contains(html, "<strong>1\u202f000+ jobs</strong>") {
		t.Errorf("a question about many: %s", html)
	}
}

// event is one of a stream.
type event struct {
	kind string
	data struct {
		Parts map[string]string
		Order []string
		Rows  map[string]string
	}
	text string
}

// follow returns the events of a stream.
func (s *site) follow(path string, header ...string) <-chan event {
	s.t.Helper()
	req, _ := http.NewRequestWithContext(s.t.Context(), http.MethodGet, s.url+path, nil)
	req.Header.Set("X-USER-ID", "ann")
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := s.client.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	if res.StatusCode != http.StatusOK || res.Header.Get("Content-Type") != "text/event-stream" {
		s.t.Fatalf("%d %s", res.StatusCode, res.Header)
	}
	events := make(chan event, 100)
	go func() {
		defer close(events)
		defer func() { _ = res.Body.Close() }()
		lines := bufio.NewScanner(res.Body)
		lines.Buffer(nil, 1<<20)
		kind := ""
		for lines.Scan() {
			if name, ok := strings.CutPrefix(lines.Text(), "event: "); ok {
				kind = name
			}
			if data, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
				e := event{kind: kind, text: data}
				_ = json.Unmarshal([]byte(data), &e.data)
				events <- e
			}
		}
	}()
	return events
}

// next returns the next event for which is holds.
func next(t *testing.T, events <-chan event, what string, is func(event) bool) event {
	t.Helper()
	for deadline := time.After(time.Minute); ; {
		select {
		case e, open := <-events:
			if !open {
				t.Fatalf("the stream ended before: %s", what)
			}
			if is(e) {
				return e
			}
		case <-deadline:
			t.Fatalf("not within a minute: %s", what)
		}
	}
}

// A stream begins with all that the page shows, and then sends what has changed.
func TestStream(t *testing.T) {
	t.Parallel()
	f := newFakes(2, job.InProgress)
	s := serve(t, f, nil)
	events := s.follow("/dashboard/events?")
	first := next(t, events, "all of the page", func(e event) bool { return e.kind == "update" })
	if !slices.Equal(first.data.Order, []string{id(2), id(1)}) || len(first.data.Rows) != 2 || len(first.data.Parts) != 3 {
		t.Errorf("first: %s", first.text)
	}
	f.set(func() { f.jobs[1].Processed = 40 })
	moved := next(t, events, "a row that changed", func(e event) bool { return len(e.data.Rows) > 0 })
	if len(moved.data.Rows) != 1 || !strings.Contains(moved.data.Rows[id(1)], `value="40"`) {
		t.Errorf("moved: %s", moved.text)
	}
	f.set(func() { f.jobs = f.jobs[1:] })
	next(t, events, "a row that left", func(e event) bool { return slices.Equal(e.data.Order, []string{id(1)}) })
	f.set(func() { f.jobs = append(newFakes(2, job.Completed).jobs[:1], f.jobs...) })
	back := next(t, events, "a row that came back", func(e event) bool { return len(e.data.Order) == 2 })
	if back.data.Rows[id(2)] == "" {
		t.Errorf("back: %s", back.text)
	}
	f.set(func() { f.down = true })
	if e := next(t, events, "trouble", func(e event) bool { return e.kind == "trouble" }); strings.Contains(e.text, "secret") {
		t.Errorf("trouble: %s", e.text)
	}
	f.set(func() { f.down = false; f.jobs = nil })
	next(t, events, "an empty page", func(e event) bool { return e.kind == "update" && e.data.Order != nil && len(e.data.Order) == 0 })
	s.stop()
	for deadline := time.After(time.Minute); ; {
		select {
		case _, open := <-events:
			if !open {
				return
			}
		case <-deadline:
			t.Fatal("the stream goes on after the process was told to stop")
		}
	}
}

// Many pages cost one look at the fleet a second.
func TestPagesShareTheFleet(t *testing.T) {
	t.Parallel()
	f := newFakes(0, job.Completed)
	s := serve(t, f, nil)
	began := time.Now()
	for range 50 {
		s.get("/dashboard")
	}
	if most := int(time.Since(began)/time.Second) + 2; f.fleets > most {
		t.Errorf("%d looks, at most %d wanted", f.fleets, most)
	}
}

// A chunk's error is a code for everybody; what else it says is for operators.
func TestErrorsOfChunks(t *testing.T) {
	t.Parallel()
	f := newFakes(1, job.InProgress)
	const private = "Duplicate entry 'eve@example.com' at 10.0.0.7"
	for i, text := range []string{"panic", private} {
		f.chunks = append(f.chunks, job.ChunkNow{Chunk: job.Chunk{No: i, Rows: 100, Stalls: 2}, State: job.ChunkReady, LastError: text})
	}
	s, admin := serve(t, f, nil), serve(t, f, func(c *dashboard.Config) { c.Everybody = true })
	path := "/dashboard/jobs/" + id(1)
	if _, html := s.get(path); !strings.Contains(html, "stalled 2 times: panic") || !strings.Contains(html, "stalled 2 times: an error that operators see") || strings.Contains(html, "10.0.0.7") {
		t.Error(html)
	}
	if e := next(t, s.follow("/dashboard/events?job="+id(1)), "the page", func(e event) bool { return e.kind == "update" }); strings.Contains(e.text, "10.0.0.7") {
		t.Error(e.text)
	}
	if _, html := admin.get(path); !strings.Contains(html, "eve@example.com") {
		t.Error(html)
	}
}

// Thousands of chunks are some hundred squares, each in the state that most needs to be looked at.
func TestGrid(t *testing.T) {
	t.Parallel()
	f := newFakes(1, job.InProgress)
	for i := range 5000 {
		c := job.ChunkNow{Chunk: job.Chunk{No: i, Rows: 100}, State: job.ChunkReady}
		switch {
		case i < 2000:
			c.State = job.ChunkDone
		case i < 2010:
			c.Held = true
		case i == 3000:
			c.State, c.LastError = job.ChunkFailed, "why"
		case i == 4000:
			c.Stalls, c.LastError = 1, "why"
		}
		f.chunks = append(f.chunks, c)
	}
	s := serve(t, f, nil)
	_, html := s.get("/dashboard/jobs/" + id(1))
	_, cells, _ := strings.Cut(html, `<div class="grid"`)
	cells, _, _ = strings.Cut(cells, "</div>")
	if n := strings.Count(cells, "<span"); n < 300 || n > 400 {
		t.Errorf("%d squares", n)
	}
	for state, want := range map[string]int{"failed": 1, "stalled": 1} {
		if n := strings.Count(cells, `class="cell `+state+`"`); n != want {
			t.Errorf("%d squares %s, want %d", n, state, want)
		}
	}
	if !strings.Contains(html, "1 failed 1 stalled 10 running 2988 waiting 2000 done") {
		t.Errorf("counts: %s", cells[:200])
	}
}
