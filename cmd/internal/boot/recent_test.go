package boot

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// However many ask at once, or one after the other, there is one check, and one who goes away does not end it.
func TestRecent(t *testing.T) {
	t.Parallel()
	bad := errors.New("bad")
	var checks atomic.Int64
	answer := make(chan error)
	r := recent{keep: time.Hour, within: time.Hour, check: func(ctx context.Context) error {
		checks.Add(1)
		select {
		case err := <-answer:
			return err
		case <-ctx.Done():
			return ctx.Err()
		}
	}}
	gone, leave := context.WithCancel(t.Context())
	leave()
	if err := r.result(gone); !errors.Is(err, context.Canceled) {
		t.Errorf("who went away gets %v", err)
	}
	var wg sync.WaitGroup
	for range 100 {
		wg.Go(func() {
			if err := r.result(t.Context()); !errors.Is(err, bad) {
				t.Errorf("got %v", err)
			}
		})
	}
	answer <- bad
	wg.Wait()
	if err := r.result(t.Context()); !errors.Is(err, bad) || checks.Load() != 1 {
		t.Errorf("%v after %d checks, want one", err, checks.Load())
	}
	r.keep = 0
	go func() { answer <- nil }()
	if err := r.result(t.Context()); err != nil || checks.Load() != 2 {
		t.Errorf("%v after %d checks, want a second one", err, checks.Load())
	}
	r.within = time.Millisecond
	if err := r.result(t.Context()); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a check that hangs: %v", err)
	}
}
