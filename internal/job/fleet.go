package job

import "time"

// Fleet is what the queue knows of the workers and of what waits for them.
type Fleet struct {
	Workers []WorkerProcess // that were alive within the last ten seconds
	Queues  []QueueState    // one a tier, smallest first
}

// WorkerProcess is a process that takes tasks.
type WorkerProcess struct {
	ID          string
	Host        string
	PID         int
	Concurrency int // tasks at once
	Started     time.Time
	InHand      []TaskInHand
}

// TaskInHand is a task that a worker works on.
type TaskInHand struct {
	JobID string
	Chunk int  // 0 also for an undo
	Undo  bool // of the job's users, and not of one chunk
	Since time.Time
}

// QueueState is how many tasks a queue holds.
type QueueState struct {
	Name      string
	Pending   int           // that no worker has taken
	Active    int           // that workers have in hand
	Scheduled int           // for later
	Retry     int           // of processes that died, to be taken again
	Archived  int           // given up by the queue, not by the reconciler
	Latency   time.Duration // age of the oldest that is pending
	Bytes     int64         // of Redis, estimated by a sample
	Processed int64         // since the queue was made, failed ones included
	Failed    int64         // since the queue was made
	Paused    bool          // by an operator: workers take nothing from it
}
