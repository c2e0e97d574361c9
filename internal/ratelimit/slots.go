// Package ratelimit keeps what the whole fleet must agree on in Redis: how many jobs of a tier an owner has at once,
// and how much of an upstream's allowance is left. Each operation is one Lua script in lua/, one round trip, and
// reads the server's clock, never a process's. The keys of a script share a hash tag, so they work in Redis Cluster.
package ratelimit

import (
	"cmp"
	"context"
	_ "embed" // for the scripts
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/musterhq/muster/internal/job"
)

//go:embed lua/reserve_slot.lua
var reserveSlot string

//go:embed lua/renew_slot.lua
var renewSlot string

//go:embed lua/release_slot.lua
var releaseSlot string

// Options are what Slots may be told; 0 or nothing takes the default, which is named beside each.
type Options struct {
	Prefix       string        // of every key; job.DefaultPrefix
	ReserveLease time.Duration // of a slot that is reserved or put back, until its first renewal; 60 s
	RenewLease   time.Duration // of a slot from each renewal on, while its job waits or runs; 15 min
}

// Slots are the places that owners of jobs have in each tier. A slot is a lease held by a job id, not a counter: what a
// crash leaves behind frees itself.
type Slots struct {
	rdb                     redis.UniversalClient
	opts                    Options
	reserve, renew, release *redis.Script
}

// NewSlots keeps slots in rdb, which stays the caller's to close.
func NewSlots(rdb redis.UniversalClient, o Options) *Slots {
	o.Prefix = cmp.Or(o.Prefix, job.DefaultPrefix)
	if o.ReserveLease == 0 {
		o.ReserveLease = time.Minute
	}
	if o.RenewLease == 0 {
		o.RenewLease = 15 * time.Minute
	}
	return &Slots{
		rdb: rdb, opts: o,
		reserve: redis.NewScript(reserveSlot), renew: redis.NewScript(renewSlot), release: redis.NewScript(releaseSlot),
	}
}

// Reserve takes one of l.Concurrent slots for the job, for Options.ReserveLease. A job that already holds one keeps
// it: go-redis may run a script twice when an answer is lost. Errors: *job.LimitError, whose RetryAfter is exact for a
// cooldown and 1 s otherwise; job.ErrQueueUnavailable.
func (s *Slots) Reserve(ctx context.Context, owner, jobID string, l job.TierLimit) error {
	keys, err := slotKeys(s.opts.Prefix, owner, l.Tier)
	if err != nil {
		return err
	}
	answer, err := s.reserve.Run(ctx, s.rdb, keys, jobID, l.Concurrent, s.opts.ReserveLease.Milliseconds(), l.Cooldown.Milliseconds()).Result()
	if err != nil {
		return job.QueueUnavailable("reserve a slot", err)
	}
	if answer == int64(1) {
		return nil
	}
	return refused(answer, l)
}

// refused returns the *job.LimitError that a refusal of reserve_slot.lua stands for, or an error about its form.
func refused(refusal any, l job.TierLimit) error {
	answer, _ := refusal.([]any)
	if len(answer) < 3 {
		return fmt.Errorf("reserve a slot: the script returned %v", refusal)
	}
	inUse, _ := answer[1].(int64)
	wait, _ := answer[2].(int64)
	full := &job.LimitError{Tier: l.Tier, Limit: l.Concurrent, InUse: int(inUse), RetryAfter: time.Second}
	switch answer[0] {
	case "full":
		for _, id := range answer[3:] {
			if id, ok := id.(string); ok {
				full.Jobs = append(full.Jobs, id)
			}
		}
		return full
	case "cooldown":
		full.Cooldown = true
		full.RetryAfter = max(time.Second, time.Duration(wait)*time.Millisecond)
		return full
	default:
		return fmt.Errorf("reserve a slot: the script returned %v", answer[0])
	}
}

// Renew extends the job's lease to Options.RenewLease from now. added says that the slot was missing, or its lease
// over, and that it was put back, above the limit if need be, for Options.ReserveLease. Errors: job.ErrQueueUnavailable.
func (s *Slots) Renew(ctx context.Context, owner, jobID string, l job.TierLimit) (added bool, err error) {
	keys, err := slotKeys(s.opts.Prefix, owner, l.Tier)
	if err != nil {
		return false, err
	}
	added, err = s.renew.Run(ctx, s.rdb, keys[:1], jobID, s.opts.RenewLease.Milliseconds(), s.opts.ReserveLease.Milliseconds()).Bool()
	if err != nil {
		return false, job.QueueUnavailable("renew a slot", err)
	}
	return added, nil
}

// Release gives back the slot of a job that ended at the time ended, and starts l.Cooldown: all of it, from now on, if
// the job held the slot, else what is left of it since its end. Releasing twice is harmless. Errors:
// job.ErrQueueUnavailable.
func (s *Slots) Release(ctx context.Context, owner, jobID string, ended time.Time, l job.TierLimit) error {
	return s.releaseSlot(ctx, owner, jobID, l.Tier, l.Cooldown, ended.UnixMilli())
}

// Unreserve gives back the slot of a job that is not over or was never created, without a cooldown. Errors:
// job.ErrQueueUnavailable.
func (s *Slots) Unreserve(ctx context.Context, owner, jobID string, l job.TierLimit) error {
	return s.releaseSlot(ctx, owner, jobID, l.Tier, 0, 0)
}

func (s *Slots) releaseSlot(ctx context.Context, owner, jobID string, tier job.Tier, cooldown time.Duration, ended int64) error {
	keys, err := slotKeys(s.opts.Prefix, owner, tier)
	if err != nil {
		return err
	}
	return job.QueueUnavailable("release a slot", s.release.Run(ctx, s.rdb, keys, jobID, cooldown.Milliseconds(), ended).Err())
}

// Check takes a slot that is nobody's and gives it back: whatever keeps Redis from it keeps every submission from its
// slot. Errors: job.ErrQueueUnavailable.
func (s *Slots) Check(ctx context.Context) error {
	const holder, cooldown = "check", 1 // ms: the shortest that the scripts write
	keys := checkKeys(s.opts.Prefix)
	if err := s.reserve.Run(ctx, s.rdb, keys, holder, 1, s.opts.ReserveLease.Milliseconds(), cooldown).Err(); err != nil {
		return job.QueueUnavailable("reserve a slot", err)
	}
	return job.QueueUnavailable("release a slot", s.release.Run(ctx, s.rdb, keys, holder, cooldown, 0).Err())
}
