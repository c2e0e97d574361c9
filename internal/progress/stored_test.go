package progress

import (
	"errors"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"

	"github.com/musterhq/muster/internal/job"
)

// Users are counted for their owner and for all, and the counts go by themselves.
func TestStored(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, l *Live, rdb *redis.Client) {
		l.prefix = "stored-" + uuid.NewString() // the real server is shared
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
		for _, key := range rdb.Keys(t.Context(), l.prefix+":stored:*").Val() {
			if ttl := rdb.TTL(t.Context(), key).Val(); ttl <= 0 || ttl > storedKept {
				t.Errorf("%s lives for %s", key, ttl)
			}
		}
	})
}

// Without Redis both say so, and no worker or page takes it for a count.
func TestStoredWithoutRedis(t *testing.T) {
	t.Parallel()
	rdb := redis.NewClient(&redis.Options{Addr: "127.0.0.1:1", MaxRetries: -1})
	t.Cleanup(func() { _ = rdb.Close() })
	l := New(rdb, job.DefaultPrefix)
	if err := l.Stored(t.Context(), "ann", 1); !errors.Is(err, job.ErrQueueUnavailable) {
		t.Errorf("Stored: %v", err)
	}
	if steps, err := l.StoredSince(t.Context(), "ann", 60); !errors.Is(err, job.ErrQueueUnavailable) || steps != nil {
		t.Errorf("StoredSince: %v, %v", steps, err)
	}
}

// The last step is the one that runs, and those before it are in their order, also from one minute's key to the next.
func TestStoredSteps(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, l *Live, rdb *redis.Client) {
		l.prefix = "steps-" + uuid.NewString()
		const steps = 60
		seconds := int64(StoredStep.Seconds())
		before := time.Now().Unix() / seconds
		for i := range int64(steps + 10) { // more than are asked for, each with as many users as it is steps old
			step := before - i
			check(t, rdb.HSet(t.Context(), l.storedKey("ann", step*seconds/60), strconv.FormatInt(step, 10), i).Err())
		}
		got, err := l.StoredSince(t.Context(), "ann", steps)
		check(t, err)
		passed := int64(0) // steps since before, in which nothing was stored
		for passed < steps && got[steps-1-passed] == 0 {
			passed++
		}
		passed-- // the step of before has 0, too
		var want []int64
		for i := range int64(steps) {
			want = append(want, max(0, steps-1-i-passed))
		}
		if diff := cmp.Diff(want, got); passed < 0 || diff != "" {
			t.Errorf("%d steps later (-want +got):\n%s", passed, diff)
		}
	})
}
