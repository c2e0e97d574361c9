package worker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/musterhq/muster/internal/columns"
	"github.com/musterhq/muster/internal/crash"
	"github.com/musterhq/muster/internal/job"
	"github.com/musterhq/muster/internal/tracing"
)

// FileStore is what the store does with the files of jobs; see package store for each method's errors.
type FileStore interface {
	RenewPreparation(ctx context.Context, c *job.Claim, bytes int64) error
	StartImporting(ctx context.Context, c *job.Claim, found *job.FileFound, chunks int, chunkRows int64) (job.Job, error)
	FailPreparation(ctx context.Context, c *job.Claim, fault *job.FileError) error
	CommitFileBatch(ctx context.Context, c *job.Claim, b *columns.Batch) error
}

// Files reads the files of jobs.
type Files interface {
	// Prepare reads the file of j once, so that its chunks can be read, and says how far it is by progress, whose error
	// ends it. It is harmless to repeat. Errors also: *job.FileError, job.ErrFilesUnavailable, job.ErrNoSpace.
	Prepare(ctx context.Context, j *job.Job, progress func(bytes int64) error) (PreparedFile, error)
	// Open returns the reader of a claimed chunk of a prepared file.
	Open(ctx context.Context, c *job.Claim) (FileRows, error)
}

// PreparedFile is what preparing a file has found.
type PreparedFile struct {
	Found     *job.FileFound
	Chunks    int
	ChunkRows int64
}

// FileRows reads the rows of a chunk of a file. It is closed when done.
type FileRows interface {
	// Next makes b of the next rows, at most n; none is left when b is empty then.
	Next(ctx context.Context, b *columns.Batch, n int) error
	Close()
}

// prepare reads the file of the claim's job, and lets its import begin. A file that cannot be imported is no error: the job
// fails.
func (w *Importer) prepare(ctx context.Context, c *job.Claim, log *slog.Logger) (err error) {
	defer recovered(&err)
	if w.Files == nil {
		return filesWait(errNoFiles)
	}
	ctx, span := tracing.Start(ctx, "prepare file")
	defer func() { tracing.End(span, err) }()
	if err := w.FileStore.RenewPreparation(ctx, c, 0); err != nil {
		return err
	}
	w.showPrepared(ctx, c, 0, log)
	shown := time.Now()
	prepared, err := w.Files.Prepare(ctx, &c.Job, func(bytes int64) error {
		select {
		case <-w.Drain:
			return errDrain
		default:
		}
		crash.Point("prepare.read")
		if time.Since(shown) < min(time.Second, w.Lease/5) {
			return nil
		}
		shown = time.Now()
		if err := w.FileStore.RenewPreparation(ctx, c, bytes); err != nil {
			return err
		}
		w.showPrepared(ctx, c, bytes, log)
		return nil
	})
	if fault, ok := errors.AsType[*job.FileError](err); ok {
		log.Warn("file cannot be imported", "code", fault.Code)
		if err := w.FileStore.FailPreparation(ctx, c, fault); err != nil {
			return err
		}
		return w.Jobs.ReconcileNow(ctx, c.Job.ID)
	}
	if err != nil {
		return filesWait(err)
	}
	crash.Point("prepare.done")
	tier := c.Job.Tier
	if err := w.Jobs.Grow(ctx, &c.Job, prepared.Found.Rows); err != nil {
		return err
	}
	j, err := w.FileStore.StartImporting(ctx, c, prepared.Found, prepared.Chunks, prepared.ChunkRows)
	if err != nil {
		return err
	}
	crash.Point("prepare.moved")
	w.Jobs.Outgrown(ctx, j, tier)
	w.Metrics.preparedFile(c.Job.File.Bytes)
	log.Info("file prepared", "rows", prepared.Found.Rows, "chunks", prepared.Chunks, "bytes", c.Job.File.Bytes)
	return w.Jobs.Reconcile(ctx, j)
}

// showPrepared shows how much of the file is read. An error is only logged, since the reconciler repairs the view.
func (w *Importer) showPrepared(ctx context.Context, c *job.Claim, bytes int64, log *slog.Logger) {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	var err error
	if bytes == 0 {
		err = w.Jobs.Running(ctx, &c.Job)
	} else {
		err = w.Progress.Chunk(ctx, &job.Chunk{JobID: c.Job.ID, No: c.Chunk.No, Done: bytes})
	}
	if err != nil {
		log.Debug("progress not shown", "err", err)
	}
}

// filesWait returns a file store's error as a wait: it is not the chunk's fault.
func filesWait(err error) error {
	if reason := job.FilesTrouble(err); reason != "" {
		return &job.WaitError{Wait: 5 * time.Second, Reason: reason}
	}
	return err
}

// errNoFiles: this process has no file store.
var errNoFiles = fmt.Errorf("this worker has no file store: %w", job.ErrFilesUnavailable)

// fileBatches are the batches of a chunk of a file.
type fileBatches struct {
	w      *Importer
	rows   FileRows
	cancel context.CancelFunc // ends the reading
	batch  columns.Batch
}

// openFile opens a chunk of a file. It stays open when ctx ends, unless that is before it is open.
func (w *Importer) openFile(ctx context.Context, c *job.Claim) (batches, error) {
	if w.Files == nil {
		return nil, filesWait(errNoFiles)
	}
	open, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer context.AfterFunc(ctx, cancel)()
	rows, err := w.Files.Open(open, c)
	if err != nil {
		cancel()
		return nil, filesWait(err)
	}
	return &fileBatches{w: w, rows: rows, cancel: cancel}, nil
}

func (b *fileBatches) read(ctx context.Context, n int) error {
	defer context.AfterFunc(ctx, b.cancel)()
	return filesWait(b.rows.Next(ctx, &b.batch, n))
}

func (b *fileBatches) commit(ctx context.Context, c *job.Claim) error {
	return b.w.FileStore.CommitFileBatch(ctx, c, &b.batch)
}

func (b *fileBatches) close() {
	b.rows.Close()
	b.cancel()
}
