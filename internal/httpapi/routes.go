package httpapi

import (
	"net/http"
	"net/http/pprof"

	"github.com/labstack/echo/v4"
	"github.com/labstack/echo/v4/middleware"

	"github.com/musterhq/muster/internal/apikey"
	"github.com/musterhq/muster/internal/httpapi/api"
)

// read are the methods of all that is read: HEAD is there wherever GET is (RFC 9110, 9.1).
var read = []string{http.MethodGet, http.MethodHead}

// Public serves the API, its documentation and the health checks. It answers to any Host, unless LoopbackNames is set.
func (s *Server) Public() http.Handler {
	e := s.echo()
	needs := s.guard(e)
	w := api.ServerInterfaceWrapper{Handler: api.NewStrictHandler(handlers{s}, nil)}

	for _, prefix := range []string{"/api/v1", "/api"} {
		g := e.Group(prefix) // no middleware of its own: Echo would answer 404 for 405
		s.usersAndJobs(g, &w)
		connections(g, &w)
	}
	e.Match(read, "/healthz", w.GetHealth)       // orchestrator: restart me?
	e.Match(read, "/readyz", w.GetReadiness)     // load balancer: send me requests?
	e.Match(read, "/openapi.json", s.contract)   // client generators, /docs
	e.Match(read, "/", leadTo("/docs"))          // people who were told a host and a port
	s.docs(e)                                    // GET /docs, people
	s.pages(e.Group(dashboardRoot), s.Dashboard) // people who want to see their jobs
	s.scopes(e.Routes(), needs)
	return e
}

// guard adds what stands before the routes, in its order. It returns the scopes that they need, which are filled in when
// there are routes.
func (s *Server) guard(e *echo.Echo) (needs map[string]apikey.Scope) {
	if len(s.CORSOrigins) > 0 {
		e.Use(s.cors())
	}
	if s.LoopbackNames {
		e.Use(loopbackNames)
	}
	e.Use(sameOrigin(!s.LoopbackNames))
	needs = map[string]apikey.Scope{}
	if s.Auth != nil {
		e.Use(s.authenticate(needs)) // before anything of the body is read
	}
	e.Use(s.literalFirst, s.readBody, s.validate)
	return needs
}

func (s *Server) usersAndJobs(g *echo.Group, w *api.ServerInterfaceWrapper) {
	g.Match(read, "/users", w.ListUsers)                            // a client lists users
	g.Match(read, "/users/search", w.SearchUsers)                   // the same, under its other path
	g.POST("/users", w.CreateUser)                                  // a client has a user
	g.Match(read, "/users/:id", w.GetUser)                          // a client shows one
	g.PUT("/users/:id", w.ReplaceUser)                              // a client saves its form
	g.PATCH("/users/:id", w.PatchUser)                              // a client changes a field
	g.DELETE("/users/:id", w.DeleteUser)                            // a client deletes one
	g.POST("/users/:id/reactivate", w.ReactivateUser)               // and restores it
	g.POST("/users/import/async", w.ImportUsers)                    // a client wants many users
	g.POST("/import/bulk", w.ImportBulk)                            // the same, source faker
	g.POST("/import/random-users", w.ImportRandomUsers)             // the same, source randomuser
	g.POST("/import/file", w.ImportFile, s.streamed)                // a client has a file
	g.POST("/import/preview", w.PreviewFile, s.streamed)            // and wants to see first what it is taken for
	g.Match(begins, "/uploads", s.uploads)                          // its line is bad: tus, which reads the body itself
	g.Match(goesOn, "/uploads/:uploadId", s.uploads)                // and goes on with it
	g.Match(read, "/jobs", w.ListJobs)                              // a client looks for its jobs
	g.Match(read, "/jobs/:jobId", w.GetJob)                         // a client polls
	g.Match(read, "/jobs/:jobId/events", w.JobEvents)               // a client watches
	g.Match(read, "/jobs/:jobId/rejected", w.RejectedRows, chunked) // and mends what was rejected
	g.POST("/jobs/:jobId/cancel", w.CancelJob)                      // a client has changed its mind
	g.POST("/jobs/:jobId/pause", w.PauseJob)                        // a client makes room for another job
	g.POST("/jobs/:jobId/resume", w.ResumeJob)                      // and lets it go on
	g.POST("/jobs/:jobId/retry", w.RetryJob)                        // what made a job fail is mended
	g.POST("/jobs/:jobId/undo", w.UndoJob)                          // a client wants the users of a job gone
	g.Match(read, "/export/stream", w.ExportUsers, chunked)         // a client wants them all as a file
	g.Match(read, "/export/csv", w.ExportFile)                      // the same, for one that resumes downloads
}

// connections are the routes by which Muster is a part of other systems.
func connections(g *echo.Group, w *api.ServerInterfaceWrapper) {
	g.Match(read, "/schedules", w.ListSchedules)                        // a client looks what is submitted by itself
	g.POST("/schedules", w.CreateSchedule)                              // and wants an export each night
	g.Match(read, "/schedules/:scheduleId", w.GetSchedule)              // when is the next?
	g.PUT("/schedules/:scheduleId", w.ReplaceSchedule)                  // an hour later, please
	g.DELETE("/schedules/:scheduleId", w.DeleteSchedule)                // nobody needs it any more
	g.POST("/schedules/:scheduleId/pause", w.PauseSchedule)             // not while we move
	g.POST("/schedules/:scheduleId/resume", w.ResumeSchedule)           // and back
	g.POST("/schedules/:scheduleId/run", w.RunSchedule)                 // not only tonight
	g.Match(read, "/schedules/:scheduleId/runs", w.ListScheduleRuns)    // did it run?
	g.Match(read, "/webhooks", w.ListWebhooks)                          // a client looks who is told of its jobs
	g.POST("/webhooks", w.CreateWebhook)                                // and has somebody told
	g.Match(read, "/webhooks/:webhookId", w.GetWebhook)                 // is it disabled?
	g.DELETE("/webhooks/:webhookId", w.DeleteWebhook)                   // nobody is to be told any more
	g.Match(read, "/webhooks/:webhookId/secret", w.GetWebhookSecret)    // what does the receiver check by?
	g.POST("/webhooks/:webhookId/rotate", w.RotateWebhook)              // the secret is known to others
	g.POST("/webhooks/:webhookId/disable", w.DisableWebhook)            // the receiver is being repaired
	g.POST("/webhooks/:webhookId/enable", w.EnableWebhook)              // and back
	g.POST("/webhooks/:webhookId/test", w.TestWebhook)                  // does it arrive?
	g.POST("/webhooks/:webhookId/replay", w.ReplayWebhook)              // the receiver has lost what it was told
	g.Match(read, "/webhooks/deliveries", w.ListDeliveries)             // what was told, and did it arrive?
	g.Match(read, "/webhooks/deliveries/:deliveryId", w.GetDelivery)    // and why not
	g.POST("/webhooks/deliveries/:deliveryId/replay", w.ReplayDelivery) // once more
	g.POST("/exports", w.ExportJob)                                     // a client wants them written by the workers
	g.Match(read, "/exports/:jobId/files", w.ExportFiles)               // and has the files then
	g.Match(read, "/exports/:jobId/files/:name", w.FetchExportFile)     // whoever has a link to one
	g.POST("/keys", w.CreateKey)                                        // an administrator lets somebody in
	g.Match(read, "/keys", w.ListKeys)                                  // looks who is let in
	g.Match(read, "/keys/:keyId", w.GetKey)                             // and when last
	g.POST("/keys/:keyId/revoke", w.RevokeKey)                          // and lets somebody in no more
}

// Admin serves what is for operators only; its listener is on loopback unless configured otherwise. Without a password
// it answers under loopback's names only. With one it answers to any, since a browser sends the password to no other
// origin.
func (s *Server) Admin() http.Handler {
	e := s.echo()
	if s.AdminPassword == "" {
		e.Use(loopbackNames)
	}
	e.Use(sameOrigin(false))
	w := api.ServerInterfaceWrapper{Handler: api.NewStrictHandler(handlers{s}, nil)}
	e.Match(read, "/healthz", w.GetHealth)

	g := e.Group("")
	if s.AdminPassword != "" {
		g.Use(middleware.BasicAuth(s.isAdmin))
	}
	s.pages(g.Group(dashboardRoot), s.AdminDashboard) // operators, everybody's jobs
	if s.MetricsPage != nil {
		g.Match(read, "/metrics", echo.WrapHandler(s.MetricsPage)) // Prometheus
	}
	// go tool pprof. Not its cmdline, which would show the passwords that were given as flags.
	g.Match(read, "/debug/pprof/*", echo.WrapHandler(http.HandlerFunc(pprof.Index)))
	g.Match(read, "/debug/pprof/profile", echo.WrapHandler(http.HandlerFunc(pprof.Profile)))
	g.Match(read, "/debug/pprof/symbol", echo.WrapHandler(http.HandlerFunc(pprof.Symbol)))
	g.Match(read, "/debug/pprof/trace", echo.WrapHandler(http.HandlerFunc(pprof.Trace)))
	if s.Monitoring != nil {
		s.Monitoring.mount(g.Group(monitoringRoot)) // asynqmon: the queues
		g.Match(read, "/", leadTo(monitoringRoot))
	}
	return e
}

// leadTo sends the caller on to another path.
func leadTo(path string) echo.HandlerFunc {
	return func(c echo.Context) error { return c.Redirect(http.StatusFound, path) }
}
