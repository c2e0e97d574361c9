package boot

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// flushWithin is how long a process that stops waits for its last spans to be taken.
const flushWithin = 3 * time.Second

// traces are where spans go.
type traces struct{ provider *sdk.TracerProvider }

// openTraces returns where the spans of this process go, by OpenTelemetry's own variables: to OTEL_EXPORTER_OTLP_ENDPOINT, or
// OTEL_EXPORTER_OTLP_TRACES_ENDPOINT, by HTTP; nowhere when neither is set. The exporter and the SDK read the others.
func openTraces(ctx context.Context, log *slog.Logger) (*traces, error) {
	if os.Getenv("OTEL_EXPORTER_OTLP_ENDPOINT")+os.Getenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") == "" || os.Getenv("OTEL_SDK_DISABLED") == "true" {
		return nil, nil //nolint:nilnil // nowhere
	}
	for _, variable := range []string{"OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"} {
		if p := os.Getenv(variable); p != "" && p != "http/protobuf" {
			return nil, fmt.Errorf("%s: only http/protobuf is spoken, not %q", variable, p)
		}
	}
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) { log.Warn("spans not delivered", "err", err) }))
	exporter, err := otlptracehttp.New(ctx)
	if err != nil {
		return nil, fmt.Errorf("OTEL_EXPORTER_OTLP_ENDPOINT: %w", err)
	}
	about, err := resource.New(ctx, resource.WithAttributes(attribute.String("service.name", serviceName())), resource.WithFromEnv(), resource.WithTelemetrySDK())
	if err != nil {
		return nil, fmt.Errorf("OTEL_RESOURCE_ATTRIBUTES: %w", err)
	}
	options := []sdk.TracerProviderOption{sdk.WithBatcher(exporter), sdk.WithResource(about)}
	if os.Getenv("OTEL_TRACES_SAMPLER") == "" {
		options = append(options, sdk.WithSampler(sampler()))
	}
	return &traces{sdk.NewTracerProvider(options...)}, nil
}

// serviceName is muster, muster-api or muster-worker; OTEL_SERVICE_NAME says otherwise.
func serviceName() string {
	const whole = "muster"
	if program := filepath.Base(os.Args[0]); program == "api" || program == "worker" {
		return whole + "-" + program
	}
	return whole
}

// Provider returns where the parts of this process send spans; nil: nowhere.
func (t *traces) Provider() trace.TracerProvider {
	if t == nil {
		return nil
	}
	return t.provider
}

// Close delivers the spans that are left, if they are taken soon. It fails for nothing: a trace is no reason.
func (t *traces) Close(log *slog.Logger) {
	if t == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), flushWithin)
	defer cancel()
	if err := t.provider.Shutdown(ctx); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		log.Warn("the last spans were not delivered", "err", err)
	}
}
