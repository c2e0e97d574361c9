package httpapi

import (
	"testing"

	"github.com/musterhq/muster/internal/user"
)

// Each page of a list reads one cursor and writes one.
func BenchmarkCursor(b *testing.B) {
	f := user.Filter{Name: "ann", City: "san", MinAge: 30}
	s := user.Sort{By: user.SortLastName}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := decodeCursor(f, s, encodeCursor(f, s, user.Key{ID: 1_234_567, Value: "Hahn"})); err != nil {
			b.Fatal(err)
		}
	}
}
