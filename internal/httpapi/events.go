package httpapi

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/musterhq/muster/internal/httpapi/api"
	"github.com/musterhq/muster/internal/job"
)

const (
	// watchEvery is the pause between two looks at a job that moves; it grows to watchIdle while the job stands still.
	watchEvery, watchIdle = 250 * time.Millisecond, time.Second
	// keepAlive is how long a stream is silent at most: proxies between may cut it after longer.
	keepAlive = 15 * time.Second
)

// JobEvents answers GET /jobs/{jobId}/events.
func (h handlers) JobEvents(ctx context.Context, r api.JobEventsRequestObject) (api.JobEventsResponseObject, error) {
	j, err := h.Jobs.Get(ctx, r.Params.UserID, r.JobID.String())
	if err != nil {
		return nil, err
	}
	return &watch{s: h.Server, ctx: ctx, job: j}, nil
}

// watch is the answer that follows a job.
type watch struct {
	s   *Server
	ctx context.Context //nolint:containedctx // the generated Visit method has no place for it
	job job.Job         // as it was seen last
}

// VisitJobEventsResponse writes the job's events until it is over, the client goes away or this process stops. It polls
// as a client would, but many streams share the calls to Redis and no poll costs a request.
func (e *watch) VisitJobEventsResponse(w http.ResponseWriter) error {
	ctx, cancel := untilShutdown(e.ctx)
	defer cancel()
	out := e.s.newStream(w)
	out.begin = func(h http.Header) {
		h.Set("Content-Type", "text/event-stream")
		h.Set("X-Accel-Buffering", "no") // nginx would collect the events
	}
	if isHead(e.ctx) {
		out.start()
		return nil
	}
	if err := e.show(out); err != nil {
		return err
	}
	pause, silent := watchEvery, time.Duration(0)
	for !e.job.Status.Terminal() {
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(pause):
		}
		silent += pause
		moved := e.look(ctx)
		switch {
		case moved:
			pause, silent = watchEvery, 0
			if err := e.show(out); err != nil {
				return err
			}
		case silent >= keepAlive:
			silent = 0
			if err := out.flush(": nothing new\n\n"); err != nil {
				return err
			}
			fallthrough
		default:
			pause = min(pause*5/4, watchIdle)
		}
	}
	return nil
}

// look reads the job and reports whether it has changed. When it cannot be read, it has not: the next look may tell.
func (e *watch) look(ctx context.Context) bool {
	j, err := e.s.Jobs.Get(ctx, e.job.Owner, e.job.ID)
	old := &e.job
	if err != nil || j.Version == old.Version && j.Processed == old.Processed && j.Rejected == old.Rejected && j.Prepared == old.Prepared && j.WaitReason == old.WaitReason {
		return false
	}
	e.job = j
	return true
}

func (e *watch) show(out *stream) error {
	data, err := json.Marshal(e.s.view(e.job))
	if err != nil {
		return err
	}
	name := "progress"
	if e.job.Status.Terminal() {
		name = "done"
	}
	return out.flush(fmt.Sprintf("event: %s\ndata: %s\n\n", name, data))
}
