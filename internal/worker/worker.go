// Package worker does the work: it claims the chunks that the queue's tasks name, imports them batch by batch, and removes
// the users of jobs that are to be undone.
//
// A task's handler never fails: what it leaves undone the reconciler enqueues again. asynq's own retries and
// cancellation play no part in correctness.
package worker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"time"

	"github.com/musterhq/muster/internal/crash"
	"github.com/musterhq/muster/internal/job"
	"github.com/musterhq/muster/internal/jobs"
	"github.com/musterhq/muster/internal/user"
)

// Next returns the users of the next at most n rows of a claimed chunk, in row order, in dst's memory, and how many
// rows the source left out as invalid. Rows are a pure function of (seed, row number), so that any worker makes the
// same batch again. A *job.WaitError asks to come back later; any other error counts as the chunk's own fault.
type Next = func(ctx context.Context, dst []user.User, n int) (users []user.User, rejected int, err error)

// Source is where the users of a job come from.
type Source interface {
	Open(ctx context.Context, c job.Claim) (Next, error)
}

// Chunks is what the store does with claims; see package store for each method's errors.
type Chunks interface {
	ClaimChunk(ctx context.Context, jobID string, no int) (*job.Claim, error)
	CommitBatch(ctx context.Context, c *job.Claim, users []user.User, rejected int) error
	GiveBack(ctx context.Context, c *job.Claim, wait time.Duration, reason string) error
	Stall(ctx context.Context, c *job.Claim, reason string) error
}

// Progress shows how far a chunk is, and that its job waits for the database.
type Progress interface {
	Chunk(ctx context.Context, jobID string, no int, done, rejected int64) error
	WaitForStore(ctx context.Context, jobID string, reason job.WaitReason) error
}

// Importer imports chunks. All fields are required.
type Importer struct {
	Chunks    Chunks
	Jobs      *jobs.Service
	Progress  Progress
	Sources   map[string]Source // by the name in a job's source
	BatchRows int
	Lease     time.Duration   // of a claim; a source has four fifths of it for a batch
	Drain     <-chan struct{} // closed when the process is asked to stop
	Log       *slog.Logger
}

// Import claims the chunk and works on it until it is done, another worker has it, or it has to be given back. Without
// a claim it does nothing.
func (w *Importer) Import(ctx context.Context, jobID string, no int) {
	log := w.Log.With("job", jobID, "chunk", no)
	c, err := w.Chunks.ClaimChunk(ctx, jobID, no)
	if err != nil {
		log.Warn("chunk not claimed", "err", err)
		w.showStoreTrouble(ctx, jobID, job.StoreTrouble(err), log)
		return
	}
	if c == nil {
		return
	}
	start, batches := time.Now(), 0
	from := c.Chunk.Done
	err = w.work(ctx, c, log, &batches)
	elapsed := time.Since(start)
	inserted := c.Chunk.Done - from
	log = log.With("batches", batches, "inserted", inserted, "percent", c.Chunk.Done*100/c.Chunk.Rows,
		"users/s", int64(float64(inserted)/max(elapsed.Seconds(), 0.001)), "elapsed", elapsed.Round(time.Millisecond).String())
	if err == nil {
		crash.Point("chunk.done")
		log.Info("chunk done")
		if err := w.Jobs.ChunkDone(ctx, c); err != nil {
			log.Warn("job not finished yet; the reconciler will", "err", err)
		}
		return
	}
	w.endClaim(c, err, log)
}

// errDrain: this process is asked to stop.
var errDrain = errors.New("the worker is stopping")

// panicError is a panic of the source or the store while a chunk was worked on.
type panicError struct {
	value any
	stack []byte
}

func (e *panicError) Error() string { return fmt.Sprintf("panic: %v", e.value) }

// work imports batches until the chunk is done.
func (w *Importer) work(ctx context.Context, c *job.Claim, log *slog.Logger, batches *int) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = &panicError{value: v, stack: debug.Stack()}
		}
	}()
	source, ok := w.Sources[c.Job.Source]
	if !ok {
		return fmt.Errorf("this worker has no source %q", c.Job.Source)
	}
	next, err := openInTime(ctx, w.Lease, source, c)
	if err != nil {
		return err
	}
	dst := make([]user.User, 0, w.BatchRows)
	for c.Chunk.Left() > 0 {
		select {
		case <-w.Drain:
			return errDrain
		default:
		}
		users, rejected, err := w.nextInTime(ctx, next, dst, int(min(int64(w.BatchRows), c.Chunk.Left())))
		if err != nil {
			return err
		}
		crash.Point("batch.read")
		before := c.Job
		if err := w.Chunks.CommitBatch(ctx, c, users, rejected); err != nil {
			return err
		}
		crash.Point("batch.counted")
		*batches++
		w.show(ctx, c, before, log)
		crash.Point("batch.shown")
		log.Debug("batch committed", "batch", *batches, "inserted", len(users), "rejected", rejected,
			"percent", c.Chunk.Done*100/c.Chunk.Rows)
	}
	return nil
}

// openInTime opens the source. Like nextInTime it gives it four fifths of the lease: past the lease another worker may
// claim the chunk, and ask for the same again.
func openInTime(ctx context.Context, lease time.Duration, s Source, c *job.Claim) (Next, error) {
	in, cancel := context.WithTimeout(ctx, lease*4/5)
	defer cancel()
	next, err := s.Open(in, *c)
	return next, late(ctx, in, err)
}

func (w *Importer) nextInTime(ctx context.Context, next Next, dst []user.User, n int) ([]user.User, int, error) {
	in, cancel := context.WithTimeout(ctx, w.Lease*4/5)
	defer cancel()
	users, rejected, err := next(in, dst[:0], n)
	return users, rejected, late(ctx, in, err)
}

// late returns a source's error, or a wait when the source failed because its time, in, was up.
func late(ctx, in context.Context, err error) error {
	var wait *job.WaitError
	if err == nil || errors.As(err, &wait) || in.Err() == nil || ctx.Err() != nil {
		return err
	}
	return &job.WaitError{Wait: 5 * time.Second, Reason: job.WaitSourceSlow}
}

// show updates the live view after a batch. An error is only logged, since the reconciler repairs the view. before is
// the job as it was before the batch.
func (w *Importer) show(ctx context.Context, c *job.Claim, before job.Job, log *slog.Logger) {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	var err error
	if before.Status == job.Pending || before.WaitReason != "" {
		err = w.Jobs.Running(ctx, &c.Job)
	}
	if err == nil {
		err = w.Progress.Chunk(ctx, c.Chunk.JobID, c.Chunk.No, c.Chunk.Done, c.Chunk.Rejected)
	}
	if err != nil {
		log.Debug("progress not shown", "err", err)
	}
}

// showStoreTrouble shows that the job waits for the database; reason is empty when it does not.
func (w *Importer) showStoreTrouble(ctx context.Context, jobID string, reason job.WaitReason, log *slog.Logger) {
	if reason == "" {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	if err := w.Progress.WaitForStore(ctx, jobID, reason); err != nil {
		log.Debug("progress not shown", "err", err)
	}
}

// endClaim ends a claim whose chunk is not done because of cause. The claim stays counted as a stall only when the
// cause is a panic or an error of the chunk's own; a worker that dies or hangs does not come here, and so leaves its
// stall too.
func (w *Importer) endClaim(c *job.Claim, cause error, log *slog.Logger) {
	// A context of its own: asynq's may have ended, which is one of the causes.
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	var wait *job.WaitError
	var panicked *panicError
	var err error
	trouble := job.StoreTrouble(cause)
	switch {
	case errors.Is(cause, job.ErrFenced):
		log.Info("chunk is somebody else's or over; stopped")
	case errors.As(cause, &wait):
		log.Info("chunk waits", "wait", wait.Wait.Round(time.Millisecond).String(), "reason", wait.Reason)
		err = errors.Join(w.Chunks.GiveBack(ctx, c, wait.Wait, string(wait.Reason)), w.Jobs.Waiting(ctx, &c.Job, wait.Reason))
	case errors.Is(cause, errDrain), errors.Is(cause, context.Canceled):
		log.Info("chunk given back")
		if err = w.Chunks.GiveBack(ctx, c, 0, ""); err == nil {
			err = w.Jobs.Enqueue(ctx, c)
		}
	case trouble != "":
		log.Warn("chunk given back: the database is in trouble", "reason", trouble, "err", cause)
		w.showStoreTrouble(ctx, c.Job.ID, trouble, log)
		err = w.Chunks.GiveBack(ctx, c, 0, string(trouble))
	case errors.As(cause, &panicked):
		log.Error("chunk stalled", "err", cause, "stalls", c.Chunk.Stalls, "stack", string(panicked.stack))
		err = w.Chunks.Stall(ctx, c, "panic")
	default:
		log.Error("chunk stalled", "err", cause, "stalls", c.Chunk.Stalls)
		err = w.Chunks.Stall(ctx, c, cause.Error())
	}
	if err != nil {
		log.Warn("chunk left to its lease", "err", err)
	}
}
