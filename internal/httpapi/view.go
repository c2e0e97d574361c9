package httpapi

import (
	"fmt"
	"time"

	"github.com/musterhq/muster/internal/httpapi/api"
	"github.com/musterhq/muster/internal/job"
)

// view is the job as its owner sees it at the time now.
func view(j job.Job, now time.Time) api.Job {
	v := api.Job{
		JobID: j.ID, Status: j.Status, Source: j.Source, Tier: j.Tier,
		RequestedCount: j.Requested, ProcessedCount: j.Processed, RejectedCount: j.Rejected,
		Progress: j.Percent(), RatePerSecond: j.Rate(now), Seed: j.Seed, FirstID: j.FirstID, LastID: j.LastID(),
		CreatedAt: api.Timestamp(j.CreatedAt), StartedAt: api.Timestamp(j.StartedAt), FinishedAt: api.Timestamp(j.FinishedAt),
		Message: message(j), ErrorCode: j.ErrorCode, Partial: j.Status == job.Failed,
		Undone: j.Undone,
	}
	if eta, ok := j.ETA(now); ok {
		v.EtaSeconds = new(int64((eta + time.Second - 1) / time.Second))
	}
	return v
}

// started is what a client reads when its import is accepted.
const started = "Import started. Use jobId to check status."

// batchRows is how many users the message counts as a batch: what workers commit at once, unless configured otherwise.
const batchRows = 1000

func message(j job.Job) string {
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
		return fmt.Sprintf("Processing batch %d/%d...", (j.Processed+j.Rejected)/batchRows, (j.Requested+batchRows-1)/batchRows)
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
