// Package tasks names the queue's tasks and puts them there. A task only says where to look: it carries a job id and a
// chunk number, and may be lost, late or doubled without harm.
package tasks

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"github.com/musterhq/muster/internal/job"
)

// TypeChunk is the task that says a chunk may be ready.
const TypeChunk = "import:chunk"

// TypeUndo is the task that says the users of a job are to be removed.
const TypeUndo = "import:undo"

// UndoPayload is the payload of TypeUndo.
type UndoPayload struct {
	JobID string `json:"job"`
}

// ParseUndo reads the payload of TypeUndo.
func ParseUndo(payload []byte) (UndoPayload, error) {
	var p UndoPayload
	if err := json.Unmarshal(payload, &p); err != nil {
		return p, fmt.Errorf("payload of %s: %w", TypeUndo, err)
	}
	if p.JobID == "" {
		return p, fmt.Errorf("payload of %s names no job", TypeUndo)
	}
	return p, nil
}

// TypeDelivery is the task that says a delivery of a webhook may be due.
const TypeDelivery = "webhook:deliver"

// DeliveryPayload is the payload of TypeDelivery.
type DeliveryPayload struct {
	ID string `json:"delivery"`
}

// ParseDelivery reads the payload of TypeDelivery.
func ParseDelivery(payload []byte) (DeliveryPayload, error) {
	var p DeliveryPayload
	if err := json.Unmarshal(payload, &p); err != nil {
		return p, fmt.Errorf("payload of %s: %w", TypeDelivery, err)
	}
	if p.ID == "" {
		return p, fmt.Errorf("payload of %s names no delivery", TypeDelivery)
	}
	return p, nil
}

// ChunkPayload is the payload of TypeChunk. asynq rewrites payloads every few seconds: it stays tiny.
type ChunkPayload struct {
	JobID string `json:"job"`
	Chunk int    `json:"chunk"`
}

// ParseChunk reads the payload of TypeChunk.
func ParseChunk(payload []byte) (ChunkPayload, error) {
	var p ChunkPayload
	if err := json.Unmarshal(payload, &p); err != nil {
		return p, fmt.Errorf("payload of %s: %w", TypeChunk, err)
	}
	if p.JobID == "" || p.Chunk < job.PrepareChunk {
		return p, fmt.Errorf("payload of %s names no chunk", TypeChunk)
	}
	return p, nil
}

// Queue returns the name of the queue of a tier's jobs, for those whose keys begin with prefix. asynq puts it in braces: what
// one script touches lies on one node of a cluster.
func Queue(prefix string, t job.Tier) string {
	name := strings.ToLower(string(t))
	if prefix == job.DefaultPrefix { // as before there were prefixes
		return name
	}
	return prefix + "-" + name
}

// WebhookQueue returns the name of the queue of deliveries. It has workers' places of its own: receivers are slow, and chunks
// must not wait for them.
func WebhookQueue(prefix string) string { return Queue(prefix, "WEBHOOKS") }

// Queues returns every queue of jobs with its weight: the share of a busy worker's attention. Small jobs pass large ones, and none
// starves.
func Queues(prefix string) map[string]int {
	queues := map[string]int{}
	for tier, weight := range map[job.Tier]int{"SMALL": 8, "MEDIUM": 4, "LARGE": 2, "XL": 1, job.TierExport: 2} {
		queues[Queue(prefix, tier)] = weight
	}
	return queues
}

// Redis is the client that the queue works with. Closing it is up to the caller.
type Redis = redis.UniversalClient

// SharedRedis returns a client in the form that asynqmon takes. Do not close the asynqmon handler: that would close the
// client.
func SharedRedis(rdb Redis) asynq.RedisConnOpt { return shared{rdb} }

type shared struct{ rdb Redis }

// MakeRedisClient returns the client itself: asynqmon's pages look at its concrete type.
func (s shared) MakeRedisClient() any { return s.rdb }
