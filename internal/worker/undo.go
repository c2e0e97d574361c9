package worker

import (
	"context"
	"log/slog"

	"go.opentelemetry.io/otel/trace"

	"github.com/musterhq/muster/internal/job"
	"github.com/musterhq/muster/internal/jobs"
	"github.com/musterhq/muster/internal/tracing"
)

// UndoStore is the store's side of removing the users of a job.
type UndoStore interface {
	Job(ctx context.Context, id string) (job.Job, error)
	UndoSlice(ctx context.Context, j *job.Job) (more bool, err error)
}

// Undoer removes the users of jobs that are to be undone. All fields are required, but those that say otherwise.
type Undoer struct {
	Store UndoStore
	Jobs  *jobs.Service
	Drain <-chan struct{} // closed when the process is asked to stop
	Log   *slog.Logger

	Metrics *Metrics             // nil: nothing is counted
	Traces  trace.TracerProvider // nil: nothing is traced
}

// Undo removes the job's users, slice by slice, until all are gone or this process is asked to stop. The reconciler
// enqueues a task for what is left then.
func (u *Undoer) Undo(ctx context.Context, id string) {
	log := u.Log.With("job", id)
	j, err := u.Store.Job(ctx, id)
	if err == nil {
		log = u.Log.With(j.LogAttrs()...)
		var s trace.Span
		ctx, s = span(ctx, u.Traces, "undo job", &j)
		defer func() { tracing.End(s, err) }()
	}
	for more := err == nil && j.UndoPending(); more && err == nil; {
		select {
		case <-u.Drain:
			return
		default:
		}
		before := j.UndoneRows
		if more, err = u.Store.UndoSlice(ctx, &j); err != nil {
			break
		}
		u.Metrics.undone(j.UndoneRows - before)
		if err := u.Jobs.Show(ctx, j); err != nil {
			log.Debug("progress not shown", "err", err)
		}
	}
	switch {
	case err != nil:
		log.Warn("not undone yet; the reconciler enqueues it again", "err", err)
	case j.Undone:
		log.Info("job undone", "users", j.Processed)
		if err := u.Jobs.Reconcile(ctx, j); err != nil {
			log.Warn("job not finalized yet; the reconciler will", "err", err)
		}
	}
}
