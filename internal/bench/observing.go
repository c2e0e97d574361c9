package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/musterhq/muster/internal/testenv"
)

// observed measures P13: what imports and polls lose when every request and chunk is traced, and the metrics are read each
// second.
func observed(ctx context.Context, l *lab) (result, error) {
	spans, stop, err := receiveSpans()
	if err != nil {
		return result{}, err
	}
	defer stop()
	n, polls := l.size(300_000), int(l.size(30_000))
	rounds := max(int(5*min(l.scale, 1)), 2)
	var rates [2][2][]float64 // imports and polls, off and on
	for range rounds {
		for on := range 2 {
			imported, polled, err := l.observe(ctx, on == 1, spans.url, n, polls)
			if err != nil {
				return result{}, err
			}
			rates[0][on], rates[1][on] = append(rates[0][on], imported), append(rates[1][on], polled)
		}
	}
	res := result{details: []string{fmt.Sprintf("the receiver got %s requests with spans", count(spans.requests.Load()))}}
	for i, what := range []string{"imports, users/s", "polls a second"} {
		var pairs []float64 // of one round, between which the machine changes less than from the first to the last
		for k := range rounds {
			pairs = append(pairs, rates[i][1][k]/rates[i][0][k])
		}
		res.values = append(res.values, median(pairs))
		res.details = append(res.details, fmt.Sprintf("%s: %s with both off (%s), %s on (%s)", what,
			count(int64(median(rates[i][0]))), spread(rates[i][0]), count(int64(median(rates[i][1]))), spread(rates[i][1])))
	}
	if spans.requests.Load() == 0 {
		return res, fmt.Errorf("no span arrived")
	}
	return res, nil
}

// observe measures an import and polls by processes of their own.
func (l *lab) observe(ctx context.Context, on bool, spans string, n int64, polls int) (imported, polled float64, err error) {
	var env []string
	if on {
		env = []string{"OTEL_EXPORTER_OTLP_ENDPOINT=" + spans}
	}
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
		of = append(of, "MUSTER_ADMIN_ADDR="+metrics)
	}
	api, err := l.serve(ctx, of...)
	if err != nil {
		return 0, 0, err
	}
	defer api.stop()
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
		ctx, stop := context.WithCancel(ctx)
		defer stop()
		go scrapeEverySecond(ctx, "http://"+metrics+"/metrics")
		go scrapeEverySecond(ctx, worker.base+"/metrics")
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
