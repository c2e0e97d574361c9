package httpapi

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
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
		// A range of anything but bytes is to be ignored (RFC 9110, 14.2); ServeContent would refuse it.
		if value != "" && (name != "Range" || strings.HasPrefix(value, "bytes=")) {
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
// is whole, so whatever goes wrong until then becomes an error answer.
func (d *fileDownload) VisitExportFileResponse(w http.ResponseWriter) error {
	leave, err := d.s.place()
	if err != nil {
		return err
	}
	defer leave()
	ctx, cancel := untilShutdown(d.ctx)
	defer cancel()
	out := d.s.newStream(w) // lifts the deadline for answers, which the export alone may take longer than
	f, remove, err := nameless(d.s.TempDir)
	if err != nil {
		return err
	}
	defer remove()
	hash := sha256.New()
	rows, err := d.s.Export.Stream(ctx, io.MultiWriter(f, hash), d.spec)
	if err != nil {
		return err
	}
	size, err := f.Seek(0, io.SeekCurrent)
	if err != nil {
		return err
	}
	d.describe(w.Header())
	w.Header().Set("ETag", etag(hash.Sum(nil)))
	w.Header().Set(rowCount, strconv.FormatInt(rows, 10))
	return d.send(w, out, f, size)
}

// send leaves ranges and conditions to net/http.
func (d *fileDownload) send(w http.ResponseWriter, out *stream, f io.ReadSeeker, size int64) error {
	h := w.Header()
	if d.encoding != "" {
		// ServeContent leaves it out when there is a Content-Encoding, in case its writer compresses.
		h.Set("Content-Length", strconv.FormatInt(size, 10))
	}
	fw := &fileWriter{ResponseWriter: w, out: out}
	http.ServeContent(fw, &http.Request{Method: http.MethodGet, Header: d.conditions}, "", time.Time{}, f)
	if fw.refused {
		for _, name := range []string{"Content-Type", "Content-Disposition", "Content-Length", "Content-Encoding", "ETag", rowCount} {
			h.Del(name)
		}
		return echo.NewHTTPError(http.StatusRequestedRangeNotSatisfiable)
	}
	return fw.err
}

// nameless returns a new file that nobody else can open; remove closes and removes it. Its name goes at once where the
// system allows that, so that even a crash leaves nothing behind.
func nameless(dir string) (f *os.File, remove func(), err error) {
	if f, err = os.CreateTemp(dir, "muster-export-*"); err != nil {
		return nil, nil, fmt.Errorf("make a file for the export: %w", err)
	}
	gone := os.Remove(f.Name()) == nil
	return f, func() {
		_ = f.Close()
		if !gone {
			_ = os.Remove(f.Name())
		}
	}, nil
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
