package webhook

import (
	"encoding/json"
	"time"

	"github.com/musterhq/muster/internal/job"
)

// payload is the body of a delivery.
type payload struct {
	Type      string    `json:"type"`
	Timestamp time.Time `json:"timestamp"` // when it happened
	Data      any       `json:"data"`
}

// jobData is what a receiver learns of a job: what GET /jobs/{jobId} shows of it, without anything personal, such as the
// name of a file or what was searched for.
type jobData struct {
	JobID       string     `json:"jobId"`
	Status      job.Status `json:"status"`
	Source      string     `json:"source"`
	Tier        job.Tier   `json:"tier"`
	Requested   int64      `json:"requestedCount"`
	Processed   int64      `json:"processedCount"`
	Rejected    int64      `json:"rejectedCount"`
	Exported    *int64     `json:"exportedCount,omitempty"`
	Outcome     *outcome   `json:"outcome,omitempty"`
	ErrorCode   string     `json:"errorCode,omitempty"`
	Undone      bool       `json:"undone,omitempty"`
	DryRun      bool       `json:"dryRun,omitempty"`
	ParentJobID string     `json:"parentJobId,omitempty"`
	CreatedAt   time.Time  `json:"createdAt"`
	StartedAt   *time.Time `json:"startedAt"`
	FinishedAt  *time.Time `json:"finishedAt"`
}

// outcome is what became of the rows of a file.
type outcome struct {
	Inserted  int64 `json:"inserted"`
	Updated   int64 `json:"updated"`
	Unchanged int64 `json:"unchanged"`
	Skipped   int64 `json:"skipped"`
	Rejected  int64 `json:"rejected"`
}

// statusOf is the status of a job when the event happened; its owner may have moved it since.
var statusOf = map[string]job.Status{JobCompleted: job.Completed, JobFailed: job.Failed, JobCancelled: job.Cancelled}

// Payload returns the body of a delivery about j. It is well below the 20 KB that the specification allows.
func Payload(d *Delivery, j *job.Job) ([]byte, error) {
	data := jobData{
		JobID: j.ID, Status: j.Status, Source: j.Source, Tier: j.Tier, Requested: j.Requested, Processed: j.Processed, Rejected: j.Rejected,
		ErrorCode: j.ErrorCode, Undone: j.Undone, DryRun: j.DryRun, ParentJobID: j.ParentID,
		CreatedAt: j.CreatedAt.UTC(), StartedAt: known(j.StartedAt), FinishedAt: known(j.FinishedAt),
	}
	if status, ok := statusOf[d.Event]; ok {
		data.Status = status
	}
	switch j.Source {
	case job.SourceExport:
		data.Exported = new(j.Exported())
	case job.SourceFile:
		data.Outcome = &outcome{j.Inserted(), j.Updated, j.Unchanged, j.Skipped, j.Rejected}
	}
	return json.Marshal(payload{d.Event, d.Created.UTC(), data})
}

// TestPayload returns the body of a delivery that an owner asked for to try an endpoint.
func TestPayload(endpointID string, at time.Time) ([]byte, error) {
	return json.Marshal(payload{Test, at.UTC(), map[string]string{"webhookId": endpointID}})
}

func known(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}
