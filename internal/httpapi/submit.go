package httpapi

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/musterhq/muster/internal/httpapi/api"
	"github.com/musterhq/muster/internal/invalid"
	"github.com/musterhq/muster/internal/job"
)

// ImportUsers answers POST /users/import/async.
func (h handlers) ImportUsers(ctx context.Context, r api.ImportUsersRequestObject) (api.ImportUsersResponseObject, error) {
	p := r.Params
	source := p.Source
	if source == "" {
		source = job.SourceFaker
	}
	return h.submit(ctx, job.Spec{
		Owner: p.UserID, Source: source, Count: p.Count, Seed: p.Seed, Nat: p.Nat, IdempotencyKey: p.IdempotencyKey, CallbackURL: p.CallbackURL,
	}, p.Prefer)
}

// ImportBulk answers POST /import/bulk.
func (h handlers) ImportBulk(ctx context.Context, r api.ImportBulkRequestObject) (api.ImportBulkResponseObject, error) {
	p := r.Params
	return h.submit(ctx, job.Spec{
		Owner: p.UserID, Source: job.SourceFaker, Count: p.Count, Seed: p.Seed, IdempotencyKey: p.IdempotencyKey, CallbackURL: p.CallbackURL,
	}, p.Prefer)
}

// ImportRandomUsers answers POST /import/random-users.
func (h handlers) ImportRandomUsers(ctx context.Context, r api.ImportRandomUsersRequestObject) (api.ImportRandomUsersResponseObject, error) {
	p := r.Params
	return h.submit(ctx, job.Spec{
		Owner: p.UserID, Source: job.SourceRandomUser, Count: p.Count, Seed: p.Seed, Nat: p.Nat, IdempotencyKey: p.IdempotencyKey, CallbackURL: p.CallbackURL,
	}, p.Prefer)
}

// submitted is the answer to an accepted import.
type submitted struct {
	job      job.Job
	replayed bool
	waited   string // the preference that was honoured, "wait=30"; empty: none
	view     func(job.Job) api.Job
}

func (s *Server) submit(ctx context.Context, spec job.Spec, prefer string) (*submitted, error) {
	submitCtx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	spec.Origin = origin(ctx)
	if strings.HasPrefix(spec.IdempotencyKey, job.ScheduleKeyPrefix) {
		return nil, &invalid.Error{Fields: []invalid.Field{{Field: "Idempotency-Key", Message: "must not begin with " + job.ScheduleKeyPrefix}}}
	}
	if err := s.takeCallback(submitCtx, spec.Owner, spec.CallbackURL); err != nil {
		return nil, err
	}
	j, replayed, err := s.Jobs.Submit(submitCtx, spec)
	if err != nil {
		return nil, err
	}
	a := &submitted{job: j, replayed: replayed, view: s.view}
	if wait, ok := preferredWait(prefer); ok {
		a.waited = "wait=" + strconv.Itoa(int(wait.Seconds()))
		a.job = s.await(ctx, j, wait)
	}
	return a, nil
}

// maxWait bounds Prefer: wait; proxies give up on silent connections not much later.
const maxWait = 60 * time.Second

// preferredWait reads wait=N, in seconds, from a Prefer header (RFC 7240). What it does not understand it ignores, as
// the RFC asks.
func preferredWait(prefer string) (time.Duration, bool) {
	for p := range strings.SplitSeq(prefer, ",") {
		p, _, _ = strings.Cut(p, ";")
		name, value, _ := strings.Cut(p, "=")
		if !strings.EqualFold(strings.TrimSpace(name), "wait") {
			continue
		}
		n, err := strconv.ParseUint(strings.Trim(strings.TrimSpace(value), `"`), 10, 31)
		if err != nil {
			return 0, false
		}
		return min(time.Duration(n)*time.Second, maxWait), true
	}
	return 0, false
}

// await polls the job until it is over or the wait is, and returns it as last seen: it is accepted, so nothing that
// goes wrong here may look like a refusal.
func (s *Server) await(ctx context.Context, j job.Job, wait time.Duration) job.Job {
	ctx, cancel := untilShutdown(ctx)
	defer cancel()
	deadline := time.NewTimer(wait)
	defer deadline.Stop()
	for began := time.Now(); !j.Status.Terminal(); {
		// An eighth of the wait so far is the most that a poll adds to it. Polls that come at once share calls to Redis.
		poll := time.NewTimer(min(max(time.Since(began)/8, 5*time.Millisecond), 500*time.Millisecond))
		select {
		case <-poll.C:
		case <-deadline.C:
			poll.Stop()
			return j
		case <-ctx.Done():
			poll.Stop()
			return j
		}
		if seen, err := s.Jobs.Get(ctx, j.Owner, j.ID); err == nil {
			j = seen
		}
	}
	return j
}

func (a *submitted) accepted() api.Accepted {
	v := api.Accepted{JobID: a.job.ID, Status: a.job.Status, Message: started}
	switch {
	case a.job.File != nil:
		v.UploadID = a.job.File.Upload
	case a.job.Source == job.SourceExport:
		v.Message = startedExport
	}
	return v
}

func (a *submitted) write(w http.ResponseWriter) error {
	status, body := http.StatusAccepted, any(a.accepted())
	if a.waited != "" {
		body = a.view(a.job)
		w.Header().Set("Preference-Applied", a.waited)
		if a.job.Status.Terminal() {
			status = http.StatusCreated
		}
	}
	if a.replayed {
		w.Header().Set("Idempotent-Replayed", "true")
	}
	w.Header().Set("Location", "/api/v1/jobs/"+a.job.ID)
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	return json.NewEncoder(w).Encode(body)
}

// The routes answer alike, so one type stands in for the generated ones.

func (a *submitted) VisitImportUsersResponse(w http.ResponseWriter) error       { return a.write(w) }
func (a *submitted) VisitImportBulkResponse(w http.ResponseWriter) error        { return a.write(w) }
func (a *submitted) VisitImportRandomUsersResponse(w http.ResponseWriter) error { return a.write(w) }
func (a *submitted) VisitImportFileResponse(w http.ResponseWriter) error        { return a.write(w) }
