package ratelimit

import (
	"context"
	_ "embed" // for the script
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/musterhq/muster/internal/job"
)

//go:embed lua/take_budget.lua
var takeBudget string

// Budget is an allowance that the whole fleet shares, in fixed windows. A window starts with the first Take after the
// last one has ended.
type Budget struct {
	rdb    redis.UniversalClient
	key    string
	limit  int64
	window time.Duration
	take   *redis.Script
}

// NewBudget allows limit upstream users a window to all whose keys begin with prefix. rdb stays the caller's to close.
func NewBudget(rdb redis.UniversalClient, prefix string, limit int64, window time.Duration) *Budget {
	return &Budget{rdb: rdb, key: upstreamKey(prefix), limit: limit, window: window, take: redis.NewScript(takeBudget)}
}

// Take takes n upstream users, all or none: wait is 0 if it took them, else the time until the window ends. When an
// answer is lost and go-redis runs the script again, n is taken twice: then too little is asked of the upstream, never
// too much. n outside 1..limit is an error; other errors wrap job.ErrQueueUnavailable.
func (b *Budget) Take(ctx context.Context, n int64) (wait time.Duration, err error) {
	if n < 1 || n > b.limit {
		return 0, fmt.Errorf("take %d from a budget of %d a window", n, b.limit)
	}
	return b.run(ctx, n)
}

// Exhaust marks the window as spent, because the upstream said so, and starts one if none runs. wait is the time
// until it ends. Errors: job.ErrQueueUnavailable.
func (b *Budget) Exhaust(ctx context.Context) (wait time.Duration, err error) {
	return b.run(ctx, "all")
}

func (b *Budget) run(ctx context.Context, n any) (time.Duration, error) {
	ms, err := b.take.Run(ctx, b.rdb, []string{b.key}, n, b.limit, b.window.Milliseconds()).Int64()
	if err != nil {
		return 0, job.QueueUnavailable("take from the budget", err)
	}
	return time.Duration(ms) * time.Millisecond, nil
}
