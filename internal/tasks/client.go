package tasks

import (
	"context"
	_ "embed" // for the script
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"github.com/musterhq/muster/internal/job"
	"github.com/musterhq/muster/internal/tracing"
)

// Client puts tasks into the queue.
type Client struct {
	rdb       Redis
	prefix    string
	client    *asynq.Client
	inspector *asynq.Inspector
	timeout   time.Duration
	check     *redis.Script
}

//go:embed lua/check.lua
var checkLua string

// How long a call may take, how long a handler may work on a chunk by default, and how often asynq may retry a task:
// handlers fail only when their process dies, and the reconciler mends that sooner.
const (
	callTimeout  = 2 * time.Second
	chunkTimeout = 10 * time.Minute
	// A file is prepared in one go, and begun anew by whoever takes over. Its reader holds a lease meanwhile.
	prepareTimeout = 24 * time.Hour
	maxRetry       = 3

	deliveryTimeout = time.Minute
)

// NewClient enqueues through rdb, which stays the caller's to close, into the queues of a prefix. A chunk's handler may work
// for timeout; 0 means 10 minutes.
func NewClient(rdb Redis, prefix string, timeout time.Duration) *Client {
	if timeout == 0 {
		timeout = chunkTimeout
	}
	return &Client{
		rdb: rdb, prefix: prefix, timeout: timeout, check: redis.NewScript(checkLua),
		client: asynq.NewClientFromRedisClient(rdb), inspector: asynq.NewInspectorFromRedisClient(rdb),
	}
}

// EnqueueChunk puts a task for the chunk into the tier's queue, unless one that nobody took yet is there; claims is how
// often the chunk was claimed so far. The error wraps job.ErrQueueUnavailable.
//
// The task id job:chunk:claims stays the same until a worker claims the chunk, so that tasks do not pile up however
// long the queue is and however many processes enqueue. A task that asynq holds as active or archived is stuck, as its
// worker died before it claimed: then another task is enqueued, whose id has the time in steps of 10 s appended.
func (c *Client) EnqueueChunk(ctx context.Context, tier job.Tier, jobID string, chunk int, claims int64) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	payload, err := json.Marshal(ChunkPayload{JobID: jobID, Chunk: chunk})
	if err != nil {
		return err
	}
	timeout := c.timeout
	if chunk == job.PrepareChunk || tier == job.TierExport { // which are begun anew by whoever takes over, under a lease, too
		timeout = prepareTimeout
	}
	return c.add(ctx, Queue(c.prefix, tier), fmt.Sprintf("%s:%d:%d", jobID, chunk, claims), TypeChunk, payload, timeout)
}

// EnqueueUndo puts a task for the removal of the job's users into the tier's queue, unless one is there; rows is how
// many rows of the job are undone so far. The task id is job:undo:rows; the rest is as with EnqueueChunk.
func (c *Client) EnqueueUndo(ctx context.Context, tier job.Tier, jobID string, rows int64) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	payload, err := json.Marshal(UndoPayload{JobID: jobID})
	if err != nil {
		return err
	}
	return c.add(ctx, Queue(c.prefix, tier), fmt.Sprintf("%s:undo:%d", jobID, rows), TypeUndo, payload, c.timeout)
}

// EnqueueDelivery puts a task for a delivery into the queue of webhooks, unless one that nobody took yet is there; claims is
// how often the delivery was claimed so far. The task id is delivery:claims; the rest is as with EnqueueChunk.
func (c *Client) EnqueueDelivery(ctx context.Context, id string, claims int64) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	payload, err := json.Marshal(DeliveryPayload{ID: id})
	if err != nil {
		return err
	}
	return c.add(ctx, WebhookQueue(c.prefix), fmt.Sprintf("%s:%d", id, claims), TypeDelivery, payload, deliveryTimeout)
}

// Depth returns how many tasks wait in all queues. The error wraps job.ErrQueueUnavailable.
func (c *Client) Depth(ctx context.Context) (depth int64, err error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	// Not the Inspector: it also measures the memory of each queue.
	var lengths []*redis.IntCmd
	_, err = c.rdb.Pipelined(ctx, func(p redis.Pipeliner) error {
		for queue := range Queues(c.prefix) {
			lengths = append(lengths, p.LLen(ctx, key(queue, "pending")))
		}
		return nil
	})
	for _, n := range lengths {
		depth += n.Val()
	}
	return depth, job.QueueUnavailable("enqueue", err)
}

// Check writes what expires at once, beside asynq's keys and by the commands that asynq enqueues with: whatever keeps Redis
// from it keeps every task from the queue. The error wraps job.ErrQueueUnavailable.
func (c *Client) Check(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	queue := Queue(c.prefix, "SMALL")
	if err := c.rdb.SAdd(ctx, allQueues, queue).Err(); err != nil {
		return job.QueueUnavailable("enqueue", err)
	}
	return job.QueueUnavailable("enqueue", c.check.Run(ctx, c.rdb, []string{key(queue, "check:task"), key(queue, "check")}).Err())
}

// allQueues is asynq's set of queues, which is one for all prefixes.
const allQueues = "asynq:queues"

// key returns a key of asynq's for the queue.
func key(queue, name string) string { return "asynq:{" + queue + "}:" + name }

// add enqueues a task under the id, as EnqueueChunk says, which carries the trace of ctx. Its handler may work for timeout.
func (c *Client) add(ctx context.Context, queue, id, kind string, payload []byte, timeout time.Duration) (err error) {
	ctx, span := tracing.StartProducer(ctx, "enqueue "+kind)
	defer func() { tracing.End(span, err) }()
	task := asynq.NewTask(kind, payload)
	if parent := tracing.Parent(ctx); parent != "" {
		task = asynq.NewTaskWithHeaders(kind, payload, map[string]string{tracing.Header: parent})
	}
	// asynq's client adds a queue to the set of queues the first time only. After a flush of Redis the queue would be missing
	// there: its tasks would be done, but the inspector and the dashboard would not find them.
	if err := c.rdb.SAdd(ctx, allQueues, queue).Err(); err != nil {
		return job.QueueUnavailable("enqueue", err)
	}
	err = c.enqueue(ctx, queue, id, task, timeout)
	if !errors.Is(err, asynq.ErrTaskIDConflict) {
		return job.QueueUnavailable("enqueue", err)
	}
	info, err := c.inspector.GetTaskInfo(queue, id)
	switch {
	case errors.Is(err, asynq.ErrTaskNotFound): // taken and done in between
		return ignoreConflict(c.enqueue(ctx, queue, id, task, timeout))
	case err != nil:
		return job.QueueUnavailable("enqueue", err)
	case info.State == asynq.TaskStateActive, info.State == asynq.TaskStateArchived, info.State == asynq.TaskStateCompleted:
		now, err := c.rdb.Time(ctx).Result() // every process reads the same clock
		if err != nil {
			return job.QueueUnavailable("enqueue", err)
		}
		return ignoreConflict(c.enqueue(ctx, queue, fmt.Sprintf("%s:%d", id, now.Unix()/10), task, timeout))
	}
	return nil
}

func (c *Client) enqueue(ctx context.Context, queue, id string, task *asynq.Task, timeout time.Duration) error {
	_, err := c.client.EnqueueContext(ctx, task,
		asynq.Queue(queue), asynq.TaskID(id), asynq.Timeout(timeout), asynq.MaxRetry(maxRetry))
	if err == nil {
		// For idle workers. Where it fails they find the task when they look.
		_ = c.rdb.Publish(ctx, channel(queue), "").Err()
	}
	return err
}

// ignoreConflict returns nil also when a task with that id is in the queue already.
func ignoreConflict(err error) error {
	if errors.Is(err, asynq.ErrTaskIDConflict) {
		return nil
	}
	return job.QueueUnavailable("enqueue", err)
}
