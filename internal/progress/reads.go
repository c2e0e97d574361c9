package progress

import (
	"context"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	// maxPipelines is how many pipelines of reads may run at once: more than one, so that reads go on when one hangs.
	maxPipelines = 2
	// readWithin bounds a pipeline. It is for all its callers, so none of their contexts can.
	readWithin = time.Second
)

// reads reads hashes. Reads that are asked for while maxPipelines run go together in the next pipeline: many polls at once
// cost a few round trips, and a poll alone does not wait.
type reads struct {
	rdb redis.UniversalClient

	mu    sync.Mutex
	busy  int     // pipelines that run
	queue []*read // empty unless busy is maxPipelines
}

type read struct {
	key  string
	hash map[string]string
	err  error
	done chan struct{}
}

func (r *reads) get(ctx context.Context, key string) (map[string]string, error) {
	wanted := &read{key: key, done: make(chan struct{})}
	r.mu.Lock()
	if r.busy == maxPipelines {
		r.queue = append(r.queue, wanted)
		r.mu.Unlock()
		select {
		case <-wanted.done:
			return wanted.hash, wanted.err
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	r.busy++
	r.mu.Unlock()
	r.run(ctx, []*read{wanted})
	if next := r.take(); next != nil {
		go func() {
			for ; next != nil; next = r.take() {
				r.run(ctx, next)
			}
		}()
	}
	return wanted.hash, wanted.err
}

// take returns the reads that wait for the pipeline that has just ended; nil: none, and the pipeline is free.
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
		for i, wanted := range list {
			cmds[i] = p.HGetAll(ctx, wanted.key)
		}
		return nil
	})
	for i, wanted := range list {
		wanted.hash, wanted.err = cmds[i].Result()
		close(wanted.done)
	}
}
