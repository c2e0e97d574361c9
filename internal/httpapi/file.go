package httpapi

import (
	"context"
	"crypto/sha256"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/musterhq/muster/internal/httpapi/api"
)

// ExportFile answers GET /export/csv.
func (h handlers) ExportFile(ctx context.Context, r api.ExportFileRequestObject) (api.ExportFileResponseObject, error) {
	p := r.Params
	d, err := h.download(ctx, api.ExportUsersParams{
		Format: p.Format, Fields: p.Fields, Compress: p.Compress, Csv: p.Csv, JobID: p.JobID, Caller: p.Caller, AcceptEncoding: p.AcceptEncoding,
		Name: p.Name, City: p.City, State: p.State, Age: p.Age, MinAge: p.MinAge, MaxAge: p.MaxAge, Gender: p.Gender, Email: p.Email, Deleted: p.Deleted,
	})
	if err != nil {
		return nil, err
	}
	f := &fileDownload{download: d, conditions: http.Header{}}
	for name, value := range map[string]string{"Range": p.Range, "If-Range": p.IfRange, "If-None-Match": p.IfNoneMatch} {
		if value != "" {
			f.conditions.Set(name, value)
		}
	}
	return f, nil
}

// fileDownload is a download that is finished before it is sent.
type fileDownload struct {
	*download
	conditions http.Header // of the request
}

// VisitExportFileResponse writes the users to a file without a name, and sends that. Nothing is sent before the file
// is whole, so whatever goes wrong until then becomes an error answer. HEAD goes through the users as well, to know the
// length and the ETag, but keeps no file.
func (d *fileDownload) VisitExportFileResponse(w http.ResponseWriter) error {
	leave, err := d.s.place()
	if err != nil {
		return err
	}
	defer leave()
	ctx, cancel := untilShutdown(d.ctx)
	defer cancel()
	out := d.s.newStream(w) // lifts the deadline for answers, which the export alone may take longer than
	hash := sha256.New()
	all := &counter{w: hash}
	var file *tempFile
	if !isHead(d.ctx) {
		if file, err = newTempFile(d.s.TempDir); err != nil {
			return err
		}
		defer file.remove()
		all.w = io.MultiWriter(file, hash)
	}
	rows, err := d.s.Export.Stream(ctx, all, d.spec)
	if err != nil {
		return err
	}
	d.describe(w.Header())
	w.Header().Set("ETag", etag(hash.Sum(nil)))
	w.Header().Set(rowCount, strconv.FormatInt(rows, 10))
	return d.send(w, out, file, all.n)
}

// counter counts what is written to w.
type counter struct {
	w      io.Writer
	n      int64
	failed bool // w, and not who writes to it
}

func (c *counter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	c.failed = c.failed || err != nil
	return n, err
}

// send leaves ranges and conditions to net/http. Without a file it answers HEAD.
func (d *fileDownload) send(w http.ResponseWriter, out *stream, file *tempFile, size int64) error {
	h := w.Header()
	if d.encoding != "" {
		// ServeContent leaves it out when there is a Content-Encoding, in case its writer compresses.
		h.Set("Content-Length", strconv.FormatInt(size, 10))
	}
	r := &http.Request{Method: http.MethodHead, Header: d.conditions}
	content := io.NewSectionReader(file, 0, size)
	if file == nil {
		r.Header.Del("Range") // which only GET has (RFC 9110, 14.2)
	} else {
		r.Method = http.MethodGet
		limitRange(r.Header, size)
	}
	fw := &fileWriter{ResponseWriter: w, out: out}
	http.ServeContent(fw, r, "", time.Time{}, content)
	if fw.refused {
		for _, name := range []string{"Content-Type", "Content-Disposition", "Content-Length", "Content-Encoding", "ETag", rowCount} {
			h.Del(name)
		}
		h.Set("Content-Range", "bytes */"+strconv.FormatInt(size, 10))
		return echo.NewHTTPError(http.StatusRequestedRangeNotSatisfiable)
	}
	return fw.err
}

// fileWriter is what ServeContent writes to: pieces with deadlines, and no refusal but in the one error form.
type fileWriter struct {
	http.ResponseWriter
	out     *stream
	refused bool
	err     error // of the client's connection
}

// WriteHeader implements http.ResponseWriter.
func (f *fileWriter) WriteHeader(status int) {
	if f.refused = status == http.StatusRequestedRangeNotSatisfiable; !f.refused {
		f.ResponseWriter.WriteHeader(status)
	}
}

// Write implements io.Writer.
func (f *fileWriter) Write(p []byte) (n int, err error) {
	if f.refused {
		return len(p), nil
	}
	n, f.err = f.out.Write(p)
	return n, f.err
}
