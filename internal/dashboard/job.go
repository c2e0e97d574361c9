package dashboard

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/musterhq/muster/internal/apikey"
	"github.com/musterhq/muster/internal/job"
)

// jobPage is one job with all that is known of it.
type jobPage struct {
	Row        row
	Grid       *grid
	Rejects    []job.Reject // the first of them
	RejectsCSV string       // where all are; empty: nowhere
	Files      string       // where those of an export are; empty: there are none
	Everybody  bool
}

// rejectsShown is how many rejected rows a job's page has.
const rejectsShown = 10

// job answers GET /dashboard/jobs/{id}.
func (d *Dashboard) job(w http.ResponseWriter, r *http.Request) error {
	owner, ok := d.signedIn(w, r)
	if !ok {
		return nil
	}
	p, err := d.jobPage(r.Context(), owner, r.PathValue("id"), d.may(r, apikey.Write))
	if err != nil {
		return err
	}
	return d.renderLive(w, r, http.StatusOK, "job", "Job "+short(p.Row.ID), Root+"/events?job="+p.Row.ID, p)
}

func (d *Dashboard) get(ctx context.Context, owner, id string) (job.Job, error) {
	if len(id) != 36 || !isID(id, false) {
		return job.Job{}, job.ErrNotFound
	}
	if d.Everybody {
		return d.Jobs.Find(ctx, id)
	}
	return d.Jobs.Get(ctx, owner, id)
}

func (d *Dashboard) jobPage(ctx context.Context, owner, id string, mayMove bool) (*jobPage, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	j, err := d.get(ctx, owner, id)
	if err != nil {
		return nil, err
	}
	chunks, err := d.Store.ChunkStates(ctx, id)
	if err != nil {
		return nil, err
	}
	for i := range chunks {
		chunks[i].LastError = d.said(chunks[i].LastError)
	}
	p := &jobPage{Row: d.row(j), Grid: newGrid(chunks), Everybody: d.Everybody}
	if !mayMove {
		p.Row.Moves = nil
	}
	if d.API != nil && j.Source == job.SourceExport && j.Status == job.Completed {
		p.Files = Root + "/jobs/" + id + "/files"
	}
	if j.Rejected > 0 && j.File != nil {
		if p.Rejects, err = d.Store.Rejects(ctx, id, -1, rejectsShown); err != nil {
			return nil, err
		}
		if d.API != nil {
			p.RejectsCSV = Root + "/jobs/" + id + "/rejected"
		}
	}
	return p, nil
}

// said returns what is shown of a chunk's error. A code is for everybody; the text of an error may name hosts, files and users,
// and is for operators.
func (d *Dashboard) said(text string) string {
	if d.Everybody || strings.Trim(text, "abcdefghijklmnopqrstuvwxyz_") == "" {
		return text
	}
	return "an error that operators see"
}

// rejected answers GET /dashboard/jobs/{id}/rejected as the API does, which wants to be told who asks.
func (d *Dashboard) rejected(w http.ResponseWriter, r *http.Request) error {
	owner, ok := d.signedIn(w, r)
	if !ok {
		return nil
	}
	id := r.PathValue("id")
	if len(id) != 36 || !isID(id, false) {
		return job.ErrNotFound
	}
	asked := r.Clone(r.Context())
	asked.URL.Path, asked.URL.RawPath = "/api/v1/jobs/"+id+"/rejected", ""
	asked.Header.Set("X-USER-ID", owner)
	if request := w.Header().Get("X-Request-ID"); request != "" { // the API would make another
		asked.Header.Set("X-Request-ID", request)
	}
	d.API.ServeHTTP(w, asked)
	return nil
}

// grid is the chunks of a job as cells, each of one chunk or, where there are many, of several that follow one another.
type grid struct {
	Chunks  int
	PerCell int
	Cells   []cell
	Counts  []stateCount // of chunks
}

type stateCount struct {
	State string
	Count int
}

// cell is some chunks.
type cell struct {
	State string // of the chunk that most needs to be looked at
	Title string
}

// maxCells is how many cells a page has at most.
const maxCells = 400

// states are those of a chunk on the page, the one that most needs to be looked at first.
var states = []string{"failed", "stalled", "running", "waiting", "paused", "cancelled", "done"}

// stateOf returns the state of a chunk for people.
func stateOf(c *job.ChunkNow) string {
	switch {
	case c.State == job.ChunkFailed:
		return "failed"
	case c.State == job.ChunkDone:
		return "done"
	case c.State == job.ChunkPaused:
		return "paused"
	case c.State == job.ChunkCancelled:
		return "cancelled"
	case c.Held:
		return "running"
	case c.Stalls > 0 && c.LastError != "":
		return "stalled"
	}
	return "waiting"
}

func newGrid(chunks []job.ChunkNow) *grid {
	g := &grid{PerCell: 1}
	var rows []job.ChunkNow // without the one by which a file was prepared
	for i := range chunks {
		if chunks[i].No != job.PrepareChunk || len(chunks) == 1 {
			rows = append(rows, chunks[i])
		}
	}
	g.Chunks = len(rows)
	g.PerCell = max(1, (len(rows)+maxCells-1)/maxCells)
	counts := map[string]int{}
	for from := 0; from < len(rows); from += g.PerCell {
		part := rows[from:min(len(rows), from+g.PerCell)]
		in := map[string]int{}
		for i := range part {
			in[stateOf(&part[i])]++
			counts[stateOf(&part[i])]++
		}
		g.Cells = append(g.Cells, newCell(part, in))
	}
	for _, s := range states {
		if counts[s] > 0 {
			g.Counts = append(g.Counts, stateCount{s, counts[s]})
		}
	}
	return g
}

func newCell(part []job.ChunkNow, in map[string]int) cell {
	c := cell{}
	for _, s := range states {
		if in[s] > 0 {
			c.State = s
			break
		}
	}
	first, last := &part[0], &part[len(part)-1]
	if len(part) > 1 {
		c.Title = fmt.Sprintf("chunks %d to %d:", first.No, last.No)
		for _, s := range states {
			if in[s] > 0 {
				c.Title += fmt.Sprintf(" %d %s", in[s], s)
			}
		}
		return c
	}
	unit := "rows"
	if first.No == job.PrepareChunk {
		unit = "bytes, the file is read"
	}
	c.Title = fmt.Sprintf("chunk %d: %s, %s of %s %s", first.No, c.State, number(first.Done), number(first.Rows), unit)
	if first.Rejected > 0 {
		c.Title += fmt.Sprintf(", %s rejected", number(first.Rejected))
	}
	if first.Stalls > 0 && first.LastError != "" {
		c.Title += fmt.Sprintf(", stalled %d times: %s", first.Stalls, first.LastError)
	}
	return c
}
