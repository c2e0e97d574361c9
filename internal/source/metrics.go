package source

import (
	"errors"
	"time"

	"github.com/failsafe-go/failsafe-go/circuitbreaker"
	"github.com/prometheus/client_golang/prometheus"
)

// Metrics are what a RandomUser counts. A nil one counts nothing.
type Metrics struct {
	requests *prometheus.CounterVec
	seconds  prometheus.Histogram
	open     prometheus.Gauge
}

// NewMetrics returns metrics that are registered with reg.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	m := &Metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "muster_upstream_requests_total", Help: "Requests to RandomUser, by outcome: done, limited (status 429), failed.",
		}, []string{"outcome"}),
		seconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "muster_upstream_request_duration_seconds", Help: "Time of a request to RandomUser.",
			Buckets: []float64{.01, .05, .1, .25, .5, 1, 2.5, 5, 10},
		}),
		open: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "muster_upstream_breaker_open", Help: "1 while this worker asks RandomUser for nothing, or only tries, since it failed too often; 0 otherwise.",
		}),
	}
	for _, outcome := range []string{"done", "limited", "failed"} {
		m.requests.WithLabelValues(outcome)
	}
	reg.MustRegister(m.requests, m.seconds, m.open)
	return m
}

// asked counts a request that began then.
func (m *Metrics) asked(began time.Time, err error) {
	if m == nil {
		return
	}
	m.seconds.Observe(time.Since(began).Seconds())
	outcome := "done"
	switch {
	case errors.Is(err, errTooMany):
		outcome = "limited"
	case err != nil:
		outcome = "failed"
	}
	m.requests.WithLabelValues(outcome).Inc()
}

func (m *Metrics) breaker(now circuitbreaker.State) {
	if m == nil {
		return
	}
	if now == circuitbreaker.ClosedState {
		m.open.Set(0)
		return
	}
	m.open.Set(1)
}
