package fileimport

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/musterhq/muster/internal/columns"
	"github.com/musterhq/muster/internal/filestore"
	"github.com/musterhq/muster/internal/job"
	"github.com/musterhq/muster/internal/records"
)

// maxBatchBytes is how many bytes of records a batch has at most, but for the last of them.
const maxBatchBytes = 8 << 20

// Chunk reads the rows of a chunk. One goroutine at a time may use it.
type Chunk struct {
	object    *filestore.Object
	body      io.ReadCloser
	scanner   *records.Scanner
	converter *columns.Converter
	passed    *bits
	options   *job.FileOptions
	key       string // empty: rows are told apart by nothing
}

// Open returns the reader of a claimed chunk, from its row Done on. ctx has to live as long as it is read. Close it. The
// error, as that of Next, is a *job.FileError when the file, or what was made of it, is gone, else of the file store.
func (f *Files) Open(ctx context.Context, c *job.Claim) (*Chunk, error) {
	out, err := f.open(ctx, c)
	if err != nil {
		return nil, faultOf(err, nil)
	}
	for range c.Chunk.Done {
		if _, err := out.scanner.Next(); err != nil {
			out.Close()
			return nil, faultOf(shorter(err), nil)
		}
	}
	return out, nil
}

func (f *Files) open(ctx context.Context, c *job.Claim) (*Chunk, error) {
	p, err := f.prepared(ctx, &c.Job)
	if err != nil {
		return nil, err
	}
	chunk, err := f.chunk(ctx, p, &c.Chunk)
	if err != nil {
		return nil, err
	}
	out := &Chunk{converter: p.plan.Converter(), options: &c.Job.File.Options}
	out.key = columnOptions(out.options, c.Job.CreatedAt).Key
	if out.passed, err = f.passedOver(ctx, p, &c.Chunk); err != nil {
		return nil, err
	}
	name := c.Job.File.Object
	if p.Info.Rewritten {
		name = textName(p.jobID)
	}
	if out.object, err = f.Store.Open(ctx, name); err != nil {
		return nil, err
	}
	out.body = out.object.Range(ctx, chunk.Offset, chunk.Size)
	if out.scanner, err = records.NewScanner(out.body, p.Info, chunk); err != nil {
		_ = out.body.Close()
		_ = out.object.Close()
		return nil, err
	}
	return out, nil
}

// shorter: the end of a chunk before its end is no end.
func shorter(err error) error {
	if errors.Is(err, io.EOF) {
		return fmt.Errorf("the chunk is shorter than its job says: %w", io.ErrUnexpectedEOF)
	}
	return err
}

// Next makes b of the next rows of the file, at most n, and fewer when they have more than 8 MiB. b.Len() is 0 when the
// chunk is over. What is in b is valid until the next call with it.
func (c *Chunk) Next(ctx context.Context, b *columns.Batch, n int) error {
	b.Reset()
	if err := ctx.Err(); err != nil {
		return err
	}
	for size := 0; b.Len() < n && size < maxBatchBytes; {
		r, err := c.scanner.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return faultOf(err, nil)
		}
		size += len(r.Raw)
		c.add(b, r)
	}
	return nil
}

// add adds what becomes of a record.
func (c *Chunk) add(b *columns.Batch, r *records.Record) {
	switch {
	case r.Fault != "":
		reject(b, r, rejectOf(r, nil))
		return
	case c.passed.has(r.Row - 1):
		if c.options.OnDuplicate != job.DuplicateReject {
			b.Skipped++
			return
		}
		reject(b, r, job.Reject{
			Row: r.Row - 1, Line: r.Line, Code: DuplicateInFile, Field: c.key,
			Message: c.key + " is that of another row of the file, which counts",
		})
		return
	}
	b.Rows = append(b.Rows, columns.Row{})
	row := &b.Rows[len(b.Rows)-1]
	if faults := convert(c.converter, r, row); faults != nil {
		b.Rows = b.Rows[:len(b.Rows)-1]
		reject(b, r, rejectOf(r, faults))
		return
	}
	row.Index, row.Line = r.Row-1, r.Line
	if c.key != "" {
		row.Raw = b.Keep(r.Raw)
	}
}

func reject(b *columns.Batch, r *records.Record, out job.Reject) {
	out.Raw = b.Keep(r.Raw)
	b.Rejects = append(b.Rejects, out)
}

// Close ends the reading.
func (c *Chunk) Close() {
	c.scanner.Close()
	_ = c.body.Close()
	_ = c.object.Close()
}
