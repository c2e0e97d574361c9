package workerproc

import (
	"context"
	"time"

	"github.com/musterhq/muster/cmd/internal/boot"
	"github.com/musterhq/muster/internal/fileimport"
	"github.com/musterhq/muster/internal/job"
	"github.com/musterhq/muster/internal/jobs"
	"github.com/musterhq/muster/internal/worker"
)

// sweepEvery is how often each worker looks for files and rejected rows that nobody needs any more.
const sweepEvery = time.Hour

// takeFiles lets the worker import and export files, if there is a place for them.
func takeFiles(s *boot.Stack, w *worker.Importer) {
	w.FileStore, w.ExportStore = s.Store, s.Store
	if files := s.FileExport(); files != nil {
		w.Exports = files
	}
	if files := s.FileImport(); files != nil {
		w.Files = workerFiles{files}
	}
}

// workerFiles are Files as the worker takes them.
type workerFiles struct{ *fileimport.Files }

// Prepare implements worker.Files.
func (f workerFiles) Prepare(ctx context.Context, j *job.Job, progress func(bytes int64) error) (worker.PreparedFile, error) {
	p, err := f.Files.Prepare(ctx, j, progress)
	if err != nil {
		return worker.PreparedFile{}, err
	}
	return worker.PreparedFile(*p), nil
}

// Open implements worker.Files.
func (f workerFiles) Open(ctx context.Context, c *job.Claim) (worker.FileRows, error) {
	return f.Files.Open(ctx, c)
}

func sweeper(s *boot.Stack, service *jobs.Service) *jobs.Sweeper {
	w := &jobs.Sweeper{Store: s.Store, Retention: s.Config.FileRetention, Log: s.Log, Metrics: service.Metrics}
	if s.Files != nil {
		w.Files = s.Files
	}
	return w
}
