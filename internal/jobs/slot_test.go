package jobs

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/musterhq/muster/internal/job"
)

// oneSlot is a fake of Slots that logs what happens to the only slot.
type oneSlot struct {
	held  bool
	calls []string
	err   error
}

func (s *oneSlot) Reserve(context.Context, string, string, job.TierLimit) error { return s.err }

func (s *oneSlot) Renew(context.Context, string, string, job.TierLimit) (added bool, err error) {
	s.calls = append(s.calls, "renew")
	added, s.held = !s.held, true
	return added, s.err
}

func (s *oneSlot) Release(context.Context, string, string, time.Time, job.TierLimit) error {
	s.calls, s.held = append(s.calls, "release"), false
	return s.err
}

func (s *oneSlot) Unreserve(context.Context, string, string, job.TierLimit) error {
	s.calls, s.held = append(s.calls, "unreserve"), false
	return s.err
}

// statuses is a store in which the job has another status at each look.
type statuses struct {
	Store
	left []job.Status
}

func (s *statuses) Job(context.Context, string) (job.Job, error) {
	j := job.Job{Status: s.left[0]}
	s.left = s.left[1:]
	return j, nil
}

// Whatever the job's owner does meanwhile, the slot agrees in the end with the job's status.
func TestSyncSlot(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		held bool
		is   []job.Status // as first read, and at each look
		want []string
	}{
		"runs":                             {true, []job.Status{job.Pending}, []string{"renew"}},
		"slot was lost":                    {false, []job.Status{job.Pending, job.InProgress}, []string{"renew"}},
		"over":                             {true, []job.Status{job.Completed, job.Completed}, []string{"release"}},
		"paused":                           {true, []job.Status{job.Paused, job.Paused}, []string{"unreserve"}},
		"resumed before the slot was gone": {true, []job.Status{job.Paused, job.Pending, job.Pending}, []string{"unreserve", "renew"}},
		"retried before the slot was gone": {true, []job.Status{job.Failed, job.Pending, job.InProgress}, []string{"release", "renew"}},
		"ended before it was put back":     {false, []job.Status{job.InProgress, job.Completed, job.Completed}, []string{"renew", "unreserve"}},
		"paused, resumed and over": {true, []job.Status{job.Paused, job.Pending, job.Cancelled, job.Cancelled},
			[]string{"unreserve", "renew", "unreserve"}},
		"over while its pause was seen to": {true, []job.Status{job.Paused, job.Completed}, []string{"unreserve"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			slots := &oneSlot{held: c.held}
			store := &statuses{left: c.is[1:]}
			s := &Service{Slots: slots, Store: store}
			if err := s.syncSlot(t.Context(), job.Job{Status: c.is[0]}); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, slots.calls); diff != "" || len(store.left) != 0 {
				t.Errorf("%d looks left; steps (-want +got):\n%s", len(store.left), diff)
			}
			if last := c.is[len(c.is)-1]; slots.held != last.HoldsSlot() {
				t.Errorf("slot held: %v, with the job %s", slots.held, last)
			}
		})
	}
	down := &oneSlot{err: job.ErrQueueUnavailable}
	for _, status := range job.Statuses() {
		err := (&Service{Slots: down}).syncSlot(t.Context(), job.Job{Status: status})
		if !errors.Is(err, job.ErrQueueUnavailable) {
			t.Errorf("%s with Redis down: %v", status, err)
		}
	}
}
