package doctor

import (
	"fmt"
	"strings"
)

// settings judges settings that are wrong, are not read, or do not fit one another.
func (r *report) settings(s *Settings) {
	before := len(r.findings)
	if s.Err != nil {
		r.add("settings", Broken, strings.ReplaceAll(s.Err.Error(), "\n", "; "), "no process starts with them", "set them as said; `api --help` lists all")
	}
	for _, text := range s.Unread {
		r.add("settings", Warning, text, "it has no effect", "take it out, or mend its name; `api --help` lists all")
	}
	c := s.Config
	warn := func(bad bool, found, means, mend string) {
		if bad {
			r.add("settings", Warning, found, means, mend)
		}
	}
	if s.Err == nil {
		warn(c.ReconcileInterval > c.Lease, fmt.Sprintf("MUSTER_RECONCILE_INTERVAL is %s, MUSTER_LEASE %s", c.ReconcileInterval, c.Lease),
			"the chunk of a worker that died waits longer for the reconciler than for its lease", "set MUSTER_RECONCILE_INTERVAL to a few seconds")
		warn(c.JobDeadline > 0 && c.JobDeadline < 4*c.Lease, fmt.Sprintf("MUSTER_JOB_DEADLINE is %s, MUSTER_LEASE %s", c.JobDeadline, c.Lease),
			"a job fails before its chunk is taken over from a worker that died", "set MUSTER_JOB_DEADLINE to hours, or 0")
		warn(c.SlotReserveLease < 2*c.ReconcileInterval, fmt.Sprintf("MUSTER_SLOT_RESERVE_LEASE is %s, MUSTER_RECONCILE_INTERVAL %s", c.SlotReserveLease, c.ReconcileInterval),
			"the slot of a new job runs out before the reconciler renews it, so that an owner gets more than its tier allows", "raise MUSTER_SLOT_RESERVE_LEASE to 60s")
		warn(c.DBMaxConns < c.WorkerConcurrency+2, fmt.Sprintf("MUSTER_DB_MAX_CONNS is %d, MUSTER_WORKER_CONCURRENCY %d", c.DBMaxConns, c.WorkerConcurrency),
			"chunks wait for a connection, and the reconciler behind them", fmt.Sprintf("set MUSTER_DB_MAX_CONNS to %d or more", c.WorkerConcurrency+2))
		warn(int64(c.EffectiveBatchRows()) > c.ChunkRows, fmt.Sprintf("MUSTER_BATCH_ROWS is %d, MUSTER_CHUNK_ROWS %d", c.EffectiveBatchRows(), c.ChunkRows),
			"no batch gets larger than its chunk", "set MUSTER_CHUNK_ROWS to a multiple of MUSTER_BATCH_ROWS")
	}
	if len(r.findings) == before {
		r.ok("settings", "they fit one another")
	}
}
