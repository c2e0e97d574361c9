package dashboard

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/musterhq/muster/internal/job"
)

// sharedFor is how long what was read is given to all pages that are open, however many.
const sharedFor = time.Second

// readWithin is how long a page waits for something that it can do without.
const readWithin = 2 * time.Second

// shared is a value that many pages show and that is read once for all of them.
type shared[T any] struct {
	read func(ctx context.Context) (T, error)

	mu      sync.Mutex
	reading chan struct{} // closed when the read that runs is over; nil: none runs
	began   time.Time     // when that read began
	at      time.Time     // when value and err were read
	value   T
	err     error
}

// get returns what was read last, at most sharedFor ago, or reads it. Errors: those of read, and job.ErrQueueUnavailable when
// it takes longer than a page waits. It goes on then, and nobody reads beside it.

func (s *shared[T]) get(ctx context.Context) (T, error) {
	s.mu.Lock()
	if s.reading == nil && time.Since(s.at) >= sharedFor {
		s.reading, s.began = make(chan struct{}), time.Now()
		go s.refresh(context.WithoutCancel(ctx), s.reading) // another page may want it
	}
	reading, patience := s.reading, readWithin-time.Since(s.began)
	s.mu.Unlock()
	if reading != nil {
		select {
		case <-reading:
		case <-ctx.Done():
			return *new(T), ctx.Err()
		case <-time.After(patience):
			return *new(T), fmt.Errorf("no answer within %s: %w", readWithin, job.ErrQueueUnavailable)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.value, s.err
}

func (s *shared[T]) refresh(ctx context.Context, done chan struct{}) {
	ctx, cancel := context.WithTimeout(ctx, readWithin)
	defer cancel()
	value, err := s.read(ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.value, s.err, s.at, s.reading = value, err, time.Now(), nil
	close(done)
}

// sharedBy is shared for each key, of which those that nobody has asked for a while are forgotten.
type sharedBy[T any] struct {
	read func(ctx context.Context, key string) (T, error)

	mu    sync.Mutex
	byKey map[string]*shared[T]
}

// maxShared is how many keys are kept.
const maxShared = 1000

func (s *sharedBy[T]) get(ctx context.Context, key string) (T, error) {
	s.mu.Lock()
	if s.byKey == nil || len(s.byKey) > maxShared {
		s.byKey = map[string]*shared[T]{}
	}
	of := s.byKey[key]
	if of == nil {
		of = &shared[T]{read: func(ctx context.Context) (T, error) { return s.read(ctx, key) }}
		s.byKey[key] = of
	}
	s.mu.Unlock()
	return of.get(ctx)
}
