package main

import (
	"context"
	"fmt"
	"net/url"
	"strings"

	"github.com/Shopify/toxiproxy/v2"
	"github.com/rs/zerolog"
)

// scaling measures P9: workers that wait for a database 20 ms away. Each has one chunk at a time, so that only their number
// differs.
func scaling(ctx context.Context, l *lab) (result, error) {
	far, stop, err := l.away()
	if err != nil {
		return result{}, err
	}
	defer stop()
	n := l.size(400_000)
	rates := map[int]float64{}
	var res result
	for _, workers := range []int{1, 2, 4} {
		if err := l.empty(ctx); err != nil {
			return res, err
		}
		api, err := l.serve(ctx)
		if err != nil {
			return res, err
		}
		all := []*process{api}
		for range workers {
			w, err := l.work(ctx, "MUSTER_DATABASE="+far, "MUSTER_WORKER_CONCURRENCY=1")
			if err != nil {
				return res, err
			}
			all = append(all, w)
		}
		if rates[workers], err = importUsers(ctx, api, n); err != nil {
			return res, err
		}
		for _, p := range all {
			p.stop()
		}
		res.details = append(res.details, fmt.Sprintf("%d workers, 20 ms away: %s users/s", workers, count(int64(rates[workers]))))
	}
	res.values = []float64{rates[2] / rates[1], rates[4] / rates[1]}
	return res, nil
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
