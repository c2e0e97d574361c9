package httpapi

import (
	"fmt"
	"time"

	"github.com/musterhq/muster/internal/httpapi/api"
	"github.com/musterhq/muster/internal/job"
)

// view is the job as its owner sees it now.
func (s *Server) view(j job.Job) api.Job {
	now := s.now()
	v := api.Job{
		JobID: j.ID, Status: j.Status, Source: j.Source, Tier: j.Tier,
		RequestedCount: j.Requested, ProcessedCount: j.Processed, RejectedCount: j.Rejected,
		Progress: j.Percent(), RatePerSecond: j.Rate(now), Seed: j.Seed, FirstID: j.FirstID, LastID: j.LastID(),
		CreatedAt: api.Timestamp(j.CreatedAt), StartedAt: api.Timestamp(j.StartedAt), FinishedAt: api.Timestamp(j.FinishedAt),
		Message: s.message(j), ErrorCode: j.ErrorCode, Partial: j.Status == job.Failed,
		Undone: j.Undone,
	}
	if eta, ok := j.ETA(now, s.Upstream); ok {
		v.EtaSeconds = new(int64((eta + time.Second - 1) / time.Second))
	}
	return v
}

// started is what a client reads when its import is accepted.
const started = "Import started. Use jobId to check status."

func (s *Server) message(j job.Job) string {
	switch {
	case j.Undone:
		return "Undone: its users are removed."
	case j.UndoRequested:
		return fmt.Sprintf("Undoing: %d %%", j.UndoneRows*100/max(j.Requested, 1))
	case j.Message != "":
		return j.Message
	}
	switch j.Status {
	case job.Pending:
		return "Waiting for a worker."
	case job.InProgress:
		done, all := batches(j, int64(s.BatchRows))
		return fmt.Sprintf("Processing batch %d/%d...", done, all)
	case job.Paused:
		return "Paused."
	case job.Completed:
		return fmt.Sprintf("Completed: %d users stored.", j.Processed)
	case job.Failed:
		return "Failed; what was stored stays."
	case job.Cancelled:
		return "Cancelled."
	}
	return ""
}

// batches counts the batches of up to rows users that are committed of j, and all. A batch never spans chunks, so there
// are at least as many.
func batches(j job.Job, rows int64) (done, all int64) {
	all = max((j.Requested+rows-1)/rows, int64(j.Chunks))
	return (j.Processed + j.Rejected) * all / max(j.Requested, 1), all
}
