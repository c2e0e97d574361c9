package ratelimit_test

import (
	"cmp"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	gocmp "github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"
	"pgregory.net/rapid"

	"github.com/musterhq/muster/internal/job"
	"github.com/musterhq/muster/internal/ratelimit"
)

// place is one user's slots in one tier, as plain Go.
type place struct {
	leases   map[string]time.Time // job id -> end
	cooldown time.Time            // its end
}

// live lists the holders, first lease to end first.
func (p *place) live(now time.Time) (jobs []string) {
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

func (p *place) reserve(now time.Time, jobID string, l job.TierLimit) *job.LimitError {
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

func (p *place) extend(jobID string, end time.Time) {
	if end.After(p.leases[jobID]) {
		p.leases[jobID] = end
	}
}

func (p *place) renew(now time.Time, jobID string) (added bool) {
	if added = !p.leases[jobID].After(now); added {
		p.extend(jobID, now.Add(modelOptions().ReserveLease))
	} else {
		p.extend(jobID, now.Add(modelOptions().RenewLease))
	}
	return added
}

func (p *place) release(now time.Time, jobID string, ended time.Time, cooldown time.Duration) {
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
	return ratelimit.Options{ReserveLease: 3 * time.Second, RenewLease: 8 * time.Second}
}

// machine walks the scripts and the model side by side.
type machine struct {
	server *miniredis.Miniredis
	slots  *ratelimit.Slots
	now    time.Time
	places map[string]*place // user and tier
}

func (m *machine) draw(t *rapid.T) (p *place, user, jobID string, l job.TierLimit) {
	user = rapid.SampledFrom([]string{"ada", "bob@example.com"}).Draw(t, "user")
	jobID = rapid.SampledFrom([]string{"j1", "j2", "j3", "j4"}).Draw(t, "job")
	l = rapid.SampledFrom([]job.TierLimit{
		{Tier: "LARGE", Concurrent: 2}, {Tier: "XL", Concurrent: 1, Cooldown: 4 * time.Second},
	}).Draw(t, "tier")
	key := user + string(l.Tier)
	if m.places[key] == nil {
		m.places[key] = &place{leases: map[string]time.Time{}}
	}
	return m.places[key], user, jobID, l
}

func (m *machine) reserve(t *rapid.T) {
	p, user, jobID, l := m.draw(t)
	want := p.reserve(m.now, jobID, l)
	err := m.slots.Reserve(t.Context(), user, jobID, l)
	var got *job.LimitError
	errors.As(err, &got)
	if diff := gocmp.Diff(want, got); diff != "" || err != nil && got == nil {
		t.Fatalf("reserve: err %v (-want +got):\n%s", err, diff)
	}
}

func (m *machine) renew(t *rapid.T) {
	p, user, jobID, l := m.draw(t)
	want := p.renew(m.now, jobID)
	if got, err := m.slots.Renew(t.Context(), user, jobID, l); err != nil || got != want {
		t.Fatalf("renew = %v, %v, want %v", got, err, want)
	}
}

func (m *machine) release(t *rapid.T) {
	p, user, jobID, l := m.draw(t)
	ended := m.now.Add(time.Duration(rapid.IntRange(-6000, 2000).Draw(t, "ended")) * time.Millisecond)
	p.release(m.now, jobID, ended, l.Cooldown)
	if err := m.slots.Release(t.Context(), user, jobID, ended, l); err != nil {
		t.Fatal(err)
	}
}

func (m *machine) undo(t *rapid.T) {
	p, user, jobID, l := m.draw(t)
	delete(p.leases, jobID)
	if err := m.slots.Undo(t.Context(), user, jobID, l); err != nil {
		t.Fatal(err)
	}
}

// advance moves the clock. The keys expire in time or late: the answers must not depend on it.
func (m *machine) advance(t *rapid.T) {
	d := time.Duration(rapid.IntRange(1, 5000).Draw(t, "ms")) * time.Millisecond
	if rapid.Bool().Draw(t, "keys expire") {
		m.server.FastForward(d)
	}
	m.now = m.now.Add(d)
	m.server.SetTime(m.now)
}

func TestSlotsAgainstModel(t *testing.T) {
	t.Parallel()
	server := miniredis.RunT(t)
	rdb := redis.NewClient(&redis.Options{Addr: server.Addr()})
	t.Cleanup(func() { _ = rdb.Close() })
	rapid.Check(t, func(t *rapid.T) {
		server.FlushAll()
		m := &machine{
			server: server, slots: ratelimit.NewSlots(rdb, modelOptions()),
			now: time.UnixMilli(1_700_000_000_123), places: map[string]*place{},
		}
		server.SetTime(m.now)
		t.Repeat(map[string]func(*rapid.T){
			"reserve": m.reserve, "renew": m.renew, "release": m.release, "undo": m.undo, "advance": m.advance,
		})
	})
}
