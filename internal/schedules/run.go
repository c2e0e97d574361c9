package schedules

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/musterhq/muster/internal/crash"
	"github.com/musterhq/muster/internal/job"
)

// Jobs submits jobs. Errors as those of jobs.Service.
type Jobs interface {
	Submit(ctx context.Context, s job.Spec) (j job.Job, replayed bool, err error)
	// Find returns the job whoever owns it.
	Find(ctx context.Context, id string) (job.Job, error)
}

// Files brings files from the place to import from. Errors: job.ErrFileNotFound, job.ErrFilesUnavailable, job.ErrNoSpace,
// *job.FileTooLargeError, *job.FileError.
type Files interface {
	Fetch(ctx context.Context, owner, from string) (*job.Upload, error)
	Delete(ctx context.Context, u *job.Upload) error
}

// Runner fires schedules and submits their jobs. Any number of workers run one.
type Runner struct {
	Store   Store
	Jobs    Jobs
	Files   Files         // nil: there is no place to import from
	Lease   time.Duration // how long a run stays its worker's that is not heard of
	AtOnce  int           // runs that are submitted at once; 0: 4
	Log     *slog.Logger
	Metrics *Metrics // nil: nothing is counted
}

// Run fires and submits each jittered interval until ctx ends.
func (r *Runner) Run(ctx context.Context, interval time.Duration) {
	var submitting sync.WaitGroup
	defer submitting.Wait()
	slots := make(chan struct{}, max(r.AtOnce, 4))
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(interval*3/4 + rand.N(interval/2)):
		}
		err := r.Fire(ctx)
		if err == nil {
			err = r.submitPending(ctx, slots, &submitting)
		}
		r.Metrics.passed(err)
		if err != nil && ctx.Err() == nil {
			r.Log.WarnContext(ctx, "schedules not looked at", "err", err)
		}
	}
}

// Submit decides what becomes of the runs that are PENDING, and returns when that is done.
func (r *Runner) Submit(ctx context.Context) error {
	var submitting sync.WaitGroup
	defer submitting.Wait()
	return r.submitPending(ctx, make(chan struct{}, max(r.AtOnce, 4)), &submitting)
}

// submitPending takes up PENDING runs while there is a slot. It does not wait for their end: one that copies a large file
// does not keep the others.
func (r *Runner) submitPending(ctx context.Context, slots chan struct{}, submitting *sync.WaitGroup) error {
	now, err := r.Store.Now(ctx)
	if err != nil {
		return err
	}
	runs, err := r.Store.PendingRuns(ctx, now, pageSize)
	if err != nil {
		return err
	}
	for i := range runs {
		select {
		case slots <- struct{}{}:
		case <-time.After(time.Second): // all are busy; other workers take the rest
			return nil
		case <-ctx.Done():
			return nil
		}
		submitting.Go(func() {
			defer func() { <-slots }()
			if err := r.takeUp(ctx, &runs[i]); err != nil && ctx.Err() == nil {
				r.Log.WarnContext(ctx, "run not decided; it is tried again", "schedule", runs[i].ScheduleID, "err", err)
			}
		})
	}
	return nil
}

// takeUp claims a run and decides what becomes of it, holding it meanwhile.
func (r *Runner) takeUp(ctx context.Context, run *job.ScheduleRun) error {
	now, err := r.Store.Now(ctx)
	if err != nil {
		return err
	}
	if ok, err := r.Store.ClaimRun(ctx, run, now.Add(r.Lease)); !ok {
		return err
	}
	crash.Point("schedule.claimed")
	held, stop := context.WithCancel(ctx)
	released := make(chan struct{})
	mine := *run
	go func() {
		defer close(released)
		r.hold(held, stop, mine)
	}()
	err = r.decide(held, run)
	stop()
	<-released
	return err
}

// hold renews the claim until ctx ends, and ends ctx when somebody else has the run.
func (r *Runner) hold(ctx context.Context, lost context.CancelFunc, run job.ScheduleRun) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(r.Lease / 3):
		}
		now, err := r.Store.Now(ctx)
		if err != nil {
			continue
		}
		if ok, err := r.Store.ClaimRun(ctx, &run, now.Add(r.Lease)); err == nil && !ok {
			lost()
			return
		}
	}
}
