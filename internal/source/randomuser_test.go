package source_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/musterhq/muster/internal/job"
	"github.com/musterhq/muster/internal/source"
	"github.com/musterhq/muster/internal/source/sourcetest"
	"github.com/musterhq/muster/internal/user"
)

var created = time.Date(2026, time.March, 1, 9, 30, 0, 0, time.UTC)

// fakeBudget is a source.Budget; the zero value never runs out.
type fakeBudget struct {
	mu        sync.Mutex
	wait      time.Duration // what Take and Exhaust return
	err       error
	taken     int64
	exhausted int
}

func (p *fakeBudget) Take(_ context.Context, n int64) (time.Duration, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err == nil && p.wait == 0 {
		p.taken += n
	}
	return p.wait, p.err
}

func (p *fakeBudget) Exhaust(context.Context) (time.Duration, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.exhausted++
	return p.wait, p.err
}

func serve(t *testing.T, h http.Handler) string {
	t.Helper()
	srv := httptest.NewUnstartedServer(h)
	srv.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelInfo)
	srv.Start()
	t.Cleanup(srv.Close)
	return srv.URL
}

// quick returns a configuration with delays of a few milliseconds. The breaker never opens unless a test says so.
func quick(url string, budget source.Budget) source.RandomUserConfig {
	return source.RandomUserConfig{
		BaseURL: url, Budget: budget, Logger: slog.New(slog.DiscardHandler),
		Timeout: 2 * time.Second, MaxElapsed: 20 * time.Second, RetryDelay: time.Millisecond, RetryMax: 4 * time.Millisecond,
		BreakerFailures: 1000, BreakerDelay: 20 * time.Millisecond, Pause: 2 * time.Millisecond,
	}
}

// pageClaim returns a claim of chunk no of a job cut into pages of size rows each, rows of them in this one.
func pageClaim(no int, size, rows, done int64) job.Claim {
	return job.Claim{
		Job:   job.Job{ID: "test", Seed: 42, FirstID: 1001, CreatedAt: created},
		Chunk: job.Chunk{No: no, FirstRow: int64(no) * size, Rows: rows, Done: done},
	}
}

// expect returns what a whole chunk should store.
func expect(stub *sourcetest.Stub, c job.Claim) (users []user.User) {
	nat := c.Job.Nat
	if nat == nil {
		nat = job.DefaultNat()
	}
	people := sourcetest.People(strconv.FormatInt(c.Job.Seed, 10), c.Chunk.No+1, nat, int(c.Chunk.Rows))
	for i := int(c.Chunk.Done); i < len(people); i++ {
		if stub.Storable(i) {
			users = append(users, people[i].User(c.Job.FirstID+c.Chunk.FirstRow+int64(i), c.Job.CreatedAt))
		}
	}
	return users
}

// readAll reads a chunk in batches of n to its end. After a WaitError it opens the chunk anew, as a worker does.
func readAll(t *testing.T, src *source.RandomUser, c job.Claim, n int) (users []user.User, rejected, waits int) {
	t.Helper()
	for next := open(t, src, c); c.Chunk.Left() > 0; {
		batch, rej, err := next(t.Context(), nil, n)
		var wait *job.WaitError
		if errors.As(err, &wait) && waits < 100 {
			waits++
			<-time.After(wait.Wait)
			next = open(t, src, c)
			continue
		}
		if err != nil || len(batch)+rej == 0 {
			t.Fatalf("next: %d users, %v", len(batch), err)
		}
		c.Chunk.Done += int64(len(batch) + rej)
		users, rejected = append(users, batch...), rejected+rej
	}
	return users, rejected, waits
}

// 12,345 users in three pages, while every fault happens once, with the breaker opening and closing in between.
func TestRandomUserExactThroughEveryFault(t *testing.T) {
	t.Parallel()
	stub := sourcetest.New(sourcetest.Config{})
	budget := &fakeBudget{}
	cfg := quick(serve(t, stub), budget)
	cfg.BreakerFailures = 3
	src := source.NewRandomUser(cfg)
	stub.FailOnceEach()
	var got, want []user.User
	waited := 0
	for no := range 3 {
		c := pageClaim(no, job.RandomUserPage, min(job.RandomUserPage, 12_345-int64(no)*job.RandomUserPage), 0)
		users, rejected, waits := readAll(t, src, c, 1000)
		if rejected != 0 {
			t.Errorf("page %d: %d rejected", no, rejected)
		}
		got, want, waited = append(got, users...), append(want, expect(stub, c)...), waited+waits
	}
	if len(want) != 12_345 || !cmp.Equal(want, got) {
		t.Fatalf("%d users, want %d; (-want +got):\n%s", len(got), len(want), cmp.Diff(want[:3], got[:min(3, len(got))]))
	}
	for i, u := range got {
		if u.ID != 1001+int64(i) {
			t.Fatalf("user %d has id %d", i, u.ID)
		}
	}
	if stub.FaultsLeft() != 0 || waited == 0 {
		t.Errorf("%d faults left, %d waits: the faults did not happen", stub.FaultsLeft(), waited)
	}
	if budget.exhausted != 1 {
		t.Errorf("Exhaust was called %d times, want once for the one 429", budget.exhausted)
	}
	if budget.taken < stub.Users() {
		t.Errorf("took %d users from the budget, asked the service for %d", budget.taken, stub.Users())
	}
}

func TestRandomUserMendsOneFault(t *testing.T) {
	t.Parallel()
	for _, fault := range sourcetest.Faults() {
		t.Run(string(fault), func(t *testing.T) {
			t.Parallel()
			stub := sourcetest.New(sourcetest.Config{})
			src := source.NewRandomUser(quick(serve(t, stub), &fakeBudget{}))
			stub.FailNext(fault, 1)
			c := pageClaim(1, 50, 50, 0)
			got, rejected, waits := readAll(t, src, c, 20)
			if diff := cmp.Diff(expect(stub, c), got); diff != "" || rejected != 0 {
				t.Errorf("%d rejected (-want +got):\n%s", rejected, diff)
			}
			if mended := fault != sourcetest.Status429; mended != (waits == 0) {
				t.Errorf("gave the chunk back %d times", waits)
			}
			if stub.Requests() < 2 {
				t.Errorf("%d requests: the fault did not happen", stub.Requests())
			}
		})
	}
}

func TestRandomUserGivesBackWhenAFaultStays(t *testing.T) {
	t.Parallel()
	for _, fault := range sourcetest.Faults() {
		t.Run(string(fault), func(t *testing.T) {
			t.Parallel()
			stub := sourcetest.New(sourcetest.Config{})
			cfg := quick(serve(t, stub), &fakeBudget{wait: 0})
			cfg.Attempts, cfg.Timeout = 3, 300*time.Millisecond
			stub.FailNext(fault, 100)
			next := open(t, source.NewRandomUser(cfg), pageClaim(0, 50, 50, 0))
			users, rejected, err := next(t.Context(), nil, 50)
			var wait *job.WaitError
			if !errors.As(err, &wait) || len(users)+rejected != 0 {
				t.Fatalf("next = %d users, %d rejected, %v; want a WaitError", len(users), rejected, err)
			}
			if wait.Wait <= 0 || !strings.HasPrefix(string(wait.Reason), "upstream_") {
				t.Errorf("wait %s, reason %q", wait.Wait, wait.Reason)
			}
			want := int64(3)
			if fault == sourcetest.Status429 {
				want = 1 // asking again at once would not help
			}
			if stub.Requests() != want {
				t.Errorf("%d requests, want %d", stub.Requests(), want)
			}
		})
	}
}

func TestRandomUserResumesAndRejects(t *testing.T) {
	t.Parallel()
	stub := sourcetest.New(sourcetest.Config{BadEvery: 7})
	src := source.NewRandomUser(quick(serve(t, stub), &fakeBudget{}))
	c := pageClaim(2, 100, 60, 25)
	c.Job.Nat = []string{"ir", "ua", "gb"}
	got, rejected, _ := readAll(t, src, c, 11)
	if diff := cmp.Diff(expect(stub, c), got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if want := 60/7 - 25/7; rejected != want || len(got)+rejected != 35 {
		t.Errorf("%d users and %d rejected of 35, want %d rejected", len(got), rejected, want)
	}
	if stub.Requests() != 1 {
		t.Errorf("%d requests for one page", stub.Requests())
	}
	next := open(t, src, pageClaim(0, 100, 10, 10))
	if users, rejected, err := next(t.Context(), nil, 5); len(users)+rejected != 0 || err != nil {
		t.Errorf("behind the end: %d users, %d rejected, %v", len(users), rejected, err)
	}
}

func TestRandomUserBudget(t *testing.T) {
	t.Parallel()
	down := errors.New("dial tcp: connection refused")
	for name, c := range map[string]struct {
		budget *fakeBudget
		wait   time.Duration // 0: the pause
		reason job.WaitReason
	}{
		"spent": {&fakeBudget{wait: 4 * time.Minute}, 4 * time.Minute, job.WaitUpstreamAllowance},
		"lost":  {&fakeBudget{err: down}, 0, job.WaitAllowanceUnknown},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			stub := sourcetest.New(sourcetest.Config{})
			next := open(t, source.NewRandomUser(quick(serve(t, stub), c.budget)), pageClaim(0, 50, 50, 0))
			_, _, err := next(t.Context(), nil, 50)
			var wait *job.WaitError
			if !errors.As(err, &wait) || wait.Reason != c.reason || c.wait != 0 && wait.Wait != c.wait || wait.Wait <= 0 {
				t.Errorf("next = %#v, want a WaitError: %s", err, c.reason)
			}
			if stub.Requests() != 0 {
				t.Errorf("%d requests without budget", stub.Requests())
			}
		})
	}
}

func TestRandomUserBreaker(t *testing.T) {
	t.Parallel()
	stub := sourcetest.New(sourcetest.Config{})
	budget := &fakeBudget{}
	cfg := quick(serve(t, stub), budget)
	cfg.BreakerFailures, cfg.BreakerDelay, cfg.Attempts = 3, time.Hour, 2
	stub.FailNext(sourcetest.Status500, 3)
	src := source.NewRandomUser(cfg)
	c := pageClaim(0, 50, 50, 0)
	for range 5 {
		_, _, err := open(t, src, c)(t.Context(), nil, 50)
		var wait *job.WaitError
		if !errors.As(err, &wait) {
			t.Fatalf("next = %v, want a WaitError", err)
		}
	}
	if stub.Requests() != 3 || budget.taken != 150 {
		t.Errorf("%d requests, %d users taken; the open breaker should have stopped it at 3 and 150", stub.Requests(), budget.taken)
	}

	cfg.BreakerDelay = time.Millisecond
	stub.FailNext(sourcetest.Status500, 3)
	if got, _, _ := readAll(t, source.NewRandomUser(cfg), c, 50); len(got) != 50 {
		t.Errorf("%d users after the breaker closed again", len(got))
	}
}

func TestRandomUserAsksForNothingElse(t *testing.T) {
	t.Parallel()
	stub := sourcetest.New(sourcetest.Config{})
	var asked *http.Request
	src := source.NewRandomUser(quick(serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = r
		stub.ServeHTTP(w, r)
	}))+"/", &fakeBudget{}))
	c := pageClaim(6, 50, 50, 0)
	c.Job.Seed, c.Job.Nat = -5, []string{"no", "dk"}
	if got, _, _ := readAll(t, src, c, 50); !cmp.Equal(expect(stub, c), got) {
		t.Error("wrong users")
	}
	want := url.Values{
		"results": {"50"}, "page": {"7"}, "seed": {"-5"}, "nat": {"no,dk"}, "inc": {"gender,name,location,email,dob,cell,nat"},
	}
	if diff := cmp.Diff(want, asked.URL.Query()); diff != "" || asked.URL.Path != "/api/1.4/" {
		t.Errorf("asked %s (-want +got):\n%s", asked.URL.Path, diff)
	}
}

func TestRandomUserOpenRefuses(t *testing.T) {
	t.Parallel()
	src := source.NewRandomUser(quick("http://127.0.0.1:1", &fakeBudget{}))
	bad := pageClaim(0, 50, 50, 0)
	bad.Job.Nat = []string{"us", ""} // "nat=," would never get an answer
	for _, c := range []job.Claim{bad, pageClaim(0, 5001, 5001, 0), pageClaim(10_000, 50, 50, 0), pageClaim(0, 0, 0, 0)} {
		if _, err := src.Open(t.Context(), c); err == nil {
			t.Errorf("Open(chunk %d of %d rows, nat %q) = nil error", c.Chunk.No, c.Chunk.Rows, c.Job.Nat)
		}
	}
}

func TestRandomUserUnreachable(t *testing.T) {
	t.Parallel()
	srv := httptest.NewServer(http.NotFoundHandler())
	srv.Close()
	_, _, err := open(t, source.NewRandomUser(quick(srv.URL, &fakeBudget{})), pageClaim(0, 50, 50, 0))(t.Context(), nil, 50)
	var wait *job.WaitError
	if !errors.As(err, &wait) || wait.Reason != job.WaitUpstreamUnreachable {
		t.Errorf("next = %v", err)
	}
}

func TestRandomUserStaysWithinMaxElapsed(t *testing.T) {
	t.Parallel()
	stub := sourcetest.New(sourcetest.Config{})
	stub.FailNext(sourcetest.Slow, 100)
	cfg := quick(serve(t, stub), &fakeBudget{})
	cfg.MaxElapsed = 100 * time.Millisecond // less than one Timeout
	start := time.Now()
	_, _, err := open(t, source.NewRandomUser(cfg), pageClaim(0, 50, 50, 0))(t.Context(), nil, 50)
	var wait *job.WaitError
	if took := time.Since(start); !errors.As(err, &wait) || took > cfg.Timeout {
		t.Errorf("next = %v after %s, want a WaitError before %s", err, took, cfg.Timeout)
	}
}

func TestRandomUserStopsWithContext(t *testing.T) {
	t.Parallel()
	stub := sourcetest.New(sourcetest.Config{})
	stub.FailNext(sourcetest.Slow, 1)
	ctx, cancel := context.WithCancel(t.Context())
	src := source.NewRandomUser(quick(serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		cancel() // while the request is under way
		stub.ServeHTTP(w, r)
	})), &fakeBudget{}))
	next := open(t, src, pageClaim(0, 50, 50, 0))
	if _, _, err := next(ctx, nil, 50); !errors.Is(err, context.Canceled) {
		t.Fatalf("next after cancel = %v", err)
	}
	if users, _, err := next(t.Context(), nil, 50); len(users) != 50 || err != nil {
		t.Errorf("the same reader afterwards: %d users, %v", len(users), err)
	}
}
