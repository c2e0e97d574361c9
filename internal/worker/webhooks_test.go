package worker

import (
	"context"
	"encoding/json"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/musterhq/muster/internal/job"
	"github.com/musterhq/muster/internal/webhook"
)

// receiver answers as answer says; it counts what it gets.
type receiver struct {
	mu     sync.Mutex
	got    []string // ids
	bodies [][]byte
	answer func(ctx context.Context) webhook.Result
}

func (r *receiver) Send(ctx context.Context, _, id string, body []byte, _ []string, _ time.Time) webhook.Result {
	r.mu.Lock()
	r.got, r.bodies = append(r.got, id), append(r.bodies, body)
	answer := r.answer
	r.mu.Unlock()
	if answer == nil {
		return webhook.Result{Status: 200}
	}
	return answer(ctx)
}

// deliverer is one over the fleet's store, with a webhook of ann's. Its queue keeps what is enqueued.
type deliverer struct {
	*Deliverer
	fleet    *fleet
	receiver *receiver
	queue    *deliveryQueue
	endpoint string
}

type deliveryQueue struct{ ids []string }

func (q *deliveryQueue) EnqueueDelivery(_ context.Context, id string, _ int64) error {
	q.ids = append(q.ids, id)
	return nil
}

func newDeliverer(t *testing.T) *deliverer {
	t.Helper()
	f, r, q := newFleet(t, counting{}), &receiver{}, &deliveryQueue{}
	e := &webhook.Endpoint{ID: uuid.NewString(), Owner: "ann", URL: "https://example.com", Secret: webhook.NewSecret()}
	if err := f.store.CreateWebhook(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	d := &Deliverer{Store: f.store, Sender: r, Queue: q, Drain: f.drain, Log: slog.New(slog.DiscardHandler)}
	return &deliverer{Deliverer: d, fleet: f, receiver: r, queue: q, endpoint: e.ID}
}

// pass enqueues what is due, and does it; it returns how much there was.
func (d *deliverer) pass(t *testing.T) int {
	t.Helper()
	d.queue.ids = nil
	if err := d.enqueue(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, id := range d.queue.ids {
		d.Deliver(t.Context(), id)
	}
	return len(d.queue.ids)
}

func (d *deliverer) only(t *testing.T) webhook.Delivery {
	t.Helper()
	list, err := d.fleet.store.Deliveries(t.Context(), webhook.Filter{Owner: "ann", Limit: 10})
	if err != nil || len(list) != 1 {
		t.Fatalf("deliveries %+v, %v", list, err)
	}
	return list[0]
}

func TestDeliveryTellsWhatTheJobHasDone(t *testing.T) {
	t.Parallel()
	d := newDeliverer(t)
	j := d.fleet.record(t)
	for no := range j.Chunks {
		d.fleet.Import(t.Context(), j.ID, no)
	}
	if d.pass(t) != 1 {
		t.Fatal("nothing is due")
	}
	var body struct {
		Type string
		Data struct {
			JobID          string
			Status         job.Status
			ProcessedCount int
		}
	}
	if err := json.Unmarshal(d.receiver.bodies[0], &body); err != nil {
		t.Fatal(err)
	}
	if body.Type != webhook.JobCompleted || body.Data.JobID != j.ID || body.Data.Status != job.Completed || body.Data.ProcessedCount != 100 {
		t.Errorf("told %s", d.receiver.bodies[0])
	}
	if got := d.only(t); got.State != webhook.Delivered || got.Attempts != 1 || got.ID != d.receiver.got[0] {
		t.Errorf("delivery %+v", got)
	}
	d.Deliver(t.Context(), d.receiver.got[0]) // a late task
	if len(d.receiver.got) != 1 || d.pass(t) != 0 {
		t.Errorf("told %d times", len(d.receiver.got))
	}
}

// Batches may commit until the chunks have followed a job that was cancelled: its counts are told when they are final.
func TestDeliveryWaitsForFinalCounts(t *testing.T) {
	t.Parallel()
	d := newDeliverer(t)
	j := d.fleet.record(t)
	if _, err := d.fleet.store.MoveJob(t.Context(), "ann", j.ID, job.MoveCancel); err != nil {
		t.Fatal(err)
	}
	if d.pass(t) != 1 || len(d.receiver.got) != 0 {
		t.Fatalf("told %d times before the job is finalized", len(d.receiver.got))
	}
	d.fleet.reconcile(t)
	for end := time.Now().Add(time.Minute); len(d.receiver.got) == 0; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("it is not told")
		}
		d.pass(t)
	}
	if got := d.only(t); got.State != webhook.Delivered || got.Event != webhook.JobCancelled {
		t.Errorf("delivery %+v", got)
	}
}

func TestDeliveryThatFails(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		result webhook.Result
		state  webhook.State
		off    string
	}{
		"an error": {webhook.Result{Status: 500, Error: webhook.ErrStatus}, webhook.Pending, ""},
		"gone":     {webhook.Result{Status: 410, Error: webhook.ErrStatus}, webhook.Failed, webhook.DisabledGone},
		"refused":  {webhook.Result{Error: webhook.ErrRefused}, webhook.Pending, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDeliverer(t)
			d.receiver.answer = func(context.Context) webhook.Result { return test.result }
			if _, err := d.fleet.store.TestWebhook(t.Context(), "ann", d.endpoint); err != nil {
				t.Fatal(err)
			}
			if d.pass(t) != 1 || d.pass(t) != 0 { // not again at once
				t.Error("it is due at once, or never")
			}
			e, err := d.fleet.store.Webhook(t.Context(), "ann", d.endpoint)
			if got := d.only(t); err != nil || got.State != test.state || got.Attempts != 1 || e.DisabledWhy != test.off {
				t.Errorf("delivery %+v, endpoint %+v, %v", got, e, err)
			}
		})
	}
}

// A receiver that does not answer keeps few places, and a worker that stops does not wait for it: that is no attempt.
func TestDeliveryToOneThatHangs(t *testing.T) {
	t.Parallel()
	d := newDeliverer(t)
	entered := make(chan struct{}, 10)
	d.receiver.answer = func(ctx context.Context) webhook.Result {
		entered <- struct{}{}
		<-ctx.Done()
		return webhook.Result{Error: webhook.ErrTimeout}
	}
	for range perEndpoint + 1 {
		if _, err := d.fleet.store.TestWebhook(t.Context(), "ann", d.endpoint); err != nil {
			t.Fatal(err)
		}
	}
	if err := d.enqueue(t.Context()); err != nil || len(d.queue.ids) != perEndpoint+1 {
		t.Fatalf("%d due, %v", len(d.queue.ids), err)
	}
	var wg sync.WaitGroup
	for _, id := range d.queue.ids[:perEndpoint] {
		wg.Go(func() { d.Deliver(t.Context(), id) })
	}
	for range perEndpoint {
		<-entered
	}
	d.Deliver(t.Context(), d.queue.ids[perEndpoint]) // returns, as there is no place
	close(d.fleet.drain)
	wg.Wait()
	if len(d.receiver.got) != perEndpoint {
		t.Errorf("%d at once", len(d.receiver.got))
	}
	list, err := d.fleet.store.Deliveries(t.Context(), webhook.Filter{Owner: "ann", Limit: 10})
	if err != nil {
		t.Fatal(err)
	}
	for _, got := range list {
		if got.State != webhook.Pending || got.Attempts != 0 {
			t.Errorf("delivery %+v", got)
		}
	}
}
