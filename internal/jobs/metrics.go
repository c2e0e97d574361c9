package jobs

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Metrics are what a Service counts. A nil one counts nothing.
type Metrics struct {
	repairs  *prometheus.CounterVec
	pass     prometheus.Histogram
	lastPass prometheus.Gauge
	swept    *prometheus.CounterVec
}

// What is counted as a repair.
const (
	repairFinish      = "job_ended"
	repairFailStalled = "stalled_chunk_failed"
	repairFailOpen    = "open_chunk_failed"
	repairSlot        = "slot_put_back"
	repairView        = "view_shown"
	repairFailed      = "failed"
)

// NewMetrics returns metrics that are registered with reg.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	m := &Metrics{
		repairs: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "muster_reconcile_actions_total",
			Help: "What this process did to make things agree with jobs' rows, for a request or as reconciler, by action: job_ended, slot_put_back, view_shown, " +
				"stalled_chunk_failed and open_chunk_failed (chunks that failed for good), failed (a job that could not be reconciled this time).",
		}, []string{"action"}),
		pass: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "muster_reconcile_duration_seconds", Help: "Time of a pass of the reconciler over all jobs that are not finalized.",
			Buckets: []float64{.001, .005, .01, .05, .1, .5, 1, 5, 10, 30, 60},
		}),
		lastPass: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "muster_reconcile_last_success_timestamp_seconds", Help: "When this worker's reconciler last went through all jobs, as Unix time; 0: not yet.",
		}),
		swept: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "muster_swept_total", Help: "What this worker removed because nobody needs it any more, by kind: objects of the file store, rejected rows.",
		}, []string{"kind"}),
	}
	for _, action := range []string{repairFinish, repairFailStalled, repairFailOpen, repairSlot, repairView, repairFailed} {
		m.repairs.WithLabelValues(action)
	}
	for _, kind := range []string{sweptObjects, sweptRejects} {
		m.swept.WithLabelValues(kind)
	}
	reg.MustRegister(m.repairs, m.pass, m.lastPass, m.swept)
	return m
}

// What a sweep removes.
const (
	sweptObjects = "objects"
	sweptRejects = "rejected_rows"
)

func (m *Metrics) did(action string, n int64) {
	if m != nil {
		m.repairs.WithLabelValues(action).Add(float64(n))
	}
}

// passed counts a pass that began then; err: it did not see all jobs.
func (m *Metrics) passed(began time.Time, err error) {
	if m == nil {
		return
	}
	m.pass.Observe(time.Since(began).Seconds())
	if err == nil {
		m.lastPass.SetToCurrentTime()
	}
}

func (m *Metrics) sweptAway(kind string, n int64) {
	if m != nil {
		m.swept.WithLabelValues(kind).Add(float64(n))
	}
}
