package fileimport

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/musterhq/muster/internal/columns"
	"github.com/musterhq/muster/internal/formula"
	"github.com/musterhq/muster/internal/job"
	"github.com/musterhq/muster/internal/records"
)

// rejectsWriter appends rejected rows as they stand in a file.
type rejectsWriter interface {
	// appendHeader appends what comes before the rows.
	appendHeader(dst []byte) []byte
	appendRow(dst []byte, r *job.Reject) []byte
}

// WriteRejected writes rejected rows as a file that can be mended and sent again: the columns of the original, and behind
// them (in NDJSON before them) _row, _line, _code, _field and _message, which are passed over when they come back. page
// returns the rejected rows behind the row after, in their order, and none when there are no more.
//
// format is csv or ndjson; empty: that of the file's text. From CSV to CSV a record stays as its bytes are, and so do the
// members of an object. A record that cannot be split into values is as a whole a value of the column of e-mail addresses,
// or else of one that is passed over, or of the first, and in NDJSON its first 128 KiB are that of _raw: sent again as it is,
// it is rejected again. A CSV file without a header stays without. In CSV that is made of objects, values that a spreadsheet would
// run have a guard, which the column _guarded says, and what a record has beyond records.Info's Columns is left out. Of a file
// with a ' before each text, one that stays CSV too, the ' is left out and there are guards instead: who mends a value writes none.
//
// The errors are those of page, w and ctx, of the file store, and a *job.FileError when nothing is known of the file.
func (f *Files) WriteRejected(ctx context.Context, w io.Writer, j *job.Job, format string, page func(after int64) ([]job.Reject, error)) error {
	d, err := f.described(ctx, j)
	if err != nil {
		return faultOf(err, nil)
	}
	var rows rejectsWriter
	switch ofCSV := d.info.Format == records.CSV; {
	case format == records.NDJSON && ofCSV:
		rows = newObjectsOfCSV(d)
	case format == records.NDJSON, format == "" && !ofCSV:
		rows = &objects{}
	case format != records.CSV && format != "":
		return fmt.Errorf("rejected rows are written as csv or ndjson, not %q", format)
	case ofCSV:
		rows = newLines(d)
	default:
		rows = newLinesOfObjects(d)
	}
	return writeRejected(ctx, w, rows, page)
}

func writeRejected(ctx context.Context, w io.Writer, rows rejectsWriter, page func(after int64) ([]job.Reject, error)) error {
	out := bufio.NewWriterSize(w, 64<<10)
	b := rows.appendHeader(nil)
	for after := int64(-1); ; {
		if _, err := out.Write(b); err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		rejects, err := page(after)
		if err != nil {
			return err
		}
		if len(rejects) == 0 {
			return out.Flush()
		}
		b = b[:0]
		for i := range rejects {
			if b = rows.appendRow(b, &rejects[i]); len(b) > 1<<20 {
				if _, err := out.Write(b); err != nil {
					return err
				}
				b = b[:0]
			}
		}
		after = rejects[len(rejects)-1].Row
	}
}

// described is what is known of the file of which rows were rejected.
type described struct {
	info   records.Info
	header []byte   // of a CSV file as it stands; nil: it has none
	fields []string // that info's Columns are taken for
}

// wholeColumn returns the column that takes records which cannot be split: one for which they are rejected again.
func (d *described) wholeColumn() (best int) {
	bestRank := 0
	for i, name := range d.info.Columns {
		rank := 1
		switch {
		case columns.OfRejects(name):
			continue
		case d.fields[i] == columns.KeyEmail:
			rank = 3
		case d.fields[i] == "":
			rank = 2
		}
		if rank > bestRank {
			best, bestRank = i, rank
		}
	}
	return best
}

// described returns what is known of the job's file. Rejected rows are kept for longer than files: when the manifest is
// gone, what the job says has to do.
func (f *Files) described(ctx context.Context, j *job.Job) (*described, error) {
	p, err := f.prepared(ctx, j)
	if err == nil {
		d := &described{info: p.Info, header: p.Header}
		for _, c := range p.plan.Columns() {
			d.fields = append(d.fields, c.Field)
		}
		return d, nil
	}
	found := j.File.Found
	if !errors.Is(err, job.ErrFileNotFound) || found == nil || found.ColumnCount != len(found.Columns) {
		return nil, err
	}
	d := &described{info: records.Info{Format: found.Format, Charset: found.Charset, Delimiter: found.Delimiter, Header: found.Header}}
	for i, c := range found.Columns {
		d.info.Columns, d.fields = append(d.info.Columns, c.Name), append(d.fields, c.Field)
		if i > 0 {
			d.header = append(d.header, found.Delimiter...)
		}
		d.header = appendValue(d.header, []byte(c.Name), delimiterOf(&d.info))
	}
	if !found.Header {
		d.header = nil
	}
	return d, nil
}

// cells says what stands before the texts of a file that is not part of them.
type cells struct {
	guarded bool // the guard against formulas, of rejected rows that were sent again
	quoted  bool // records.Info's Quoted
}

func (d *described) cells() cells {
	guarded := slices.Contains(d.info.Columns, columns.Guarded)
	return cells{guarded: guarded, quoted: d.info.Quoted && !guarded}
}

// text returns a value without it.
func (c cells) text(v []byte) []byte {
	if c.guarded {
		v = formula.Unguard(v)
	}
	if c.quoted && len(v) > 0 && v[0] == '\'' {
		v = v[1:]
	}
	return v
}

// appendGuarded appends a value of CSV with a guard where a spreadsheet would run it.
func appendGuarded(dst, v []byte, delim byte) []byte {
	if formula.Needs(v) {
		v = append([]byte{'\''}, v...)
	}
	return appendValue(dst, v, delim)
}

func delimiterOf(info *records.Info) byte {
	if info.Delimiter == "" {
		return ','
	}
	return info.Delimiter[0]
}

// isWhole reports whether a record is rejected for a fault for which it cannot be split into values, or should not.
func isWhole(r *job.Reject) bool {
	fault := records.Fault(r.Code)
	return r.Field == "" && fault.Message() != "" && fault != records.TooFewColumns
}
