package scrape_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/musterhq/muster/internal/scrape"
)

var desc = prometheus.NewDesc("jobs", "Jobs.", nil, nil)

func gauge(v float64) []prometheus.Metric {
	return []prometheus.Metric{prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, v)}
}

const errorsHelp = "# HELP muster_scrape_errors_total Scrapes without the figures of a part, because it did not answer within two seconds.\n# TYPE muster_scrape_errors_total counter\n"

// Figures are read once for scrapes that come soon after one another.
func TestFiguresAreKept(t *testing.T) {
	t.Parallel()
	var reads atomic.Int64
	c := scrape.New("database", func(context.Context) ([]prometheus.Metric, error) { return gauge(float64(reads.Add(1))), nil }, desc)
	want := "# HELP jobs Jobs.\n# TYPE jobs gauge\njobs 1\n" + errorsHelp + `muster_scrape_errors_total{part="database"} 0` + "\n"
	for range 3 {
		if err := testutil.CollectAndCompare(c, strings.NewReader(want)); err != nil {
			t.Fatal(err)
		}
	}
}

// A part that fails, or hangs, leaves its figures out, and those of others are there.
func TestFailuresAreCounted(t *testing.T) {
	t.Parallel()
	stuck := make(chan struct{})
	defer close(stuck)
	for name, read := range map[string]func(context.Context) ([]prometheus.Metric, error){
		"fails": func(context.Context) ([]prometheus.Metric, error) { return nil, errors.New("down") },
		"hangs": func(context.Context) ([]prometheus.Metric, error) { <-stuck; return gauge(1), nil },
	} {
		reg := prometheus.NewPedanticRegistry()
		reg.MustRegister(scrape.New("queue", read, desc), prometheus.NewGauge(prometheus.GaugeOpts{Name: "other", Help: "Other."}))
		want := "# HELP other Other.\n# TYPE other gauge\nother 0\n" + errorsHelp + `muster_scrape_errors_total{part="queue"} 1` + "\n"
		if err := testutil.GatherAndCompare(reg, strings.NewReader(want)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
