package httpapi

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/musterhq/muster/internal/apikey"
	"github.com/musterhq/muster/internal/httpapi/api"
	"github.com/musterhq/muster/internal/invalid"
	"github.com/musterhq/muster/internal/job"
	"github.com/musterhq/muster/internal/user"
)

// busyError: this process runs as many exports, or previews, as it may.
type busyError struct {
	what  string
	limit int
}

func (e busyError) Error() string {
	return fmt.Sprintf("%d %s are running here already, no more at once", e.limit, e.what)
}

// noUserError: the request does not name its caller. Fields has this and whatever else is wrong.
type noUserError struct{ fields []invalid.Field }

func (noUserError) Error() string { return "the header X-USER-ID is required" }

// problem is what a caller may know of an error.
type problem struct {
	code    code
	message string
	details *api.ErrorDetails
	retry   time.Duration // 0: no Retry-After
}

// retrySoon is the wait after an outage: long enough for a connection pool to notice that it is over.
const retrySoon = 2 * time.Second

// explain is the table of errors: it returns the problem of the first line that fits. An error that is not in it is a
// fault of ours: its cause is logged and not shown.
func explain(err error) problem {
	if e, ok := errors.AsType[keptError](err); ok { // before what it wraps
		return keptProblem(e)
	}
	if e, ok := errors.AsType[noUserError](err); ok {
		return problem{code: userIDMissing, message: e.Error(), details: &api.ErrorDetails{FieldErrors: e.fields}}
	}
	if e, ok := errors.AsType[*invalid.Error](err); ok {
		return problem{code: validationFailed, message: e.Error(), details: &api.ErrorDetails{FieldErrors: e.Fields}}
	}
	for _, part := range []func(error) (problem, bool){explainUser, explainFile, explainKey, explainWebhook, explainSchedule} {
		if p, ok := part(err); ok {
			return p
		}
	}
	if e, ok := errors.AsType[*job.BatchLimitError](err); ok {
		return problem{code: batchLimitExceeded, message: e.Error(), details: &api.ErrorDetails{Limit: e.Max}}
	}
	if e, ok := errors.AsType[*job.LimitError](err); ok {
		return limitProblem(e)
	}
	if e, ok := errors.AsType[*job.StateError](err); ok {
		return problem{code: stateCodes[e.Move], message: e.Error(), details: &api.ErrorDetails{Status: e.Status}}
	}
	if e, ok := errors.AsType[busyError](err); ok {
		const wait = 5 * time.Second // an export of a million users takes about that long
		return problem{code: tooManyRequests, message: e.Error(), retry: wait,
			details: &api.ErrorDetails{Limit: int64(e.limit), InUse: new(int64(e.limit)), RetryAfterSeconds: int64(wait.Seconds())}}
	}
	if e, ok := errors.AsType[forbiddenError](err); ok {
		return problem{code: forbidden, message: e.Error()}
	}
	if _, ok := errors.AsType[noSpaceError](err); ok {
		const wait = 30 * time.Second // in which other exports end
		return problem{code: noSpace, message: "there is no room for the file here; /export/stream needs none", retry: wait}
	}
	switch {
	case errors.Is(err, job.ErrNotFound):
		return problem{code: jobNotFound, message: job.ErrNotFound.Error()}
	case errors.Is(err, job.ErrKeyReused):
		return problem{code: idempotencyKeyReused, message: job.ErrKeyReused.Error()}
	case errors.Is(err, job.ErrQueueFull):
		const wait = 30 * time.Second // in which a fleet imports a few hundred chunks
		return problem{code: queueFull, message: job.ErrQueueFull.Error(), retry: wait}
	case errors.Is(err, job.ErrQueueUnavailable):
		return problem{code: queueUnavailable, message: job.ErrQueueUnavailable.Error(), retry: retrySoon}
	case errors.Is(err, job.ErrUncertain):
		return problem{code: storeUnavailable, message: job.ErrUncertain.Error() + "; look before repeating it, or repeat an import under its Idempotency-Key", retry: retrySoon}
	case errors.Is(err, job.ErrStoreUnavailable), errors.Is(err, job.ErrSchema),
		errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return problem{code: storeUnavailable, message: job.ErrStoreUnavailable.Error(), retry: retrySoon}
	}
	if e, ok := errors.AsType[*echo.HTTPError](err); ok {
		if p, ok := httpProblems[e.Code]; ok {
			return p
		}
	}
	return problem{code: internalError, message: "something went wrong here; the log has it under the requestId"}
}

// explainUser is the part of the table about single users.
func explainUser(err error) (problem, bool) {
	if e, ok := errors.AsType[malformedError](err); ok {
		return problem{code: malformedJSON, message: e.Error()}, true
	}
	if e, ok := errors.AsType[*user.NotIndexedError](err); ok {
		return problem{code: notIndexed, message: e.Error(), details: &api.ErrorDetails{FieldErrors: e.Fields}}, true
	}
	switch {
	case errors.Is(err, user.ErrNotFound):
		return problem{code: userNotFound, message: user.ErrNotFound.Error()}, true
	case errors.Is(err, user.ErrActive):
		return problem{code: userIsActive, message: user.ErrActive.Error()}, true
	case errors.Is(err, user.ErrDuplicate):
		return problem{code: duplicateUser, message: user.ErrDuplicate.Error()}, true
	case errors.Is(err, user.ErrAmbiguous):
		return problem{code: ambiguousKey, message: user.ErrAmbiguous.Error() + ", so it is not known which one is meant"}, true
	case errors.Is(err, user.ErrChanged):
		return problem{code: preconditionFailed, message: user.ErrChanged.Error() + "; get it anew"}, true
	}
	return problem{}, false
}

// explainKey is the part of the table about API keys.
func explainKey(err error) (problem, bool) {
	if e, ok := errors.AsType[*apikey.TooManyError](err); ok {
		return problem{code: tooManyAttempts, message: e.Error(), retry: max(e.RetryAfter, time.Second)}, true
	}
	if e, ok := errors.AsType[scopeError](err); ok {
		return problem{code: insufficientScope, message: e.Error()}, true
	}
	switch {
	case errors.Is(err, apikey.ErrRefused):
		return problem{code: unauthenticated, message: apikey.ErrRefused.Error()}, true
	case errors.Is(err, apikey.ErrNotFound):
		return problem{code: keyNotFound, message: apikey.ErrNotFound.Error()}, true
	case errors.Is(err, apikey.ErrTooMany):
		return problem{code: tooManyKeys, message: apikey.ErrTooMany.Error()}, true
	}
	return problem{}, false
}

func limitProblem(e *job.LimitError) problem {
	p := problem{code: tierLimitReached, message: e.Error(), retry: max(e.RetryAfter, time.Second)}
	if e.Cooldown {
		p.code = cooldownActive
	}
	p.details = &api.ErrorDetails{
		Tier: e.Tier, Limit: int64(e.Limit), InUse: new(int64(e.InUse)), RetryAfterSeconds: wholeSeconds(p.retry), Jobs: e.Jobs,
	}
	return p
}

// wholeSeconds returns d in seconds, rounded up: a client that waits this long must not be early.
func wholeSeconds(d time.Duration) int64 {
	return int64(max(1, (d+time.Second-1)/time.Second))
}

// respondError answers with the one error form, or cuts the connection when an answer has begun: its client must
// see a failure, never half an answer that looks whole.
func (s *Server) respondError(err error, c echo.Context) {
	p := explain(err)
	status := p.code.status()
	s.logError(err, p, c)
	if c.Response().Committed {
		panic(http.ErrAbortHandler)
	}
	if p.retry > 0 {
		c.Response().Header().Set("Retry-After", strconv.FormatInt(wholeSeconds(p.retry), 10))
	}
	if c.Request().Method == http.MethodHead {
		_ = c.NoContent(status)
		return
	}
	// An error here means that the client is gone.
	_ = c.JSON(status, api.Error{
		Timestamp: api.Timestamp(s.now()), Status: status, Error: http.StatusText(status), Code: p.code.String(), Message: p.message,
		Path: c.Request().URL.Path, RequestID: requestID(c), Details: p.details,
	})
}

func (s *Server) logError(err error, p problem, c echo.Context) {
	ctx := c.Request().Context()
	switch pe, panicked := errors.AsType[*panicError](err); {
	case panicked:
		s.Log.ErrorContext(ctx, "panic", "route", c.Path(), "request", requestID(c), "err", err, "stack", pe.stack)
	case ctx.Err() != nil:
		s.Log.DebugContext(ctx, "client gone", "route", c.Path(), "request", requestID(c), "err", err)
	case p.code.status() >= 500:
		s.Log.ErrorContext(ctx, "request failed", "route", c.Path(), "request", requestID(c), "err", err)
	}
}
