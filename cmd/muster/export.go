package main

import (
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"

	"github.com/google/uuid"

	"github.com/musterhq/muster/client"
)

type exportCommand struct {
	remote
	filter
	Output   string     `short:"o" default:"-" help:"The file; - is standard output. Its ending chooses format and compression: users.ndjson.zst."`
	Force    bool       `short:"f" help:"Overwrite a file that exists."`
	Format   *string    `enum:"csv,ndjson,json,parquet,avro" help:"csv, ndjson, json, parquet or avro; by default what the file's ending says, or csv where it has none."`
	Compress *string    `enum:"gzip,zstd" help:"gzip or zstd; by default what the file's ending says."`
	Fields   []string   `sep:"none" help:"Only these columns, in this order: id,email."`
	Raw      bool       `xor:"csv" help:"CSV without the guard against spreadsheet formulas."`
	Excel    bool       `xor:"csv" help:"CSV that Excel reads as UTF-8, by a byte order mark."`
	Job      *uuid.UUID `help:"Only the users of this job."`
}

// Run exports. A file appears under its name only when it is whole.
func (e *exportCommand) Run(p *process) error {
	c, err := e.open()
	if err != nil {
		return err
	}
	params, err := e.params()
	if err != nil {
		return err
	}
	d := download{to: e.Output, force: e.Force, what: "users", doing: "export", ask: func() (*http.Response, error) {
		return c.ExportUsers(p.ctx, params)
	}}
	return d.run(p)
}

func (e *exportCommand) params() (*client.ExportUsersParams, error) {
	format, compress, err := e.formatOf()
	if err != nil {
		return nil, err
	}
	identity := "identity" // Go would ask for gzip by itself, which costs more than it saves nearby
	params := &client.ExportUsersParams{
		AcceptEncoding: &identity,
		Name:           e.Name, City: e.City, State: e.State, Email: e.Email, Gender: e.Gender,
		Age: e.Age, MinAge: e.MinAge, MaxAge: e.MaxAge, Deleted: e.Deleted,
		Format: given(format), Compress: given(compress), Fields: list(e.Fields), Csv: given(csvVariant(e.Raw, e.Excel)),
	}
	if e.Job != nil {
		params.JobID, params.Caller = e.Job, &e.User
	}
	return params, nil
}

// formats is which format the ending of a file's name stands for.
var formats = map[string]string{".csv": "csv", ".ndjson": "ndjson", ".jsonl": "ndjson", ".json": "json", ".parquet": "parquet", ".avro": "avro"}

// formatOf returns the format and the compression that were asked for, or that the file's ending says; empty: the
// API's default. An ending that says nothing is an error, lest a spreadsheet gets CSV by the name of .xlsx.
func (e *exportCommand) formatOf() (format, compress string, err error) {
	name := strings.ToLower(filepath.Base(e.Output))
	packing, packed := "", filepath.Ext(name)
	switch packed {
	case ".gz":
		packing = "gzip"
	case ".zst":
		packing = "zstd"
	default:
		packed = ""
	}
	ending := filepath.Ext(strings.TrimSuffix(name, packed))
	if format = formats[ending]; e.Format != nil {
		format = *e.Format
	}
	if compress = packing; e.Compress != nil {
		compress = *e.Compress
	}
	switch {
	case e.Output == "":
		return "", "", errors.New("--output wants a file, or - for standard output")
	case strings.Trim(ending, ".") == "" && ending != "":
		return "", "", fmt.Errorf("%s is a folder: name a file", e.Output)
	case format == "" && ending != "":
		return "", "", fmt.Errorf("%q is no format to export: name the file .csv, .ndjson (or .jsonl), .json, .parquet or .avro, with .gz or .zst behind if compressed, or choose by --format", ending)
	case packed != "" && (format == "parquet" || format == "avro"):
		return "", "", fmt.Errorf("a %s file is compressed inside: leave %s out of its name, and use --compress", format, packed)
	}
	return format, compress, nil
}
