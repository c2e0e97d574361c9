package worker

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/hibiken/asynq"

	"github.com/musterhq/muster/internal/tasks"
	"github.com/musterhq/muster/internal/tracing"
)

// Server takes tasks from the queue and hands them to the Importer.
type Server struct {
	jobs, webhooks *tasks.Server
	mux            *asynq.ServeMux
}

// ServerConfig is what a Server needs. All fields are required.
type ServerConfig struct {
	Redis        tasks.Redis
	Prefix       string // of the queues
	Importer     *Importer
	Undoer       *Undoer
	Deliverer    *Deliverer
	Concurrency  int           // chunks at once in this process
	DrainTimeout time.Duration // how long Shutdown waits for the batches in hand
	Log          *slog.Logger
}

// NewServer prepares a Server; Start makes it take tasks.
func NewServer(c ServerConfig) *Server {
	config := asynq.Config{
		Concurrency:     c.Concurrency,
		Queues:          tasks.Queues(c.Prefix),
		ShutdownTimeout: c.DrainTimeout,
		// asynq only ever retries the tasks of dead workers, long after the reconciler enqueued new ones: a retry soon finds
		// its chunk done, and is gone.
		RetryDelayFunc: func(int, error, *asynq.Task) time.Duration { return time.Second },
		Logger:         asynqLog{c.Log.With("part", "asynq")},
		LogLevel:       asynq.WarnLevel,
	}
	webhooks := config
	webhooks.Concurrency, webhooks.Queues = deliveriesAtOnce, map[string]int{tasks.WebhookQueue(c.Prefix): 1}
	s := &Server{mux: asynq.NewServeMux(), jobs: tasks.NewServer(c.Redis, config), webhooks: tasks.NewServer(c.Redis, webhooks)}
	// Every task handler of the fleet.
	s.mux.HandleFunc(tasks.TypeChunk, func(ctx context.Context, t *asynq.Task) error { // enqueued by jobs: a submission, the chunk one window before, or the reconciler
		p, err := tasks.ParseChunk(t.Payload())
		if err != nil {
			return fmt.Errorf("%w: %w", err, asynq.SkipRetry)
		}
		c.Importer.Import(tracing.Continue(ctx, t.Headers()[tracing.Header]), p.JobID, p.Chunk)
		return nil
	})
	s.mux.HandleFunc(tasks.TypeUndo, func(ctx context.Context, t *asynq.Task) error { // enqueued by jobs: a request to undo, or the reconciler
		p, err := tasks.ParseUndo(t.Payload())
		if err != nil {
			return fmt.Errorf("%w: %w", err, asynq.SkipRetry)
		}
		c.Undoer.Undo(tracing.Continue(ctx, t.Headers()[tracing.Header]), p.JobID)
		return nil
	})
	s.mux.HandleFunc(tasks.TypeDelivery, func(ctx context.Context, t *asynq.Task) error { // enqueued by the Deliverer of any worker, when a delivery is due
		p, err := tasks.ParseDelivery(t.Payload())
		if err != nil {
			return fmt.Errorf("%w: %w", err, asynq.SkipRetry)
		}
		c.Deliverer.Deliver(ctx, p.ID)
		return nil
	})
	return s
}

// deliveriesAtOnce is how many webhooks a worker delivers at once, which mostly is to wait for receivers.
const deliveriesAtOnce = 16

// Start begins to take tasks; it does not block.
func (s *Server) Start() error {
	if err := s.jobs.Start(s.mux); err != nil {
		return err
	}
	if err := s.webhooks.Start(s.mux); err != nil {
		s.jobs.Shutdown()
		return err
	}
	return nil
}

// Shutdown stops taking tasks and waits for the handlers, at most the drain timeout. Close the Importer's Drain
// first: asynq tells handlers nothing before that timeout is over.
func (s *Server) Shutdown() {
	s.jobs.Stop()
	s.webhooks.Stop()
	s.webhooks.Shutdown()
	s.jobs.Shutdown()
}

// asynqLog lets asynq log through slog.
type asynqLog struct{ log *slog.Logger }

func (l asynqLog) Debug(args ...any) { l.log.Debug("queue", "says", fmt.Sprint(args...)) }
func (l asynqLog) Info(args ...any)  { l.log.Info("queue", "says", fmt.Sprint(args...)) }
func (l asynqLog) Warn(args ...any)  { l.log.Warn("queue", "says", fmt.Sprint(args...)) }
func (l asynqLog) Error(args ...any) { l.log.Error("queue", "says", fmt.Sprint(args...)) }
func (l asynqLog) Fatal(args ...any) {
	l.log.Error("queue", "says", fmt.Sprint(args...))
	os.Exit(1)
}
