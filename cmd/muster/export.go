package main

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"slices"
	"strings"

	"github.com/google/uuid"

	"github.com/musterhq/muster/client"
)

type exportCommand struct {
	remote
	filter
	Output   string     `short:"o" default:"-" help:"The file; - is standard output. Its ending chooses format and compression: users.ndjson.zst."`
	Format   string     `enum:",csv,ndjson,json,parquet,avro" default:"" help:"csv, ndjson, json, parquet or avro; by default what the file's ending says, or csv."`
	Compress string     `enum:",gzip,zstd" default:"" help:"gzip or zstd; by default what the file's ending says."`
	Fields   []string   `help:"Only these columns, in this order."`
	Raw      bool       `help:"CSV without the guard against spreadsheet formulas."`
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
	resp, err := client.Check(c.ExportUsers(p.ctx, params)) //nolint:bodyclose // below
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if e.Output == "-" {
		out := p.stdout
		if interactive(p.stderr) && !interactive(p.stdout) {
			bar := newBar(p.stderr, "bytes", 0)
			defer bar.end()
			out = io.MultiWriter(out, &meter{bar: bar})
		}
		_, err := io.Copy(out, resp.Body)
		return err
	}
	if err := e.save(p, resp); err != nil {
		return fmt.Errorf("export to %s: %w", e.Output, err)
	}
	return nil
}

func (e *exportCommand) save(p *process, resp *http.Response) (err error) {
	f, err := create(e.Output)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	bar := newBar(p.stderr, "bytes", 0)
	size, err := io.Copy(io.MultiWriter(f, &meter{bar: bar}), resp.Body)
	bar.end()
	if err != nil {
		return err
	}
	if err := f.commit(); err != nil {
		return err
	}
	// The number of users comes in a trailer, which is there after the body.
	_, err = fmt.Fprintf(p.stderr, "Wrote %s users, %d bytes, to %s.\n", resp.Trailer.Get("X-Row-Count"), size, e.Output)
	return err
}

// meter shows how many bytes were written through it.
type meter struct {
	bar *bar
	n   int64
}

func (m *meter) Write(p []byte) (int, error) {
	m.n += int64(len(p))
	m.bar.set(m.n)
	return len(p), nil
}

func (e *exportCommand) params() (*client.ExportUsersParams, error) {
	format, compress, err := e.formatOf()
	if err != nil {
		return nil, err
	}
	raw := ""
	if e.Raw {
		raw = "raw"
	}
	identity := "identity" // Go would ask for gzip by itself, which costs more than it saves nearby
	params := &client.ExportUsersParams{
		AcceptEncoding: &identity,
		Name:           given(e.Name), City: given(e.City), State: given(e.State), Email: given(e.Email), Gender: given(e.Gender),
		Age: given(e.Age), MinAge: given(e.MinAge), MaxAge: given(e.MaxAge), Deleted: given(e.Deleted),
		Format: given(format), Compress: given(compress), Fields: list(e.Fields), Csv: given(raw),
	}
	if e.Job != nil {
		params.JobID, params.Caller = e.Job, &e.User
	}
	return params, nil
}

// formatOf returns the format and the compression that were asked for, or that the file's ending says.
func (e *exportCommand) formatOf() (format, compress string, err error) {
	packed := ""
	name := strings.ToLower(filepath.Base(e.Output))
	format, compress = e.Format, e.Compress
	for ending, c := range map[string]string{".gz": "gzip", ".zst": "zstd"} {
		if rest, ok := strings.CutSuffix(name, ending); ok {
			name, packed = rest, ending
			if compress == "" {
				compress = c
			}
		}
	}
	ending := strings.TrimPrefix(filepath.Ext(name), ".")
	if format == "" && slices.Contains([]string{"csv", "ndjson", "json", "parquet", "avro"}, ending) {
		format = ending
	}
	if packed != "" && (format == "parquet" || format == "avro") {
		return "", "", fmt.Errorf("a %s file is compressed inside: leave %s out of its name, and use --compress", format, packed)
	}
	return format, compress, nil
}
