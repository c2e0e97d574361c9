package tasks

import (
	"context"
	"os"
	"testing"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"github.com/musterhq/muster/internal/job"
)

// The fleet has each worker of the prefix with what it has in hand, and what waits in the queues.
func TestFleet(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, rdb *redis.Client) {
		c := NewClient(rdb, job.DefaultPrefix, 0)
		taken, release := make(chan struct{}, 2), make(chan struct{})
		work := func(context.Context, *asynq.Task) error {
			taken <- struct{}{}
			<-release
			return nil
		}
		for _, prefix := range []string{job.DefaultPrefix, "other"} {
			srv := NewServer(rdb, asynq.Config{Concurrency: 2, Queues: Queues(prefix), LogLevel: asynq.FatalLevel})
			if err := srv.Start(asynq.HandlerFunc(work)); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(srv.Shutdown)
		}
		t.Cleanup(func() { close(release) })
		enqueue(t, c, 7, 0)
		<-taken
		if err := c.EnqueueUndo(t.Context(), "XL", "job-2", 0); err != nil {
			t.Fatal(err)
		}
		<-taken
		enqueue(t, c, 8, 0) // both hands are full

		f := fleetInHand(t, c, 2)
		w := f.Workers[0]
		if w.PID != os.Getpid() || w.Concurrency != 2 || w.Started.IsZero() {
			t.Errorf("worker: %+v", w)
		}
		for i, want := range []job.TaskInHand{{JobID: "job-1", Chunk: 7}, {JobID: "job-2", Undo: true}} {
			got := w.InHand[i]
			if got.Since.IsZero() {
				t.Errorf("task %d has no time", i)
			}
			got.Since = time.Time{}
			if got != want {
				t.Errorf("task %d in hand: %+v, want %+v", i, got, want)
			}
		}
		if len(f.Queues) != 5 || f.Queues[0].Name != "small" || f.Queues[2].Name != "export" || f.Queues[4].Name != "xl" {
			t.Fatalf("queues: %+v", f.Queues)
		}
		if q := f.Queues[0]; q.Pending != 1 || q.Active != 1 {
			t.Errorf("queue small: %+v, want one pending and one active", q)
		}
		if q := f.Queues[4]; q.Pending != 0 || q.Active != 1 {
			t.Errorf("queue xl: %+v, want one active", q)
		}
	})
}

// fleetInHand returns the fleet once it has one worker with n tasks in hand, of which asynq tells with its heartbeat.
func fleetInHand(t *testing.T, c *Client, n int) job.Fleet {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		f, err := c.Fleet()
		if err != nil {
			t.Fatal(err)
		}
		if len(f.Workers) == 1 && len(f.Workers[0].InHand) == n {
			return f
		}
		if time.Now().After(deadline) {
			t.Fatalf("workers: %+v", f.Workers)
		}
	}
}
