package filestore_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/Shopify/toxiproxy/v2"
	"github.com/rs/zerolog"

	"github.com/musterhq/muster/internal/filestore"
	"github.com/musterhq/muster/internal/job"
)

// everything calls each method that writes or reads, and returns their errors.
func everything(t *testing.T, s *filestore.Store) map[string]error {
	t.Helper()
	ctx := t.Context()
	errs := map[string]error{"Check": s.Check(ctx)}
	for what, size := range map[string]int{"small": 10, "large": 3 * block} {
		w, err := s.Create(ctx, "jobs/9/"+what, 0)
		if err != nil {
			t.Fatal(err)
		}
		_, err = w.Write(content(1, size))
		errs["Create "+what] = errors.Join(err, w.Close())
		w.Discard()
	}
	_, errs["Begin small"] = s.Begin(ctx, "uploads/8", 10, nil)
	_, errs["Begin large"] = s.Begin(ctx, "uploads/9", 3*block, nil)
	_, errs["Growing"] = s.Growing(ctx, "uploads/1")
	_, errs["Stat"] = s.Stat(ctx, "jobs/1/text")
	_, errs["Open"] = s.Open(ctx, "jobs/1/text")
	errs["Delete"] = s.Delete(ctx, "jobs/2/text")
	for _, err := range s.List(ctx, "") {
		errs["List"] = errors.Join(errs["List"], err)
	}
	_, errs["Sweep"] = s.Sweep(ctx, func(string, time.Time) bool { return true })
	return errs
}

// prepared is a store with some objects.
func prepared(t *testing.T, p place) *filestore.Store {
	t.Helper()
	s := p.open()
	create(t, s, "jobs/1/text", content(1, 2*block))
	create(t, s, "jobs/2/text", content(1, 2*block))
	begin(t, s, "uploads/1", 3*block)
	return s
}

func TestFolderAway(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(tempDir(t), "files")
	s := prepared(t, place{t, "file://" + dir})
	if err := os.Rename(dir, dir+"-away"); err != nil {
		t.Fatal(err)
	}
	for what, err := range everything(t, s) {
		if !errors.Is(err, job.ErrFilesUnavailable) || errors.Is(err, job.ErrFileNotFound) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the folder was made anew: %v", err)
	}
	if err := os.Rename(dir+"-away", dir); err != nil {
		t.Fatal(err)
	}
	for what, err := range everything(t, s) {
		if err != nil {
			t.Errorf("it is back, %s: %v", what, err)
		}
	}
}

func TestBucketAway(t *testing.T) {
	t.Parallel()
	var status atomic.Int64
	var code atomic.Value
	p := newS3(t, func(s3 http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if n := status.Load(); n != 0 {
				w.WriteHeader(int(n))
				_, _ = fmt.Fprintf(w, "<Error><Code>%s</Code><Message>no</Message></Error>", code.Load())
				return
			}
			s3.ServeHTTP(w, r)
		})
	})
	s := prepared(t, p)
	for _, tt := range []struct {
		status int
		code   string
		want   error
	}{
		{503, "ServiceUnavailable", job.ErrFilesUnavailable}, {403, "AccessDenied", job.ErrFilesUnavailable},
		{404, "NoSuchBucket", job.ErrFilesUnavailable}, {507, "XMinioStorageFull", job.ErrNoSpace}, {403, "QuotaExceeded", job.ErrNoSpace}, {507, "Other", job.ErrNoSpace},
	} {
		code.Store(tt.code)
		status.Store(int64(tt.status))
		for what, err := range everything(t, s) {
			// HEAD has no body, and so no code.
			if head := what == "Stat" || what == "Open"; head && err == nil || !head && !errors.Is(err, tt.want) {
				t.Errorf("%d %s, %s: %v", tt.status, tt.code, what, err)
			}
		}
	}
	status.Store(0)
	for what, err := range everything(t, s) {
		if err != nil {
			t.Errorf("it is back, %s: %v", what, err)
		}
	}

	// Nobody listens.
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = l.Close()
	none := place{t, "s3://key:secret@muster?endpoint=http://" + l.Addr().String()}.open()
	if err := none.Check(t.Context()); !errors.Is(err, job.ErrFilesUnavailable) {
		t.Errorf("nobody listens: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := none.Check(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("a request that ended: %v", err)
	}
	missing := place{t, strings.Replace(p.url, "muster", "other", 1)}.open()
	if err := missing.Check(t.Context()); !errors.Is(err, job.ErrFilesUnavailable) {
		t.Errorf("no such bucket: %v", err)
	}
}

// Answers get lost after the request took effect; whatever is done then is done once.
func TestBucketLostAnswers(t *testing.T) {
	t.Parallel()
	var requests, lost atomic.Int64
	p := newS3(t, func(s3 http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if requests.Add(1)%3 != 0 {
				s3.ServeHTTP(w, r)
				return
			}
			lost.Add(1)
			s3.ServeHTTP(httptest.NewRecorder(), r)
			panic(http.ErrAbortHandler) // cuts the connection
		})
	})
	s := p.open()
	for _, i := range []int{0, 1, 5, 8} {
		name := fmt.Sprintf("jobs/%d/text", i)
		body := content(uint64(i), i*block/2+i)
		create(t, s, name, body)
		if got := read(t, s, name); !bytes.Equal(got, body) {
			t.Errorf("%s is another", name)
		}
		upload := fmt.Sprintf("uploads/%d", i)
		begin(t, s, upload, len(body))
		for off := 0; off < len(body); {
			g, err := s.Growing(t.Context(), upload)
			if err != nil {
				t.Fatal(err)
			}
			end := min(off+block*2/3, len(body))
			if _, err := g.Append(t.Context(), int64(off), bytes.NewReader(body[off:end])); err != nil {
				t.Fatalf("%s from %d: %v", upload, off, err)
			}
			off = end
		}
		grown(t, s, upload, body)
		if err := errors.Join(s.Delete(t.Context(), name), s.Delete(t.Context(), upload)); err != nil {
			t.Error(err)
		}
	}
	if lost.Load() < 20 {
		t.Errorf("only %d answers were lost", lost.Load())
	}
	for _, key := range keys(t, s) {
		// A second multipart upload, whose id nobody learned.
		if !strings.Contains(key, "~part~") {
			t.Errorf("left: %s", key)
		}
	}
	if n, err := s.Sweep(t.Context(), func(string, time.Time) bool { return false }); err != nil || len(keys(t, s)) > 0 {
		t.Errorf("swept %d, %v; left %v", n, err, keys(t, s))
	}
}

// A store that knows no conditional writes.
func TestBucketWithoutConditions(t *testing.T) {
	t.Parallel()
	var refused atomic.Int64
	p := newS3(t, func(s3 http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("If-None-Match") != "" {
				refused.Add(1)
				w.WriteHeader(http.StatusNotImplemented)
				_, _ = io.WriteString(w, "<Error><Code>NotImplemented</Code></Error>")
				return
			}
			s3.ServeHTTP(w, r)
		})
	})
	body := content(1, 3*block+5)
	s := p.open()
	begin(t, s, "uploads/1", len(body))
	if _, err := s.Begin(t.Context(), "uploads/1", 1, nil); err == nil {
		t.Error("begun twice")
	}
	for range 2 {
		g, err := p.open().Growing(t.Context(), "uploads/1")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := g.Append(t.Context(), g.Offset(), io.LimitReader(bytes.NewReader(body[g.Offset():]), 2*block)); err != nil {
			t.Fatal(err)
		}
	}
	grown(t, s, "uploads/1", body)
	if refused.Load() == 0 {
		t.Error("nothing was refused: nothing was tested")
	}
}

// proxy puts a proxy before the store.
func proxy(t *testing.T, p place) (*toxiproxy.Proxy, string) {
	t.Helper()
	u, err := url.Parse(p.url)
	if err != nil {
		t.Fatal(err)
	}
	endpoint, err := url.Parse(u.Query().Get("endpoint"))
	if err != nil {
		t.Fatal(err)
	}
	server := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop())
	x := toxiproxy.NewProxy(server, "s3", "127.0.0.1:0", endpoint.Host)
	if err := x.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(x.Stop)
	u.RawQuery = url.Values{"endpoint": {"http://" + x.Listen}}.Encode()
	return x, u.String()
}

// Connections that break in the middle of a body are replaced.
func TestBucketBreaks(t *testing.T) {
	t.Parallel()
	p := newS3(t, nil)
	body := content(1, 1<<20)
	create(t, p.open(), "jobs/1/text", body)
	x, address := proxy(t, p)
	if _, err := x.Toxics.AddToxicJson(strings.NewReader(`{"name":"cut","type":"limit_data","stream":"downstream","attributes":{"bytes":100000}}`)); err != nil {
		t.Fatal(err)
	}
	s := place{t, address}.open()
	if got := read(t, s, "jobs/1/text"); !bytes.Equal(got, body) {
		t.Errorf("%d bytes came, others", len(got))
	}
	o, err := s.Open(t.Context(), "jobs/1/text")
	if err != nil {
		t.Fatal(err)
	}
	got := make([]byte, len(body)-5)
	if _, err := o.ReadAt(got, 5); err != nil || !bytes.Equal(got, body[5:]) {
		t.Errorf("ReadAt: %v", err)
	}
	if err := x.Toxics.RemoveToxic(t.Context(), "cut"); err != nil {
		t.Fatal(err)
	}
	if _, err := x.Toxics.AddToxicJson(strings.NewReader(`{"name":"cut","type":"limit_data","stream":"upstream","attributes":{"bytes":20000}}`)); err != nil {
		t.Fatal(err)
	}
	create(t, s, "jobs/2/text", body[:10*block]) // a few requests a connection
	if got := read(t, p.open(), "jobs/2/text"); !bytes.Equal(got, body[:10*block]) {
		t.Error("what was written is another")
	}
}

// A connection that stands still is an error some time, not a worker that waits for ever.
func TestBucketStandsStill(t *testing.T) {
	t.Parallel()
	p := newS3(t, nil)
	body := content(1, 1<<20)
	create(t, p.open(), "jobs/1/text", body)
	x, address := proxy(t, p)
	s, err := filestore.OpenTest(address, 200*time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	// Slow, or all of it would be in the buffers on the way before the connection stands still.
	if _, err := x.Toxics.AddToxicJson(strings.NewReader(`{"name":"slow","type":"bandwidth","stream":"downstream","attributes":{"rate":500}}`)); err != nil {
		t.Fatal(err)
	}
	o, err := s.Open(t.Context(), "jobs/1/text")
	if err != nil {
		t.Fatal(err)
	}
	r := o.Range(t.Context(), 0, -1)
	defer r.Close()
	if _, err := io.ReadFull(r, make([]byte, 100)); err != nil {
		t.Fatal(err)
	}
	if _, err := x.Toxics.AddToxicJson(strings.NewReader(`{"name":"still","type":"timeout","stream":"downstream","attributes":{"timeout":0}}`)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, r); !errors.Is(err, job.ErrFilesUnavailable) {
		t.Errorf("read: %v", err)
	}
	if err := s.Check(t.Context()); !errors.Is(err, job.ErrFilesUnavailable) {
		t.Errorf("Check: %v", err)
	}
	if err := x.Toxics.RemoveToxic(t.Context(), "still"); err != nil {
		t.Fatal(err)
	}
	if got := read(t, place{t, address}.open(), "jobs/1/text"); !bytes.Equal(got, body) {
		t.Error("it moves again, with other bytes")
	}
}
