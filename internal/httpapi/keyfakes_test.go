package httpapi_test

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/musterhq/muster/internal/apikey"
	"github.com/musterhq/muster/internal/httpapi"
)

// fakeKeys is a database of keys.
type fakeKeys struct {
	mu    sync.Mutex
	keys  map[apikey.Hash]apikey.Key
	err   error // of everything
	asked int   // look-ups by hash
}

// add stores a key and returns its text.
func (f *fakeKeys) add(k apikey.Key) string {
	text, hash, prefix := apikey.New()
	k.Prefix = prefix
	if _, err := f.CreateKey(context.Background(), &k, hash, 0); err != nil {
		panic(err)
	}
	return text
}

func (f *fakeKeys) CreateKey(_ context.Context, k *apikey.Key, hash apikey.Hash, lasts time.Duration) (apikey.Key, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err != nil {
		return apikey.Key{}, f.err
	}
	stored := *k
	stored.ID, stored.Created = uuid.Must(uuid.NewV7()).String(), time.Now().UTC().Truncate(time.Millisecond)
	if lasts > 0 {
		stored.Expires = stored.Created.Add(lasts)
	}
	f.keys[hash] = stored
	return stored, nil
}

func (f *fakeKeys) Key(_ context.Context, id string) (apikey.Key, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, k := range f.keys {
		if k.ID == id && f.err == nil {
			return k, nil
		}
	}
	return apikey.Key{}, cmp.Or(f.err, apikey.ErrNotFound)
}

func (f *fakeKeys) Keys(_ context.Context, owner, before string, limit int) (list []apikey.Key, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, k := range f.keys {
		if (owner == "" || k.Owner == owner) && (before == "" || k.ID < before) {
			list = append(list, k)
		}
	}
	slices.SortFunc(list, func(a, b apikey.Key) int { return cmp.Compare(b.ID, a.ID) })
	return list[:min(len(list), limit)], f.err
}

func (f *fakeKeys) RevokeKey(ctx context.Context, id string) (apikey.Key, error) {
	k, err := f.Key(ctx, id)
	if err != nil {
		return k, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for h, k := range f.keys {
		if k.ID == id {
			k.Revoked = time.Now().UTC().Truncate(time.Millisecond)
			f.keys[h] = k
			return k, nil
		}
	}
	return k, apikey.ErrNotFound
}

func (f *fakeKeys) KeyByHash(_ context.Context, h apikey.Hash) (apikey.Key, time.Time, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked++
	k, ok := f.keys[h]
	switch {
	case f.err != nil:
		return k, time.Time{}, f.err
	case !ok:
		return k, time.Now(), apikey.ErrNotFound
	}
	return k, time.Now(), nil
}

func (f *fakeKeys) TouchKey(context.Context, string) error { return nil }

func (f *fakeKeys) CreateSession(context.Context, apikey.Hash, string, time.Duration) error {
	return fmt.Errorf("there are no sessions here")
}

func (f *fakeKeys) SessionKey(context.Context, apikey.Hash) (apikey.Key, time.Time, error) {
	return apikey.Key{}, time.Time{}, apikey.ErrNotFound
}
func (f *fakeKeys) DeleteSession(context.Context, apikey.Hash) error { return nil }

// keyMode returns keys, and what makes a server ask for them.
func keyMode(t *testing.T) (*fakeKeys, func(*httpapi.Config)) {
	t.Helper()
	f := &fakeKeys{keys: map[apikey.Hash]apikey.Key{}}
	a := apikey.NewAuthenticator(f, slog.New(slog.DiscardHandler))
	t.Cleanup(a.Close)
	return f, func(c *httpapi.Config) { c.Auth, c.Keys = a, f }
}

// bearer are the headers of a caller who presents a key.
func bearer(key string, more ...string) as {
	return append(as{"Authorization", "Bearer " + key}, more...)
}
