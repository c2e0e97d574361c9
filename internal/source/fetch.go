package source

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/failsafe-go/failsafe-go"
	"github.com/failsafe-go/failsafe-go/circuitbreaker"
	"github.com/failsafe-go/failsafe-go/retrypolicy"

	"github.com/musterhq/muster/internal/job"
	"github.com/musterhq/muster/internal/tracing"
	"github.com/musterhq/muster/internal/user"
)

// refusal is an answer, or the lack of one, that another request may mend. Its text completes "RandomUser …" and is
// safe to show: it holds nothing of what the service sent but its status.
type refusal struct {
	what   string         // for the log
	reason job.WaitReason // empty: job.WaitUpstreamError
}

func (e *refusal) Error() string { return "RandomUser " + e.what }

// errTooMany: status 429. It does not count as a failure of the service, and asking again at once would not help.
var errTooMany = errors.New("RandomUser asks for a pause: too many users were requested from this address")

// isRefusal reports whether the request is to be made again, and counts for the breaker.
func isRefusal(_ []user.User, err error) bool {
	var r *refusal
	return errors.As(err, &r)
}

func newRetry(cfg RandomUserConfig) retrypolicy.RetryPolicy[[]user.User] {
	return retrypolicy.NewBuilder[[]user.User]().
		HandleIf(isRefusal).
		WithMaxAttempts(cfg.Attempts).
		WithBackoff(cfg.RetryDelay, cfg.RetryMax).
		WithJitterFactor(0.5).
		ReturnLastFailure().
		Build()
}

func newBreaker(cfg RandomUserConfig) circuitbreaker.CircuitBreaker[[]user.User] {
	return circuitbreaker.NewBuilder[[]user.User]().
		HandleIf(isRefusal).
		WithFailureThreshold(cfg.BreakerFailures).
		WithDelay(cfg.BreakerDelay).
		WithSuccessThreshold(1).
		OnStateChanged(func(e circuitbreaker.StateChangedEvent) {
			cfg.Metrics.breaker(e.NewState)
			cfg.Logger.Warn("circuit breaker of RandomUser moved", "from", e.OldState.String(), "to", e.NewState.String())
		}).
		Build()
}

// fetch gets one page, with retries and a circuit breaker. Whatever may be better later is returned as *job.WaitError.
func (r *RandomUser) fetch(ctx context.Context, jobID string, want wanted, nat []string) ([]user.User, error) {
	log := r.cfg.Logger.With("job", jobID, "page", want.page)
	inTime, cancel := context.WithTimeout(ctx, r.cfg.MaxElapsed)
	defer cancel()
	ask := failsafe.With(r.breaker).WithContext(inTime)
	users, err := failsafe.With(r.retry).WithContext(inTime).Get(func() ([]user.User, error) {
		if err := r.takeBudget(inTime, int64(want.rows)); err != nil {
			return nil, err
		}
		users, err := ask.Get(func() ([]user.User, error) { return r.ask(inTime, want, nat) })
		if isRefusal(nil, err) {
			log.Warn("page not delivered", "error", err)
		}
		return users, err
	})
	var wait *job.WaitError
	var refused *refusal
	switch {
	case err == nil:
		return users, nil
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case errors.As(err, &wait):
		return nil, wait
	case errors.Is(err, errTooMany):
		return nil, r.exhausted(ctx)
	case errors.Is(err, circuitbreaker.ErrOpen):
		return nil, r.breakerOpen()
	case errors.As(err, &refused):
		return nil, &job.WaitError{Wait: r.pause(), Reason: cmp.Or(refused.reason, job.WaitUpstreamError)}
	case inTime.Err() != nil:
		return nil, &job.WaitError{Wait: r.pause(), Reason: job.WaitUpstreamSlow}
	}
	return nil, fmt.Errorf("page %d: %w", want.page, err)
}

// takeBudget takes the users of a page out of the fleet's budget, for each request anew, because the service counts
// failed ones too. While the breaker lets no request through it takes nothing, as none is made; in the breaker's
// half-open state that means that another chunk's request is the trial. (If the breaker opens right after, a page is
// taken for nothing.)
func (r *RandomUser) takeBudget(ctx context.Context, users int64) error {
	if r.breaker.IsHalfOpen() || r.breaker.IsOpen() && r.breaker.RemainingDelay() > 0 {
		return circuitbreaker.ErrOpen
	}
	wait, err := r.cfg.Budget.Take(ctx, users)
	if err != nil {
		return r.budgetLost(ctx, err)
	}
	if wait > 0 {
		return &job.WaitError{Wait: wait, Reason: job.WaitUpstreamAllowance}
	}
	return nil
}

// exhausted makes the whole fleet pause after a 429: somebody else has used the allowance. It returns the wait.
func (r *RandomUser) exhausted(ctx context.Context) error {
	wait, err := r.cfg.Budget.Exhaust(ctx)
	if err != nil {
		return r.budgetLost(ctx, err)
	}
	return &job.WaitError{Wait: max(wait, time.Second), Reason: job.WaitUpstreamLimited}
}

// budgetLost returns the wait for when the budget cannot be read: without it nothing may be asked, or the fleet would
// use more than the allowance. That is no fault of the chunk.
func (r *RandomUser) budgetLost(ctx context.Context, cause error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	r.cfg.Logger.Warn("the upstream budget cannot be read", "error", cause)
	return &job.WaitError{Wait: r.pause(), Reason: job.WaitAllowanceUnknown}
}

func (r *RandomUser) breakerOpen() error {
	// The random part keeps the chunks of a fleet from coming back all at once.
	wait := r.breaker.RemainingDelay() + rand.N(r.cfg.BreakerDelay/4+1)
	return &job.WaitError{Wait: max(wait, 1), Reason: job.WaitUpstreamDown}
}

// pause returns cfg.Pause ± 50 %.
func (r *RandomUser) pause() time.Duration { return r.cfg.Pause/2 + rand.N(r.cfg.Pause+1) }

// ask makes one request.
func (r *RandomUser) ask(ctx context.Context, want wanted, nat []string) (_ []user.User, err error) {
	defer func(began time.Time) { r.cfg.Metrics.asked(began, err) }(time.Now())
	inTime, cancel := context.WithTimeout(ctx, r.cfg.Timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(inTime, http.MethodGet, r.pageURL(want, nat), nil)
	if err != nil {
		return nil, errors.New("the address of RandomUser is not a URL")
	}
	_, span := tracing.StartClient(inTime, "GET RandomUser page")
	defer func() { tracing.End(span, err) }()
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", "muster (+https://github.com/musterhq/muster)")
	res, err := r.cfg.HTTP.Do(req)
	if err != nil {
		return nil, transportError(ctx, err)
	}
	defer res.Body.Close()
	switch {
	case res.StatusCode == http.StatusTooManyRequests:
		return nil, errTooMany
	case res.StatusCode != http.StatusOK:
		return nil, &refusal{what: "answered with status " + strconv.Itoa(res.StatusCode)}
	}
	body, err := io.ReadAll(http.MaxBytesReader(nil, res.Body, bodyLimit))
	if err != nil {
		return nil, transportError(ctx, err)
	}
	return decodePage(body, want)
}

// pageURL asks for what is stored and nothing else: the default answer carries passwords.
func (r *RandomUser) pageURL(want wanted, nat []string) string {
	q := url.Values{
		"results": {strconv.Itoa(want.rows)},
		"page":    {strconv.Itoa(want.page)},
		"seed":    {want.seed},
		"nat":     {strings.Join(nat, ",")},
		"inc":     {"gender,name,location,email,dob,cell,nat"},
	}
	return strings.TrimSuffix(r.cfg.BaseURL, "/") + "/api/" + apiVersion + "/?" + q.Encode()
}

// transportError says in words of its own what went wrong between here and the service, since the library's errors
// quote the URL. When the caller gave up, which is not the service's fault, it returns that.
func transportError(ctx context.Context, err error) error {
	if errors.Is(ctx.Err(), context.Canceled) {
		return ctx.Err()
	}
	var tooBig *http.MaxBytesError
	var timeout interface{ Timeout() bool }
	switch {
	case errors.As(err, &tooBig):
		return &refusal{what: "sent more than 10 MB"}
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return &refusal{what: "did not answer in time", reason: job.WaitUpstreamSlow}
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return &refusal{what: "broke the connection off", reason: job.WaitUpstreamUnreachable}
	}
	return &refusal{what: "cannot be reached", reason: job.WaitUpstreamUnreachable}
}
