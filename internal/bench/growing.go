package main

import (
	"context"
	"fmt"
)

// growth measures P5 and P6: a tenth of the users and then all of them, in and out.
func growth(ctx context.Context, l *lab) (results []result, err error) {
	n := l.size(5e6)
	api, workers, err := l.fleet(ctx, 1)
	if err != nil {
		return nil, err
	}
	var in, out [2]float64 // seconds
	p5 := result{Values: make([]float64, 2)}
	note := func(after string) error {
		a, err := api.peak()
		if err != nil {
			return err
		}
		w, err := workers[0].peak()
		p5.Values = []float64{a, w} // which only grow
		p5.Details = append(p5.Details, fmt.Sprintf("after %s: API %.0f MiB, worker %.0f MiB", after, a, w))
		return err
	}
	for i, size := range []int64{n / 10, n} {
		if err := l.empty(ctx); err != nil {
			return nil, err
		}
		rate, err := importUsers(ctx, api, size)
		if err != nil {
			return nil, err
		}
		in[i] = float64(size) / rate
		if err := note("an import of " + count(size)); err != nil {
			return nil, err
		}
		var rates []float64 // several, because the server still writes pages of the import during the first
		for range 3 {
			if rate, _, err = export(ctx, api, "", size); err != nil {
				return nil, err
			}
			rates = append(rates, rate)
		}
		out[i] = float64(size) / median(rates)
		if err := note("exports of all"); err != nil {
			return nil, err
		}
	}
	const parquet = "?format=parquet&compress=zstd" // which takes the most memory
	if _, _, err := export(ctx, api, parquet, n); err != nil {
		return nil, err
	}
	if err := note("an export of all" + parquet); err != nil {
		return nil, err
	}
	p6 := result{
		Values: []float64{in[1] / in[0], out[1] / out[0]},
		Details: []string{
			fmt.Sprintf("import %.1f s and %.1f s", in[0], in[1]), fmt.Sprintf("export %.2f s and %.2f s", out[0], out[1]),
		},
	}
	return []result{p5, p6}, nil
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
	return result{Values: []float64{median(rates)}, Details: []string{"of five: " + spread(rates)}}, nil
}
