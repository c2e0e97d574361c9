package tasks

import (
	"cmp"
	"maps"
	"slices"

	"github.com/hibiken/asynq"

	"github.com/musterhq/muster/internal/job"
)

// Fleet returns the workers that are alive, with what each has in hand, and the state of the queues. Workers of other
// prefixes are left out. The error wraps job.ErrQueueUnavailable.
func (c *Client) Fleet() (job.Fleet, error) {
	queues := Queues(c.prefix)
	known, err := c.inspector.Queues()
	if err != nil {
		return job.Fleet{}, job.QueueUnavailable("look at the queues", err)
	}
	var f job.Fleet
	// The smallest tier first, which has the greatest weight.
	for _, name := range slices.SortedFunc(maps.Keys(queues), func(a, b string) int { return cmp.Or(cmp.Compare(queues[b], queues[a]), cmp.Compare(a, b)) }) {
		q := job.QueueState{Name: name}
		if slices.Contains(known, name) { // asynq makes a queue with its first task
			if q, err = c.queueState(name); err != nil {
				return job.Fleet{}, job.QueueUnavailable("look at a queue", err)
			}
		}
		f.Queues = append(f.Queues, q)
	}
	servers, err := c.inspector.Servers()
	if err != nil {
		return job.Fleet{}, job.QueueUnavailable("look at the workers", err)
	}
	for _, s := range servers {
		if !maps.Equal(s.Queues, queues) {
			continue
		}
		w := job.WorkerProcess{ID: s.ID, Host: s.Host, PID: s.PID, Concurrency: s.Concurrency, Started: s.Started}
		for _, task := range s.ActiveWorkers {
			if t, ok := inHand(task); ok {
				w.InHand = append(w.InHand, t)
			}
		}
		slices.SortFunc(w.InHand, func(a, b job.TaskInHand) int {
			return cmp.Or(cmp.Compare(a.JobID, b.JobID), cmp.Compare(a.Chunk, b.Chunk))
		})
		f.Workers = append(f.Workers, w)
	}
	slices.SortFunc(f.Workers, func(a, b job.WorkerProcess) int {
		return cmp.Or(cmp.Compare(a.Host, b.Host), cmp.Compare(a.PID, b.PID), cmp.Compare(a.ID, b.ID))
	})
	return f, nil
}

func (c *Client) queueState(name string) (job.QueueState, error) {
	info, err := c.inspector.GetQueueInfo(name)
	if err != nil {
		return job.QueueState{}, err
	}
	return job.QueueState{
		Name: name, Pending: info.Pending, Active: info.Active, Scheduled: info.Scheduled, Retry: info.Retry, Archived: info.Archived,
		Latency: info.Latency, Bytes: info.MemoryUsage, Processed: int64(info.ProcessedTotal), Failed: int64(info.FailedTotal), Paused: info.Paused,
	}, nil
}

func inHand(w *asynq.WorkerInfo) (job.TaskInHand, bool) {
	switch w.TaskType {
	case TypeChunk:
		p, err := ParseChunk(w.TaskPayload)
		return job.TaskInHand{JobID: p.JobID, Chunk: p.Chunk, Since: w.Started}, err == nil
	case TypeUndo:
		p, err := ParseUndo(w.TaskPayload)
		return job.TaskInHand{JobID: p.JobID, Undo: true, Since: w.Started}, err == nil
	}
	return job.TaskInHand{}, false
}
