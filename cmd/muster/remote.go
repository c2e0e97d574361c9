package main

import (
	"context"
	"fmt"
	"io"

	"github.com/musterhq/muster/client"
)

// remote is where a command's API is, and as whom it calls.
type remote struct {
	Server string `env:"MUSTER_URL" default:"http://127.0.0.1:8080" help:"The API."`
	User   string `env:"MUSTER_USER" default:"cli" help:"The X-USER-ID to call as."`
}

func (r *remote) open() (*client.ClientWithResponses, error) { return client.Open(r.Server) }

// follow shows a job's progress until it is over, and fails when it did not complete.
func follow(ctx context.Context, out io.Writer, c *client.ClientWithResponses, user string, id client.JobID, total int64) (*client.Job, error) {
	bar := newBar(out, "users", total)
	j, err := c.Wait(ctx, user, id, func(j *client.Job) { bar.set(j.ProcessedCount + j.RejectedCount) })
	bar.end()
	if err != nil {
		return nil, err
	}
	if j.Status != client.COMPLETED {
		return nil, fmt.Errorf("the job ended %s with %d of %d users: %s", j.Status, j.ProcessedCount, j.RequestedCount, j.Message)
	}
	return j, nil
}

// given returns a pointer to v, or nil for the zero value: a parameter that is not sent.
func given[T comparable](v T) *T {
	var zero T
	if v == zero {
		return nil
	}
	return &v
}

// list returns a pointer to v, or nil for an empty list.
func list[T any](v []T) *[]T {
	if len(v) == 0 {
		return nil
	}
	return &v
}
