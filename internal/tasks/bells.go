package tasks

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"github.com/musterhq/muster/internal/job"
)

// Bells rings for chunks.
type Bells struct {
	rdb       Redis
	client    *asynq.Client
	inspector *asynq.Inspector
	timeout   time.Duration
}

// How long a call may take, how long a handler may work on a chunk by default, and how often asynq may retry: handlers
// fail only by dying, and the keeper mends that sooner.
const (
	ringTimeout  = 2 * time.Second
	chunkTimeout = 10 * time.Minute
	maxRetry     = 3
)

// NewBells rings through rdb. A chunk's handler may work for timeout; 0 means 10 minutes.
func NewBells(rdb Redis, timeout time.Duration) *Bells {
	if timeout == 0 {
		timeout = chunkTimeout
	}
	return &Bells{
		rdb: rdb, timeout: timeout,
		client: asynq.NewClientFromRedisClient(rdb), inspector: asynq.NewInspectorFromRedisClient(rdb),
	}
}

// Ring puts a bell for the chunk into the tier's queue, unless one that nobody took yet is there; claims is how often
// the chunk was claimed so far. The error wraps job.ErrQueueUnavailable.
//
// The task id job:chunk:claims stays the same until a worker claims the chunk, so that bells do not pile up however
// long the queue is and however many keepers ring. A task that asynq holds as active or archived is stuck, as its
// worker died before it claimed: then an id with the time in steps of 10 s passes it by.
func (b *Bells) Ring(ctx context.Context, tier job.Tier, jobID string, chunk int, claims int64) error {
	ctx, cancel := context.WithTimeout(ctx, ringTimeout)
	defer cancel()
	payload, err := json.Marshal(ChunkPayload{JobID: jobID, Chunk: chunk})
	if err != nil {
		return err
	}
	return b.ring(ctx, Queue(tier), fmt.Sprintf("%s:%d:%d", jobID, chunk, claims), asynq.NewTask(TypeChunk, payload))
}

// RingUndo puts a bell for the removal of the job's users into the tier's queue; rows is how far that is. It is otherwise
// as Ring.
func (b *Bells) RingUndo(ctx context.Context, tier job.Tier, jobID string, rows int64) error {
	ctx, cancel := context.WithTimeout(ctx, ringTimeout)
	defer cancel()
	payload, err := json.Marshal(UndoPayload{JobID: jobID})
	if err != nil {
		return err
	}
	return b.ring(ctx, Queue(tier), fmt.Sprintf("%s:undo:%d", jobID, rows), asynq.NewTask(TypeUndo, payload))
}

// Depth is how many bells wait in all queues. The error wraps job.ErrQueueUnavailable.
func (b *Bells) Depth(ctx context.Context) (depth int64, err error) {
	ctx, cancel := context.WithTimeout(ctx, ringTimeout)
	defer cancel()
	// Not the Inspector: it also measures the memory of each queue.
	var lengths []*redis.IntCmd
	_, err = b.rdb.Pipelined(ctx, func(p redis.Pipeliner) error {
		for queue := range Queues() {
			lengths = append(lengths, p.LLen(ctx, "asynq:{"+queue+"}:pending"))
		}
		return nil
	})
	for _, n := range lengths {
		depth += n.Val()
	}
	return depth, unavailable(err)
}

func (b *Bells) ring(ctx context.Context, queue, id string, task *asynq.Task) error {
	// asynq's client names a queue once in its life. After a flush nobody else would: its tasks are worked off, but the
	// inspector and the dashboard would not know them.
	if err := b.rdb.SAdd(ctx, "asynq:queues", queue).Err(); err != nil {
		return unavailable(err)
	}
	err := b.enqueue(ctx, queue, id, task)
	if !errors.Is(err, asynq.ErrTaskIDConflict) {
		return unavailable(err)
	}
	info, err := b.inspector.GetTaskInfo(queue, id)
	switch {
	case errors.Is(err, asynq.ErrTaskNotFound): // taken and done in between
		return ignoreConflict(b.enqueue(ctx, queue, id, task))
	case err != nil:
		return unavailable(err)
	case info.State == asynq.TaskStateActive, info.State == asynq.TaskStateArchived, info.State == asynq.TaskStateCompleted:
		now, err := b.rdb.Time(ctx).Result() // every keeper reads the same clock
		if err != nil {
			return unavailable(err)
		}
		return ignoreConflict(b.enqueue(ctx, queue, fmt.Sprintf("%s:%d", id, now.Unix()/10), task))
	}
	return nil
}

func (b *Bells) enqueue(ctx context.Context, queue, id string, task *asynq.Task) error {
	_, err := b.client.EnqueueContext(ctx, task,
		asynq.Queue(queue), asynq.TaskID(id), asynq.Timeout(b.timeout), asynq.MaxRetry(maxRetry))
	return err
}

// ignoreConflict takes a bell that is there already for one that was rung.
func ignoreConflict(err error) error {
	if errors.Is(err, asynq.ErrTaskIDConflict) {
		return nil
	}
	return unavailable(err)
}

func unavailable(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("ring: %w: %w", job.ErrQueueUnavailable, err)
}
