package httpapi

import (
	"context"
	"net/http"

	"github.com/labstack/echo/v4"
	"go.opentelemetry.io/otel/attribute"
	otelcodes "go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/musterhq/muster/internal/job"
	"github.com/musterhq/muster/internal/logging"
	"github.com/musterhq/muster/internal/tracing"
)

// traced makes a span of each request, in the trace that its header traceparent names. The span has the pattern of the route
// and never the query, which holds names.
func (s *Server) traced(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		r := c.Request()
		ctx := tracing.Continue(r.Context(), r.Header.Get(tracing.Header))
		ctx, span := tracing.Begin(ctx, s.Traces, methodOf(r)+" "+routeOf(c), trace.SpanKindServer)
		c.SetRequest(r.WithContext(ctx))
		if !span.IsRecording() {
			return next(c)
		}
		defer span.End()
		span.SetAttributes(
			attribute.String("http.request.method", methodOf(r)), attribute.String("http.route", routeOf(c)), attribute.String("muster.request", requestID(c)))
		err := next(c)
		status := c.Response().Status
		if err != nil && !c.Response().Committed {
			status = explain(err).code.status()
		}
		span.SetAttributes(attribute.Int("http.response.status_code", status))
		if status >= http.StatusInternalServerError {
			span.SetStatus(otelcodes.Error, "")
		}
		return err
	}
}

// methods are those that are told apart; others, which anybody may invent, are one.
var methods = map[string]bool{
	http.MethodGet: true, http.MethodHead: true, http.MethodPost: true, http.MethodPut: true, http.MethodPatch: true, http.MethodDelete: true, http.MethodOptions: true,
}

func methodOf(r *http.Request) string {
	if !methods[r.Method] {
		return "other"
	}
	return r.Method
}

// routeOf returns the pattern of the request's route; none: it has none.
func routeOf(c echo.Context) string {
	if c.Path() == "" {
		return "none"
	}
	return c.Path()
}

// origin returns what a job keeps of the request that submits it.
func origin(ctx context.Context) job.Origin {
	return job.Origin{RequestID: logging.Request(ctx), TraceParent: tracing.Parent(ctx)}
}
