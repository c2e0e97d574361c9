package httpapi

import (
	"context"
	"errors"
	"io"
	"path"

	"github.com/google/uuid"

	"github.com/musterhq/muster/internal/httpapi/api"
	"github.com/musterhq/muster/internal/invalid"
	"github.com/musterhq/muster/internal/job"
)

// noFilesError: there is no place for files.
type noFilesError struct{}

func (noFilesError) Error() string {
	return "files cannot be imported here: MUSTER_FILES names no place to keep them"
}

// ImportFile answers POST /import/file.
func (h handlers) ImportFile(ctx context.Context, r api.ImportFileRequestObject) (api.ImportFileResponseObject, error) {
	if h.Uploads == nil || h.Files == nil {
		return nil, noFilesError{}
	}
	in, p := incomingOf(ctx), &r.Params
	if err := h.checkParent(ctx, p); err != nil {
		return nil, err
	}
	up, fresh, err := h.upload(ctx, in, p)
	if err != nil {
		return nil, err
	}
	in.answer()
	spec := job.Spec{
		Owner: p.UserID, Source: job.SourceFile, IdempotencyKey: p.IdempotencyKey, DryRun: p.DryRun, CallbackURL: p.CallbackURL,
		File: &job.File{
			Upload: up.ID, Object: up.Object, Name: up.FileName, ContentType: up.ContentType, Bytes: up.Size, SHA256: up.SHA256, Options: fileOptions(p),
		},
	}
	if p.ParentJobID != uuid.Nil {
		spec.ParentID = p.ParentJobID.String()
	}
	a, err := h.submit(ctx, spec, p.Prefer)
	switch {
	case fresh && errors.Is(err, job.ErrKeyReused): // whatever comes next, it is another request with another file
		_ = h.Uploads.Delete(context.WithoutCancel(ctx), up)
		return nil, err
	case err != nil && fresh:
		return nil, keptError{err, up.ID}
	case err != nil:
		return nil, err
	case fresh && a.replayed && a.job.File != nil && a.job.File.Upload != up.ID:
		// The file is there from the first time. If this one stays, it is swept.
		_ = h.Uploads.Delete(context.WithoutCancel(ctx), up)
	}
	return a, nil
}

// checkParent returns an error unless the parent, if one is named, is a job of the caller's that imports a file.
func (s *Server) checkParent(ctx context.Context, p *api.ImportFileParams) error {
	if p.ParentJobID == uuid.Nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	parent, err := s.Jobs.Get(ctx, p.UserID, p.ParentJobID.String())
	if err == nil && parent.Source != job.SourceFile {
		err = &invalid.Error{Fields: []invalid.Field{{Field: "parentJobId", Message: "must be a job that imports a file"}}}
	}
	return err
}

// keptError: the job was refused, but its file is there.
type keptError struct {
	error
	uploadID string
}

func (e keptError) Unwrap() error { return e.error }

// upload returns the file that the request is about; fresh: it came with the request. Nothing of the body is read before
// all else is known to be right.
func (s *Server) upload(ctx context.Context, in *incoming, p *api.ImportFileParams) (up *job.Upload, fresh bool, err error) {
	switch {
	case p.UploadID != uuid.Nil:
		up, err = s.find(ctx, in, p)
		return up, false, err
	case p.From != "":
		up, err = s.fetch(ctx, in, p)
	default:
		up, err = s.receive(ctx, in, p)
	}
	return up, true, err
}

// errBodyToo: the file is to come from two places.
var errBodyToo = &invalid.Error{Fields: []invalid.Field{{Field: "body", Message: "must be empty: uploadId or from names the file"}}}

func (s *Server) find(ctx context.Context, in *incoming, p *api.ImportFileParams) (*job.Upload, error) {
	if !in.empty() {
		return nil, errBodyToo
	}
	up, err := s.Uploads.Find(ctx, p.UserID, p.UploadID.String())
	if err == nil && up.Size == 0 {
		return nil, errNoFile
	}
	return up, err
}

// fetch copies a file from the place to import from.
func (s *Server) fetch(ctx context.Context, in *incoming, p *api.ImportFileParams) (*job.Upload, error) {
	file, err := s.open(ctx, in, p)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	return s.Uploads.Receive(ctx, p.UserID, path.Base(p.From), "", file)
}

func (s *Server) open(ctx context.Context, in *incoming, p *api.ImportFileParams) (io.ReadCloser, error) {
	if !in.empty() {
		return nil, errBodyToo
	}
	file, size, err := s.Source.Open(ctx, p.From)
	if err != nil {
		return nil, err
	}
	if size == 0 {
		err = errNoFile
	} else if s.MaxFileBytes > 0 && size > s.MaxFileBytes {
		err = &job.FileTooLargeError{Max: s.MaxFileBytes}
	}
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}

// receive takes the file from the body.
func (s *Server) receive(ctx context.Context, in *incoming, p *api.ImportFileParams) (*job.Upload, error) {
	const form = 64 << 10 // what may be around a file
	if s.MaxFileBytes > 0 && in.ContentLength > s.MaxFileBytes+form {
		return nil, &job.FileTooLargeError{Max: s.MaxFileBytes}
	}
	f, err := in.file()
	if err != nil {
		return nil, err
	}
	if p.FileName != "" {
		f.name = p.FileName
	}
	return s.Uploads.Receive(ctx, p.UserID, f.name, f.contentType, f)
}
