package job

import (
	"context"
	"time"
)

// Slots is the user's place in a tier. Each of its methods is harmless to repeat.
type Slots interface {
	// Renew extends the job's lease, and puts the slot back, above the limit if need be, when it is missing.
	Renew(ctx context.Context, userID, jobID string, l TierLimit) (added bool, err error)
	// Release gives the slot of a job back that ended then, and starts the cooldown of its end.
	Release(ctx context.Context, userID, jobID string, ended time.Time, l TierLimit) error
	// Undo gives the slot back without a cooldown.
	Undo(ctx context.Context, userID, jobID string, l TierLimit) error
}

// KeepSlot makes the job's slot agree with its status: held while it waits or runs, given back when it is over or
// paused. The job may have moved since j was read, so it looks again after each change. Whoever moves a job calls
// KeepSlot after the commit: then the slot agrees with the last move, whatever the order of the calls.
func KeepSlot(ctx context.Context, slots Slots, read func(ctx context.Context, id string) (Job, error), j Job, l TierLimit) error {
	for added := false; ; {
		holds := j.Status.HoldsSlot()
		var err error
		switch {
		case holds:
			added, err = slots.Renew(ctx, j.UserID, j.ID, l)
			if err == nil && !added {
				return nil
			}
		case added || !j.Status.Terminal(): // the end of what was put back above has begun its cooldown
			added, err = false, slots.Undo(ctx, j.UserID, j.ID, l)
		default:
			err = slots.Release(ctx, j.UserID, j.ID, j.FinishedAt, l)
		}
		if err != nil {
			return err
		}
		now, err := read(ctx, j.ID)
		if err != nil || now.Status.HoldsSlot() == holds {
			return err
		}
		j = now
	}
}
