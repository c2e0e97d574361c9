package boot

import (
	"context"
	"testing"

	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
)

// Every submission is traced, and of a thousand polls a few; a caller who traces polls gets all of them.
func TestSampler(t *testing.T) {
	t.Parallel()
	kept := tracetest.NewInMemoryExporter()
	provider := sdk.NewTracerProvider(sdk.WithSyncer(kept), sdk.WithSampler(sampler()))
	begin := func(ctx context.Context, name string) (context.Context, trace.Span) {
		return provider.Tracer("test").Start(ctx, name, trace.WithSpanKind(trace.SpanKindServer))
	}
	const n = 1000
	asked := trace.ContextWithRemoteSpanContext(t.Context(), trace.NewSpanContext(trace.SpanContextConfig{
		TraceID: trace.TraceID{1}, SpanID: trace.SpanID{1}, TraceFlags: trace.FlagsSampled, Remote: true,
	}))
	for range n {
		for ctx, name := range map[context.Context]string{t.Context(): "GET /jobs/:id", asked: "GET /exports/:id"} {
			_, span := begin(ctx, name)
			span.End()
		}
		_, span := begin(t.Context(), "POST /users/import/async")
		span.End()
	}
	counts := map[string]int{}
	for _, s := range kept.GetSpans() {
		counts[s.Name]++
	}
	if counts["POST /users/import/async"] != n || counts["GET /exports/:id"] != n {
		t.Errorf("lost: %v", counts)
	}
	if polls := counts["GET /jobs/:id"]; polls < readsPerSecond || polls == n {
		t.Errorf("%d of %d polls are traced, want some", polls, n)
	}
}
