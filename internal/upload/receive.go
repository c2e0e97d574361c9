package upload

import (
	"context"
	"encoding/json"
	"io"

	"github.com/google/uuid"

	"github.com/musterhq/muster/internal/job"
)

// Receive takes a whole file of any size in one stream, as a finished upload of the owner's, in constant memory. Nothing is
// left of it after an error: of body, *job.FileTooLargeError, the store's.
func (u *Uploads) Receive(ctx context.Context, owner, fileName, contentType string, body io.Reader) (*job.Upload, error) {
	id, err := uuid.NewV7()
	if err != nil {
		return nil, err
	}
	n := note{Owner: owner, FileName: lastName(fileName), ContentType: text(contentType)}
	kept, err := json.Marshal(&n)
	if err != nil {
		return nil, err
	}
	w, err := u.Files.Create(ctx, ObjectName(id.String()), u.Max)
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

// Open reads an upload from its beginning. Close it when done.
func (u *Uploads) Open(ctx context.Context, up *job.Upload) (io.ReadCloser, error) {
	o, err := u.Files.Open(ctx, up.Object)
	if err != nil {
		return nil, notFound(err)
	}
	return &opened{ReadCloser: o.Range(ctx, 0, -1), object: o}, nil
}

// opened closes the object with its reader.
type opened struct {
	io.ReadCloser
	object io.Closer
}

func (o *opened) Close() error {
	_ = o.ReadCloser.Close()
	return o.object.Close()
}

// Delete removes an upload.
func (u *Uploads) Delete(ctx context.Context, up *job.Upload) error {
	return u.Files.Delete(ctx, up.Object)
}
