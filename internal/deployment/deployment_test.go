package deployment

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"

	"github.com/musterhq/muster/internal/job"
	"github.com/musterhq/muster/internal/testenv"
)

// each runs fn with a prefix of its own in the in-process Redis and in a real one.
func each(t *testing.T, fn func(t *testing.T, p *Prefix)) {
	for name, addr := range map[string]func(t *testing.T) string{
		"miniredis": func(t *testing.T) string { return miniredis.RunT(t).Addr() },
		"redis":     func(t *testing.T) string { return testenv.Redis(t) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rdb := redis.NewClient(&redis.Options{Addr: addr(t), DisableIdentity: true})
			t.Cleanup(func() { _ = rdb.Close() })
			fn(t, NewPrefix(rdb, uuid.NewString()))
		})
	}
}

func renew(t *testing.T, p *Prefix, id string) {
	t.Helper()
	if err := p.Renew(t.Context(), id, "mysql://db/"+id); err != nil {
		t.Fatalf("%s: %v", id, err)
	}
}

func TestOneDeploymentHoldsAPrefix(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, p *Prefix) {
		renew(t, p, "ours")
		renew(t, p, "ours") // another process of the same deployment
		err := p.Renew(t.Context(), "theirs", "mysql://db/theirs")
		unready, ok := errors.AsType[*job.UnreadyError](err)
		if !ok || strings.Contains(unready.Reason, "mysql://") {
			t.Fatalf("another deployment: %v", err)
		}
		for _, text := range []string{"mysql://db/ours", "MUSTER_REDIS_PREFIX", p.name, "1m0s"} {
			if !strings.Contains(err.Error(), text) {
				t.Errorf("the refusal does not say %q: %v", text, err)
			}
		}
		renew(t, p, "ours")
		renew(t, NewPrefix(p.rdb, uuid.NewString()), "theirs")
		if ttl := p.rdb.PTTL(t.Context(), p.name+":deployment").Val(); ttl <= 0 || ttl > HeldFor {
			t.Errorf("the prefix is held for %v more", ttl)
		}
	})
}

// A new database takes over from one that is gone.
func TestPrefixRunsOut(t *testing.T) {
	t.Parallel()
	rdb := redis.NewClient(&redis.Options{Addr: testenv.Redis(t)})
	t.Cleanup(func() { _ = rdb.Close() })
	p := NewPrefix(rdb, uuid.NewString())
	p.lease = 100 * time.Millisecond
	renew(t, p, "gone")
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		err := p.Renew(t.Context(), "new", "")
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
}

func TestRedisAway(t *testing.T) {
	t.Parallel()
	rdb := redis.NewClient(&redis.Options{Addr: "127.0.0.1:1", MaxRetries: -1, DialerRetries: 1})
	t.Cleanup(func() { _ = rdb.Close() })
	if err := NewPrefix(rdb, "x").Renew(t.Context(), "ours", ""); !errors.Is(err, job.ErrQueueUnavailable) {
		t.Errorf("%v, want ErrQueueUnavailable", err)
	}
}

// Who looks at whose the prefix is takes nothing.
func TestHolder(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, p *Prefix) {
		holds := func(wantID, wantAddress string) {
			t.Helper()
			if id, address, err := p.Holder(t.Context()); err != nil || id != wantID || address != wantAddress {
				t.Errorf("it is held by %q at %q, %v, want %q", id, address, err, wantID)
			}
		}
		holds("", "")
		holds("", "")
		renew(t, p, "ours")
		holds("ours", "mysql://db/ours")
	})
}
