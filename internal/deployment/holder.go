package deployment

import (
	"context"

	"github.com/musterhq/muster/internal/job"
)

// Holder returns the id of the deployment that holds the prefix, and where its database is; empty: nobody holds it. It takes
// nothing. Errors: job.ErrQueueUnavailable.
func (p *Prefix) Holder(ctx context.Context) (id, address string, err error) {
	held, err := p.rdb.HGetAll(ctx, p.key()).Result()
	return held["id"], held["address"], job.QueueUnavailable("read who holds the prefix", err)
}

// key is the hash that says who holds the prefix.
func (p *Prefix) key() string { return p.name + ":deployment" }
