package upload

import (
	"context"
	"encoding/json"
	"io"

	"github.com/google/uuid"
	"github.com/tus/tusd/v2/pkg/handler"

	"github.com/musterhq/muster/internal/filestore"
	"github.com/musterhq/muster/internal/job"
	"github.com/musterhq/muster/internal/upload/whole"
)

// dataStore is where tusd keeps uploads. It has no locker: whoever continues an upload takes it from the request that
// did so before, which may be one of a dead process, or wait on a dead connection.
type dataStore struct{ *Uploads }

// NewUpload begins an upload of the request's owner.
func (s dataStore) NewUpload(ctx context.Context, info handler.FileInfo) (handler.Upload, error) {
	r := requestOf(ctx)
	id, err := uuid.NewV7()
	if err != nil {
		return nil, r.failed(err)
	}
	n := &whole.Note{Owner: r.owner, FileName: info.MetaData[fileName], ContentType: info.MetaData[contentType]}
	kept, err := json.Marshal(n)
	if err != nil {
		return nil, r.failed(err)
	}
	g, err := s.Files.Begin(ctx, whole.ObjectName(id.String()), info.Size, kept)
	if err != nil {
		return nil, r.failed(err)
	}
	return &growing{Growing: g, r: r, id: id.String(), note: n}, nil
}

// GetUpload finds an upload of the request's owner.
func (s dataStore) GetUpload(ctx context.Context, id string) (handler.Upload, error) {
	r := requestOf(ctx)
	g, n, err := s.find(ctx, r.owner, id)
	if err != nil {
		return nil, r.failed(err)
	}
	if r.adds && g.Done() { // tusd would pass over the bytes and say that all is well
		return nil, r.failed(job.ErrUploadConflict)
	}
	return &growing{Growing: g, r: r, id: id, note: n}, nil
}

// AsTerminatableUpload is for DELETE.
func (s dataStore) AsTerminatableUpload(u handler.Upload) handler.TerminatableUpload {
	return terminatable{s.Uploads, u.(*growing)}
}

type terminatable struct {
	uploads *Uploads
	g       *growing
}

// Terminate deletes the upload, unless a job still reads it.
func (t terminatable) Terminate(ctx context.Context) error {
	used, err := t.uploads.InUse(ctx, t.g.id)
	switch {
	case err != nil:
		return t.g.r.failed(err)
	case used:
		return t.g.r.failed(job.ErrUploadInUse)
	}
	return t.g.r.failed(t.uploads.Files.Delete(ctx, t.g.Name))
}

// growing is an upload as tusd knows it, in one request.
type growing struct {
	*filestore.Growing
	r    *request
	id   string
	note *whole.Note
}

// GetInfo tells what is there.
func (g *growing) GetInfo(context.Context) (handler.FileInfo, error) {
	g.r.shows = g.Growing
	meta := handler.MetaData{}
	if g.note.FileName != "" {
		meta[fileName] = g.note.FileName
	}
	if g.note.ContentType != "" {
		meta[contentType] = g.note.ContentType
	}
	return handler.FileInfo{ID: g.id, Size: g.Size, Offset: g.Offset(), MetaData: meta}, nil
}

// WriteChunk appends what the request brings.
func (g *growing) WriteChunk(ctx context.Context, offset int64, src io.Reader) (int64, error) {
	n, err := g.Append(ctx, offset, &whileWanted{ctx: g.r.ctx, r: src})
	return n, g.r.failed(notFound(err))
}

// whileWanted ends when the request's context does, so that a process that stops saves what it has and says so. tusd's own
// context outlives the request's by some seconds, for that.
type whileWanted struct {
	ctx context.Context
	r   io.Reader
}

func (w *whileWanted) Read(p []byte) (int, error) {
	if w.ctx.Err() != nil {
		return 0, io.EOF
	}
	return w.r.Read(p)
}

// FinishUpload has nothing to do: Append finishes with the last byte, Begin an empty one.
func (g *growing) FinishUpload(context.Context) error { return nil }

// GetReader is for downloads, which there are none of.
func (g *growing) GetReader(context.Context) (io.ReadCloser, error) {
	return nil, handler.ErrNotImplemented
}
