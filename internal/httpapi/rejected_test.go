package httpapi_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"github.com/musterhq/muster/internal/httpapi"
	"github.com/musterhq/muster/internal/job"
)

const rejectedPath = "/api/v1/jobs/" + jobID + "/rejected"

func rejectedFakes(rows int) (f *fakes, csv string) {
	f = newFakes()
	f.stored[jobID] = sampleFile(job.InProgress) // it need not be over
	csv = "_row,_code\r\n"
	for i := range rows {
		f.rejects = append(f.rejects, job.Reject{Row: int64(3 * i), Code: "bad_email"})
		csv += fmt.Sprintf("%d,bad_email\r\n", 3*i)
	}
	return f, csv
}

func TestRejectedRows(t *testing.T) {
	t.Parallel()
	for _, rows := range []int{0, 1, 1000, 2500} {
		f, want := rejectedFakes(rows)
		a := newAPI(t, f, nil)
		got := a.do("GET "+rejectedPath, ada, nil)
		if got.StatusCode != http.StatusOK || string(got.body) != want || got.Trailer.Get("X-Row-Count") != fmt.Sprint(rows) {
			t.Fatalf("%d rows: %d, %d bytes, trailer %v", rows, got.StatusCode, len(got.body), got.Trailer)
		}
		for name, want := range map[string]string{
			"Content-Type": "text/csv; charset=utf-8", "Content-Disposition": `attachment; filename="rejected-` + jobID + `.csv"`, "Vary": "Accept-Encoding",
		} {
			if got.Header.Get(name) != want {
				t.Errorf("%s = %q, want %q", name, got.Header.Get(name), want)
			}
		}
		got = a.do("GET "+rejectedPath+"?format=ndjson", ada, nil)
		if kind := got.Header.Get("Content-Type"); kind != "application/x-ndjson" || !strings.HasSuffix(got.Header.Get("Content-Disposition"), `.ndjson"`) || strings.Contains(string(got.body), "_row") {
			t.Errorf("ndjson: %v %.60q", got.Header, got.body)
		}
	}
}

func TestRejectedRowsCompressed(t *testing.T) {
	t.Parallel()
	f, want := rejectedFakes(2500)
	a := newAPI(t, f, nil)
	for encoding, open := range map[string]func(io.Reader) (io.Reader, error){
		"gzip": func(r io.Reader) (io.Reader, error) { return gzip.NewReader(r) },
		"zstd": func(r io.Reader) (io.Reader, error) { return zstd.NewReader(r) },
	} {
		got := a.do("GET "+rejectedPath, append(as{"Accept-Encoding", encoding}, ada...), nil)
		r, err := open(bytes.NewReader(got.body))
		if err != nil {
			t.Fatal(err)
		}
		if text, err := io.ReadAll(r); err != nil || string(text) != want || got.Header.Get("Content-Encoding") != encoding || len(got.body) > len(want)/2 {
			t.Errorf("%s: %d bytes of %d, %v, %v", encoding, len(text), len(got.body), err, got.Header)
		}
	}
}

// breaking writes the first rows, and fails.
type breaking struct{ *fakes }

func (b breaking) WriteRejected(_ context.Context, w io.Writer, _ *job.Job, _ string, page func(after int64) ([]job.Reject, error)) error {
	_, _ = io.WriteString(w, strings.Repeat("x", 100_000))
	_, err := page(-1)
	return errors.Join(err, errors.New("database gone"))
}

// A client must see that the rows broke off, as with exports.
func TestRejectedRowsThatBreakOff(t *testing.T) {
	t.Parallel()
	f, _ := rejectedFakes(2500)
	a := newAPI(t, f, func(c *httpapi.Config) { c.Files = breaking{f} })
	r, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, a.url+rejectedPath, nil)
	r.Header.Set("X-USER-ID", "ada")
	res, err := a.client.Do(r)
	if err == nil {
		_, err = io.ReadAll(res.Body)
		_ = res.Body.Close()
	}
	if !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
		t.Errorf("the client saw %v", err)
	}
	res, body, _ := (&fileAPI{testServer: a}).raw("GET "+rejectedPath+" HTTP/1.0", nil, "Content-Length: 0")
	a.failure(answer{res, body}, 426, "upgrade_required")
}
