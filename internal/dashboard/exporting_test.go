package dashboard_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/musterhq/muster/internal/dashboard"
	"github.com/musterhq/muster/internal/job"
)

// The search becomes an export job of the caller's, with its conditions and nothing else that a form may have.
func TestExportFromTheSearch(t *testing.T) {
	t.Parallel()
	s, a := serveAPI(t, http.StatusAccepted, `{"jobId": "`+id(1)+`"}`)
	status, at := s.post("/dashboard/exports", url.Values{"city": {"Berlin"}, "format": {"parquet"}, "sortBy": {"age"}, "csv": {"raw"}, "destination": {"x"}, "minAge": {""}})
	if status != http.StatusSeeOther || !strings.HasSuffix(at, "/dashboard/jobs/"+id(1)) {
		t.Errorf("%d, %s", status, at)
	}
	if want := "ann POST /api/v1/exports?city=Berlin&format=parquet"; len(a.asked) != 1 || a.asked[0] != want {
		t.Errorf("asked %v, want %s", a.asked, want)
	}
}

func TestFilesOfExport(t *testing.T) {
	t.Parallel()
	const link = "/api/v1/exports/x/files/part-1.csv?expires=9&signature=a-b"
	s, a := serveAPI(t, http.StatusOK, `{"jobId": "`+id(1)+`", "rows": 1200, "bytes": 5, "expiresAt": "2026-02-16T10:05:30.123Z", "manifestUrl": "https://bucket/m",
		"files": [{"name": "part-1.csv", "rows": 1200, "bytes": 5, "sha256": "abc", "url": "`+link+`"}]}`)
	status, html := s.get("/dashboard/jobs/" + id(1) + "/files")
	for _, text := range []string{strings.ReplaceAll(link, "&", "&amp;"), "https://bucket/m", "abc", "1 file,"} {
		if status != http.StatusOK || !strings.Contains(html, text) {
			t.Errorf("%d, without %s: %s", status, text, html)
		}
	}
	if want := "ann GET /api/v1/exports/" + id(1) + "/files"; len(a.asked) != 1 || a.asked[0] != want {
		t.Errorf("asked %v, want %s", a.asked, want)
	}
	if status, _ := s.get("/dashboard/jobs/..%2F..%2Fkeys/files"); status != http.StatusNotFound || len(a.asked) != 1 {
		t.Errorf("another path: %d, asked %v", status, a.asked)
	}
}

// The page of an export shows what it has done, and offers no undo.
func TestPageOfExport(t *testing.T) {
	t.Parallel()
	f := newFakes(1, job.Completed)
	j := &f.jobs[0]
	j.Source, j.Tier, j.Requested, j.Processed, j.Skipped = job.SourceExport, job.TierExport, 5000, 5000, 700
	_, html := serve(t, f, func(c *dashboard.Config) { c.API = &fakeAPI{} }).get("/dashboard/jobs/" + id(1))
	for text, want := range map[string]bool{
		"<dt>Exported</dt><dd>4\u202f300</dd>": true, `href="/dashboard/jobs/` + id(1) + `/files"`: true, "Seed": false, "/undo": false, "Rejected": false,
	} {
		if got := strings.Contains(html, text); got != want {
			t.Errorf("%q is there: %t", text, got)
		}
	}
	if operators, _ := serve(t, f, func(c *dashboard.Config) { c.Everybody = true }).get("/dashboard/jobs/" + id(1)); operators != http.StatusOK {
		t.Errorf("operators: %d", operators)
	}
}
