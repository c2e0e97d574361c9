// Package logging says in each log line to which request and which trace it belongs.
package logging

import (
	"context"
	"log/slog"

	"go.opentelemetry.io/otel/trace"
)

type requestKey struct{}

// WithRequest returns ctx as that of a request with an id.
func WithRequest(ctx context.Context, id string) context.Context {
	return context.WithValue(ctx, requestKey{}, id)
}

// Request returns the id of the request that ctx is of; empty: of none.
func Request(ctx context.Context) string {
	id, _ := ctx.Value(requestKey{}).(string)
	return id
}

// Handler adds to each line the attributes request and trace, where its context has them and the line has not.
type Handler struct {
	slog.Handler

	hasRequest, hasTrace bool // by With
}

// NewHandler returns a handler that adds to what h writes.
func NewHandler(h slog.Handler) *Handler { return &Handler{Handler: h} }

// Handle implements slog.Handler.
func (h *Handler) Handle(ctx context.Context, r slog.Record) error {
	request, span := Request(ctx), trace.SpanContextFromContext(ctx)
	if request == "" && !span.IsValid() {
		return h.Handler.Handle(ctx, r)
	}
	has := *h
	r.Attrs(func(a slog.Attr) bool {
		has.see(a)
		return true
	})
	if request != "" && !has.hasRequest {
		r.AddAttrs(slog.String("request", request))
	}
	if span.IsValid() && !has.hasTrace {
		r.AddAttrs(slog.String("trace", span.TraceID().String()))
	}
	return h.Handler.Handle(ctx, r)
}

func (h *Handler) see(a slog.Attr) {
	h.hasRequest = h.hasRequest || a.Key == "request"
	h.hasTrace = h.hasTrace || a.Key == "trace"
}

// WithAttrs implements slog.Handler.
func (h *Handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	with := *h
	with.Handler = h.Handler.WithAttrs(attrs)
	for _, a := range attrs {
		with.see(a)
	}
	return &with
}

// WithGroup implements slog.Handler.
func (h *Handler) WithGroup(name string) slog.Handler {
	with := *h
	with.Handler = h.Handler.WithGroup(name)
	return &with
}
