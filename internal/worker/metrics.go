package worker

import (
	"context"
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/musterhq/muster/internal/job"
	"github.com/musterhq/muster/internal/webhook"
)

// Metrics are what an Importer and an Undoer count. A nil one counts nothing.
type Metrics struct {
	users    *prometheus.CounterVec
	rows     *prometheus.CounterVec
	batches  *prometheus.HistogramVec
	claims   *prometheus.CounterVec
	inHand   prometheus.Gauge
	prepared prometheus.Counter
	removed  prometheus.Counter

	exportedUsers, exportedBytes prometheus.Counter

	webhooks *prometheus.CounterVec
}

// NewMetrics returns metrics that are registered with reg.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	m := &Metrics{
		users: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "muster_users_stored_total", Help: "Users that this worker inserted, by source.",
		}, []string{"source"}),
		rows: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "muster_rows_total",
			Help: "Rows that this worker has done, by source and outcome: inserted, rejected, and of files updated, unchanged and skipped.",
		}, []string{"source", "outcome"}),
		batches: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "muster_batch_duration_seconds",
			Help:    "Time of a batch by source and step: read from the source, commit to the database.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
		}, []string{"source", "step"}),
		claims: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "muster_chunk_claims_total",
			Help: "Chunks that this worker claimed, by how that ended: done, fenced (another worker has it, or its job has moved), waiting (for the source), files (waits for the file store), drained, database, stalled, panic; " +
				"not_claimed: the database did not let it.",
		}, []string{"end"}),
		inHand: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "muster_chunks_in_hand", Help: "Chunks that this worker works on.",
		}),
		prepared: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "muster_prepared_file_bytes_total", Help: "Bytes of files that this worker has prepared.",
		}),
		removed: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "muster_undone_rows_total", Help: "Rows of jobs whose users this worker has removed.",
		}),
		exportedUsers: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "muster_users_exported_total", Help: "Users that this worker wrote for export jobs.",
		}),
		exportedBytes: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "muster_exported_bytes_total", Help: "Bytes of the files that this worker wrote for export jobs.",
		}),
		webhooks: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "muster_webhook_attempts_total",
			Help: "Attempts of this worker to deliver a webhook, by the state of the delivery afterwards, and by error, empty when it arrived.",
		}, []string{"state", "error"}),
	}
	m.webhooks.WithLabelValues(string(webhook.Delivered), "")
	for _, end := range []string{endDone, endFenced, endWaiting, endFiles, endDrained, endDatabase, endStalled, endPanic, endNotClaimed} {
		m.claims.WithLabelValues(end)
	}
	reg.MustRegister(m.users, m.rows, m.batches, m.claims, m.inHand, m.prepared, m.removed, m.exportedUsers, m.exportedBytes, m.webhooks)
	return m
}

// How a claim ends.
const (
	endDone       = "done"
	endFenced     = "fenced"
	endFiles      = "files"
	endWaiting    = "waiting"
	endDrained    = "drained"
	endDatabase   = "database"
	endStalled    = "stalled"
	endPanic      = "panic"
	endNotClaimed = "not_claimed"
)

// sourceMetrics are those of one source.
type sourceMetrics struct {
	users, inserted, rejected, updated, unchanged, skipped prometheus.Counter
	read, commit                                           prometheus.Observer
}

// of returns the metrics of a source, for all batches of a chunk; nil when nothing is counted.
func (m *Metrics) of(source string) *sourceMetrics {
	if m == nil {
		return nil
	}
	rows := func(outcome string) prometheus.Counter { return m.rows.WithLabelValues(source, outcome) }
	return &sourceMetrics{
		users: m.users.WithLabelValues(source), inserted: rows("inserted"), rejected: rows("rejected"),
		updated: rows("updated"), unchanged: rows("unchanged"), skipped: rows("skipped"),
		read: m.batches.WithLabelValues(source, "read"), commit: m.batches.WithLabelValues(source, "commit"),
	}
}

// batch counts a batch that took a chunk from before to after.
func (m *sourceMetrics) batch(before, after *job.Chunk, dryRun bool, read, commit time.Duration) {
	if m == nil {
		return
	}
	m.read.Observe(read.Seconds())
	m.commit.Observe(commit.Seconds())
	rejected := after.Rejected - before.Rejected
	updated, unchanged, skipped := after.Updated-before.Updated, after.Unchanged-before.Unchanged, after.Skipped-before.Skipped
	inserted := insertedOf(after) - insertedOf(before)
	m.rejected.Add(float64(rejected))
	m.updated.Add(float64(updated))
	m.unchanged.Add(float64(unchanged))
	m.skipped.Add(float64(skipped))
	m.inserted.Add(float64(inserted))
	if !dryRun {
		m.users.Add(float64(inserted))
	}
}

// claim counts a chunk that was claimed, and returns what counts its end.
func (m *Metrics) claim() (end func(how string)) {
	if m == nil {
		return func(string) {}
	}
	m.inHand.Inc()
	return func(how string) {
		m.inHand.Dec()
		m.claims.WithLabelValues(how).Inc()
	}
}

func (m *Metrics) notClaimed() {
	if m != nil {
		m.claims.WithLabelValues(endNotClaimed).Inc()
	}
}

func (m *Metrics) preparedFile(bytes int64) {
	if m != nil {
		m.prepared.Add(float64(bytes))
	}
}

func (m *Metrics) attempted(state webhook.State, failure string) {
	if m != nil {
		m.webhooks.WithLabelValues(string(state), failure).Inc()
	}
}

func (m *Metrics) exported(users, bytes int64) {
	if m != nil {
		m.exportedUsers.Add(float64(users))
		m.exportedBytes.Add(float64(bytes))
	}
}

func (m *Metrics) undone(rows int64) {
	if m != nil {
		m.removed.Add(float64(rows))
	}
}

// howEnded returns how a claim ended because of cause; nil: its chunk is done.
func howEnded(cause error) string {
	wait, waits := errors.AsType[*job.WaitError](cause)
	_, panics := errors.AsType[*panicError](cause)
	switch {
	case cause == nil:
		return endDone
	case errors.Is(cause, job.ErrFenced):
		return endFenced
	case waits && (wait.Reason == job.WaitFilesDown || wait.Reason == job.WaitFilesFull):
		return endFiles
	case waits:
		return endWaiting
	case errors.Is(cause, errDrain), errors.Is(cause, context.Canceled):
		return endDrained
	case job.StoreTrouble(cause) != "":
		return endDatabase
	case panics:
		return endPanic
	}
	return endStalled
}
