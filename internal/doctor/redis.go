package doctor

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/musterhq/muster/internal/job"
)

// redis judges Redis: whether it takes jobs, and whether it keeps what it took.
func (r *report) redis(d *Redis) {
	if d.Err != nil {
		r.add("redis", Broken, fmt.Sprintf("%s: %v", d.Address, d.Err), "jobs are refused, running chunks go on to their end; workers and queues cannot be looked at",
			"bring it back; MUSTER_REDIS says where it is")
		return
	}
	version := ""
	for _, n := range d.Nodes {
		if n.Version != "" {
			version = " " + n.Version
		}
	}
	nodes := ""
	if len(d.Nodes) > 1 {
		nodes = fmt.Sprintf(", %d masters", len(d.Nodes))
	}
	if d.Writes != nil {
		r.refused(d)
	} else {
		r.ok("redis", "%s is Redis%s%s, answers in %s, and takes jobs", d.Address, version, nodes, d.RoundTrip.Round(10*time.Microsecond))
	}
	for _, n := range d.Nodes {
		before := len(r.findings)
		r.memory(&n, d.Writes != nil)
		r.persistence(&n)
		if n.At != "" {
			for i := range r.findings[before:] {
				r.findings[before+i].Found = n.At + ": " + r.findings[before+i].Found
			}
		}
	}
	r.prefix(d)
}

// refusals says how each reason for which Redis takes no jobs is mended; a reason begins with the key.
var refusals = []struct{ reason, mend string }{
	{"is a read-only replica", "point MUSTER_REDIS at the master, or at Sentinels: redis-sentinel://host:26379/name"},
	{"is a replica that lost", "point MUSTER_REDIS at the master, or at Sentinels: redis-sentinel://host:26379/name"},
	{"is out of memory", "raise it: redis-cli CONFIG SET maxmemory 256mb"},
	{"takes no writes, because it cannot save", "make room on its disk; its log says more"},
	{"takes no writes, because too few", "bring replicas back, or redis-cli CONFIG SET min-replicas-to-write 0"},
	{"denies its user", "redis-cli ACL SETUSER <user> ~muster:* ~asynq:* &asynq:* +@all -@dangerous +info, with your MUSTER_REDIS_PREFIX; redis-cli ACL LOG shows what was denied"},
	{"refuses the user", "mend MUSTER_REDIS, and percent-encode what stands in the password"},
}

func (r *report) refused(d *Redis) {
	found, mend := d.Writes.Error(), "look at its log"
	if unready, ok := errors.AsType[*job.UnreadyError](d.Writes); ok {
		found = "it " + unready.Reason
		for _, known := range refusals {
			if strings.HasPrefix(unready.Reason, known.reason) {
				mend = known.mend
			}
		}
	}
	r.add("redis", Broken, d.Address+" takes no jobs: "+found, "jobs are refused with 503 `queue_unavailable`; workers and queues cannot be looked at", mend)
}

func (r *report) memory(n *RedisNode, refuses bool) {
	limit := "no limit"
	if n.Max > 0 {
		limit = "of " + bytes(n.Max)
	}
	found := fmt.Sprintf("%s used, %s", bytes(n.Used), limit)
	before := len(r.findings)
	if n.Policy != "" && n.Policy != "noeviction" {
		r.add("redis-memory", Warning, fmt.Sprintf("maxmemory-policy is %s; %s, %d keys evicted", n.Policy, found, n.Evicted),
			"slots and tasks vanish when memory is short, and come back: owners get more than their tier allows", "redis-cli CONFIG SET maxmemory-policy noeviction, and in its configuration")
	}
	if !refuses && n.Max > 0 && n.Used*10 > n.Max*9 {
		r.add("redis-memory", Warning, found, "soon it takes no jobs", fmt.Sprintf("redis-cli CONFIG SET maxmemory %d", 2*n.Max))
	}
	if n.MaxClients > 0 && n.Clients*10 > n.MaxClients*9 {
		r.add("redis-clients", Warning, fmt.Sprintf("%d of %d connections are open", n.Clients, n.MaxClients), "the next ones are refused", fmt.Sprintf("redis-cli CONFIG SET maxclients %d", 2*n.MaxClients))
	}
	if len(r.findings) == before && n.Policy != "" {
		r.ok("redis-memory", "%s, %s", found, n.Policy)
	}
}

func (r *report) persistence(n *RedisNode) {
	switch {
	case n.SaveFailed:
		r.add("redis-persistence", Warning, "its last save to disk failed", "it may refuse writes, and a restart loses what was not saved", "make room on its disk; its log says more")
	case n.AppendOnly == "0":
		r.add("redis-persistence", OK, "appendonly is off", "a restart forgets slots, tasks and cooldowns; workers rebuild all but the cooldowns within 2 s", "")
	case n.AppendOnly == "1":
		r.ok("redis-persistence", "appendonly is on")
	}
}

func (r *report) prefix(d *Redis) {
	switch {
	case d.Holder == "" && d.Writes != nil: // it may not be known
	case d.Holder == "":
		r.ok("redis-prefix", "no process of any deployment holds it now")
	case d.Ours == "":
	case d.Holder != d.Ours:
		r.add("redis-prefix", Broken, "it belongs to another deployment: "+d.HolderAt, "the processes of one of the two do not start, or are not ready",
			"give one of them another MUSTER_REDIS_PREFIX, or another database of Redis")
	default:
		r.ok("redis-prefix", "it belongs to this deployment")
	}
}
