// Package tracing makes spans of OpenTelemetry. A span is made only below one that records, which the entries of a process
// begin: the HTTP server for a request, the worker for a task. Everywhere else nothing has to be configured, and where
// traces are off, a look at the context is all that it costs.
package tracing

import (
	"context"

	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// scope is the name under which the spans of this program are.
const scope = "github.com/musterhq/muster"

// none is a span that does nothing.
var none = trace.SpanFromContext(context.Background())

// Begin makes the first span of this process in a trace, below the one of another process that ctx may have; provider nil:
// none. End it with End.
func Begin(ctx context.Context, provider trace.TracerProvider, name string, kind trace.SpanKind) (context.Context, trace.Span) {
	if provider == nil {
		return ctx, none
	}
	return provider.Tracer(scope).Start(ctx, name, trace.WithSpanKind(kind))
}

// Start makes a span below that of ctx, if that one records. End it with End.
func Start(ctx context.Context, name string) (context.Context, trace.Span) {
	return startKind(ctx, name, trace.SpanKindInternal)
}

// StartProducer is Start for what puts a task into the queue.
func StartProducer(ctx context.Context, name string) (context.Context, trace.Span) {
	return startKind(ctx, name, trace.SpanKindProducer)
}

// StartClient is Start for a request to another service.
func StartClient(ctx context.Context, name string) (context.Context, trace.Span) {
	return startKind(ctx, name, trace.SpanKindClient)
}

func startKind(ctx context.Context, name string, kind trace.SpanKind) (context.Context, trace.Span) {
	parent := trace.SpanFromContext(ctx)
	if !parent.IsRecording() {
		return ctx, none
	}
	return parent.TracerProvider().Tracer(scope).Start(ctx, name, trace.WithSpanKind(kind))
}

// End ends the span. That there was an error is noted, and not its text: errors of databases repeat values.
func End(span trace.Span, err error) {
	if err != nil {
		span.SetStatus(codes.Error, "")
	}
	span.End()
}

// Records reports whether spans below ctx are recorded.
func Records(ctx context.Context) bool { return trace.SpanFromContext(ctx).IsRecording() }

// Quiet returns ctx in the same trace, but without spans below it.
func Quiet(ctx context.Context) context.Context {
	return trace.ContextWithSpanContext(ctx, trace.SpanContextFromContext(ctx))
}

// Header is the name of the header, and of asynq's, that carries a trace context (https://www.w3.org/TR/trace-context/).
const Header = "traceparent"

var format propagation.TraceContext

// Parent returns the trace context of ctx as a header has it; empty: it has none.
func Parent(ctx context.Context) string {
	if !trace.SpanContextFromContext(ctx).IsValid() {
		return ""
	}
	h := propagation.MapCarrier{}
	format.Inject(ctx, h)
	return h[Header]
}

// Continue returns ctx in the trace that a header names; one that cannot be read changes nothing.
func Continue(ctx context.Context, parent string) context.Context {
	if parent == "" {
		return ctx
	}
	return format.Extract(ctx, propagation.MapCarrier{Header: parent})
}
