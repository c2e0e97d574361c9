package main

import (
	"context"
	"fmt"
)

// memory measures P5: the most memory that an API and a worker had at any time.
func memory(ctx context.Context, l *lab) (result, error) {
	n := l.size(5e6)
	api, workers, err := l.fleet(ctx, 1)
	if err != nil {
		return result{}, err
	}
	var res result
	worst := 0.0
	note := func(when string) error {
		a, err := api.peak()
		if err != nil {
			return err
		}
		w, err := workers[0].peak()
		worst = max(worst, a, w)
		res.details = append(res.details, fmt.Sprintf("%s: API %.0f MiB, worker %.0f MiB", when, a, w))
		return err
	}
	for _, part := range []int64{n / 10, n - n/10} {
		if _, err := importUsers(ctx, api, part); err != nil {
			return res, err
		}
		if err := note("after an import of " + count(part)); err != nil {
			return res, err
		}
	}
	for _, query := range []string{"", "?format=parquet&compress=zstd"} {
		if _, _, err := export(ctx, api, query, n); err != nil {
			return res, err
		}
		if err := note("after an export of all" + query); err != nil {
			return res, err
		}
	}
	res.value, res.met = fmt.Sprintf("%.0f MiB", worst), worst < 100
	return res, nil
}

// growth measures P6: ten times the users must not take more than eleven times as long.
func growth(ctx context.Context, l *lab) (result, error) {
	n := l.size(5e6)
	api, _, err := l.fleet(ctx, 1)
	if err != nil {
		return result{}, err
	}
	var in, out [2]float64
	for i, size := range []int64{n / 10, n} {
		if err := l.empty(ctx); err != nil {
			return result{}, err
		}
		rate, err := importUsers(ctx, api, size)
		if err != nil {
			return result{}, err
		}
		in[i] = float64(size) / rate
		var rates []float64 // several, because the server still writes pages of the import during the first
		for range 3 {
			if rate, _, err = export(ctx, api, "", size); err != nil {
				return result{}, err
			}
			rates = append(rates, rate)
		}
		out[i] = float64(size) / median(rates)
	}
	a, b := in[1]/in[0], out[1]/out[0]
	return result{
		value: fmt.Sprintf("import %.1f, export %.1f", a, b), met: max(a, b) <= 11,
		details: []string{
			fmt.Sprintf("import %.1f s and %.1f s", in[0], in[1]), fmt.Sprintf("export %.2f s and %.2f s", out[0], out[1]),
		},
	}, nil
}

// generation measures P7: making users up, without storing them.
func generation(ctx context.Context, l *lab) (result, error) {
	var rates []float64
	for range 5 {
		rate, err := generate(ctx, l.size(2e6))
		if err != nil {
			return result{}, err
		}
		rates = append(rates, rate)
	}
	return result{
		value: count(int64(median(rates))) + " users/s", met: median(rates) >= 2e6, details: []string{"of five: " + spread(rates)},
	}, nil
}
