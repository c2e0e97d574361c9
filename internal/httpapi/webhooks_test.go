package httpapi_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/musterhq/muster/internal/httpapi"
	"github.com/musterhq/muster/internal/httpapi/api"
	"github.com/musterhq/muster/internal/store"
	"github.com/musterhq/muster/internal/store/storetest"
	"github.com/musterhq/muster/internal/webhook"
)

// fakeWebhooks has one webhook of everybody's, and one delivery.
type fakeWebhooks struct{}

const deliveryID = "msg_01950e6a7d3c7b1e9c3f2f6d1a8b4c5d"

func (fakeWebhooks) endpoint(owner, id string) webhook.Endpoint {
	return webhook.Endpoint{ID: id, Owner: owner, URL: "https://example.com/", Secret: "whsec_x", Created: time.Unix(1, 0)}
}
func (fakeWebhooks) delivery(owner string) webhook.Delivery {
	return webhook.Delivery{ID: deliveryID, Owner: owner, EndpointID: jobID, Event: webhook.JobCompleted, JobID: jobID, State: webhook.Pending, Created: time.Unix(1, 0)}
}
func (fakeWebhooks) CreateWebhook(_ context.Context, e *webhook.Endpoint) error {
	e.Created = time.Unix(1, 0)
	return nil
}
func (fakeWebhooks) EnsureCallbacks(context.Context, string, string) error { return nil }
func (f fakeWebhooks) Webhooks(_ context.Context, owner string) ([]webhook.Endpoint, error) {
	return []webhook.Endpoint{f.endpoint(owner, jobID)}, nil
}
func (f fakeWebhooks) Webhook(_ context.Context, owner, id string) (webhook.Endpoint, error) {
	return f.endpoint(owner, id), nil
}
func (fakeWebhooks) RotateSecret(context.Context, string, string, string, time.Duration) error {
	return nil
}
func (fakeWebhooks) EnableWebhook(context.Context, string, string) error  { return nil }
func (fakeWebhooks) DisableWebhook(context.Context, string, string) error { return nil }
func (fakeWebhooks) DeleteWebhook(context.Context, string, string) error  { return nil }
func (f fakeWebhooks) TestWebhook(_ context.Context, owner, _ string) (webhook.Delivery, error) {
	return f.delivery(owner), nil
}
func (f fakeWebhooks) Deliveries(_ context.Context, q webhook.Filter) ([]webhook.Delivery, error) {
	return []webhook.Delivery{f.delivery(q.Owner)}, nil
}
func (f fakeWebhooks) Delivery(_ context.Context, owner, _ string) (webhook.Delivery, []webhook.Attempt, error) {
	return f.delivery(owner), nil, nil
}
func (fakeWebhooks) Replay(context.Context, string, string) error { return nil }
func (fakeWebhooks) ReplaySince(context.Context, string, string, time.Time) (int64, error) {
	return 1, nil
}

// withStore is an API whose webhooks are in a real database.
func withStore(t *testing.T) (*testServer, *store.Store, *fakes) {
	t.Helper()
	s := storetest.Open(t, storetest.Engine{Name: "sqlite"}.New(t), store.Options{})
	f := newFakes()
	return newAPI(t, f, func(c *httpapi.Config) { c.Webhooks = s }), s, f
}

func TestWebhooksOfOneOwner(t *testing.T) {
	t.Parallel()
	a, _, _ := withStore(t)
	bob := as{"X-USER-ID", "bob"}
	got := a.do("POST /api/v1/webhooks?url=https://example.com/muster", ada, nil)
	made := decode[api.NewWebhook](t, got)
	if got.StatusCode != http.StatusCreated || got.Header.Get("Location") != "/api/v1/webhooks/"+made.ID || !strings.HasPrefix(made.Secret, "whsec_") || made.URL != "https://example.com/muster" {
		t.Fatalf("%d %v %s", got.StatusCode, got.Header, got.body)
	}
	at := "/api/v1/webhooks/" + made.ID
	list := a.do("GET /api/v1/webhooks", ada, nil)
	if v := decode[api.WebhookList](t, list); len(v.Content) != 1 || v.Content[0].ID != made.ID || strings.Contains(string(list.body), "whsec_") {
		t.Errorf("list: %s", list.body)
	}
	if v := decode[api.WebhookList](t, a.do("GET /api/v1/webhooks", bob, nil)); len(v.Content) != 0 {
		t.Errorf("bob sees %+v", v)
	}
	for _, request := range []string{
		"GET " + at, "DELETE " + at, "GET " + at + "/secret", "POST " + at + "/rotate", "POST " + at + "/enable", "POST " + at + "/disable", "POST " + at + "/test",
		"POST " + at + "/replay?since=2026-01-01T00:00:00Z",
	} {
		a.failure(a.do(request, bob, nil), 404, "webhook_not_found")
	}

	first := decode[api.WebhookSecret](t, a.do("GET "+at+"/secret", ada, nil))
	rotated := decode[api.WebhookSecret](t, a.do("POST "+at+"/rotate", ada, nil))
	if first.Secret != made.Secret || rotated.Secret == made.Secret || rotated.Previous != made.Secret || time.Until(time.Time(rotated.PreviousUntil)) < 23*time.Hour {
		t.Errorf("made with %s, then %+v, rotated %+v", made.Secret, first, rotated)
	}
	if v := decode[api.Webhook](t, a.do("POST "+at+"/disable", ada, nil)); time.Time(v.DisabledAt).IsZero() || v.DisabledWhy != "owner" {
		t.Errorf("disabled: %+v", v)
	}
	a.failure(a.do("POST "+at+"/test", ada, nil), 409, "webhook_disabled")
	if v := decode[api.Webhook](t, a.do("POST "+at+"/enable", ada, nil)); !time.Time(v.DisabledAt).IsZero() || v.DisabledWhy != "" {
		t.Errorf("enabled: %+v", v)
	}

	d := decode[api.WebhookDelivery](t, a.do("POST "+at+"/test", ada, nil))
	if d.Event != webhook.Test || d.State != "PENDING" || d.WebhookID != made.ID {
		t.Errorf("test: %+v", d)
	}
	one := "/api/v1/webhooks/deliveries/" + d.ID
	if v := decode[api.WebhookDelivery](t, a.do("GET "+one, ada, nil)); v.ID != d.ID || !strings.Contains(v.Payload, `"type":"webhook.test"`) {
		t.Errorf("delivery: %+v", v)
	}
	a.failure(a.do("GET "+one, bob, nil), 404, "delivery_not_found")
	a.failure(a.do("POST "+one+"/replay", bob, nil), 404, "delivery_not_found")
	for query, want := range map[string]int{"": 1, "?webhookId=" + made.ID: 1, "?webhookId=callbacks": 0, "?state=FAILED": 0, "?state=PENDING&limit=1": 1, "?jobId=" + jobID: 0, "?after=" + d.ID: 0} {
		if v := decode[api.DeliveryPage](t, a.do("GET /api/v1/webhooks/deliveries"+query, ada, nil)); len(v.Content) != want || v.HasNext {
			t.Errorf("deliveries%s: %+v", query, v)
		}
	}

	if got := a.do("DELETE "+at, ada, nil); got.StatusCode != http.StatusNoContent {
		t.Errorf("DELETE: %d %s", got.StatusCode, got.body)
	}
	a.failure(a.do("DELETE "+at, ada, nil), 404, "webhook_not_found")
	a.failure(a.do("POST "+one+"/replay", ada, nil), 404, "webhook_not_found") // to nobody
	if v := decode[api.WebhookDelivery](t, a.do("GET "+one, ada, nil)); v.State != "FAILED" {
		t.Errorf("what was on its way to it is %s", v.State)
	}
}

// An address is refused that leads into this network, whoever names it.
func TestReceiversThatAreRefused(t *testing.T) {
	t.Parallel()
	a, _, f := withStore(t)
	for _, address := range []string{"http://127.0.0.1:9090/metrics", "http://169.254.169.254/", "http://localhost/", "https://user:secret@example.com/", "https://example.com/%23"} {
		for parameter, request := range map[string]string{
			"url": "POST /api/v1/webhooks?url=", "callbackUrl": "POST /api/v1/import/bulk?count=10&callbackUrl=",
		} {
			got := a.do(request+address, ada, nil)
			e := a.failure(got, 400, "validation_failed")
			if len(e.Details.FieldErrors) != 1 || e.Details.FieldErrors[0].Field != parameter || strings.Contains(string(got.body), "secret") {
				t.Errorf("%s: %s", address, got.body)
			}
		}
	}
	if len(f.specs) > 0 {
		t.Errorf("%d jobs were submitted", len(f.specs))
	}
}

func TestTooManyWebhooks(t *testing.T) {
	t.Parallel()
	a, _, _ := withStore(t)
	for range webhook.MaxEndpoints {
		if got := a.do("POST /api/v1/webhooks?url=https://example.com/", ada, nil); got.StatusCode != http.StatusCreated {
			t.Fatalf("%d %s", got.StatusCode, got.body)
		}
	}
	a.failure(a.do("POST /api/v1/webhooks?url=https://example.com/", ada, nil), 409, "too_many_webhooks")
}

// A callback goes with the job, and can be checked by a secret that its owner can ask for.
func TestCallbacks(t *testing.T) {
	t.Parallel()
	a, s, f := withStore(t)
	if got := a.do("POST /api/v1/users/import/async?count=10&callbackUrl=https://example.com/done", ada, nil); got.StatusCode != http.StatusAccepted {
		t.Fatalf("%d %s", got.StatusCode, got.body)
	}
	if f.specs[0].CallbackURL != "https://example.com/done" {
		t.Errorf("submitted %+v", f.specs[0])
	}
	kept, err := s.Webhook(t.Context(), "ada", webhook.CallbackID("ada"))
	if err != nil {
		t.Fatal(err)
	}
	if v := decode[api.WebhookSecret](t, a.do("GET /api/v1/webhooks/callbacks/secret", ada, nil)); v.Secret != kept.Secret {
		t.Errorf("secret %s, want %s", v.Secret, kept.Secret)
	}
	if v := decode[api.Webhook](t, a.do("GET /api/v1/webhooks/callbacks", ada, nil)); v.ID != "callbacks" || v.URL != "" {
		t.Errorf("callbacks: %+v", v)
	}
	if v := decode[api.WebhookList](t, a.do("GET /api/v1/webhooks", ada, nil)); len(v.Content) != 0 {
		t.Errorf("list: %+v", v)
	}
	// Of one who has no job yet it is made when it is asked for.
	if v := decode[api.WebhookSecret](t, a.do("GET /api/v1/webhooks/callbacks/secret", as{"X-USER-ID", "bob"}, nil)); !strings.HasPrefix(v.Secret, "whsec_") || v.Secret == kept.Secret {
		t.Errorf("bob's secret: %+v", v)
	}
	for _, request := range []string{"POST /api/v1/webhooks/callbacks/test", "POST /api/v1/webhooks/callbacks/disable", "DELETE /api/v1/webhooks/callbacks"} {
		a.failure(a.do(request, ada, nil), 404, "webhook_not_found")
	}
	a.failure(a.do("POST /api/v1/webhooks/callbacks/replay?since=2026-02-30T00:00:00Z", ada, nil), 400, "validation_failed")
}
