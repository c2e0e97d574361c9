package httpapi

import (
	"context"
	"time"

	"github.com/google/uuid"

	"github.com/musterhq/muster/internal/job"
)

// handlers implements the generated StrictServerInterface.
type handlers struct{ *Server }

const (
	// answerWithin bounds the work for one answer, so that a hanging database costs a client seconds and not minutes.
	answerWithin = 10 * time.Second
	// liveWithin bounds a look at the live copy: the store answers as well, only slower.
	liveWithin = time.Second
)

// GetJob answers GET /jobs/{jobId}.
func (h handlers) GetJob(ctx context.Context, r GetJobRequestObject) (GetJobResponseObject, error) {
	j, err := h.job(ctx, r.Params.UserID, r.JobID.String())
	if err != nil {
		return nil, err
	}
	return GetJob200JSONResponse(view(j, h.now())), nil
}

// job reads a job of the user: from its live copy, which costs the database nothing; from the store when that is
// missing, and then the live copy is made again.
func (s *Server) job(ctx context.Context, userID, id string) (job.Job, error) {
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	j, live, liveErr := s.live(ctx, id)
	if !live {
		var err error
		if j, err = s.Store.Job(ctx, id); err != nil {
			return job.Job{}, err
		}
	}
	if j.UserID != userID {
		return job.Job{}, job.ErrNotFound
	}
	if !live && liveErr == nil {
		s.showLive(ctx, j)
	}
	return j, nil
}

func (s *Server) live(ctx context.Context, id string) (job.Job, bool, error) {
	ctx, cancel := context.WithTimeout(ctx, liveWithin)
	defer cancel()
	j, ok, err := s.Live.Get(ctx, id)
	if err != nil {
		s.Log.WarnContext(ctx, "live progress not read; asking the store", "job", id, "err", err)
	}
	return j, ok && err == nil, err
}

// showLive makes the live copy again. An error is only logged: the keeper repeats it.
func (s *Server) showLive(ctx context.Context, j job.Job) {
	chunks, err := s.Store.Chunks(ctx, j.ID)
	if err == nil {
		ctx, cancel := context.WithTimeout(ctx, liveWithin)
		defer cancel()
		err = s.Live.Put(ctx, j, chunks)
	}
	if err != nil {
		s.Log.WarnContext(ctx, "live progress not shown", "job", j.ID, "err", err)
	}
}

// ListJobs answers GET /jobs.
func (h handlers) ListJobs(ctx context.Context, r ListJobsRequestObject) (ListJobsResponseObject, error) {
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	const defaultLimit = 20
	limit := r.Params.Limit
	if limit == 0 {
		limit = defaultLimit
	}
	f := job.Filter{UserID: r.Params.UserID, Status: r.Params.Status, Tier: r.Params.Tier, Limit: limit + 1}
	if r.Params.After != uuid.Nil {
		f.After = r.Params.After.String()
	}
	jobs, err := h.Store.Jobs(ctx, f)
	if err != nil {
		return nil, err
	}
	page := JobPage{Content: []Job{}, HasNext: len(jobs) > limit} // one more was asked for, to know whether there is one
	for _, j := range jobs[:min(len(jobs), limit)] {
		page.Content = append(page.Content, view(j, h.now()))
	}
	if page.HasNext {
		page.NextCursor = new(jobs[limit-1].ID)
	}
	return ListJobs200JSONResponse(page), nil
}

// CancelJob answers POST /jobs/{jobId}/cancel.
func (h handlers) CancelJob(ctx context.Context, r CancelJobRequestObject) (CancelJobResponseObject, error) {
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	j, err := h.Store.Cancel(ctx, r.Params.UserID, r.JobID.String())
	if err != nil {
		return nil, err
	}
	h.afterCancel(ctx, j)
	return CancelJob200JSONResponse(view(j, h.now())), nil
}

// afterCancel frees the slot and shows the new status. Errors are only logged: the keeper repeats both.
func (s *Server) afterCancel(ctx context.Context, j job.Job) {
	// Not the request's own context: the client may be gone, the job is cancelled all the same.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*liveWithin)
	defer cancel()
	if l, ok := s.Tiers.Limit(j.Tier); ok {
		if err := s.Slots.Release(ctx, j.UserID, j.ID, l); err != nil {
			s.Log.WarnContext(ctx, "slot not released", "job", j.ID, "err", err)
		}
	}
	s.showLive(ctx, j)
}
