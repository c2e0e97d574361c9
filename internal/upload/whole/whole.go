// Package whole keeps files that come in one piece as finished uploads. Unlike package upload it knows no protocol, so that
// workers can link it.
package whole

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"path"
	"strings"
	"unicode"

	"github.com/google/uuid"

	"github.com/musterhq/muster/internal/filestore"
	"github.com/musterhq/muster/internal/job"
)

// Note is what the store keeps of an upload beside its bytes.
type Note struct {
	Owner       string `json:"owner"`
	FileName    string `json:"fileName,omitempty"`
	ContentType string `json:"contentType,omitempty"`
}

// ObjectName is the name in the file store of the upload.
func ObjectName(id string) string { return "uploads/" + id }

// Receive takes a whole file of at most so many bytes in one stream, as a finished upload of the owner's, in constant memory.
// Nothing is left of it after an error: of body, *job.FileTooLargeError, the store's.
func Receive(ctx context.Context, files *filestore.Store, most int64, owner, fileName, contentType string, body io.Reader) (*job.Upload, error) {
	id, err := uuid.NewV7()
	if err != nil {
		return nil, err
	}
	n := Note{Owner: owner, FileName: LastName(fileName), ContentType: Text(contentType)}
	kept, err := json.Marshal(&n)
	if err != nil {
		return nil, err
	}
	w, err := files.Create(ctx, ObjectName(id.String()), most)
	if err != nil {
		return nil, err
	}
	defer w.Discard()
	if _, err := io.Copy(w, body); err != nil {
		return nil, err
	}
	if err := w.CloseWithNote(kept); err != nil {
		return nil, err
	}
	return &job.Upload{
		ID: id.String(), Object: ObjectName(id.String()), Size: w.Size(), SHA256: w.SHA256(), FileName: n.FileName, ContentType: n.ContentType,
	}, nil
}

// Fetcher copies files of the place to import from.
type Fetcher struct {
	Files  *filestore.Store
	Source *filestore.Source
	Max    int64 // bytes of one file
}

// Fetch copies a file as a finished upload of the owner's. Errors: job.ErrFileNotFound, *job.FileTooLargeError, a *job.FileError
// for an empty file, the store's.
func (f *Fetcher) Fetch(ctx context.Context, owner, from string) (*job.Upload, error) {
	file, size, err := f.Source.Open(ctx, from)
	if err != nil {
		return nil, err
	}
	up, err := f.copy(ctx, owner, from, file, size)
	return up, errors.Join(err, file.Close())
}

func (f *Fetcher) copy(ctx context.Context, owner, from string, file io.Reader, size int64) (*job.Upload, error) {
	if size == 0 {
		return nil, &job.FileError{Code: "empty_file", Message: "the file has no bytes"}
	}
	if size > f.Max {
		return nil, &job.FileTooLargeError{Max: f.Max}
	}
	return Receive(ctx, f.Files, f.Max, owner, path.Base(from), "", file)
}

// Delete removes an upload.
func (f *Fetcher) Delete(ctx context.Context, up *job.Upload) error {
	return f.Files.Delete(ctx, up.Object)
}

// maxText is the longest text that is kept, in bytes.
const maxText = 255

// LastName returns the last name of a path, also of one from Windows, as text.
func LastName(s string) string {
	switch s = path.Base("/" + strings.ReplaceAll(s, `\`, "/")); s {
	case "/", "..", ".":
		return ""
	}
	return Text(s)
}

// Text returns s as far as it can be shown: valid UTF-8, without control characters, and not too long.
func Text(s string) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return -1
	}, strings.ToValidUTF8(s, "\uFFFD"))
	if len(s) > maxText {
		s = strings.ToValidUTF8(s[:maxText], "")
	}
	return s
}
