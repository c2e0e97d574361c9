package tasks

import (
	"context"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/musterhq/muster/internal/job"
	"github.com/musterhq/muster/internal/scrape"
)

// everywhere ends the help of figures of the whole fleet.
const everywhere = " The same from every process: take max(), not sum()."

func describe(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(name, help+everywhere, labels, nil)
}

// The figures of the queue have the names that asynq's own exporter gives them, by which asynqmon's page asks for them.
var (
	enqueued  = describe("asynq_tasks_enqueued_total", "Tasks in the queue, by queue and state.", "queue", "state")
	size      = describe("asynq_queue_size", "Tasks in the queue.", "queue")
	latency   = describe("asynq_queue_latency_seconds", "Age of the oldest task that no worker has taken.", "queue")
	memory    = describe("asynq_queue_memory_usage_approx_bytes", "Memory of Redis that the queue takes, estimated by a sample.", "queue")
	processed = describe("asynq_tasks_processed_total", "Tasks that workers have taken, failed ones included.", "queue")
	failed    = describe("asynq_tasks_failed_total", "Tasks that failed: their processes died.", "queue")
	paused    = describe("asynq_queue_paused_total", "1 when workers take nothing from the queue.", "queue")
	workers   = describe("muster_workers", "Worker processes that were alive within the last ten seconds.")
	capacity  = describe("muster_workers_concurrency", "Chunks that all workers together can have in hand.")
	inHandNow = describe("muster_fleet_chunks_in_hand", "Chunks and undos that all workers together have in hand.")
)

// Collector returns the figures of the queue and the fleet for Prometheus.
func (c *Client) Collector() prometheus.Collector {
	read := func(context.Context) ([]prometheus.Metric, error) {
		f, err := c.Fleet()
		return figures(&f), err
	}
	return scrape.New("queue", read, enqueued, size, latency, memory, processed, failed, paused, workers, capacity, inHandNow)
}

func figures(f *job.Fleet) (out []prometheus.Metric) {
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		out = append(out, prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...))
	}
	counter := func(d *prometheus.Desc, v int64, labels ...string) {
		out = append(out, prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v), labels...))
	}
	for i := range f.Queues {
		q := &f.Queues[i]
		for state, n := range map[string]int{"pending": q.Pending, "active": q.Active, "scheduled": q.Scheduled, "retry": q.Retry, "archived": q.Archived} {
			counter(enqueued, int64(n), q.Name, state)
		}
		gauge(size, float64(q.Pending+q.Active+q.Scheduled+q.Retry+q.Archived), q.Name)
		gauge(latency, q.Latency.Seconds(), q.Name)
		gauge(memory, float64(q.Bytes), q.Name)
		counter(processed, q.Processed, q.Name)
		counter(failed, q.Failed, q.Name)
		isPaused := 0.0
		if q.Paused {
			isPaused = 1
		}
		gauge(paused, isPaused, q.Name)
	}
	all, busy := 0, 0
	for i := range f.Workers {
		all += f.Workers[i].Concurrency
		busy += len(f.Workers[i].InHand)
	}
	gauge(workers, float64(len(f.Workers)))
	gauge(capacity, float64(all))
	gauge(inHandNow, float64(busy))
	return out
}
