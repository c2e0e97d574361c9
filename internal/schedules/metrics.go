package schedules

import (
	"strings"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/musterhq/muster/internal/job"
)

// Metrics are what a Runner counts. A nil one counts nothing.
type Metrics struct {
	runs     *prometheus.CounterVec
	lateness prometheus.Histogram
	lastPass prometheus.Gauge
}

// NewMetrics returns metrics that are registered with reg.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	m := &Metrics{
		runs: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "muster_schedule_runs_total",
			Help: "Runs of schedules that this worker has decided about, by outcome: submitted, skipped, missed, failed.",
		}, []string{"outcome"}),
		lateness: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "muster_schedule_lateness_seconds", Help: "From the fire time of a run to its job.",
			Buckets: []float64{1, 2, 5, 10, 30, 60, 300, 1800, 7200, 86400},
		}),
		lastPass: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "muster_schedule_last_success_timestamp_seconds", Help: "When this worker last looked at all schedules, as Unix time; 0: not yet.",
		}),
	}
	for _, state := range []job.RunState{job.RunSubmitted, job.RunSkipped, job.RunMissed, job.RunFailed} {
		m.runs.WithLabelValues(strings.ToLower(string(state)))
	}
	reg.MustRegister(m.runs, m.lateness, m.lastPass)
	return m
}

// did counts a run that is decided.
func (m *Metrics) did(r *job.ScheduleRun) {
	if m == nil {
		return
	}
	m.runs.WithLabelValues(strings.ToLower(string(r.State))).Inc()
	if r.State == job.RunSubmitted {
		m.lateness.Observe(r.FinishedAt.Sub(r.FireAt).Seconds())
	}
}

// passed counts a look at all schedules.
func (m *Metrics) passed(err error) {
	if m != nil && err == nil {
		m.lastPass.SetToCurrentTime()
	}
}
