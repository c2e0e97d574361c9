package store_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/musterhq/muster/internal/job"
	"github.com/musterhq/muster/internal/store"
	"github.com/musterhq/muster/internal/store/storetest"
)

// Lists are of one owner or of all, by status and by the beginning of the id, page by page.
func TestListsOfJobs(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url string) {
		s := storetest.Open(t, url, store.Options{})
		var ids []string // newest first
		for i := range 12 {
			j := newJob(10)
			j.Owner = []string{"ann", "bob"}[i%2]
			if err := storetest.CreateJob(t.Context(), s, j, 10); err != nil {
				t.Fatal(err)
			}
			ids = append([]string{j.ID}, ids...)
			if i%3 == 0 {
				if _, err := s.MoveJob(t.Context(), j.Owner, j.ID, job.MoveCancel); err != nil {
					t.Fatal(err)
				}
			}
		}
		for name, c := range map[string]struct {
			f    job.Filter
			want int
		}{
			"one owner's":            {job.Filter{Owner: "ann"}, 6},
			"everybody's":            {job.Filter{Everybody: true}, 12},
			"everybody's, cancelled": {job.Filter{Everybody: true, Status: job.Cancelled}, 4},
			"one owner's, cancelled": {job.Filter{Owner: "bob", Status: job.Cancelled}, 2},
			"by the whole id":        {job.Filter{Everybody: true, IDPrefix: ids[3]}, 1},
			"by the beginning":       {job.Filter{Everybody: true, IDPrefix: ids[0][:4]}, 12},
			"by another beginning":   {job.Filter{Everybody: true, IDPrefix: "ffff"}, 0},
		} {
			var got []string
			for f := c.f; ; {
				f.Limit = 5
				page, err := s.Jobs(t.Context(), f)
				if err != nil {
					t.Fatal(err)
				}
				for i := range page {
					got = append(got, page[i].ID)
				}
				if len(page) < f.Limit {
					break
				}
				f.After = page[len(page)-1].ID
			}
			if len(got) != c.want {
				t.Errorf("%s: %d jobs, want %d", name, len(got), c.want)
			}
			for i := 1; i < len(got); i++ {
				if got[i] >= got[i-1] {
					t.Errorf("%s: %s comes after %s", name, got[i], got[i-1])
				}
			}
		}
		if used, err := s.SlotsInUse(t.Context(), "ann"); err != nil || len(used) != 1 || used["MEDIUM"] != 4 {
			t.Errorf("slots in use: %v, %v", used, err)
		}
	})
}

// Lists name an index, so an older schema, which lacks it, is to be told from a fault of ours.
func TestListWithoutItsIndex(t *testing.T) {
	t.Parallel()
	storetest.EachServer(t, func(t *testing.T, url string) {
		s := storetest.Open(t, url, store.Options{})
		drop := `DROP INDEX ix_jobs_owner_status`
		if strings.HasPrefix(url, "mysql") {
			drop += ` ON jobs`
		}
		if err := s.InTx(t.Context(), drop); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Jobs(t.Context(), job.Filter{Owner: "ann", Status: job.Failed, Limit: 1}); !errors.Is(err, job.ErrSchema) {
			t.Errorf("%v", err)
		}
	})
}

// A chunk that a worker holds says so, and one that stalled says why.
func TestChunkStates(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url string) {
		s := storetest.Open(t, url, store.Options{})
		j := newJob(30)
		if err := storetest.CreateJob(t.Context(), s, j, 10); err != nil {
			t.Fatal(err)
		}
		claim(t, s, j.ID, 0)
		if err := s.Stall(t.Context(), claim(t, s, j.ID, 1), "no such thing"); err != nil {
			t.Fatal(err)
		}
		chunks, err := s.ChunkStates(t.Context(), j.ID)
		if err != nil || len(chunks) != 3 {
			t.Fatalf("%d chunks, %v", len(chunks), err)
		}
		for i, want := range []string{"true ", "false no such thing", "false "} {
			got := map[bool]string{true: "true ", false: "false "}[chunks[i].Held] + chunks[i].LastError
			if got != want || chunks[i].No != i || chunks[i].State != job.ChunkReady {
				t.Errorf("chunk %d: %s, %s", i, strings.TrimSpace(got), chunks[i].State)
			}
		}
	})
}
