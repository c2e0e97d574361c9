package progress

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/musterhq/muster/internal/job"
)

// StoredStep is the length of a step in which stored users are counted.
const StoredStep = 5 * time.Second

// storedKept is how long counts of stored users are kept.
const storedKept = 20 * time.Minute

// everybody stands for all owners; it is no owner's name.
const everybody = "/all"

func (l *Live) storedKey(owner string, minute int64) string {
	return fmt.Sprintf("%s:stored:{%s}:%d", l.prefix, owner, minute)
}

// Stored counts users that were stored for an owner now. The counts are for a plot: they may miss some, or have some twice.
// Errors wrap job.ErrQueueUnavailable.
func (l *Live) Stored(ctx context.Context, owner string, users int64) error {
	now := time.Now().Unix()
	step := strconv.FormatInt(now/int64(StoredStep.Seconds()), 10)
	_, err := l.rdb.Pipelined(ctx, func(p redis.Pipeliner) error {
		for _, whose := range []string{owner, everybody} {
			key := l.storedKey(whose, now/60)
			p.HIncrBy(ctx, key, step, users)
			p.Expire(ctx, key, storedKept)
		}
		return nil
	})
	return job.QueueUnavailable("count stored users", err)
}

// StoredSince returns how many users were stored for an owner, or for all when it is empty, in each of the last steps, the
// oldest first. The last step is not over. Errors wrap job.ErrQueueUnavailable.
func (l *Live) StoredSince(ctx context.Context, owner string, steps int) ([]int64, error) {
	if owner == "" {
		owner = everybody
	}
	seconds := int64(StoredStep.Seconds())
	last := time.Now().Unix() / seconds
	first := last - int64(steps) + 1
	var found []*redis.MapStringStringCmd
	_, err := l.rdb.Pipelined(ctx, func(p redis.Pipeliner) error {
		for minute := first * seconds / 60; minute <= last*seconds/60; minute++ {
			found = append(found, p.HGetAll(ctx, l.storedKey(owner, minute)))
		}
		return nil
	})
	if err != nil {
		return nil, job.QueueUnavailable("read stored users", err)
	}
	counts := make([]int64, steps)
	for _, f := range found {
		for step, users := range f.Val() {
			at, _ := strconv.ParseInt(step, 10, 64)
			if n, err := strconv.ParseInt(users, 10, 64); err == nil && at >= first && at <= last {
				counts[at-first] = n
			}
		}
	}
	return counts, nil
}
