package httpapi

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/musterhq/muster/internal/columns"
	"github.com/musterhq/muster/internal/job"
)

// nowhere takes no file: whoever reads a body has its error.
type nowhere struct{ http.Handler }

func (nowhere) Receive(_ context.Context, _, _, _ string, body io.Reader) (*job.Upload, error) {
	_, err := io.Copy(io.Discard, body)
	return &job.Upload{}, err
}
func (nowhere) Find(context.Context, string, string) (*job.Upload, error) {
	return nil, job.ErrUploadNotFound
}
func (nowhere) Open(context.Context, *job.Upload) (io.ReadCloser, error) {
	return nil, job.ErrUploadNotFound
}
func (nowhere) Delete(context.Context, *job.Upload) error { return nil }
func (nowhere) WriteRejected(context.Context, io.Writer, *job.Job, string, func(int64) ([]job.Reject, error)) error {
	return nil
}

func (nowhere) Preview(context.Context, []byte, bool, string, job.FileOptions, time.Time) (*columns.Preview, error) {
	return &columns.Preview{}, nil
}

// A body that stands still does not hold a connection for ever.
func TestBodyThatStandsStill(t *testing.T) {
	t.Parallel()
	s, err := New(Config{Log: slog.New(slog.DiscardHandler), Uploads: nowhere{}, Files: nowhere{}})
	if err != nil {
		t.Fatal(err)
	}
	s.patience = 50 * time.Millisecond
	srv := httptest.NewServer(s.Public())
	defer srv.Close()
	for _, route := range []string{"/import/file", "/import/preview"} {
		for _, kind := range []string{"text/csv", "multipart/form-data; boundary=b"} {
			r, w := io.Pipe()
			req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, srv.URL+"/api/v1"+route, r)
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("X-USER-ID", "ann")
			req.Header.Set("Content-Type", kind)
			go func() {
				_, _ = io.WriteString(w, "--b\r\nContent-Disposition: form-data; name=\"file\"\r\n\r\nemail\nada@")
			}()
			res, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			body, err := io.ReadAll(res.Body)
			_ = res.Body.Close()
			_ = r.Close()
			if err != nil || res.StatusCode != http.StatusRequestTimeout || !strings.Contains(string(body), `"code":"request_timeout"`) {
				t.Errorf("%s, %s: %d %s, %v", route, kind, res.StatusCode, body, err)
			}
		}
	}
}
