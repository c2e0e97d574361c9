package store

import (
	"context"

	"github.com/jmoiron/sqlx"

	"github.com/musterhq/muster/internal/crash"
	"github.com/musterhq/muster/internal/job"
	"github.com/musterhq/muster/internal/webhook"
)

// Deliveries of webhooks are recorded in the transaction that ends the job: a job that is over is told of, whatever
// happens to this process, and one that is not over never is.

// receiver is who is to be told of a job: an endpoint, and for a callback where it is.
type receiver struct{ endpointID, url string }

// receiversOf returns who is to be told of j.
func (s *Store) receiversOf(ctx context.Context, q sqlx.QueryerContext, j *job.Job) ([]receiver, error) {
	var ids []string
	err := sqlx.SelectContext(ctx, q, &ids,
		`SELECT id FROM webhook_endpoints WHERE owner = ? AND url <> '' AND disabled_at = 0 ORDER BY id`, j.Owner)
	if err != nil {
		return nil, err
	}
	to := make([]receiver, 0, len(ids)+1)
	for _, id := range ids {
		to = append(to, receiver{endpointID: id})
	}
	if j.CallbackURL != "" {
		to = append(to, receiver{webhook.CallbackID(j.Owner), j.CallbackURL})
	}
	return to, nil
}

// record adds to a transaction the deliveries of an event of j, which made it the job's version.
func (s *Store) record(ctx context.Context, tx *sqlx.Tx, j *job.Job, version int64, event string, to []receiver) error {
	for _, r := range to {
		id, err := webhook.NewID()
		if err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `
			INSERT INTO webhook_deliveries (id, owner, endpoint_id, url, event, job_id, job_version, state, created_at)
			VALUES (?, ?, ?, ?, ?, ?, ?, 'PENDING', `+s.dialect.now+`)`,
			id, j.Owner, r.endpointID, r.url, event, j.ID, version)
		if err != nil {
			return err
		}
	}
	crash.Point("webhook.recorded")
	return nil
}

// execEnding is exec for a statement that ends j, or its undo, by raising its version by one: who is to be told of the
// event is recorded with it when it matched a row. Unlike exec it does not repeat a COMMIT whose answer was lost.
func (s *Store) execEnding(ctx context.Context, op string, j *job.Job, event, query string, args ...any) (rows int64, err error) {
	to, err := s.receiversOf(ctx, s.r, j)
	if err != nil {
		return 0, translate(op, err)
	}
	if len(to) == 0 { // one statement is less than a transaction, and most jobs have nobody who listens
		return s.exec(ctx, op, query, args...)
	}
	err = s.inTx(ctx, op, func(tx *sqlx.Tx) error {
		if rows, err = changed(tx.ExecContext(ctx, query, args...)); err != nil || rows == 0 {
			return err
		}
		return s.record(ctx, tx, j, j.Version+1, event, to)
	})
	return rows, err
}
