// Package workerproc is a worker process: what cmd/worker runs alone and `muster dev` runs beside the API.
package workerproc

import (
	"context"
	"fmt"
	"runtime/debug"
	"sync"

	"github.com/musterhq/muster/cmd/internal/boot"
	"github.com/musterhq/muster/internal/job"
	"github.com/musterhq/muster/internal/progress"
	"github.com/musterhq/muster/internal/ratelimit"
	"github.com/musterhq/muster/internal/source"
	"github.com/musterhq/muster/internal/tasks"
	"github.com/musterhq/muster/internal/webhook"
	"github.com/musterhq/muster/internal/worker"
)

// Run takes tasks and reconciles jobs until ctx ends, then finishes the batches that it has begun and gives their
// chunks back.
func Run(ctx context.Context, s *boot.Stack) error {
	c := s.Config
	faker, err := source.NewFaker()
	if err != nil {
		return fmt.Errorf("faker's word lists: %w", err)
	}
	service := s.Jobs()
	drain := make(chan struct{})
	metrics := worker.NewMetrics(s.Metrics)
	importer := &worker.Importer{
		Chunks: s.Store, Jobs: service, Progress: progress.New(s.Redis, c.RedisPrefix), BatchRows: c.EffectiveBatchRows(), Lease: c.Lease,
		Drain: drain, Log: s.Log, Metrics: metrics, Traces: s.Traces,
		Sources: map[string]worker.Source{
			job.SourceFaker: faker,
			job.SourceRandomUser: source.NewRandomUser(source.RandomUserConfig{
				BaseURL: c.RandomUserURL, Logger: s.Log, Metrics: source.NewMetrics(s.Metrics), MaxElapsed: c.Lease * 3 / 4,
				Budget: ratelimit.NewBudget(s.Redis, c.RedisPrefix, c.RandomUserUsers, c.RandomUserWindow),
			}),
		},
	}
	takeFiles(s, importer)
	scheduled, err := s.ScheduleRunner(service)
	if err != nil {
		return err
	}
	guard, err := s.WebhookGuard()
	if err != nil {
		return err
	}
	deliverer := &worker.Deliverer{
		Store: s.Store, Sender: webhook.NewSender(guard), Queue: tasks.NewClient(s.Redis, c.RedisPrefix, 0), Drain: drain, Log: s.Log, Metrics: metrics,
	}
	server := worker.NewServer(worker.ServerConfig{
		Undoer: &worker.Undoer{Store: s.Store, Jobs: service, Drain: drain, Log: s.Log, Metrics: metrics, Traces: s.Traces},
		Redis:  s.Redis, Prefix: c.RedisPrefix, Concurrency: c.WorkerConcurrency, DrainTimeout: c.DrainTimeout, Log: s.Log,
		Importer: importer, Deliverer: deliverer,
	})
	stopHealth, err := serveHealth(ctx, s)
	if err != nil {
		return err
	}
	defer stopHealth()
	if err := server.Start(); err != nil {
		return fmt.Errorf("start taking tasks: %w", err)
	}
	debug.FreeOSMemory() // what faker's word lists were read from is garbage that an idle process would keep
	s.Log.Info("worker runs", "concurrency", c.WorkerConcurrency)
	var loops sync.WaitGroup
	loops.Go(func() { service.RunReconciler(ctx, c.ReconcileInterval) })
	loops.Go(func() { scheduled.Run(ctx, c.ReconcileInterval) })
	loops.Go(func() { deliverer.Run(ctx, c.ReconcileInterval) })
	loops.Go(func() { sweeper(s, service).Run(ctx, sweepEvery) })
	<-ctx.Done()
	close(drain)
	server.Shutdown()
	loops.Wait()
	s.Log.Info("worker stopped")
	return nil
}
