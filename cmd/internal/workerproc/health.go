package workerproc

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/musterhq/muster/cmd/internal/boot"
	"github.com/musterhq/muster/internal/job"
)

// serveHealth answers /healthz, /readyz and /metrics on MUSTER_HEALTH_ADDR, if that is set, until stop is called.
func serveHealth(ctx context.Context, s *boot.Stack) (stop func(), err error) {
	if s.Config.HealthAddr == "" {
		return func() {}, nil
	}
	var listen net.ListenConfig
	l, err := listen.Listen(ctx, "tcp", s.Config.HealthAddr)
	if err != nil {
		return nil, fmt.Errorf("MUSTER_HEALTH_ADDR: %w", err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = fmt.Fprintln(w, "ok")
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		if err := s.Ready(r.Context()); err != nil {
			s.Log.Warn("not ready", "err", err)
			text := "not ready"
			if unready, ok := errors.AsType[*job.UnreadyError](err); ok { // other errors may hold addresses and user names
				text += ": redis: " + unready.Reason
			} else if reason := job.StoreTrouble(err); reason != "" {
				text += ": database: " + string(reason)
			}
			http.Error(w, text, http.StatusServiceUnavailable)
			return
		}
		_, _ = fmt.Fprintln(w, "ok")
	})
	mux.Handle("GET /metrics", forAdmins(s.Config.AdminPassword, s.MetricsPage()))
	srv := &http.Server{
		Handler: mux, ReadTimeout: 5 * time.Second, WriteTimeout: 10 * time.Second,
		ErrorLog: slog.NewLogLogger(s.Log.Handler(), slog.LevelWarn),
	}
	go func() { _ = srv.Serve(l) }()
	return func() { _ = srv.Close() }, nil
}

// forAdmins asks for the password of the user admin, if there is one.
func forAdmins(password string, page http.Handler) http.Handler {
	if password == "" {
		return page
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, given, _ := r.BasicAuth()
		rightUser := subtle.ConstantTimeCompare([]byte(user), []byte("admin"))
		if rightUser&subtle.ConstantTimeCompare([]byte(given), []byte(password)) != 1 {
			w.Header().Set("WWW-Authenticate", `Basic realm="Muster"`)
			http.Error(w, "the user admin and its password are needed", http.StatusUnauthorized)
			return
		}
		page.ServeHTTP(w, r)
	})
}
