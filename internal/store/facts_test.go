package store_test

import (
	"slices"
	"testing"
	"time"

	"github.com/musterhq/muster/internal/job"
	"github.com/musterhq/muster/internal/store"
	"github.com/musterhq/muster/internal/store/storetest"
)

// Each engine tells what there is to know of it, before there is a schema too.
func TestFacts(t *testing.T) {
	t.Parallel()
	names := map[string]string{"sqlite": "SQLite", "mariadb": "MariaDB", "mysql": "MySQL"}
	for _, e := range storetest.Engines(t) {
		t.Run(e.Name, func(t *testing.T) {
			t.Parallel()
			for _, c := range []struct {
				address string
				schema  bool
			}{{e.Empty(t), false}, {e.New(t), true}} {
				f, err := storetest.Open(t, c.address, store.Options{}).Facts(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				if f.Engine != names[e.Name] || f.Version == "" || f.RoundTrip <= 0 || f.Ahead.Abs() > time.Second+f.RoundTrip || f.SchemaNeed == 0 ||
					c.schema != (f.SchemaHave == f.SchemaNeed) {
					t.Errorf("%+v", f)
				}
				if e.Name != "sqlite" && (f.MaxConns < 1 || f.Conns < 1 || f.Packet < 1 || f.FlushLog < 0 || f.DataDir == "" || f.Replica != nil || f.Replicas != 0) {
					t.Errorf("of the server: %+v", f)
				}
			}
		})
	}
}

// A job is quiet from its submission, or from the last claim or batch, on; those that are over or paused are left out.
func TestOpenJobs(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url string) {
		s := storetest.Open(t, url, store.Options{Lease: time.Hour})
		var ids []string
		for range 4 {
			ids = append(ids, record(t, s, 10, 5).ID)
		}
		slices.Sort(ids)
		claim(t, s, ids[1], 0)
		j, err := s.Job(t.Context(), ids[2])
		if err != nil {
			t.Fatal(err)
		}
		if n, err := s.FailOpen(t.Context(), j, "chunk_failed"); err != nil || n != 2 {
			t.Fatalf("%d, %v", n, err)
		}
		if _, err := move(t.Context(), s, "ann", ids[3], job.MovePause); err != nil {
			t.Fatal(err)
		}
		open, err := s.OpenJobs(t.Context(), 10)
		if err != nil || len(open) != 3 {
			t.Fatalf("%+v, %v", open, err)
		}
		for i, o := range open {
			failed := map[int]int{2: 2}[i]
			if o.ID != ids[i] || o.Tier != "MEDIUM" || o.FailedChunks != failed || o.Overdue || o.Age < 0 || o.Quiet < 0 || o.Quiet > o.Age || o.Age > time.Minute {
				t.Errorf("%d: %+v", i, o)
			}
		}
		if open, err = s.OpenJobs(t.Context(), 1); err != nil || len(open) != 1 || open[0].ID != ids[0] {
			t.Errorf("the oldest: %+v, %v", open, err)
		}
	})
}
