// Package upload takes files in pieces, by the protocol tus 1.0 (https://tus.io/protocols/resumable-upload): a client whose
// connection broke asks how far its upload is and goes on from there, at any API process. The protocol is tusd's; what
// has arrived is a filestore.Growing, which survives the process.
package upload

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/google/uuid"
	"github.com/tus/tusd/v2/pkg/handler"
	"golang.org/x/exp/slog"

	"github.com/musterhq/muster/internal/filestore"
	"github.com/musterhq/muster/internal/job"
	"github.com/musterhq/muster/internal/upload/whole"
)

// Config is what New wants. Every field is required.
type Config struct {
	Files  *filestore.Store
	Max    int64         // bytes of one upload
	Expiry time.Duration // how long an upload may stand unfinished without another byte
	// Owner returns the caller of a request: nobody else sees its uploads.
	Owner func(r *http.Request) (string, error)
	// InUse reports whether a job needs the upload that is not over. Its errors are for Fail.
	InUse func(ctx context.Context, id string) (bool, error)
	// Fail answers a request with an error: of Owner, *job.UploadError, *job.FileTooLargeError, job.ErrUploadNotFound,
	// job.ErrUploadConflict, job.ErrUploadInUse, job.ErrFilesUnavailable, job.ErrNoSpace, or one that is a fault of ours. Tus-Resumable is set.
	Fail func(w http.ResponseWriter, r *http.Request, err error)
}

// Uploads serves uploads and finds them.
type Uploads struct {
	Config
	tus     *handler.UnroutedHandler
	handler http.Handler
}

// New returns the Uploads. They serve any path that ends in /uploads or /uploads/<id>.
func New(c Config) (*Uploads, error) {
	u := &Uploads{Config: c}
	composer := handler.NewStoreComposer()
	composer.UseCore(dataStore{u})
	composer.UseTerminater(dataStore{u})
	var err error
	u.tus, err = handler.NewUnroutedHandler(handler.Config{
		StoreComposer: composer, MaxSize: c.Max, BasePath: base, DisableDownload: true,
		Cors:                    &handler.CorsConfig{Disable: true}, // the caller's affair
		PreUploadCreateCallback: keepMetadata,
		Logger:                  slog.New(slog.NewTextHandler(io.Discard, &slog.HandlerOptions{Level: slog.LevelError + 1})),
	})
	if err != nil {
		return nil, err
	}
	u.handler = u.tus.Middleware(http.HandlerFunc(u.route))
	return u, nil
}

// Find returns a finished upload. Errors: job.ErrUploadNotFound, job.ErrUploadUnfinished, the store's.
func (u *Uploads) Find(ctx context.Context, owner, id string) (*job.Upload, error) {
	g, n, err := u.find(ctx, owner, id)
	switch {
	case err != nil:
		return nil, err
	case !g.Done():
		return nil, job.ErrUploadUnfinished
	}
	return &job.Upload{ID: id, Object: g.Name, Size: g.Size, SHA256: g.SHA256(), FileName: n.FileName, ContentType: n.ContentType}, nil
}

func (u *Uploads) find(ctx context.Context, owner, id string) (*filestore.Growing, *whole.Note, error) {
	if parsed, err := uuid.Parse(id); err != nil || parsed.String() != id { // Parse takes other forms too
		return nil, nil, job.ErrUploadNotFound
	}
	g, err := u.Files.Growing(ctx, whole.ObjectName(id))
	if err != nil {
		return nil, nil, notFound(err)
	}
	var n whole.Note
	if err := json.Unmarshal(g.Note, &n); err != nil {
		return nil, nil, fmt.Errorf("the note of upload %s: %w", id, err)
	}
	if n.Owner != owner || !g.Done() && time.Since(g.Modified) > u.Expiry {
		return nil, nil, job.ErrUploadNotFound
	}
	return g, &n, nil
}

// notFound translates what the store says of an upload that is not there. What another request has taken may still be.
func notFound(err error) error {
	if errors.Is(err, job.ErrFileNotFound) && !errors.Is(err, job.ErrUploadConflict) {
		return fmt.Errorf("%w: %w", job.ErrUploadNotFound, err)
	}
	return err
}

const (
	fileName    = "filename" // of tus's metadata, the names that its clients use
	contentType = "filetype"
)

// keepMetadata keeps of what the client says only what is used, as text.
func keepMetadata(hook handler.HookEvent) (handler.HTTPResponse, handler.FileInfoChanges, error) {
	meta := handler.MetaData{}
	for name, value := range hook.Upload.MetaData {
		switch name {
		case fileName:
			value = whole.LastName(value)
		case contentType:
			value = whole.Text(value)
		default:
			continue
		}
		if value != "" {
			meta[name] = value
		}
	}
	return handler.HTTPResponse{}, handler.FileInfoChanges{MetaData: meta}, nil
}
