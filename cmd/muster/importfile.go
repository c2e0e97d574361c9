package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/google/uuid"

	"github.com/musterhq/muster/client"
	"github.com/musterhq/muster/cmd/internal/boot"
)

type importFileCommand struct {
	remote
	outputFlag
	Files []string `arg:"" optional:"" help:"CSV, NDJSON, JSON, Parquet, Avro or XLSX, gzip and zstd too; - is standard input. Each becomes a job, one after the other."`

	OnDuplicate *string  `enum:"insert,skip,update,fill,reject" help:"What becomes of a row whose user is there already: insert (the default: nobody looks), skip, update, fill or reject."`
	Key         *string  `enum:"email,id" help:"By what a row finds its user: email (the default) or id."`
	InFile      *string  `enum:"first,last" help:"Which of several rows with one key counts: first (the default) or last."`
	EmptyMeans  *string  `enum:"keep,clear" help:"What an empty value means to --on-duplicate=update: keep (the default) what the user has, or clear it."`
	MaxRejected *string  `help:"How many rows may be rejected before the job fails: a number, or 10%."`
	DryRun      bool     `help:"Go through everything and store no user."`
	Map         []string `sep:"none" placeholder:"FIELD:COLUMN" help:"Take this column for the field, whatever it is called; without a column the field is left alone. May be repeated."`
	Format      *string  `enum:"csv,ndjson,json,parquet,avro,xlsx" help:"csv, ndjson, json, parquet, avro or xlsx; by default what the file looks like, as for the next three."`
	Delimiter   *string  `help:"Of CSV: the character between values, or tab, comma, semicolon or pipe."`
	Charset     *string  `help:"Such as utf-8, utf-16 or windows-1252."`
	Header      *bool    `negatable:"" help:"The first line names the columns, or does not."`

	From   []string   `sep:"none" help:"A file of the place that the server is told to import from, by its path there. May be repeated."`
	Upload *uuid.UUID `help:"A file that was uploaded already, by its id."`
	Resume *string    `placeholder:"ID" help:"Go on with an upload that was interrupted, of the first file."`
	Parent *uuid.UUID `help:"The job whose rejected rows these are."`

	IdempotencyKey *string `help:"A repeat with the same key gets the same job; for one file only."`
	CallbackURL    *string `help:"An address that is told of the end of each job, as a webhook is."`
	Yes            bool    `short:"y" help:"Import without asking."`
	Detach         bool    `short:"d" help:"Print the ids of the jobs and do not wait for their ends."`
}

// Run looks at all files before it imports the first, so that nobody is asked, and nothing fails for its columns, later.
func (i *importFileCommand) Run(p *process) error {
	c, err := i.open()
	if err != nil {
		return err
	}
	all, err := i.inputs(p)
	defer closeAll(all)
	if err != nil {
		return err
	}
	for _, in := range all {
		if err := i.preview(p, c, in); err != nil {
			return fmt.Errorf("%s: %w", in.name, err)
		}
	}
	if p.person && !i.Yes {
		question := "Import it?"
		if len(all) > 1 {
			question = fmt.Sprintf("Import these %d files?", len(all))
		}
		if yes, err := ask(p, question, true); err != nil || !yes {
			return errors.Join(err, errors.New("nothing was imported"))
		}
	}
	return i.importAll(p, c, all)
}

// waitTries is how often in a row the API is asked again to take a file.
const waitTries = 10

// importAll imports one file after the other. The first that fails stops it; rejected rows do not.
func (i *importFileCommand) importAll(p *process, c *client.ClientWithResponses, all []*input) error {
	var rejected []string
	for n, in := range all {
		err := i.importOne(p, c, in)
		for tries := 0; n > 0 && tries < waitTries && waitAfter(p, err); tries++ {
			err = i.importOne(p, c, in)
		}
		some, ok := errors.AsType[*boot.ExitError](err)
		switch {
		case len(all) == 1:
			return err
		case ok && some.Code == exitRejected:
			fmt.Fprintln(p.stderr, some)
			rejected = append(rejected, in.name)
		case err != nil:
			return fmt.Errorf("%s: %w%s", in.name, err, stopped(all, n))
		}
	}
	if rejected != nil {
		return &boot.ExitError{Code: exitRejected, Err: fmt.Errorf("rows of %s were rejected, see above", strings.Join(rejected, ", "))}
	}
	return nil
}

// stopped says what is left of the files when the n-th failed.
func stopped(all []*input, n int) string {
	names := func(some []*input) string {
		list := make([]string, len(some))
		for i, in := range some {
			list[i] = in.name
		}
		return strings.Join(list, ", ")
	}
	text := ""
	if n > 0 {
		text += "\nDone before: " + names(all[:n])
	}
	if n < len(all)-1 {
		text += "\nNot begun: " + names(all[n+1:])
	}
	return text
}

func (i *importFileCommand) importOne(p *process, c *client.ClientWithResponses, in *input) error {
	id, answer, err := i.submit(p, c, in)
	if err != nil {
		return err
	}
	return i.submitted(p, c, id, answer, i.Detach, &i.outputFlag)
}

// params are those of the command line, without where the file is.
func (i *importFileCommand) params() *client.ImportFileParams {
	params := &client.ImportFileParams{
		UserID: i.User, IdempotencyKey: i.IdempotencyKey, CallbackURL: i.CallbackURL,
		OnDuplicate: i.OnDuplicate, Key: i.Key, InFile: i.InFile, EmptyMeans: i.EmptyMeans, MaxRejected: i.MaxRejected, DryRun: given(i.DryRun),
		Format: i.Format, Delimiter: i.Delimiter, Charset: i.Charset, Header: i.Header, ParentJobID: i.Parent,
	}
	if i.Map != nil {
		params.Map = &i.Map
	}
	return params
}
