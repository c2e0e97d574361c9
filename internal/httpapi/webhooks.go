package httpapi

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/musterhq/muster/internal/httpapi/api"
	"github.com/musterhq/muster/internal/invalid"
	"github.com/musterhq/muster/internal/webhook"
)

// Webhooks keeps webhooks and their deliveries. Errors: webhook.ErrNotFound, webhook.ErrDeliveryNotFound, also for those of
// somebody else, job.ErrStoreUnavailable.
type Webhooks interface {
	// CreateWebhook's errors also: webhook.ErrTooMany.
	CreateWebhook(ctx context.Context, e *webhook.Endpoint) error
	// EnsureCallbacks makes what stands for the callbacks of an owner, with that secret, unless it is there.
	EnsureCallbacks(ctx context.Context, owner, secret string) error
	Webhooks(ctx context.Context, owner string) ([]webhook.Endpoint, error)
	Webhook(ctx context.Context, owner, id string) (webhook.Endpoint, error)
	RotateSecret(ctx context.Context, owner, id, secret string, overlap time.Duration) error
	EnableWebhook(ctx context.Context, owner, id string) error
	DisableWebhook(ctx context.Context, owner, id string) error
	DeleteWebhook(ctx context.Context, owner, id string) error
	// TestWebhook's errors also: webhook.ErrDisabled.
	TestWebhook(ctx context.Context, owner, id string) (webhook.Delivery, error)

	Deliveries(ctx context.Context, f webhook.Filter) ([]webhook.Delivery, error)
	Delivery(ctx context.Context, owner, id string) (webhook.Delivery, []webhook.Attempt, error)
	Replay(ctx context.Context, owner, id string) error
	ReplaySince(ctx context.Context, owner, endpointID string, since time.Time) (int64, error)
}

// callbacks is the id under which callers know what stands for their callbacks.
const callbacks = "callbacks"

// overlap is how long a secret is good for that was replaced.
const overlap = 24 * time.Hour

// endpointID returns the id under which the store has a webhook.
func endpointID(owner, id string) string {
	if id == callbacks {
		return webhook.CallbackID(owner)
	}
	return strings.ToLower(id)
}

// shownID is the inverse of endpointID.
func shownID(owner, id string) string {
	if id == webhook.CallbackID(owner) {
		return callbacks
	}
	return id
}

// checkReceiver returns an error when nothing may be sent to the address, which is the value of a parameter.
func (s *Server) checkReceiver(parameter, address string) error {
	if fault := s.WebhookGuard.CheckURL(address); fault != "" {
		var bad invalid.Error
		bad.Add(parameter, "%s", fault)
		return bad.Err()
	}
	return nil
}

// takeCallback checks the callbackUrl of a submission, and sees to it that it can be signed.
func (s *Server) takeCallback(ctx context.Context, owner, address string) error {
	if address == "" {
		return nil
	}
	if err := s.checkReceiver("callbackUrl", address); err != nil {
		return err
	}
	return s.Webhooks.EnsureCallbacks(ctx, owner, webhook.NewSecret())
}

// CreateWebhook answers POST /webhooks.
func (h handlers) CreateWebhook(ctx context.Context, r api.CreateWebhookRequestObject) (api.CreateWebhookResponseObject, error) {
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	p := r.Params
	if err := h.checkReceiver("url", p.URL); err != nil {
		return nil, err
	}
	id, err := uuid.NewV7()
	if err != nil {
		return nil, fmt.Errorf("make the id of a webhook: %w", err)
	}
	e := webhook.Endpoint{ID: id.String(), Owner: p.UserID, URL: p.URL, Secret: webhook.NewSecret()}
	if err := h.Webhooks.CreateWebhook(ctx, &e); err != nil {
		return nil, err
	}
	v := webhookView(&e)
	return api.CreateWebhook201JSONResponse{
		Headers: api.CreateWebhook201ResponseHeaders{Location: "/api/v1/webhooks/" + e.ID},
		Body: api.NewWebhook{
			ID: v.ID, URL: v.URL, CreatedAt: v.CreatedAt, DisabledAt: v.DisabledAt, FailingSince: v.FailingSince, Secret: e.Secret,
		},
	}, nil
}

func webhookView(e *webhook.Endpoint) api.Webhook {
	return api.Webhook{
		ID: shownID(e.Owner, e.ID), URL: e.URL, CreatedAt: api.Timestamp(e.Created), DisabledAt: api.Timestamp(e.Disabled), DisabledWhy: e.DisabledWhy,
		FailingSince: api.Timestamp(e.FailingSince),
	}
}

// ListWebhooks answers GET /webhooks.
func (h handlers) ListWebhooks(ctx context.Context, r api.ListWebhooksRequestObject) (api.ListWebhooksResponseObject, error) {
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	list, err := h.Webhooks.Webhooks(ctx, r.Params.UserID)
	if err != nil {
		return nil, err
	}
	v := api.WebhookList{Content: []api.Webhook{}}
	for i := range list {
		v.Content = append(v.Content, webhookView(&list[i]))
	}
	return api.ListWebhooks200JSONResponse(v), nil
}

// GetWebhook answers GET /webhooks/{webhookId}.
func (h handlers) GetWebhook(ctx context.Context, r api.GetWebhookRequestObject) (api.GetWebhookResponseObject, error) {
	v, err := h.changed(ctx, r.Params.UserID, r.WebhookID, nil)
	return api.GetWebhook200JSONResponse(v), err
}

// EnableWebhook answers POST /webhooks/{webhookId}/enable.
func (h handlers) EnableWebhook(ctx context.Context, r api.EnableWebhookRequestObject) (api.EnableWebhookResponseObject, error) {
	v, err := h.changed(ctx, r.Params.UserID, r.WebhookID, h.Webhooks.EnableWebhook)
	return api.EnableWebhook200JSONResponse(v), err
}

// DisableWebhook answers POST /webhooks/{webhookId}/disable.
func (h handlers) DisableWebhook(ctx context.Context, r api.DisableWebhookRequestObject) (api.DisableWebhookResponseObject, error) {
	if r.WebhookID == callbacks { // each job has asked for its own
		return nil, webhook.ErrNotFound
	}
	v, err := h.changed(ctx, r.Params.UserID, r.WebhookID, h.Webhooks.DisableWebhook)
	return api.DisableWebhook200JSONResponse(v), err
}

// changed returns the webhook after a change; nil: as it is.
func (h handlers) changed(ctx context.Context, owner, id string, change func(ctx context.Context, owner, id string) error) (v api.Webhook, err error) {
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	id = endpointID(owner, id)
	if change != nil {
		if err := change(ctx, owner, id); err != nil {
			return v, err
		}
	}
	e, err := h.Webhooks.Webhook(ctx, owner, id)
	return webhookView(&e), err
}

// DeleteWebhook answers DELETE /webhooks/{webhookId}.
func (h handlers) DeleteWebhook(ctx context.Context, r api.DeleteWebhookRequestObject) (api.DeleteWebhookResponseObject, error) {
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	if r.WebhookID == callbacks {
		return nil, webhook.ErrNotFound
	}
	return api.DeleteWebhook204Response{}, h.Webhooks.DeleteWebhook(ctx, r.Params.UserID, endpointID(r.Params.UserID, r.WebhookID))
}

// GetWebhookSecret answers GET /webhooks/{webhookId}/secret.
func (h handlers) GetWebhookSecret(ctx context.Context, r api.GetWebhookSecretRequestObject) (api.GetWebhookSecretResponseObject, error) {
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	owner := r.Params.UserID
	if r.WebhookID == callbacks {
		if err := h.Webhooks.EnsureCallbacks(ctx, owner, webhook.NewSecret()); err != nil {
			return nil, err
		}
	}
	v, err := h.secret(ctx, owner, r.WebhookID)
	return api.GetWebhookSecret200JSONResponse(v), err
}

func (h handlers) secret(ctx context.Context, owner, id string) (v api.WebhookSecret, err error) {
	e, err := h.Webhooks.Webhook(ctx, owner, endpointID(owner, id))
	if err != nil {
		return v, err
	}
	v.Secret = e.Secret
	if e.Previous != "" && h.now().Before(e.PreviousUntil) {
		v.Previous, v.PreviousUntil = e.Previous, api.Timestamp(e.PreviousUntil)
	}
	return v, nil
}

// RotateWebhook answers POST /webhooks/{webhookId}/rotate.
func (h handlers) RotateWebhook(ctx context.Context, r api.RotateWebhookRequestObject) (api.RotateWebhookResponseObject, error) {
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	owner := r.Params.UserID
	if err := h.Webhooks.RotateSecret(ctx, owner, endpointID(owner, r.WebhookID), webhook.NewSecret(), overlap); err != nil {
		return nil, err
	}
	v, err := h.secret(ctx, owner, r.WebhookID)
	return api.RotateWebhook200JSONResponse(v), err
}

// TestWebhook answers POST /webhooks/{webhookId}/test.
func (h handlers) TestWebhook(ctx context.Context, r api.TestWebhookRequestObject) (api.TestWebhookResponseObject, error) {
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	if r.WebhookID == callbacks { // which have no address of their own
		return nil, webhook.ErrNotFound
	}
	d, err := h.Webhooks.TestWebhook(ctx, r.Params.UserID, endpointID(r.Params.UserID, r.WebhookID))
	return api.TestWebhook202JSONResponse(deliveryView(&d)), err
}

// ReplayWebhook answers POST /webhooks/{webhookId}/replay.
func (h handlers) ReplayWebhook(ctx context.Context, r api.ReplayWebhookRequestObject) (api.ReplayWebhookResponseObject, error) {
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	since, err := time.Parse(time.RFC3339Nano, r.Params.Since)
	if err != nil { // such as February 30
		var bad invalid.Error
		bad.Add("since", "must be a time of RFC 3339, such as 2026-02-16T10:05:30Z")
		return nil, bad.Err()
	}
	n, err := h.Webhooks.ReplaySince(ctx, r.Params.UserID, endpointID(r.Params.UserID, r.WebhookID), since)
	return api.ReplayWebhook202JSONResponse{Deliveries: n}, err
}

// ListDeliveries answers GET /webhooks/deliveries.
func (h handlers) ListDeliveries(ctx context.Context, r api.ListDeliveriesRequestObject) (api.ListDeliveriesResponseObject, error) {
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	const defaultLimit = 20
	p := r.Params
	limit := p.Limit
	if limit == 0 {
		limit = defaultLimit
	}
	f := webhook.Filter{Owner: p.UserID, State: webhook.State(p.State), Limit: limit + 1, After: p.After}
	if p.WebhookID != "" {
		f.EndpointID = endpointID(p.UserID, p.WebhookID)
	}
	if p.JobID != uuid.Nil {
		f.JobID = p.JobID.String()
	}
	list, err := h.Webhooks.Deliveries(ctx, f)
	if err != nil {
		return nil, err
	}
	page := api.DeliveryPage{Content: []api.WebhookDelivery{}, HasNext: len(list) > limit} // one more was asked for, to know whether there is one
	for i := range list[:min(len(list), limit)] {
		v := deliveryView(&list[i])
		v.Payload = ""
		page.Content = append(page.Content, v)
	}
	if page.HasNext {
		page.NextCursor = new(list[limit-1].ID)
	}
	return api.ListDeliveries200JSONResponse(page), nil
}

func deliveryView(d *webhook.Delivery) api.WebhookDelivery {
	v := api.WebhookDelivery{
		ID: d.ID, WebhookID: shownID(d.Owner, d.EndpointID), URL: d.URL, Event: d.Event, JobID: d.JobID, State: string(d.State),
		AttemptCount: d.Attempts, CreatedAt: api.Timestamp(d.Created), Payload: string(d.Payload),
	}
	if d.State == webhook.Pending && d.Attempts > 0 {
		v.NextAttemptAt = api.Timestamp(d.Next)
	}
	return v
}

// GetDelivery answers GET /webhooks/deliveries/{deliveryId}.
func (h handlers) GetDelivery(ctx context.Context, r api.GetDeliveryRequestObject) (api.GetDeliveryResponseObject, error) {
	v, err := h.delivery(ctx, r.Params.UserID, r.DeliveryID)
	return api.GetDelivery200JSONResponse(v), err
}

func (h handlers) delivery(ctx context.Context, owner, id string) (v api.WebhookDelivery, err error) {
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	d, attempts, err := h.Webhooks.Delivery(ctx, owner, id)
	if err != nil {
		return v, err
	}
	v = deliveryView(&d)
	for _, a := range attempts {
		v.Attempts = append(v.Attempts, api.DeliveryAttempt{
			Number: a.Number, At: api.Timestamp(a.At), Milliseconds: a.Took.Milliseconds(), Status: a.Status, Error: a.Error, Answer: a.Answer,
		})
	}
	return v, nil
}

// ReplayDelivery answers POST /webhooks/deliveries/{deliveryId}/replay.
func (h handlers) ReplayDelivery(ctx context.Context, r api.ReplayDeliveryRequestObject) (api.ReplayDeliveryResponseObject, error) {
	if err := h.Webhooks.Replay(ctx, r.Params.UserID, r.DeliveryID); err != nil {
		return nil, err
	}
	v, err := h.delivery(ctx, r.Params.UserID, r.DeliveryID)
	return api.ReplayDelivery202JSONResponse(v), err
}

// explainWebhook is the part of the table of errors about webhooks.
func explainWebhook(err error) (problem, bool) {
	switch {
	case errors.Is(err, webhook.ErrNotFound):
		return problem{code: webhookNotFound, message: webhook.ErrNotFound.Error()}, true
	case errors.Is(err, webhook.ErrDeliveryNotFound):
		return problem{code: deliveryNotFound, message: webhook.ErrDeliveryNotFound.Error()}, true
	case errors.Is(err, webhook.ErrDisabled):
		return problem{code: webhookDisabled, message: webhook.ErrDisabled.Error()}, true
	case errors.Is(err, webhook.ErrTooMany):
		return problem{code: tooManyWebhooks, message: fmt.Sprintf("a caller may have %d webhooks; remove one", webhook.MaxEndpoints)}, true
	}
	return problem{}, false
}
