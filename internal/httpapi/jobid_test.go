package httpapi_test

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/musterhq/muster/internal/httpapi"
	"github.com/musterhq/muster/internal/job"
)

// Whatever is in the path instead of a job's id, the answer is the job with that id, that there is none, or that it is
// no id: never an internal error, and never another job.
func FuzzJobID(f *testing.F) {
	for _, seed := range []string{jobID, otherID, "{" + jobID + "}", "urn:uuid:" + jobID, "", "..", "%2e%2e", "a/../" + jobID, jobID + "\x00", "\xff", "'; DROP TABLE jobs"} {
		f.Add(seed)
	}
	behind := newFakes()
	behind.live[jobID] = sample(job.InProgress)
	s, err := httpapi.New(httpapi.Config{
		Jobs: newFakeJobs(behind, slog.New(slog.DiscardHandler)), Users: behind, UserStore: behind, Export: behind, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, id string) {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
		r.URL = &url.URL{Path: "/api/v1/jobs/" + id, RawPath: "/api/v1/jobs/" + url.PathEscape(id)}
		r.Header.Set("X-USER-ID", "ada")
		w := httptest.NewRecorder()
		s.Public().ServeHTTP(w, r)
		ours := strings.EqualFold(id, jobID)
		switch {
		case w.Code == http.StatusOK && id == "": // the list of jobs
		case w.Code == http.StatusOK:
			var got struct{ JobID string }
			if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || !ours || got.JobID != jobID {
				t.Errorf("%q answers job %q, %v", id, got.JobID, err)
			}
		case ours && w.Code >= 400, w.Code >= 500 || w.Code < 400:
			t.Errorf("%q: %d %s", id, w.Code, w.Body)
		}
	})
}
