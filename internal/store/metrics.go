package store

import (
	"context"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/musterhq/muster/internal/job"
	"github.com/musterhq/muster/internal/scrape"
)

var (
	jobsNow = prometheus.NewDesc("muster_jobs",
		"Jobs that are not over, by status and tier; those that are PENDING or IN_PROGRESS hold a slot. The same from every process: take max(), not sum().",
		[]string{"status", "tier"}, nil)
	oldestJob = prometheus.NewDesc("muster_jobs_oldest_seconds",
		"Age of the oldest job that is PENDING or IN_PROGRESS; 0: there is none. The same from every process: take max(), not sum().", nil, nil)
)

// Collectors returns the figures of the database for Prometheus: of its jobs, also of tiers without one, and of this process's
// pools of connections.
func (s *Store) Collectors(tiers job.Tiers) []prometheus.Collector {
	read := func(ctx context.Context) ([]prometheus.Metric, error) { return s.jobFigures(ctx, tiers) }
	all := []prometheus.Collector{
		scrape.New("database", read, jobsNow, oldestJob),
		collectors.NewDBStatsCollector(s.w.DB, "writer"),
	}
	if s.r != s.w {
		all = append(all, collectors.NewDBStatsCollector(s.r.DB, "reader"))
	}
	return all
}

func (s *Store) jobFigures(ctx context.Context, tiers job.Tiers) ([]prometheus.Metric, error) {
	var rows []struct {
		Status job.Status `db:"status"`
		Tier   job.Tier   `db:"tier"`
		Jobs   int64      `db:"jobs"`
		Age    float64    `db:"age"` // ms
	}
	err := s.r.SelectContext(ctx, &rows, `
		SELECT status, tier, COUNT(*) AS jobs, `+s.dialect.now+` - MIN(created_at) AS age
		  FROM jobs
		 WHERE `+notOver+`
		 GROUP BY status, tier`)
	if err != nil {
		return nil, translate("count jobs", err)
	}
	type key struct {
		status job.Status
		tier   job.Tier
	}
	count := map[key]int64{}
	for _, status := range []job.Status{job.Pending, job.InProgress, job.Paused} {
		for _, l := range tiers {
			count[key{status, l.Tier}] = 0
		}
	}
	oldest := 0.0
	for _, r := range rows {
		count[key{r.Status, r.Tier}] = r.Jobs
		if r.Status.HoldsSlot() {
			oldest = max(oldest, r.Age/1000)
		}
	}
	var out []prometheus.Metric
	for k, n := range count {
		out = append(out, prometheus.MustNewConstMetric(jobsNow, prometheus.GaugeValue, float64(n), string(k.status), string(k.tier)))
	}
	return append(out, prometheus.MustNewConstMetric(oldestJob, prometheus.GaugeValue, oldest)), nil
}
