package main

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/musterhq/muster/client"
	"github.com/musterhq/muster/cmd/internal/boot"
)

// exitRejected is the exit code of an import that is through, and has rejected rows.
const exitRejected = 3

// fileOver tells what became of a file whose job is over, and fails when the job did, or rows were rejected.
func (r *remote) fileOver(p *process, j *client.Job, failed error) error {
	o := j.Outcome
	if o == nil {
		o = &client.Outcome{}
	}
	name := cmp.Or(nameOf(j), "the file")
	switch {
	case failed != nil:
		failed = fmt.Errorf("the job ended %s, with %s: %s", j.Status, outcomeText(o), j.Message)
	case value(j.DryRun):
		fmt.Fprintf(p.stdout, "Nothing was stored of %s. Of its rows would be: %s.\n", name, outcomeText(o))
	default:
		fmt.Fprintf(p.stdout, "Imported %s: %s.\n", name, outcomeText(o))
	}
	if o.Rejected == 0 {
		return failed
	}
	help := r.mend(j)
	if failed != nil {
		return fmt.Errorf("%w\n%s", failed, help)
	}
	return &boot.ExitError{Code: exitRejected, Err: fmt.Errorf("%d of %d rows were rejected\n%s", o.Rejected, rowsOf(o), help)}
}

// mend says how rejected rows are fetched and posted back.
func (r *remote) mend(j *client.Job) string {
	file := "rejected.csv"
	if format := value(j.File.Format); format == "ndjson" || format == "json" {
		file = "rejected.ndjson"
	}
	return fmt.Sprintf("To mend them and post them back:\n  %s\n  %s",
		r.again("muster jobs rejected "+j.JobID+" -o "+file), r.again("muster import file "+file+" --parent "+j.JobID))
}

func rowsOf(o *client.Outcome) int64 {
	return o.Inserted + o.Updated + o.Unchanged + o.Skipped + o.Rejected
}

// outcomeText lists what became of rows.
func outcomeText(o *client.Outcome) string {
	var parts []string
	for _, part := range []struct {
		n    int64
		what string
	}{{o.Inserted, "inserted"}, {o.Updated, "updated"}, {o.Unchanged, "unchanged"}, {o.Skipped, "skipped"}, {o.Rejected, "rejected"}} {
		if part.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", part.n, part.what))
		}
	}
	return cmp.Or(strings.Join(parts, ", "), "no rows")
}
