package tracing_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/musterhq/muster/internal/tracing"
)

// Without a span that records nothing is made, and nothing is allocated.
func TestOffCostsNothing(t *testing.T) {
	ctx := context.Background()
	if n := testing.AllocsPerRun(100, func() {
		ctx, span := tracing.Start(ctx, "batch")
		_ = tracing.Records(ctx)
		tracing.End(span, nil)
		_, span = tracing.Begin(ctx, nil, "chunk", trace.SpanKindConsumer)
		tracing.End(span, nil)
		_ = tracing.Continue(ctx, tracing.Parent(ctx))
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// A trace goes on in another process, by the header.
func TestTraceGoesOn(t *testing.T) {
	t.Parallel()
	kept := tracetest.NewInMemoryExporter()
	provider := sdk.NewTracerProvider(sdk.WithSyncer(kept))
	ctx, first := tracing.Begin(t.Context(), provider, "request", trace.SpanKindServer)
	header := tracing.Parent(ctx)
	tracing.End(first, nil)

	ctx, second := tracing.Begin(tracing.Continue(t.Context(), header), provider, "chunk", trace.SpanKindConsumer)
	_, third := tracing.Start(ctx, "batch")
	tracing.End(third, errors.New("secret"))
	_, quiet := tracing.Start(tracing.Quiet(ctx), "not recorded")
	tracing.End(quiet, nil)
	if id(tracing.Parent(tracing.Quiet(ctx))) != id(header) {
		t.Error("a quiet context is of another trace")
	}
	tracing.End(second, nil)

	spans := kept.GetSpans()
	if len(spans) != 3 {
		t.Fatalf("%d spans, want 3", len(spans))
	}
	for _, s := range spans {
		if s.SpanContext.TraceID().String() != id(header) {
			t.Errorf("%s is of trace %s, want %s", s.Name, s.SpanContext.TraceID(), id(header))
		}
	}
	if batch := spans[1]; batch.Name != "batch" || len(batch.Events) != 0 || batch.Status.Description != "" || batch.Status.Code == 0 {
		t.Errorf("a span with an error: %+v", batch)
	}
}

// id returns the id of the trace that a header names.
func id(header string) string { return strings.Split(header, "-")[1] }

func TestBadHeadersChangeNothing(t *testing.T) {
	t.Parallel()
	for _, header := range []string{"", "00", "00-0-0-01", "x-y-z-1"} {
		if got := tracing.Parent(tracing.Continue(t.Context(), header)); got != "" {
			t.Errorf("%q is taken as %s", header, got)
		}
	}
}
