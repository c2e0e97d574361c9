package httpapi

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/musterhq/muster/internal/httpapi/api"
	"github.com/musterhq/muster/internal/job"
)

const (
	checkOK     = "ok"
	checkFailed = "failed"
	// checkWithin is how long a part may take to answer.
	checkWithin = time.Second
)

// GetHealth answers GET /healthz.
func (h handlers) GetHealth(context.Context, api.GetHealthRequestObject) (api.GetHealthResponseObject, error) {
	return api.GetHealth200JSONResponse{Status: checkOK}, nil
}

// GetReadiness answers GET /readyz; the checks run side by side.
func (h handlers) GetReadiness(ctx context.Context, _ api.GetReadinessRequestObject) (api.GetReadinessResponseObject, error) {
	results := make([]api.CheckResult, len(h.Checks))
	var wg sync.WaitGroup
	for i, check := range h.Checks {
		wg.Go(func() { results[i] = h.check(ctx, check) })
	}
	wg.Wait()
	for i, r := range results {
		if r.Status != checkOK && !h.Checks[i].Minor {
			return api.GetReadiness503JSONResponse{Status: "unavailable", Checks: results}, nil
		}
	}
	return api.GetReadiness200JSONResponse{Status: checkOK, Checks: results}, nil
}

// check asks one part of what the API needs, such as Redis. Its error may hold addresses and user names, so it goes to
// the log and not to the caller, who sees the reason of a job.UnreadyError.
func (s *Server) check(ctx context.Context, c Check) api.CheckResult {
	ctx, cancel := context.WithTimeout(ctx, checkWithin)
	defer cancel()
	err := c.Ping(ctx)
	if err == nil {
		return api.CheckResult{Name: c.Name, Status: checkOK}
	}
	s.Log.WarnContext(ctx, "not ready", "check", c.Name, "err", err)
	r := api.CheckResult{Name: c.Name, Status: checkFailed, Message: "does not answer"}
	unready, known := errors.AsType[*job.UnreadyError](err)
	text := storeMessage(job.StoreTrouble(err))
	switch {
	case known:
		r.Message = unready.Reason
	case errors.Is(err, job.ErrNoSpace):
		r.Message = job.ErrNoSpace.Error()
	case errors.As(err, new(noSpaceError)):
		r.Message = "does not take files"
	case errors.Is(err, context.DeadlineExceeded):
		r.Message = "no answer within " + checkWithin.String()
	case text != "":
		r.Message = text
	}
	return r
}
