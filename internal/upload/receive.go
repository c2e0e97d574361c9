package upload

import (
	"context"
	"io"

	"github.com/musterhq/muster/internal/job"
	"github.com/musterhq/muster/internal/upload/whole"
)

// Receive takes a whole file of any size in one stream, as a finished upload of the owner's, in constant memory. Nothing is
// left of it after an error: of body, *job.FileTooLargeError, the store's.
func (u *Uploads) Receive(ctx context.Context, owner, fileName, contentType string, body io.Reader) (*job.Upload, error) {
	return whole.Receive(ctx, u.Files, u.Max, owner, fileName, contentType, body)
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
