// Package workerproc is a worker process: what cmd/worker runs alone and `muster dev` runs beside the API.
package workerproc

import (
	"context"
	"fmt"

	"github.com/musterhq/muster/cmd/internal/boot"
	"github.com/musterhq/muster/internal/job"
	"github.com/musterhq/muster/internal/progress"
	"github.com/musterhq/muster/internal/ratelimit"
	"github.com/musterhq/muster/internal/source"
	"github.com/musterhq/muster/internal/tasks"
	"github.com/musterhq/muster/internal/worker"
)

// Run works until ctx ends, then finishes the batches in hand and gives their chunks back.
func Run(ctx context.Context, s *boot.Stack) error {
	c := s.Config
	faker, err := source.NewFaker()
	if err != nil {
		return fmt.Errorf("faker's word lists: %w", err)
	}
	bells := tasks.NewBells(s.Redis, 0)
	live := progress.New(s.Redis)
	keeper := &worker.Keeper{
		Jobs: s.Store, House: s.Store, Bells: bells, Undos: bells, Live: live, Tiers: s.Tiers, Window: c.Window, Interval: c.KeeperInterval, Log: s.Log,
		Slots: ratelimit.NewSlots(s.Redis, ratelimit.Options{ReserveLease: c.SlotReserveLease, RenewLease: c.SlotLease}),
	}
	drain := make(chan struct{})
	server := worker.NewServer(worker.ServerConfig{
		Undoer: &worker.Undoer{Store: s.Store, Keeper: keeper, Live: live, Drain: drain, Log: s.Log},
		Redis:  s.Redis, Concurrency: c.WorkerConcurrency, DrainTimeout: c.DrainTimeout, Log: s.Log,
		Importer: &worker.Importer{
			Chunks: s.Store, Bells: bells, Live: live, Keeper: keeper, BatchRows: c.EffectiveBatchRows(), Window: c.Window,
			Lease: c.Lease, Drain: drain, Log: s.Log,
			Sources: map[string]worker.Source{
				job.SourceFaker: faker,
				job.SourceRandomUser: source.NewRandomUser(source.RandomUserConfig{
					BaseURL: c.RandomUserURL, Logger: s.Log, MaxElapsed: c.Lease * 3 / 4,
					Budget: ratelimit.NewBudget(s.Redis, c.RandomUserUsers, c.RandomUserWindow),
				}),
			},
		},
	})
	stopHealth, err := serveHealth(ctx, s)
	if err != nil {
		return err
	}
	defer stopHealth()
	if err := server.Start(); err != nil {
		return fmt.Errorf("start taking tasks: %w", err)
	}
	s.Log.Info("worker runs", "concurrency", c.WorkerConcurrency)
	keeping := make(chan struct{})
	go func() {
		defer close(keeping)
		keeper.Run(ctx)
	}()
	<-ctx.Done()
	close(drain)
	server.Shutdown()
	<-keeping
	s.Log.Info("worker stopped")
	return nil
}
