package dashboard

import (
	"context"
	"net/http"
	"time"

	"github.com/musterhq/muster/internal/job"
)

// summary is what stands above the list: how the fleet does, in numbers that name nobody.
type summary struct {
	FleetUnknown            bool // the queue does not answer
	Workers, InHand, Places int  // Places: chunks that all workers can have in hand
	Waiting                 int  // chunks that no worker has taken
	Oldest                  time.Duration
	Paused                  []string // queues
	Plot                    *plot
}

func (d *Dashboard) summary(ctx context.Context, owner string) *summary {
	s := &summary{}
	f, err := d.fleet.get(ctx)
	s.FleetUnknown = err != nil
	for i := range f.Workers {
		s.Workers++
		s.InHand += len(f.Workers[i].InHand)
		s.Places += f.Workers[i].Concurrency
	}
	for _, q := range f.Queues {
		s.Waiting += q.Pending
		s.Oldest = max(s.Oldest, q.Latency)
		if q.Paused {
			s.Paused = append(s.Paused, q.Name)
		}
	}
	counts, err := d.stored.get(ctx, owner)
	if err != nil {
		counts = nil
	}
	s.Plot = newPlot(counts, d.Step, d.now())
	return s
}

// fleetPage is the workers and queues, one by one.
type fleetPage struct {
	Unknown   bool
	Everybody bool // names of hosts and ids of jobs are for operators
	Summary   *summary
	Fleet     job.Fleet
	Now       time.Time
}

// workers answers GET /dashboard/fleet.
func (d *Dashboard) workers(w http.ResponseWriter, r *http.Request) error {
	owner, ok := d.signedIn(w, r)
	if !ok {
		return nil
	}
	return d.renderLive(w, r, http.StatusOK, "fleet", "Fleet", Root+"/events?fleet=1", d.fleetPage(r.Context(), owner))
}

func (d *Dashboard) fleetPage(ctx context.Context, owner string) *fleetPage {
	f, err := d.fleet.get(ctx)
	return &fleetPage{Unknown: err != nil, Everybody: d.Everybody, Summary: d.summary(ctx, owner), Fleet: f, Now: d.now()}
}
