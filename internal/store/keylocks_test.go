package store_test

import (
	"database/sql"
	"fmt"
	"testing"

	"github.com/musterhq/muster/internal/columns"
	"github.com/musterhq/muster/internal/store"
	"github.com/musterhq/muster/internal/store/storetest"
)

// TestKeysOfOthers holds keys while somebody else does so with others, those of users and those of nobody. Where a statement
// read all rows of a small table it would wait for rows of the other, and two such would wait for each other. Of users by
// their ids some hundred are asked for: more of a small table are read as a whole.
func TestKeysOfOthers(t *testing.T) {
	t.Parallel()
	eachServer(t, func(t *testing.T, _ *sql.DB, address string) {
		s := storetest.Open(t, address, store.Options{})
		people := storetest.Import(t, s, storetest.People(1200))
		hold := func(name, key string, keys func(i int) []any, n int) {
			var ours, theirs []any
			for i := range n {
				ours, theirs = append(ours, keys(2*i)...), append(theirs, keys(2*i+1)...)
			}
			err := s.HoldKeys(t.Context(), key, ours, func() error {
				return s.HoldKeys(t.Context(), key, theirs, func() error { return nil })
			})
			if err != nil {
				t.Errorf("%d %s each: %v", n, name, err)
			}
		}
		for _, n := range []int{1, 10, 100, 600} {
			hold("addresses of users", columns.KeyEmail, func(i int) []any { return []any{people[i].Email} }, n)
			hold("addresses of nobody", columns.KeyEmail, func(i int) []any { return []any{fmt.Sprintf("new.%d@example.com", i)} }, n)
			hold("ids", columns.KeyID, func(i int) []any { return []any{people[i].ID} }, min(n, 100))
		}
	})
}
