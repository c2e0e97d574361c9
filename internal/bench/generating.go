package main

import (
	"context"
	"time"

	"github.com/musterhq/muster/internal/job"
	"github.com/musterhq/muster/internal/source"
	"github.com/musterhq/muster/internal/user"
)

// generate makes n users up as a worker does, in batches of 1000, and returns users a second.
func generate(ctx context.Context, n int64) (rate float64, err error) {
	f, err := source.NewFaker()
	if err != nil {
		return 0, err
	}
	next, err := f.Open(ctx, job.Claim{Job: job.Job{Seed: seed, FirstID: 1}, Chunk: job.Chunk{Rows: n}})
	if err != nil {
		return 0, err
	}
	var users []user.User
	began := time.Now()
	for made := int64(0); made < n; made += int64(len(users)) {
		if users, _, err = next(ctx, users, 1000); err != nil {
			return 0, err
		}
	}
	return float64(n) / time.Since(began).Seconds(), nil
}
