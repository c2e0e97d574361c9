package worker

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/musterhq/muster/internal/crash"
	"github.com/musterhq/muster/internal/job"
	"github.com/musterhq/muster/internal/tracing"
)

// ExportStore is what the store does with the chunks of export jobs; see package store for each method's errors.
type ExportStore interface {
	RenewExport(ctx context.Context, c *job.Claim) error
	CommitExport(ctx context.Context, c *job.Claim, files []job.ExportFile) error
}

// Exports writes the files of export jobs.
type Exports interface {
	// Write writes the users of a claimed chunk to files that nobody else writes, and calls alive all the while, whose error
	// ends it. It leaves nothing after an error. Errors also: job.ErrFilesUnavailable, job.ErrNoSpace.
	Write(ctx context.Context, c *job.Claim, alive func() error) ([]job.ExportFile, error)
	// Discard removes files that are no part of the export.
	Discard(ctx context.Context, files []job.ExportFile)
}

// export writes the files of the claimed chunk of an export job, and ends the chunk. Unlike an import, a chunk is written
// as a whole or not at all.
func (w *Importer) export(ctx context.Context, c *job.Claim, log *slog.Logger) (err error) {
	defer recovered(&err)
	if w.Exports == nil {
		return filesWait(errNoFiles)
	}
	ctx, span := tracing.Start(ctx, "export chunk")
	defer func() { tracing.End(span, err) }()
	began := time.Now()
	if err := w.ExportStore.RenewExport(ctx, c); err != nil {
		return err
	}
	w.showExport(ctx, c, log)
	writing, lost := context.WithCancelCause(ctx)
	held := make(chan struct{})
	go func() {
		defer close(held)
		w.hold(writing, lost, c)
	}()
	files, err := w.Exports.Write(writing, c, func() error {
		crash.Point("export.writing")
		return context.Cause(writing)
	})
	cause := context.Cause(writing)
	lost(nil)
	<-held
	if err != nil {
		if cause != nil {
			err = cause
		}
		return filesWait(err)
	}
	crash.Point("export.written")
	if err := w.ExportStore.CommitExport(ctx, c, files); err != nil {
		if errors.Is(err, job.ErrFenced) { // otherwise it may have committed
			w.Exports.Discard(ctx, files)
		}
		return err
	}
	crash.Point("export.committed")
	w.showExport(ctx, c, log)
	users, bytes := int64(0), int64(0)
	for i := range files {
		users += files[i].Rows
		bytes += files[i].Bytes
	}
	w.Metrics.exported(users, bytes)
	log.Info("chunk done", "files", len(files), "exported", users, "bytes", bytes, "elapsed", time.Since(began).Round(time.Millisecond).String())
	if err := w.Jobs.ChunkDone(ctx, c); err != nil {
		log.Warn("job not finished yet; the reconciler will", "err", err)
	}
	return nil
}

// hold renews the lease of a chunk whose files are written, also while the file store or the database is slow, until ctx ends.
// It ends ctx when the chunk is somebody else's, and when this process is asked to stop.
func (w *Importer) hold(ctx context.Context, lost context.CancelCauseFunc, c *job.Claim) {
	tick := time.NewTicker(min(time.Second, w.Lease/5))
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-w.Drain:
			lost(errDrain)
			return
		case <-tick.C:
		}
		if err := w.ExportStore.RenewExport(ctx, c); errors.Is(err, job.ErrFenced) {
			lost(err)
			return
		} // whatever else is wrong with the database may pass before the lease has
	}
}

// showExport shows that the job runs, and how far the chunk is. An error is only logged, since the reconciler repairs the
// view.
func (w *Importer) showExport(ctx context.Context, c *job.Claim, log *slog.Logger) {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	var err error
	if c.Chunk.Done == 0 {
		err = w.Jobs.Running(ctx, &c.Job)
	} else {
		err = w.Progress.Chunk(ctx, &c.Chunk)
	}
	if err != nil {
		log.Debug("progress not shown", "err", err)
	}
}
