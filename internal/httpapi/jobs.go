package httpapi

import (
	"context"
	"time"

	"github.com/google/uuid"

	"github.com/musterhq/muster/internal/httpapi/api"
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
func (h handlers) GetJob(ctx context.Context, r api.GetJobRequestObject) (api.GetJobResponseObject, error) {
	j, err := h.job(ctx, r.Params.UserID, r.JobID.String())
	if err != nil {
		return nil, err
	}
	return api.GetJob200JSONResponse(h.view(j)), nil
}

// job reads a job of the user: from its live copy, which costs the database nothing; from the store when that is
// missing, and then the live copy is made again.
func (s *Server) job(ctx context.Context, userID, id string) (job.Job, error) {
	j, live, liveErr := s.live(ctx, id)
	if !live {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, answerWithin) // here: polls that need no database are many
		defer cancel()
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
func (h handlers) ListJobs(ctx context.Context, r api.ListJobsRequestObject) (api.ListJobsResponseObject, error) {
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
	page := api.JobPage{Content: []api.Job{}, HasNext: len(jobs) > limit} // one more was asked for, to know whether there is one
	for _, j := range jobs[:min(len(jobs), limit)] {
		page.Content = append(page.Content, h.view(j))
	}
	if page.HasNext {
		page.NextCursor = new(jobs[limit-1].ID)
	}
	return api.ListJobs200JSONResponse(page), nil
}

// CancelJob answers POST /jobs/{jobId}/cancel.
func (h handlers) CancelJob(ctx context.Context, r api.CancelJobRequestObject) (api.CancelJobResponseObject, error) {
	j, err := h.steer(ctx, h.Control.Cancel, r.Params.UserID, r.JobID)
	return api.CancelJob200JSONResponse(j), err
}

// PauseJob answers POST /jobs/{jobId}/pause.
func (h handlers) PauseJob(ctx context.Context, r api.PauseJobRequestObject) (api.PauseJobResponseObject, error) {
	j, err := h.steer(ctx, h.Control.Pause, r.Params.UserID, r.JobID)
	return api.PauseJob200JSONResponse(j), err
}

// ResumeJob answers POST /jobs/{jobId}/resume.
func (h handlers) ResumeJob(ctx context.Context, r api.ResumeJobRequestObject) (api.ResumeJobResponseObject, error) {
	j, err := h.steer(ctx, h.Control.Resume, r.Params.UserID, r.JobID)
	return api.ResumeJob200JSONResponse(j), err
}

// RetryJob answers POST /jobs/{jobId}/retry.
func (h handlers) RetryJob(ctx context.Context, r api.RetryJobRequestObject) (api.RetryJobResponseObject, error) {
	j, err := h.steer(ctx, h.Control.Retry, r.Params.UserID, r.JobID)
	return api.RetryJob200JSONResponse(j), err
}

// UndoJob answers POST /jobs/{jobId}/undo.
func (h handlers) UndoJob(ctx context.Context, r api.UndoJobRequestObject) (api.UndoJobResponseObject, error) {
	j, err := h.steer(ctx, h.Control.RequestUndo, r.Params.UserID, r.JobID)
	return api.UndoJob202JSONResponse(j), err
}

// steer makes a move of the caller's job and shows it.
func (s *Server) steer(
	ctx context.Context, move func(ctx context.Context, userID, id string) (job.Job, error), userID string, id uuid.UUID,
) (api.Job, error) {
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	j, err := move(ctx, userID, id.String())
	return s.view(j), err
}
