package tasks

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/alicebob/miniredis/v2"
	"github.com/google/go-cmp/cmp"
	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"github.com/musterhq/muster/internal/job"
	"github.com/musterhq/muster/internal/testenv"
)

// each runs fn on the in-process Redis and on a private real one.
func each(t *testing.T, fn func(t *testing.T, rdb *redis.Client)) {
	for name, addr := range map[string]func(t *testing.T) string{
		"miniredis": func(t *testing.T) string { return miniredis.RunT(t).Addr() },
		"redis": func(t *testing.T) string {
			testenv.Redis(t) // skips, or fails, where there is none
			p, err := testenv.StartRedis(t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = p.Kill() })
			return p.Addr
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rdb := redis.NewClient(&redis.Options{Addr: addr(t), DisableIdentity: true})
			t.Cleanup(func() { _ = rdb.Close() })
			fn(t, rdb)
		})
	}
}

func enqueue(t *testing.T, c *Client, chunk int, claims int64) {
	t.Helper()
	if err := c.EnqueueChunk(t.Context(), "SMALL", "job-1", chunk, claims); err != nil {
		t.Fatal(err)
	}
}

func pending(t *testing.T, rdb Redis) int {
	t.Helper()
	info, err := asynq.NewInspectorFromRedisClient(rdb).GetQueueInfo("small")
	if err != nil {
		t.Fatal(err)
	}
	return info.Pending
}

// However often it is enqueued, a chunk has one task in the queue until it is claimed.
func TestTasksDoNotPileUp(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, rdb *redis.Client) {
		c := NewClient(rdb, job.DefaultPrefix, 0)
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() { enqueue(t, c, 0, 0) })
		}
		wg.Wait()
		enqueue(t, c, 1, 0)
		if n := pending(t, rdb); n != 2 {
			t.Fatalf("%d tasks for two chunks", n)
		}
		enqueue(t, c, 0, 1)
		if n := pending(t, rdb); n != 3 {
			t.Fatalf("%d tasks after the next claim, want 3", n)
		}
	})
}

// Depth reads asynq's own keys: it must count what asynq put there, in each queue.
func TestDepth(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, rdb *redis.Client) {
		c := NewClient(rdb, job.DefaultPrefix, 0)
		want := 0
		for queue := range Queues(job.DefaultPrefix) {
			for chunk := range 3 {
				if err := c.EnqueueChunk(t.Context(), job.Tier(strings.ToUpper(queue)), "j", chunk, 0); err != nil {
					t.Fatal(err)
				}
				want++
			}
		}
		if got, err := c.Depth(t.Context()); err != nil || got != int64(want) {
			t.Errorf("%d tasks wait, %v, want %d", got, err, want)
		}
	})
}

// Deployments that have a prefix each do not see one another's tasks. Those of the default prefix stay where they were before
// there were prefixes.
func TestPrefix(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, rdb *redis.Client) {
		ours, theirs := NewClient(rdb, job.DefaultPrefix, 0), NewClient(rdb, "other", 0)
		for range 2 { // the same task ids
			enqueue(t, ours, 0, 0)
			enqueue(t, theirs, 0, 0)
		}
		enqueue(t, theirs, 1, 0)
		for client, want := range map[*Client]int64{ours: 1, theirs: 2} {
			if got, err := client.Depth(t.Context()); err != nil || got != want {
				t.Errorf("prefix %s: %d tasks wait, %v, want %d", client.prefix, got, err, want)
			}
		}
		for key, want := range map[string]int64{"asynq:{small}:pending": 1, "asynq:{other-small}:pending": 2} {
			if got := rdb.LLen(t.Context(), key).Val(); got != want {
				t.Errorf("%s has %d tasks, want %d", key, got, want)
			}
		}
	})
}

// A check leaves the queue as it was.
func TestCheck(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, rdb *redis.Client) {
		c := NewClient(rdb, "other", 0)
		if err := c.Check(t.Context()); err != nil {
			t.Fatal(err)
		}
		if depth, err := c.Depth(t.Context()); err != nil || depth != 0 {
			t.Errorf("%d tasks wait, %v", depth, err)
		}
		for _, key := range rdb.Keys(t.Context(), "asynq:{*").Val() {
			if ttl := rdb.PTTL(t.Context(), key).Val(); ttl == -1 {
				t.Errorf("%s never expires", key)
			}
		}
	})
}

// A task that a worker took, and died before it claimed the chunk, does not keep another one from being enqueued.
func TestStuckTaskIsPassedBy(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, rdb *redis.Client) {
		c := NewClient(rdb, job.DefaultPrefix, 0)
		taken, release := make(chan ChunkPayload), make(chan struct{})
		srv := NewServer(rdb, asynq.Config{Concurrency: 1, Queues: Queues(job.DefaultPrefix), LogLevel: asynq.FatalLevel})
		if err := srv.Start(asynq.HandlerFunc(func(_ context.Context, task *asynq.Task) error {
			p, err := ParseChunk(task.Payload())
			if err != nil {
				t.Error(err)
			}
			taken <- p
			<-release
			return nil
		})); err != nil {
			t.Fatal(err)
		}
		enqueue(t, c, 3, 0)
		if diff := cmp.Diff(ChunkPayload{JobID: "job-1", Chunk: 3}, <-taken); diff != "" {
			t.Errorf("payload (-want +got):\n%s", diff)
		}
		enqueue(t, c, 3, 0)
		if n := pending(t, rdb); n != 1 {
			t.Errorf("%d tasks beside the stuck one, want 1", n)
		}
		close(release)
		<-taken
		srv.Shutdown()
		if err := rdb.Ping(t.Context()).Err(); err != nil {
			t.Errorf("the server closed the shared client: %v", err)
		}
		enqueue(t, c, 3, 0) // the id is free again
		if n := pending(t, rdb); n != 1 {
			t.Errorf("%d tasks after the end, want 1", n)
		}
	})
}

// A flushed Redis has lost asynq's set of queues, to which asynq's client adds a queue the first time only.
func TestEnqueueAfterAFlush(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, rdb *redis.Client) {
		c := NewClient(rdb, job.DefaultPrefix, 0)
		enqueue(t, c, 0, 0)
		if err := rdb.FlushDB(t.Context()).Err(); err != nil {
			t.Fatal(err)
		}
		enqueue(t, c, 0, 0)
		enqueue(t, c, 0, 0) // asks the inspector, which must know the queue
		if n := pending(t, rdb); n != 1 {
			t.Errorf("%d tasks, want 1", n)
		}
	})
}

func TestEnqueueWithoutRedis(t *testing.T) {
	t.Parallel()
	rdb := redis.NewClient(&redis.Options{Addr: "127.0.0.1:1", MaxRetries: -1})
	t.Cleanup(func() { _ = rdb.Close() })
	c := NewClient(rdb, job.DefaultPrefix, 0)
	for doing, err := range map[string]error{"enqueue": c.EnqueueChunk(t.Context(), "XL", "j", 0, 0), "check": c.Check(t.Context())} {
		if !errors.Is(err, job.ErrQueueUnavailable) {
			t.Errorf("%s: %v, want ErrQueueUnavailable", doing, err)
		}
	}
}

func TestEveryTierHasAQueue(t *testing.T) {
	t.Parallel()
	tiers, err := job.ParseTiers(job.DefaultTiers)
	if err != nil {
		t.Fatal(err)
	}
	weight := 1 << 30
	for _, l := range tiers {
		w, ok := Queues(job.DefaultPrefix)[Queue(job.DefaultPrefix, l.Tier)]
		if !ok || w >= weight {
			t.Errorf("queue of %s: weight %d after %d", l.Tier, w, weight)
		}
		weight = w
	}
}

func TestParseChunk(t *testing.T) {
	t.Parallel()
	for _, bad := range []string{"", "{}", `{"job":"a","chunk":-2}`, `{"job":1}`} {
		if _, err := ParseChunk([]byte(bad)); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
}
