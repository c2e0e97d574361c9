package boot

import (
	"strings"

	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	"golang.org/x/time/rate"
)

// readsPerSecond is how many traces of reads a process begins in a second at most: polls come by the thousand, and one is as
// another.
const readsPerSecond = 20

// sampler returns what decides which traces this process begins, where OTEL_TRACES_SAMPLER does not: all but those of reads
// above readsPerSecond. Where a caller's trace goes on, the caller has decided.
func sampler() sdk.Sampler {
	return sdk.ParentBased(&readSampler{rate.NewLimiter(readsPerSecond, readsPerSecond)})
}

type readSampler struct{ reads *rate.Limiter }

// ShouldSample implements sdk.Sampler.
func (s *readSampler) ShouldSample(p sdk.SamplingParameters) sdk.SamplingResult {
	if p.Kind == trace.SpanKindServer && (strings.HasPrefix(p.Name, "GET ") || strings.HasPrefix(p.Name, "HEAD ")) && !s.reads.Allow() {
		return sdk.NeverSample().ShouldSample(p)
	}
	return sdk.AlwaysSample().ShouldSample(p)
}

// Description implements sdk.Sampler.
func (s *readSampler) Description() string { return "ReadsLimited" }
