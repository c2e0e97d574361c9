package httpapi

import (
	"cmp"
	"context"
	"errors"
	"io"
	"slices"
	"strconv"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/musterhq/muster/internal/invalid"
	"github.com/musterhq/muster/internal/job"
	"github.com/musterhq/muster/internal/user"
)

// Metrics are what a Server counts. A nil one counts nothing.
type Metrics struct {
	requests    *prometheus.CounterVec
	seconds     *prometheus.HistogramVec
	inFlight    prometheus.Gauge
	submissions *prometheus.CounterVec
	received    prometheus.Counter

	exports       *prometheus.CounterVec
	exportRows    *prometheus.CounterVec
	exportBytes   *prometheus.CounterVec
	exportsAtOnce prometheus.Gauge
}

// NewMetrics returns metrics that are registered with reg.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	m := &Metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "muster_http_requests_total",
			Help: "Requests that were answered, by method, pattern of the route and status; status 0: the connection was cut before there was one.",
		}, []string{"method", "route", "status"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "muster_http_request_duration_seconds",
			Help:    "Time from a request to the end of its answer, by pattern of the route. Streams take as long as their clients do.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60},
		}, []string{"route"}),
		inFlight: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "muster_http_requests_in_flight", Help: "Requests that are being answered.",
		}),
		submissions: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "muster_submissions_total",
			Help: "Submissions of jobs by source, tier and outcome: accepted, replayed, or why they were refused. The tier is empty where it is not known.",
		}, []string{"source", "tier", "outcome"}),
		received: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "muster_received_file_bytes_total", Help: "Bytes of files that arrived whole, in a body or from MUSTER_IMPORT_FROM. Resumable uploads are not among them.",
		}),
		exports: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "muster_exports_total", Help: "Exports that ended, by format and outcome: done, cut by the client or the shutdown, failed.",
		}, []string{"format", "outcome"}),
		exportRows: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "muster_export_users_total", Help: "Users that were written by exports that ended, by format.",
		}, []string{"format"}),
		exportBytes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "muster_export_bytes_total", Help: "Bytes that were written by exports, compressed, by format.",
		}, []string{"format"}),
		exportsAtOnce: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "muster_exports_running", Help: "Exports that are being made; MUSTER_MAX_EXPORTS is the most.",
		}),
	}
	reg.MustRegister(m.requests, m.seconds, m.inFlight, m.submissions, m.received, m.exports, m.exportRows, m.exportBytes, m.exportsAtOnce)
	return m
}

// begin counts a request that has come, and returns what counts its end.
func (m *Metrics) begin(c echo.Context) (end func(cut bool)) {
	if m == nil {
		return func(bool) {}
	}
	start := time.Now()
	m.inFlight.Inc()
	return func(cut bool) {
		m.inFlight.Dec()
		route, status := routeOf(c), c.Response().Status
		if cut && !c.Response().Committed {
			status = 0
		}
		m.requests.WithLabelValues(methodOf(c.Request()), route, strconv.Itoa(status)).Inc()
		m.seconds.WithLabelValues(route).Observe(time.Since(start).Seconds())
	}
}

// countedJobs counts what is submitted.
type countedJobs struct {
	Jobs
	m *Metrics
}

func (s countedJobs) Submit(ctx context.Context, spec job.Spec) (job.Job, bool, error) {
	j, replayed, err := s.Jobs.Submit(ctx, spec)
	tier := string(j.Tier)
	if limit, ok := errors.AsType[*job.LimitError](err); ok {
		tier = string(limit.Tier)
	}
	source := spec.Source
	if !slices.Contains([]string{job.SourceFaker, job.SourceRandomUser, job.SourceFile, job.SourceExport}, source) {
		source = "other"
	}
	s.m.submissions.WithLabelValues(source, tier, submission(replayed, err)).Inc()
	return j, replayed, err
}

// submission returns the outcome of a submission: accepted, replayed or the code of the refusal.
func submission(replayed bool, err error) string {
	if _, bad := errors.AsType[*invalid.Error](err); bad {
		return validationFailed.String()
	}
	switch {
	case err != nil:
		return explain(err).code.String()
	case replayed:
		return "replayed"
	}
	return "accepted"
}

// countedExports counts the files that are made.
type countedExports struct {
	Exporter
	m *Metrics
}

func (e countedExports) Stream(ctx context.Context, w io.Writer, s user.ExportSpec) (int64, error) {
	format := cmp.Or(s.Format, user.CSV)
	e.m.exportsAtOnce.Inc()
	defer e.m.exportsAtOnce.Dec()
	out := &counter{w: w}
	rows, err := e.Exporter.Stream(ctx, out, s)
	outcome := "done"
	switch {
	case err != nil && (ctx.Err() != nil || out.failed):
		outcome = "cut"
	case err != nil:
		outcome = "failed"
	}
	e.m.exports.WithLabelValues(format, outcome).Inc()
	e.m.exportRows.WithLabelValues(format).Add(float64(rows))
	e.m.exportBytes.WithLabelValues(format).Add(float64(out.n))
	return rows, err
}

// countedUploads counts the bytes of files that arrive.
type countedUploads struct {
	Uploads
	m *Metrics
}

func (u countedUploads) Receive(ctx context.Context, owner, fileName, contentType string, body io.Reader) (*job.Upload, error) {
	up, err := u.Uploads.Receive(ctx, owner, fileName, contentType, body)
	if err == nil {
		u.m.received.Add(float64(up.Size))
	}
	return up, err
}

// count makes the Server's parts count what they do.
func (c *Config) count() {
	if c.Metrics == nil {
		return
	}
	c.Jobs = countedJobs{c.Jobs, c.Metrics}
	c.Export = countedExports{c.Export, c.Metrics}
	if c.Uploads != nil {
		c.Uploads = countedUploads{c.Uploads, c.Metrics}
	}
}
