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
	renewed := time.Now()
	files, err := w.Exports.Write(ctx, c, func() error {
		select {
		case <-w.Drain:
			return errDrain
		default:
		}
		crash.Point("export.writing")
		if time.Since(renewed) < min(time.Second, w.Lease/5) {
			return nil
		}
		renewed = time.Now()
		return w.ExportStore.RenewExport(ctx, c)
	})
	if err != nil {
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
