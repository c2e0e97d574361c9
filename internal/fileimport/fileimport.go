// Package fileimport turns the file of a job into batches of rows. Prepare reads it once, and writes into the file store
// where each chunk of it lies and which of its rows do not count; Open reads a chunk then. Preview shows how a file begins,
// and WriteRejected writes rows that were rejected as a file that can be mended and sent again.
//
// The objects of a job are
//
//	jobs/<id>/text         the file as UTF-8, CSV or NDJSON; only when it is none already
//	jobs/<id>/passed-over  a bit for each row, set when another row of the file counts for its key; only when there is one
//	jobs/<id>/chunks       the manifest; it is written last, and when it is there the file is prepared
package fileimport

import (
	"cmp"
	"errors"
	"fmt"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/musterhq/muster/internal/columns"
	"github.com/musterhq/muster/internal/filestore"
	"github.com/musterhq/muster/internal/invalid"
	"github.com/musterhq/muster/internal/job"
	"github.com/musterhq/muster/internal/records"
)

// Files prepares the files of jobs and reads their chunks. Its methods may be called at once.
type Files struct {
	Store     *filestore.Store
	TempDir   string // for what is sorted, and files that are read here and there; empty: os.TempDir()
	ChunkRows int64  // rows of a chunk
	MaxRows   int64  // rows that one file may have; 0: any number

	mu     sync.Mutex
	recent []*prepared // that were used last, the latest at the end

	runEntries int // of sorters; 0: as many as there should be
}

// DuplicateInFile is the code of a row that is rejected because another row of the file counts for its key.
const DuplicateInFile = "duplicate_in_file"

// columnOptions returns how the columns of a file are taken; without a strategy there is no key. today is the day that ages are of.
func columnOptions(o *job.FileOptions, today time.Time) columns.Options {
	out := columns.Options{Map: o.Map, EmptyMeans: o.EmptyMeans, Today: today}
	if o.OnDuplicate != "" && o.OnDuplicate != job.DuplicateInsert {
		out.Key = cmp.Or(o.Key, columns.KeyEmail)
	}
	return out
}

func (f *Files) recordOptions(o *job.FileOptions, contentType string) (records.Options, error) {
	out := records.Options{Format: o.Format, Charset: o.Charset, Header: o.Header, ContentType: contentType, TempDir: f.TempDir}
	switch len(o.Delimiter) {
	case 0:
	case 1:
		out.Delimiter = o.Delimiter[0]
	default:
		return out, &job.FileError{Code: string(records.UnknownFormat), Message: "the delimiter must be one character of ASCII"}
	}
	return out, nil
}

// newPlan resolves the columns of a file. The error is a *job.FileError.
func newPlan(info *records.Info, o columns.Options) (*columns.Plan, error) {
	o.NoRows, o.Quoted = info.Empty, info.Quoted
	plan, err := columns.NewPlan(info.Columns, o)
	if err == nil {
		return plan, nil
	}
	fault := &job.FileError{Code: job.CodeNoKnownColumn, Message: err.Error(), Found: foundOf(info, nil, 0)}
	if bad, ok := errors.AsType[*invalid.Error](err); ok {
		var each []string
		for _, f := range bad.Fields {
			each = append(each, f.Field+" "+f.Message)
		}
		fault.Code, fault.Message = job.CodeBadMap, strings.Join(each, "; ")
	} else if _, ok := errors.AsType[*columns.NoKeyColumnError](err); ok {
		fault.Code = job.CodeNoKeyColumn
	}
	// What the columns are taken for without what is wrong helps to put it right.
	if plan, err := columns.NewPlan(info.Columns, columns.Options{Today: o.Today}); err == nil {
		fault.Found = foundOf(info, plan, 0)
	}
	return nil, fault
}

// foundOf describes a file; plan may be nil.
func foundOf(info *records.Info, plan *columns.Plan, rows int64) *job.FileFound {
	found := &job.FileFound{
		Format: info.Format, Compression: info.Compression, Charset: info.Charset, Delimiter: info.Delimiter, Header: info.Header,
		Rows: rows, ColumnCount: len(info.Columns),
	}
	for i, name := range info.Columns[:min(len(info.Columns), job.MaxColumnsShown)] {
		column := job.FileColumn{Name: cut(name)}
		if plan != nil {
			column.Field = plan.Columns()[i].Field
		}
		found.Columns = append(found.Columns, column)
	}
	return found
}

// shown is how many characters of a name or value people are shown.
const shown = 100

func cut(s string) string {
	n := 0
	for i := range s {
		if n++; n > shown {
			return s[:i]
		}
	}
	return s
}

// faultOf returns a *job.FileError for an error that says that the file, or what was made of it, can never be read; other
// errors are returned as they are. found may be nil.
func faultOf(err error, found *job.FileFound) error {
	if _, ok := errors.AsType[*job.FileError](err); ok {
		return err
	}
	if e, ok := errors.AsType[*records.FileError](err); ok {
		return &job.FileError{Code: string(e.Code), Message: e.Message, Found: found}
	}
	if _, ok := errors.AsType[*job.FileTooLargeError](err); ok { // what it was rewritten to
		return &job.FileError{Code: string(records.TooLarge), Message: "the file expands to more than can be stored", Found: found}
	}
	switch {
	case errors.Is(err, job.ErrFileNotFound):
		return &job.FileError{Code: job.CodeFileMissing, Message: "the file is not in the file store any more", Found: found}
	case errors.Is(err, syscall.ENOSPC) && !errors.Is(err, job.ErrNoSpace): // the folder for temporary files
		return fmt.Errorf("%w: %w", job.ErrNoSpace, err)
	}
	return err
}

// rejectOf makes a reject of a record without its raw bytes; faults are empty when the record itself is faulty.
func rejectOf(r *records.Record, faults []columns.Fault) job.Reject {
	out := job.Reject{Row: r.Row - 1, Line: r.Line}
	if r.Fault != "" {
		out.Code, out.Message = string(r.Fault), r.Fault.Message()
		return out
	}
	out.Code, out.Field = faults[0].Code, faults[0].Field
	for i, f := range faults {
		if i > 0 {
			out.Message += "; "
		}
		out.Message += f.Field + " " + f.Message
	}
	return out
}

// convert makes a row of a record without a fault.
func convert(c *columns.Converter, r *records.Record, row *columns.Row) []columns.Fault {
	if r.Names != nil {
		return c.ConvertMembers(r.Names, r.Values, row)
	}
	return c.Convert(r.Values, row)
}
