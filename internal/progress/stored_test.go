package progress

import (
	"slices"
	"testing"

	"github.com/redis/go-redis/v9"
)

// Users are counted for their owner and for all, and the counts go by themselves.
func TestStored(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, l *Live, rdb *redis.Client) {
		l.prefix = "stored" // the real server is shared
		for owner, n := range map[string]int64{"ann": 1000, "bob": 30} {
			for range 3 {
				check(t, l.Stored(t.Context(), owner, n))
			}
		}
		for owner, want := range map[string]int64{"ann": 3000, "bob": 90, "": 3090, "eve": 0} {
			steps, err := l.StoredSince(t.Context(), owner, 60)
			check(t, err)
			sum := int64(0)
			for _, n := range steps {
				sum += n
			}
			if len(steps) != 60 || sum != want || want > 0 && slices.Max(steps[57:]) == 0 {
				t.Errorf("%q: %d users in %d steps, want %d in the last: %v", owner, sum, len(steps), want, steps)
			}
		}
		for _, key := range rdb.Keys(t.Context(), "stored:stored:*").Val() {
			if ttl := rdb.TTL(t.Context(), key).Val(); ttl <= 0 || ttl > storedKept {
				t.Errorf("%s lives for %s", key, ttl)
			}
		}
	})
}
