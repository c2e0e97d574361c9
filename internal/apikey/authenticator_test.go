package apikey_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/musterhq/muster/internal/apikey"
)

var errAway = errors.New("the database is away")

// fakeStore is a database of keys.
type fakeStore struct {
	mu       sync.Mutex
	keys     map[apikey.Hash]apikey.Key
	sessions map[apikey.Hash]string // the key's id
	asked    int
	touched  map[string]int
	away     bool
	slow     time.Duration // of each look-up
}

func newStore() *fakeStore {
	return &fakeStore{keys: map[apikey.Hash]apikey.Key{}, sessions: map[apikey.Hash]string{}, touched: map[string]int{}}
}

func (f *fakeStore) add(k apikey.Key) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	text, hash, _ := apikey.New()
	f.keys[hash] = k
	return text
}

func (f *fakeStore) change(text string, fn func(*apikey.Key)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	h, _ := apikey.Parse(text)
	k := f.keys[h]
	fn(&k)
	f.keys[h] = k
}

func (f *fakeStore) KeyByHash(ctx context.Context, h apikey.Hash) (apikey.Key, time.Time, error) {
	if f.slow > 0 {
		select {
		case <-time.After(f.slow):
		case <-ctx.Done():
			return apikey.Key{}, time.Time{}, ctx.Err()
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked++
	if f.away {
		return apikey.Key{}, time.Time{}, errAway
	}
	k, ok := f.keys[h]
	if !ok {
		return k, time.Now(), apikey.ErrNotFound
	}
	return k, time.Now(), nil
}

func (f *fakeStore) TouchKey(_ context.Context, id string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.touched[id]++
	return nil
}

func (f *fakeStore) CreateSession(_ context.Context, token apikey.Hash, keyID string, _ time.Duration) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.sessions[token] = keyID
	return nil
}

func (f *fakeStore) SessionKey(_ context.Context, token apikey.Hash) (apikey.Key, time.Time, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if id, ok := f.sessions[token]; ok {
		for _, k := range f.keys {
			if k.ID == id {
				return k, time.Now(), nil
			}
		}
	}
	return apikey.Key{}, time.Now(), apikey.ErrNotFound
}

func (f *fakeStore) DeleteSession(_ context.Context, token apikey.Hash) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.sessions, token)
	return nil
}

// at runs a test in time of its own.
func at(t *testing.T, fn func(t *testing.T, f *fakeStore, a *apikey.Authenticator)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newStore()
		a := apikey.NewAuthenticator(f, slog.New(slog.DiscardHandler))
		fn(t, f, a)
		a.Close()
	})
}

func TestAKeyIsItsOwners(t *testing.T) {
	at(t, func(t *testing.T, f *fakeStore, a *apikey.Authenticator) {
		text := f.add(apikey.Key{ID: "1", Owner: "ada"})
		for range 100 {
			if k, err := a.Key(t.Context(), text, "192.0.2.1:5"); err != nil || k.Owner != "ada" {
				t.Fatalf("%+v, %v", k, err)
			}
		}
		if f.asked != 1 {
			t.Errorf("the database was asked %d times by 100 calls", f.asked)
		}
	})
}

// What a second process learns of a revocation, it learns within 5 s; and of an expiry at once.
func TestRevocationAndExpiryAreSeenInTime(t *testing.T) {
	at(t, func(t *testing.T, f *fakeStore, a *apikey.Authenticator) {
		other := apikey.NewAuthenticator(f, slog.New(slog.DiscardHandler))
		defer other.Close()
		gone, short := f.add(apikey.Key{ID: "1"}), f.add(apikey.Key{ID: "2", Expires: time.Now().Add(1500 * time.Millisecond)})
		for _, text := range []string{gone, short} {
			for _, p := range []*apikey.Authenticator{a, other} {
				if _, err := p.Key(t.Context(), text, "192.0.2.1"); err != nil {
					t.Fatal(err)
				}
			}
		}
		f.change(gone, func(k *apikey.Key) { k.Revoked = time.Now() })
		time.Sleep(1500 * time.Millisecond) // of the bubble's clock
		if _, err := other.Key(t.Context(), short, "192.0.2.1"); !errors.Is(err, apikey.ErrRefused) {
			t.Errorf("a key that has expired: %v", err)
		}
		time.Sleep(3500 * time.Millisecond)
		if _, err := other.Key(t.Context(), gone, "192.0.2.1"); !errors.Is(err, apikey.ErrRefused) || other.Counts(t.Context(), gone) {
			t.Errorf("5 s after it was revoked: %v", err)
		}
	})
}

// A slow database makes nothing older: an answer counts from before it was asked for.
func TestASlowLookUpIsNotYoung(t *testing.T) {
	at(t, func(t *testing.T, f *fakeStore, a *apikey.Authenticator) {
		text := f.add(apikey.Key{ID: "1"})
		f.slow = 3 * time.Second
		for range 2 {
			if _, err := a.Key(t.Context(), text, ""); err != nil {
				t.Fatal(err)
			}
			time.Sleep(1500 * time.Millisecond)
		}
		if f.asked != 2 {
			t.Errorf("asked %d times in 4.5 s, want 2", f.asked)
		}
	})
}

func TestADatabaseThatIsAwayLetsNobodyIn(t *testing.T) {
	at(t, func(t *testing.T, f *fakeStore, a *apikey.Authenticator) {
		text := f.add(apikey.Key{ID: "1"})
		f.away = true
		if _, err := a.Key(t.Context(), text, ""); !errors.Is(err, errAway) {
			t.Errorf("%v, want that the database is away", err)
		}
		f.away = false
		if _, err := a.Key(t.Context(), text, ""); err != nil {
			t.Errorf("when it is back: %v", err)
		}
		f.slow = time.Hour
		time.Sleep(5 * time.Second)
		if _, err := a.Key(t.Context(), text, ""); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v, want a deadline", err)
		}
		if !a.Counts(t.Context(), text) {
			t.Error("a request that has begun ends because the database is away")
		}
	})
}

// A flood of guesses does not stand before a key that is in use.
func TestGuessesWaitForThemselves(t *testing.T) {
	at(t, func(t *testing.T, f *fakeStore, a *apikey.Authenticator) {
		text := f.add(apikey.Key{ID: "1"})
		if _, err := a.Key(t.Context(), text, ""); err != nil {
			t.Fatal(err)
		}
		time.Sleep(3 * time.Second) // it has to be asked for again
		f.slow = 500 * time.Millisecond
		var guesses sync.WaitGroup
		for range 100 {
			guesses.Go(func() {
				guess, _, _ := apikey.New()
				if _, err := a.Key(t.Context(), guess, "192.0.2.1"); err == nil {
					t.Error("a guess counts")
				}
			})
		}
		synctest.Wait()
		began := time.Now()
		if _, err := a.Key(t.Context(), text, "192.0.2.1"); err != nil || time.Since(began) > f.slow {
			t.Errorf("after %s: %v", time.Since(began), err)
		}
		guesses.Wait()
	})
}

// Many who ask for the same key at the same moment ask once, and one who goes away does not fail the others.
func TestLookUpsAreShared(t *testing.T) {
	at(t, func(t *testing.T, f *fakeStore, a *apikey.Authenticator) {
		text := f.add(apikey.Key{ID: "1"})
		f.slow = time.Second
		hasty, leave := context.WithCancel(t.Context())
		var calls sync.WaitGroup
		calls.Go(func() {
			if _, err := a.Key(hasty, text, ""); !errors.Is(err, context.Canceled) {
				t.Errorf("who went away: %v", err)
			}
		})
		synctest.Wait()
		for range 50 {
			calls.Go(func() {
				if _, err := a.Key(t.Context(), text, ""); err != nil {
					t.Errorf("who waits: %v", err)
				}
			})
		}
		synctest.Wait()
		leave()
		calls.Wait()
		if f.asked != 1 {
			t.Errorf("the database was asked %d times", f.asked)
		}
	})
}

func TestFailedAttemptsAreLimited(t *testing.T) {
	at(t, func(t *testing.T, f *fakeStore, a *apikey.Authenticator) {
		good, revoked := f.add(apikey.Key{ID: "1"}), f.add(apikey.Key{ID: "2", Revoked: time.Now()})
		limited := func(text, addr string) *apikey.TooManyError {
			_, err := a.Key(t.Context(), text, addr)
			e, ok := errors.AsType[*apikey.TooManyError](err)
			if !ok && !errors.Is(err, apikey.ErrRefused) {
				t.Fatalf("%v, want a refusal", err)
			}
			return e
		}
		until := func(what string, most int, text func() string, addr func(i int) string) {
			for i := range most + 1 {
				if e := limited(text(), addr(i)); (e != nil) != (i == most) {
					t.Fatalf("%s: attempt %d: %v", what, i+1, e)
				} else if e != nil && (e.RetryAfter <= 0 || e.RetryAfter > 6*time.Second) {
					t.Errorf("%s: wait %s", what, e.RetryAfter)
				}
			}
		}
		until("one key from everywhere", 10, func() string { return revoked }, func(i int) string { return fmt.Sprintf("192.0.2.%d:1", i) })
		until("guesses of one address", 50, func() string { text, _, _ := apikey.New(); return text }, func(i int) string { return fmt.Sprintf("198.51.100.1:%d", i) })
		until("one network of IPv6", 50, func() string { return "hunter2" }, func(i int) string { return fmt.Sprintf("[2001:db8::%x]:1", i) })
		if limited("hunter2", "[2001:db8:0:1::1]:1") != nil {
			t.Error("the network beside it is limited, too")
		}
		if _, err := a.Key(t.Context(), good, "198.51.100.1:1"); err != nil {
			t.Errorf("a good key behind an address that guesses: %v", err)
		}
		time.Sleep(time.Minute)
		if limited(revoked, "192.0.2.1:1") != nil || limited("hunter2", "198.51.100.1:1") != nil {
			t.Error("still limited after a minute")
		}
	})
}

// However many keys are guessed from however many addresses, what is kept of them is bounded, and what counts is not
// driven out.
func TestGuessesAreForgotten(t *testing.T) {
	at(t, func(t *testing.T, f *fakeStore, a *apikey.Authenticator) {
		good := f.add(apikey.Key{ID: "1"})
		if _, err := a.Key(t.Context(), good, ""); err != nil {
			t.Fatal(err)
		}
		for i := range 30_000 {
			text, _, _ := apikey.New()
			_, _ = a.Key(t.Context(), text, fmt.Sprintf("10.%d.%d.%d:1", i>>16, i>>8&255, i&255))
		}
		if n := apikey.Kept(a); n > 2*(4096*3)+10 {
			t.Errorf("%d things are kept of 30,000 guesses", n)
		}
		asked := f.asked
		if _, err := a.Key(t.Context(), good, ""); err != nil || f.asked != asked {
			t.Errorf("the good key: %v, asked again: %t", err, f.asked != asked)
		}
	})
}

func TestUseIsNotedOnceAMinute(t *testing.T) {
	at(t, func(t *testing.T, f *fakeStore, a *apikey.Authenticator) {
		text := f.add(apikey.Key{ID: "1"})
		for range 180 {
			if _, err := a.Key(t.Context(), text, ""); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Second)
		}
		a.Close()
		if f.touched["1"] != 3 {
			t.Errorf("noted %d times in 3 minutes", f.touched["1"])
		}
	})
}

func TestSessions(t *testing.T) {
	at(t, func(t *testing.T, f *fakeStore, a *apikey.Authenticator) {
		text := f.add(apikey.Key{ID: "1", Owner: "ada"})
		first, _, err := a.SignIn(t.Context(), text, "", "")
		if err != nil {
			t.Fatal(err)
		}
		second, k, err := a.SignIn(t.Context(), text, "", first)
		if err != nil || second == first || k.Owner != "ada" {
			t.Fatalf("%q after %q, %+v, %v", second, first, k, err)
		}
		for _, token := range []string{first, "", text, second[:42] + "!"} {
			if _, err := a.Session(t.Context(), token); !errors.Is(err, apikey.ErrRefused) {
				t.Errorf("token %q: %v", token, err)
			}
		}
		if k, err := a.Session(t.Context(), second); err != nil || k.Owner != "ada" {
			t.Errorf("%+v, %v", k, err)
		}
		third, _, err := a.SignIn(t.Context(), text, "", "")
		if err != nil {
			t.Fatal(err)
		}
		if err := a.SignOut(t.Context(), second); err != nil {
			t.Fatal(err)
		}
		if _, err := a.Session(t.Context(), second); !errors.Is(err, apikey.ErrRefused) {
			t.Errorf("signed out: %v", err)
		}
		f.change(text, func(k *apikey.Key) { k.Revoked = time.Now() })
		time.Sleep(5 * time.Second)
		if _, err := a.Session(t.Context(), third); !errors.Is(err, apikey.ErrRefused) {
			t.Errorf("5 s after its key was revoked: %v", err)
		}
		if _, _, err := a.SignIn(t.Context(), text, "", ""); !errors.Is(err, apikey.ErrRefused) {
			t.Errorf("signing in with a revoked key: %v", err)
		}
	})
}
