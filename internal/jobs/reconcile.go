package jobs

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/musterhq/muster/internal/crash"
	"github.com/musterhq/muster/internal/job"
	"github.com/musterhq/muster/internal/tracing"
)

// Reconcile makes everything else agree with the job's row, which was read as j: the chunks follow its last move, a job
// whose chunks are over ends, its slot is held or given back, its view is shown, and what is to be done for it is in the
// queue. A job that needs nothing more is finalized, and no longer looked at until it moves.
func (s *Service) Reconcile(ctx context.Context, j job.Job) error {
	crash.Point("reconcile.begin")
	j, totals, err := s.align(ctx, j)
	if err != nil {
		return err
	}
	crash.Point("reconcile.aligned")
	return s.publish(ctx, j, totals)
}

const (
	// alignTimeout bounds the wait for a job's chunks, whose rows batches in flight may hold. It is longer than the server
	// waits before it ends the transaction of a worker that was frozen, two thirds of a lease of 15 s, and than the 25,000
	// rows of a batch take on a slow disk, for which SQLite keeps all others waiting.
	alignTimeout = 30 * time.Second
	// followTimeout bounds the steps after that, which the reconciler repeats anyway.
	followTimeout = 2 * time.Second
)

// logOf returns the log for lines about the job.
func (s *Service) logOf(j *job.Job) *slog.Logger { return s.Log.With(j.LogAttrs()...) }

// follow is Reconcile for a request that has moved the job, and returns the job with its counts. It waits for the chunks,
// so that no batch commits after a client was told that its job is paused or cancelled; whatever else fails is left to
// the reconciler.
func (s *Service) follow(ctx context.Context, j job.Job) (job.Job, error) {
	ctx = context.WithoutCancel(ctx) // the client may be gone, the job has moved all the same
	aligned, cancel := context.WithTimeout(ctx, alignTimeout)
	defer cancel()
	j, totals, err := s.align(aligned, j)
	if err != nil { // the move is made, and whether a batch commits after it is unknown
		return job.Job{}, fmt.Errorf("%w: %w", job.ErrUncertain, err)
	}
	s.publishOrLog(ctx, j, totals)
	return j, nil
}

func (s *Service) publishOrLog(ctx context.Context, j job.Job, totals job.ChunkTotals) {
	ctx, cancel := context.WithTimeout(ctx, followTimeout)
	defer cancel()
	if err := s.publish(ctx, j, totals); err != nil {
		s.logOf(&j).WarnContext(ctx, "job not reconciled; the reconciler will", "status", j.Status, "err", err)
	}
}

// align makes the second step of the job's last move, unless it is made, and returns the job with its counts then.
func (s *Service) align(ctx context.Context, j job.Job) (job.Job, job.ChunkTotals, error) {
	totals, err := s.Repair.AlignChunks(ctx, j)
	totals.Count(&j)
	return j, totals, err
}

// alignBeforeShowing is align for a job that is about to be shown, if its status says that it stands still: nobody is to
// be told so while its chunks do not know.
func (s *Service) alignBeforeShowing(ctx context.Context, j job.Job) (job.Job, error) {
	if j.Status.HoldsSlot() || j.Finalized {
		return j, nil
	}
	j, _, err := s.align(ctx, j)
	return j, err
}

// publish makes what lies outside the store agree with a job whose chunks have followed it. Slot, view and queue are all
// tried, whichever fails; finalizing waits until each of them is done.
func (s *Service) publish(ctx context.Context, j job.Job, totals job.ChunkTotals) error {
	if j.Status.HoldsSlot() {
		now, err := s.endIfOver(ctx, j, totals)
		if err != nil {
			return err
		}
		if now.Version != j.Version { // it ended, and its owner may have moved it again: the chunks have to follow that first
			return s.Reconcile(ctx, now)
		}
	}
	// The slot first: who sees that a job is over may want the next one.
	err := s.syncSlot(ctx, j)
	crash.Point("reconcile.slot")
	err = errors.Join(err, s.syncView(ctx, j))
	crash.Point("reconcile.view")
	err = errors.Join(err, s.enqueue(ctx, j))
	if err != nil || j.Status.HoldsSlot() || j.UndoPending() || j.Finalized {
		return err
	}
	crash.Point("reconcile.published")
	err = s.Repair.FinalizeJob(ctx, j)
	crash.Point("reconcile.finalized")
	return err
}

// endIfOver fails those chunks of a running job that stalled too often, or that are open though its deadline has passed or
// too many rows were rejected, and ends the job if all its chunks are over.
func (s *Service) endIfOver(ctx context.Context, j job.Job, totals job.ChunkTotals) (job.Job, error) {
	open := int64(totals.Open)
	if totals.Stalled > 0 {
		n, err := s.Repair.FailStalled(ctx, j)
		if err != nil {
			return j, err
		}
		s.Metrics.did(repairFailStalled, n)
		if n > 0 { // another reconciler may have been faster
			s.logOf(&j).ErrorContext(ctx, "chunks failed for good", "chunks", n)
		}
		open -= n
	}
	reason := ""
	switch {
	case j.TooManyRejected():
		reason = job.CodeTooManyRejected
	case j.Overdue:
		reason = "deadline_exceeded"
	}
	if open > 0 && reason != "" {
		n, err := s.Repair.FailOpen(ctx, j, reason)
		if err != nil {
			return j, err
		}
		s.Metrics.did(repairFailOpen, n)
		if n > 0 {
			s.logOf(&j).ErrorContext(ctx, "open chunks of a job failed for good", "chunks", n, "reason", reason)
		}
		open -= n
	}
	if open > 0 {
		return j, nil
	}
	return s.finish(ctx, j)
}

// finish ends the job if all its chunks are over, and returns it as it stands then. Exactly one caller in the fleet makes
// the move.
func (s *Service) finish(ctx context.Context, j job.Job) (job.Job, error) {
	if j.Source == job.SourceExport {
		if ready, err := s.publishExport(ctx, j); err != nil || !ready {
			return j, err
		}
	}
	moved, err := s.Repair.FinishJob(ctx, j.ID)
	if err != nil || !moved {
		return j, err
	}
	s.Metrics.did(repairFinish, 1)
	now, err := s.Store.Job(ctx, j.ID)
	if err != nil {
		return j, err
	}
	if now.Status.Terminal() { // its owner may have retried it already
		s.logOf(&now).InfoContext(ctx, "job over", "status", now.Status, "processed", now.Processed, "rejected", now.Rejected,
			"users/s", now.Rate(time.Now()), "elapsed", now.FinishedAt.Sub(now.StartedAt).String())
	}
	return now, nil
}

// publishExport writes the manifest of an export whose chunks are all over, unless one failed, and reports whether the job
// may end. The manifest comes before the end: who sees that the export is COMPLETED finds it.
func (s *Service) publishExport(ctx context.Context, j job.Job) (over bool, err error) {
	if j, err = s.Store.Job(ctx, j.ID); err != nil { // as it stands: nothing is written for a job that was cancelled meanwhile
		return false, err
	}
	j, totals, err := s.align(ctx, j)
	switch {
	case err != nil || !j.Status.HoldsSlot() || totals.Open > 0 || !totals.Aligned(&j):
		return false, err
	case totals.Failed > 0:
		return true, nil
	case s.Exports == nil:
		err = job.ErrFilesUnavailable
	default:
		err = s.Exports.Publish(ctx, &j)
	}
	crash.Point("export.published")
	if reason := job.FilesTrouble(err); reason != "" {
		return false, errors.Join(err, s.Waiting(ctx, &j, reason))
	}
	return err == nil, err
}

// syncSlot makes the job's slot agree with its status: held while it waits or runs, given back when it is over or
// paused. The job may have moved since j was read, so it looks again after each change. Whoever moves a job comes here
// after the commit: then the slot agrees with the last move, whatever the order of the calls.
func (s *Service) syncSlot(ctx context.Context, j job.Job) error {
	for added := false; ; {
		limit, holds := s.Tiers.Limit(j.Tier), j.Status.HoldsSlot()
		var err error
		switch {
		case holds:
			added, err = s.Slots.Renew(ctx, j.Owner, j.ID, limit)
			if err == nil && !added {
				return nil
			}
			if added {
				s.Metrics.did(repairSlot, 1)
			}
		case added || !j.Status.Terminal(): // added: put back above by mistake, and whoever ended the job has begun the cooldown
			added, err = false, s.Slots.Unreserve(ctx, j.Owner, j.ID, limit)
		default:
			err = s.Slots.Release(ctx, j.Owner, j.ID, j.FinishedAt, limit)
		}
		if err != nil {
			return err
		}
		now, err := s.Store.Job(ctx, j.ID)
		if err == nil && added && now.Tier != j.Tier { // it has grown out of the tier, and given that place back
			err = s.Slots.Unreserve(ctx, j.Owner, j.ID, limit)
		}
		if err != nil || now.Status.HoldsSlot() == holds {
			return err
		}
		j = now
	}
}

// syncView repairs the live view where it is missing or has an older version of the job. At the same version it may
// still be wrong in what changes without a new one: the counts of a job that stands still, when they were read before
// its last batch, and the reason why it waits, when a slow worker showed it after another had gone on. That it waits for the
// database is shown by workers alone: the database cannot say so.
func (s *Service) syncView(ctx context.Context, j job.Job) error {
	live, ok, err := s.Live.Get(ctx, j.ID)
	switch {
	case err != nil:
		return err
	case ok && live.Version > j.Version:
		return nil
	case ok && live.Version == j.Version && (live.WaitReason == j.WaitReason || live.WaitReason.OfStore()) &&
		(j.Status.HoldsSlot() || live.Processed == j.Processed && live.Rejected == j.Rejected):
		return nil
	}
	s.Metrics.did(repairView, 1)
	return s.Show(ctx, j)
}

// Show puts the job into the live view with all its chunks, since a view without them would show less than there was.
func (s *Service) Show(ctx context.Context, j job.Job) error {
	chunks, err := s.Store.Chunks(ctx, j.ID)
	if err != nil {
		return err
	}
	return s.Live.Put(ctx, j, chunks)
}

// enqueue puts into the queue what is to be done for the job: tasks for those of its first window of open chunks that
// nobody holds, or for the removal of its users.
func (s *Service) enqueue(ctx context.Context, j job.Job) error {
	ctx = ofJob(ctx, &j)
	switch {
	case j.UndoPending():
		return s.Queue.EnqueueUndo(ctx, j.Tier, j.ID, j.UndoneRows)
	case !j.Status.HoldsSlot():
		return nil
	}
	chunks, err := s.Repair.ClaimableChunks(ctx, j.ID, s.Window)
	if err != nil {
		return err
	}
	for i := range chunks {
		if err := s.Queue.EnqueueChunk(ctx, j.Tier, j.ID, chunks[i].No, chunks[i].Claims); err != nil {
			return err
		}
		crash.Point("reconcile.enqueued")
	}
	return nil
}

// ofJob returns ctx in the trace of the job's submission, unless it is in one: a task carries it to the worker.
func ofJob(ctx context.Context, j *job.Job) context.Context {
	if tracing.Parent(ctx) != "" {
		return ctx
	}
	return tracing.Continue(ctx, j.Origin.TraceParent)
}

// pageSize is how many jobs ReconcileAll reads at once. It goes on to the next page whatever became of this one, so that
// jobs that cannot be reconciled do not hide those behind them.
const pageSize = 100

// reconcileTimeout bounds the work on one job, whose chunks a frozen worker may have locked, so that it does not keep the
// others waiting.
const reconcileTimeout = 5 * time.Second

// RunReconciler calls ReconcileAll each jittered interval until ctx ends. Every worker runs one.
func (s *Service) RunReconciler(ctx context.Context, interval time.Duration) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(interval*3/4 + rand.N(interval/2)):
		}
		began := time.Now()
		err := s.ReconcileAll(ctx)
		s.Metrics.passed(began, err)
		if err != nil && ctx.Err() == nil {
			s.Log.Warn("not all jobs were reconciled", "err", err)
		}
	}
}

// ReconcileAll reconciles every job that is not finalized. An error of one job is logged and does not keep the others
// waiting; the error returned is that of reading the list.
func (s *Service) ReconcileAll(ctx context.Context) error {
	for after := ""; ; {
		list, err := s.Repair.UnfinalizedJobs(ctx, after, pageSize)
		if err != nil {
			return err
		}
		var wg sync.WaitGroup
		slots := make(chan struct{}, max(1, s.AtOnce))
		for i := range list {
			slots <- struct{}{}
			wg.Go(func() {
				defer func() { <-slots }()
				if err := s.reconcileInTime(ctx, list[i]); err != nil && ctx.Err() == nil {
					s.Metrics.did(repairFailed, 1)
					s.logOf(&list[i]).WarnContext(ctx, "job not reconciled", "err", err)
				}
			})
		}
		wg.Wait()
		if len(list) < pageSize {
			return nil
		}
		after = list[len(list)-1].ID
	}
}

func (s *Service) reconcileInTime(ctx context.Context, j job.Job) error {
	ctx, cancel := context.WithTimeout(ctx, reconcileTimeout)
	defer cancel()
	return s.Reconcile(ctx, j)
}
