package httpapi_test

import (
	"context"
	"encoding/json"
	"math"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/musterhq/muster/internal/httpapi"
	"github.com/musterhq/muster/internal/httpapi/api"
	"github.com/musterhq/muster/internal/job"
	"github.com/musterhq/muster/internal/user"
)

// fakeLinks has one file, by a link with the signature "good".
type fakeLinks struct{}

const exported = "id,name\r\n1,Ada Byron\r\n"

var linkSHA = strings.Repeat("ab", 32)

func (fakeLinks) Of(_ context.Context, id string) (*job.ExportLinks, error) {
	return &job.ExportLinks{
		Files:    []job.ExportLink{{Name: "part-00000-000-1.csv", Rows: 1, Bytes: int64(len(exported)), SHA256: linkSHA, URL: "/api/v1/exports/" + id + "/files/part-00000-000-1.csv?expires=9&signature=good"}},
		Manifest: "/api/v1/exports/" + id + "/files/manifest.json?expires=9&signature=good", Expires: time.Unix(9, 0).UTC(),
	}, nil
}

type nopCloser struct{}

func (nopCloser) Close() error { return nil }

func (fakeLinks) Open(_ context.Context, _, name string, expires int64, signature string) (*job.OpenedFile, error) {
	if expires != 9 || signature != "good" {
		return nil, job.ErrLink
	}
	if name == "manifest.json" {
		return &job.OpenedFile{ReadSeeker: strings.NewReader("[]"), Closer: nopCloser{}}, nil
	}
	return &job.OpenedFile{ReadSeeker: strings.NewReader(exported), Closer: nopCloser{}, SHA256: linkSHA}, nil
}

func TestExportJobIsSubmittedAsAskedFor(t *testing.T) {
	t.Parallel()
	f := newFakes()
	a := newAPI(t, f, nil)
	const query = "?format=ndjson&compress=zstd&fields=id,email&city=Lon&minAge=18&deleted=true&destination=nightly/full&splitRows=5000"
	if got := a.do("POST /api/v1/exports"+query, ada, nil); got.StatusCode != http.StatusAccepted {
		t.Fatalf("%d: %s", got.StatusCode, got.body)
	}
	spec := f.specs[0]
	if spec.Source != job.SourceExport || spec.Owner != "ada" || spec.Export.SplitRows != 5000 || spec.Export.Destination != "nightly/full" {
		t.Errorf("submitted %+v, %+v", spec, spec.Export)
	}
	var users user.ExportSpec
	if err := json.Unmarshal(spec.Export.Users, &users); err != nil {
		t.Fatal(err)
	}
	want := user.ExportSpec{
		Filter: user.Filter{City: "Lon", MinAge: 18, Deleted: true}, Format: "ndjson", Compress: "zstd", Fields: []string{"id", "email"},
	}
	if diff := cmp.Diff(want, users); diff != "" {
		t.Errorf("users (-want +got):\n%s", diff)
	}
}

// A job that has no users, such as a dry run, has none to export: not all there are.
func TestExportOfJobWithoutUsers(t *testing.T) {
	t.Parallel()
	f := newFakes()
	j := sample(job.Completed)
	j.FirstID = 0
	f.stored[jobID] = j
	a := newAPI(t, f, nil)
	if got := a.do("POST /api/v1/exports?jobId="+jobID, ada, nil); got.StatusCode != http.StatusAccepted {
		t.Fatalf("%d: %s", got.StatusCode, got.body)
	}
	var users user.ExportSpec
	if err := json.Unmarshal(f.specs[0].Export.Users, &users); err != nil {
		t.Fatal(err)
	}
	if users.Filter.FirstID != math.MaxInt64 {
		t.Errorf("users from id %d on are exported", users.Filter.FirstID)
	}
}

func TestExportFiles(t *testing.T) {
	t.Parallel()
	f := newFakes()
	j := sample(job.Completed)
	j.Source, j.Tier = job.SourceExport, job.TierExport
	f.stored[jobID] = j
	a := newAPI(t, f, nil)

	got := a.do("GET /api/v1/exports/"+jobID+"/files", ada, nil)
	list := decode[api.ExportFiles](t, got)
	if list.JobID != jobID || list.Rows != 1 || list.Bytes != int64(len(exported)) || len(list.Files) != 1 || list.Files[0].Sha256 != linkSHA {
		t.Errorf("files: %s", got.body)
	}
	a.failure(a.do("GET /api/v1/exports/"+jobID+"/files", as{"X-USER-ID", "bob"}, nil), 404, "job_not_found")

	// The link needs no caller.
	link := list.Files[0].URL
	got = a.do("GET "+link, nil, nil)
	if string(got.body) != exported || got.Header.Get("ETag") != `"`+linkSHA+`"` || got.Header.Get("Content-Type") != "text/csv; charset=utf-8" ||
		!strings.Contains(got.Header.Get("Content-Disposition"), "part-00000-000-1.csv") {
		t.Errorf("%d %v %s", got.StatusCode, got.Header, got.body)
	}
	if got = a.do("HEAD "+link, nil, nil); got.ContentLength != int64(len(exported)) || got.StatusCode != http.StatusOK {
		t.Errorf("HEAD: %d, %d bytes", got.StatusCode, got.ContentLength)
	}
	if got = a.do("GET "+link, as{"Range", "bytes=3-6"}, nil); got.StatusCode != http.StatusPartialContent || string(got.body) != exported[3:7] {
		t.Errorf("range: %d %s", got.StatusCode, got.body)
	}
	if got = a.do("GET "+link, as{"If-None-Match", `"` + linkSHA + `"`}, nil); got.StatusCode != http.StatusNotModified {
		t.Errorf("If-None-Match: %d", got.StatusCode)
	}
	got = a.do("GET "+link, as{"Range", "bytes=1000-"}, nil)
	a.failure(got, 416, "range_not_satisfiable")
	for _, bad := range []string{strings.Replace(link, "good", "bad", 1), strings.Replace(link, "expires=9", "expires=10", 1)} {
		a.failure(a.do("GET "+bad, nil, nil), 403, "forbidden")
	}
	if got = a.do("GET "+list.ManifestURL, nil, nil); got.StatusCode != http.StatusOK || got.Header.Get("Content-Type") != "application/json" {
		t.Errorf("manifest: %d %v", got.StatusCode, got.Header)
	}
}

func TestExportFilesOfOtherJobs(t *testing.T) {
	t.Parallel()
	f := newFakes()
	a := newAPI(t, f, nil)
	for _, status := range job.Statuses() {
		j := sample(status)
		j.Source, j.Tier = job.SourceExport, job.TierExport
		if status == job.Completed {
			j.Source = job.SourceFaker
		}
		f.stored[jobID] = j
		e := a.failure(a.do("GET /api/v1/exports/"+jobID+"/files", ada, nil), 409, "not_exported")
		if e.Details == nil || e.Details.Status != status {
			t.Errorf("details of one that is %s: %+v", status, e.Details)
		}
	}
}

// Without a place for files there are no exports as jobs, and the answers say why.
func TestExportsWithoutFiles(t *testing.T) {
	t.Parallel()
	f := newFakes()
	a := newAPI(t, f, func(c *httpapi.Config) { c.ExportLinks = nil })
	for _, request := range []string{"POST /api/v1/exports", "GET /api/v1/exports/" + jobID + "/files/manifest.json?expires=9&signature=good"} {
		a.failure(a.do(request, ada, nil), 503, "files_unavailable")
	}
}
