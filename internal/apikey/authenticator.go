package apikey

import (
	"context"
	"crypto/sha256"
	"errors"
	"log/slog"
	"sync"
	"time"
)

// Store keeps keys and sessions. Errors: ErrNotFound, those of the database.
type Store interface {
	// KeyByHash returns the key, whether or not it counts, and the time by the database's clock.
	KeyByHash(ctx context.Context, h Hash) (k Key, now time.Time, err error)
	// TouchKey notes that the key was used, unless that was noted within the last minute.
	TouchKey(ctx context.Context, id string) error

	// CreateSession stores a session of the key, and removes those that are over.
	CreateSession(ctx context.Context, token Hash, keyID string, lasts time.Duration) error
	// SessionKey returns the key that a session which is not over was signed in with, whether or not it counts.
	SessionKey(ctx context.Context, token Hash) (k Key, now time.Time, err error)
	DeleteSession(ctx context.Context, token Hash) error
}

// SessionLasts is how long somebody who signed in with a key stays signed in, at most.
const SessionLasts = 12 * time.Hour

// Authenticator tells who presents a key. It is safe for concurrent use. Make one with NewAuthenticator, and Close it.
type Authenticator struct {
	store          Store
	log            *slog.Logger
	keys, sessions *lookups
	attempts       *attempts

	mu      sync.Mutex
	touched recent[string, time.Time]
	touches sync.WaitGroup
	closed  bool
	touch   chan struct{} // one token per write of a time of use
}

// NewAuthenticator makes an Authenticator; it starts nothing.
func NewAuthenticator(s Store, log *slog.Logger) *Authenticator {
	turns := newTurns()
	a := &Authenticator{
		store: s, log: log, attempts: newAttempts(), touch: make(chan struct{}, 1),
		keys: newLookups(s.KeyByHash, turns), sessions: newLookups(s.SessionKey, turns),
	}
	a.touched.max = maxGood
	return a
}

// Close waits for what is still written.
func (a *Authenticator) Close() {
	a.mu.Lock()
	a.closed = true
	a.mu.Unlock()
	a.touches.Wait()
}

// Key returns the key that somebody at addr, an address with or without a port, presents. Errors: ErrRefused and *TooManyError when it does not
// count, whatever the reason; those of the database when that is not known.
func (a *Authenticator) Key(ctx context.Context, text, addr string) (*Key, error) {
	h, ok := Parse(text)
	if !ok { // nobody asks the database
		return nil, a.attempts.refused(time.Now(), nil, addr)
	}
	// Before its attempts are looked at: others behind the same address may guess.
	k, err := a.keys.get(ctx, h)
	if errors.Is(err, ErrRefused) {
		return nil, a.attempts.refused(time.Now(), &h, addr)
	}
	if err == nil {
		a.used(ctx, k.ID)
	}
	return k, err
}

// Counts reports whether a key that counted still does; not knowing counts as yes, once a request has begun.
func (a *Authenticator) Counts(ctx context.Context, text string) bool {
	h, ok := Parse(text)
	if !ok {
		return false
	}
	_, err := a.keys.get(ctx, h)
	return !errors.Is(err, ErrRefused)
}

// SignIn begins a session of a key, and ends the one whose token is given, if any. Errors are those of Key.
func (a *Authenticator) SignIn(ctx context.Context, text, addr, before string) (token string, k *Key, err error) {
	if k, err = a.Key(ctx, text, addr); err != nil {
		return "", nil, err
	}
	token = randomText(43) // 256 bits
	if err = a.store.CreateSession(ctx, sha256.Sum256([]byte(token)), k.ID, SessionLasts); err != nil {
		return "", nil, err
	}
	if before != "" {
		err = a.SignOut(ctx, before)
	}
	return token, k, err
}

// Session returns the key that the session of a token was signed in with. Errors: ErrRefused when the session is over or
// the key does not count, those of the database.
func (a *Authenticator) Session(ctx context.Context, token string) (*Key, error) {
	if len(token) != 43 {
		return nil, ErrRefused
	}
	k, err := a.sessions.get(ctx, sha256.Sum256([]byte(token)))
	if err == nil {
		a.used(ctx, k.ID)
	}
	return k, err
}

// SignOut ends the session of a token; one that there is not is over already.
func (a *Authenticator) SignOut(ctx context.Context, token string) error {
	h := Hash(sha256.Sum256([]byte(token)))
	defer a.sessions.forget(h)
	err := a.store.DeleteSession(ctx, h)
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	return err
}

// used notes that the key is in use, beside the request and at most once a minute. When the database is slow, a time is
// left out rather than waited for.
func (a *Authenticator) used(ctx context.Context, id string) {
	now := time.Now()
	a.mu.Lock()
	defer a.mu.Unlock()
	if last, ok := a.touched.get(id); ok && now.Sub(last) < time.Minute || a.closed {
		return
	}
	select {
	case a.touch <- struct{}{}:
	default:
		return // the next request tries again
	}
	a.touched.set(id, now)
	a.touches.Go(func() {
		defer func() { <-a.touch }()
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 30*time.Second)
		defer cancel()
		if err := a.store.TouchKey(ctx, id); err != nil {
			a.log.WarnContext(ctx, "use of an API key not noted", "key", id, "err", err)
		}
	})
}

type contextKey struct{}

type caller struct {
	key    *Key
	counts func(context.Context) bool
}

// With returns a context of a caller who has proved to hold the key. counts reports whether that still counts.
func With(ctx context.Context, k *Key, counts func(context.Context) bool) context.Context {
	return context.WithValue(ctx, contextKey{}, caller{k, counts})
}

// From returns what With was given; nil: nothing.
func From(ctx context.Context) (k *Key, counts func(context.Context) bool) {
	c, _ := ctx.Value(contextKey{}).(caller)
	return c.key, c.counts
}
