// Package fileexport writes the files of export jobs: each chunk of a job is a range of ids, whose users a worker writes to
// one or more objects of the file store; the manifest, which comes last, says which objects are the export.
package fileexport

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"

	"github.com/musterhq/muster/internal/filestore"
	"github.com/musterhq/muster/internal/job"
	"github.com/musterhq/muster/internal/user"
)

// Users are the users that are exported; see package store for each method's errors.
type Users interface {
	// Span returns the least and the greatest id among which the users of f are; first is above last when there are none.
	Span(ctx context.Context, f user.Filter) (first, last int64, err error)
	// Nth returns the id of the nth user of f, from 0; ok is false when there are fewer.
	Nth(ctx context.Context, f user.Filter, n int64) (id int64, ok bool, err error)
	// ExportFiles returns the files that a job has written, in the order of their users.
	ExportFiles(ctx context.Context, jobID string) ([]job.ExportFile, error)
}

// Encoder makes a file of users.
type Encoder interface {
	// Stream writes the users that s asks for to w and returns how many.
	Stream(ctx context.Context, w io.Writer, s user.ExportSpec) (rows int64, err error)
	// Type returns the media type of the file and the ending of its name, ".csv.gz".
	Type(s user.ExportSpec) (contentType, ext string)
}

// Files writes the files of export jobs. All fields are required. Errors of all methods also: job.ErrFilesUnavailable,
// job.ErrNoSpace.
type Files struct {
	Store   *filestore.Store
	Users   Users
	Encoder Encoder
}

// Root is what the names of the objects of exports begin with.
const Root = "exports/"

// Span returns the first and the last id of the users that e asks for; first is above last when there are none.
func (f *Files) Span(ctx context.Context, e *job.Export) (first, last int64, err error) {
	s, err := specOf(e)
	if err != nil {
		return 0, 0, err
	}
	return f.Users.Span(ctx, s.Filter)
}

func specOf(e *job.Export) (s user.ExportSpec, err error) {
	if e == nil {
		return s, errors.New("the job is no export")
	}
	if err := json.Unmarshal(e.Users, &s); err != nil {
		return s, fmt.Errorf("what is to be exported: %w", err)
	}
	return s, nil
}

// Folder returns what the names of all objects of a job begin with.
func Folder(j *job.Job) string {
	return Root + path.Join(j.Export.Destination, j.ID) + "/"
}

// Write writes the users of a claimed chunk to files, and returns them. No one sees them as part of the export before they
// are committed; Discard removes those of a claim that came to nothing, which Write does itself after an error. alive is
// called again and again while it writes; its error ends it.
//
// The names hold the number of the claim, so that two workers, of which one was frozen and has lost its claim, never write
// the same object.
func (f *Files) Write(ctx context.Context, c *job.Claim, alive func() error) (files []job.ExportFile, err error) {
	spec, err := specOf(c.Job.Export)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			f.Discard(ctx, files)
			files = nil
		}
	}()
	first := c.Job.Export.FirstID + c.Chunk.FirstRow
	last := first + c.Chunk.Rows - 1
	for first <= last {
		if err := alive(); err != nil {
			return files, err
		}
		file, next, err := f.writeFile(ctx, c, spec, len(files), first, last, alive)
		if err != nil {
			return files, err
		}
		// A chunk without users needs no file; but an export without users is one file without users.
		if file.Rows > 0 || c.Chunk.No == 0 && len(files) == 0 && next > last {
			files = append(files, file)
		} else {
			f.Discard(ctx, []job.ExportFile{file})
		}
		first = next
	}
	return files, nil
}

// writeFile writes the next file of a chunk, of users from the id first on and up to last, and returns it with the id to go
// on from.
func (f *Files) writeFile(
	ctx context.Context, c *job.Claim, spec user.ExportSpec, number int, first, last int64, alive func() error,
) (file job.ExportFile, next int64, err error) {
	most := c.Job.Export.SplitRows
	spec.Filter.FirstID, spec.Filter.LastID = max(spec.Filter.FirstID, first), last
	next = last + 1
	if most > 0 && most < last-first+1 {
		id, ok, err := f.Users.Nth(ctx, spec.Filter, most)
		if err != nil {
			return file, 0, err
		}
		if ok {
			spec.Filter.LastID, next = id-1, id
		}
	}
	_, ext := f.Encoder.Type(spec)
	file = job.ExportFile{
		Chunk: c.Chunk.No, Number: number,
		Object: fmt.Sprintf("%spart-%05d-%03d-%d%s", Folder(&c.Job), c.Chunk.No, number, c.Chunk.Claims, ext),
	}
	w, err := f.Store.Create(ctx, file.Object, 0)
	if err != nil {
		return file, 0, err
	}
	defer w.Discard()
	if file.Rows, err = f.Encoder.Stream(ctx, &living{w: w, alive: alive}, spec); err != nil {
		return file, 0, err
	}
	if err := w.Close(); err != nil {
		return file, 0, err
	}
	file.Bytes, file.SHA256 = w.Size(), w.SHA256()
	if most > 0 && file.Rows > most { // users came back since Nth looked: once more
		f.Discard(ctx, []job.ExportFile{file})
		return f.writeFile(ctx, c, spec, number, first, last, alive)
	}
	return file, next, nil
}

// living asks whether it is still of use before each write.
type living struct {
	w     io.Writer
	alive func() error
}

func (l *living) Write(p []byte) (int, error) {
	if err := l.alive(); err != nil {
		return 0, err
	}
	return l.w.Write(p)
}

// Discard removes files that are no part of an export. What is left after an error is removed before the manifest is
// written, or swept.
func (f *Files) Discard(ctx context.Context, files []job.ExportFile) {
	for i := range files {
		_ = f.Store.Delete(context.WithoutCancel(ctx), files[i].Object)
	}
}

// FileName returns the name of a file as its readers see it, without the folder.
func FileName(object string) string { return object[strings.LastIndexByte(object, '/')+1:] }
