package dashboard

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/musterhq/muster/internal/apikey"
	"github.com/musterhq/muster/internal/job"
)

// pageRows is how many jobs a page of the list has.
const pageRows = 25

// row is a job in the list, and on its own page.
type row struct {
	job.Job

	Message   string
	Percent   int
	Rate      int64
	ETA       string // empty: not known
	Moves     []job.Move
	ShowOwner bool
}

// moves are those of an owner, in the order in which they are offered.
var moves = []job.Move{job.MovePause, job.MoveResume, job.MoveRetry, job.MoveCancel, job.MoveUndo}

// possible reports whether the move can be made now.
func possible(m job.Move, j *job.Job) bool {
	return slices.Contains(m.From(), j.Status) && !m.Made(j) && (m != job.MoveUndo || !j.DryRun && j.Source != job.SourceExport)
}

func (d *Dashboard) row(j job.Job) row {
	now := d.now()
	r := row{Job: j, Message: d.Message(j), Percent: j.Percent(), Rate: j.Rate(now), ShowOwner: d.Everybody}
	if eta, ok := j.ETA(now, d.Upstream); ok && !j.Status.Terminal() {
		r.ETA = since(eta + time.Second - 1)
	}
	for _, m := range moves {
		if possible(m, &j) {
			r.Moves = append(r.Moves, m)
		}
	}
	return r
}

// listing is the list of jobs.
type listing struct {
	Filter    job.Filter
	Statuses  []job.Status
	Tiers     job.Tiers
	Find      string // what was asked for by id
	Rows      []row
	Next      string // address of the next page; empty: this is the last
	First     string // address of the first page; empty: this is it
	Query     url.Values
	Everybody bool
	MayMove   bool

	Slots []slots
	Live  *summary
}

// slots is how many places of a tier are taken.
type slots struct {
	Tier        job.Tier
	Used, Limit int
}

// filterOf reads the filter of a list from a query or a form.
func (d *Dashboard) filterOf(owner string, v url.Values) (job.Filter, error) {
	f := job.Filter{Owner: owner, Everybody: d.Everybody, Status: job.Status(v.Get("status")), Tier: job.Tier(v.Get("tier")), After: v.Get("after")}
	if d.Everybody && v.Get("owner") != "" {
		f.Everybody, f.Owner = false, v.Get("owner")
		if !job.ValidOwner(f.Owner) { // databases refuse to compare some texts
			return f, &problem{http.StatusBadRequest, "An owner has 1 to 64 letters, digits or . _ @ -"}
		}
	}
	if f.Status != "" && !slices.Contains(job.Statuses(), f.Status) {
		return f, &problem{http.StatusBadRequest, "There is no such status."}
	}
	if f.Tier != "" && !slices.ContainsFunc(d.Tiers, func(l job.TierLimit) bool { return l.Tier == f.Tier }) {
		return f, &problem{http.StatusBadRequest, "There is no such tier."}
	}
	if !isID(f.After, true) {
		return f, &problem{http.StatusBadRequest, "That is no place in the list."}
	}
	if f.IDPrefix = strings.ToLower(strings.TrimSpace(v.Get("find"))); !isID(f.IDPrefix, true) {
		return f, &problem{http.StatusBadRequest, "The id of a job has digits, the letters a to f, and dashes."}
	}
	return f, nil
}

// isID reports whether a text may be an id of a job, or the beginning of one.
func isID(text string, mayBeEmpty bool) bool {
	return (mayBeEmpty || text != "") && len(text) <= 36 && strings.Trim(text, "0123456789abcdef-") == ""
}

// queryOf is the other way round.
func queryOf(f job.Filter, everybody bool, after string) url.Values {
	v := url.Values{}
	set := func(name, value string) {
		if value != "" {
			v.Set(name, value)
		}
	}
	set("status", string(f.Status))
	set("tier", string(f.Tier))
	set("find", f.IDPrefix)
	if everybody {
		set("owner", f.Owner)
	}
	set("after", after)
	return v
}

// list answers GET /dashboard.
func (d *Dashboard) list(w http.ResponseWriter, r *http.Request) error {
	owner, ok := d.signedIn(w, r)
	if !ok {
		return nil
	}
	f, err := d.filterOf(owner, r.URL.Query())
	if err != nil {
		return err
	}
	if _, err := uuid.Parse(f.IDPrefix); err == nil && len(f.IDPrefix) == 36 {
		http.Redirect(w, r, Root+"/jobs/"+f.IDPrefix, http.StatusSeeOther)
		return nil
	}
	l, err := d.listing(r.Context(), owner, f)
	if err != nil {
		return err
	}
	l.MayMove = d.may(r, apikey.Write)
	return d.renderLive(w, r, http.StatusOK, "list", "Jobs", Root+"/events?"+l.Query.Encode(), l)
}

func (d *Dashboard) listing(ctx context.Context, owner string, f job.Filter) (*listing, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	f.Limit = pageRows + 1
	found, err := d.Jobs.List(ctx, f)
	if err != nil {
		return nil, err
	}
	l := &listing{
		Filter: f, Statuses: job.Statuses(), Tiers: d.Tiers, Find: f.IDPrefix, Everybody: d.Everybody, Query: queryOf(f, d.Everybody, f.After),
		Live: d.summary(ctx, owner),
	}
	if len(found) > pageRows {
		found = found[:pageRows]
		l.Next = Root + "?" + queryOf(f, d.Everybody, found[pageRows-1].ID).Encode()
	}
	if f.After != "" {
		l.First = Root + "?" + queryOf(f, d.Everybody, "").Encode()
	}
	for i := range found {
		l.Rows = append(l.Rows, d.row(found[i]))
	}
	if !d.Everybody {
		if l.Slots, err = d.slots(ctx, owner); err != nil {
			return nil, err
		}
	}
	return l, nil
}

func (d *Dashboard) slots(ctx context.Context, owner string) (all []slots, err error) {
	used, err := d.Store.SlotsInUse(ctx, owner)
	for _, l := range d.Tiers {
		all = append(all, slots{Tier: l.Tier, Used: used[l.Tier], Limit: l.Concurrent})
	}
	return all, err
}
