package ratelimit_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"github.com/musterhq/muster/internal/job"
	"github.com/musterhq/muster/internal/ratelimit"
)

// suite holds for every kind of Redis. Its users and keys are random: the server may be shared.
func suite(t *testing.T, rdb redis.UniversalClient) {
	for name, test := range map[string]func(*testing.T, redis.UniversalClient){
		"default tiers": testDefaultTiers, "reserve again": testReserveAgain, "stampede": testStampede,
		"cooldown": testCooldown, "cooldown without a slot": testCooldownWithoutSlot, "cooldown ends": testCooldownEnds, "unreserve": testUnreserve, "lease expires": testLeaseExpires,
		"renew": testRenew, "keys go": testKeysGo, "prefix": testPrefix, "check": testCheck, "budget": testBudget, "budget stampede": testBudgetStampede,
		"exhaust": testExhaust, "window ends": testWindowEnds, "context": testContext,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, rdb)
		})
	}
}

func testDefaultTiers(t *testing.T, rdb redis.UniversalClient) {
	tiers, err := job.ParseTiers(job.DefaultTiers)
	if err != nil {
		t.Fatal(err)
	}
	s, user, other := ratelimit.NewSlots(rdb, ratelimit.Options{}), id(), id()
	for i, l := range tiers { // one user: the tiers do not count against one another
		if want := []int{10, 5, 3, 1}[i]; l.Concurrent != want {
			t.Fatalf("%s allows %d, want %d", l.Tier, l.Concurrent, want)
		}
		jobs := take(t, s, user, l, l.Concurrent)
		got := limitError(t, s.Reserve(t.Context(), user, id(), l))
		slices.Sort(got.Jobs)
		slices.Sort(jobs)
		want := &job.LimitError{Tier: l.Tier, Limit: l.Concurrent, InUse: l.Concurrent, RetryAfter: time.Second, Jobs: jobs}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", l.Tier, diff)
		}
		take(t, s, other, l, 1) // nor do the users
	}
}

func testReserveAgain(t *testing.T, rdb redis.UniversalClient) {
	s, user, l := ratelimit.NewSlots(rdb, ratelimit.Options{}), id(), job.TierLimit{Tier: "LARGE", Concurrent: 2}
	a := take(t, s, user, l, 1)[0]
	reserve(t, s, user, a, l)
	take(t, s, user, l, 1) // the repetition took no second slot
	reserve(t, s, user, a, l)
	if got := limitError(t, s.Reserve(t.Context(), user, id(), l)); got.InUse != 2 {
		t.Errorf("%d slots in use, want 2", got.InUse)
	}
}

func testStampede(t *testing.T, rdb redis.UniversalClient) {
	s, user, l := ratelimit.NewSlots(rdb, ratelimit.Options{}), id(), job.TierLimit{Tier: "SMALL", Concurrent: 10}
	var taken, refused atomic.Int64
	together(1000, func() {
		switch err := s.Reserve(t.Context(), user, id(), l); {
		case err == nil:
			taken.Add(1)
		case limitError(t, err) != nil:
			refused.Add(1)
		}
	})
	if taken.Load() != 10 || refused.Load() != 990 {
		t.Errorf("%d taken and %d refused, want 10 and 990", taken.Load(), refused.Load())
	}
}

func testCooldown(t *testing.T, rdb redis.UniversalClient) {
	s, user, l := ratelimit.NewSlots(rdb, ratelimit.Options{}), id(), job.TierLimit{Tier: "XL", Concurrent: 1, Cooldown: 30 * time.Second}
	a := take(t, s, user, l, 1)[0]
	release(t, s, user, id(), l) // not a holder: neither frees a slot nor starts the cooldown
	if got := limitError(t, s.Reserve(t.Context(), user, id(), l)); got.Cooldown || got.InUse != 1 {
		t.Errorf("while the job runs: %+v", got)
	}
	release(t, s, user, a, l)
	before := cooldown(t, rdb, user)
	got := limitError(t, s.Reserve(t.Context(), user, id(), l))
	if got.RetryAfter <= 20*time.Second || got.RetryAfter > 30*time.Second {
		t.Errorf("retry after %v, want what is left of 30s", got.RetryAfter)
	}
	got.RetryAfter = 0
	if diff := cmp.Diff(&job.LimitError{Tier: "XL", Limit: 1, Cooldown: true}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	release(t, s, user, a, job.TierLimit{Tier: "XL", Concurrent: 1, Cooldown: time.Hour})
	if after := cooldown(t, rdb, user); after != before || before == "" {
		t.Errorf("releasing twice moves the cooldown's end from %q to %q", before, after)
	}
	take(t, s, id(), l, 1)                                       // another user has no cooldown
	take(t, s, user, job.TierLimit{Tier: "L", Concurrent: 1}, 1) // nor has another tier
}

// A job that was paused before it was cancelled held no slot when it ended.
func testCooldownWithoutSlot(t *testing.T, rdb redis.UniversalClient) {
	s, user, l := ratelimit.NewSlots(rdb, ratelimit.Options{}), id(), job.TierLimit{Tier: "XL", Concurrent: 1, Cooldown: 30 * time.Second}
	ended := time.UnixMilli(time.Now().Add(-10 * time.Second).UnixMilli())
	for range 2 {
		if err := s.Release(t.Context(), user, "paused", ended, l); err != nil {
			t.Fatal(err)
		}
		if got, want := cooldown(t, rdb, user), fmt.Sprint(ended.Add(l.Cooldown).UnixMilli()); got != want {
			t.Errorf("the cooldown ends at %q, want %s", got, want)
		}
	}
	if got := limitError(t, s.Reserve(t.Context(), user, id(), l)); !got.Cooldown {
		t.Errorf("%+v", got)
	}
}

func testCooldownEnds(t *testing.T, rdb redis.UniversalClient) {
	s, user, l := ratelimit.NewSlots(rdb, ratelimit.Options{}), id(), job.TierLimit{Tier: "XL", Concurrent: 1, Cooldown: 30 * time.Millisecond}
	release(t, s, user, take(t, s, user, l, 1)[0], l)
	eventually(t, "the cooldown ends", func() bool { return s.Reserve(t.Context(), user, id(), l) == nil })
}

func testUnreserve(t *testing.T, rdb redis.UniversalClient) {
	s, user, l := ratelimit.NewSlots(rdb, ratelimit.Options{}), id(), job.TierLimit{Tier: "XL", Concurrent: 1, Cooldown: time.Hour}
	a := take(t, s, user, l, 1)[0]
	for range 2 {
		if err := s.Unreserve(t.Context(), user, a, l); err != nil {
			t.Fatal(err)
		}
	}
	take(t, s, user, l, 1)
}

func testLeaseExpires(t *testing.T, rdb redis.UniversalClient) {
	brief := ratelimit.NewSlots(rdb, ratelimit.Options{ReserveLease: 30 * time.Millisecond, RenewLease: 30 * time.Millisecond})
	s, user, l := ratelimit.NewSlots(rdb, ratelimit.Options{}), id(), job.TierLimit{Tier: "XL", Concurrent: 2, Cooldown: time.Hour}
	held := take(t, s, user, l, 1)[0]
	dead := take(t, brief, user, l, 1)[0]
	next := id()
	eventually(t, "the lease ends", func() bool { return s.Reserve(t.Context(), user, next, l) == nil })
	members := func() []string { return sorted(rdb.ZRange(t.Context(), slotsKey(user, l), 0, -1).Val()...) }
	if diff := cmp.Diff(sorted(held, next), members()); diff != "" {
		t.Errorf("members after reserving (-want +got):\n%s", diff)
	}
	renew(t, brief, user, "dropped by the next renewal", l, true)
	eventually(t, "a renewal drops the lease that ended", func() bool {
		renew(t, s, user, held, l, false)
		return cmp.Equal(sorted(held, next), members())
	})
	release(t, s, user, dead, l)
	if got := cooldown(t, rdb, user); got != "" {
		t.Errorf("the end of a job without a slot starts a cooldown until %s", got)
	}
}

func testRenew(t *testing.T, rdb redis.UniversalClient) {
	s := ratelimit.NewSlots(rdb, ratelimit.Options{ReserveLease: 10 * time.Second, RenewLease: time.Minute})
	user, l := id(), job.TierLimit{Tier: "LARGE", Concurrent: 1}
	a := take(t, s, user, l, 1)[0]
	reservedTo := leaseEnd(t, rdb, user, l, a)
	renew(t, s, user, a, l, false)
	renewedTo := leaseEnd(t, rdb, user, l, a)
	if d := renewedTo.Sub(reservedTo); d < 45*time.Second || d > 70*time.Second {
		t.Errorf("renewal extends the lease by %v, want about 50s", d)
	}
	reserve(t, s, user, a, l)
	if got := leaseEnd(t, rdb, user, l, a); !got.Equal(renewedTo) {
		t.Errorf("reserving again moves the lease's end by %v", got.Sub(renewedTo))
	}
	renew(t, ratelimit.NewSlots(rdb, ratelimit.Options{RenewLease: time.Second}), user, a, l, false)
	if got := leaseEnd(t, rdb, user, l, a); got.Before(renewedTo) {
		t.Errorf("a shorter renewal cuts the lease by %v", renewedTo.Sub(got))
	}
	lost := id() // a job that the database has and Redis lost
	renew(t, s, user, lost, l, true)
	if got := leaseEnd(t, rdb, user, l, lost); !got.Before(renewedTo) {
		t.Errorf("a slot that is put back has a lease as long as a renewed one, %v more", got.Sub(renewedTo))
	}
	renew(t, s, user, lost, l, false)
	if got := leaseEnd(t, rdb, user, l, lost); got.Before(renewedTo) {
		t.Errorf("its renewal falls short by %v", renewedTo.Sub(got))
	}
	if got := limitError(t, s.Reserve(t.Context(), user, id(), l)); got.InUse != 2 || got.Limit != 1 {
		t.Errorf("%d of %d in use, want 2 of 1", got.InUse, got.Limit)
	}
}

// A key lives exactly as long as its last lease, so that users who went away leave nothing.
func testKeysGo(t *testing.T, rdb redis.UniversalClient) {
	s := ratelimit.NewSlots(rdb, ratelimit.Options{})
	user, l := id(), job.TierLimit{Tier: "XL", Concurrent: 2, Cooldown: 30 * time.Second}
	ttl := func(key string, most time.Duration) {
		t.Helper()
		if got := rdb.PTTL(t.Context(), key).Val(); got > most || got < most-10*time.Second {
			t.Errorf("key lives for %v, want %v", got, most)
		}
	}
	jobs := take(t, s, user, l, 2)
	ttl(slotsKey(user, l), time.Minute)
	renew(t, s, user, jobs[0], l, false)
	ttl(slotsKey(user, l), 15*time.Minute)
	reserve(t, s, user, jobs[1], l)
	ttl(slotsKey(user, l), 15*time.Minute) // the shorter lease does not cut the longer one
	release(t, s, user, jobs[0], l)
	ttl(slotsKey(user, l), time.Minute) // that of a process that died before it recorded its job, for one
	release(t, s, user, jobs[1], l)
	ttl(cooldownKey(user), 30*time.Second)
	if n := rdb.Exists(t.Context(), slotsKey(user, l)).Val(); n != 0 {
		t.Error("the slots' key outlives the last release")
	}
}

// Deployments that have a prefix each do not count one another's jobs.
func testPrefix(t *testing.T, rdb redis.UniversalClient) {
	user, l := id(), job.TierLimit{Tier: "XL", Concurrent: 1, Cooldown: time.Hour}
	prefixes := []string{job.DefaultPrefix, id(), id()}
	for _, prefix := range prefixes {
		s := ratelimit.NewSlots(rdb, ratelimit.Options{Prefix: prefix})
		release(t, s, user, take(t, s, user, l, 1)[0], l)
		if got := limitError(t, s.Reserve(t.Context(), user, id(), l)); !got.Cooldown {
			t.Errorf("prefix %s: %+v", prefix, got)
		}
		if n := rdb.Exists(t.Context(), prefix+":{"+user+"}:cooldown:XL").Val(); n != 1 {
			t.Errorf("prefix %s: the cooldown's key is not there", prefix)
		}
	}
	for _, prefix := range prefixes[1:] { // that of the default prefix is shared with other tests
		if wait, err := ratelimit.NewBudget(rdb, prefix, 10, time.Minute).Take(t.Context(), 10); wait != 0 || err != nil {
			t.Errorf("prefix %s: wait %v, %v", prefix, wait, err)
		}
	}
}

// Any number of processes may check at once, and nothing stays.
func testCheck(t *testing.T, rdb redis.UniversalClient) {
	prefix := id()
	s := ratelimit.NewSlots(rdb, ratelimit.Options{Prefix: prefix})
	together(20, func() {
		if err := s.Check(t.Context()); err != nil {
			t.Error(err)
		}
	})
	for _, key := range []string{"slot", "cooldown"} {
		if ttl := rdb.PTTL(t.Context(), prefix+":{/check}:"+key).Val(); ttl == -1 {
			t.Errorf("the check's %s never expires", key)
		}
	}
}

// A caller who went away is not taken for a Redis that did.
func testContext(t *testing.T, rdb redis.UniversalClient) {
	s := ratelimit.NewSlots(rdb, ratelimit.Options{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err := s.Reserve(ctx, id(), id(), job.TierLimit{Tier: "XL", Concurrent: 1})
	if !errors.Is(err, context.Canceled) || !errors.Is(err, job.ErrQueueUnavailable) {
		t.Errorf("err = %v", err)
	}
}

func TestRedisAway(t *testing.T) {
	t.Parallel()
	rdb := redis.NewClient(&redis.Options{Addr: refused(t), MaxRetries: -1, DialerRetries: 1})
	t.Cleanup(func() { _ = rdb.Close() })
	s, b, l := ratelimit.NewSlots(rdb, ratelimit.Options{}), ratelimit.NewBudget(rdb, job.DefaultPrefix, 10, time.Minute), job.TierLimit{Tier: "XL", Concurrent: 1}
	_, renewErr := s.Renew(t.Context(), "ada", "j", l)
	_, takeErr := b.Take(t.Context(), 1)
	_, exhaustErr := b.Exhaust(t.Context())
	for name, err := range map[string]error{
		"reserve": s.Reserve(t.Context(), "ada", "j", l), "release": s.Release(t.Context(), "ada", "j", time.Time{}, l),
		"unreserve": s.Unreserve(t.Context(), "ada", "j", l), "check": s.Check(t.Context()), "renew": renewErr, "take": takeErr, "exhaust": exhaustErr,
	} {
		if !errors.Is(err, job.ErrQueueUnavailable) {
			t.Errorf("%s: err = %v, want it to wrap ErrQueueUnavailable", name, err)
		}
	}
}

func TestUserIDs(t *testing.T) {
	t.Parallel()
	s, l := ratelimit.NewSlots(connect(t, miniredis.RunT(t).Addr()), ratelimit.Options{}), job.TierLimit{Tier: "XL", Concurrent: 1}
	for user, good := range map[string]bool{
		"ada": true, "Ada.L_1-x@example.com": true, strings.Repeat("a", 64): true,
		"": false, strings.Repeat("a", 65): false, "a}b": false, "{a": false, "a b": false, "a:b": false, "a\n": false, "é": false, "\xff": false,
	} {
		_, renewErr := s.Renew(t.Context(), user, "j", l)
		for _, err := range []error{s.Reserve(t.Context(), user, "j", l), s.Unreserve(t.Context(), user, "j", l), s.Release(t.Context(), user, "j", time.Time{}, l), renewErr} {
			if (err == nil) != good {
				t.Errorf("user %q: err = %v, want the id accepted: %v", user, err, good)
			}
			// The same text for all: it cannot hold the owner, which is personal data.
			if err != nil && err.Error() != "the owner is not 1 to 64 of the characters A-Z a-z 0-9 . _ @ -" {
				t.Errorf("err = %v", err)
			}
		}
	}
}
