package jobs

import (
	"context"
	"errors"
	"time"

	"github.com/musterhq/muster/internal/crash"
	"github.com/musterhq/muster/internal/job"
	"github.com/musterhq/muster/internal/tracing"
)

// What workers tell of the chunks that they work on.

// ChunkDone enqueues the chunk that is one window further, and ends the job when no chunk is open any more, or when too
// many rows of its file are rejected.
func (s *Service) ChunkDone(ctx context.Context, c *job.Claim) error {
	// What follows belongs to the job and not to this chunk: a trace would be as deep as the job has chunks.
	ctx = tracing.Continue(ctx, c.Job.Origin.TraceParent)
	if next := c.Chunk.No + s.Window; next < c.Job.Chunks {
		if err := s.Queue.EnqueueChunk(ctx, c.Job.Tier, c.Job.ID, next, 0); err != nil {
			s.logOf(&c.Job).WarnContext(ctx, "chunk not enqueued; the reconciler will", "chunk", next, "err", err)
		}
	}
	crash.Point("chunk.enqueued")
	if c.Job.File != nil && c.Chunk.Rejected > 0 {
		return s.ReconcileNow(ctx, c.Job.ID)
	}
	j, err := s.finish(ctx, c.Job)
	if err != nil || !j.Status.Terminal() {
		return err
	}
	return s.Reconcile(ctx, j)
}

// Grow takes a place in the tier of a file's rows, now that they are counted, if the job's own tier is too small for them, and
// sets the job's tier, which its row has to follow: then Outgrown gives the other place back, and else the new one goes after a
// minute. The error is a *job.WaitError when the tier has no place, or job.ErrQueueUnavailable.
func (s *Service) Grow(ctx context.Context, j *job.Job, rows int64) error {
	if own := s.Tiers.Limit(j.Tier); own.MaxCount == 0 || rows <= own.MaxCount {
		return nil
	}
	limit := s.Tiers.For(rows)
	err := s.Slots.Reserve(ctx, j.Owner, j.ID, limit)
	if full, ok := errors.AsType[*job.LimitError](err); ok {
		return &job.WaitError{Wait: max(full.RetryAfter, growAgain), Reason: job.WaitTier}
	}
	if err == nil {
		j.Tier = limit.Tier
	}
	return err
}

// growAgain is when a job asks again for a place in the tier of its rows, at the earliest.
const growAgain = 5 * time.Second

// Outgrown gives back the place of a job in a tier that is not its own any more. An error is only logged: the place goes with
// its lease.
func (s *Service) Outgrown(ctx context.Context, j job.Job, tier job.Tier) {
	if tier != j.Tier {
		s.unreserve(ctx, j, s.Tiers.Limit(tier), nil)
	}
}

// ReconcileNow reads the job and reconciles it, unless it is finalized.
func (s *Service) ReconcileNow(ctx context.Context, id string) error {
	j, err := s.Store.Job(ctx, id)
	if err != nil || j.Finalized {
		return err
	}
	return s.Reconcile(ctx, j)
}

// Enqueue puts the claim's chunk back into the queue.
func (s *Service) Enqueue(ctx context.Context, c *job.Claim) error {
	return s.Queue.EnqueueChunk(ctx, c.Job.Tier, c.Job.ID, c.Chunk.No, c.Chunk.Claims)
}

// Running shows that the job has begun or goes on, and takes back the reason why it waited. It sets j to the job as it
// stands.
func (s *Service) Running(ctx context.Context, j *job.Job) error {
	if j.WaitReason == "" {
		return s.showAsItStands(ctx, j)
	}
	return s.Waiting(ctx, j, "")
}

// Waiting stores and shows why the job waits; empty: it does not. It sets j to the job as it stands.
func (s *Service) Waiting(ctx context.Context, j *job.Job, reason job.WaitReason) error {
	if err := s.Repair.SetWaitReason(ctx, j.ID, reason); err != nil {
		return err
	}
	return s.showAsItStands(ctx, j)
}

func (s *Service) showAsItStands(ctx context.Context, j *job.Job) error {
	now, err := s.Store.Job(ctx, j.ID)
	if err != nil {
		return err
	}
	if *j, err = s.alignBeforeShowing(ctx, now); err != nil {
		return err
	}
	return s.Show(ctx, *j)
}
