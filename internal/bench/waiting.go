package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/google/uuid"

	"github.com/musterhq/muster/client"
)

// latency measures P11: how long the caller of a small import waits for its end, on a stack that has nothing else to do.
func latency(ctx context.Context, l *lab) (result, error) {
	api, _, err := l.fleet(ctx, 1)
	if err != nil {
		return result{}, err
	}
	c, err := client.Open(api.base)
	if err != nil {
		return result{}, err
	}
	var res result
	for _, s := range []struct {
		users int64
		calls int
	}{{1, 100}, {100, 100}, {10_000, 40}} {
		var times []time.Duration
		const warmUp = 5
		for i := range warmUp + max(int(float64(s.calls)*l.scale), 10) {
			// Of any length, so that the calls do not keep in step with anything that happens every so often.
			time.Sleep(rand.N(200 * time.Millisecond))
			began := time.Now()
			if err := importAndWait(ctx, c, s.users); err != nil {
				return res, err
			}
			if i >= warmUp {
				times = append(times, time.Since(began))
			}
		}
		res.Values = append(res.Values, ms(quantile(times, 0.95)))
		res.Details = append(res.Details, fmt.Sprintf("%6s users, %d calls: p50 %.1f ms, p95 %.1f ms, worst %.1f ms", count(s.users), len(times),
			ms(quantile(times, 0.5)), ms(quantile(times, 0.95)), ms(quantile(times, 1))))
	}
	return res, nil
}

// importAndWait submits an import and has the API answer when it is over.
func importAndWait(ctx context.Context, c *client.ClientWithResponses, users int64) error {
	wait := "wait=30"
	// An owner for each, or the next one would wait for the cooldown.
	r, err := c.ImportUsersWithResponse(ctx, &client.ImportUsersParams{UserID: uuid.NewString(), Count: users, Prefer: &wait})
	if err != nil {
		return err
	}
	if r.JSON201 == nil {
		return client.Failure(r.HTTPResponse, r.Body)
	}
	if j := r.JSON201; j.Status != client.COMPLETED || j.ProcessedCount != users {
		return fmt.Errorf("an import of %d users ended %s with %d", users, j.Status, j.ProcessedCount)
	}
	return nil
}
