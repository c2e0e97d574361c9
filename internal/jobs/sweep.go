package jobs

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"path"
	"strings"
	"time"
)

// SweepStore says which files are still needed, and keeps the rejected rows. Errors: job.ErrStoreUnavailable.
type SweepStore interface {
	// UploadInUse reports whether a job that is not over, or that ended after since, imports the file.
	UploadInUse(ctx context.Context, uploadID string, since time.Time) (bool, error)
	// FileJobOver reports whether the job was over before since; one that does not exist was.
	FileJobOver(ctx context.Context, jobID string, since time.Time) (bool, error)
	// DeleteExports forgets the files of export jobs that ended before a time, and returns how many.
	DeleteExports(ctx context.Context, endedBefore time.Time) (int64, error)
	// DeleteRuns forgets runs of schedules that were over before a time, and returns how many.
	DeleteRuns(ctx context.Context, before time.Time) (int64, error)
	// DeleteDeliveries forgets deliveries of webhooks that were recorded before a time, and returns how many.
	DeleteDeliveries(ctx context.Context, before time.Time) (int64, error)
	// DeleteRejects removes the rejected rows of jobs that ended before a time, and returns how many.
	DeleteRejects(ctx context.Context, endedBefore time.Time) (int64, error)
}

// SweptFiles are the files that are swept. Errors: job.ErrFilesUnavailable.
type SweptFiles interface {
	Sweep(ctx context.Context, keep func(name string, modified time.Time) bool) (deleted int, err error)
}

const (
	// rejectsRetention is how long the rejected rows of a job stay when it is over.
	rejectsRetention = 30 * 24 * time.Hour
	// runsRetention is how long what became of the runs of schedules can be read.
	runsRetention = 90 * 24 * time.Hour
	// deliveryRetention is how long what webhooks were told can be looked up, and told again.
	deliveryRetention = 30 * 24 * time.Hour
	// UploadRetention is how long an upload stays at least, finished or not, whether a job imports it or not.
	UploadRetention = 24 * time.Hour
)

// Sweeper removes files and rejected rows that nobody needs any more. All fields are required, but those that say otherwise.
type Sweeper struct {
	Store     SweepStore
	Files     SweptFiles // nil: there is no file store
	Retention time.Duration
	Log       *slog.Logger
	Metrics   *Metrics // nil: nothing is counted
}

// Run sweeps each jittered interval until ctx ends. Every worker may run one: what one has removed, another does not find.
func (s *Sweeper) Run(ctx context.Context, interval time.Duration) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(interval/2 + rand.N(interval)):
		}
		if err := s.Sweep(ctx); err != nil && ctx.Err() == nil {
			s.Log.Warn("not all that is old was removed", "err", err)
		}
	}
}

// Sweep removes the files of jobs that ended longer ago than the retention, uploads that nobody has used for so long or
// that were left unfinished, and the rejected rows of jobs that ended thirty days ago. What it cannot be sure of stays.
func (s *Sweeper) Sweep(ctx context.Context) error {
	rows, err := s.Store.DeleteRejects(ctx, time.Now().Add(-rejectsRetention))
	s.Metrics.sweptAway(sweptRejects, rows)
	if rows > 0 {
		s.Log.Info("rejected rows removed", "rows", rows)
	}
	_, runsErr := s.Store.DeleteRuns(ctx, time.Now().Add(-runsRetention))
	err = errors.Join(err, runsErr)
	_, deliveriesErr := s.Store.DeleteDeliveries(ctx, time.Now().Add(-deliveryRetention))
	err = errors.Join(err, deliveriesErr)
	if s.Files == nil {
		return err
	}
	// Before the objects, and up to the same moment: what is listed is there.
	since := time.Now().Add(-s.Retention)
	_, exportsErr := s.Store.DeleteExports(ctx, since)
	err = errors.Join(err, exportsErr)
	var unsure error
	files, sweepErr := s.Files.Sweep(ctx, func(name string, modified time.Time) bool {
		if exportsErr != nil && strings.HasPrefix(name, "exports/") { // what is still listed has to stay
			return true
		}
		needed, err := s.needed(ctx, name, modified, since)
		if err != nil {
			unsure = err
		}
		return needed || err != nil
	})
	s.Metrics.sweptAway(sweptObjects, int64(files))
	if files > 0 {
		s.Log.Info("files removed", "files", files)
	}
	return errors.Join(err, sweepErr, unsure)
}

// needed reports whether an object of the file store has to stay, by its name: uploads/<id> is a file, whole or growing,
// jobs/<id>/… is what was made of one, and exports/…/<id>/… are files of an export job.
func (s *Sweeper) needed(ctx context.Context, name string, modified, since time.Time) (bool, error) {
	kind, rest, _ := strings.Cut(name, "/")
	id, _, _ := strings.Cut(rest, "/")
	switch kind {
	case "uploads":
		if time.Since(modified) < max(s.Retention, UploadRetention) {
			return true, nil
		}
		return s.Store.UploadInUse(ctx, id, since)
	case "jobs":
		over, err := s.Store.FileJobOver(ctx, id, since)
		return !over, err
	case "exports": // the folder below a destination is the job's
		over, err := s.Store.FileJobOver(ctx, path.Base(path.Dir(name)), since)
		return !over, err
	}
	return true, fmt.Errorf("the file store has an object of another kind, %q", kind)
}
