package ratelimit_test

import (
	"cmp"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/redis/go-redis/v9"
	"pgregory.net/rapid"

	"github.com/musterhq/muster/internal/job"
	"github.com/musterhq/muster/internal/ratelimit"
	"github.com/musterhq/muster/internal/testenv"
)

// model is what the scripts keep of one owner's slots in one tier, in plain Go.
type model struct {
	leases   map[string]time.Time // job id -> end
	cooldown time.Time            // its end
}

// live returns the jobs that hold a slot, by the ends of their leases.
func (p *model) live(now time.Time) (jobs []string) {
	for id, end := range p.leases {
		if end.After(now) {
			jobs = append(jobs, id)
		}
	}
	slices.SortFunc(jobs, func(a, b string) int {
		return cmp.Or(p.leases[a].Compare(p.leases[b]), cmp.Compare(a, b))
	})
	return jobs
}

func (p *model) reserve(now time.Time, jobID string, l job.TierLimit) *job.LimitError {
	live := p.live(now)
	if !slices.Contains(live, jobID) {
		if len(live) >= l.Concurrent {
			return &job.LimitError{Tier: l.Tier, Limit: l.Concurrent, InUse: len(live), RetryAfter: time.Second, Jobs: live}
		}
		if wait := p.cooldown.Sub(now); wait > 0 {
			return &job.LimitError{Tier: l.Tier, Limit: l.Concurrent, InUse: len(live), Cooldown: true, RetryAfter: max(wait, time.Second)}
		}
	}
	p.extend(jobID, now.Add(modelOptions().ReserveLease))
	return nil
}

func (p *model) extend(jobID string, end time.Time) {
	if end.After(p.leases[jobID]) {
		p.leases[jobID] = end
	}
}

func (p *model) renew(now time.Time, jobID string) (added bool) {
	if added = !p.leases[jobID].After(now); added {
		p.extend(jobID, now.Add(modelOptions().ReserveLease))
	} else {
		p.extend(jobID, now.Add(modelOptions().RenewLease))
	}
	return added
}

func (p *model) release(now time.Time, jobID string, ended time.Time, cooldown time.Duration) {
	switch held := p.leases[jobID].After(now); {
	case cooldown == 0:
	case held:
		p.cooldown = now.Add(cooldown)
	default:
		if now.Before(ended) {
			ended = now
		}
		if end := ended.Add(cooldown); end.After(p.cooldown) {
			p.cooldown = end
		}
	}
	delete(p.leases, jobID)
}

func modelOptions() ratelimit.Options {
	return ratelimit.Options{ReserveLease: 3500 * time.Millisecond, RenewLease: 8500 * time.Millisecond}
}

// machine makes the same calls of the scripts and of the model, in random order, and compares the results.
type machine struct {
	clock  clock
	slots  *ratelimit.Slots
	now    time.Time
	models map[string]*model // by owner and tier
}

// clock lets time pass for the scripts, which read the server's.
type clock interface {
	pass(t *rapid.T, d time.Duration)
	at(now time.Time) time.Time // a time of the model, as the server's clock has it
	late() bool                 // the run took so long that results may differ
	same() gocmp.Options        // how exactly the results can be compared
}

func (m *machine) draw(t *rapid.T) (p *model, user, jobID string, l job.TierLimit) {
	user = rapid.SampledFrom([]string{"ada", "bob@example.com"}).Draw(t, "user")
	jobID = rapid.SampledFrom([]string{"j1", "j2", "j3", "j4"}).Draw(t, "job")
	l = rapid.SampledFrom([]job.TierLimit{
		{Tier: "LARGE", Concurrent: 2}, {Tier: "XL", Concurrent: 1, Cooldown: 4500 * time.Millisecond},
	}).Draw(t, "tier")
	key := user + string(l.Tier)
	if m.models[key] == nil {
		m.models[key] = &model{leases: map[string]time.Time{}}
	}
	return m.models[key], user, jobID, l
}

func (m *machine) reserve(t *rapid.T) {
	p, user, jobID, l := m.draw(t)
	want := p.reserve(m.now, jobID, l)
	err := m.slots.Reserve(t.Context(), user, jobID, l)
	var got *job.LimitError
	errors.As(err, &got)
	if diff := gocmp.Diff(want, got, m.clock.same()); diff != "" || err != nil && got == nil {
		m.differ(t, "reserve: err %v (-want +got):\n%s", err, diff)
	}
}

func (m *machine) renew(t *rapid.T) {
	p, user, jobID, l := m.draw(t)
	want := p.renew(m.now, jobID)
	if got, err := m.slots.Renew(t.Context(), user, jobID, l); err != nil || got != want {
		m.differ(t, "renew = %v, %v, want %v", got, err, want)
	}
}

// differ fails the run, or skips it if this computer stood still for so long that a lease may have ended meanwhile.
func (m *machine) differ(t *rapid.T, format string, args ...any) {
	t.Helper()
	if m.clock.late() {
		t.SkipNow()
	}
	t.Fatalf(format, args...)
}

func (m *machine) release(t *rapid.T) {
	p, user, jobID, l := m.draw(t)
	ended := m.now.Add(time.Duration(rapid.IntRange(-6, 2).Draw(t, "ended")) * time.Second)
	p.release(m.now, jobID, ended, l.Cooldown)
	if err := m.slots.Release(t.Context(), user, jobID, m.clock.at(ended), l); err != nil {
		t.Fatal(err)
	}
}

func (m *machine) unreserve(t *rapid.T) {
	p, user, jobID, l := m.draw(t)
	delete(p.leases, jobID)
	if err := m.slots.Unreserve(t.Context(), user, jobID, l); err != nil {
		t.Fatal(err)
	}
}

// advance moves the clock by whole seconds. Leases and cooldowns are half seconds long, so none ends within half a
// second of a call, and a run against a server whose own clock goes on takes less.
func (m *machine) advance(t *rapid.T) {
	d := time.Duration(rapid.IntRange(1, 5).Draw(t, "s")) * time.Second
	m.now = m.now.Add(d)
	m.clock.pass(t, d)
}

// setClock is the clock of the in-process server, which tests can set. Keys expire in time or late: results must not
// depend on it.
type setClock struct {
	server *miniredis.Miniredis
	now    time.Time
}

func (c *setClock) pass(t *rapid.T, d time.Duration) {
	if rapid.Bool().Draw(t, "keys expire") {
		c.server.FastForward(d)
	}
	c.now = c.now.Add(d)
	c.server.SetTime(c.now)
}

func (c *setClock) at(now time.Time) time.Time { return now }

func (c *setClock) late() bool { return false }

func (c *setClock) same() gocmp.Options { return nil }

// realClock is the clock of a real server, which nobody can set: instead every time that it keeps is moved into the past.
type realClock struct {
	rdb   redis.UniversalClient
	by    time.Duration
	begun time.Time
}

var age = redis.NewScript(`
	for _, key in ipairs(redis.call('KEYS', '*')) do
		if redis.call('TYPE', key).ok == 'zset' then
			local members = redis.call('ZRANGE', key, 0, -1)
			for _, member in ipairs(members) do
				redis.call('ZINCRBY', key, -ARGV[1], member)
			end
		else
			local ends = redis.call('GET', key) - ARGV[1]
			redis.call('SET', key, string.format('%.0f', ends), 'KEEPTTL')
		end
		redis.call('PEXPIREAT', key, string.format('%.0f', redis.call('PEXPIRETIME', key) - ARGV[1]))
	end`)

func (c *realClock) late() bool { return time.Since(c.begun) > 400*time.Millisecond }

func (c *realClock) at(now time.Time) time.Time { return now.Add(-c.by) }

func (c *realClock) pass(t *rapid.T, d time.Duration) {
	c.by += d
	if err := age.Run(t.Context(), c.rdb, nil, d.Milliseconds()).Err(); err != nil && !errors.Is(err, redis.Nil) {
		t.Fatal(err)
	}
}

// The server's own clock goes on: a wait is a little shorter, and leases that the model has end at once do so in turn.
func (c *realClock) same() gocmp.Options {
	return gocmp.Options{
		gocmp.Comparer(func(a, b time.Duration) bool { return (a - b).Abs() < 500*time.Millisecond }),
		cmpopts.SortSlices(func(a, b string) bool { return a < b }),
	}
}

func TestSlotsAgainstModel(t *testing.T) {
	t.Parallel()
	t.Run("miniredis", func(t *testing.T) {
		t.Parallel()
		server := miniredis.RunT(t)
		now := time.UnixMilli(1_700_000_000_123)
		compareRuns(t, connect(t, server.Addr()), func() (clock, time.Time) {
			server.SetTime(now)
			return &setClock{server: server, now: now}, now
		})
	})
	t.Run("redis", func(t *testing.T) {
		t.Parallel()
		testenv.Redis(t) // skips, or fails, where there is none
		p, err := testenv.StartRedis(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = p.Kill() })
		rdb := connect(t, p.Addr)
		compareRuns(t, rdb, func() (clock, time.Time) {
			now := time.Now()
			return &realClock{rdb: rdb, begun: now}, now
		})
	})
}

func compareRuns(t *testing.T, rdb redis.UniversalClient, begin func() (clock, time.Time)) {
	t.Helper()
	rapid.Check(t, func(t *rapid.T) {
		if err := rdb.FlushAll(t.Context()).Err(); err != nil {
			t.Fatal(err)
		}
		c, now := begin()
		m := &machine{clock: c, slots: ratelimit.NewSlots(rdb, modelOptions()), now: now, models: map[string]*model{}}
		t.Repeat(map[string]func(*rapid.T){
			"reserve": m.reserve, "renew": m.renew, "release": m.release, "unreserve": m.unreserve, "advance": m.advance,
		})
	})
}
