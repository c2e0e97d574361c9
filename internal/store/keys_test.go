package store_test

import (
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/musterhq/muster/internal/apikey"
	"github.com/musterhq/muster/internal/store"
	"github.com/musterhq/muster/internal/store/storetest"
)

func createKey(t *testing.T, s *store.Store, owner, name string, lasts time.Duration) (apikey.Key, apikey.Hash, error) {
	t.Helper()
	_, hash, prefix := apikey.New()
	k, err := s.CreateKey(t.Context(), &apikey.Key{Owner: owner, Name: name, Prefix: prefix, Scopes: []apikey.Scope{apikey.Read, apikey.Admin}}, hash, lasts)
	return k, hash, err
}

func TestKeys(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url string) {
		s := storetest.Open(t, url, store.Options{})
		k, hash, err := createKey(t, s, "ada", "ci", time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		got, now, err := s.KeyByHash(t.Context(), hash)
		if diff := cmp.Diff(k, got); err != nil || diff != "" {
			t.Fatalf("by its hash: %v %s", err, diff)
		}
		if k.Expires.Sub(k.Created) != time.Hour || now.Before(k.Created) || k.Status(now) != "live" || k.Owner != "ada" || k.Name != "ci" || len(k.Scopes) != 2 || !k.Used.IsZero() {
			t.Errorf("%+v at %s", k, now)
		}
		if _, _, err := s.KeyByHash(t.Context(), apikey.Hash{}); !errors.Is(err, apikey.ErrNotFound) {
			t.Errorf("a hash that there is not: %v", err)
		}
		for range 2 {
			if err := s.TouchKey(t.Context(), k.ID); err != nil {
				t.Fatal(err)
			}
			used, err := s.Key(t.Context(), k.ID)
			if err != nil || used.Used.Before(k.Created) {
				t.Fatalf("used at %s, %v", used.Used, err)
			}
			if got.Used.IsZero() {
				got = used
			}
			if !used.Used.Equal(got.Used) {
				t.Error("the use is noted twice within a minute")
			}
		}
		gone, err := s.RevokeKey(t.Context(), k.ID)
		if err != nil || gone.Status(now) != "revoked" {
			t.Fatalf("revoked: %+v, %v", gone, err)
		}
		again, err := s.RevokeKey(t.Context(), k.ID)
		if diff := cmp.Diff(gone, again); err != nil || diff != "" {
			t.Errorf("revoked again: %v %s", err, diff)
		}
		if _, err := s.RevokeKey(t.Context(), "01950e6a-7d3c-7b1e-9c3f-2f6d1a8b4c5d"); !errors.Is(err, apikey.ErrNotFound) {
			t.Errorf("revoking what there is not: %v", err)
		}
	})
}

func TestKeysAreListed(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url string) {
		s := storetest.Open(t, url, store.Options{})
		var want []string
		for _, owner := range []string{"ada", "bob", "ada"} {
			k, _, err := createKey(t, s, owner, "ci", 0)
			if err != nil || !k.Expires.IsZero() {
				t.Fatal(k, err)
			}
			want = append([]string{k.ID}, want...)
		}
		ids := func(owner, before string, limit int) (ids []string) {
			keys, err := s.Keys(t.Context(), owner, before, limit)
			if err != nil {
				t.Fatal(err)
			}
			for _, k := range keys {
				ids = append(ids, k.ID)
			}
			return ids
		}
		for _, tt := range []struct{ got, want []string }{
			{ids("", "", 10), want}, {ids("", "", 2), want[:2]}, {ids("", want[1], 10), want[2:]}, {ids("ada", "", 10), []string{want[0], want[2]}}, {ids("eve", "", 10), nil},
		} {
			if diff := cmp.Diff(tt.want, tt.got); diff != "" {
				t.Error(diff)
			}
		}
		if _, err := s.RevokeKey(t.Context(), want[0]); err != nil {
			t.Fatal(err)
		}
		if n, err := s.LiveKeys(t.Context()); err != nil || n != 2 {
			t.Errorf("%d live keys, %v", n, err)
		}
	})
}

// Of one owner and name two keys count, whoever makes them at once; a revoked or expired one makes room.
func TestTwoKeysOfOneNameCount(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url string) {
		s := storetest.Open(t, url, store.Options{})
		var made atomic.Int32
		var last atomic.Pointer[apikey.Key]
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				k, _, err := createKey(t, s, "ada", "ci", 0)
				if err == nil {
					made.Add(1)
					last.Store(&k)
				} else if !errors.Is(err, apikey.ErrTooMany) {
					t.Error(err)
				}
			})
		}
		all.Wait()
		if made.Load() != 2 {
			t.Fatalf("%d keys were made, want 2", made.Load())
		}
		for _, other := range [][2]string{{"ada", "laptop"}, {"bob", "ci"}} {
			if _, _, err := createKey(t, s, other[0], other[1], 0); err != nil {
				t.Errorf("%v: %v", other, err)
			}
		}
		if _, err := s.RevokeKey(t.Context(), last.Load().ID); err != nil {
			t.Fatal(err)
		}
		short, _, err := createKey(t, s, "ada", "ci", time.Millisecond)
		if err != nil {
			t.Fatalf("after one was revoked: %v", err)
		}
		deadline := time.Now().Add(time.Minute)
		for {
			_, _, err := createKey(t, s, "ada", "ci", 0)
			if err == nil {
				break
			}
			if !errors.Is(err, apikey.ErrTooMany) || time.Now().After(deadline) {
				t.Fatalf("after %+v has expired: %v", short, err)
			}
		}
	})
}

func TestSessionsOfKeys(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url string) {
		s := storetest.Open(t, url, store.Options{})
		k, _, err := createKey(t, s, "ada", "ci", 0)
		if err != nil {
			t.Fatal(err)
		}
		lasting, over := apikey.Hash{1}, apikey.Hash{2}
		for token, lasts := range map[apikey.Hash]time.Duration{lasting: time.Hour, over: -time.Second} {
			if err := s.CreateSession(t.Context(), token, k.ID, lasts); err != nil {
				t.Fatal(err)
			}
		}
		if got, _, err := s.SessionKey(t.Context(), lasting); err != nil || got.ID != k.ID {
			t.Errorf("%+v, %v", got, err)
		}
		if _, _, err := s.SessionKey(t.Context(), over); !errors.Is(err, apikey.ErrNotFound) {
			t.Errorf("a session that is over: %v", err)
		}
		if err := s.CreateSession(t.Context(), over, k.ID, time.Hour); err != nil {
			t.Errorf("what is over is not removed: %v", err)
		}
		if _, err := s.RevokeKey(t.Context(), k.ID); err != nil {
			t.Fatal(err)
		}
		if got, now, err := s.SessionKey(t.Context(), lasting); err != nil || got.Status(now) != "revoked" {
			t.Errorf("of a revoked key: %+v, %v", got, err)
		}
		for range 2 {
			if err := s.DeleteSession(t.Context(), lasting); err != nil {
				t.Fatal(err)
			}
		}
		if _, _, err := s.SessionKey(t.Context(), lasting); !errors.Is(err, apikey.ErrNotFound) {
			t.Errorf("signed out: %v", err)
		}
	})
}
