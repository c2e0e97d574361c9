package main

import (
	"fmt"
	"net/http"
	"path/filepath"
	"strings"

	"github.com/musterhq/muster/client"
)

type jobsRejectedCommand struct {
	jobCommand
	Output string  `short:"o" default:"-" help:"The file; - is standard output. Its ending chooses the format: rejected.ndjson."`
	Force  bool    `short:"f" help:"Overwrite a file that exists."`
	Format *string `enum:"csv,ndjson" help:"csv or ndjson; by default what the file's ending says, or csv where it has none."`
}

// Run writes the rejected rows: their own columns, and what is wrong with them.
func (x *jobsRejectedCommand) Run(p *process) error {
	c, err := x.open()
	if err != nil {
		return err
	}
	format, err := x.formatOf()
	if err != nil {
		return err
	}
	identity := "identity" // as for exports
	d := download{to: x.Output, force: x.Force, what: "rows", doing: "write rejected rows", ask: func() (*http.Response, error) {
		return c.RejectedRows(p.ctx, x.ID, &client.RejectedRowsParams{UserID: x.User, Format: format, AcceptEncoding: &identity})
	}}
	return d.run(p)
}

// formatOf returns the format that was asked for, or that the file's ending says; nil: the API's default.
func (x *jobsRejectedCommand) formatOf() (*string, error) {
	ending := strings.ToLower(filepath.Ext(filepath.Base(x.Output)))
	format := formats[ending]
	switch {
	case x.Format != nil:
		return x.Format, nil
	case format == "" && ending == "":
		return nil, nil
	case format == "csv", format == "ndjson":
		return &format, nil
	}
	return nil, fmt.Errorf("%q is no format of rejected rows: name the file .csv or .ndjson, or choose by --format", ending)
}
