package jobs

import (
	"context"
	"errors"

	"github.com/musterhq/muster/internal/job"
)

// The moves that a job's owner asks for. Asking again for what is so already has no effect and is no error. Errors of
// all: job.ErrNotFound, *job.StateError, job.ErrStoreUnavailable.

// Cancel ends the job; what is stored stays.
func (s *Service) Cancel(ctx context.Context, owner, id string) (job.Job, error) {
	return s.move(ctx, owner, id, job.MoveCancel)
}

// Pause halts the job and frees its slot.
func (s *Service) Pause(ctx context.Context, owner, id string) (job.Job, error) {
	return s.move(ctx, owner, id, job.MovePause)
}

// Resume lets a paused job go on with what is not done. It needs a slot as a new job does: *job.LimitError when there
// is none.
func (s *Service) Resume(ctx context.Context, owner, id string) (job.Job, error) {
	return s.restart(ctx, owner, id, job.MoveResume)
}

// Retry lets a failed job go on with what is not done. It needs a slot as a new job does: *job.LimitError when there is
// none.
func (s *Service) Retry(ctx context.Context, owner, id string) (job.Job, error) {
	return s.restart(ctx, owner, id, job.MoveRetry)
}

// Undo has the users of a job that is over removed, by a worker.
func (s *Service) Undo(ctx context.Context, owner, id string) (job.Job, error) {
	return s.move(ctx, owner, id, job.MoveUndo)
}

func (s *Service) move(ctx context.Context, owner, id string, m job.Move) (job.Job, error) {
	j, err := s.Store.MoveJob(ctx, owner, id, m)
	if err != nil {
		return job.Job{}, err
	}
	return s.follow(ctx, j)
}

// restart reserves a slot and makes the move. A crash between the two leaves a slot for a minute.
func (s *Service) restart(ctx context.Context, owner, id string, m job.Move) (job.Job, error) {
	j, err := s.Store.Job(ctx, id)
	switch {
	case err != nil:
		return job.Job{}, err
	case j.Owner != owner:
		return job.Job{}, job.ErrNotFound
	// Refused here and not by MoveJob: by then the job may be where the move is legal, and would run without a slot.
	case m.Made(&j):
		return s.follow(ctx, j)
	case j.Status != m.From()[0] || j.UndoRequested:
		return job.Job{}, &job.StateError{Move: m, Status: j.Status}
	}
	limit := s.Tiers.Limit(j.Tier)
	if err := s.Slots.Reserve(ctx, owner, id, limit); err != nil {
		return job.Job{}, s.estimateWait(ctx, err)
	}
	moved, err := s.Store.MoveJob(ctx, owner, id, m)
	if err != nil {
		s.unreserve(ctx, j, limit, err)
		if !errors.Is(err, job.ErrUncertain) {
			s.agreeOnSlot(ctx, j) // another request may have made the move, and need the slot that was just given back
		}
		return job.Job{}, err
	}
	return s.follow(ctx, moved)
}

// agreeOnSlot is syncSlot for a caller that has an error of its own to return; an error of the slot is only logged.
func (s *Service) agreeOnSlot(ctx context.Context, j job.Job) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), followTimeout)
	defer cancel()
	if err := s.syncSlot(ctx, j); err != nil {
		s.Log.WarnContext(ctx, "slot not reconciled; the reconciler will", "job", j.ID, "status", j.Status, "err", err)
	}
}
