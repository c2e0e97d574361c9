package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"sync/atomic"
	"time"

	"github.com/musterhq/muster/internal/testenv"
)

// observed measures P13: what imports and polls lose when there is where to send spans, with the sampler that Muster comes with, and
// the metrics are read each second. That traces every import, and 20 polls a second; a detail says what it costs to trace all.
func observed(ctx context.Context, l *lab) (result, error) {
	spans, stop, err := receiveSpans()
	if err != nil {
		return result{}, err
	}
	defer stop()
	n, polls := l.size(300_000), int(l.size(30_000))
	rounds := max(int(3*min(l.scale, 1)), 1)
	var rates [2][2][]float64 // imports and polls, off and on
	var all []float64         // polls with every one traced, over those with both off
	for round := range rounds {
		for i := range 2 {
			on := (i + round) % 2 // neither is always the first
			env := []string{}
			if on == 1 {
				env = []string{"OTEL_EXPORTER_OTLP_ENDPOINT=" + spans.url}
			}
			imported, polled, err := l.observe(ctx, on == 1, env, n, polls)
			if err != nil {
				return result{}, err
			}
			rates[0][on], rates[1][on] = append(rates[0][on], imported), append(rates[1][on], polled)
		}
		_, polled, err := l.observe(ctx, true, []string{"OTEL_EXPORTER_OTLP_ENDPOINT=" + spans.url, "OTEL_TRACES_SAMPLER=always_on"}, 1000, polls)
		if err != nil {
			return result{}, err
		}
		all = append(all, polled/rates[1][0][round])
	}
	res := result{Details: []string{fmt.Sprintf("the receiver got %s requests with spans", count(spans.requests.Load()))}}
	for i, what := range []string{"imports, users/s", "polls a second"} {
		var pairs []float64 // of one round, between which the machine changes less than from the first to the last
		for k := range rounds {
			pairs = append(pairs, rates[i][1][k]/rates[i][0][k])
		}
		res.Values = append(res.Values, median(pairs))
		res.Details = append(res.Details, fmt.Sprintf("%s: %s with both off (%s), %s on (%s)", what,
			count(int64(median(rates[i][0]))), spread(rates[i][0]), count(int64(median(rates[i][1]))), spread(rates[i][1])))
	}
	res.Details = append(res.Details, fmt.Sprintf("polls with OTEL_TRACES_SAMPLER=always_on: %s of those with both off", quotient(median(all))))
	if spans.requests.Load() == 0 {
		return res, fmt.Errorf("no span arrived")
	}
	return res, nil
}

// observe measures an import and polls by processes of their own, whose metrics are read if they are on.
func (l *lab) observe(ctx context.Context, on bool, env []string, n int64, polls int) (imported, polled float64, err error) {
	if err := l.empty(ctx); err != nil {
		return 0, 0, err
	}
	port, err := testenv.FreePort()
	if err != nil {
		return 0, 0, err
	}
	metrics := fmt.Sprintf("127.0.0.1:%d", port)
	of := env
	if on {
		of = append(slices.Clip(env), "MUSTER_ADMIN_ADDR="+metrics)
	}
	api, err := l.serve(ctx, of...)
	if err != nil {
		return 0, 0, err
	}
	defer api.stop()
	reading, stop := context.WithCancel(ctx)
	defer stop()
	if on {
		go scrapeEverySecond(reading, "http://"+metrics+"/metrics")
	}
	if polled, err = pollsOfOne(ctx, api, polls); err != nil {
		return 0, 0, err
	}
	if err := l.empty(ctx); err != nil {
		return 0, 0, err
	}
	worker, err := l.work(ctx, env...)
	if err != nil {
		return 0, 0, err
	}
	defer worker.stop()
	if on {
		go scrapeEverySecond(reading, worker.base+"/metrics")
	}
	imported, err = importUsers(ctx, api, n)
	return imported, polled, err
}

func scrapeEverySecond(ctx context.Context, url string) {
	for tick := time.Tick(time.Second); ; {
		select {
		case <-ctx.Done():
			return
		case <-tick:
		}
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return
		}
		if resp, err := http.DefaultClient.Do(req); err == nil {
			_, _ = io.Copy(io.Discard, resp.Body)
			_ = resp.Body.Close()
		}
	}
}

// receiver takes spans and drops them.
type receiver struct {
	url      string
	requests atomic.Int64
}

func receiveSpans() (r *receiver, stop func(), err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // for the whole measurement
	if err != nil {
		return nil, nil, err
	}
	r = &receiver{url: "http://" + l.Addr().String()}
	server := &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		_, _ = io.Copy(io.Discard, req.Body)
		r.requests.Add(1)
		w.WriteHeader(http.StatusOK)
	})}
	go func() { _ = server.Serve(l) }()
	return r, func() { _ = server.Close() }, nil
}
