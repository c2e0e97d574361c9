package httpapi

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/google/uuid"

	"github.com/musterhq/muster/internal/httpapi/api"
	"github.com/musterhq/muster/internal/job"
)

// Schedules keeps schedules and what became of their runs. Errors: job.ErrScheduleNotFound, also for one of somebody else,
// job.ErrStoreUnavailable.
type Schedules interface {
	// Create and Replace take a schedule whose action is right. Errors also: *invalid.Error; of Create
	// *job.ScheduleLimitError, of changes job.ErrScheduleChanged.
	Create(ctx context.Context, s job.Schedule) (job.Schedule, error)
	Replace(ctx context.Context, s job.Schedule) (job.Schedule, error)
	Pause(ctx context.Context, owner, id string) (job.Schedule, error)
	Resume(ctx context.Context, owner, id string) (job.Schedule, error)
	Delete(ctx context.Context, owner, id string) error

	Get(ctx context.Context, owner, id string) (job.Schedule, error)
	List(ctx context.Context, owner, after string, limit int) ([]job.Schedule, error)
	// Upcoming returns the next n times at which it fires.
	Upcoming(s *job.Schedule, n int) []time.Time

	RunNow(ctx context.Context, owner, id string) (job.ScheduleRun, error)
	Runs(ctx context.Context, owner, id string, before time.Time, limit int) ([]job.ScheduleRun, error)
}

// CreateSchedule answers POST /schedules.
func (h handlers) CreateSchedule(ctx context.Context, r api.CreateScheduleRequestObject) (api.CreateScheduleResponseObject, error) {
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	s, err := h.scheduleOf(ctx, r.Params.UserID, r.Body)
	if err != nil {
		return nil, err
	}
	if s, err = h.Schedules.Create(ctx, s); err != nil {
		return nil, err
	}
	return api.CreateSchedule201JSONResponse{
		Headers: api.CreateSchedule201ResponseHeaders{Location: "/api/v1/schedules/" + s.ID}, Body: h.scheduleView(&s),
	}, nil
}

// ReplaceSchedule answers PUT /schedules/{scheduleId}.
func (h handlers) ReplaceSchedule(ctx context.Context, r api.ReplaceScheduleRequestObject) (api.ReplaceScheduleResponseObject, error) {
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	s, err := h.scheduleOf(ctx, r.Params.UserID, r.Body)
	if err != nil {
		return nil, err
	}
	s.ID = r.ScheduleID.String()
	s, err = h.Schedules.Replace(ctx, s)
	return api.ReplaceSchedule200JSONResponse(h.scheduleView(&s)), err
}

// scheduleOf returns the schedule that a body asks for.
func (h handlers) scheduleOf(ctx context.Context, owner string, f *api.ScheduleFields) (job.Schedule, error) {
	s := job.Schedule{Owner: owner, Name: f.Name, Cron: f.Cron, TimeZone: f.TimeZone, CatchUp: f.CatchUp, Overlap: f.Overlap}
	var err error
	s.Action, err = h.action(ctx, owner, f.Action.Type, f.Action.Parameters)
	return s, err
}

// GetSchedule answers GET /schedules/{scheduleId}.
func (h handlers) GetSchedule(ctx context.Context, r api.GetScheduleRequestObject) (api.GetScheduleResponseObject, error) {
	v, err := h.withSchedule(ctx, h.Schedules.Get, r.Params.UserID, r.ScheduleID)
	return api.GetSchedule200JSONResponse(v), err
}

// PauseSchedule answers POST /schedules/{scheduleId}/pause.
func (h handlers) PauseSchedule(ctx context.Context, r api.PauseScheduleRequestObject) (api.PauseScheduleResponseObject, error) {
	v, err := h.withSchedule(ctx, h.Schedules.Pause, r.Params.UserID, r.ScheduleID)
	return api.PauseSchedule200JSONResponse(v), err
}

// ResumeSchedule answers POST /schedules/{scheduleId}/resume.
func (h handlers) ResumeSchedule(ctx context.Context, r api.ResumeScheduleRequestObject) (api.ResumeScheduleResponseObject, error) {
	v, err := h.withSchedule(ctx, h.Schedules.Resume, r.Params.UserID, r.ScheduleID)
	return api.ResumeSchedule200JSONResponse(v), err
}

func (h handlers) withSchedule(
	ctx context.Context, do func(ctx context.Context, owner, id string) (job.Schedule, error), owner string, id uuid.UUID,
) (api.Schedule, error) {
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	s, err := do(ctx, owner, id.String())
	return h.scheduleView(&s), err
}

// DeleteSchedule answers DELETE /schedules/{scheduleId}.
func (h handlers) DeleteSchedule(ctx context.Context, r api.DeleteScheduleRequestObject) (api.DeleteScheduleResponseObject, error) {
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	return api.DeleteSchedule204Response{}, h.Schedules.Delete(ctx, r.Params.UserID, r.ScheduleID.String())
}

// RunSchedule answers POST /schedules/{scheduleId}/run.
func (h handlers) RunSchedule(ctx context.Context, r api.RunScheduleRequestObject) (api.RunScheduleResponseObject, error) {
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	run, err := h.Schedules.RunNow(ctx, r.Params.UserID, r.ScheduleID.String())
	return api.RunSchedule202JSONResponse(runView(&run)), err
}

// pageLimit is how many rows a page has when nobody says.
const pageLimit = 20

// ListSchedules answers GET /schedules.
func (h handlers) ListSchedules(ctx context.Context, r api.ListSchedulesRequestObject) (api.ListSchedulesResponseObject, error) {
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	limit, after := r.Params.Limit, ""
	if limit == 0 {
		limit = pageLimit
	}
	if r.Params.After != uuid.Nil {
		after = r.Params.After.String()
	}
	list, err := h.Schedules.List(ctx, r.Params.UserID, after, limit+1)
	if err != nil {
		return nil, err
	}
	page := api.SchedulePage{Content: []api.Schedule{}, HasNext: len(list) > limit} // one more was asked for, to know whether there is one
	for i := range list[:min(len(list), limit)] {
		page.Content = append(page.Content, h.scheduleView(&list[i]))
	}
	if page.HasNext {
		page.NextCursor = new(list[limit-1].ID)
	}
	return api.ListSchedules200JSONResponse(page), nil
}

// ListScheduleRuns answers GET /schedules/{scheduleId}/runs.
func (h handlers) ListScheduleRuns(ctx context.Context, r api.ListScheduleRunsRequestObject) (api.ListScheduleRunsResponseObject, error) {
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	limit := r.Params.Limit
	if limit == 0 {
		limit = pageLimit
	}
	var before time.Time
	if ms, err := strconv.ParseInt(r.Params.After, 10, 64); err == nil {
		before = time.UnixMilli(ms)
	}
	runs, err := h.Schedules.Runs(ctx, r.Params.UserID, r.ScheduleID.String(), before, limit+1)
	if err != nil {
		return nil, err
	}
	page := api.ScheduleRunPage{Content: []api.ScheduleRun{}, HasNext: len(runs) > limit}
	for i := range runs[:min(len(runs), limit)] {
		page.Content = append(page.Content, runView(&runs[i]))
	}
	if page.HasNext {
		page.NextCursor = new(strconv.FormatInt(runs[limit-1].FireAt.UnixMilli(), 10))
	}
	return api.ListScheduleRuns200JSONResponse(page), nil
}

func (s *Server) scheduleView(c *job.Schedule) api.Schedule {
	const shown = 5
	v := api.Schedule{
		ID: c.ID, Name: c.Name, Cron: c.Cron, TimeZone: c.TimeZone, CatchUp: c.CatchUp, Overlap: c.Overlap,
		Action:    api.ScheduleAction{Type: c.Action.Type, Parameters: c.Action.Parameters},
		CreatedAt: api.Timestamp(c.CreatedAt), UpdatedAt: api.Timestamp(c.UpdatedAt), PausedAt: api.Timestamp(c.PausedAt), NextFireTimes: []api.Timestamp{},
	}
	for _, at := range s.Schedules.Upcoming(c, shown) {
		v.NextFireTimes = append(v.NextFireTimes, api.Timestamp(at))
	}
	if c.LastJobID != "" {
		v.LastJobID = &c.LastJobID
	}
	return v
}

func runView(r *job.ScheduleRun) api.ScheduleRun {
	return api.ScheduleRun{
		FireAt: api.Timestamp(r.FireAt), Manual: r.Manual, State: string(r.State), JobID: r.JobID, Code: r.Code, FinishedAt: api.Timestamp(r.FinishedAt),
	}
}

// explainSchedule is the part of the table of errors about schedules.
func explainSchedule(err error) (problem, bool) {
	if e, ok := errors.AsType[*job.ScheduleLimitError](err); ok {
		return problem{code: tooManySchedules, message: e.Error() + "; remove one", details: &api.ErrorDetails{Limit: int64(e.Max)}}, true
	}
	switch {
	case errors.Is(err, job.ErrScheduleNotFound):
		return problem{code: scheduleNotFound, message: job.ErrScheduleNotFound.Error()}, true
	case errors.Is(err, job.ErrScheduleChanged):
		return problem{code: scheduleChanged, message: job.ErrScheduleChanged.Error() + "; try again"}, true
	}
	return problem{}, false
}
