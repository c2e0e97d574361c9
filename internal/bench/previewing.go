package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"time"
)

// sample is a file, or its beginning, to be previewed.
type sample struct {
	name string
	body []byte
}

// previews measures F5: previews of files of all kinds, of sane ones and of hostile ones. The worst of them counts.
func previews(ctx context.Context, l *lab) (result, error) {
	list, err := l.sane()
	if err != nil {
		return result{}, err
	}
	bad, err := hostile()
	if err != nil {
		return result{}, err
	}
	api, err := l.serve(ctx)
	if err != nil {
		return result{}, err
	}
	var res result
	res.Values = make([]float64, 2) // the worst of the real ones, and of the hostile ones
	rounds := max(int(20*l.scale), 3)
	for n, s := range append(slices.Clip(list), bad...) {
		var times []time.Duration
		var status int
		for range rounds {
			began := time.Now()
			if status, err = preview(ctx, api, s.body); err != nil {
				return res, fmt.Errorf("%s: %w", s.name, err)
			}
			times = append(times, time.Since(began))
		}
		p50, p95 := quantile(times, 0.5), quantile(times, 0.95)
		kind := 0
		if n >= len(list) {
			kind = 1
		}
		res.Values[kind] = max(res.Values[kind], ms(p95))
		res.Details = append(res.Details, fmt.Sprintf("%-40s %7.1f kB: %d, p50 %5.1f ms, p95 %5.1f ms", s.name, float64(len(s.body))/1000, status, ms(p50), ms(p95)))
	}
	peak, err := api.peak()
	res.Details = append(res.Details, fmt.Sprintf("peak memory of the API after all: %.0f MiB", peak))
	return res, err
}

// preview asks for the preview of a file's beginning and returns the answer's status, which is 200 or 400.
func preview(ctx context.Context, api *process, body []byte) (status int, err error) {
	query := ""
	if len(body) == previewBytes {
		query = "?partial=true"
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, api.base+"/api/v1/import/preview"+query, bytes.NewReader(body))
	if err != nil {
		return 0, err
	}
	req.Header.Set("X-USER-ID", "previewer")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err
	}
	defer func() { _ = resp.Body.Close() }()
	answer, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK && resp.StatusCode != http.StatusBadRequest {
		err = fmt.Errorf("%s: %.200s", resp.Status, answer)
	}
	return resp.StatusCode, err
}

// previewBytes is as much of a file as a preview reads.
const previewBytes = 1 << 20

// sane returns a file of each kind: the first MiB of a large one, or, where the end is needed, a whole one of less.
func (l *lab) sane() (list []sample, err error) {
	rows, err := peopleOf(4000, 100)
	if err != nil {
		return nil, err
	}
	for _, k := range fileKinds {
		file, err := makeFile(l.dir, k, rows)
		if err != nil {
			return nil, err
		}
		body, err := os.ReadFile(file.path)
		if err != nil {
			return nil, err
		}
		list = append(list, sample{k.name, body[:min(len(body), previewBytes)]})
	}
	return list, nil
}
