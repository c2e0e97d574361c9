package dashboard

import (
	"context"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"github.com/musterhq/muster/internal/job"
)

const (
	// sharedFor is how long what was read is given to all pages that are open, however many.
	sharedFor = time.Second
	// readWithin is how long a page waits for something that it can do without.
	readWithin = 2 * time.Second

	// lookSharedFor and lookWithin are the same of a whole page that is followed.
	lookSharedFor = lookEvery / 2
	lookWithin    = 10 * time.Second
)

// shared is a value that many pages show and that is read once for all of them.
type shared[T any] struct {
	read   func(ctx context.Context) (T, error)
	fresh  time.Duration   // how long a value is given out
	within time.Duration   // how long a page waits for one
	late   error           // what it gets then
	failed func(err error) // is told of each error of read, once however many pages it is for; nil: nobody

	mu      sync.Mutex
	reading chan struct{} // closed when the read that runs is over; nil: none runs
	began   time.Time     // when that read began
	at      time.Time     // when value and err were read
	value   T
	err     error
}

// ofQueue returns a shared value that comes from the queue. Errors of get: job.ErrQueueUnavailable.
func ofQueue[T any](read func(ctx context.Context) (T, error)) *shared[T] {
	return &shared[T]{read: read, fresh: sharedFor, within: readWithin, late: job.ErrQueueUnavailable}
}

// get returns what was read last, if it is fresh, or reads it. Errors: those of read, and late when it takes longer than a page
// waits. It goes on then, and nobody reads beside it.
func (s *shared[T]) get(ctx context.Context) (T, error) {
	s.mu.Lock()
	if s.reading == nil && time.Since(s.at) >= s.fresh {
		s.reading, s.began = make(chan struct{}), time.Now()
		go s.refresh(context.WithoutCancel(ctx), s.reading) // another page may want it
	}
	reading, patience := s.reading, s.within-time.Since(s.began)
	s.mu.Unlock()
	if reading != nil {
		select {
		case <-reading:
		case <-ctx.Done():
			return *new(T), ctx.Err()
		case <-time.After(patience):
			return *new(T), fmt.Errorf("no answer within %s: %w", s.within, s.late)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.value, s.err
}

func (s *shared[T]) refresh(ctx context.Context, done chan struct{}) {
	ctx, cancel := context.WithTimeout(ctx, s.within)
	defer cancel()
	value, err := s.readSafely(ctx)
	if err != nil && s.failed != nil {
		s.failed(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.value, s.err, s.at, s.reading = value, err, time.Now(), nil
	close(done)
}

// readSafely makes an error of a panic, which nobody above would catch.
func (s *shared[T]) readSafely(ctx context.Context) (value T, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	return s.read(ctx)
}

// sharedBy is ofQueue for each key, of which those that nobody has asked for a while are forgotten.
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
		of = ofQueue(func(ctx context.Context) (T, error) { return s.read(ctx, key) })
		s.byKey[key] = of
	}
	s.mu.Unlock()
	return of.get(ctx)
}

// followed is the pages that are followed now, each of which is read and made once for all its streams.
type followed struct {
	mu    sync.Mutex
	byKey map[string]*followedPage
}

type followedPage struct {
	shared[*page]

	streams int
}

// join returns the page of that key, which read reads, and whose errors failed is told. Call leave when the stream is over.
func (f *followed) join(key string, read func(ctx context.Context) (*page, error), failed func(error)) (of *followedPage, leave func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.byKey == nil {
		f.byKey = map[string]*followedPage{}
	}
	if of = f.byKey[key]; of == nil {
		of = &followedPage{shared: shared[*page]{read: read, fresh: lookSharedFor, within: lookWithin, late: job.ErrStoreUnavailable, failed: failed}}
		f.byKey[key] = of
	}
	of.streams++
	return of, func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		if of.streams--; of.streams == 0 {
			delete(f.byKey, key)
		}
	}
}
