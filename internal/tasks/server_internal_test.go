package tasks

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"github.com/musterhq/muster/internal/job"
)

// looks counts how often a queue is looked at.
type looks struct {
	Redis
	n atomic.Int64
}

func (l *looks) EvalSha(ctx context.Context, sha string, keys []string, args ...any) *redis.Cmd {
	if strings.HasSuffix(keys[0], ":pending") {
		l.n.Add(1)
	}
	return l.Redis.EvalSha(ctx, sha, keys, args...)
}

// A server that does not know the script, as one that was started anew, shifts nothing: whichever queue the next task comes to, the
// look that its message asks for is a whole one.
func TestServerOfForgottenScripts(t *testing.T) {
	t.Parallel()
	rdb := redis.NewClient(&redis.Options{Addr: miniredis.RunT(t).Addr()})
	t.Cleanup(func() { _ = rdb.Close() })
	s, taken := idleServer(t, rdb, time.Hour)
	c := NewClient(rdb, job.DefaultPrefix, 0)
	within(t, "it subscribes", s.sleeper.told.Load)
	for i := range 20 {
		if err := rdb.ScriptFlush(t.Context()).Err(); err != nil {
			t.Fatal(err)
		}
		rdb.Publish(t.Context(), channel("xl"), "") // a look without a task, at a server without the script
		tier := []job.Tier{"SMALL", "MEDIUM", "LARGE", "XL", job.TierExport}[i%5]
		if err := c.EnqueueChunk(t.Context(), tier, "job-3", i, 0); err != nil {
			t.Fatal(err)
		}
		take(t, taken, "job-3")
	}
}

// idleServer starts a server whose sleep ends by itself after the given time only, and returns what it takes.
func idleServer(t *testing.T, rdb Redis, longest time.Duration) (*Server, <-chan string) {
	t.Helper()
	taken := make(chan string, 10)
	s := NewServer(rdb, asynq.Config{Concurrency: 2, Queues: Queues(job.DefaultPrefix), LogLevel: asynq.FatalLevel})
	s.sleeper.every, s.sleeper.untold = longest, longest
	if err := s.Start(asynq.HandlerFunc(func(_ context.Context, task *asynq.Task) error {
		taken <- string(task.Payload())
		return nil
	})); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Shutdown) // which a sleeping server must not hold up
	return s, taken
}

func within(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !done(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within a minute: %s", what)
		}
	}
}

func take(t *testing.T, taken <-chan string, want string) {
	t.Helper()
	select {
	case got := <-taken:
		if !strings.Contains(got, want) {
			t.Errorf("took %s, want %s", got, want)
		}
	case <-time.After(time.Minute):
		t.Fatal("nobody took the task")
	}
}

// A server that would sleep for an hour takes each task that Client enqueues, and sleeps again.
func TestServerWakesForATask(t *testing.T) {
	t.Parallel()
	rdb := redis.NewClient(&redis.Options{Addr: miniredis.RunT(t).Addr()})
	t.Cleanup(func() { _ = rdb.Close() })
	counted := &looks{Redis: rdb}
	s, taken := idleServer(t, counted, time.Hour)
	within(t, "it subscribes", s.sleeper.told.Load)
	c := NewClient(rdb, job.DefaultPrefix, 0)
	for chunk, tier := range []job.Tier{"SMALL", "XL", "SMALL"} {
		if err := c.EnqueueChunk(t.Context(), tier, "job-1", chunk, 0); err != nil {
			t.Fatal(err)
		}
		take(t, taken, `"job":"job-1"`)
	}
	all, before := int64(len(Queues(job.DefaultPrefix))), counted.n.Load()
	rdb.Publish(t.Context(), channel(Queue(job.DefaultPrefix, "XL")), "")
	within(t, "it looks", func() bool { return counted.n.Load() >= before+all })
	time.Sleep(100 * time.Millisecond)
	// Messages of before may have come late. asynq alone would have looked a hundred times.
	if rounds := (counted.n.Load() - before) / all; rounds > 10 {
		t.Errorf("it does not sleep: %d looks at all queues", rounds)
	}
}

// A task that came without Client waits for the server's next look.
func TestServerLooksByItself(t *testing.T) {
	t.Parallel()
	rdb := redis.NewClient(&redis.Options{Addr: miniredis.RunT(t).Addr()})
	t.Cleanup(func() { _ = rdb.Close() })
	_, taken := idleServer(t, rdb, 20*time.Millisecond)
	for range 3 {
		if _, err := asynq.NewClientFromRedisClient(rdb).Enqueue(asynq.NewTask(TypeChunk, []byte("by hand")), asynq.Queue("xl")); err != nil {
			t.Fatal(err)
		}
		take(t, taken, "by hand")
	}
}

// A server that was cut off hears of tasks again when Redis is back.
func TestServerSubscribesAgain(t *testing.T) {
	t.Parallel()
	server := miniredis.RunT(t)
	rdb := redis.NewClient(&redis.Options{Addr: server.Addr()})
	t.Cleanup(func() { _ = rdb.Close() })
	s, taken := idleServer(t, rdb, time.Hour)
	within(t, "it subscribes", s.sleeper.told.Load)
	addr := server.Addr()
	server.Close()
	if err := server.StartAddr(addr); err != nil {
		t.Fatal(err)
	}
	c := NewClient(rdb, job.DefaultPrefix, 0)
	within(t, "Redis takes tasks again", func() bool { return c.EnqueueChunk(t.Context(), "SMALL", "job-2", 0, 0) == nil })
	take(t, taken, "job-2") // by the message, or by the new subscription
}
