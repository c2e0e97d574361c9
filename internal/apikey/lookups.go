package apikey

import (
	"context"
	"errors"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"
)

const (
	// cached is for how long an answer of the database counts, from before it was asked: what is revoked is refused
	// everywhere within 5 s.
	cached = 3 * time.Second
	// askWithin bounds a look-up, and with it how long callers wait for a database that does not answer.
	askWithin = 4 * time.Second
	// maxGood and maxBad bound the answers that are kept, apart: guesses do not drive out what counts.
	maxGood, maxBad = 4096, 4096
	// asking is how many look-ups run at once of what counted when it was seen last, and how many of all else: guesses
	// leave connections for others, and do not stand before keys that are in use.
	asking = 4
)

// find reads a key by the hash of what was presented, and the time by the database's clock. Errors: ErrNotFound.
type find func(ctx context.Context, h Hash) (k Key, now time.Time, err error)

// lookups finds out whether hashes count, and asks for each at most once in cached.
type lookups struct {
	find  find
	turns *turns
	same  singleflight.Group

	mu   sync.Mutex
	good recent[Hash, goodUntil]
	bad  recent[Hash, time.Time] // until when it is known not to count
}

type goodUntil struct {
	key   *Key
	until time.Time
}

// turns have one token per look-up that runs.
type turns struct{ known, strange chan struct{} }

func newTurns() *turns { return &turns{make(chan struct{}, asking), make(chan struct{}, asking)} }

func newLookups(f find, t *turns) *lookups {
	l := &lookups{find: f, turns: t}
	l.good.max, l.bad.max = maxGood, maxBad
	return l
}

// get returns the key behind a hash. Errors: ErrRefused, and those of the database.
func (l *lookups) get(ctx context.Context, h Hash) (*Key, error) {
	if k, known := l.known(h); k != nil {
		return k, nil
	} else if known {
		return nil, ErrRefused
	}
	// Apart from ctx: one caller that goes away must not fail the others that wait for the same.
	answer := l.same.DoChan(string(h[:]), func() (any, error) { return l.ask(context.WithoutCancel(ctx), h) })
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case a := <-answer:
		if a.Err != nil {
			return nil, a.Err
		}
		return a.Val.(*Key), nil
	}
}

// known returns what is remembered of a hash: its key, nil when it does not count.
func (l *lookups) known(h Hash) (k *Key, known bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	if g, ok := l.good.get(h); ok && now.Before(g.until) {
		return g.key, true
	}
	if until, ok := l.bad.get(h); ok && now.Before(until) {
		return nil, true
	}
	return nil, false
}

func (l *lookups) turn(h Hash) chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, seen := l.good.get(h); seen {
		return l.turns.known
	}
	return l.turns.strange
}

// ask asks the database, and keeps what it says; not that it says nothing.
func (l *lookups) ask(ctx context.Context, h Hash) (*Key, error) {
	ctx, cancel := context.WithTimeout(ctx, askWithin)
	defer cancel()
	turn := l.turn(h)
	select {
	case turn <- struct{}{}:
		defer func() { <-turn }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	until := time.Now().Add(cached)
	k, now, err := l.find(ctx, h)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if err != nil || k.Status(now) != "live" {
		l.good.drop(h)
		l.bad.set(h, until)
		return nil, ErrRefused
	}
	if left := k.Expires.Sub(now); !k.Expires.IsZero() && left < cached {
		until = until.Add(left - cached)
	}
	l.good.set(h, goodUntil{&k, until})
	return &k, nil
}

// forget lets the next get ask.
func (l *lookups) forget(h Hash) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.good.drop(h)
	l.bad.drop(h)
}
