package httpapi

import (
	"fmt"
	"time"

	"github.com/musterhq/muster/internal/httpapi/api"
	"github.com/musterhq/muster/internal/job"
)

// view returns the job as its owner sees it now.
func (s *Server) view(j job.Job) api.Job {
	now := s.now()
	v := api.Job{
		JobID: j.ID, Status: j.Status, Source: j.Source, Tier: j.Tier,
		RequestedCount: j.Requested, ProcessedCount: j.Processed, RejectedCount: j.Rejected,
		Progress: j.Percent(), RatePerSecond: j.Rate(now), Seed: j.Seed, FirstID: j.FirstID, LastID: j.LastID(),
		CreatedAt: api.Timestamp(j.CreatedAt), StartedAt: api.Timestamp(j.StartedAt), FinishedAt: api.Timestamp(j.FinishedAt),
		Message: s.message(j), ErrorCode: j.ErrorCode, Partial: j.Status == job.Failed,
		Undone: j.Undone, Phase: string(j.Phase), DryRun: j.DryRun, ParentJobID: j.ParentID,
	}
	if j.File != nil {
		describeFile(&v, &j)
	}
	if j.Source == job.SourceExport {
		v.ExportedCount = new(j.Exported())
	}
	if eta, ok := j.ETA(now, s.Upstream); ok {
		v.EtaSeconds = new(int64((eta + time.Second - 1) / time.Second))
	}
	return v
}

// What a client reads when its job is accepted.
const (
	started       = "Import started. Use jobId to check status."
	startedExport = "Export started. Use jobId to check status."
)

// message returns a sentence for people about where the job stands.
func (s *Server) message(j job.Job) string {
	switch {
	case j.Undone && j.Updated > 0:
		return fmt.Sprintf("Undone: the users that it inserted are removed; what it updated of %d others stays as it is.", j.Updated)
	case j.Undone:
		return "Undone: its users are removed."
	case j.UndoRequested:
		return fmt.Sprintf("Undoing: %d %%", j.UndoneRows*100/max(j.Requested, 1))
	}
	switch j.Status {
	case job.Pending, job.InProgress:
		if text := waitMessage(j.WaitReason); text != "" {
			return text
		}
		if j.Status == job.Pending {
			return "Waiting for a worker."
		}
		if j.File != nil {
			return s.fileMessage(&j)
		}
		if j.Source == job.SourceExport {
			return fmt.Sprintf("Exporting: %d users so far.", j.Exported())
		}
		done, all := batches(j, int64(s.BatchRows))
		return fmt.Sprintf("Processing batch %d/%d...", done, all)
	case job.Paused:
		return "Paused."
	case job.Completed:
		if j.Source == job.SourceExport {
			return fmt.Sprintf("Completed: %d users exported.", j.Exported())
		}
		if j.File != nil {
			return outcomeMessage(&j)
		}
		return fmt.Sprintf("Completed: %d users stored.", j.Processed)
	case job.Failed:
		if j.Source == job.SourceExport {
			return exportFailed(j.ErrorCode)
		}
		return failedMessage(j.ErrorCode)
	case job.Cancelled:
		return "Cancelled."
	}
	return ""
}

// waitMessage returns a sentence about why a job waits; empty: it does not, or for a reason that this version does not
// know.
func waitMessage(r job.WaitReason) string {
	switch r {
	case job.WaitUpstreamAllowance:
		return "Waiting for RandomUser's allowance, which the whole fleet shares."
	case job.WaitUpstreamLimited:
		return "RandomUser has had too many requests; it will be asked again."
	case job.WaitUpstreamError:
		return "RandomUser answered with an error; it will be asked again."
	case job.WaitUpstreamUnreachable:
		return "RandomUser cannot be reached; it will be asked again."
	case job.WaitUpstreamSlow:
		return "RandomUser took too long; it will be asked again."
	case job.WaitUpstreamDown:
		return "RandomUser is not working at the moment; it will be asked again."
	case job.WaitAllowanceUnknown:
		return "The shared allowance for RandomUser cannot be read at the moment."
	case job.WaitSourceSlow:
		return "The source answers too slowly; trying again."
	case job.WaitTier:
		return "Waiting for a place among larger jobs: the file has more rows than its size told."
	case job.WaitFilesDown:
		return "Waiting: the file store does not answer."
	case job.WaitFilesFull:
		return "Waiting: the file store, or the workers' folder for temporary files, is full."
	}
	if text := storeMessage(r); text != "" {
		return "Waiting: " + text + "."
	}
	return ""
}

// storeMessage returns why the database does not serve, for people who are not its administrators; empty: it does.
func storeMessage(r job.WaitReason) string {
	switch r {
	case job.WaitStoreDown:
		return "the database does not answer"
	case job.WaitStoreBusy:
		return "others keep the database busy"
	case job.WaitStoreReadOnly:
		return "the database takes no writes"
	case job.WaitStoreDenied:
		return "the database account lacks a right"
	case job.WaitStoreLimit:
		return "a limit of the database or its account is reached"
	case job.WaitStoreDisk:
		return "the database cannot write its files; the disk may be full"
	case job.WaitStoreSchema:
		return job.ErrSchema.Error()
	case job.WaitStoreUnsuitable:
		return "the database server is not one that Muster can work with"
	}
	return ""
}

func exportFailed(code string) string {
	if code == "deadline_exceeded" {
		return "The export took longer than it may; there are no files."
	}
	return "Some of the users could not be exported, so there are no files; retry goes on with these."
}

func failedMessage(code string) string {
	switch code {
	case "chunk_failed":
		return "Some of the users could not be imported; those counted are stored."
	case "deadline_exceeded":
		return "The job took longer than it may; the users counted are stored."
	}
	if text := fileFailures[code]; text != "" {
		return text
	}
	return "Failed; what was stored stays."
}

// batches returns how many batches of up to rows users are committed of j, and how many there are in all. A batch never
// spans chunks, so there are at least as many batches as chunks.
func batches(j job.Job, rows int64) (done, all int64) {
	all = max((j.Requested+rows-1)/rows, int64(j.Chunks))
	return (j.Processed + j.Rejected) * all / max(j.Requested, 1), all
}
