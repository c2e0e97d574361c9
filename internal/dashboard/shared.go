package dashboard

import (
	"context"
	"sync"
	"time"
)

// sharedFor is how long what was read is given to all pages that are open, however many.
const sharedFor = time.Second

// readWithin bounds what a page waits for something that it can do without.
const readWithin = 2 * time.Second

// shared is a value that many pages show and that is read once for all of them.
type shared[T any] struct {
	read func(ctx context.Context) (T, error)

	mu    sync.Mutex
	at    time.Time
	value T
	err   error
}

func (s *shared[T]) get(ctx context.Context) (T, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if time.Since(s.at) >= sharedFor {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), readWithin) // another page may want it
		defer cancel()
		s.value, s.err = s.read(ctx)
		s.at = time.Now()
	}
	return s.value, s.err
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
