package store

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/jmoiron/sqlx"

	"github.com/musterhq/muster/internal/crash"
	"github.com/musterhq/muster/internal/webhook"
)

// The deliveries of webhooks. As with chunks the row decides: whoever claims a delivery may make an attempt, and a task of the
// queue only says where to look.

const deliveryColumns = `id, owner, endpoint_id, url, event, job_id, job_version, payload, state, attempts, tries, next_at, claims, created_at`

type deliveryRow struct {
	ID         string `db:"id"`
	Owner      string `db:"owner"`
	EndpointID string `db:"endpoint_id"`
	URL        string `db:"url"`
	Event      string `db:"event"`
	JobID      string `db:"job_id"`
	JobVersion int64  `db:"job_version"`
	Payload    []byte `db:"payload"`
	State      string `db:"state"`
	Attempts   int    `db:"attempts"`
	Tries      int    `db:"tries"`
	NextAt     int64  `db:"next_at"`
	Claims     int64  `db:"claims"`
	CreatedAt  int64  `db:"created_at"`
}

func (r *deliveryRow) delivery() webhook.Delivery {
	return webhook.Delivery{
		ID: r.ID, Owner: r.Owner, EndpointID: r.EndpointID, URL: r.URL, Event: r.Event, JobID: r.JobID, JobVersion: r.JobVersion,
		Payload: r.Payload, State: webhook.State(r.State), Attempts: r.Attempts, Tries: r.Tries, Next: millis(r.NextAt), Claims: r.Claims,
		Created: millis(r.CreatedAt),
	}
}

func (s *Store) selectDeliveries(ctx context.Context, q sqlx.QueryerContext, where string, args ...any) ([]webhook.Delivery, error) {
	var rows []deliveryRow
	if err := sqlx.SelectContext(ctx, q, &rows, `SELECT `+deliveryColumns+` FROM webhook_deliveries `+where, args...); err != nil {
		return nil, translate("read deliveries", err)
	}
	list := make([]webhook.Delivery, len(rows))
	for i := range rows {
		list[i] = rows[i].delivery()
	}
	return list, nil
}

// Deliveries returns the deliveries that pass the filter, newest first, without payloads of their own to save: each has it.
func (s *Store) Deliveries(ctx context.Context, f webhook.Filter) ([]webhook.Delivery, error) {
	where, args := `WHERE owner = ?`, []any{f.Owner}
	for _, c := range []struct{ column, value string }{
		{"endpoint_id", f.EndpointID}, {"job_id", f.JobID}, {"state", string(f.State)},
	} {
		if c.value != "" {
			where, args = where+` AND `+c.column+` = ?`, append(args, c.value)
		}
	}
	if f.After != "" {
		where, args = where+` AND id < ?`, append(args, f.After) // ids grow with time
	}
	return s.selectDeliveries(ctx, s.r, where+` ORDER BY id DESC LIMIT ?`, append(args, f.Limit)...)
}

// Delivery returns the owner's delivery with its attempts, oldest first, or webhook.ErrDeliveryNotFound.
func (s *Store) Delivery(ctx context.Context, owner, id string) (d webhook.Delivery, attempts []webhook.Attempt, err error) {
	list, err := s.selectDeliveries(ctx, s.r, `WHERE id = ? AND owner = ?`, id, owner)
	if err == nil && len(list) == 0 {
		err = webhook.ErrDeliveryNotFound
	}
	if err != nil {
		return d, nil, err
	}
	var rows []struct {
		Number int    `db:"attempt_no"`
		At     int64  `db:"at"`
		Status int    `db:"status"`
		Error  string `db:"error"`
		Answer string `db:"answer"`
		Took   int64  `db:"took_ms"`
	}
	err = s.r.SelectContext(ctx, &rows, `
		SELECT attempt_no, at, status, error, answer, took_ms FROM webhook_attempts WHERE delivery_id = ? ORDER BY attempt_no`, id)
	for _, r := range rows {
		attempts = append(attempts, webhook.Attempt{
			Number: r.Number, At: millis(r.At), Status: r.Status, Error: r.Error, Answer: r.Answer, Took: time.Duration(r.Took) * time.Millisecond,
		})
	}
	return list[0], attempts, translate("read attempts", err)
}

// TestWebhook records a delivery that only tries the endpoint, and returns it. It returns webhook.ErrNotFound or
// webhook.ErrDisabled.
func (s *Store) TestWebhook(ctx context.Context, owner, id string) (d webhook.Delivery, err error) {
	e, err := s.Webhook(ctx, owner, id)
	if err == nil && !e.Disabled.IsZero() {
		err = webhook.ErrDisabled
	}
	if err != nil {
		return d, err
	}
	if d.ID, err = webhook.NewID(); err != nil {
		return d, err
	}
	if d.Payload, err = webhook.TestPayload(e.ID, time.Now().Truncate(time.Millisecond)); err != nil {
		return d, err
	}
	_, err = s.exec(ctx, "test webhook", `
		INSERT INTO webhook_deliveries (id, owner, endpoint_id, event, payload, state, created_at)
		VALUES (?, ?, ?, ?, ?, 'PENDING', `+s.dialect.now+`)`, d.ID, owner, e.ID, webhook.Test, d.Payload)
	if err != nil && classify(err).class != duplicate { // its own, when an answer was lost
		return d, err
	}
	d, _, err = s.Delivery(ctx, owner, d.ID)
	return d, err
}

// replay is what a delivery begins anew with. Its id and its payload stay.
const replay = `UPDATE webhook_deliveries SET state = 'PENDING', tries = 0, next_at = 0, lease_until = 0`

// Replay lets a delivery that is over be made again. One that is on its way stays as it is. It returns
// webhook.ErrDeliveryNotFound, or webhook.ErrNotFound when its endpoint was removed.
func (s *Store) Replay(ctx context.Context, owner, id string) error {
	d, _, err := s.Delivery(ctx, owner, id)
	if err == nil {
		_, err = s.Webhook(ctx, owner, d.EndpointID)
	}
	if err != nil {
		return err
	}
	_, err = s.exec(ctx, "replay delivery", replay+` WHERE id = ? AND owner = ? AND state <> 'PENDING'`, id, owner)
	return err
}

// ReplaySince does the same for all deliveries to the owner's endpoint that were recorded since a time, and returns how many.
// It returns webhook.ErrNotFound.
func (s *Store) ReplaySince(ctx context.Context, owner, endpointID string, since time.Time) (int64, error) {
	if _, err := s.Webhook(ctx, owner, endpointID); err != nil {
		return 0, err
	}
	return s.exec(ctx, "replay deliveries", replay+` WHERE owner = ? AND endpoint_id = ? AND created_at >= ? AND state <> 'PENDING'`,
		owner, endpointID, since.UnixMilli())
}

// due is the condition of a delivery that somebody should attempt.
func (s *Store) due() string {
	return `state = 'PENDING' AND next_at <= ` + s.dialect.now + ` AND lease_until < ` + s.dialect.now
}

// DueDeliveries returns deliveries that should be attempted now: of each endpoint that is not disabled the oldest few, so
// that one to which thousands are on their way does not hide the others.
func (s *Store) DueDeliveries(ctx context.Context, perEndpoint int) ([]webhook.Delivery, error) {
	const most = 1000 // endpoints in one pass
	var endpoints []string
	err := s.r.SelectContext(ctx, &endpoints, `
		SELECT d.endpoint_id
		  FROM webhook_deliveries d JOIN webhook_endpoints e ON e.id = d.endpoint_id
		 WHERE d.state = 'PENDING' AND d.next_at <= `+s.dialect.now+` AND d.lease_until < `+s.dialect.now+` AND e.disabled_at = 0
		 GROUP BY d.endpoint_id LIMIT ?`, most)
	if err != nil {
		return nil, translate("read deliveries", err)
	}
	var all []webhook.Delivery
	for _, id := range endpoints {
		list, err := s.selectDeliveries(ctx, s.r, `WHERE endpoint_id = ? AND `+s.due()+` ORDER BY next_at, id LIMIT ?`, id, perEndpoint)
		if err != nil {
			return all, err
		}
		all = append(all, list...)
	}
	return all, nil
}

// ClaimDelivery takes a delivery for as long as lease says, and returns it with its endpoint. It returns nil when somebody
// else has it, it is not due, or its endpoint is disabled or gone.
func (s *Store) ClaimDelivery(ctx context.Context, id string, lease time.Duration) (d *webhook.Delivery, e webhook.Endpoint, err error) {
	err = s.inTx(ctx, "claim delivery", func(tx *sqlx.Tx) error {
		err := requireRow(tx.ExecContext(ctx, `
			UPDATE webhook_deliveries SET lease_until = `+s.dialect.now+` + ?, claims = claims + 1 WHERE id = ? AND `+s.due(),
			lease.Milliseconds(), id))
		if err != nil {
			return err
		}
		list, err := s.selectDeliveries(ctx, tx, `WHERE id = ?`, id)
		if err != nil {
			return err
		}
		endpoints, err := s.endpoints(ctx, tx, `WHERE id = ? AND disabled_at = 0`, list[0].EndpointID)
		if err == nil && len(endpoints) == 0 {
			return errNoRow
		}
		if err == nil {
			d, e = &list[0], endpoints[0]
		}
		return err
	})
	if errors.Is(err, errNoRow) {
		return nil, e, nil
	}
	if err != nil {
		return nil, e, err
	}
	return d, e, nil
}

// KeepPayload gives the delivery its payload, unless it has one, and returns what it has then.
func (s *Store) KeepPayload(ctx context.Context, id string, payload []byte) (kept []byte, err error) {
	if _, err := s.exec(ctx, "keep payload", `UPDATE webhook_deliveries SET payload = ? WHERE id = ? AND payload IS NULL`, payload, id); err != nil {
		return nil, err
	}
	err = s.w.GetContext(ctx, &kept, `SELECT payload FROM webhook_deliveries WHERE id = ?`, id)
	return kept, translate("read delivery", err)
}

// PostponeDelivery gives a claim back without an attempt. It has no effect when the delivery was claimed again since.
func (s *Store) PostponeDelivery(ctx context.Context, d *webhook.Delivery, wait time.Duration) error {
	_, err := s.exec(ctx, "postpone delivery", `
		UPDATE webhook_deliveries SET lease_until = 0, next_at = `+s.dialect.now+` + ? WHERE id = ? AND claims = ?`,
		wait.Milliseconds(), d.ID, d.Claims)
	return err
}

// SettleAttempt ends a claim by what became of its attempt: the delivery is over, in the state, or PENDING and tried again
// after wait. disable, if not empty, is why the endpoint gets no more. It has no effect when the delivery was claimed again
// since, by somebody who took this process for dead.
func (s *Store) SettleAttempt(
	ctx context.Context, d *webhook.Delivery, a *webhook.Attempt, state webhook.State, wait time.Duration, disable string,
) error {
	err := s.inTx(ctx, "settle attempt", func(tx *sqlx.Tx) error {
		err := requireRow(tx.ExecContext(ctx, `
			UPDATE webhook_deliveries
			   SET state = ?, attempts = attempts + 1, tries = tries + 1, next_at = `+s.dialect.now+` + ?, lease_until = 0
			 WHERE id = ? AND claims = ? AND state = 'PENDING'`, state, wait.Milliseconds(), d.ID, d.Claims))
		if err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `
			INSERT INTO webhook_attempts (delivery_id, attempt_no, at, status, error, answer, took_ms) VALUES (?, ?, `+s.dialect.now+`, ?, ?, ?, ?)`,
			d.ID, d.Attempts+1, a.Status, a.Error, cutTo(a.Answer, webhook.MaxAnswer), a.Took.Milliseconds())
		if err != nil {
			return err
		}
		crash.Point("webhook.settling")
		return s.noteOutcome(ctx, tx, d.EndpointID, state, disable)
	})
	if errors.Is(err, errNoRow) {
		return nil
	}
	return err
}

// noteOutcome keeps for how long nothing has arrived at an endpoint, and disables it because of disable, or after too long,
// when a delivery was given up: one attempt that fails says little, however long ago the one before it was.
func (s *Store) noteOutcome(ctx context.Context, tx *sqlx.Tx, id string, state webhook.State, disable string) (err error) {
	switch {
	case state == webhook.Delivered:
		_, err = tx.ExecContext(ctx, `UPDATE webhook_endpoints SET failing_since = 0 WHERE id = ? AND failing_since > 0`, id)
		return err
	case disable != "":
		_, err = tx.ExecContext(ctx, `
			UPDATE webhook_endpoints SET disabled_at = `+s.dialect.now+`, disabled_why = ? WHERE id = ? AND url <> '' AND disabled_at = 0`, disable, id)
		return err
	}
	var since int64
	err = tx.GetContext(ctx, &since, `SELECT failing_since FROM webhook_endpoints WHERE id = ?`, id)
	switch {
	case errors.Is(err, sql.ErrNoRows): // deleted meanwhile
		return nil
	case err != nil:
		return err
	case since == 0:
		_, err = tx.ExecContext(ctx, `UPDATE webhook_endpoints SET failing_since = `+s.dialect.now+` WHERE id = ?`, id)
		return err
	case state != webhook.Failed:
		return nil
	}
	_, err = tx.ExecContext(ctx, `
		UPDATE webhook_endpoints
		   SET disabled_at = `+s.dialect.now+`, disabled_why = ?
		 WHERE id = ? AND url <> '' AND disabled_at = 0 AND failing_since <= `+s.dialect.now+` - ?`,
		webhook.DisabledFailing, id, webhook.GiveUpAfter.Milliseconds())
	return err
}
