package boot

import (
	"fmt"

	"github.com/musterhq/muster/internal/jobs"
	"github.com/musterhq/muster/internal/progress"
	"github.com/musterhq/muster/internal/ratelimit"
	"github.com/musterhq/muster/internal/tasks"
	"github.com/musterhq/muster/internal/webhook"
)

// Jobs returns the service by which API and workers submit, move and reconcile jobs, on the stack's database and Redis.
func (s *Stack) Jobs() *jobs.Service {
	c := s.Config
	service := &jobs.Service{
		Store: s.Store, Repair: s.Store, Live: progress.New(s.Redis, c.RedisPrefix), Queue: tasks.NewClient(s.Redis, c.RedisPrefix, 0),
		Slots: ratelimit.NewSlots(s.Redis, ratelimit.Options{Prefix: c.RedisPrefix, ReserveLease: c.SlotReserveLease, RenewLease: c.SlotLease}),
		Tiers: s.Tiers, Window: c.Window, AtOnce: min(4, c.DBMaxConns/2), Log: s.Log, Metrics: s.jobMetrics,
		MaxCount: c.MaxCount, ChunkRows: c.ChunkRows, BatchRows: int64(c.EffectiveBatchRows()), MaxDepth: c.MaxQueueDepth, Upstream: c.Upstream(),
	}
	if files := s.FileExport(); files != nil {
		service.Exports = files
	}
	return service
}

// WebhookGuard returns what says where webhooks may be sent to.
func (s *Stack) WebhookGuard() (*webhook.Guard, error) {
	networks, err := webhook.ParseNetworks(s.Config.WebhookNetworks)
	if err != nil {
		return nil, fmt.Errorf("MUSTER_WEBHOOK_ALLOWED_NETWORKS: %w", err)
	}
	return webhook.NewGuard(networks), nil
}
