package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/redis/go-redis/v9"

	"github.com/musterhq/muster/client"
	"github.com/musterhq/muster/internal/testenv"
)

// polling measures P10: polls of a job that runs, though no worker is there to import it.
func polling(ctx context.Context, l *lab) (result, error) {
	api, err := l.serve(ctx)
	if err != nil {
		return result{}, err
	}
	job, err := submitForPolls(ctx, api)
	if err != nil {
		return result{}, err
	}
	// The yardstick reads a hash of as many fields as a job has.
	for i := range 16 {
		if err := l.rdb.HSet(ctx, "bench:job", fmt.Sprintf("field%d", i), "01950e6a-7d3c").Err(); err != nil {
			return result{}, err
		}
	}
	bare, err := l.bareEcho(ctx)
	if err != nil {
		return result{}, err
	}
	n := int(l.size(30_000))
	ours, theirs, err := alternate(5,
		func() (float64, error) { return poll(ctx, n, job, poller) },
		func() (float64, error) { return poll(ctx, n, bare+"/", poller) })
	if err != nil {
		return result{}, err
	}
	return ratio(ours, theirs, "requests/s", "GET /jobs/{id}", "bare Echo and HGETALL"), nil
}

const poller = "poller"

// submitForPolls submits an import that nobody works on, and returns the URL of its job.
func submitForPolls(ctx context.Context, api *process) (url string, err error) {
	c, err := client.Open(api.base)
	if err != nil {
		return "", err
	}
	r, err := c.ImportUsersWithResponse(ctx, &client.ImportUsersParams{UserID: poller, Count: 100_000})
	if err != nil {
		return "", err
	}
	if r.JSON202 == nil {
		return "", client.Failure(r.HTTPResponse, r.Body)
	}
	accepted, err := r.JSON202.AsAccepted()
	return api.base + "/api/v1/jobs/" + accepted.JobID, err
}

// pollsOfOne polls such a job and returns polls a second.
func pollsOfOne(ctx context.Context, api *process, n int) (float64, error) {
	job, err := submitForPolls(ctx, api)
	if err != nil {
		return 0, err
	}
	return poll(ctx, n, job, poller)
}

func poll(ctx context.Context, n int, url, caller string) (float64, error) {
	http.DefaultTransport.(*http.Transport).MaxIdleConnsPerHost = atOnce
	rate, _, err := hammer(ctx, n, func(ctx context.Context, _ int) error {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		req.Header.Set("X-USER-ID", caller)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			return err
		}
		defer func() { _ = resp.Body.Close() }()
		if _, err := io.Copy(io.Discard, resp.Body); err != nil || resp.StatusCode != http.StatusOK {
			return fmt.Errorf("%s: %w", resp.Status, err)
		}
		return nil
	})
	return rate, err
}

// echoEnv is the variable that makes this program the yardstick of P10, in a process of its own as the API is. It holds the
// address to listen on.
const echoEnv = "MUSTER_BENCH_ECHO"

// bareEcho starts that process and returns its URL.
func (l *lab) bareEcho(ctx context.Context) (base string, err error) {
	port, err := testenv.FreePort()
	if err != nil {
		return "", err
	}
	self, err := os.Executable()
	if err != nil {
		return "", err
	}
	addr := fmt.Sprintf("127.0.0.1:%d", port)
	p := &process{cmd: exec.CommandContext(ctx, self), done: make(chan struct{})}
	p.cmd.Env = append(os.Environ(), echoEnv+"="+addr, "MUSTER_REDIS="+l.redis.Addr)
	p.cmd.Stderr = os.Stderr
	if err := p.cmd.Start(); err != nil {
		return "", err
	}
	go func() { _ = p.cmd.Wait(); close(p.done) }()
	l.procs = append(l.procs, p)
	base = "http://" + addr
	for range 50 {
		if _, err = poll(ctx, 1, base+"/", "x"); err == nil {
			return base, nil
		}
		time.Sleep(100 * time.Millisecond)
	}
	return "", err
}

// echoServer serves the least that a server with Echo and Redis can do for a poll: one HGETALL and one JSON document.
func echoServer(addr string) error {
	rdb := redis.NewClient(&redis.Options{Addr: os.Getenv("MUSTER_REDIS"), PoolSize: atOnce})
	e := echo.New()
	e.HideBanner, e.HidePort = true, true
	e.GET("/", func(c echo.Context) error {
		job, err := rdb.HGetAll(c.Request().Context(), "bench:job").Result()
		if err != nil {
			return err
		}
		return c.JSON(http.StatusOK, job)
	})
	return e.Start(addr)
}
