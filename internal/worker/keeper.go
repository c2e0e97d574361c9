package worker

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/musterhq/muster/internal/crash"
	"github.com/musterhq/muster/internal/job"
)

// Jobs is the store's side of a job's moves.
type Jobs interface {
	Job(ctx context.Context, id string) (job.Job, error)
	FinishJob(ctx context.Context, id string) (bool, error)
	Settle(ctx context.Context, id string, version int64) error
	Say(ctx context.Context, id, message string) error
}

// House is what the keeper reads and mends.
type House interface {
	Unsettled(ctx context.Context, after string, limit int) ([]job.Job, error)
	Unheld(ctx context.Context, id string, window int) ([]job.Chunk, error)
	FailPoison(ctx context.Context, id string) (int64, error)
	FailOverdue(ctx context.Context, id string) (bool, error)
	Chunks(ctx context.Context, id string) ([]job.Chunk, error)
}

// Undos tells the fleet that the users of a job are to be removed.
type Undos interface {
	RingUndo(ctx context.Context, tier job.Tier, jobID string, rows int64) error
}

// Keeper repairs what any process left undone. It is level-triggered: each round derives everything from the store,
// and every step compares and sets, so that any number of keepers may run at once. All fields are required.
type Keeper struct {
	Jobs     Jobs
	House    House
	Slots    job.Slots
	Bells    Bells
	Undos    Undos
	Live     Live
	Tiers    job.Tiers
	Window   int
	Interval time.Duration
	Log      *slog.Logger
}

// Run makes a round each jittered interval until ctx ends.
func (k *Keeper) Run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(k.Interval*3/4 + rand.N(k.Interval/2)):
		}
		if err := k.Round(ctx); err != nil && ctx.Err() == nil {
			k.Log.Warn("keeper's round cut short", "err", err)
		}
	}
}

// pageSize bounds what one read of the round holds; the round pages through all jobs, so that stuck ones do not hide
// those behind them.
const pageSize = 100

// Round sees to every job once. An error of one job is logged and does not keep the others waiting; the error
// returned is that of reading the list.
func (k *Keeper) Round(ctx context.Context) error {
	for after := ""; ; {
		jobs, err := k.House.Unsettled(ctx, after, pageSize)
		if err != nil {
			return err
		}
		for i := range jobs {
			if err := k.tend(ctx, jobs[i]); err != nil && ctx.Err() == nil {
				k.Log.Warn("job not tended", "job", jobs[i].ID, "err", err)
			}
			after = jobs[i].ID
		}
		if len(jobs) < pageSize {
			return nil
		}
	}
}

func (k *Keeper) tend(ctx context.Context, j job.Job) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	if !j.Status.HoldsSlot() {
		return k.settle(ctx, j)
	}
	crash.Point("keeper.begin")
	poisoned, err := k.House.FailPoison(ctx, j.ID)
	if err != nil {
		return err
	}
	if poisoned > 0 {
		k.Log.Error("chunks failed for good", "job", j.ID, "chunks", poisoned)
	}
	// The end of the work before the deadline: a job that has everything is not late.
	if moved, err := k.finish(ctx, j.ID); err != nil || moved {
		return err
	}
	crash.Point("keeper.finished")
	overdue, err := k.House.FailOverdue(ctx, j.ID)
	if err != nil {
		return err
	}
	if overdue {
		k.Log.Error("job took longer than it may", "job", j.ID)
		return k.over(ctx, j.ID)
	}
	// The bells first: a Redis that refuses slots may still take them, and they are what moves the job.
	chunks, err := k.House.Unheld(ctx, j.ID, k.Window)
	if err != nil {
		return err
	}
	crash.Point("keeper.looked")
	for _, c := range chunks {
		if err := k.Bells.Ring(ctx, j.Tier, j.ID, c.No, c.Claims); err != nil {
			return err
		}
		crash.Point("keeper.rung")
	}
	if err := k.keepSlot(ctx, j); err != nil {
		return err
	}
	crash.Point("keeper.renewed")
	return k.refresh(ctx, j)
}

// keepSlot extends the job's slot, puts it back after Redis lost it, or gives it back.
func (k *Keeper) keepSlot(ctx context.Context, j job.Job) error {
	return job.KeepSlot(ctx, k.Slots, k.Jobs.Job, j, k.Tiers.Limit(j.Tier))
}

// refresh puts the live progress back when Redis lost it or shows an older state, or a message that a slow worker
// showed after it was taken back: messages have no versions.
func (k *Keeper) refresh(ctx context.Context, j job.Job) error {
	live, ok, err := k.Live.Get(ctx, j.ID)
	if err != nil || ok && (live.Version > j.Version || live.Version == j.Version && live.Message == j.Message) {
		return err
	}
	return k.put(ctx, j)
}

// put shows the job with all its chunks, since a hash without them would show less than there was.
func (k *Keeper) put(ctx context.Context, j job.Job) error {
	chunks, err := k.House.Chunks(ctx, j.ID)
	if err != nil {
		return err
	}
	return k.Live.Put(ctx, j, chunks)
}

// finish ends the job if all its chunks are over. Exactly one caller in the fleet makes the move.
func (k *Keeper) finish(ctx context.Context, id string) (moved bool, err error) {
	moved, err = k.Jobs.FinishJob(ctx, id)
	if err != nil || !moved {
		return false, err
	}
	return true, k.over(ctx, id)
}

// over tells of a job that has just ended, and settles it, unless its owner was faster and let it go on.
func (k *Keeper) over(ctx context.Context, id string) error {
	j, err := k.Jobs.Job(ctx, id)
	if err != nil || j.Status.HoldsSlot() {
		return err
	}
	k.Log.Info("job over", "job", id, "status", j.Status, "processed", j.Processed, "rejected", j.Rejected,
		"users/s", j.Rate(time.Now()), "elapsed", j.FinishedAt.Sub(j.StartedAt).String())
	return k.settle(ctx, j)
}

// settle sees to what follows a job's end or pause. Each step is harmless to repeat; the mark comes last.
func (k *Keeper) settle(ctx context.Context, j job.Job) error {
	crash.Point("settle.begin")
	if err := k.keepSlot(ctx, j); err != nil {
		return err
	}
	crash.Point("settle.freed")
	if j.UndoRequested && !j.Undone {
		return k.Undos.RingUndo(ctx, j.Tier, j.ID, j.UndoneRows)
	}
	if err := k.refresh(ctx, j); err != nil {
		return err
	}
	crash.Point("settle.shown")
	err := k.Jobs.Settle(ctx, j.ID, j.Version)
	crash.Point("settle.settled")
	return err
}

// started shows that the job runs, and takes back what it said while it waited.
func (k *Keeper) started(ctx context.Context, j *job.Job) error {
	if j.Message != "" {
		if err := k.Jobs.Say(ctx, j.ID, ""); err != nil {
			return err
		}
	}
	now, err := k.Jobs.Job(ctx, j.ID)
	if err != nil {
		return err
	}
	*j = now
	return k.put(ctx, now)
}

// say lets the job show why it waits.
func (k *Keeper) say(ctx context.Context, id, message string) error {
	if err := k.Jobs.Say(ctx, id, message); err != nil {
		return err
	}
	j, err := k.Jobs.Job(ctx, id)
	if err != nil {
		return err
	}
	return k.put(ctx, j)
}
