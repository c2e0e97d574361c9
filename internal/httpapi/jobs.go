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

// answerWithin bounds the work for one answer, so that a hanging database costs a client seconds and not minutes.
const answerWithin = 10 * time.Second

// GetJob answers GET /jobs/{jobId}.
func (h handlers) GetJob(ctx context.Context, r api.GetJobRequestObject) (api.GetJobResponseObject, error) {
	j, err := h.Jobs.Get(ctx, r.Params.UserID, r.JobID.String())
	if err != nil {
		return nil, err
	}
	return api.GetJob200JSONResponse(h.view(j)), nil
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
	f := job.Filter{Owner: r.Params.UserID, Status: r.Params.Status, Tier: r.Params.Tier, Limit: limit + 1}
	if r.Params.After != uuid.Nil {
		f.After = r.Params.After.String()
	}
	jobs, err := h.Jobs.List(ctx, f)
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
	j, err := h.move(ctx, h.Jobs.Cancel, r.Params.UserID, r.JobID)
	return api.CancelJob200JSONResponse(j), err
}

// PauseJob answers POST /jobs/{jobId}/pause.
func (h handlers) PauseJob(ctx context.Context, r api.PauseJobRequestObject) (api.PauseJobResponseObject, error) {
	j, err := h.move(ctx, h.Jobs.Pause, r.Params.UserID, r.JobID)
	return api.PauseJob200JSONResponse(j), err
}

// ResumeJob answers POST /jobs/{jobId}/resume.
func (h handlers) ResumeJob(ctx context.Context, r api.ResumeJobRequestObject) (api.ResumeJobResponseObject, error) {
	j, err := h.move(ctx, h.Jobs.Resume, r.Params.UserID, r.JobID)
	return api.ResumeJob200JSONResponse(j), err
}

// RetryJob answers POST /jobs/{jobId}/retry.
func (h handlers) RetryJob(ctx context.Context, r api.RetryJobRequestObject) (api.RetryJobResponseObject, error) {
	j, err := h.move(ctx, h.Jobs.Retry, r.Params.UserID, r.JobID)
	return api.RetryJob200JSONResponse(j), err
}

// UndoJob answers POST /jobs/{jobId}/undo.
func (h handlers) UndoJob(ctx context.Context, r api.UndoJobRequestObject) (api.UndoJobResponseObject, error) {
	j, err := h.move(ctx, h.Jobs.Undo, r.Params.UserID, r.JobID)
	return api.UndoJob202JSONResponse(j), err
}

// move makes a move of the caller's job and shows it.
func (s *Server) move(
	ctx context.Context, do func(ctx context.Context, owner, id string) (job.Job, error), owner string, id uuid.UUID,
) (api.Job, error) {
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	j, err := do(ctx, owner, id.String())
	return s.view(j), err
}
