package httpapi

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"time"
)

// NewHTTPServer makes the http.Server for a handler of this package, with every limit set. Its Shutdown ends
// streams and waits at once and lets the other requests finish.
func NewHTTPServer(h http.Handler, log *slog.Logger) *http.Server {
	shutdown, begin := context.WithCancel(context.Background())
	srv := &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       15 * time.Second,
		// Above maxWait; streams set their own.
		WriteTimeout:   maxWait + 15*time.Second,
		IdleTimeout:    2 * time.Minute,
		MaxHeaderBytes: 32 << 10,
		ErrorLog:       slog.NewLogLogger(log.Handler(), slog.LevelWarn),
		BaseContext: func(net.Listener) context.Context {
			return context.WithValue(context.Background(), shutdownKey{}, shutdown)
		},
	}
	srv.RegisterOnShutdown(begin)
	return srv
}

// shutdownKey finds, in a request's context, the context that ends when the server begins to shut down.
type shutdownKey struct{}

// untilShutdown ends ctx also when the server begins to shut down. Only what may be broken off uses it: a base
// context that ended would break off submissions, too.
func untilShutdown(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	shutdown, ok := ctx.Value(shutdownKey{}).(context.Context)
	if !ok {
		return ctx, cancel
	}
	stop := context.AfterFunc(shutdown, cancel)
	return ctx, func() { stop(); cancel() }
}
