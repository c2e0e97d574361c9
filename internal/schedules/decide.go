package schedules

import (
	"context"
	"errors"
	"time"

	"github.com/musterhq/muster/internal/crash"
	"github.com/musterhq/muster/internal/cron"
	"github.com/musterhq/muster/internal/invalid"
	"github.com/musterhq/muster/internal/job"
)

const (
	// waitForJob is how soon a run is looked at again that waits for the job before it.
	waitForJob = 2 * time.Second
	// A refused run is tried again after leastDelay, twice as long each time up to mostDelay, and given up after mostTries.
	leastDelay, mostDelay = 2 * time.Second, time.Minute
	mostTries             = 24 * time.Hour
)

// decide submits the job of a run that is claimed, or says why not.
func (r *Runner) decide(ctx context.Context, run *job.ScheduleRun) error {
	s, err := r.Store.Schedule(ctx, run.ScheduleID)
	switch {
	case errors.Is(err, job.ErrScheduleNotFound):
		return nil // deleted, and its runs with it
	case err != nil:
		return err
	case !s.PausedAt.IsZero() && !run.Manual && run.FireAt.Before(s.PausedAt) && run.Code != "":
		return r.end(ctx, run, job.RunSkipped, job.CodePaused)
	}
	if done, err := r.behind(ctx, run); done || err != nil {
		return err
	}
	// Once more: the run before it may have got its job since.
	if s, err = r.Store.Schedule(ctx, run.ScheduleID); err != nil {
		return err
	}
	// It may be submitted already, by a worker that died before it could say so.
	if j, err := r.Store.JobByKey(ctx, s.Owner, run.JobKey()); err == nil {
		return r.submitted(ctx, run, j.ID)
	} else if !errors.Is(err, job.ErrNotFound) {
		return err
	}
	switch over, err := r.over(ctx, s.LastJobID); {
	case err != nil:
		return err
	case !over && s.Overlap == job.OverlapSkip:
		return r.end(ctx, run, job.RunSkipped, job.CodePreviousRunning)
	case !over:
		return r.delay(ctx, run, job.CodePreviousRunning, waitForJob)
	}
	id, err := r.submit(ctx, &s, run)
	if err != nil {
		return r.refused(ctx, run, err)
	}
	crash.Point("schedule.submitted")
	return r.submitted(ctx, run, id)
}

// behind decides about a run that is not the first of its schedule to be decided about: done says that it is not this one's
// turn. One before it that was refused has had its time.
func (r *Runner) behind(ctx context.Context, run *job.ScheduleRun) (done bool, err error) {
	earlier, err := r.Store.EarlierRuns(ctx, run)
	if err != nil {
		return true, err
	}
	for i := range earlier {
		switch e := &earlier[i]; {
		case e.Code == job.CodePreviousRunning:
			return true, r.end(ctx, run, job.RunSkipped, job.CodeRunWaiting)
		case e.Code == "" || run.Manual:
			return true, r.delay(ctx, run, "", waitForJob/2)
		default:
			if err := r.end(ctx, e, job.RunFailed, e.Code); err != nil {
				return true, err
			}
		}
	}
	return false, nil
}

// over reports whether a job is, or is none.
func (r *Runner) over(ctx context.Context, jobID string) (bool, error) {
	if jobID == "" {
		return true, nil
	}
	j, err := r.Jobs.Find(ctx, jobID)
	if errors.Is(err, job.ErrNotFound) {
		return true, nil
	}
	return err == nil && j.Status.Terminal(), err
}

// submit submits the job of a run and returns its id.
func (r *Runner) submit(ctx context.Context, s *job.Schedule, run *job.ScheduleRun) (string, error) {
	c, err := cron.Parse(s.Cron, s.TimeZone)
	if err != nil {
		return "", err
	}
	at := run.FireAt.In(c.Zone())
	spec := job.Spec{Owner: s.Owner, IdempotencyKey: run.JobKey(), CallbackURL: s.Action.CallbackURL}
	var up *job.Upload
	switch s.Action.Type {
	case job.ActionExport:
		export := *s.Action.Export
		export.Destination = job.FillDate(export.Destination, at)
		spec.Source, spec.Export = job.SourceExport, &export
	default:
		if r.Files == nil {
			return "", job.ErrFilesUnavailable
		}
		if up, err = r.Files.Fetch(ctx, s.Owner, job.FillDate(s.Action.From, at)); err != nil {
			return "", err
		}
		crash.Point("schedule.fetched")
		spec.Source, spec.DryRun = job.SourceFile, s.Action.DryRun
		spec.File = &job.File{
			Upload: up.ID, Object: up.Object, Name: up.FileName, ContentType: up.ContentType, Bytes: up.Size, SHA256: up.SHA256, Options: *s.Action.File,
		}
	}
	j, replayed, err := r.Jobs.Submit(ctx, spec)
	if errors.Is(err, job.ErrKeyReused) { // by another worker, and the file has changed since
		j, err = r.Store.JobByKey(ctx, s.Owner, run.JobKey())
		replayed = true
	}
	if up != nil && (replayed || err != nil && !errors.Is(err, job.ErrUncertain)) {
		_ = r.Files.Delete(context.WithoutCancel(ctx), up) // if it stays, it is swept
	}
	return j.ID, err
}

func (r *Runner) submitted(ctx context.Context, run *job.ScheduleRun, jobID string) error {
	run.JobID = jobID
	err := r.end(ctx, run, job.RunSubmitted, "")
	crash.Point("schedule.noted")
	return err
}

// end writes what became of the run.
func (r *Runner) end(ctx context.Context, run *job.ScheduleRun, state job.RunState, code string) error {
	now, err := r.Store.Now(ctx)
	if err != nil {
		return err
	}
	run.State, run.Code, run.FinishedAt = state, code, now
	if err := r.Store.EndRun(ctx, run); err != nil {
		return err
	}
	r.Metrics.did(run)
	r.Log.InfoContext(ctx, "run of a schedule decided", "schedule", run.ScheduleID, "fire_at", run.FireAt, "state", state, "code", code, "job", run.JobID)
	return nil
}

// delay lets the run wait.
func (r *Runner) delay(ctx context.Context, run *job.ScheduleRun, code string, wait time.Duration) error {
	now, err := r.Store.Now(ctx)
	if err != nil {
		return err
	}
	run.Code, run.TryAt = code, now.Add(wait)
	return r.Store.DelayRun(ctx, run)
}

// refused tries a run again later, or gives it up when that is of no use.
func (r *Runner) refused(ctx context.Context, run *job.ScheduleRun, refusal error) error {
	if ctx.Err() != nil { // the worker stops, or another has the run
		return refusal
	}
	code, passes := codeOf(refusal)
	now, err := r.Store.Now(ctx)
	switch {
	case err != nil:
		return err
	case !passes || now.Sub(run.FireAt) > mostTries:
		r.Log.WarnContext(ctx, "the job of a schedule was refused", "schedule", run.ScheduleID, "fire_at", run.FireAt, "code", code, "err", refusal)
		return r.end(ctx, run, job.RunFailed, code)
	}
	wait := min(leastDelay<<min(run.Attempts-1, 5), mostDelay)
	if limit, ok := errors.AsType[*job.LimitError](refusal); ok {
		wait = min(max(wait, limit.RetryAfter), mostDelay)
	}
	r.Log.InfoContext(ctx, "the job of a schedule has to wait", "schedule", run.ScheduleID, "code", code, "err", refusal)
	return r.delay(ctx, run, code, wait)
}

// codeOf returns the code of a refusal, as the API has it, and whether it may pass.
func codeOf(err error) (code string, passes bool) {
	if limit, ok := errors.AsType[*job.LimitError](err); ok {
		if limit.Cooldown {
			return "cooldown_active", true
		}
		return "tier_limit_reached", true
	}
	if fault, ok := errors.AsType[*job.FileError](err); ok {
		return fault.Code, false
	}
	if _, ok := errors.AsType[*invalid.Error](err); ok {
		return "validation_failed", false
	}
	if _, ok := errors.AsType[*job.FileTooLargeError](err); ok {
		return "payload_too_large", false
	}
	for _, known := range []struct {
		err    error
		code   string
		passes bool
	}{
		{job.ErrFileNotFound, "file_not_found", false},
		{job.ErrQueueFull, "queue_full", true},
		{job.ErrQueueUnavailable, "queue_unavailable", true},
		{job.ErrNoSpace, "no_space", true},
		{job.ErrFilesUnavailable, "files_unavailable", true},
		{job.ErrStoreUnavailable, "store_unavailable", true},
		{job.ErrUncertain, "store_unavailable", true},
		{job.ErrSchema, "store_unavailable", true},
	} {
		if errors.Is(err, known.err) {
			return known.code, known.passes
		}
	}
	return "internal_error", true
}
