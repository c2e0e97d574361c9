package job_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/musterhq/muster/internal/job"
)

// tier logs what happens to one slot.
type tier struct {
	held  bool
	calls []string
	err   error
}

func (s *tier) Renew(context.Context, string, string, job.TierLimit) (added bool, err error) {
	s.calls = append(s.calls, "renew")
	added, s.held = !s.held, true
	return added, s.err
}

func (s *tier) Release(context.Context, string, string, time.Time, job.TierLimit) error {
	s.calls, s.held = append(s.calls, "release"), false
	return s.err
}

func (s *tier) Undo(context.Context, string, string, job.TierLimit) error {
	s.calls, s.held = append(s.calls, "undo"), false
	return s.err
}

// Whatever the job's owner does meanwhile, the slot agrees with where the job stands in the end.
func TestKeepSlot(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		held bool
		is   []job.Status // as first read, and at each look
		want []string
	}{
		"runs":                             {true, []job.Status{job.Pending}, []string{"renew"}},
		"slot was lost":                    {false, []job.Status{job.Pending, job.InProgress}, []string{"renew"}},
		"over":                             {true, []job.Status{job.Completed, job.Completed}, []string{"release"}},
		"paused":                           {true, []job.Status{job.Paused, job.Paused}, []string{"undo"}},
		"resumed before the slot was gone": {true, []job.Status{job.Paused, job.Pending, job.Pending}, []string{"undo", "renew"}},
		"retried before the slot was gone": {true, []job.Status{job.Failed, job.Pending, job.InProgress}, []string{"release", "renew"}},
		"ended before it was put back":     {false, []job.Status{job.InProgress, job.Completed, job.Completed}, []string{"renew", "undo"}},
		"paused, resumed and over": {true, []job.Status{job.Paused, job.Pending, job.Cancelled, job.Cancelled},
			[]string{"undo", "renew", "undo"}},
		"over while its pause was seen to": {true, []job.Status{job.Paused, job.Completed}, []string{"undo"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			slots := &tier{held: c.held}
			looks := c.is[1:]
			read := func(context.Context, string) (job.Job, error) {
				j := job.Job{Status: looks[0]}
				looks = looks[1:]
				return j, nil
			}
			if err := job.KeepSlot(t.Context(), slots, read, job.Job{Status: c.is[0]}, job.TierLimit{}); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, slots.calls); diff != "" || len(looks) != 0 {
				t.Errorf("%d looks left; steps (-want +got):\n%s", len(looks), diff)
			}
			if last := c.is[len(c.is)-1]; slots.held != last.HoldsSlot() {
				t.Errorf("slot held: %v, with the job %s", slots.held, last)
			}
		})
	}
	down := &tier{err: job.ErrQueueUnavailable}
	for _, status := range job.Statuses() {
		err := job.KeepSlot(t.Context(), down, nil, job.Job{Status: status}, job.TierLimit{})
		if !errors.Is(err, job.ErrQueueUnavailable) {
			t.Errorf("%s with Redis down: %v", status, err)
		}
	}
}
