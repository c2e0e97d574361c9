package submit

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/musterhq/muster/internal/job"
)

// ControlStore makes the moves that a job's owner asks for. Repeating one answers the job. Errors: job.ErrNotFound,
// *job.StateError, job.ErrStoreUnavailable.
type ControlStore interface {
	Job(ctx context.Context, id string) (job.Job, error)
	Chunks(ctx context.Context, id string) ([]job.Chunk, error)
	Cancel(ctx context.Context, userID, id string) (job.Job, error)
	Pause(ctx context.Context, userID, id string) (job.Job, error)
	Resume(ctx context.Context, userID, id string) (job.Job, error)
	Retry(ctx context.Context, userID, id string) (job.Job, error)
	RequestUndo(ctx context.Context, userID, id string) (job.Job, error)
}

// ControlSlots is the user's place in a tier.
type ControlSlots interface {
	job.Slots
	Reserve(ctx context.Context, userID, jobID string, l job.TierLimit) error
}

// Undos tells the fleet that the users of a job are to be removed.
type Undos interface {
	RingUndo(ctx context.Context, tier job.Tier, jobID string, rows int64) error
}

// Control steers jobs. What follows a move - slot, bells, live progress - is tried at once, and the keeper repeats what was
// lost. All fields are required.
type Control struct {
	Submitter *Submitter // its bells, live progress and tiers are used
	Store     ControlStore
	Slots     ControlSlots
	Undos     Undos
	Log       *slog.Logger
}

// Cancel ends the job; what is stored stays.
func (c *Control) Cancel(ctx context.Context, userID, id string) (job.Job, error) {
	j, err := c.Store.Cancel(ctx, userID, id)
	if err == nil {
		c.after(ctx, j)
	}
	return j, err
}

// Pause halts the job and frees its slot.
func (c *Control) Pause(ctx context.Context, userID, id string) (job.Job, error) {
	j, err := c.Store.Pause(ctx, userID, id)
	if err == nil {
		c.after(ctx, j)
	}
	return j, err
}

// Resume lets a paused job go on, in a slot as a new job needs one: *job.LimitError when there is none.
func (c *Control) Resume(ctx context.Context, userID, id string) (job.Job, error) {
	return c.again(ctx, "resume", userID, id, job.Paused, c.Store.Resume)
}

// Retry lets a failed job go on with what is not done, in a slot as a new job needs one.
func (c *Control) Retry(ctx context.Context, userID, id string) (job.Job, error) {
	return c.again(ctx, "retry", userID, id, job.Failed, c.Store.Retry)
}

// again reserves a slot and makes the move. A crash between the two leaves a slot for a minute.
func (c *Control) again(
	ctx context.Context, action, userID, id string, from job.Status, move func(ctx context.Context, userID, id string) (job.Job, error),
) (job.Job, error) {
	j, err := c.Store.Job(ctx, id)
	if err != nil {
		return job.Job{}, err
	}
	if j.UserID != userID {
		return job.Job{}, job.ErrNotFound
	}
	// Not by the move: the job may have come to where it can be made by then, and would run without a slot.
	switch {
	case j.Status.HoldsSlot():
		return j, nil
	case j.Status != from || j.UndoRequested:
		return job.Job{}, &job.StateError{Action: action, Status: j.Status}
	}
	limit := c.Submitter.Tiers.Limit(j.Tier)
	if err := c.Slots.Reserve(ctx, userID, id, limit); err != nil {
		return job.Job{}, c.Submitter.estimate(ctx, err)
	}
	moved, err := move(ctx, userID, id)
	if err != nil {
		c.Submitter.undo(ctx, j, limit, err)
		if !errors.Is(err, job.ErrUncertain) {
			c.keepSlot(ctx, j) // another request may have made the move, and the slot been its
		}
		return job.Job{}, err
	}
	c.after(ctx, moved)
	return moved, nil
}

// RequestUndo has the users of a job that is over removed.
func (c *Control) RequestUndo(ctx context.Context, userID, id string) (job.Job, error) {
	j, err := c.Store.RequestUndo(ctx, userID, id)
	if err != nil || j.Undone {
		return j, err
	}
	c.after(ctx, j)
	return j, nil
}

// keepSlot makes the slot agree with the job, which was read as j.
func (c *Control) keepSlot(ctx context.Context, j job.Job) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	if err := job.KeepSlot(ctx, c.Slots, c.Store.Job, j, c.Submitter.Tiers.Limit(j.Tier)); err != nil {
		c.Log.WarnContext(ctx, "slot not seen to; the keeper will", "job", j.ID, "status", j.Status, "err", err)
	}
}

// after does what follows a move.
func (c *Control) after(ctx context.Context, j job.Job) {
	c.keepSlot(ctx, j)
	// Not the request's context: the client may be gone, the job has moved all the same.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	chunks, err := c.Store.Chunks(ctx, j.ID)
	if err == nil {
		err = c.Submitter.Live.Put(ctx, j, chunks)
	}
	switch {
	case j.UndoRequested && !j.Undone:
		err = errors.Join(err, c.Undos.RingUndo(ctx, j.Tier, j.ID, j.UndoneRows))
	case j.Status.HoldsSlot():
		err = errors.Join(err, c.ringOpen(ctx, j, chunks))
	}
	if err != nil {
		c.Log.WarnContext(ctx, "not all done that follows; the keeper will", "job", j.ID, "status", j.Status, "err", err)
	}
}

// ringOpen rings for the first window of the chunks that have something left.
func (c *Control) ringOpen(ctx context.Context, j job.Job, chunks []job.Chunk) error {
	rung := 0
	for i := range chunks {
		if chunks[i].Left() == 0 || rung == c.Submitter.Window {
			continue
		}
		if err := c.Submitter.Bells.Ring(ctx, j.Tier, j.ID, chunks[i].No, chunks[i].Claims); err != nil {
			return err
		}
		rung++
	}
	return nil
}
