package httpapi

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/musterhq/muster/internal/httpapi/api"
	"github.com/musterhq/muster/internal/job"
	"github.com/musterhq/muster/internal/records"
)

func fileJob(change func(*job.Job)) job.Job {
	j := job.Job{
		ID: "j1", Source: job.SourceFile, Status: job.InProgress, Phase: job.Importing, Requested: 10_000, Processed: 1900, Rejected: 100, Chunks: 1,
		StartedAt: time.Now().Add(-time.Minute), File: &job.File{Upload: "u1", Bytes: 5_000_000_000, SHA256: "00"},
	}
	if change != nil {
		change(&j)
	}
	return j
}

func TestMessagesOfFileJobs(t *testing.T) {
	t.Parallel()
	s := &Server{Config: Config{BatchRows: 1000}, now: time.Now}
	for want, change := range map[string]func(*job.Job){
		"Reading the file: 34 % of 5.0 GB.":                        func(j *job.Job) { j.Phase, j.Prepared = job.Preparing, 1_700_000_000 },
		"Waiting for a worker.":                                    func(j *job.Job) { j.Phase, j.Status = job.Preparing, job.Pending },
		"Waiting: the database does not answer.":                   func(j *job.Job) { j.WaitReason = job.WaitStoreDown },
		"Processing batch 2/10...":                                 nil,
		"Checking batch 2/10 of a dry run...":                      func(j *job.Job) { j.DryRun = true },
		"Completed: 1900 inserted, 100 rejected, see rejectedUrl.": func(j *job.Job) { j.Status = job.Completed },
		"Completed: 0 inserted, 1 updated, 2 unchanged, 3 skipped.": func(j *job.Job) {
			j.Status, j.Processed, j.Rejected, j.Updated, j.Unchanged, j.Skipped = job.Completed, 6, 0, 1, 2, 3
		},
		"Dry run, nothing was stored. An import would give: 1890 inserted, 10 updated, 100 rejected, see rejectedUrl.": func(j *job.Job) {
			j.Status, j.DryRun, j.Updated = job.Completed, true, 10
		},
		"Undone: its users are removed.": func(j *job.Job) { j.Status, j.Undone = job.Completed, true },
		"Undone: the users that it inserted are removed; what it updated of 7 others stays as it is.": func(j *job.Job) { j.Status, j.Undone, j.Updated = job.Completed, true, 7 },
	} {
		if got := s.message(fileJob(change)); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// Each code with which a file job fails has a sentence of its own, which says more than that it failed.
func TestEveryFailureOfAFileHasItsSentence(t *testing.T) {
	t.Parallel()
	codes := []string{job.CodeNoKnownColumn, job.CodeNoKeyColumn, job.CodeTooManyRejected, job.CodeTooManyRows, job.CodeBadMap, job.CodeFileMissing}
	for _, c := range []records.FileCode{
		records.EmptyFile, records.UnknownFormat, records.UnknownCharset, records.Unreadable, records.Bomb, records.BadHeader, records.TooManyColumnsInAll,
		records.TooLarge, records.NeedsWholeFile,
	} {
		codes = append(codes, string(c))
		if got := faultCode(string(c)).String(); got != string(c) {
			t.Errorf("a preview answers %s for %s", got, c)
		}
	}
	seen := map[string]bool{}
	for _, code := range codes {
		text := failedMessage(code)
		if seen[text] || text == failedMessage("") {
			t.Errorf("%s: %q", code, text)
		}
		seen[text] = true
	}
	if len(seen) != len(fileFailures) {
		t.Errorf("%d codes, %d sentences", len(seen), len(fileFailures))
	}
}

func TestViewOfAFileJob(t *testing.T) {
	t.Parallel()
	s := &Server{Config: Config{BatchRows: 1000}, now: time.Now}
	v := s.view(fileJob(func(j *job.Job) { j.Phase, j.Prepared, j.Processed, j.Rejected = job.Preparing, 4_999_999_999, 0, 0 }))
	if v.Progress != 99 || v.RatePerSecond != 0 || v.EtaSeconds != nil || v.FirstID != 0 || v.LastID != 0 || v.Phase != "PREPARING" || v.RejectedURL != "" || v.File.Rows != nil {
		t.Errorf("while it is read: %+v", v)
	}
	v = s.view(fileJob(func(j *job.Job) {
		j.Updated, j.Unchanged, j.Skipped, j.DryRun, j.ParentID = 5, 6, 7, true, "p1"
		j.File.Found = &job.FileFound{Format: "csv", Rows: 10_000, ColumnCount: 1, Columns: []job.FileColumn{{Name: "Mail", Field: "email"}}}
	}))
	want := &api.JobFile{Bytes: 5_000_000_000, Sha256: "00", UploadID: "u1", Format: "csv", Rows: new(int64(10_000)), ColumnCount: 1, Columns: []api.FileColumn{{Name: "Mail", Field: "email"}}}
	if diff := cmp.Diff(want, v.File); diff != "" {
		t.Errorf("file (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(&api.Outcome{Inserted: 1882, Updated: 5, Unchanged: 6, Skipped: 7, Rejected: 100}, v.Outcome); diff != "" {
		t.Errorf("outcome (-want +got):\n%s", diff)
	}
	if !v.DryRun || v.ParentJobID != "p1" || v.RejectedURL != "/api/v1/jobs/j1/rejected" || v.Progress != 20 {
		t.Errorf("%+v", v)
	}
	if v := s.view(job.Job{Source: job.SourceFaker}); v.File != nil || v.Outcome != nil || v.Phase != "" {
		t.Errorf("a job of another source: %+v", v)
	}
}

func TestSize(t *testing.T) {
	t.Parallel()
	for bytes, want := range map[int64]string{0: "0 bytes", 999: "999 bytes", 1000: "1.0 kB", 999_499: "999.5 kB", 1_000_000: "1.0 MB", 999_999_999: "1.0 GB", 20_000_000_000: "20.0 GB"} {
		if got := size(bytes); got != want {
			t.Errorf("%d: %q, want %q", bytes, got, want)
		}
	}
}
