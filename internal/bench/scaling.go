package main

import (
	"context"
	"fmt"
	"net/url"
	"strings"

	"github.com/Shopify/toxiproxy/v2"
	"github.com/rs/zerolog"

	"github.com/musterhq/muster/internal/searchindex"
	"github.com/musterhq/muster/internal/store"
)

// scaling measures P9: workers that wait for a database 20 ms away. Each has one chunk at a time, so that only their number
// differs. The database has the same cores as the workers; with few indexes, which are most of its work, it shows what the workers
// do where it is not the limit.
func scaling(ctx context.Context, l *lab) (result, error) {
	far, stop, err := l.away()
	if err != nil {
		return result{}, err
	}
	defer stop()
	all, details, err := l.fleets(ctx, far, l.size(400_000))
	if err != nil {
		return result{}, err
	}
	if err := l.empty(ctx); err != nil {
		return result{}, err
	}
	if _, _, err := store.AlignIndexes(ctx, l.url, searchindex.Set(0)); err != nil {
		return result{}, err
	}
	few, more, err := l.fleets(ctx, far, l.size(200_000))
	if err != nil {
		return result{}, err
	}
	details = append(details, fmt.Sprintf("with MUSTER_SEARCH_INDEXES=none: %s, %s", quotient(few[0]), quotient(few[1])))
	return result{Values: all, Details: append(details, more...)}, nil
}

// fleets imports n users by one, two and four workers, and returns how many times as fast two and four are.
func (l *lab) fleets(ctx context.Context, far string, n int64) (times []float64, details []string, err error) {
	rates := map[int]float64{}
	for _, workers := range []int{1, 2, 4} {
		if err := l.empty(ctx); err != nil {
			return nil, nil, err
		}
		api, err := l.serve(ctx)
		if err != nil {
			return nil, nil, err
		}
		all := []*process{api}
		for range workers {
			w, err := l.work(ctx, "MUSTER_DATABASE="+far, "MUSTER_WORKER_CONCURRENCY=1")
			if err != nil {
				return nil, nil, err
			}
			all = append(all, w)
		}
		if rates[workers], err = importUsers(ctx, api, n); err != nil {
			return nil, nil, err
		}
		for _, p := range all {
			p.stop()
		}
		details = append(details, fmt.Sprintf("%d workers, 20 ms away: %s users/s", workers, count(int64(rates[workers]))))
	}
	return []float64{rates[2] / rates[1], rates[4] / rates[1]}, details, nil
}

// away starts a proxy that holds each answer of the database back for 20 ms, and returns the database's address behind it.
func (l *lab) away() (address string, stop func(), err error) {
	u, err := url.Parse(l.url)
	if err != nil {
		return "", nil, err
	}
	server := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop())
	proxy := toxiproxy.NewProxy(server, "database", "127.0.0.1:0", u.Host)
	if err := proxy.Start(); err != nil {
		return "", nil, err
	}
	const away = `{"type": "latency", "stream": "downstream", "attributes": {"latency": 20}}`
	if _, err := proxy.Toxics.AddToxicJson(strings.NewReader(away)); err != nil {
		proxy.Stop()
		return "", nil, err
	}
	u.Host = proxy.Listen
	return u.String(), proxy.Stop, nil
}
