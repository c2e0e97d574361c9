package integration

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/musterhq/muster/internal/job"
)

// R3: the API dies at each step of a cancel and of a pause, most of all between the job's row and its chunks. Once the
// reconciler has seen the job, it stands still; and a paused one goes on to its end.
func TestChaosR3DeadMoves(t *testing.T) {
	eachServer(t, func(t *testing.T, s *stack) {
		n := rounds(2*len(movePoints), 6*len(movePoints))
		chaos(t, "R3", "API killed at each step of a cancel and a pause", s, func(s *stack) string { return deadMoves(s, n) })
		control(t, "R3", s, "no-reconciler", `jobs are not finalized`, func(s *stack) string { return deadMoves(s, 4) })
	})
}

func deadMoves(s *stack, kills int) string {
	t := s.t
	s.hooks = true
	s.env = append(s.env, "MUSTER_CHUNK_ROWS=2000")
	s.workers(2, "MUSTER_BATCH_ROWS=100")
	healthy := s.api()
	want := wantStatus{}
	for i := range kills {
		point, caller := movePoints[i/2%len(movePoints)], fmt.Sprintf("user%d", i)
		dying := s.api("MUSTER_CHAOS_CRASH=" + point + ":1")
		for tries, survived := 1, true; survived; tries++ {
			id := healthy.submit(caller, 40_000).JobID
			eventually(t, 20*time.Second, "the job has begun", func() bool {
				return healthy.must("GET", "/jobs/"+id, caller, http.StatusOK).Processed > 0
			})
			move := []string{"cancel", "pause"}[i%2]
			v, err := dying.call("POST", "/jobs/"+id+"/"+move, caller)
			// A worker that shows the job's first batch at that moment may let the chunks follow before the API does.
			if survived = err == nil; survived && (point != "align.followed" || tries == 5) {
				t.Fatalf("the API survived %s: %s", point, v.RawResponse)
			}
			if !survived {
				dying.waitExit(10 * time.Second)
			}
			if move == "cancel" {
				want[id] = job.Cancelled
				continue
			}
			healthy.must("POST", "/jobs/"+id+"/resume", caller, http.StatusOK)
			if end := healthy.follow(id, caller, time.Minute); end.Status != "COMPLETED" {
				t.Fatal(end.RawResponse)
			}
			want[id] = job.Completed
		}
	}
	s.auditEnds(healthy, fakerRow(t), want)
	return fmt.Sprintf("%d kills, %d jobs exact", kills, len(want))
}
