package store

import (
	"context"
	"time"

	"github.com/jmoiron/sqlx"

	"github.com/musterhq/muster/internal/webhook"
)

// The endpoints of webhooks.

const endpointColumns = `id, owner, url, secret, previous, previous_until, disabled_at, disabled_why, failing_since, created_at`

type endpointRow struct {
	ID            string `db:"id"`
	Owner         string `db:"owner"`
	URL           string `db:"url"`
	Secret        string `db:"secret"`
	Previous      string `db:"previous"`
	PreviousUntil int64  `db:"previous_until"`
	DisabledAt    int64  `db:"disabled_at"`
	DisabledWhy   string `db:"disabled_why"`
	FailingSince  int64  `db:"failing_since"`
	CreatedAt     int64  `db:"created_at"`
}

func (r *endpointRow) endpoint() webhook.Endpoint {
	return webhook.Endpoint{
		ID: r.ID, Owner: r.Owner, URL: r.URL, Secret: r.Secret, Previous: r.Previous, PreviousUntil: millis(r.PreviousUntil),
		Disabled: millis(r.DisabledAt), DisabledWhy: r.DisabledWhy, FailingSince: millis(r.FailingSince), Created: millis(r.CreatedAt),
	}
}

func (s *Store) endpoints(ctx context.Context, q sqlx.QueryerContext, where string, args ...any) ([]webhook.Endpoint, error) {
	var rows []endpointRow
	if err := sqlx.SelectContext(ctx, q, &rows, `SELECT `+endpointColumns+` FROM webhook_endpoints `+where, args...); err != nil {
		return nil, translate("read webhooks", err)
	}
	list := make([]webhook.Endpoint, len(rows))
	for i := range rows {
		list[i] = rows[i].endpoint()
	}
	return list, nil
}

// CreateWebhook stores a new endpoint; Created is filled in. It returns webhook.ErrTooMany when its owner has MaxEndpoints.
func (s *Store) CreateWebhook(ctx context.Context, e *webhook.Endpoint) error {
	return s.inTx(ctx, "create webhook", func(tx *sqlx.Tx) error {
		var have int
		if err := tx.GetContext(ctx, &have, `SELECT COUNT(*) FROM webhook_endpoints WHERE owner = ? AND url <> ''`, e.Owner); err != nil {
			return err
		}
		if have >= webhook.MaxEndpoints { // two requests at once may pass it by one, which does no harm
			return webhook.ErrTooMany
		}
		_, err := tx.ExecContext(ctx, `
			INSERT INTO webhook_endpoints (id, owner, url, secret, created_at) VALUES (?, ?, ?, ?, `+s.dialect.now+`)`,
			e.ID, e.Owner, e.URL, e.Secret)
		if err != nil {
			return err
		}
		var now int64
		err = tx.GetContext(ctx, &now, `SELECT created_at FROM webhook_endpoints WHERE id = ?`, e.ID)
		e.Created = millis(now)
		return err
	})
}

// EnsureCallbacks makes the endpoint that stands for an owner's callbacks, with that secret, unless it is there.
func (s *Store) EnsureCallbacks(ctx context.Context, owner, secret string) error {
	_, err := s.exec(ctx, "create webhook", `
		INSERT INTO webhook_endpoints (id, owner, url, secret, created_at) VALUES (?, ?, '', ?, `+s.dialect.now+`)`,
		webhook.CallbackID(owner), owner, secret)
	if classify(err).class == duplicate {
		return nil
	}
	return err
}

// Webhooks returns the owner's endpoints, oldest first; that of the callbacks is not among them.
func (s *Store) Webhooks(ctx context.Context, owner string) ([]webhook.Endpoint, error) {
	return s.endpoints(ctx, s.r, `WHERE owner = ? AND url <> '' ORDER BY created_at, id`, owner)
}

// Webhook returns the owner's endpoint, or webhook.ErrNotFound.
func (s *Store) Webhook(ctx context.Context, owner, id string) (webhook.Endpoint, error) {
	list, err := s.endpoints(ctx, s.r, `WHERE id = ? AND owner = ?`, id, owner)
	if err == nil && len(list) == 0 {
		err = webhook.ErrNotFound
	}
	if err != nil {
		return webhook.Endpoint{}, err
	}
	return list[0], nil
}

// changeWebhook runs an UPDATE or DELETE of the owner's endpoint, whose last arguments are its id and its owner.
func (s *Store) changeWebhook(ctx context.Context, owner, id, query string, args ...any) error {
	rows, err := s.exec(ctx, "change webhook", query+` WHERE id = ? AND owner = ?`, append(args, id, owner)...)
	if err == nil && rows == 0 {
		return webhook.ErrNotFound
	}
	return err
}

// RotateSecret gives the endpoint another secret; what it had is good for as long as overlap says. Asking again with the same
// secret has no effect. It returns webhook.ErrNotFound.
func (s *Store) RotateSecret(ctx context.Context, owner, id, secret string, overlap time.Duration) error {
	// Assigned from left to right, each reads only what is assigned later.
	return s.changeWebhook(ctx, owner, id, `
		UPDATE webhook_endpoints
		   SET previous_until = CASE WHEN secret = ? THEN previous_until ELSE `+s.dialect.now+` + ? END,
		       previous = CASE WHEN secret = ? THEN previous ELSE secret END,
		       secret = ?`, secret, overlap.Milliseconds(), secret, secret)
}

// EnableWebhook lets deliveries go to the endpoint again, those that waited too. It returns webhook.ErrNotFound.
func (s *Store) EnableWebhook(ctx context.Context, owner, id string) error {
	return s.changeWebhook(ctx, owner, id, `UPDATE webhook_endpoints SET disabled_at = 0, disabled_why = '', failing_since = 0`)
}

// DisableWebhook halts deliveries to the endpoint. It returns webhook.ErrNotFound.
func (s *Store) DisableWebhook(ctx context.Context, owner, id string) error {
	return s.changeWebhook(ctx, owner, id, `
		UPDATE webhook_endpoints
		   SET disabled_why = CASE WHEN disabled_at = 0 THEN ? ELSE disabled_why END,
		       disabled_at = CASE WHEN disabled_at = 0 THEN `+s.dialect.now+` ELSE disabled_at END`, webhook.DisabledByOwner)
}

// DeleteWebhook removes the endpoint; what was on its way to it is FAILED. It returns webhook.ErrNotFound.
func (s *Store) DeleteWebhook(ctx context.Context, owner, id string) error {
	if err := s.changeWebhook(ctx, owner, id, `DELETE FROM webhook_endpoints`); err != nil {
		return err
	}
	_, err := s.exec(ctx, "end deliveries", `
		UPDATE webhook_deliveries SET state = 'FAILED', lease_until = 0 WHERE endpoint_id = ? AND state = 'PENDING'`, id)
	return err
}

// DeleteDeliveries forgets deliveries that were recorded before a time, whatever became of them, with their attempts, and
// returns how many. It may be called by any number of processes at once.
func (s *Store) DeleteDeliveries(ctx context.Context, before time.Time) (n int64, err error) {
	const slice = 1000
	for {
		var ids []string
		err := s.w.SelectContext(ctx, &ids, `SELECT id FROM webhook_deliveries WHERE created_at < ? ORDER BY created_at LIMIT ?`, before.UnixMilli(), slice)
		if err != nil || len(ids) == 0 {
			return n, translate("read deliveries", err)
		}
		for _, table := range []string{`webhook_attempts WHERE delivery_id`, `webhook_deliveries WHERE id`} {
			query, args, err := sqlx.In(`DELETE FROM `+table+` IN (?)`, ids)
			if err != nil {
				return n, err
			}
			if _, err := s.exec(ctx, "forget deliveries", query, args...); err != nil {
				return n, err
			}
		}
		n += int64(len(ids))
	}
}
