package integration

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	standard "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/musterhq/muster/internal/webhook"
)

// W-R1: workers and APIs killed at every point from the end of a job to the delivery of its webhook. Each end is told at least once,
// under one id, always with the same bytes, and no end that did not come is told.
func TestChaosWR1CrashPoints(t *testing.T) {
	eachServer(t, func(t *testing.T, s *stack) {
		chaos(t, "W-R1", "kill -9 between a job's end and its webhook", s, func(s *stack) string {
			points := webhookPoints
			if !long() {
				points = []string{"webhook.recorded:1", "webhook.enqueued:1", "webhook.sent:1", "webhook.settling:1"}
			}
			return webhookDeaths(s, points, rounds(24, 200))
		})
		if !long() {
			return
		}
		control(t, "W-R1", s, "webhook-before-commit", `ids for \S+ of job`, func(s *stack) string { return webhookDeaths(s, []string{"webhook.recorded:2"}, 20) })
		control(t, "W-R1", s, "webhook-after-commit", `is not told`, func(s *stack) string { return webhookDeaths(s, []string{"webhook.recorded:1"}, 20) })
	})
}

// webhookPoints are where workers die, one after the other.
var webhookPoints = []string{
	"finish.begin:2", "webhook.recorded:1", "finish.moved:1", "reconcile.published:1", "reconcile.finalized:1", "webhook.enqueued:1", "webhook.claimed:1",
	"webhook.made:1", "webhook.sent:1", "webhook.settling:1", "webhook.settled:1",
}

func webhookDeaths(s *stack, points []string, jobs int) string {
	t := s.t
	s.hooks = true
	s.env = append(s.env, "MUSTER_WEBHOOK_ALLOWED_NETWORKS=127.0.0.1", "MUSTER_TIERS=SMALL:100:1000,MEDIUM:10000:5,LARGE:100000:3,XL:0:1")
	api := s.api()
	in := api.receiver("ann")
	in.users = 10

	want := map[string]string{} // by job: the event that is to be told
	for n := range jobs {
		id := api.submit("ann", 10).JobID
		want[id] = webhook.JobCompleted
		if n%4 == 0 { // no worker runs yet
			want[id] = webhook.JobCancelled
			switch n % 3 {
			case 0:
				api.must(http.MethodPost, "/jobs/"+id+"/cancel", "ann", http.StatusOK)
			case 1:
				api = s.cancelAndDie(api, id, "webhook.recorded:1")
			case 2:
				api = s.cancelAndDie(api, id, "move.written:1")
			}
		}
	}
	for _, at := range points {
		s.start("worker", "MUSTER_CHAOS_CRASH="+at).waitExit(time.Minute)
	}
	s.workers(2)
	// An attempt whose worker died is somebody else's after 20 seconds.
	eventually(t, 3*time.Minute, "all that ended is delivered", func() bool {
		pending := api.must(http.MethodGet, "/webhooks/deliveries?state=PENDING&limit=1", "ann", http.StatusOK).RawResponse
		return strings.Contains(pending, `"content":[]`) && api.ended(want)
	})
	copies := in.audit(want)
	return fmt.Sprintf("%d deaths, %d ends told, %d copies", len(points)+jobs/6, len(want), copies)
}

// receiver has the ends of an owner's jobs told to a new inbox.
func (p *proc) receiver(owner string) *inbox {
	p.t.Helper()
	in := &inbox{t: p.t, told: map[string]map[string][]byte{}}
	srv := httptest.NewServer(in)
	p.t.Cleanup(srv.Close)
	var made struct{ ID, Secret string }
	v := p.must(http.MethodPost, "/webhooks?url="+srv.URL, owner, http.StatusCreated)
	if err := json.Unmarshal([]byte(v.RawResponse), &made); err != nil {
		p.t.Fatal(err)
	}
	var err error
	if in.verifier, err = standard.NewWebhook(made.Secret); err != nil {
		p.t.Fatal(err)
	}
	return in
}

// cancelAndDie has an API that dies at a point cancel a job, and repeats it with another one, which it returns.
func (s *stack) cancelAndDie(api *proc, id, at string) *proc {
	s.t.Helper()
	api.kill()
	dying := s.api("MUSTER_CHAOS_CRASH=" + at)
	if _, err := dying.call(http.MethodPost, "/jobs/"+id+"/cancel", "ann"); err == nil {
		s.t.Fatalf("an API lives on after %s", at)
	}
	dying.waitExit(time.Minute)
	api = s.api()
	api.must(http.MethodPost, "/jobs/"+id+"/cancel", "ann", http.StatusOK)
	return api
}

// ended reports whether all jobs are over.
func (p *proc) ended(jobs map[string]string) bool {
	p.t.Helper()
	for id := range jobs {
		if v := p.must(http.MethodGet, "/jobs/"+id, "ann", http.StatusOK); !v.terminal() {
			return false
		}
	}
	return true
}

// inbox is a receiver of webhooks.
type inbox struct {
	t        testing.TB
	verifier *standard.Webhook
	users    int64 // that each job has when it is COMPLETED; 0: any number

	mu     sync.Mutex
	told   map[string]map[string][]byte // by job and event, then by id: the body
	copies int
}

// ServeHTTP implements http.Handler.
func (in *inbox) ServeHTTP(_ http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err == nil {
		err = in.verifier.Verify(body, r.Header)
	}
	var event struct {
		Type string
		Data struct {
			JobID     string
			Status    string
			Processed int64 `json:"processedCount"`
		}
	}
	if err == nil {
		err = json.Unmarshal(body, &event)
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	if err != nil {
		in.t.Errorf("a webhook that cannot be taken: %v: %s", err, body)
		return
	}
	in.copies++
	id, key := r.Header.Get("webhook-id"), event.Type+" of job "+event.Data.JobID
	if in.told[key] == nil {
		in.told[key] = map[string][]byte{}
	}
	if before, again := in.told[key][id]; again && !bytes.Equal(before, body) {
		in.t.Errorf("%s says\n%s\nand then\n%s", id, before, body)
	}
	in.told[key][id] = body
	if event.Type != webhook.JobUndone && "job."+strings.ToLower(event.Data.Status) != event.Type || event.Type == webhook.JobCompleted && in.users > 0 && event.Data.Processed != in.users {
		in.t.Errorf("%s: %s", event.Type, body)
	}
}

// audit compares what was told with what ended, the event of each job, and returns how many copies of it came.
func (in *inbox) audit(want map[string]string) (copies int) {
	in.t.Helper()
	keys := make([]string, 0, len(want))
	for id, event := range want {
		keys = append(keys, event+" of job "+id)
	}
	return in.auditKeys(keys)
}

// auditKeys is audit for jobs of which more than one event is told.
func (in *inbox) auditKeys(want []string) (copies int) {
	in.t.Helper()
	in.mu.Lock()
	defer in.mu.Unlock()
	for _, key := range want {
		switch len(in.told[key]) {
		case 0:
			in.t.Errorf("%s is not told", key)
		case 1:
		default:
			in.t.Errorf("%d ids for %s", len(in.told[key]), key)
		}
	}
	if len(in.told) != len(want) {
		in.t.Errorf("%d ends are told, want %d", len(in.told), len(want))
	}
	return in.copies
}
