package main

import (
	"encoding/json"
	"fmt"
	"text/tabwriter"

	"github.com/google/uuid"

	"github.com/musterhq/muster/client"
)

type exportsCommand struct {
	Create   exportsCreateCommand   `cmd:"" help:"Export users as a job, and watch."`
	Files    exportsFilesCommand    `cmd:"" help:"List the files of an export, with links to them."`
	Download exportsDownloadCommand `cmd:"" help:"Fetch the files of an export into a folder."`
}

type exportsCreateCommand struct {
	remote
	outputFlag
	filter
	Format      *string    `enum:"csv,ndjson,json,parquet,avro" help:"csv (the default), ndjson, json, parquet or avro."`
	Compress    *string    `enum:"gzip,zstd" help:"gzip or zstd."`
	Fields      []string   `sep:"none" help:"Only these columns, in this order: id,email."`
	Raw         bool       `xor:"csv" help:"CSV without the guard against spreadsheet formulas."`
	Excel       bool       `xor:"csv" help:"CSV that Excel reads as UTF-8, by a byte order mark."`
	Job         *uuid.UUID `help:"Only the users of this job."`
	Destination *string    `help:"A folder below exports/ of the file store: nightly/full."`
	SplitRows   *count     `help:"At most so many users in a file: 100k."`

	IdempotencyKey *string `help:"A repeat with the same key gets the same job."`
	CallbackURL    *string `help:"An address that is told of the job's end, as a webhook is."`
	Detach         bool    `short:"d" help:"Print the job's id and do not wait for its end."`
}

// Run submits an export, and waits unless told otherwise.
func (e *exportsCreateCommand) Run(p *process) error {
	c, err := e.open()
	if err != nil {
		return err
	}
	r, err := c.ExportJobWithResponse(p.ctx, &client.ExportJobParams{
		UserID: e.User, IdempotencyKey: e.IdempotencyKey, CallbackURL: e.CallbackURL,
		Name: e.Name, City: e.City, State: e.State, Email: e.Email, Gender: e.Gender,
		Age: e.Age, MinAge: e.MinAge, MaxAge: e.MaxAge, Deleted: e.Deleted, JobID: e.Job,
		Format: e.Format, Compress: e.Compress, Fields: list(e.Fields), Csv: given(csvVariant(e.Raw, e.Excel)),
		Destination: e.Destination, SplitRows: (*int64)(e.SplitRows),
	})
	switch {
	case err != nil && p.ctx.Err() != nil:
		return fmt.Errorf("interrupted before the API had answered: `%s` shows whether it took the job", e.again("muster jobs"))
	case err != nil:
		return err
	case r.JSON202 == nil:
		return client.Failure(r.HTTPResponse, r.Body)
	}
	id, err := accepted(r.JSON202)
	if err != nil {
		return err
	}
	return e.submitted(p, c, id, r.Body, e.Detach, &e.outputFlag)
}

// csvVariant returns the dialect of CSV that the API is asked for; empty: its usual one.
func csvVariant(raw, excel bool) string {
	switch {
	case raw:
		return "raw"
	case excel:
		return "excel"
	}
	return ""
}

type exportsFilesCommand struct {
	remote
	outputFlag
	ID uuid.UUID `arg:"" name:"job" help:"The job of the export."`
}

// Run lists the files. Links are long, and secrets of a kind: only JSON has them.
func (x *exportsFilesCommand) Run(p *process) error {
	c, err := x.open()
	if err != nil {
		return err
	}
	files, body, err := exportFiles(p, c, x.User, x.ID)
	if err != nil {
		return err
	}
	if x.json() {
		return printJSON(p.stdout, json.RawMessage(body))
	}
	w := tabwriter.NewWriter(p.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "FILE\tUSERS\tBYTES\tSHA-256")
	for _, f := range files.Files {
		fmt.Fprintf(w, "%s\t%d\t%d\t%s\n", plain(f.Name), f.Rows, f.Bytes, plain(f.Sha256))
	}
	return w.Flush()
}

// exportFiles returns the files of an export, and the answer that has them.
func exportFiles(p *process, c *client.ClientWithResponses, user string, id uuid.UUID) (*client.ExportFiles, []byte, error) {
	r, err := c.ExportFilesWithResponse(p.ctx, id, &client.ExportFilesParams{UserID: user})
	if err != nil {
		return nil, nil, err
	}
	if r.JSON200 == nil {
		return nil, nil, client.Failure(r.HTTPResponse, r.Body)
	}
	return r.JSON200, r.Body, nil
}
