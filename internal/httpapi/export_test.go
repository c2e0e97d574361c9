package httpapi_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"math"
	"net"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/musterhq/muster/internal/export"
	"github.com/musterhq/muster/internal/httpapi"
	"github.com/musterhq/muster/internal/user"
)

type streamFunc = func(ctx context.Context, w io.Writer, spec user.ExportSpec) (int64, error)

func failingStream(err error) streamFunc {
	return func(context.Context, io.Writer, user.ExportSpec) (int64, error) { return 0, err }
}

func TestExport(t *testing.T) {
	t.Parallel()
	f := newFakes()
	a := newAPI(t, f, nil)
	got := a.do("GET /api/v1/export/stream", nil, nil)
	if got.StatusCode != http.StatusOK || string(got.body) != "id,name\r\n1,Ada\r\n" {
		t.Fatalf("answer %d %q", got.StatusCode, got.body)
	}
	if rows := got.Trailer.Get("X-Row-Count"); rows != "1" {
		t.Errorf("trailer X-Row-Count = %q", rows)
	}
	name := regexp.MustCompile(`^attachment; filename="users-\d{8}T\d{6}Z\.csv"$`)
	if h := got.Header.Get("Content-Disposition"); !name.MatchString(h) {
		t.Errorf("Content-Disposition = %q", h)
	}
	var sawRaw bool
	f.stream = func(_ context.Context, w io.Writer, spec user.ExportSpec) (int64, error) {
		sawRaw = spec.Raw
		_, err := io.WriteString(w, "id,name\r\n")
		return 0, err
	}
	if a.do("GET /api/v1/export/stream?csv=raw", nil, nil); !sawRaw {
		t.Error("csv=raw did not arrive")
	}
}

// A client must see that an export broke, not a file that ends early.
func TestExportThatBreaksCutsTheConnection(t *testing.T) {
	t.Parallel()
	for _, size := range []int{100, 300_000} { // within net/http's buffer and beyond
		f := newFakes()
		f.stream = func(_ context.Context, w io.Writer, _ user.ExportSpec) (int64, error) {
			_, _ = io.WriteString(w, strings.Repeat("x", size))
			return 0, errors.New("database gone")
		}
		a := newAPI(t, f, nil)
		res, err := a.client.Get(a.url + "/api/v1/export/stream")
		if err == nil {
			_, err = io.ReadAll(res.Body)
			_ = res.Body.Close()
		}
		if !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
			t.Errorf("after %d bytes the client saw %v, want an unexpected EOF", size, err)
		}
		eventually(t, func() bool { return strings.Contains(a.log.String(), "cut=true") }, "an access log line that says cut")
	}
}

// HTTP/1.0 ends an answer by closing the connection, broken or not.
func TestExportOverHTTP10(t *testing.T) {
	t.Parallel()
	a := newAPI(t, newFakes(), nil)
	for route, want := range map[string]int{"/api/v1/export/stream": http.StatusUpgradeRequired, "/api/v1/export/csv": http.StatusOK} {
		c, err := net.Dial("tcp", strings.TrimPrefix(a.url, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		r, _ := http.NewRequest(http.MethodGet, a.url+route, nil)
		_, _ = io.WriteString(c, "GET "+route+" HTTP/1.0\r\n\r\n")
		res, err := http.ReadResponse(bufio.NewReader(c), r)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(res.Body)
		_ = c.Close()
		if err != nil || res.StatusCode != want {
			t.Errorf("%s: %d %s, %v", route, res.StatusCode, body, err)
		}
		a.matchesContract(r, res, body)
		if want != http.StatusOK && (a.failure(answer{res, body}, want, "upgrade_required").Message == "" || res.Header.Get("Upgrade") != "HTTP/1.1") {
			t.Errorf("headers %v", res.Header)
		}
	}
}

func TestExportsAtOnceAreLimited(t *testing.T) {
	t.Parallel()
	f := newFakes()
	begun := make(chan struct{})
	f.stream = func(ctx context.Context, _ io.Writer, _ user.ExportSpec) (int64, error) {
		close(begun)
		<-ctx.Done()
		return 0, ctx.Err()
	}
	a := newAPI(t, f, func(c *httpapi.Config) { c.MaxExports = 1 })
	ctx, cancel := context.WithCancel(t.Context())
	first := make(chan struct{})
	go func() {
		defer close(first)
		r, _ := http.NewRequestWithContext(ctx, http.MethodGet, a.url+"/api/v1/export/stream", nil)
		if res, err := a.client.Do(r); err == nil {
			_ = res.Body.Close()
		}
	}()
	<-begun
	got := a.do("GET /api/v1/export/stream", nil, nil)
	e := a.failure(got, 429, "too_many_requests")
	if got.Header.Get("Retry-After") != "5" || e.Details.Limit != 1 {
		t.Errorf("refusal %s, Retry-After %q", got.body, got.Header.Get("Retry-After"))
	}
	cancel() // the client goes, and its place is free again
	<-first
	f.stream = newFakes().stream
	eventually(t, func() bool { return a.do("GET /api/v1/export/stream", nil, nil).StatusCode == http.StatusOK }, "a free place")
}

// Shutdown must not wait for an export that takes minutes.
func TestShutdownEndsExports(t *testing.T) {
	t.Parallel()
	f := newFakes()
	begun := make(chan struct{})
	f.stream = func(ctx context.Context, w io.Writer, _ user.ExportSpec) (int64, error) {
		_, _ = io.WriteString(w, strings.Repeat("x", 100_000))
		close(begun)
		<-ctx.Done()
		return 0, ctx.Err()
	}
	a := newAPI(t, f, nil)
	result := make(chan error, 1)
	go func() {
		res, err := a.client.Get(a.url + "/api/v1/export/stream")
		if err == nil {
			_, err = io.ReadAll(res.Body)
			_ = res.Body.Close()
		}
		result <- err
	}()
	<-begun
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := a.srv.Shutdown(ctx); err != nil {
		t.Errorf("Shutdown: %v", err)
	}
	if err := <-result; !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("the client saw %v, want an unexpected EOF", err)
	}
}

// endless has users as long as somebody reads them.
type endless struct{}

func (endless) Span(context.Context, user.Filter) (first, last int64, err error) {
	return 1, math.MaxInt64 / 2, nil
}

func (endless) Range(ctx context.Context, _ user.Filter, _ []int, first, last int64, row func([][]byte) error) (n, next int64, err error) {
	cols := make([][]byte, 11)
	for i := range cols {
		cols[i] = []byte("0123456789")
	}
	for ; first+n <= last; n++ {
		if err := row(cols); err != nil {
			return n, 0, err
		}
	}
	return n, last + 1, ctx.Err()
}

func TestExportStopsWhenTheClientGoes(t *testing.T) {
	t.Parallel()
	f := newFakes()
	ended := make(chan error, 1)
	f.stream = func(ctx context.Context, w io.Writer, spec user.ExportSpec) (int64, error) {
		n, err := export.Users{Pager: endless{}}.Stream(ctx, w, spec)
		ended <- err
		return n, err
	}
	a := newAPI(t, f, nil)
	res, err := a.client.Get(a.url + "/api/v1/export/stream")
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	select {
	case err := <-ended:
		if err == nil {
			t.Error("an endless export ended without an error")
		}
	case <-time.After(10 * time.Second):
		t.Fatal("the export goes on without a client")
	}
}

// The server's deadlines are for requests and short answers, not for what is allowed to take long.
func TestExportOutlivesTheServersTimeouts(t *testing.T) {
	t.Parallel()
	f := newFakes()
	f.stream = func(ctx context.Context, w io.Writer, _ user.ExportSpec) (int64, error) {
		for range 6 {
			select {
			case <-ctx.Done():
				return 0, ctx.Err()
			case <-time.After(50 * time.Millisecond):
			}
			if _, err := w.Write([]byte("x")); err != nil {
				return 0, err
			}
		}
		return 6, nil
	}
	s, logs := newServer(t, f, nil)
	a := serve(t, s.Public(), logs, func(srv *http.Server) {
		srv.ReadTimeout, srv.WriteTimeout = 100*time.Millisecond, 100*time.Millisecond
	})
	if got := a.do("GET /api/v1/export/stream", nil, nil); string(got.body) != "xxxxxx" {
		t.Errorf("body %q", got.body)
	}
}

func eventually(t *testing.T, ok func() bool, what string) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); {
		if ok() {
			return
		}
		<-time.After(10 * time.Millisecond)
	}
	t.Fatalf("never saw %s", what)
}
