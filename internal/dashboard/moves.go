package dashboard

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/musterhq/muster/internal/apikey"
	"github.com/musterhq/muster/internal/job"
)

// move makes a move of a job.
func (d *Dashboard) move(ctx context.Context, m job.Move, j *job.Job) error {
	do := map[job.Move]func(ctx context.Context, owner, id string) (job.Job, error){
		job.MovePause: d.Jobs.Pause, job.MoveResume: d.Jobs.Resume, job.MoveRetry: d.Jobs.Retry, job.MoveCancel: d.Jobs.Cancel, job.MoveUndo: d.Jobs.Undo,
	}[m]
	if do == nil {
		return &problem{http.StatusNotFound, "There is no such move."}
	}
	ctx, cancel := context.WithTimeout(ctx, 40*time.Second) // SQLite lets a move wait for a batch
	defer cancel()
	_, err := do(ctx, j.Owner, j.ID)
	return err
}

// confirmed are moves that are not made before somebody has said so twice.
var confirmed = []job.Move{job.MoveCancel, job.MoveUndo}

// question asks whether jobs are really to be moved.
type question struct {
	Move   job.Move
	Jobs   int
	More   bool   // than Jobs
	Action string // where the answer goes
	Fields url.Values
	Back   string
}

// moveOne answers POST /dashboard/jobs/{id}/{move}.
func (d *Dashboard) moveOne(w http.ResponseWriter, r *http.Request) error {
	owner, ok := d.signedInTo(w, r, apikey.Write)
	if !ok {
		return nil
	}
	j, err := d.get(r.Context(), owner, r.PathValue("id"))
	if err != nil {
		return err
	}
	page, m := Root+"/jobs/"+j.ID, job.Move(r.PathValue("move"))
	v, err := readForm(r)
	if err != nil {
		return err
	}
	if slices.Contains(confirmed, m) && possible(m, &j) && v.Get("confirm") == "" {
		return d.render(w, r, http.StatusOK, "confirm", "Are you sure?", &question{Move: m, Jobs: 1, Action: page + "/" + string(m), Back: page})
	}
	if err := d.move(r.Context(), m, &j); err != nil {
		return err
	}
	http.Redirect(w, r, page, http.StatusSeeOther)
	return nil
}

const (
	// countedMost is how many jobs are counted before somebody confirms.
	countedMost = 1000
	// movedMost and movedWithin bound what one request moves; the result says so, and the same again goes on.
	movedMost   = 10_000
	movedWithin = 25 * time.Second
	// walkPage is how many jobs are read at once.
	walkPage = 100
)

// result is what became of a move of many.
type result struct {
	Move                   job.Move
	Moved, Passed, Refused int
	Why                    map[string]int // of those that were refused
	More                   bool           // there are some that were not looked at
	Trouble                string         // why; empty: there was none
	Back                   string
}

// moveMany answers POST /dashboard/jobs: the jobs that are ticked, or all that match the filter.
func (d *Dashboard) moveMany(w http.ResponseWriter, r *http.Request) error {
	owner, ok := d.signedInTo(w, r, apikey.Write)
	if !ok {
		return nil
	}
	v, err := readForm(r)
	if err != nil {
		return err
	}
	m := job.Move(v.Get("move"))
	if !slices.Contains(moves, m) {
		return &problem{http.StatusBadRequest, "Choose what to do with the jobs."}
	}
	f, err := d.filterOf(owner, v)
	if err != nil {
		return err
	}
	back := Root + "?" + queryOf(f, d.Everybody, f.After).Encode()
	all := v.Get("all") != ""
	if !all && len(v["id"]) == 0 {
		return &problem{http.StatusBadRequest, "Choose some jobs first."}
	}
	if all {
		f.After = "" // all that match, whichever page was open
	}
	if v.Get("confirm") == "" {
		q := &question{Move: m, Jobs: len(v["id"]), Action: Root + "/jobs", Fields: v, Back: back}
		if all {
			q.Jobs = 0
			if q.More, err = d.walk(r.Context(), f, countedMost, func(j *job.Job) {
				if possible(m, j) {
					q.Jobs++
				}
			}); err != nil {
				return err
			}
		}
		return d.render(w, r, http.StatusOK, "confirm", "Are you sure?", q)
	}
	res := &result{Move: m, Back: back, Why: map[string]int{}}
	if err := d.moveAll(r.Context(), owner, f, all, v["id"], res); err != nil {
		if res.Moved+res.Passed+res.Refused == 0 {
			return err
		}
		res.More, res.Trouble = true, explain(err).text // what is done is done, and is told
	}
	return d.render(w, r, http.StatusOK, "moved", "Done", res)
}

func (d *Dashboard) moveAll(ctx context.Context, owner string, f job.Filter, all bool, ids []string, res *result) (err error) {
	ctx, cancel := context.WithTimeout(ctx, movedWithin)
	defer cancel()
	one := func(j *job.Job) {
		if !possible(res.Move, j) {
			res.Passed++
			return
		}
		if err := d.move(ctx, res.Move, j); err != nil {
			res.Refused++
			res.Why[explain(err).text]++
			return
		}
		res.Moved++
	}
	if all {
		res.More, err = d.walk(ctx, f, movedMost, one)
		return err
	}
	for _, id := range ids {
		j, err := d.get(ctx, owner, id)
		switch {
		case errors.Is(err, job.ErrNotFound):
			res.Passed++
		case err != nil:
			return err
		default:
			one(&j)
		}
	}
	return nil
}

// walk calls fn with the jobs that pass the filter, at most so many, page by page, and reports whether there are more.
func (d *Dashboard) walk(ctx context.Context, f job.Filter, most int, fn func(*job.Job)) (more bool, err error) {
	f.Limit = walkPage
	for seen := 0; ; {
		list, err := d.Jobs.List(ctx, f)
		timeIsUp := ctx.Err() != nil
		switch {
		case timeIsUp && seen > 0: // what is done is done
			return true, nil
		case err != nil:
			return false, err
		}
		for i := range list {
			if seen == most || timeIsUp {
				return true, nil
			}
			seen++
			fn(&list[i])
			timeIsUp = ctx.Err() != nil
		}
		if len(list) < walkPage {
			return false, nil
		}
		f.After = list[len(list)-1].ID
	}
}
