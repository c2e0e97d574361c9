package progress

import (
	"context"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	// maxPipelines is how many pipelines of reads may be under way: more than one, so that one that hangs is not the end.
	maxPipelines = 2
	// readWithin bounds a pipeline. It is for all its callers, so none of their contexts can.
	readWithin = time.Second
)

// reads reads hashes. Those that are wanted while maxPipelines are under way go together in the next one: many polls at
// once cost a few round trips, and one alone does not wait.
type reads struct {
	rdb redis.UniversalClient

	mu    sync.Mutex
	busy  int     // pipelines under way
	queue []*read // empty unless busy is maxPipelines
}

type read struct {
	key  string
	hash map[string]string
	err  error
	done chan struct{}
}

func (r *reads) get(ctx context.Context, key string) (map[string]string, error) {
	one := &read{key: key, done: make(chan struct{})}
	r.mu.Lock()
	if r.busy == maxPipelines {
		r.queue = append(r.queue, one)
		r.mu.Unlock()
		select {
		case <-one.done:
			return one.hash, one.err
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	r.busy++
	r.mu.Unlock()
	r.run(ctx, []*read{one})
	if next := r.take(); next != nil {
		go func() {
			for ; next != nil; next = r.take() {
				r.run(ctx, next)
			}
		}()
	}
	return one.hash, one.err
}

// take answers what waits for the pipeline that has just ended; nil: nothing, and the pipeline is free.
func (r *reads) take() []*read {
	r.mu.Lock()
	defer r.mu.Unlock()
	next := r.queue
	r.queue = nil
	if next == nil {
		r.busy--
	}
	return next
}

func (r *reads) run(ctx context.Context, list []*read) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), readWithin)
	defer cancel()
	cmds := make([]*redis.MapStringStringCmd, len(list))
	// Each command carries the error, also one that kept all from being sent.
	_, _ = r.rdb.Pipelined(ctx, func(p redis.Pipeliner) error {
		for i, one := range list {
			cmds[i] = p.HGetAll(ctx, one.key)
		}
		return nil
	})
	for i, one := range list {
		one.hash, one.err = cmds[i].Result()
		close(one.done)
	}
}
