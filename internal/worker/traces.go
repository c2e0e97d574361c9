package worker

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"github.com/musterhq/muster/internal/job"
	"github.com/musterhq/muster/internal/tracing"
)

// tracedChunks is of how many chunks of a job the batches are in its trace, with their statements. Of the others only the
// chunk itself is: a job of ten million users has 400 chunks, and ten thousand batches.
const tracedChunks = 4

// span begins the span of work on a job: below the one that enqueued the task, or, where the task was lost and made anew, below
// the request that submitted the job. A job whose request was not traced has none.
func span(ctx context.Context, provider trace.TracerProvider, name string, j *job.Job) (context.Context, trace.Span) {
	if provider != nil && tracing.Parent(ctx) == "" {
		ctx = tracing.Continue(ctx, j.Origin.TraceParent)
	}
	if tracing.Parent(ctx) == "" {
		provider = nil
	}
	ctx, s := tracing.Begin(ctx, provider, name, trace.SpanKindConsumer)
	if s.IsRecording() {
		s.SetAttributes(attribute.String("muster.job", j.ID), attribute.String("muster.source", j.Source), attribute.String("muster.tier", string(j.Tier)))
	}
	return ctx, s
}

// chunkSpan is span for a claimed chunk.
func (w *Importer) chunkSpan(ctx context.Context, c *job.Claim) (context.Context, trace.Span) {
	ctx, s := span(ctx, w.Traces, "import chunk", &c.Job)
	if s.IsRecording() {
		s.SetAttributes(attribute.Int("muster.chunk", c.Chunk.No), attribute.Int64("muster.rows", c.Chunk.Left()))
	}
	if c.Chunk.No >= tracedChunks {
		ctx = tracing.Quiet(ctx)
	}
	return ctx, s
}
