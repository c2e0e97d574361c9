// Package scrape collects figures that have to be asked for, from the database or the queue, when Prometheus scrapes.
package scrape

import (
	"context"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

const (
	// within is how long a scrape waits for the figures: far less than Prometheus waits for a scrape.
	within = 2 * time.Second
	// kept is how long figures are given out, so that several who scrape cost no more than one.
	kept = 5 * time.Second
)

// Collector hands out the figures that its read function returns. Without an answer in time it hands out none, so that the
// other figures of the scrape are there all the same, and counts that.
type Collector struct {
	read  func(ctx context.Context) ([]prometheus.Metric, error)
	descs []*prometheus.Desc

	errors  prometheus.Counter
	mu      sync.Mutex
	found   []prometheus.Metric
	at      time.Time
	reading chan struct{} // closed when the read that runs has ended; nil: none runs
}

// New returns a collector of what is described by descs. part names it where its failures are counted. read need not heed its
// context: one that takes longer is waited for no more, and not called again before it ends.
func New(part string, read func(ctx context.Context) ([]prometheus.Metric, error), descs ...*prometheus.Desc) *Collector {
	return &Collector{read: read, descs: descs, errors: prometheus.NewCounter(prometheus.CounterOpts{
		Name: "muster_scrape_errors_total", ConstLabels: prometheus.Labels{"part": part},
		Help: "Scrapes without the figures of a part, because it did not answer within two seconds.",
	})}
}

// Describe implements prometheus.Collector.
func (c *Collector) Describe(out chan<- *prometheus.Desc) {
	for _, d := range c.descs {
		out <- d
	}
	c.errors.Describe(out)
}

// Collect implements prometheus.Collector.
func (c *Collector) Collect(out chan<- prometheus.Metric) {
	for _, m := range c.figures() {
		out <- m
	}
	c.errors.Collect(out)
}

func (c *Collector) figures() []prometheus.Metric {
	c.mu.Lock()
	if c.found != nil && time.Since(c.at) < kept {
		defer c.mu.Unlock()
		return c.found
	}
	if c.reading == nil {
		c.reading = make(chan struct{})
		go c.update(c.reading)
	}
	reading := c.reading
	c.mu.Unlock()
	select {
	case <-reading:
	case <-time.After(within):
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.found == nil || time.Since(c.at) >= kept {
		c.errors.Inc()
		return nil
	}
	return c.found
}

func (c *Collector) update(done chan struct{}) {
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	found, err := c.read(ctx)
	c.mu.Lock()
	defer c.mu.Unlock()
	if err == nil {
		c.found, c.at = found, time.Now()
	}
	c.reading = nil
	close(done)
}
