package httpapi

import (
	"fmt"
	"strings"

	"github.com/musterhq/muster/internal/httpapi/api"
	"github.com/musterhq/muster/internal/job"
)

// describeFile adds to the view what jobs have that import a file.
func describeFile(v *api.Job, j *job.Job) {
	f := j.File
	v.File = &api.JobFile{Name: f.Name, Bytes: f.Bytes, Sha256: f.SHA256, UploadID: f.Upload}
	if found := f.Found; found != nil {
		v.File.Format, v.File.Compression, v.File.Charset, v.File.Delimiter = found.Format, found.Compression, found.Charset, found.Delimiter
		v.File.Rows, v.File.ColumnCount, v.File.Columns = new(found.Rows), found.ColumnCount, columnsView(found.Columns)
	}
	v.Outcome = &api.Outcome{Inserted: j.Inserted(), Updated: j.Updated, Unchanged: j.Unchanged, Skipped: j.Skipped, Rejected: j.Rejected}
	if j.Rejected > 0 {
		v.RejectedURL = "/api/v1/jobs/" + j.ID + "/rejected"
	}
}

// fileMessage says how far the import of a file is.
func (s *Server) fileMessage(j *job.Job) string {
	if j.Phase == job.Preparing {
		return fmt.Sprintf("Reading the file: %d %% of %s.", j.Percent(), size(j.File.Bytes))
	}
	done, all := batches(*j, int64(s.BatchRows))
	if j.DryRun {
		return fmt.Sprintf("Checking batch %d/%d of a dry run...", done, all)
	}
	return fmt.Sprintf("Processing batch %d/%d...", done, all)
}

// size returns a number of bytes as people read it: 5.0 GB.
func size(bytes int64) string {
	value := float64(bytes)
	for _, unit := range []string{"bytes", "kB", "MB"} {
		if value < 999.5 {
			if unit == "bytes" {
				return fmt.Sprintf("%d bytes", bytes)
			}
			return fmt.Sprintf("%.1f %s", value, unit)
		}
		value /= 1000
	}
	return fmt.Sprintf("%.1f GB", value)
}

// outcomeMessage says what became of a file's rows.
func outcomeMessage(j *job.Job) string {
	parts := []string{fmt.Sprintf("%d inserted", j.Inserted())}
	for _, part := range []struct {
		rows int64
		what string
	}{{j.Updated, "updated"}, {j.Unchanged, "unchanged"}, {j.Skipped, "skipped"}, {j.Rejected, "rejected, see rejectedUrl"}} {
		if part.rows > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", part.rows, part.what))
		}
	}
	text := strings.Join(parts, ", ") + "."
	if j.DryRun {
		return "Dry run, nothing was stored. An import would give: " + text
	}
	return "Completed: " + text
}

// fileFailures says of each code of a job that failed for what its file is what to do about it. They are those of
// internal/job and internal/records.
var fileFailures = map[string]string{
	job.CodeNoKnownColumn:   "No column of the file is known as an e-mail address or a name. Say which one is: map=email:<column>.",
	job.CodeNoKeyColumn:     "No column of the file is known as the key. Say which one is, as in map=email:<column>, or import with onDuplicate=insert.",
	job.CodeTooManyRejected: "More rows were rejected than maxRejected allows; those counted before that are stored. See the rejected rows for the reasons.",
	job.CodeTooManyRows:     "The file has more rows than one job may import: divide it.",
	job.CodeBadMap:          "map names a column that the file does not have, or takes one for two fields. file.columns lists what there is.",
	job.CodeFileMissing:     "The file is not there any more: send it again.",
	"empty_file":            "There are no rows in the file.",
	"unknown_format":        "The file is of no format that is known: send CSV, NDJSON, JSON, Parquet, Avro or XLSX, or say which one it is by format.",
	"unknown_charset":       "The charset is not known: send the file as UTF-8.",
	"unreadable":            "The file is damaged, cut off, or not of the format that was said: write it anew. Nothing was stored.",
	"bomb":                  "The file expands to more than any real one does: send it less compressed, or in parts.",
	"bad_header":            "The row that names the columns cannot be read: mend it, or say header=false.",
	"too_many_columns":      "The file has more than 1,000 columns: leave out those that are not about users.",
	"too_large":             "Parts of the file that have to be read at once are too large: write it in smaller row groups or blocks, or as CSV.",
	"needs_whole_file":      "The file can only be read as a whole.",
}
