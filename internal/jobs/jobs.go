// Package jobs submits jobs, moves them and brings them to their end.
//
// A job's row in the store is the truth. Everything else follows from it: the job's chunks, its slot in a tier, its
// tasks in the queue and its live view in Redis. So every path is the same: write the row, then Reconcile, which makes
// the rest agree with it. Each step of Reconcile is harmless to repeat. What a process that dies leaves undone, the
// reconciler of any worker does a few seconds later.
package jobs

import (
	"context"
	"log/slog"
	"time"

	"github.com/musterhq/muster/internal/job"
)

// Store keeps jobs. Errors: job.ErrNotFound, job.ErrStoreUnavailable.
type Store interface {
	// CreateJob stores the row of a new job, and AddChunks those of its chunks that are missing. CreateJob's errors also:
	// job.ErrDuplicateKey.
	CreateJob(ctx context.Context, j *job.Job) error
	AddChunks(ctx context.Context, j job.Job) error
	// MoveJob writes an owner's move to the job's row. Errors also: *job.StateError, job.ErrUncertain.
	MoveJob(ctx context.Context, owner, id string, m job.Move) (job.Job, error)

	Job(ctx context.Context, id string) (job.Job, error)
	JobByKey(ctx context.Context, owner, key string) (job.Job, error)
	Jobs(ctx context.Context, f job.Filter) ([]job.Job, error)
	Chunks(ctx context.Context, id string) ([]job.Chunk, error)
}

// RepairStore is what Reconcile reads and writes. Every write compares and sets, so any number of processes may
// reconcile a job at once.
type RepairStore interface {
	UnfinalizedJobs(ctx context.Context, after string, limit int) ([]job.Job, error)
	AlignChunks(ctx context.Context, j job.Job) (job.ChunkTotals, error)
	ClaimableChunks(ctx context.Context, id string, window int) ([]job.Chunk, error)
	FailStalled(ctx context.Context, j job.Job) (int64, error)
	FailOpen(ctx context.Context, j job.Job, reason string) (int64, error)
	FinishJob(ctx context.Context, id string) (bool, error)
	FinalizeJob(ctx context.Context, j job.Job) error
	SetWaitReason(ctx context.Context, id string, reason job.WaitReason) error
}

// Slots are the places that an owner has in a tier. Each method is harmless to repeat. Errors: job.ErrQueueUnavailable.
type Slots interface {
	// Reserve takes a slot for a job that is to run; *job.LimitError when there is none.
	Reserve(ctx context.Context, owner, jobID string, l job.TierLimit) error
	// Renew extends the job's lease, and puts the slot back, above the limit if need be, when it is missing.
	Renew(ctx context.Context, owner, jobID string, l job.TierLimit) (added bool, err error)
	// Release gives the slot of a job back that ended then, and starts the cooldown of its end.
	Release(ctx context.Context, owner, jobID string, ended time.Time, l job.TierLimit) error
	// Unreserve gives the slot back without a cooldown.
	Unreserve(ctx context.Context, owner, jobID string, l job.TierLimit) error
}

// Queue tells the fleet what there is to do. A task may be lost, late or doubled. Errors: job.ErrQueueUnavailable.
type Queue interface {
	EnqueueChunk(ctx context.Context, tier job.Tier, jobID string, chunk int, claims int64) error
	EnqueueUndo(ctx context.Context, tier job.Tier, jobID string, rows int64) error
	Depth(ctx context.Context) (int64, error)
}

// Live is the view of running jobs that polls read; it may be missing at any time. Errors: job.ErrQueueUnavailable.
type Live interface {
	Get(ctx context.Context, id string) (j job.Job, ok bool, err error)
	// Put shows the job, unless a later version of it is shown, and its chunks.
	Put(ctx context.Context, j job.Job, chunks []job.Chunk) error
}

// Exports writes what belongs to export jobs as a whole. Errors: job.ErrFilesUnavailable, job.ErrNoSpace.
type Exports interface {
	// Span returns the first and the last id of the users that are to be exported; first is above last when there are none.
	// Errors also: job.ErrStoreUnavailable.
	Span(ctx context.Context, e *job.Export) (first, last int64, err error)
	// Publish writes the manifest of a job whose chunks are all done. It is harmless to repeat.
	Publish(ctx context.Context, j *job.Job) error
}

// Service is what can be done with jobs. All fields are required, but those that say otherwise.
type Service struct {
	Store  Store
	Repair RepairStore
	Slots  Slots
	Queue  Queue
	Live   Live
	// Exports is nil where there is no file store: export jobs are refused.
	Exports Exports
	Tiers   job.Tiers
	Window  int // tasks of one job that may be in the queue
	// AtOnce is how many jobs ReconcileAll works on at once, each with at most one connection to the database; 0: 1. More
	// than one, so that a job whose rows are locked does not keep the others waiting until its time is up.
	AtOnce int
	Log    *slog.Logger

	Metrics *Metrics // nil: nothing is counted

	// For Submit only.
	MaxCount  int64
	ChunkRows int64 // rows of a chunk, and of a small job's fewer; RandomUser's chunks are its pages, whatever this says
	BatchRows int64 // rows that a worker commits at once; a chunk has no fewer, 0: than ChunkRows
	MaxDepth  int64 // tasks that may wait in all queues when a job is accepted; requests at once may pass it together

	// What a RandomUser job waits for, which the estimate of a refusal needs; zero: nothing limits it.
	Upstream job.Allowance
}

const (
	// liveTimeout bounds a look at the live view: the store has the same, only at a higher price.
	liveTimeout = time.Second
	// storeTimeout bounds a look at the store, so that a hanging database costs a client seconds and not minutes.
	storeTimeout = 10 * time.Second
)

// Get returns the owner's job: from its live view, which costs the database nothing; from the store when that is missing,
// and then the view is made again. A job of somebody else is job.ErrNotFound.
func (s *Service) Get(ctx context.Context, owner, id string) (job.Job, error) {
	j, live, liveErr := s.getLive(ctx, id)
	if !live {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, storeTimeout) // only now: most polls need no database, and so no timer
		defer cancel()
		var err error
		if j, err = s.Store.Job(ctx, id); err != nil {
			return job.Job{}, err
		}
	}
	if j.Owner != owner {
		return job.Job{}, job.ErrNotFound
	}
	if live {
		return j, nil
	}
	j, err := s.alignBeforeShowing(ctx, j)
	if err != nil {
		return job.Job{}, err
	}
	if liveErr == nil {
		ctx, cancel := context.WithTimeout(ctx, liveTimeout)
		defer cancel()
		if err := s.Show(ctx, j); err != nil {
			s.Log.WarnContext(ctx, "live progress not shown", "job", id, "err", err)
		}
	}
	return j, nil
}

// Find returns the job whoever owns it; for operators.
func (s *Service) Find(ctx context.Context, id string) (job.Job, error) {
	j, err := s.Store.Job(ctx, id)
	if err != nil {
		return job.Job{}, err
	}
	return s.Get(ctx, j.Owner, id)
}

func (s *Service) getLive(ctx context.Context, id string) (job.Job, bool, error) {
	ctx, cancel := context.WithTimeout(ctx, liveTimeout)
	defer cancel()
	j, ok, err := s.Live.Get(ctx, id)
	if err != nil {
		s.Log.WarnContext(ctx, "live progress not read; asking the store", "job", id, "err", err)
	}
	return j, ok && err == nil, err
}

// List returns the jobs that pass the filter, newest first.
func (s *Service) List(ctx context.Context, f job.Filter) ([]job.Job, error) {
	list, err := s.Store.Jobs(ctx, f)
	for i := range list {
		if err == nil {
			list[i], err = s.alignBeforeShowing(ctx, list[i])
		}
	}
	return list, err
}
