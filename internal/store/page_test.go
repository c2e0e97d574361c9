package store_test

import (
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/musterhq/muster/internal/job"
	"github.com/musterhq/muster/internal/store"
	"github.com/musterhq/muster/internal/store/storetest"
	"github.com/musterhq/muster/internal/user"
)

// An export finds what a list finds, however many ids lie between the users.
func TestPagesAcrossUnusedIDs(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url string) {
		s := storetest.Open(t, url, store.Options{})
		users := storetest.Import(t, s, storetest.People(60))
		unused := job.Job{ID: "0193a000-0000-7000-8000-000000000002", Owner: "u", Source: job.SourceFaker, Tier: "XL", Requested: 2_000_000, RequestHash: strings.Repeat("0", 64)}
		if err := storetest.CreateJob(t.Context(), s, &unused, unused.Requested); err != nil {
			t.Fatal(err)
		}
		for _, u := range users[:30] {
			if err := s.CreateUser(t.Context(), &u); err != nil {
				t.Fatal(err)
			}
		}
		for _, f := range []user.Filter{
			{}, {Deleted: true}, {Email: users[0].Email}, {Email: "nobody@example.com"}, {City: "austin"}, {LastID: 10}, {LastID: 1_000_000},
			{FirstID: 1_000_000}, {FirstID: 5, LastID: 50, Deleted: true},
		} {
			want, err := s.Plain(t.Context(), f)
			if err != nil {
				t.Fatal(err)
			}
			for _, ids := range []int64{1, 7, 1000} {
				if got := export(t, s, f, ids); !slices.Equal(got, want) {
					t.Errorf("%+v by %d: %v, want %v", f, ids, got, want)
				}
			}
		}
	})
}

var allColumns = []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10}

// export returns the ids of f's users, read in ranges of so many ids; it fails if it is sent through unused ids range
// by range.
func export(t *testing.T, s *store.Store, f user.Filter, ids int64) (got []int64) {
	t.Helper()
	first, last, err := s.Span(t.Context(), f)
	if err != nil {
		t.Fatal(err)
	}
	for queries := 0; first <= last; queries++ {
		if queries > 2000 {
			t.Fatalf("%+v: still at %d of %d", f, first, last)
		}
		_, first, err = s.Range(t.Context(), f, allColumns, first, min(first+ids-1, last), func(cols [][]byte) error {
			id, err := strconv.ParseInt(string(cols[0]), 10, 64)
			got = append(got, id)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return got
}
