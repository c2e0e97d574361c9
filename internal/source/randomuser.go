package source

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"github.com/failsafe-go/failsafe-go/circuitbreaker"
	"github.com/failsafe-go/failsafe-go/retrypolicy"

	"github.com/musterhq/muster/internal/job"
	"github.com/musterhq/muster/internal/user"
)

const (
	maxPage    = 10_000 // above it the service sends page 1, with status 200
	apiVersion = "1.4"
	bodyLimit  = 10 << 20 // bytes, after decompression
)

// Budget is the allowance of upstream users that the whole fleet shares.
type Budget interface {
	// Take takes n users. A wait above 0 means that they were not taken and when to ask again.
	Take(ctx context.Context, n int64) (wait time.Duration, err error)
	// Exhaust empties the budget, because the service says so, and tells when it is full again.
	Exhaust(ctx context.Context) (wait time.Duration, err error)
}

// RandomUserConfig sets a RandomUser up. Only BaseURL and Budget are required.
type RandomUserConfig struct {
	BaseURL string       // https://randomuser.me; the path of the API is put behind it
	Budget  Budget       // what the fleet may still ask for
	HTTP    *http.Client // default: one of its own. Redirects are never followed
	Logger  *slog.Logger // default: slog.Default

	Metrics *Metrics // nil: nothing is counted

	Timeout    time.Duration // of one request with its body; default 10 s
	MaxElapsed time.Duration // of one page with all retries; must be below the chunk's lease; default 12 s
	Attempts   int           // requests for one page before the chunk is given back; default 4
	RetryDelay time.Duration // before the second request, then doubled, ± 50 %; default 500 ms
	RetryMax   time.Duration // the longest such delay; default 4 s

	BreakerFailures uint          // failed requests in a row after which nothing is asked; default 5
	BreakerDelay    time.Duration // for how long; default 30 s
	Pause           time.Duration // how long a chunk waits when its retries are used up, ± 50 %; default 15 s
}

func (c RandomUserConfig) withDefaults() RandomUserConfig {
	if c.HTTP == nil {
		c.HTTP = &http.Client{Transport: http.DefaultTransport.(*http.Transport).Clone()}
	}
	// A redirect would take the request to a host that nobody chose; the copy leaves the caller's client as it is.
	client := *c.HTTP
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	c.HTTP = &client
	c.Logger = cmp.Or(c.Logger, slog.Default())
	c.Timeout = cmp.Or(c.Timeout, 10*time.Second)
	c.MaxElapsed = cmp.Or(c.MaxElapsed, 12*time.Second)
	c.Attempts = cmp.Or(c.Attempts, 4)
	c.RetryDelay = cmp.Or(c.RetryDelay, 500*time.Millisecond)
	c.RetryMax = max(cmp.Or(c.RetryMax, 4*time.Second), c.RetryDelay+1) // the library panics unless it is above
	c.BreakerFailures = cmp.Or(c.BreakerFailures, 5)
	c.BreakerDelay = cmp.Or(c.BreakerDelay, 30*time.Second)
	c.Pause = cmp.Or(c.Pause, 15*time.Second)
	return c
}

// RandomUser fetches users from RandomUser.me, API 1.4. Chunk n of a job is page n+1 under the job's seed, so the
// same chunk always holds the same users. It is safe for concurrent use.
//
// When the service or the fleet's budget cannot deliver, readers return a *job.WaitError: the chunk is to be given
// back and taken up again later.
type RandomUser struct {
	cfg     RandomUserConfig
	retry   retrypolicy.RetryPolicy[[]user.User]
	breaker circuitbreaker.CircuitBreaker[[]user.User]
}

// NewRandomUser makes the client; it asks for nothing yet.
func NewRandomUser(cfg RandomUserConfig) *RandomUser {
	cfg = cfg.withDefaults()
	return &RandomUser{cfg: cfg, retry: newRetry(cfg), breaker: newBreaker(cfg)}
}

// Open returns the reader of a claimed chunk. The page is fetched by the reader's first call, whole even when the
// chunk is resumed in its middle: a page cannot be entered there. Open fails for a chunk that no page can hold.
func (r *RandomUser) Open(_ context.Context, c job.Claim) (func(ctx context.Context, dst []user.User, n int) ([]user.User, int, error), error) {
	page := c.Chunk.No + 1
	if c.Chunk.Rows < 1 || c.Chunk.Rows > job.RandomUserPage || page < 1 || page > maxPage {
		return nil, fmt.Errorf("chunk %d of %d rows does not fit a RandomUser page", c.Chunk.No, c.Chunk.Rows)
	}
	nat := c.Job.Nat
	if len(nat) == 0 {
		nat = job.DefaultNat()
	}
	for _, code := range nat {
		if !job.ValidNat(code) {
			return nil, fmt.Errorf("unknown nationality %q", code)
		}
	}
	want := wanted{seed: strconv.FormatInt(c.Job.Seed, 10), page: page, rows: int(c.Chunk.Rows), at: c.Job.CreatedAt}
	p := &pageReader{pos: int(c.Chunk.Done), firstID: c.Job.FirstID + c.Chunk.FirstRow}
	p.fetch = func(ctx context.Context) ([]user.User, error) { return r.fetch(ctx, c.Job.ID, want, nat) }
	return p.next, nil
}

// pageReader hands out a page in batches.
type pageReader struct {
	fetch   func(context.Context) ([]user.User, error)
	users   []user.User // nil until fetched; rejected rows are zero
	pos     int         // next row of the page
	firstID int64       // of row 0
}

func (p *pageReader) next(ctx context.Context, dst []user.User, n int) ([]user.User, int, error) {
	dst = dst[:0]
	if p.users == nil {
		users, err := p.fetch(ctx)
		if err != nil {
			return dst, 0, err
		}
		p.users = users
	}
	rejected := 0
	for end := min(p.pos+max(n, 0), len(p.users)); p.pos < end; p.pos++ {
		u := p.users[p.pos]
		if u.Email == "" { // the zero User: none that is taken is without an address
			rejected++
			continue
		}
		u.ID = p.firstID + int64(p.pos)
		dst = append(dst, u)
	}
	return dst, rejected, nil
}
