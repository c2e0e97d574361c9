package httpapi_test

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/musterhq/muster/internal/httpapi"
	"github.com/musterhq/muster/internal/job"
)

// A poll is what most requests are.
func BenchmarkGetJob(b *testing.B) {
	f := newFakes()
	f.live[jobID] = sample(job.InProgress)
	s, err := httpapi.New(httpapi.Config{
		Jobs: newFakeJobs(f, slog.New(slog.DiscardHandler)), Users: f, UserStore: f, Export: f, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		b.Fatal(err)
	}
	h := s.Public()
	r := httptest.NewRequest(http.MethodGet, "/api/v1/jobs/"+jobID, nil)
	r.Header.Set("X-USER-ID", "ada")
	b.ReportAllocs()
	for b.Loop() {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != http.StatusOK {
			b.Fatal(w.Code, w.Body)
		}
	}
}
