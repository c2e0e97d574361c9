package doctor

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/musterhq/muster/internal/job"
	"github.com/musterhq/muster/internal/store"
)

// patience is how old a task may get while workers have their hands free; longQueue while they have not.
const (
	patience  = time.Minute
	longQueue = 30 * time.Minute
)

// fleet judges workers and queues.
func (r *report) fleet(all *Facts) {
	f := all.Fleet
	if f.Err != nil {
		r.add("workers", Broken, f.Err.Error(), "workers and queues cannot be looked at", "see the check of Redis")
		return
	}
	pending := 0
	for _, q := range f.Queues {
		pending += q.Pending
	}
	waiting := pending
	if all.Jobs != nil && len(all.Jobs.Open) > 0 {
		waiting = max(waiting, len(all.Jobs.Open))
	}
	hands, busy, hosts := f.hands()
	switch {
	case len(f.Workers) == 0 && waiting > 0:
		open := 0
		if all.Jobs != nil {
			open = len(all.Jobs.Open)
		}
		r.add("workers", Broken, fmt.Sprintf("no worker is alive; %s and %s waiting", plural(open, "job"), plural(pending, "task")), "nothing is imported", "start workers: `worker`, with the settings of the API")
	case len(f.Workers) == 0:
		r.add("workers", Warning, "no worker is alive", "jobs that are submitted wait", "start workers: `worker`, with the settings of the API")
	default:
		r.ok("workers", "%s on %s, %d chunks at once, %d in hand", plural(len(f.Workers), "worker"), plural(hosts, "host"), hands, busy)
	}
	before := len(r.findings)
	for _, q := range f.Queues {
		r.queue(q, len(f.Workers) > 0, busy < hands)
	}
	if len(r.findings) == before {
		r.ok("queues", "%s waiting, %d in hand", plural(pending, "task"), busy)
	}
}

// hands returns how many chunks the workers can have in hand, how many they have, and on how many hosts they run.
func (f *Fleet) hands() (hands, busy, hosts int) {
	var names []string
	for _, w := range f.Workers {
		hands += w.Concurrency
		busy += len(w.InHand)
		if !slices.Contains(names, w.Host) {
			names = append(names, w.Host)
		}
	}
	return hands, busy, len(names)
}

func (r *report) queue(q job.QueueState, workers, free bool) {
	wait := fmt.Sprintf("%s in queue %s, the oldest for %s", plural(q.Pending, "task"), q.Name, q.Latency.Round(time.Second))
	switch {
	case q.Paused:
		r.add("queues", Warning, fmt.Sprintf("queue %s is paused, %s in it", q.Name, plural(q.Pending, "task")), "workers take nothing from it: jobs of its tier stand still",
			fmt.Sprintf("resume it in /monitoring (MUSTER_MONITORING_READ_ONLY=false), or redis-cli DEL 'asynq:{%s}:paused'", q.Name))
	case workers && free && q.Pending > 0 && q.Latency > patience:
		r.add("queues", Broken, wait+", and workers have their hands free", "workers take nothing from it", "restart the workers; their log says more")
	case workers && q.Pending > 0 && q.Latency > longQueue:
		r.add("queues", Warning, wait, "the fleet has more to do than it can", "start more workers, or raise MUSTER_WORKER_CONCURRENCY")
	}
	if q.Archived > 0 {
		r.add("queues", Warning, fmt.Sprintf("queue %s has %s that it gave up", q.Name, plural(q.Archived, "task")), "workers died over them several times; the reconciler has put others in their place",
			"look for what killed the workers, then delete them in /monitoring (MUSTER_MONITORING_READ_ONLY=false), Archived")
	}
}

// manyJobs is how many of a kind are named.
const manyJobs = 5

// jobs judges the jobs that wait or run. A job that waits for its turn, for workers or in a paused queue is not at fault.
func (r *report) jobs(all *Facts) {
	j := all.Jobs
	if j.Err != nil {
		if all.Database == nil || all.Database.Ready == nil && (all.Database.Facts == nil || all.Database.Facts.SchemaHave >= all.Database.Facts.SchemaNeed) {
			r.add("jobs", Broken, j.Err.Error(), "jobs cannot be looked at", "see the check of the database")
		}
		return
	}
	var quiet, overdue, failed, waits []string
	for _, o := range j.Open {
		switch {
		case o.Overdue:
			overdue = append(overdue, o.ID)
		case o.FailedChunks > 0:
			failed = append(failed, fmt.Sprintf("%s (%d)", o.ID, o.FailedChunks))
		case o.WaitReason != "" && o.Quiet > j.Quiet:
			waits = append(waits, fmt.Sprintf("%s (%s)", o.ID, o.WaitReason))
		case o.Quiet > j.Quiet && ownFault(&o, all):
			quiet = append(quiet, fmt.Sprintf("%s (for %s)", o.ID, o.Quiet.Round(time.Second)))
		}
	}
	before := len(r.findings)
	warn := func(jobs []string, what, means, mend string) {
		if n := len(jobs); n > 0 {
			named := strings.Join(jobs[:min(n, manyJobs)], ", ")
			if n > manyJobs {
				named += ", …"
			}
			r.add("jobs", Warning, fmt.Sprintf("%s %s: %s", plural(n, "job"), what, named), means, mend)
		}
	}
	warn(quiet, "without progress", "workers are alive and commit nothing of it", "its chunks say why: SELECT chunk_no, state, stalls, last_error FROM job_chunks WHERE job_id = …; `muster jobs get ID` says what it waits for")
	warn(waits, "waiting for something outside", "`muster jobs get ID` says for what", "bring that back; the job goes on by itself")
	warn(overdue, "past the deadline and not ended", "a reconciler ends such a job within seconds: none runs, or it cannot write", "look at the workers' logs")
	warn(failed, "with failed chunks", "the job will end FAILED; the other chunks go on", "SELECT chunk_no, last_error FROM job_chunks WHERE state = 'FAILED' AND job_id = …, mend that, then `muster jobs retry ID`")
	if len(r.findings) == before {
		r.ok("jobs", "%s waiting or running", plural(len(j.Open), "job"))
	}
}

// ownFault reports whether a quiet job could go on: there are workers with free hands, or nobody can know, and its queue is not
// paused.
func ownFault(o *store.OpenJob, all *Facts) bool {
	f := all.Fleet
	if f == nil || f.Err != nil {
		return all.Redis == nil
	}
	for _, q := range f.Queues {
		if q.Paused && (q.Name == strings.ToLower(string(o.Tier)) || strings.HasSuffix(q.Name, "-"+strings.ToLower(string(o.Tier)))) {
			return false
		}
	}
	hands, busy, _ := f.hands()
	return busy < hands
}
