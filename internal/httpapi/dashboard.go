package httpapi

import (
	"context"
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/musterhq/muster/internal/job"
)

const dashboardRoot = "/dashboard"

// pages mounts a dashboard, which answers for all below the group's prefix.
func (s *Server) pages(g *echo.Group, dashboard http.Handler) {
	if dashboard == nil {
		return
	}
	h := echo.WrapHandler(dashboard)
	methods := []string{http.MethodGet, http.MethodHead, http.MethodPost}
	if s.Auth != nil {
		methods = append(methods, http.MethodPatch) // pages upload through the dashboard, which knows their caller
	}
	for _, method := range methods {
		g.Add(method, "", h)
		g.Add(method, "/*", h)
	}
}

// isDashboard reports whether a route is of the dashboard, which reads bodies itself.
func isDashboard(route string) bool {
	return route == dashboardRoot || strings.HasPrefix(route, dashboardRoot+"/")
}

// Message returns a sentence for people about where the job stands.
func (s *Server) Message(j job.Job) string { return s.message(j) }

// Live returns ctx that also ends when the process stops, for answers that last.
func Live(ctx context.Context) (context.Context, context.CancelFunc) { return untilShutdown(ctx) }
