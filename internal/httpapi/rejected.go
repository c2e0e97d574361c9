package httpapi

import (
	"cmp"
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/labstack/echo/v4"

	"github.com/musterhq/muster/internal/httpapi/api"
	"github.com/musterhq/muster/internal/job"
)

// errNoRejects: only jobs that import a file have rejected rows.
var errNoRejects = errors.New("the job imports no file, so there are no rejected rows")

// RejectedRows answers GET /jobs/{jobId}/rejected.
func (h handlers) RejectedRows(ctx context.Context, r api.RejectedRowsRequestObject) (api.RejectedRowsResponseObject, error) {
	j, err := h.Jobs.Get(ctx, r.Params.UserID, r.JobID.String())
	switch {
	case err != nil:
		return nil, err
	case j.Source != job.SourceFile:
		return nil, errNoRejects
	case h.Files == nil:
		return nil, noFilesError{}
	}
	encoding, ok := negotiate(r.Params.AcceptEncoding)
	if !ok {
		return nil, echo.NewHTTPError(http.StatusNotAcceptable)
	}
	return &rejected{s: h.Server, ctx: ctx, job: j, format: cmp.Or(r.Params.Format, "csv"), encoding: encoding}, nil
}

// rejected is the answer with the rejected rows of a job.
type rejected struct {
	s        *Server
	ctx      context.Context //nolint:containedctx // the generated Visit method has no place for it
	job      job.Job
	format   string // csv or ndjson
	encoding string // empty: none
}

func (a *rejected) describe(h http.Header) {
	h.Set("Content-Type", map[string]string{"csv": "text/csv; charset=utf-8", "ndjson": "application/x-ndjson"}[a.format])
	h.Set("Content-Disposition", `attachment; filename="rejected-`+a.job.ID+`.`+a.format+`"`)
	h.Add("Vary", "Accept-Encoding")
	if a.encoding != "" {
		h.Set("Content-Encoding", a.encoding)
	}
}

// VisitRejectedRowsResponse streams the rows, as an export does its users.
func (a *rejected) VisitRejectedRowsResponse(w http.ResponseWriter) error {
	if isHead(a.ctx) {
		a.describe(w.Header())
		w.WriteHeader(http.StatusOK)
		return nil
	}
	leave, err := a.s.place()
	if err != nil {
		return err
	}
	defer leave()
	ctx, cancel := untilShutdown(a.ctx)
	defer cancel()
	out := a.s.newStream(w)
	out.begin = func(h http.Header) {
		a.describe(h)
		h.Set("Trailer", rowCount)
	}
	rows, err := a.stream(ctx, out)
	if err != nil {
		return err
	}
	out.start() // a file may be empty
	w.Header().Set(rowCount, strconv.FormatInt(rows, 10))
	return nil
}

// stream writes the rows, and returns how many.
func (a *rejected) stream(ctx context.Context, out io.Writer) (rows int64, err error) {
	const atOnce = 1000
	file, err := compressed(out, a.encoding)
	if err != nil {
		return 0, err
	}
	err = a.s.Files.WriteRejected(ctx, file, &a.job, a.format, func(after int64) ([]job.Reject, error) {
		page, err := a.s.Rejects.Rejects(ctx, a.job.ID, after, atOnce)
		rows += int64(len(page))
		return page, err
	})
	if err != nil {
		return rows, err
	}
	return rows, file.Close()
}

// compressed returns a writer that compresses to w. Close ends the file and leaves w open. One that is not closed holds
// nothing but memory.
func compressed(w io.Writer, encoding string) (io.WriteCloser, error) {
	switch encoding {
	case "gzip":
		return gzip.NewWriter(w), nil
	case "zstd":
		return zstd.NewWriter(w, zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(1<<20))
	}
	return plain{w}, nil
}

type plain struct{ io.Writer }

func (plain) Close() error { return nil }
