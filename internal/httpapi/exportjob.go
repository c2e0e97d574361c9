package httpapi

import (
	"context"
	"encoding/json"
	"net/http"
	"path"
	"strconv"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/musterhq/muster/internal/httpapi/api"
	"github.com/musterhq/muster/internal/job"
	"github.com/musterhq/muster/internal/user"
)

// ExportLinks hands out the files of export jobs. Errors: job.ErrFileNotFound, job.ErrFilesUnavailable,
// job.ErrStoreUnavailable.
type ExportLinks interface {
	// Of returns links to the files of a job that is COMPLETED.
	Of(ctx context.Context, jobID string) (*job.ExportLinks, error)
	// Open opens the file that a link to this API leads to. Errors also: job.ErrLink.
	Open(ctx context.Context, jobID, name string, expires int64, signature string) (*job.OpenedFile, error)
}

// ExportJob answers POST /exports.
func (h handlers) ExportJob(ctx context.Context, r api.ExportJobRequestObject) (api.ExportJobResponseObject, error) {
	if h.ExportLinks == nil {
		return nil, noFilesError{}
	}
	p := r.Params
	export, err := h.exportOf(ctx, &p)
	if err != nil {
		return nil, err
	}
	return h.submit(ctx, job.Spec{
		Owner: p.UserID, Source: job.SourceExport, IdempotencyKey: p.IdempotencyKey, CallbackURL: p.CallbackURL, Export: export,
	}, p.Prefer)
}

// exportOf returns the export that p asks for, which validate has checked.
func (s *Server) exportOf(ctx context.Context, p *api.ExportJobParams) (*job.Export, error) {
	spec := user.ExportSpec{
		Filter: user.Filter{
			Name: p.Name, City: p.City, State: p.State, Email: p.Email, Gender: p.Gender,
			Age: p.Age, MinAge: p.MinAge, MaxAge: p.MaxAge, Deleted: p.Deleted,
		},
		Format: p.Format, Fields: p.Fields, Compress: p.Compress,
	}
	spec.Raw, spec.Excel = csvVariant(p.Csv)
	if p.JobID != nil {
		if err := s.only(ctx, &spec, p.UserID, p.JobID.String()); err != nil {
			return nil, err
		}
	}
	users, err := json.Marshal(spec)
	if err != nil {
		return nil, err
	}
	return &job.Export{Users: users, SplitRows: p.SplitRows, Destination: p.Destination}, nil
}

func (a *submitted) VisitExportJobResponse(w http.ResponseWriter) error { return a.write(w) }

// ExportFiles answers GET /exports/{jobId}/files.
func (h handlers) ExportFiles(ctx context.Context, r api.ExportFilesRequestObject) (api.ExportFilesResponseObject, error) {
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	j, err := h.Jobs.Get(ctx, r.Params.UserID, r.JobID.String())
	switch {
	case err != nil:
		return nil, err
	case j.Source != job.SourceExport || j.Status != job.Completed:
		return nil, notExportedError{j.Status}
	case h.ExportLinks == nil:
		return nil, noFilesError{}
	}
	links, err := h.ExportLinks.Of(ctx, j.ID)
	if err != nil {
		return nil, err
	}
	v := api.ExportFiles200JSONResponse{JobID: j.ID, ExpiresAt: api.Timestamp(links.Expires), ManifestURL: links.Manifest, Files: []api.ExportedFile{}}
	for _, f := range links.Files {
		v.Rows += f.Rows
		v.Bytes += f.Bytes
		v.Files = append(v.Files, api.ExportedFile{Name: f.Name, Rows: f.Rows, Bytes: f.Bytes, Sha256: f.SHA256, URL: f.URL})
	}
	return v, nil
}

// notExportedError: the job has no files of an export.
type notExportedError struct{ status job.Status }

func (notExportedError) Error() string { return job.ErrNotExported.Error() }

// FetchExportFile answers GET /exports/{jobId}/files/{name}.
func (h handlers) FetchExportFile(ctx context.Context, r api.FetchExportFileRequestObject) (api.FetchExportFileResponseObject, error) {
	if h.ExportLinks == nil {
		return nil, noFilesError{}
	}
	p := r.Params
	file, err := h.ExportLinks.Open(ctx, r.JobID.String(), r.Name, p.Expires, p.Signature)
	if err != nil {
		return nil, err
	}
	conditions := http.Header{}
	for name, value := range map[string]string{"Range": p.Range, "If-Range": p.IfRange, "If-None-Match": p.IfNoneMatch} {
		if value != "" {
			conditions.Set(name, value)
		}
	}
	return &exportedFile{s: h.Server, head: isHead(ctx), name: r.Name, file: file, conditions: conditions}, nil
}

// exportedFile is the answer with a file of an export.
type exportedFile struct {
	s          *Server
	head       bool
	name       string
	file       *job.OpenedFile
	conditions http.Header
}

// fileTypes are the media types of exported files, by the last ending of their names.
var fileTypes = map[string]string{
	".csv": "text/csv; charset=utf-8", ".ndjson": "application/x-ndjson", ".json": "application/json", ".gz": "application/gzip",
	".zst": "application/zstd", ".parquet": "application/vnd.apache.parquet", ".avro": "application/avro",
}

// VisitFetchExportFileResponse sends the file. It leaves ranges and conditions to net/http.
func (a *exportedFile) VisitFetchExportFileResponse(w http.ResponseWriter) error {
	defer func() { _ = a.file.Close() }()
	h := w.Header()
	h.Set("Content-Type", fileTypes[path.Ext(a.name)])
	h.Set("Content-Disposition", `attachment; filename="`+a.name+`"`)
	if a.file.SHA256 != "" {
		h.Set("ETag", `"`+a.file.SHA256+`"`)
	}
	size, err := a.file.Seek(0, 2)
	if err != nil {
		return err
	}
	r := &http.Request{Method: http.MethodGet, Header: a.conditions}
	if a.head {
		r.Method = http.MethodHead
		r.Header.Del("Range") // which only GET has (RFC 9110, 14.2)
	} else {
		limitRange(r.Header, size)
	}
	fw := &fileWriter{ResponseWriter: w, out: a.s.newStream(w)}
	http.ServeContent(fw, r, "", time.Time{}, a.file)
	if fw.refused {
		for _, name := range []string{"Content-Type", "Content-Disposition", "Content-Length", "ETag"} {
			h.Del(name)
		}
		h.Set("Content-Range", "bytes */"+strconv.FormatInt(size, 10))
		return echo.NewHTTPError(http.StatusRequestedRangeNotSatisfiable)
	}
	return fw.err
}
