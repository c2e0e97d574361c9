package httpapi

import (
	"context"
	"errors"
	"io"

	"github.com/google/uuid"

	"github.com/musterhq/muster/internal/columns"
	"github.com/musterhq/muster/internal/httpapi/api"
	"github.com/musterhq/muster/internal/job"
	"github.com/musterhq/muster/internal/user"
)

// maxHead is how much of a file a preview looks at.
const maxHead = 1 << 20

// maxPreviews is how many previews there are at once in this process: each holds some MB.
const maxPreviews = 16

// PreviewFile answers POST /import/preview.
func (h handlers) PreviewFile(ctx context.Context, r api.PreviewFileRequestObject) (api.PreviewFileResponseObject, error) {
	if h.Uploads == nil || h.Files == nil {
		return nil, noFilesError{}
	}
	select {
	case h.previews <- struct{}{}:
		defer func() { <-h.previews }()
	default:
		return nil, busyError{what: "previews", limit: cap(h.previews)}
	}
	in := incomingOf(ctx)
	p := &api.ImportFileParams{
		UserID: r.Params.UserID, UploadID: r.Params.UploadID, From: r.Params.From, Format: r.Params.Format, Delimiter: r.Params.Delimiter,
		Charset: r.Params.Charset, Header: r.Params.Header, Map: r.Params.Map, Key: r.Params.Key, OnDuplicate: r.Params.OnDuplicate,
		InFile: r.Params.InFile, EmptyMeans: r.Params.EmptyMeans, MaxRejected: r.Params.MaxRejected,
	}
	head, contentType, err := h.head(ctx, in, p)
	if err != nil {
		return nil, err
	}
	in.answer()
	cut := len(head) > maxHead || r.Params.Partial || in.Header.Get("Content-Range") != ""
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	seen, err := h.Files.Preview(ctx, head[:min(len(head), maxHead)], cut, contentType, fileOptions(p), h.now())
	if err != nil {
		return nil, err
	}
	return api.PreviewFile200JSONResponse(previewView(seen)), nil
}

// head returns the beginning of the file, with one byte more than is looked at if there is one, and its type.
func (s *Server) head(ctx context.Context, in *incoming, p *api.ImportFileParams) (head []byte, contentType string, err error) {
	var file io.Reader
	switch {
	case p.UploadID != uuid.Nil:
		up, err := s.find(ctx, in, p)
		if err != nil {
			return nil, "", err
		}
		opened, err := s.Uploads.Open(ctx, up)
		if err != nil {
			return nil, "", err
		}
		defer func() { _ = opened.Close() }()
		file, contentType = opened, up.ContentType
	case p.From != "":
		opened, err := s.open(ctx, in, p)
		if err != nil {
			return nil, "", err
		}
		defer func() { _ = opened.Close() }()
		file = opened
	default:
		sent, err := in.file()
		if err != nil {
			return nil, "", err
		}
		file, contentType = sent, sent.contentType
	}
	head = make([]byte, maxHead+1)
	n, err := io.ReadFull(file, head)
	if errors.Is(err, io.ErrUnexpectedEOF) {
		err = nil
	}
	return head[:n], contentType, err
}

func previewView(p *columns.Preview) api.FilePreview {
	f := &p.Found
	v := api.FilePreview{
		Format: f.Format, Compression: f.Compression, Charset: f.Charset, Delimiter: f.Delimiter, Header: f.Header,
		ColumnCount: f.ColumnCount, Columns: []api.PreviewColumn{}, Rows: []api.PreviewRow{},
	}
	for i, c := range f.Columns {
		column := api.PreviewColumn{Name: c.Name, Field: c.Field, Samples: []string{}}
		if i < len(p.Samples) && p.Samples[i] != nil {
			column.Samples = p.Samples[i]
		}
		v.Columns = append(v.Columns, column)
	}
	for i := range p.Rows {
		v.Rows = append(v.Rows, previewRow(&p.Rows[i]))
	}
	return v
}

func previewRow(r *columns.PreviewRow) api.PreviewRow {
	v := api.PreviewRow{Row: r.Row, Line: r.Line, User: previewUser(&r.User), Errors: []api.RowError{}}
	for _, f := range r.Faults {
		v.Errors = append(v.Errors, api.RowError{Code: f.Code, Field: f.Field, Message: f.Message})
	}
	return v
}

func previewUser(u *user.User) api.PreviewUser {
	return api.PreviewUser{
		ID: u.ID, FirstName: u.FirstName, LastName: u.LastName, Email: u.Email, City: u.City, State: u.State, Age: u.Age,
		MobileNumber: u.MobileNumber, Gender: u.Gender,
	}
}

// foundView returns what is known of a file; nil: nothing.
func foundView(f *job.FileFound) *api.FileFound {
	if f == nil {
		return nil
	}
	return &api.FileFound{
		Format: f.Format, Compression: f.Compression, Charset: f.Charset, Delimiter: f.Delimiter, Header: f.Header,
		ColumnCount: f.ColumnCount, Columns: columnsView(f.Columns),
	}
}

func columnsView(list []job.FileColumn) []api.FileColumn {
	var out []api.FileColumn
	for _, c := range list {
		out = append(out, api.FileColumn{Name: c.Name, Field: c.Field})
	}
	return out
}
