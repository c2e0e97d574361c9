package dashboard_test

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/musterhq/muster/internal/dashboard"
	"github.com/musterhq/muster/internal/job"
)

// A move of one job is made at once, or after a question where it cannot be taken back.
func TestMoveOne(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		move      string
		from      job.Status
		confirmed bool
		status    int
		text      string
		to        job.Status
	}{
		{"pause", job.InProgress, false, http.StatusSeeOther, "/dashboard/jobs/" + id(1), job.Paused},
		{"resume", job.Paused, false, http.StatusSeeOther, "/dashboard/jobs/" + id(1), job.Pending},
		{"retry", job.Failed, false, http.StatusSeeOther, "/dashboard/jobs/" + id(1), job.Pending},
		{"cancel", job.InProgress, false, http.StatusOK, "<button>Yes, cancel</button>", job.InProgress},
		{"cancel", job.InProgress, true, http.StatusSeeOther, "/dashboard/jobs/" + id(1), job.Cancelled},
		{"undo", job.Completed, false, http.StatusOK, "will be removed", job.Completed},
		{"start", job.Pending, true, http.StatusNotFound, "There is no such move", job.Pending},
		{"complete", job.InProgress, true, http.StatusNotFound, "There is no such move", job.InProgress},
	} {
		f := newFakes(1, tt.from)
		f.jobs[0].Owner = "bob"
		form := url.Values{}
		if tt.confirmed {
			form.Set("confirm", "1")
		}
		path := "/dashboard/jobs/" + id(1) + "/" + tt.move
		// Somebody else's job is not there; an operator moves it as its owner.
		if status, _ := serve(t, f, nil).post(path, form); status != http.StatusNotFound {
			t.Errorf("ann, %s: %d", tt.move, status)
		}
		operators := serve(t, f, func(c *dashboard.Config) { c.Everybody = true })
		if status, html := operators.post(path, form); status != tt.status || !strings.Contains(html, tt.text) || f.jobs[0].Status != tt.to {
			t.Errorf("%s: %d, job %s: %s", tt.move, status, f.jobs[0].Status, html)
		}
		if status, _ := operators.get(path); status == http.StatusOK {
			t.Errorf("GET %s: %d", path, status)
		}
	}
}

// A page offers what can be done with the job, and nothing else.
func TestMovesThatAreOffered(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		change func(j *job.Job)
		want   string
	}{
		{func(j *job.Job) { j.Status = job.Pending }, "pause cancel"},
		{func(j *job.Job) { j.Status = job.InProgress }, "pause cancel"},
		{func(j *job.Job) { j.Status = job.Paused }, "resume cancel"},
		{func(j *job.Job) { j.Status = job.Failed }, "retry undo"},
		{func(j *job.Job) { j.Status = job.Cancelled }, "undo"},
		{func(j *job.Job) { j.Status = job.Completed }, "undo"},
		{func(j *job.Job) { j.Status, j.UndoRequested = job.Completed, true }, ""},
		{func(j *job.Job) { j.Status, j.DryRun = job.Completed, true }, ""},
	} {
		f := newFakes(1, job.Pending)
		tt.change(&f.jobs[0])
		_, html := serve(t, f, nil).get("/dashboard/jobs/" + id(1))
		var offered []string
		for _, m := range []string{"pause", "resume", "retry", "cancel", "undo"} {
			if strings.Contains(html, `action="/dashboard/jobs/`+id(1)+"/"+m+`"`) {
				offered = append(offered, m)
			}
		}
		if got := strings.Join(offered, " "); got != tt.want {
			t.Errorf("%s: %q, want %q", f.jobs[0].Status, got, tt.want)
		}
	}
}

// failing fails once so many lists were read.
type failing struct {
	*fakes

	lists int
}

func (f *failing) List(ctx context.Context, q job.Filter) ([]job.Job, error) {
	if f.lists--; f.lists < 0 {
		return nil, job.ErrStoreUnavailable
	}
	return f.fakes.List(ctx, q)
}

// When the database goes away among many moves, what is done is told, and that there is more.
func TestMoveManyThatBreaksOff(t *testing.T) {
	t.Parallel()
	f := newFakes(300, job.InProgress)
	form := url.Values{"move": {"pause"}, "all": {"1"}, "confirm": {"1"}}
	s := serve(t, f, func(c *dashboard.Config) { c.Jobs = &failing{f, 2} })
	status, html := s.post("/dashboard/jobs", form)
	for _, text := range []string{"200 jobs moved: pause", "The database does not answer", "There are more"} {
		if status != http.StatusOK || !strings.Contains(html, text) {
			t.Errorf("no %q in %d %s", text, status, html)
		}
	}
	s = serve(t, f, func(c *dashboard.Config) { c.Jobs = &failing{f, 0} })
	if status, html := s.post("/dashboard/jobs", form); status != http.StatusServiceUnavailable {
		t.Errorf("before anything was done: %d %s", status, html)
	}
	// Whoever does the same again goes on.
	if _, html := serve(t, f, nil).post("/dashboard/jobs", form); !strings.Contains(html, "100 jobs moved: pause") || !strings.Contains(html, "200 could not be moved") {
		t.Errorf("the rest: %s", html)
	}
}

// What was filtered, and where the list stood, is there again after a question and a move; an operator's owner, too.
func TestFilterIsKept(t *testing.T) {
	t.Parallel()
	f := newFakes(40, job.InProgress)
	for i := range f.jobs {
		if i%2 == 0 {
			f.jobs[i].Owner = "bob"
		}
	}
	s := serve(t, f, func(c *dashboard.Config) { c.Everybody = true })
	form := url.Values{"move": {"cancel"}, "all": {"1"}, "owner": {"bob"}, "status": {"IN_PROGRESS"}, "tier": {"SMALL"}, "find": {id(1)[:8]}}
	const back = `href="/dashboard?find=01a21e68&amp;owner=bob&amp;status=IN_PROGRESS&amp;tier=SMALL"`
	_, html := s.post("/dashboard/jobs", form)
	if !strings.Contains(html, "<strong>20 jobs</strong>") || !strings.Contains(html, back) || !strings.Contains(html, `name="owner" value="bob"`) {
		t.Errorf("the question: %s", html)
	}
	form.Set("confirm", "1")
	if _, html := s.post("/dashboard/jobs", form); !strings.Contains(html, "20 jobs moved: cancel") || !strings.Contains(html, back) {
		t.Errorf("the result: %s", html)
	}
	for i := range f.jobs {
		if (f.jobs[i].Owner == "bob") != (f.jobs[i].Status == job.Cancelled) {
			t.Errorf("%s's job is %s", f.jobs[i].Owner, f.jobs[i].Status)
		}
	}
}
