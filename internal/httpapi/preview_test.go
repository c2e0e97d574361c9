package httpapi_test

import (
	"bytes"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/musterhq/muster/internal/httpapi/api"
	"github.com/musterhq/muster/internal/job"
)

func TestPreview(t *testing.T) {
	t.Parallel()
	a := newFileAPI(t, nil)
	got := a.do("POST /api/v1/import/preview?delimiter=tab&onDuplicate=skip&dryRun=true", append(as{"Content-Type", "text/csv"}, ada...), strings.NewReader("email\n"))
	want := api.FilePreview{
		Format: "csv", Compression: "none", Charset: "utf-8", Delimiter: ";", Header: true, ColumnCount: 2,
		Columns: []api.PreviewColumn{{Name: "Mail", Field: "email", Samples: []string{"ada@example.com", "bob@"}}, {Name: "Shoe size", Samples: []string{}}},
		Rows: []api.PreviewRow{
			{Row: 1, Line: 2, User: api.PreviewUser{Email: "ada@example.com"}, Errors: []api.RowError{}},
			{Row: 2, Line: 3, Errors: []api.RowError{{Code: "bad_email", Field: "email", Message: "must be an e-mail address"}}},
		},
	}
	if diff := cmp.Diff(want, decode[api.FilePreview](t, got)); diff != "" {
		t.Errorf("preview (-want +got):\n%s", diff)
	}
	seen := previewed{"email\n", false, "text/csv", job.FileOptions{Delimiter: "\t", OnDuplicate: "skip", Key: "email", InFile: "first", MaxRejected: job.DefaultMaxRejected}}
	if diff := cmp.Diff([]previewed{seen}, a.fakes.previews); diff != "" {
		t.Errorf("asked (-want +got):\n%s", diff)
	}
	if len(a.fakes.specs) > 0 || a.left() > 0 {
		t.Error("a preview stored something")
	}
}

// A preview looks at the first MiB, wherever the file comes from, and knows whether that is all.
func TestPreviewLooksAtTheBeginning(t *testing.T) {
	t.Parallel()
	a := newFileAPI(t, nil)
	long := strings.Repeat("x", 1<<20)
	up, err := a.uploads.Receive(t.Context(), "ada", "", "text/csv", strings.NewReader(long+"y"))
	if err != nil {
		t.Fatal(err)
	}
	kind, body := form(t, "file", "users.csv", long+"y")
	for name, c := range map[string]struct {
		query   string
		headers as
		body    io.Reader
		head    string
		cut     bool
	}{
		"short":      {"", nil, strings.NewReader("x"), "x", false},
		"exactly":    {"", nil, strings.NewReader(long), long, false},
		"longer":     {"", nil, strings.NewReader(long + "y"), long, true},
		"endless":    {"", nil, &zeros{1 << 40}, strings.Repeat("\x00", 1<<20), true},
		"said so":    {"?partial=true", nil, strings.NewReader("x"), "x", true},
		"a range":    {"", as{"Content-Range", "bytes 0-0/5"}, strings.NewReader("x"), "x", true},
		"an upload":  {"?uploadId=" + up.ID, nil, nil, long, true},
		"a form":     {"", as{"Content-Type", kind}, bytes.NewReader(body), long, true},
		"the source": {"?from=in/users.csv", nil, nil, "email\nada@example.com\n", false},
	} {
		a.fakes.previews = nil
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, a.url+"/api/v1/import/preview"+c.query, c.body)
		if err != nil {
			t.Fatal(err)
		}
		for i := 0; i < len(c.headers); i += 2 {
			r.Header.Set(c.headers[i], c.headers[i+1])
		}
		r.Header.Set("X-USER-ID", "ada")
		res, err := a.client.Do(r)
		if err != nil && name == "endless" { // the answer may come while the body is still sent
			continue
		}
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		_ = res.Body.Close()
		if res.StatusCode != http.StatusOK || len(a.fakes.previews) != 1 {
			t.Fatalf("%s: %d", name, res.StatusCode)
		}
		if got := a.fakes.previews[0]; got.Head != c.head || got.Cut != c.cut {
			t.Errorf("%s: %d bytes, cut %t, want %d, %t", name, len(got.Head), got.Cut, len(c.head), c.cut)
		}
	}
	if n := a.left(); n != 1 {
		t.Errorf("%d objects", n)
	}
}

// What is wrong with the file as a whole comes with what was seen of it.
func TestPreviewOfAFileThatCannotBeImported(t *testing.T) {
	t.Parallel()
	a := newFileAPI(t, nil)
	a.fakes.previewErr = &job.FileError{
		Code: job.CodeNoKnownColumn, Message: "none of the columns is known",
		Found: &job.FileFound{Format: "csv", Compression: "none", Charset: "utf-8", Delimiter: ",", ColumnCount: 2, Columns: []job.FileColumn{{Name: "foo"}, {Name: "bar"}}},
	}
	e := a.failure(a.do("POST /api/v1/import/preview", ada, strings.NewReader("foo,bar\n")), 400, "no_known_column")
	want := &api.FileFound{Format: "csv", Compression: "none", Charset: "utf-8", Delimiter: ",", ColumnCount: 2, Columns: []api.FileColumn{{Name: "foo"}, {Name: "bar"}}}
	if diff := cmp.Diff(want, e.Details.File); diff != "" || e.Message != "none of the columns is known" {
		t.Errorf("%q (-want +got):\n%s", e.Message, diff)
	}
	a.fakes.previewErr = &job.FileError{Code: "of_tomorrow", Message: "it is something else"}
	a.failure(a.do("POST /api/v1/import/preview", ada, strings.NewReader("foo,bar\n")), 400, "unreadable")
}
