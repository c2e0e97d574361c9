package jobs_test

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/musterhq/muster/internal/jobs"
)

// sweptStore knows one job that is over, one that runs, and one upload that a job imports.
type sweptStore struct {
	since, rejects, exports time.Time
	down                    error
}

func (s *sweptStore) UploadInUse(_ context.Context, id string, since time.Time) (bool, error) {
	s.since = since
	return id == "used", s.down
}

func (s *sweptStore) FileJobOver(_ context.Context, id string, _ time.Time) (bool, error) {
	return id != "runs", s.down
}

func (s *sweptStore) DeleteRejects(_ context.Context, endedBefore time.Time) (int64, error) {
	s.rejects = endedBefore
	return 0, s.down
}

func (s *sweptStore) DeleteExports(_ context.Context, endedBefore time.Time) (int64, error) {
	s.exports = endedBefore
	return 0, s.down
}

func (s *sweptStore) DeleteRuns(context.Context, time.Time) (int64, error)       { return 0, s.down }
func (s *sweptStore) DeleteDeliveries(context.Context, time.Time) (int64, error) { return 0, s.down }

// sweptFiles are objects with their age.
type sweptFiles map[string]time.Duration

func (f sweptFiles) Sweep(_ context.Context, keep func(string, time.Time) bool) (deleted int, err error) {
	for name, age := range f {
		if !keep(name, time.Now().Add(-age)) {
			delete(f, name)
			deleted++
		}
	}
	return deleted, nil
}

func swept() sweptFiles {
	const day = 24 * time.Hour
	return sweptFiles{
		"uploads/used": 30 * day, "uploads/new": 6 * day, "uploads/old": 8 * day, "uploads/growing": time.Hour,
		"jobs/runs/chunks": 30 * day, "jobs/over/chunks": 30 * day, "jobs/over/text": time.Minute, "exports/runs/part-1.csv": 30 * day, "exports/some/where/over/manifest.json": time.Minute, "others/x": 90 * day,
	}
}

func TestSweepRemovesWhatNobodyNeeds(t *testing.T) {
	t.Parallel()
	store, files := &sweptStore{}, swept()
	s := jobs.Sweeper{Store: store, Files: files, Retention: 7 * 24 * time.Hour, Log: slog.New(slog.DiscardHandler)}
	if err := s.Sweep(t.Context()); err == nil || !strings.Contains(err.Error(), "others") {
		t.Errorf("an object of unknown kind: %v", err)
	}
	var left []string
	for name := range files {
		left = append(left, name)
	}
	slices.Sort(left)
	if diff := cmp.Diff([]string{"exports/runs/part-1.csv", "jobs/runs/chunks", "others/x", "uploads/growing", "uploads/new", "uploads/used"}, left); diff != "" {
		t.Errorf("left (-want +got):\n%s", diff)
	}
	if ago := time.Since(store.since).Round(time.Hour); ago != s.Retention {
		t.Errorf("asked for jobs that ended %s ago", ago)
	}
	if ago := time.Since(store.rejects).Round(time.Hour); ago != 30*24*time.Hour {
		t.Errorf("rejected rows of jobs that ended %s ago are removed", ago)
	}
}

// Without the database nothing is known to be needless.
func TestSweepKeepsWhatItCannotBeSureOf(t *testing.T) {
	t.Parallel()
	down := errors.New("the database is down")
	files := swept()
	s := jobs.Sweeper{Store: &sweptStore{down: down}, Files: files, Retention: 7 * 24 * time.Hour, Log: slog.New(slog.DiscardHandler)}
	if err := s.Sweep(t.Context()); !errors.Is(err, down) {
		t.Errorf("got %v", err)
	}
	if diff := cmp.Diff(swept(), files); diff != "" {
		t.Errorf("left (-want +got):\n%s", diff)
	}
}
