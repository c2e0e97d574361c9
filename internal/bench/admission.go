package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"
	"golang.org/x/sync/errgroup"

	"github.com/musterhq/muster/internal/job"
	"github.com/musterhq/muster/internal/ratelimit"
)

const atOnce = 100

// admission measures P4: reserving and releasing slots against bare scripts.
func admission(ctx context.Context, l *lab) (result, error) {
	rdb := redis.NewClient(&redis.Options{Addr: l.redis.Addr, PoolSize: atOnce})
	defer func() { _ = rdb.Close() }()
	slots := ratelimit.NewSlots(rdb, ratelimit.Options{})
	limit := job.TierLimit{Tier: "SMALL", Concurrent: 10}
	bare := redis.NewScript("return 1")
	if err := bare.Load(ctx, rdb).Err(); err != nil {
		return result{}, err
	}
	n := int(l.size(100_000))
	ids := make([]string, n) // made before the clock starts
	for i := range ids {
		ids[i] = uuid.NewString()
	}
	var slowest, bareSlowest []float64 // the 99th percentiles of the rounds, in ms
	reserve := func() (float64, error) {
		rate, p99, err := hammer(ctx, n, func(ctx context.Context, i int) error {
			return slots.Reserve(ctx, fmt.Sprintf("user%d", i/5), ids[i], limit)
		})
		slowest = append(slowest, ms(p99))
		return rate, errors.Join(err, rdb.FlushDB(ctx).Err())
	}
	ours, theirs, err := alternate(5, reserve, func() (float64, error) {
		rate, p99, err := hammer(ctx, n, func(ctx context.Context, i int) error {
			return bare.EvalSha(ctx, rdb, []string{fmt.Sprintf("user%d", i/5)}, 1, 2, 3).Err()
		})
		bareSlowest = append(bareSlowest, ms(p99))
		return rate, err
	})
	if err != nil {
		return result{}, err
	}
	taken, err := storm(ctx, slots)
	if err != nil {
		return result{}, err
	}
	res := ratio(ours, theirs, "calls/s", "reserve a slot", "EVALSHA 'return 1'")
	if taken != 3 {
		return res, fmt.Errorf("%d slots were taken, of 3", taken)
	}
	res.Values = append(res.Values, median(slowest))
	res.Details = append(res.Details, fmt.Sprintf("p99 of EVALSHA 'return 1': %s", millis(median(bareSlowest))), fmt.Sprintf("%d of 2,000 attempts by one user took the 3 slots", taken))
	return res, nil
}

// hammer makes n calls, atOnce at a time, and returns calls a second and the 99th percentile of their times.
func hammer(ctx context.Context, n int, call func(ctx context.Context, i int) error) (rate float64, p99 time.Duration, err error) {
	var next atomic.Int64
	times := make([]time.Duration, n)
	g, ctx := errgroup.WithContext(ctx)
	began := time.Now()
	for range atOnce {
		g.Go(func() error {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				start := time.Now()
				if err := call(ctx, i); err != nil {
					return err
				}
				times[i] = time.Since(start)
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return 0, 0, err
	}
	return float64(n) / time.Since(began).Seconds(), quantile(times, 0.99), nil
}

// storm asks for 2,000 slots of one owner, who may have 3, at once, and returns how many were taken.
func storm(ctx context.Context, slots *ratelimit.Slots) (taken int, err error) {
	limit := job.TierLimit{Tier: "LARGE", Concurrent: 3}
	var mu sync.Mutex
	_, _, err = hammer(ctx, 2000, func(ctx context.Context, _ int) error {
		err := slots.Reserve(ctx, "greedy", uuid.NewString(), limit)
		var full *job.LimitError
		if errors.As(err, &full) {
			return nil
		}
		mu.Lock()
		defer mu.Unlock()
		taken++
		return err
	})
	return taken, err
}
