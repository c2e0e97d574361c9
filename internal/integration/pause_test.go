package integration

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/musterhq/muster/internal/store/storetest"
)

// A large job is paused, makes room for another one, goes on, and is undone: nothing is lost, doubled or left.
func TestPauseResumeAndUndo(t *testing.T) {
	eachServer(t, func(t *testing.T, s *stack) {
		// For the workers too, because they start the cooldown.
		s.env = append(s.env, "MUSTER_TIERS=SMALL:100:10,MEDIUM:1000:5,LARGE:2000:3,XL:0:1:1s", "MUSTER_CHUNK_ROWS=2000")
		api := s.api()
		workers := s.workers(2, "MUSTER_BATCH_ROWS=100")
		const n = 40_000
		first := api.must("POST", fmt.Sprintf("/users/import/async?count=%d&seed=5", n), "ann", http.StatusAccepted)
		eventually(t, 30*time.Second, "the job has begun", func() bool {
			return api.must("GET", "/jobs/"+first.JobID, "ann", http.StatusOK).Processed > 0
		})
		api.must("POST", "/import/bulk?count=2001", "ann", http.StatusTooManyRequests) // the one XL slot is taken
		paused := api.must("POST", "/jobs/"+first.JobID+"/pause", "ann", http.StatusOK)
		if paused.Status != "PAUSED" || paused.Processed == 0 || paused.Processed >= n {
			t.Fatalf("paused: %s", paused.RawResponse)
		}
		second := api.must("POST", "/import/bulk?count=2001&seed=6", "ann", http.StatusAccepted)
		api.must("POST", "/jobs/"+first.JobID+"/resume", "ann", http.StatusTooManyRequests)
		if end := api.follow(second.JobID, "ann", time.Minute); end.Status != "COMPLETED" {
			t.Fatal(end.RawResponse)
		}
		if v := api.must("GET", "/jobs/"+first.JobID, "ann", http.StatusOK); v.Status != "PAUSED" || v.Processed != paused.Processed {
			t.Fatalf("a paused job moved from %d: %s", paused.Processed, v.RawResponse)
		}
		workers[0].kill() // a pause lasts, whoever dies
		eventually(t, 10*time.Second, "the cooldown ends and the job is resumed", func() bool {
			v, err := api.call("POST", "/jobs/"+first.JobID+"/resume", "ann")
			return err == nil && v.HTTP == http.StatusOK
		})
		if end := api.follow(first.JobID, "ann", 2*time.Minute); end.Status != "COMPLETED" || end.Processed != n {
			t.Fatal(end.RawResponse)
		}
		s.audit(api, fakerRow(t), first.JobID, second.JobID)
		undo(t, s, api, first.JobID, 2001)
	})
}

// undo removes the job's users while workers come and go.
func undo(t testing.TB, s *stack, api *proc, id string, left int64) {
	t.Helper()
	api.must("POST", "/jobs/"+id+"/undo", "ann", http.StatusAccepted)
	s.workers(1)[0].kill()
	api.must("POST", "/jobs/"+id+"/undo", "ann", http.StatusAccepted)
	eventually(t, 30*time.Second, "the job is undone", func() bool {
		return api.must("GET", "/jobs/"+id, "ann", http.StatusOK).Undone
	})
	if rows, _, err := storetest.Count(t.Context(), s.store); err != nil || rows != left {
		t.Errorf("%d users left, want %d, %v", rows, left, err)
	}
	api.must("POST", "/jobs/"+id+"/retry", "ann", http.StatusConflict)
}
