package httpapi

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/musterhq/muster/internal/httpapi/api"
	"github.com/musterhq/muster/internal/invalid"
	"github.com/musterhq/muster/internal/job"
	"github.com/musterhq/muster/internal/user"
)

// busyError: this process runs as many exports as it may.
type busyError struct{ limit int }

func (e busyError) Error() string {
	return fmt.Sprintf("%d exports are running here already, no more at once", e.limit)
}

// noUserError: the request does not name its caller. Fields has this and whatever else is wrong.
type noUserError struct{ fields []invalid.Field }

func (noUserError) Error() string { return "the header X-USER-ID is required" }

// problem is what a caller may know of an error.
type problem struct {
	status  int
	code    string
	message string
	details *api.ErrorDetails
	retry   time.Duration // 0: no Retry-After
}

// retrySoon is the wait after an outage: long enough for a connection pool to notice that it is over.
const retrySoon = 2 * time.Second

// explain is the table of errors, the first line that fits counts. What is not in it is a fault of ours: its cause is
// logged and not shown.
func explain(err error) problem {
	if e, ok := errors.AsType[noUserError](err); ok {
		return problem{status: 400, code: "user_id_missing", message: e.Error(), details: &api.ErrorDetails{FieldErrors: e.fields}}
	}
	if e, ok := errors.AsType[*invalid.Error](err); ok {
		return problem{status: 400, code: "validation_failed", message: e.Error(), details: &api.ErrorDetails{FieldErrors: e.Fields}}
	}
	if p, ok := explainUser(err); ok {
		return p
	}
	if e, ok := errors.AsType[*job.BatchLimitError](err); ok {
		return problem{status: 400, code: "batch_limit_exceeded", message: e.Error(), details: &api.ErrorDetails{Limit: e.Max}}
	}
	if e, ok := errors.AsType[*job.LimitError](err); ok {
		return limitProblem(e)
	}
	if e, ok := errors.AsType[*job.StateError](err); ok {
		return problem{status: 409, code: "job_not_" + able(e.Action), message: e.Error(), details: &api.ErrorDetails{Status: e.Status}}
	}
	if e, ok := errors.AsType[busyError](err); ok {
		const wait = 5 * time.Second // an export of a million users takes about that long
		return problem{status: 429, code: "too_many_requests", message: e.Error(), retry: wait,
			details: &api.ErrorDetails{Limit: int64(e.limit), InUse: new(int64(e.limit)), RetryAfterSeconds: int64(wait.Seconds())}}
	}
	switch {
	case errors.Is(err, job.ErrNotFound):
		return problem{status: 404, code: "job_not_found", message: job.ErrNotFound.Error()}
	case errors.Is(err, job.ErrKeyReused):
		return problem{status: 422, code: "idempotency_key_reused", message: job.ErrKeyReused.Error()}
	case errors.Is(err, job.ErrQueueFull):
		const wait = 30 * time.Second // the fleet works off a few hundred chunks
		return problem{status: 503, code: "queue_full", message: job.ErrQueueFull.Error(), retry: wait}
	case errors.Is(err, job.ErrQueueUnavailable):
		return problem{status: 503, code: "queue_unavailable", message: job.ErrQueueUnavailable.Error(), retry: retrySoon}
	case errors.Is(err, job.ErrUncertain):
		return problem{status: 503, code: "store_unavailable", message: job.ErrUncertain.Error() + "; look before repeating it, or repeat an import under its Idempotency-Key", retry: retrySoon}
	case errors.Is(err, job.ErrStoreUnavailable), errors.Is(err, job.ErrSchema),
		errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return problem{status: 503, code: "store_unavailable", message: job.ErrStoreUnavailable.Error(), retry: retrySoon}
	}
	if e, ok := errors.AsType[*echo.HTTPError](err); ok && e.Code < 500 {
		return httpProblem(e)
	}
	return problem{status: 500, code: "internal_error", message: "something went wrong here; the log has it under the requestId"}
}

// explainUser is the part of the table about single users.
func explainUser(err error) (problem, bool) {
	if e, ok := errors.AsType[malformedError](err); ok {
		return problem{status: 400, code: "malformed_json", message: e.Error()}, true
	}
	switch {
	case errors.Is(err, user.ErrNotFound):
		return problem{status: 404, code: "user_not_found", message: user.ErrNotFound.Error()}, true
	case errors.Is(err, user.ErrActive):
		return problem{status: 400, code: "user_is_active", message: user.ErrActive.Error()}, true
	case errors.Is(err, user.ErrChanged):
		return problem{status: 412, code: "precondition_failed", message: user.ErrChanged.Error() + "; get it anew"}, true
	}
	return problem{}, false
}

func limitProblem(e *job.LimitError) problem {
	p := problem{status: 429, code: "tier_limit_reached", message: e.Error(), retry: max(e.RetryAfter, time.Second)}
	if e.Cooldown {
		p.code = "cooldown_active"
	}
	p.details = &api.ErrorDetails{
		Tier: e.Tier, Limit: int64(e.Limit), InUse: new(int64(e.InUse)), RetryAfterSeconds: wholeSeconds(p.retry), Jobs: e.Jobs,
	}
	return p
}

// able names what the action's target is not: cancel, cancellable.
func able(action string) string {
	if action == "cancel" {
		return "cancellable"
	}
	return strings.TrimSuffix(action, "e") + "able"
}

// httpProblem explains an error of Echo itself: no such route, wrong method and the like.
func httpProblem(e *echo.HTTPError) problem {
	p := problem{status: e.Code, code: strings.ReplaceAll(strings.ToLower(http.StatusText(e.Code)), " ", "_"), message: http.StatusText(e.Code)}
	switch e.Code {
	case http.StatusBadRequest:
		p.code, p.message = "validation_failed", "the request could not be read"
	case http.StatusUnauthorized:
		p.code, p.message = "unauthenticated", "user name and password are required"
	case http.StatusNotFound:
		p.code, p.message = "route_not_found", "there is no such route; see /docs"
	case http.StatusMethodNotAllowed:
		p.message = "the route has other methods, see Allow"
	case http.StatusNotAcceptable:
		p.message = "Accept-Encoding forbids all that there is: plain, gzip and zstd"
	case http.StatusUpgradeRequired:
		p.message = "over HTTP/1.0 a stream that broke looks whole; use HTTP/1.1, or /export/csv"
	case http.StatusRequestedRangeNotSatisfiable:
		p.code, p.message = "range_not_satisfiable", "the file has no such part; Content-Range tells its length"
	case http.StatusUnsupportedMediaType:
		p.message = "the body has to be JSON, not compressed, and Content-Type to say so; see /docs"
	case http.StatusRequestEntityTooLarge:
		p.code, p.message = "payload_too_large", fmt.Sprintf("the body is larger than %d bytes", maxBody)
	}
	return p
}

// wholeSeconds rounds up: a client that waits this long must not be early.
func wholeSeconds(d time.Duration) int64 {
	return int64(max(1, (d+time.Second-1)/time.Second))
}

// respondError answers with the one error form, or cuts the connection when an answer has begun: its client must
// see a failure, never half an answer that looks whole.
func (s *Server) respondError(err error, c echo.Context) {
	p := explain(err)
	s.logError(err, p, c)
	if c.Response().Committed {
		panic(http.ErrAbortHandler)
	}
	if p.retry > 0 {
		c.Response().Header().Set("Retry-After", strconv.FormatInt(wholeSeconds(p.retry), 10))
	}
	if c.Request().Method == http.MethodHead {
		_ = c.NoContent(p.status)
		return
	}
	// An error here means that the client is gone.
	_ = c.JSON(p.status, api.Error{
		Timestamp: api.Timestamp(s.now()), Status: p.status, Error: http.StatusText(p.status), Code: p.code, Message: p.message,
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
	case p.status >= 500:
		s.Log.ErrorContext(ctx, "request failed", "route", c.Path(), "request", requestID(c), "err", err)
	}
}
