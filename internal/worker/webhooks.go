package worker

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/musterhq/muster/internal/crash"
	"github.com/musterhq/muster/internal/job"
	"github.com/musterhq/muster/internal/webhook"
)

// DeliveryStore keeps the deliveries of webhooks; see package store for each method's errors.
type DeliveryStore interface {
	DueDeliveries(ctx context.Context, perEndpoint int) ([]webhook.Delivery, error)
	ClaimDelivery(ctx context.Context, id string, lease time.Duration) (*webhook.Delivery, webhook.Endpoint, error)
	KeepPayload(ctx context.Context, id string, payload []byte) ([]byte, error)
	PostponeDelivery(ctx context.Context, d *webhook.Delivery, wait time.Duration) error
	SettleAttempt(ctx context.Context, d *webhook.Delivery, a *webhook.Attempt, state webhook.State, wait time.Duration, disable string) error

	Job(ctx context.Context, id string) (job.Job, error)
}

// Sender makes an attempt to deliver.
type Sender interface {
	Send(ctx context.Context, address, id string, body []byte, secrets []string, now time.Time) webhook.Result
}

// DeliveryQueue tells the fleet of a delivery that is due; claims is how often it was claimed so far.
type DeliveryQueue interface {
	EnqueueDelivery(ctx context.Context, id string, claims int64) error
}

const (
	// deliveryLease is how long an attempt is its worker's: longer than one may take.
	deliveryLease = 20 * time.Second
	// perEndpoint is how many attempts at one endpoint a worker makes at once, so that a receiver that does not answer
	// leaves places for the others, and tenfold how many the queue holds of it.
	perEndpoint = 2
	perOwner    = 3 * perEndpoint
	// unfinished is the wait for a job of which it is not known yet what it has done.
	unfinished = time.Second
)

// Deliverer delivers webhooks. All fields are required, but those that say otherwise.
type Deliverer struct {
	Store   DeliveryStore
	Sender  Sender
	Queue   DeliveryQueue
	Drain   <-chan struct{} // closed when the process is asked to stop
	Log     *slog.Logger
	Metrics *Metrics // nil: nothing is counted

	mu   sync.Mutex
	busy map[string]int // attempts that are being made, by endpoint and by owner, whose names are no UUIDs
}

// Run enqueues the deliveries that are due, each jittered interval, until ctx ends. Every worker runs it.
func (d *Deliverer) Run(ctx context.Context, interval time.Duration) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(interval*3/4 + rand.N(interval/2)):
		}
		if err := d.enqueue(ctx); err != nil && ctx.Err() == nil {
			d.Log.Warn("not all deliveries of webhooks were enqueued", "err", err)
		}
	}
}

func (d *Deliverer) enqueue(ctx context.Context) error {
	due, err := d.Store.DueDeliveries(ctx, 10*perEndpoint)
	for i := range due {
		if err := d.Queue.EnqueueDelivery(ctx, due[i].ID, due[i].Claims); err != nil {
			return err
		}
		crash.Point("webhook.enqueued")
	}
	return err
}

// Deliver makes one attempt at a delivery, unless somebody else does or it is not due. What goes wrong on this side is left to
// the next attempt.
func (d *Deliverer) Deliver(ctx context.Context, id string) {
	log := d.Log.With("delivery", id)
	claimed, e, err := d.Store.ClaimDelivery(ctx, id, deliveryLease)
	if err != nil {
		log.Warn("delivery not claimed", "err", err)
		return
	}
	if claimed == nil {
		return
	}
	crash.Point("webhook.claimed")
	leave, ok := d.enter(e.ID, e.Owner)
	if !ok {
		err = d.Store.PostponeDelivery(ctx, claimed, 0)
	} else {
		defer leave()
		err = d.attempt(ctx, claimed, &e, log)
	}
	if err != nil {
		log.Warn("delivery left to its lease", "err", err)
	}
}

// enter takes one of the places for attempts at an endpoint, and of those for an owner, who may have many endpoints.
func (d *Deliverer) enter(endpoint, owner string) (leave func(), ok bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.busy == nil {
		d.busy = map[string]int{}
	}
	if d.busy[endpoint] >= perEndpoint || d.busy[owner] >= perOwner {
		return nil, false
	}
	d.busy[endpoint]++
	d.busy[owner]++
	return func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		for _, who := range []string{endpoint, owner} {
			if d.busy[who]--; d.busy[who] == 0 {
				delete(d.busy, who)
			}
		}
	}, true
}

func (d *Deliverer) attempt(ctx context.Context, claimed *webhook.Delivery, e *webhook.Endpoint, log *slog.Logger) error {
	if claimed.Payload == nil {
		if known, err := d.makePayload(ctx, claimed); err != nil || !known {
			return err
		}
	}
	crash.Point("webhook.made")
	address := e.URL
	if address == "" {
		address = claimed.URL
	}
	sending, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		select {
		case <-d.Drain:
			cancel()
		case <-sending.Done():
		}
	}()
	now := time.Now()
	r := d.Sender.Send(sending, address, claimed.ID, claimed.Payload, e.Secrets(now), now)
	crash.Point("webhook.sent")
	if r.Error != "" && sending.Err() != nil { // this process stops: that says nothing of the receiver
		return d.Store.PostponeDelivery(context.WithoutCancel(ctx), claimed, 0)
	}
	state, wait, disable := judge(claimed, &r)
	d.Metrics.attempted(state, r.Error)
	log.Info("webhook attempted", "webhook", e.ID, "job", claimed.JobID, "event", claimed.Event, "attempt", claimed.Attempts+1,
		"status", r.Status, "error", r.Error, "state", state, "elapsed", r.Took.Round(time.Millisecond).String())
	err := d.Store.SettleAttempt(ctx, claimed, &webhook.Attempt{Status: r.Status, Error: r.Error, Answer: r.Answer, Took: r.Took}, state, wait, disable)
	crash.Point("webhook.settled")
	return err
}

// makePayload gives a delivery its payload, once it is known what its job has done; known is false when that is to be waited
// for. A batch may commit until the chunks have followed a job that was cancelled, and then the job is finalized.
func (d *Deliverer) makePayload(ctx context.Context, claimed *webhook.Delivery) (known bool, err error) {
	j, err := d.Store.Job(ctx, claimed.JobID)
	if err != nil {
		return false, err
	}
	if j.Version < claimed.JobVersion || j.Version == claimed.JobVersion && !j.Finalized {
		return false, d.Store.PostponeDelivery(ctx, claimed, unfinished)
	}
	payload, err := webhook.Payload(claimed, &j)
	if err != nil {
		return false, err
	}
	claimed.Payload, err = d.Store.KeepPayload(ctx, claimed.ID, payload)
	return err == nil, err
}

// judge returns what follows from an attempt: the state of the delivery, the wait until the next attempt, and why the endpoint
// gets no more.
func judge(d *webhook.Delivery, r *webhook.Result) (state webhook.State, wait time.Duration, disable string) {
	switch {
	case r.Error == "":
		return webhook.Delivered, 0, ""
	case r.Gone():
		return webhook.Failed, 0, webhook.DisabledGone
	}
	wait, again := webhook.NextTry(d.Tries+1, r.After)
	if !again {
		return webhook.Failed, 0, ""
	}
	return webhook.Pending, wait, ""
}
