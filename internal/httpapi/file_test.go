package httpapi_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/musterhq/muster/internal/export"
	"github.com/musterhq/muster/internal/httpapi"
	"github.com/musterhq/muster/internal/job"
	"github.com/musterhq/muster/internal/user"
)

// exportCalls lists every status of the routes of exports.
func exportCalls() []call {
	secret := errors.New("dial tcp 10.1.2.3: password hunter2 refused")
	has := func(f *fakes) { f.stored[jobID] = sample(job.Completed) }
	var all []call
	for _, route := range []string{"GET /api/v1/export/stream", "GET /api/v1/export/csv"} {
		all = append(all,
			call{route, nil, nil, 200, ""},
			call{route, as{"Accept-Encoding", "gzip"}, nil, 200, ""},
			call{route + "?csv=raw&format=csv", nil, nil, 200, ""},
			call{route + "?csv=raw&format=json", nil, nil, 400, "validation_failed"},
			call{route + "?csv=excel", nil, realExport, 200, ""},
			call{route + "?csv=excel&format=ndjson", nil, nil, 400, "validation_failed"},
			call{route + "?csv=no", nil, nil, 400, "validation_failed"},
			call{route + "?what=1", nil, nil, 400, "validation_failed"},
			call{route + "?fields=id,password", nil, nil, 400, "validation_failed"},
			call{route + "?minAge=2&maxAge=1", nil, nil, 400, "validation_failed"},
			call{route + "?jobId=" + jobID, nil, has, 400, "user_id_missing"},
			call{route + "?jobId=" + jobID, ada, has, 200, ""},
			call{route + "?jobId=" + jobID, ada, nil, 404, "job_not_found"},
			call{route + "?jobId=" + jobID, as{"X-USER-ID", "bob"}, has, 404, "job_not_found"},
			call{route + "?jobId=00000000-0000-0000-0000-000000000000", ada, has, 404, "job_not_found"},
			call{route + "?jobId=", ada, has, 400, "validation_failed"},
			call{route + "?jobId=" + jobID, ada, failing(fmt.Errorf("x: %w", job.ErrStoreUnavailable)), 503, "store_unavailable"},
			call{route, as{"Accept-Encoding", "identity;q=0, br"}, nil, 406, "not_acceptable"},
			call{route + "?format=avro", as{"Accept-Encoding", "identity;q=0"}, nil, 200, ""},
			call{route, nil, failing(fmt.Errorf("x: %w", job.ErrStoreUnavailable)), 503, "store_unavailable"},
			call{route, nil, failing(fmt.Errorf("x: %w", job.ErrSchema)), 503, "store_unavailable"},
			call{route, nil, failing(secret), 500, "internal_error"},
		)
		for _, format := range []string{"csv", "ndjson", "json", "parquet", "avro"} {
			all = append(all, call{route + "?format=" + format + "&compress=zstd", nil, realExport, 200, ""}, call{route + "?format=" + format, nil, realExport, 200, ""})
		}
	}
	return append(all,
		call{"GET /api/v1/export/csv", as{"Range", "bytes=2-4"}, nil, 206, ""},
		call{"GET /api/v1/export/csv", as{"Range", "lines=0-5"}, nil, 200, ""},
		call{"GET /api/v1/export/csv", as{"If-None-Match", "*"}, nil, 304, ""},
		call{"GET /api/v1/export/csv", as{"Range", "bytes=1000000-"}, nil, 416, "range_not_satisfiable"},
		call{"GET /api/v1/export/csv", as{"Range", "bytes=x"}, nil, 416, "range_not_satisfiable"},
	)
}

// realExport lets the export package export three users.
func realExport(f *fakes) { f.stream = export.Users{Pager: three{}}.Stream }

type three struct{}

func (three) Span(context.Context, user.Filter) (first, last int64, err error) { return 1, 3, nil }

func (three) Range(_ context.Context, _ user.Filter, _ []int, first, last int64, row func([][]byte) error) (n, next int64, err error) {
	for id := first; id <= last; id++ {
		text := func(s string) []byte { return []byte(s) }
		cols := [][]byte{strconv.AppendInt(nil, id, 10), text("Ada"), text("Byron"), text("a@b.c"), text("London"), nil, text("36"), text("+44"), text("Female"), text("0"), nil}
		if err := row(cols); err != nil {
			return 0, 0, err
		}
	}
	return last - first + 1, last + 1, nil
}

func TestExportPassesTheSpecOn(t *testing.T) {
	t.Parallel()
	everything := user.Filter{Name: "a", City: "b", State: "c", Email: "d", Gender: "Male", Age: 5, MinAge: 1, MaxAge: 9, Deleted: true}
	tests := map[string]user.ExportSpec{
		"": {},
		"?format=csv&csv=raw&fields=email,id&compress=gzip": {Format: "csv", Raw: true, Fields: []string{"email", "id"}, Compress: "gzip"},
		"?csv=excel": {Excel: true},
		"?name=a&city=b&state=c&email=d&gender=Male&age=5&minAge=1&maxAge=9&deleted=true&format=avro": {Filter: everything, Format: "avro"},
		"?jobId=" + jobID: {Filter: user.Filter{FirstID: 1, LastID: 100_000}},
	}
	for query, want := range tests {
		for _, route := range []string{"/api/export/stream", "/api/v1/export/csv"} {
			f := newFakes()
			f.stored[jobID] = sample(job.InProgress)
			var got user.ExportSpec
			f.stream = func(_ context.Context, w io.Writer, spec user.ExportSpec) (int64, error) {
				got = spec
				_, err := io.WriteString(w, "x")
				return 0, err
			}
			if res := newAPI(t, f, nil).do("GET "+route+query, ada, nil); res.StatusCode != http.StatusOK {
				t.Fatalf("%s: %d %s", query, res.StatusCode, res.body)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", query, diff)
			}
		}
	}
}

// A Content-Encoding leaves the name of the file as it is; compress changes the file itself, and its name says so.
func TestExportEncoding(t *testing.T) {
	t.Parallel()
	tests := []struct{ query, accept, encoding, kind, ending, vary string }{
		{"", "", "", "text/csv; charset=utf-8", "Z.csv", "Accept-Encoding"},
		{"", "gzip", "gzip", "text/csv; charset=utf-8", "Z.csv", "Accept-Encoding"},
		{"", "gzip;q=0.5, zstd;q=0.4", "gzip", "text/csv; charset=utf-8", "Z.csv", "Accept-Encoding"},
		{"", "gzip;q=0.5, identity;q=0.8", "", "text/csv; charset=utf-8", "Z.csv", "Accept-Encoding"},
		{"?format=ndjson", "zstd", "zstd", "application/x-ndjson", "Z.ndjson", "Accept-Encoding"},
		{"?format=json&compress=gzip", "zstd", "", "application/gzip", "Z.json.gz", ""},
		{"?format=parquet", "gzip, zstd", "", "application/vnd.apache.parquet", "Z.parquet", ""},
		{"?format=avro&compress=zstd", "gzip, zstd", "", "application/avro", "Z.avro", ""},
	}
	for _, test := range tests {
		for _, route := range []string{"GET /api/v1/export/stream", "GET /api/v1/export/csv"} {
			f := newFakes()
			realExport(f)
			got := newAPI(t, f, nil).do(route+test.query, as{"Accept-Encoding", test.accept}, nil)
			h := got.Header
			if h.Get("Content-Encoding") != test.encoding || h.Get("Content-Type") != test.kind || h.Get("Vary") != test.vary ||
				!strings.HasSuffix(h.Get("Content-Disposition"), test.ending+`"`) {
				t.Errorf("%s%s, %q: %v", route, test.query, test.accept, h)
			}
			if test.encoding == "gzip" {
				z, err := gzip.NewReader(bytes.NewReader(got.body))
				if err != nil {
					t.Fatal(err)
				}
				plain, err := io.ReadAll(z)
				if err != nil || bytes.Count(plain, []byte("\r\n")) != 4 {
					t.Errorf("%s%s: %q, %v", route, test.query, plain, err)
				}
			}
			count := h.Get("X-Row-Count") + got.Trailer.Get("X-Row-Count")
			if count != "3" {
				t.Errorf("%s%s: X-Row-Count = %q", route, test.query, count)
			}
		}
	}
}

// Accept-Encoding is a list, and may come in several lines.
func TestHeadersInSeveralLines(t *testing.T) {
	t.Parallel()
	a := newAPI(t, newFakes(), nil)
	r, _ := http.NewRequest(http.MethodGet, a.url+"/api/v1/export/csv", nil)
	r.Header["Accept-Encoding"] = []string{"br", "gzip"}
	res, err := a.client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	if res.StatusCode != http.StatusOK || res.Header.Get("Content-Encoding") != "gzip" {
		t.Errorf("%d %v", res.StatusCode, res.Header)
	}
}

// An export without users is a file all the same, also when not a byte is written.
func TestEmptyExport(t *testing.T) {
	t.Parallel()
	for _, route := range []string{"/export/stream", "/export/csv"} {
		f := newFakes()
		f.stream = func(context.Context, io.Writer, user.ExportSpec) (int64, error) { return 0, nil }
		got := newAPI(t, f, nil).do("GET /api/v1"+route+"?format=ndjson", nil, nil)
		count := got.Header.Get("X-Row-Count") + got.Trailer.Get("X-Row-Count")
		if got.StatusCode != http.StatusOK || len(got.body) != 0 || count != "0" || got.Header.Get("Content-Type") != "application/x-ndjson" {
			t.Errorf("%s: %d %q %v %v", route, got.StatusCode, got.body, got.Header, got.Trailer)
		}
	}
}

// files returns the names in a folder.
func files(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func TestExportFile(t *testing.T) {
	t.Parallel()
	f := newFakes()
	realExport(f)
	dir := t.TempDir()
	a := newAPI(t, f, func(c *httpapi.Config) { c.TempDir = dir })
	const get = "GET /api/v1/export/csv"
	whole := a.do(get, nil, nil)
	tag := whole.Header.Get("ETag")
	if whole.ContentLength != int64(len(whole.body)) || whole.Header.Get("Accept-Ranges") != "bytes" || len(tag) != 22 || whole.Header.Get("X-Row-Count") != "3" {
		t.Errorf("%d bytes, headers %v", len(whole.body), whole.Header)
	}
	zipped := a.do(get, as{"Accept-Encoding", "gzip"}, nil)
	if zipped.ContentLength != int64(len(zipped.body)) || zipped.Header.Get("ETag") == tag {
		t.Errorf("compressed: length %d of %d, headers %v", zipped.ContentLength, len(zipped.body), zipped.Header)
	}
	for _, test := range []struct {
		headers as
		status  int
		body    string
	}{
		{as{"Range", "bytes=3-6"}, 206, string(whole.body[3:7])},
		{as{"Range", "bytes=-5"}, 206, string(whole.body[len(whole.body)-5:])},
		{as{"Range", "bytes=40-", "If-Range", tag}, 206, string(whole.body[40:])},
		{as{"Range", "bytes=40-", "If-Range", `"another"`}, 200, string(whole.body)},
		{as{"Range", "bytes=3-6", "Accept-Encoding", "gzip"}, 206, string(zipped.body[3:7])},
		{as{"Range", "bytes=40-", "If-Range", `W/` + tag}, 200, string(whole.body)},
		{as{"Range", "Bytes = 0-0"}, 206, string(whole.body[:1])},
		{as{"Range", "bytes=-0, 0-1"}, 206, string(whole.body[:2])},
		{as{"Range", "bytes=0-99999999999999999999"}, 206, string(whole.body)},
		{as{"Range", "bytes=-99999999999999999999"}, 206, string(whole.body)},
		{as{"Range", "bytes=00-01"}, 206, string(whole.body[:2])},
		{as{"Range", "lines=0-1"}, 200, string(whole.body)},
		{as{"If-None-Match", tag}, 304, ""},
		{as{"If-None-Match", `"another"`}, 200, string(whole.body)},
	} {
		got := a.do(get, test.headers, nil)
		if got.StatusCode != test.status || string(got.body) != test.body || got.Header.Get("ETag") == "" {
			t.Errorf("%v: %d %q, want %d %q", test.headers, got.StatusCode, got.body, test.status, test.body)
		}
	}
	for _, bad := range []string{
		"bytes=9999-", "bytes=-0", "bytes=-00", "bytes=-0,9999-", "bytes=99999999999999999999-", "bytes=x", "bytes=-", "bytes=+1-+2", "bytes=-+1", "bytes=--1", "bytes=2-1", "bytes=1",
	} {
		got := a.do(get, as{"Range", bad}, nil)
		a.failure(got, 416, "range_not_satisfiable")
		if want := "bytes */" + strconv.Itoa(len(whole.body)); got.Header.Get("Content-Range") != want || got.Header.Get("ETag")+got.Header.Get("Content-Disposition") != "" {
			t.Errorf("%s: headers %v, want Content-Range %s", bad, got.Header, want)
		}
	}
	if left := files(t, dir); left != nil {
		t.Errorf("files are left: %v", left)
	}
}

func TestExportFileInParts(t *testing.T) {
	t.Parallel()
	got := newAPI(t, newFakes(), nil).do("GET /api/v1/export/csv", as{"Range", "bytes=0-1,3-6"}, nil)
	_, params, err := mime.ParseMediaType(got.Header.Get("Content-Type"))
	if err != nil || got.StatusCode != http.StatusPartialContent {
		t.Fatalf("%d %v", got.StatusCode, err)
	}
	parts := multipart.NewReader(bytes.NewReader(got.body), params["boundary"])
	for _, want := range []string{"id", "name"} {
		p, err := parts.NextPart()
		if err != nil {
			t.Fatal(err)
		}
		if b, _ := io.ReadAll(p); string(b) != want {
			t.Errorf("part %q, want %q", b, want)
		}
	}
}

// Nothing is sent before the file is whole: a failure is an answer, also after many bytes.
func TestExportFileThatBreaks(t *testing.T) {
	t.Parallel()
	for _, size := range []int{0, 100, 3_000_000} {
		f, dir := newFakes(), t.TempDir()
		f.stream = func(_ context.Context, w io.Writer, _ user.ExportSpec) (int64, error) {
			_, _ = io.WriteString(w, strings.Repeat("x", size))
			return 0, fmt.Errorf("x: %w", job.ErrStoreUnavailable)
		}
		a := newAPI(t, f, func(c *httpapi.Config) { c.TempDir = dir })
		got := a.do("GET /api/v1/export/csv", as{"Accept-Encoding", "gzip"}, nil)
		a.failure(got, 503, "store_unavailable")
		if h := got.Header; h.Get("Content-Encoding")+h.Get("Content-Disposition")+h.Get("ETag") != "" {
			t.Errorf("headers of a file: %v", h)
		}
		if left := files(t, dir); left != nil {
			t.Errorf("files are left: %v", left)
		}
	}
}

// A client that goes, before the file is whole or while it is sent, leaves no file and no place taken.
func TestExportFileWhenTheClientGoes(t *testing.T) {
	t.Parallel()
	f, dir := newFakes(), t.TempDir()
	begun := make(chan struct{}, 1)
	f.stream = func(ctx context.Context, _ io.Writer, _ user.ExportSpec) (int64, error) {
		begun <- struct{}{}
		<-ctx.Done()
		return 0, ctx.Err()
	}
	a := newAPI(t, f, func(c *httpapi.Config) { c.TempDir, c.MaxExports = dir, 1 })
	ctx, cancel := context.WithCancel(t.Context())
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		r, _ := http.NewRequestWithContext(ctx, http.MethodGet, a.url+"/api/v1/export/csv", nil)
		if res, err := a.client.Do(r); err == nil {
			_ = res.Body.Close()
		}
	}()
	<-begun
	// The places are those of both routes.
	a.failure(a.do("GET /api/v1/export/stream", nil, nil), 429, "too_many_requests")
	a.failure(a.do("GET /api/v1/export/csv", nil, nil), 429, "too_many_requests")
	cancel()
	<-gone
	eventually(t, func() bool { return strings.Contains(a.log.String(), "client gone") }, "a line about the client")

	f.stream = func(_ context.Context, w io.Writer, _ user.ExportSpec) (int64, error) {
		_, err := io.WriteString(w, strings.Repeat("x", 50<<20)) // beyond all buffers
		return 1, err
	}
	var res *http.Response
	eventually(t, func() (ok bool) {
		var err error
		if res, err = a.client.Get(a.url + "/api/v1/export/csv"); err != nil {
			t.Fatal(err)
		}
		if ok = res.StatusCode == http.StatusOK; !ok {
			_ = res.Body.Close()
		}
		return ok
	}, "a free place")
	_ = res.Body.Close()
	eventually(t, func() bool { return strings.Contains(a.log.String(), "cut=true") }, "an access log line that says cut")
	if left := files(t, dir); left != nil {
		t.Errorf("files are left: %v", left)
	}
}

// No part of an empty file can be named, so it is sent whole.
func TestRangeOfAnEmptyFile(t *testing.T) {
	t.Parallel()
	f := newFakes()
	f.stream = func(context.Context, io.Writer, user.ExportSpec) (int64, error) { return 0, nil }
	a := newAPI(t, f, nil)
	for _, r := range []string{"bytes=0-", "bytes=-5", "bytes=-0", "bytes=7-9"} {
		got := a.do("GET /api/v1/export/csv?format=ndjson", as{"Range", r}, nil)
		if got.StatusCode != http.StatusOK || got.ContentLength != 0 || got.Header.Get("Content-Range") != "" {
			t.Errorf("%s: %d %v", r, got.StatusCode, got.Header)
		}
	}
}

// HEAD tells what GET would, of each variant, and leaves ranges alone. It writes no file.
func TestExportFileHead(t *testing.T) {
	t.Parallel()
	f := newFakes()
	realExport(f)
	a := newAPI(t, f, nil)
	noFolder := newAPI(t, f, func(c *httpapi.Config) { c.TempDir = filepath.Join(t.TempDir(), "gone") })
	for _, query := range []string{"", "?csv=excel", "?csv=raw", "?format=json", "?format=parquet", "?format=avro&compress=zstd", "?compress=gzip"} {
		for _, headers := range []as{nil, {"Accept-Encoding", "gzip"}, {"Accept-Encoding", "zstd"}} {
			get, head := a.do("GET /api/v1/export/csv"+query, headers, nil), noFolder.do("HEAD /api/v1/export/csv"+query, append(as{"Range", "bytes=0-1"}, headers...), nil)
			if head.StatusCode != http.StatusOK || len(head.body) != 0 || head.ContentLength != int64(len(get.body)) {
				t.Errorf("%s %v: %d, length %d, GET has %d", query, headers, head.StatusCode, head.ContentLength, len(get.body))
			}
			for _, name := range []string{"ETag", "Content-Type", "Content-Encoding", "Accept-Ranges", "Vary", "X-Row-Count"} {
				// Parquet and Avro files have a random mark in them.
				if name == "ETag" && strings.Contains(query, "avro") {
					continue
				}
				if got, want := head.Header.Get(name), get.Header.Get(name); got != want {
					t.Errorf("%s %v: %s = %q, GET has %q", query, headers, name, got, want)
				}
			}
		}
	}
	tag := a.do("HEAD /api/v1/export/csv", nil, nil).Header.Get("ETag")
	if got := a.do("HEAD /api/v1/export/csv", as{"If-None-Match", tag}, nil); got.StatusCode != http.StatusNotModified {
		t.Errorf("with the tag: %d", got.StatusCode)
	}
}

// The byte order mark of csv=excel is a part of the file: it has another tag, one length with it, and ranges count it.
func TestExportForExcel(t *testing.T) {
	t.Parallel()
	f := newFakes()
	realExport(f)
	a := newAPI(t, f, nil)
	for _, route := range []string{"GET /api/v1/export/stream", "GET /api/v1/export/csv"} {
		plain, excel := a.do(route, nil, nil), a.do(route+"?csv=excel", nil, nil)
		if want := "\ufeff" + string(plain.body); string(excel.body) != want || strings.Count(want, "\n") != strings.Count(want, "\r\n") {
			t.Errorf("%s: %q, want %q", route, excel.body, want)
		}
		if tag := plain.Header.Get("ETag"); tag != "" && excel.Header.Get("ETag") == tag {
			t.Errorf("%s: both have the tag %s", route, tag)
		}
	}
	if got := a.do("GET /api/v1/export/csv?csv=excel", as{"Range", "bytes=0-4"}, nil); string(got.body) != "\ufeffid" {
		t.Errorf("the first five bytes are %q", got.body)
	}
}
