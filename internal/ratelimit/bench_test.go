package ratelimit_test

import (
	"strconv"
	"testing"
	"time"

	"github.com/musterhq/muster/internal/job"
	"github.com/musterhq/muster/internal/ratelimit"
	"github.com/musterhq/muster/internal/testenv"
)

// One reservation and one release on a real server, from one client at a time; `make bench` has a hundred (P4).
func BenchmarkSlot(b *testing.B) {
	slots := ratelimit.NewSlots(connect(b, testenv.Redis(b)), ratelimit.Options{})
	limit := job.TierLimit{Tier: "SMALL", Concurrent: 10}
	n := 0
	for b.Loop() {
		id := strconv.Itoa(n)
		n++
		if err := slots.Reserve(b.Context(), "ada", id, limit); err != nil {
			b.Fatal(err)
		}
		if err := slots.Release(b.Context(), "ada", id, time.Now(), limit); err != nil {
			b.Fatal(err)
		}
	}
}
