package boot

import (
	"context"
	"sync"
	"time"
)

// recent makes a check at most once in a while, however many ask for its result.
type recent struct {
	check  func(ctx context.Context) error
	keep   time.Duration // how long a result is given out
	within time.Duration // how long the check may take

	mu   sync.Mutex
	done chan struct{} // closed when the check that runs is over; nil: none runs
	at   time.Time     // when the last one was over
	err  error         // its result
}

// result returns that of the last check, or waits for a new one. Errors also: ctx's.
func (r *recent) result(ctx context.Context) error {
	r.mu.Lock()
	if r.done == nil {
		if time.Since(r.at) < r.keep {
			defer r.mu.Unlock()
			return r.err
		}
		r.done = make(chan struct{})
		go r.run(context.WithoutCancel(ctx), r.done) // it is for all who ask, whoever goes away
	}
	done := r.done
	r.mu.Unlock()
	select {
	case <-done:
		r.mu.Lock()
		defer r.mu.Unlock()
		return r.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (r *recent) run(ctx context.Context, done chan struct{}) {
	ctx, cancel := context.WithTimeout(ctx, r.within)
	defer cancel()
	err := r.check(ctx)
	r.mu.Lock()
	r.at, r.err, r.done = time.Now(), err, nil
	r.mu.Unlock()
	close(done)
}
