package docstest_test

import (
	"testing"

	"github.com/musterhq/muster/client"
)

// afterwards looks at what the commands of a page have left, beyond what the page shows.
var afterwards = map[string]func(t *testing.T, api string){"docs/loading-users.md": loaded}

// loaded checks the jobs that the files have become.
func loaded(t *testing.T, api string) {
	t.Helper()
	c, err := client.Open(api)
	if err != nil {
		t.Fatal(err)
	}
	limit := 100
	r, err := c.ListJobsWithResponse(t.Context(), &client.ListJobsParams{UserID: "ann", Limit: &limit})
	if err != nil || r.JSON200 == nil || r.JSON200.HasNext {
		t.Fatalf("%v, %s", err, r.Body)
	}
	mended, moved := 0, int64(0)
	for _, j := range r.JSON200.Content {
		// The one that is posted without waiting may still run, and the last command may still undo another.
		if j.Status == client.FAILED || j.Status == client.CANCELLED {
			t.Errorf("%s: %s", j.JobID, j.Message)
		}
		if j.Outcome == nil {
			continue
		}
		if j.ParentJobID != nil && *j.Outcome == (client.Outcome{Inserted: 1}) {
			mended++
		}
		if j.File != nil && j.File.Name != nil && *j.File.Name == "moved.csv" {
			moved += j.Outcome.Updated
		}
	}
	if mended != 1 || moved == 0 || len(r.JSON200.Content) < 30 {
		t.Errorf("%d jobs, %d of mended rows, %d users were moved", len(r.JSON200.Content), mended, moved)
	}
}
