package store_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/musterhq/muster/internal/job"
	"github.com/musterhq/muster/internal/store"
	"github.com/musterhq/muster/internal/store/storetest"
	"github.com/musterhq/muster/internal/webhook"
)

func newWebhook(t *testing.T, s *store.Store, owner string) *webhook.Endpoint {
	t.Helper()
	e := &webhook.Endpoint{ID: uuid.Must(uuid.NewV7()).String(), Owner: owner, URL: "https://example.com/" + owner, Secret: webhook.NewSecret()}
	if err := s.CreateWebhook(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	return e
}

func createJob(t *testing.T, s *store.Store, j *job.Job) {
	t.Helper()
	if err := storetest.CreateJob(t.Context(), s, j, j.Requested); err != nil {
		t.Fatal(err)
	}
}

func deliveries(t *testing.T, s *store.Store, owner string) []webhook.Delivery {
	t.Helper()
	list, err := s.Deliveries(t.Context(), webhook.Filter{Owner: owner, Limit: 1000})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// The end of a job is recorded for each of its owner's webhooks and for its callback, once, whoever ends it; other moves are not.
func TestWebhooksOfEndedJobs(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url string) {
		s := storetest.Open(t, url, store.Options{})
		ctx := t.Context()
		first, second, disabled := newWebhook(t, s, "ann"), newWebhook(t, s, "ann"), newWebhook(t, s, "ann")
		newWebhook(t, s, "bob")
		if err := s.DisableWebhook(ctx, "ann", disabled.ID); err != nil {
			t.Fatal(err)
		}
		if err := s.EnsureCallbacks(ctx, "ann", webhook.NewSecret()); err != nil {
			t.Fatal(err)
		}
		run := func(callback string) *job.Job {
			j := newJob(10)
			j.CallbackURL = callback
			createJob(t, s, j)
			return j
		}
		seen := 0
		expect := func(j *job.Job, event string, to ...string) {
			t.Helper()
			all := deliveries(t, s, "ann")
			fresh := all[:len(all)-seen]
			seen = len(all)
			got := map[string]bool{}
			for _, d := range fresh {
				if d.Event != event || d.JobID != j.ID || d.State != webhook.Pending || d.Payload != nil || d.Created.IsZero() || !strings.HasPrefix(d.ID, "msg_") {
					t.Errorf("%s: %+v", event, d)
				}
				got[d.EndpointID+d.URL] = true
			}
			for _, id := range to {
				if !got[id] {
					t.Errorf("%s of %s is not told to %s", event, j.ID, id)
				}
			}
			if len(fresh) != len(to) {
				t.Errorf("%s: %d deliveries, want %d", event, len(fresh), len(to))
			}
		}

		done := run("https://example.com/done")
		mustCommit(t, s, claim(t, s, done.ID, 0), 10)
		expect(done, "")
		finish(t, s, done.ID)
		if again, err := s.FinishJob(ctx, done.ID); again || err != nil {
			t.Errorf("a second end: %t, %v", again, err)
		}
		expect(done, webhook.JobCompleted, first.ID, second.ID, webhook.CallbackID("ann")+"https://example.com/done")

		if _, err := s.MoveJob(ctx, "ann", done.ID, job.MoveUndo); err != nil {
			t.Fatal(err)
		}
		for more := true; more; {
			j := jobOf(t, s, done.ID)
			var err error
			if more, err = s.UndoSlice(ctx, &j); err != nil {
				t.Fatal(err)
			}
		}
		expect(done, webhook.JobUndone, first.ID, second.ID, webhook.CallbackID("ann")+"https://example.com/done")

		cancelled := run("")
		for _, m := range []job.Move{job.MovePause, job.MoveResume, job.MoveCancel, job.MoveCancel} {
			if _, err := s.MoveJob(ctx, "ann", cancelled.ID, m); err != nil {
				t.Fatal(err)
			}
		}
		expect(cancelled, webhook.JobCancelled, first.ID, second.ID)

		failed := run("")
		for range job.MaxStalls {
			if err := s.Stall(ctx, claim(t, s, failed.ID, 0), "x"); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := s.FailStalled(ctx, *failed); err != nil {
			t.Fatal(err)
		}
		finish(t, s, failed.ID)
		expect(failed, webhook.JobFailed, first.ID, second.ID)
	})
}

// Of many processes that want to attempt a delivery one does at a time, and each outcome has its consequence.
func TestDeliveryFromDueToOver(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url string) {
		s := storetest.Open(t, url, store.Options{})
		ctx := t.Context()
		e := newWebhook(t, s, "ann")
		test, err := s.TestWebhook(ctx, "ann", e.ID)
		if err != nil {
			t.Fatal(err)
		}
		due := func() int {
			t.Helper()
			list, err := s.DueDeliveries(ctx, 10)
			if err != nil {
				t.Fatal(err)
			}
			return len(list)
		}
		claim := func() *webhook.Delivery {
			t.Helper()
			d, got, err := s.ClaimDelivery(ctx, test.ID, time.Minute)
			if err != nil {
				t.Fatal(err)
			}
			if d != nil && (got.ID != e.ID || got.Secret != e.Secret) {
				t.Errorf("endpoint %+v", got)
			}
			return d
		}
		var claims atomic.Int32
		var held *webhook.Delivery
		var mu sync.Mutex
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				d, _, err := s.ClaimDelivery(ctx, test.ID, time.Minute)
				if err != nil {
					t.Error(err)
				}
				if d != nil {
					claims.Add(1)
					mu.Lock()
					held = d
					mu.Unlock()
				}
			})
		}
		wg.Wait()
		if claims.Load() != 1 || due() != 0 {
			t.Fatalf("%d claims, %d due", claims.Load(), due())
		}
		if err := s.PostponeDelivery(ctx, held, 0); err != nil || due() != 1 {
			t.Errorf("postponed: %v, %d due", err, due())
		}
		settle := func(d *webhook.Delivery, a webhook.Attempt, state webhook.State, wait time.Duration, disable string) {
			t.Helper()
			if err := s.SettleAttempt(ctx, d, &a, state, wait, disable); err != nil {
				t.Fatal(err)
			}
		}
		first := claim()
		settle(held, webhook.Attempt{Status: 500}, webhook.Delivered, 0, "") // of a claim that is not its any more
		settle(first, webhook.Attempt{Status: 500, Error: webhook.ErrStatus, Answer: strings.Repeat("é", 600), Took: 1500 * time.Millisecond}, webhook.Pending, time.Hour, "")
		if due() != 0 || claim() != nil {
			t.Error("it is due within the hour")
		}
		d, attempts, err := s.Delivery(ctx, "ann", test.ID)
		if err != nil || d.State != webhook.Pending || d.Attempts != 1 || len(attempts) != 1 || attempts[0].Status != 500 || attempts[0].Took != 1500*time.Millisecond || attempts[0].Number != 1 {
			t.Errorf("%+v, %+v, %v", d, attempts, err)
		}
		if now, err := s.Webhook(ctx, "ann", e.ID); err != nil || now.FailingSince.IsZero() {
			t.Errorf("failing since %s, %v", now.FailingSince, err)
		}
		// A replay of what is on its way has no effect; of what is over it has.
		if err := s.Replay(ctx, "ann", test.ID); err != nil || due() != 0 {
			t.Errorf("replayed: %v, %d due", err, due())
		}
		if _, err := s.ReplaySince(ctx, "bob", e.ID, time.Time{}); !errors.Is(err, webhook.ErrNotFound) {
			t.Errorf("bob's replay: %v", err)
		}
		second, err := s.TestWebhook(ctx, "ann", e.ID)
		if err != nil {
			t.Fatal(err)
		}
		gone, _, err := s.ClaimDelivery(ctx, second.ID, time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		settle(gone, webhook.Attempt{Status: 410, Error: webhook.ErrStatus}, webhook.Failed, 0, webhook.DisabledGone)
		if now, err := s.Webhook(ctx, "ann", e.ID); err != nil || now.Disabled.IsZero() || now.DisabledWhy != webhook.DisabledGone {
			t.Errorf("after 410: %+v, %v", now, err)
		}
		if n, err := s.ReplaySince(ctx, "ann", e.ID, d.Created); err != nil || n != 1 || due() != 0 {
			t.Errorf("replayed %d to one that is disabled, %v, %d due", n, err, due())
		}
		if err := s.EnableWebhook(ctx, "ann", e.ID); err != nil || due() != 1 {
			t.Errorf("enabled: %v, %d due", err, due())
		}
		again, _, err := s.ClaimDelivery(ctx, second.ID, time.Minute)
		if err != nil || again == nil || string(again.Payload) != string(gone.Payload) || again.Tries != 0 || again.Attempts != 1 {
			t.Fatalf("replayed: %+v, %v", again, err)
		}
		settle(again, webhook.Attempt{Status: 200}, webhook.Delivered, 0, "")
		if now, err := s.Webhook(ctx, "ann", e.ID); err != nil || !now.FailingSince.IsZero() {
			t.Errorf("after a success: failing since %s, %v", now.FailingSince, err)
		}
		if n, err := s.DeleteDeliveries(ctx, time.Now().Add(time.Hour)); err != nil || n != 2 || len(deliveries(t, s, "ann")) != 0 {
			t.Errorf("forgot %d, %v", n, err)
		}
	})
}

// A receiver to which thousands are on their way does not hide the others.
func TestDueDeliveriesOfEach(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url string) {
		s := storetest.Open(t, url, store.Options{})
		ctx := t.Context()
		busy, other := newWebhook(t, s, "ann"), newWebhook(t, s, "bob")
		for range 50 {
			if _, err := s.TestWebhook(ctx, "ann", busy.ID); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := s.TestWebhook(ctx, "bob", other.ID); err != nil {
			t.Fatal(err)
		}
		list, err := s.DueDeliveries(ctx, 5)
		if err != nil {
			t.Fatal(err)
		}
		got := map[string]int{}
		for _, d := range list {
			got[d.Owner]++
		}
		if got["ann"] != 5 || got["bob"] != 1 {
			t.Errorf("due: %v", got)
		}
	})
}

func TestPayloadIsKept(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url string) {
		s := storetest.Open(t, url, store.Options{})
		newWebhook(t, s, "ann")
		j := newJob(10)
		createJob(t, s, j)
		if _, err := s.MoveJob(t.Context(), "ann", j.ID, job.MoveCancel); err != nil {
			t.Fatal(err)
		}
		id := deliveries(t, s, "ann")[0].ID
		var wg sync.WaitGroup
		var mu sync.Mutex
		got := map[string]bool{}
		for i := range 8 {
			wg.Go(func() {
				kept, err := s.KeepPayload(t.Context(), id, fmt.Appendf(nil, "payload %d", i))
				if err != nil {
					t.Error(err)
				}
				mu.Lock()
				got[string(kept)] = true
				mu.Unlock()
			})
		}
		wg.Wait()
		if len(got) != 1 {
			t.Errorf("eight processes see the payloads %v", got)
		}
	})
}

func TestRotateSecretTwiceWithOne(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url string) {
		s := storetest.Open(t, url, store.Options{})
		e := newWebhook(t, s, "ann")
		secret := webhook.NewSecret()
		for range 2 { // as when an answer was lost
			if err := s.RotateSecret(t.Context(), "ann", e.ID, secret, time.Hour); err != nil {
				t.Fatal(err)
			}
		}
		now, err := s.Webhook(t.Context(), "ann", e.ID)
		if err != nil || now.Secret != secret || now.Previous != e.Secret {
			t.Errorf("%+v, %v", now, err)
		}
		if got := now.Secrets(time.Now()); len(got) != 2 || got[0] != secret {
			t.Errorf("signed with %v", got)
		}
		if got := now.Secrets(time.Now().Add(2 * time.Hour)); len(got) != 1 {
			t.Errorf("after the overlap signed with %v", got)
		}
	})
}

// An endpoint is disabled when a delivery is given up and nothing has arrived for long, not by one attempt that fails.
func TestEndpointThatFails(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url string) {
		s := storetest.Open(t, url, store.Options{})
		ctx := t.Context()
		e := newWebhook(t, s, "ann")
		fail := func(state webhook.State) webhook.Endpoint {
			t.Helper()
			d, err := s.TestWebhook(ctx, "ann", e.ID)
			if err != nil {
				t.Fatal(err)
			}
			c, _, err := s.ClaimDelivery(ctx, d.ID, time.Minute)
			if err != nil || c == nil {
				t.Fatalf("claim %v, %v", c, err)
			}
			if err := s.SettleAttempt(ctx, c, &webhook.Attempt{Error: webhook.ErrTimeout}, state, time.Hour, ""); err != nil {
				t.Fatal(err)
			}
			now, err := s.Webhook(ctx, "ann", e.ID)
			if err != nil {
				t.Fatal(err)
			}
			return now
		}
		if now := fail(webhook.Failed); !now.Disabled.IsZero() || now.FailingSince.IsZero() {
			t.Errorf("after the first: %+v", now)
		}
		s.FailingSince(t, e.ID, time.Now().Add(-webhook.GiveUpAfter-time.Hour))
		if now := fail(webhook.Pending); !now.Disabled.IsZero() {
			t.Errorf("after an attempt that is made again: %+v", now)
		}
		if now := fail(webhook.Failed); now.DisabledWhy != webhook.DisabledFailing {
			t.Errorf("after one that was given up: %+v", now)
		}
	})
}
