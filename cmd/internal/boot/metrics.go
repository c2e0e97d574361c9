package boot

import (
	"log/slog"
	"net/http"
	"runtime"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/redis/go-redis/v9"

	"github.com/musterhq/muster/internal/jobs"
)

// measure makes the registry of this process, with what all processes have: the runtime, the build, the pools of
// connections, and the figures of queue and jobs. What an API or a worker does it adds itself.
func (s *Stack) measure() {
	reg := prometheus.NewRegistry()
	reg.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), buildInfo(), &redisPool{s.Redis})
	reg.MustRegister(s.Store.Collectors(s.Tiers)...)
	reg.MustRegister(s.queue.Collector())
	s.Metrics, s.jobMetrics = reg, jobs.NewMetrics(reg)
}

// MetricsPage serves the figures of this process to Prometheus.
func (s *Stack) MetricsPage() http.Handler {
	return promhttp.HandlerFor(s.Metrics, promhttp.HandlerOpts{
		// What can be had is served, when a part fails.
		ErrorHandling: promhttp.ContinueOnError, ErrorLog: slog.NewLogLogger(s.Log.Handler(), slog.LevelWarn), Registry: s.Metrics,
		EnableOpenMetrics: true,
	})
}

func buildInfo() prometheus.Collector {
	name, commit := version()
	g := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "muster_build_info", Help: "1; its labels say which release this process is, of which commit, and which Go built it.",
		ConstLabels: prometheus.Labels{"version": name, "revision": commit, "goversion": runtime.Version()},
	})
	g.Set(1)
	return g
}

// redisPool collects the figures of the pool of connections to Redis.
type redisPool struct{ rdb redis.UniversalClient }

var (
	redisConns = prometheus.NewDesc("muster_redis_pool_connections", "Connections to Redis that are open, by state: idle, used.", []string{"state"}, nil)
	redisGets  = prometheus.NewDesc("muster_redis_pool_gets_total",
		"Requests for a connection to Redis, by outcome: hit (an open one), miss (a new one), timeout (none was free in time).", []string{"outcome"}, nil)
	redisStale = prometheus.NewDesc("muster_redis_pool_stale_connections_total", "Connections to Redis that were closed because they were broken or old.", nil, nil)
)

// Describe implements prometheus.Collector.
func (*redisPool) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{redisConns, redisGets, redisStale} {
		out <- d
	}
}

// Collect implements prometheus.Collector.
func (p *redisPool) Collect(out chan<- prometheus.Metric) {
	st := p.rdb.PoolStats()
	out <- prometheus.MustNewConstMetric(redisConns, prometheus.GaugeValue, float64(st.IdleConns), "idle")
	out <- prometheus.MustNewConstMetric(redisConns, prometheus.GaugeValue, float64(st.TotalConns-min(st.IdleConns, st.TotalConns)), "used")
	for outcome, n := range map[string]uint32{"hit": st.Hits, "miss": st.Misses, "timeout": st.Timeouts} {
		out <- prometheus.MustNewConstMetric(redisGets, prometheus.CounterValue, float64(n), outcome)
	}
	out <- prometheus.MustNewConstMetric(redisStale, prometheus.CounterValue, float64(st.StaleConns))
}
