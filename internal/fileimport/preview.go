package fileimport

import (
	"bytes"
	"context"
	"errors"
	"io"
	"slices"
	"time"

	"github.com/musterhq/muster/internal/columns"
	"github.com/musterhq/muster/internal/job"
	"github.com/musterhq/muster/internal/records"
)

// What a preview shows, and how many records it looks at for samples.
const (
	previewRows    = 20
	previewSamples = 3
	previewRecords = 1000
	previewBytes   = 4 << 20 // of records
	previewExpands = 8 << 20 // bytes that what is read may expand to: some workbooks of a mebibyte would take seconds
)

// Preview shows how a file begins, of which head is the first mebibyte or less. cut: there is more, and the last record of
// head is left out. now is the day that ages are of. The error is a *job.FileError, or that of ctx.
func (f *Files) Preview(ctx context.Context, head []byte, cut bool, contentType string, o job.FileOptions, now time.Time) (*columns.Preview, error) {
	options, err := f.recordOptions(&o, contentType)
	if err != nil {
		return nil, err
	}
	options.Head, options.MaxBytes = cut, previewExpands
	file, err := records.Open(ctx, bytes.NewReader(head), options)
	if err != nil {
		return nil, faultOf(err, nil)
	}
	defer file.Close()
	plan, err := newPlan(&file.Info, columnOptions(&o, now))
	if err != nil {
		return nil, err
	}
	p := &preview{Preview: columns.Preview{Found: *foundOf(&file.Info, plan, 0)}, converter: plan.Converter(), at: map[string]int{}}
	for i, name := range file.Info.Columns[:len(p.Found.Columns)] {
		p.at[name] = i
	}
	p.Samples = make([][]string, len(p.Found.Columns))
	if err := p.read(file); err != nil {
		return nil, faultOf(err, &p.Found)
	}
	return &p.Preview, nil
}

// preview is one that is being made.
type preview struct {
	columns.Preview
	converter *columns.Converter
	at        map[string]int // of the column of that name
}

func (p *preview) read(file *records.File) error {
	size := 0
	for n := 0; n < previewRecords && size < previewBytes; n++ {
		r, err := file.Next()
		switch bomb, ok := errors.AsType[*records.FileError](err); {
		case errors.Is(err, io.EOF), ok && bomb.Code == records.Bomb && len(p.Rows) == previewRows:
			return nil
		case err != nil:
			return err
		}
		size += len(r.Raw)
		p.sample(r)
		if len(p.Rows) < previewRows {
			p.Rows = append(p.Rows, p.row(r))
		}
	}
	return nil
}

func (p *preview) row(r *records.Record) columns.PreviewRow {
	out := columns.PreviewRow{Row: r.Row, Line: r.Line}
	if r.Fault != "" {
		out.Faults = []columns.Fault{{Code: string(r.Fault), Message: r.Fault.Message()}}
		return out
	}
	var row columns.Row
	out.Faults = slices.Clone(convert(p.converter, r, &row))
	out.User = row.User
	out.User.ID = row.ID
	return out
}

// sample takes values of a record as samples of its columns.
func (p *preview) sample(r *records.Record) {
	for i, v := range r.Values {
		if r.Names != nil {
			at, known := p.at[string(r.Names[i])]
			if !known {
				continue
			}
			i = at
		}
		v = bytes.TrimSpace(v)
		if i >= len(p.Samples) || len(p.Samples[i]) == previewSamples || len(v) == 0 {
			continue
		}
		p.Samples[i] = append(p.Samples[i], cut(string(v[:min(len(v), 4*shown)])))
	}
}
