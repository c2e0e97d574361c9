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

	"go.opentelemetry.io/otel/trace"

	"github.com/musterhq/muster/internal/crash"
	"github.com/musterhq/muster/internal/job"
	"github.com/musterhq/muster/internal/jobs"
	"github.com/musterhq/muster/internal/tracing"
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
	Chunk(ctx context.Context, c *job.Chunk) error
	WaitForStore(ctx context.Context, jobID string, reason job.WaitReason) error
	// Stored counts users that were stored for an owner.
	Stored(ctx context.Context, owner string, users int64) error
}

// Importer imports chunks. All fields are required, but those of files.
type Importer struct {
	Chunks    Chunks
	Jobs      *jobs.Service
	Progress  Progress
	Sources   map[string]Source // by the name in a job's source, but for files
	Files     Files             // nil: this worker has no file store, and leaves such jobs to others
	FileStore FileStore

	Exports     Exports // nil: this worker has no file store, and leaves export jobs to others
	ExportStore ExportStore

	BatchRows int
	Lease     time.Duration   // of a claim; a source has four fifths of it for a batch
	Drain     <-chan struct{} // closed when the process is asked to stop
	Log       *slog.Logger
	Metrics   *Metrics // nil: nothing is counted

	Traces trace.TracerProvider // nil: nothing is traced
}

// Import claims the chunk and works on it until it is done, another worker has it, or it has to be given back. Without
// a claim it does nothing.
func (w *Importer) Import(ctx context.Context, jobID string, no int) {
	log := w.Log.With("job", jobID, "chunk", no)
	c, err := w.Chunks.ClaimChunk(ctx, jobID, no)
	if err != nil {
		w.Metrics.notClaimed()
		log.Warn("chunk not claimed", "err", err)
		w.showStoreTrouble(ctx, jobID, job.StoreTrouble(err), log)
		return
	}
	if c == nil {
		return
	}
	log = w.Log.With(append(c.Job.LogAttrs(), "chunk", no)...)
	end := w.Metrics.claim()
	ctx, span := w.chunkSpan(ctx, c)
	defer func() {
		end(howEnded(err))
		tracing.End(span, err)
	}()
	if c.Job.Source == job.SourceExport {
		if err = w.export(ctx, c, log); err != nil {
			w.endClaim(c, err, log)
		}
		return
	}
	if no == job.PrepareChunk {
		if err = w.prepare(ctx, c, log); err != nil {
			w.endClaim(c, err, log)
		}
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

// recovered makes an error of a panic. It is deferred.
func recovered(err *error) {
	if v := recover(); v != nil {
		*err = &panicError{value: v, stack: debug.Stack()}
	}
}

// batches are those of a claimed chunk, from where the claim stands.
type batches interface {
	read(ctx context.Context, n int) error // the next at most n rows
	commit(ctx context.Context, c *job.Claim) error
	close()
}

// work imports batches until the chunk is done.
func (w *Importer) work(ctx context.Context, c *job.Claim, log *slog.Logger, count *int) (err error) {
	defer recovered(&err)
	b, err := w.openInTime(ctx, c)
	if err != nil {
		return err
	}
	defer b.close()
	counted := w.Metrics.of(c.Job.Source)
	for c.Chunk.Left() > 0 {
		select {
		case <-w.Drain:
			return errDrain
		default:
		}
		before, inserted := c.Job, insertedOf(&c.Chunk)
		if err := w.batch(ctx, c, b, counted); err != nil {
			return err
		}
		crash.Point("batch.counted")
		*count++
		w.show(ctx, c, before, insertedOf(&c.Chunk)-inserted, log)
		crash.Point("batch.shown")
		log.Debug("batch committed", "batch", *count, "rejected", c.Chunk.Rejected, "percent", c.Chunk.Done*100/c.Chunk.Rows)
	}
	return nil
}

// batch reads the next batch of the chunk and commits it.
func (w *Importer) batch(ctx context.Context, c *job.Claim, b batches, counted *sourceMetrics) (err error) {
	ctx, span := tracing.Start(ctx, "batch")
	defer func() { tracing.End(span, err) }()
	start, before := time.Now(), c.Chunk
	if err := w.readInTime(ctx, b, int(min(int64(w.BatchRows), c.Chunk.Left()))); err != nil {
		return err
	}
	crash.Point("batch.read")
	read := time.Since(start)
	if err := b.commit(ctx, c); err != nil {
		return err
	}
	counted.batch(&before, &c.Chunk, c.Job.DryRun, read, time.Since(start)-read)
	return nil
}

// sourceBatches are the batches of a chunk whose users a Source makes.
type sourceBatches struct {
	w        *Importer
	next     Next
	users    []user.User
	rejected int
}

func (b *sourceBatches) read(ctx context.Context, n int) (err error) {
	b.users, b.rejected, err = b.next(ctx, b.users[:0], n)
	return err
}

func (b *sourceBatches) commit(ctx context.Context, c *job.Claim) error {
	return b.w.Chunks.CommitBatch(ctx, c, b.users, b.rejected)
}

func (b *sourceBatches) close() {}

func (w *Importer) open(ctx context.Context, c *job.Claim) (batches, error) {
	if c.Job.Source == job.SourceFile {
		return w.openFile(ctx, c)
	}
	source, ok := w.Sources[c.Job.Source]
	if !ok {
		return nil, fmt.Errorf("this worker has no source %q", c.Job.Source)
	}
	next, err := source.Open(ctx, *c)
	if err != nil {
		return nil, err
	}
	return &sourceBatches{w: w, next: next, users: make([]user.User, 0, w.BatchRows)}, nil
}

// openInTime opens the source. Like readInTime it gives it four fifths of the lease: past the lease another worker may
// claim the chunk, and ask for the same again.
func (w *Importer) openInTime(ctx context.Context, c *job.Claim) (batches, error) {
	in, cancel := context.WithTimeout(ctx, w.Lease*4/5)
	defer cancel()
	b, err := w.open(in, c)
	return b, late(ctx, in, err)
}

func (w *Importer) readInTime(ctx context.Context, b batches, n int) error {
	in, cancel := context.WithTimeout(ctx, w.Lease*4/5)
	defer cancel()
	return late(ctx, in, b.read(in, n))
}

// late returns a source's error, or a wait when the source failed because its time, in, was up.
func late(ctx, in context.Context, err error) error {
	var wait *job.WaitError
	if err == nil || errors.As(err, &wait) || in.Err() == nil || ctx.Err() != nil {
		return err
	}
	return &job.WaitError{Wait: 5 * time.Second, Reason: job.WaitSourceSlow}
}

// insertedOf returns the rows of a chunk that became users.
func insertedOf(c *job.Chunk) int64 { return c.Done - c.Rejected - c.Updated - c.Unchanged - c.Skipped }

// show updates the live view after a batch. An error is only logged, since the reconciler repairs the view. before is
// the job as it was before the batch, inserted what the batch has inserted.
func (w *Importer) show(ctx context.Context, c *job.Claim, before job.Job, inserted int64, log *slog.Logger) {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	var err error
	if before.Status == job.Pending || before.WaitReason != "" {
		err = w.Jobs.Running(ctx, &c.Job)
	}
	if err == nil {
		err = w.Progress.Chunk(ctx, &c.Chunk)
	}
	if err == nil && inserted > 0 && !c.Job.DryRun {
		err = w.Progress.Stored(ctx, c.Job.Owner, inserted)
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
		reason := cause.Error()
		if fault, ok := errors.AsType[*job.FileError](cause); ok {
			reason = fault.Code // which the store may make the job's
		}
		log.Error("chunk stalled", "err", cause, "stalls", c.Chunk.Stalls)
		err = w.Chunks.Stall(ctx, c, reason)
	}
	if err != nil {
		log.Warn("chunk left to its lease", "err", err)
	}
}
