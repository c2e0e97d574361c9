// Package deployment keeps a deployment from working with another's keys in Redis: all processes of one, which are those on
// one database, hold their prefix together, as a lease that each of them renews.
package deployment

import (
	"context"
	_ "embed" // for the script
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/musterhq/muster/internal/job"
)

//go:embed lua/renew.lua
var renewLua string

// HeldFor is how long a prefix stays a deployment's of which no process runs any more.
const HeldFor = time.Minute

// Prefix is what the keys of a deployment begin with.
type Prefix struct {
	rdb    redis.UniversalClient
	name   string
	lease  time.Duration
	script *redis.Script
}

// NewPrefix is the named prefix in rdb, which stays the caller's to close.
func NewPrefix(rdb redis.UniversalClient, name string) *Prefix {
	return &Prefix{rdb: rdb, name: name, lease: HeldFor, script: redis.NewScript(renewLua)}
}

// Renew holds the prefix for the deployment with this id for another HeldFor. address says where its database is, to people
// who see the refusal of another one; it must hold no password. Errors: *job.UnreadyError when another deployment holds
// it; job.ErrQueueUnavailable.
func (p *Prefix) Renew(ctx context.Context, id, address string) error {
	answer, err := p.script.Run(ctx, p.rdb, []string{p.key()}, id, address, p.lease.Milliseconds()).Slice()
	if err != nil {
		return job.QueueUnavailable("hold the prefix", err)
	}
	if len(answer) < 2 {
		return nil
	}
	runsOut, _ := answer[1].(int64)
	return &job.UnreadyError{
		Reason: "another deployment uses this Redis under the same prefix",
		Err: fmt.Errorf("it is that of %v; give one of the two another MUSTER_REDIS_PREFIX than %q, or another database of Redis. "+
			"If none of its processes runs any more, the prefix is free in %s",
			answer[0], p.name, (time.Duration(runsOut) * time.Millisecond).Round(time.Second)),
	}
}
