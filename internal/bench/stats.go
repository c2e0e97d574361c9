package main

import (
	"fmt"
	"slices"
	"strconv"
	"time"
)

// median returns the median of what was measured; list is not empty.
func median(list []float64) float64 {
	s := slices.Sorted(slices.Values(list))
	return (s[(len(s)-1)/2] + s[len(s)/2]) / 2
}

// quantile returns the quantile q, from 0 to 1, of times; list is not empty.
func quantile(list []time.Duration, q float64) time.Duration {
	s := slices.Sorted(slices.Values(list))
	return s[min(int(q*float64(len(s))), len(s)-1)]
}

// spread returns the least and the greatest, as one text.
func spread(list []float64) string {
	return fmt.Sprintf("%s to %s", count(int64(slices.Min(list))), count(int64(slices.Max(list))))
}

// count returns a number with commas between the thousands.
func count(n int64) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// alternate measures ours and theirs in turn, rounds times each, and returns what they measured, users or calls a second.
func alternate(rounds int, ours, theirs func() (float64, error)) (a, b []float64, err error) {
	both, err := inTurn(rounds, ours, theirs)
	if err != nil {
		return nil, nil, err
	}
	return both[0], both[1], nil
}

// inTurn measures ours after all others, rounds times each, and returns what each measured.
func inTurn(rounds int, ours func() (float64, error), others ...func() (float64, error)) (measured [][]float64, err error) {
	measured = make([][]float64, 1+len(others))
	for range rounds {
		for i, other := range others {
			x, err := other()
			if err != nil {
				return nil, fmt.Errorf("yardstick: %w", err)
			}
			measured[1+i] = append(measured[1+i], x)
		}
		x, err := ours()
		if err != nil {
			return nil, err
		}
		measured[0] = append(measured[0], x)
	}
	return measured, nil
}

// ratio returns the result of two series of measurements: the quotient of their medians.
func ratio(ours, theirs []float64, unit, a, b string) result {
	return result{
		Values: []float64{median(ours) / median(theirs)},
		Details: []string{
			fmt.Sprintf("%s: %s %s (%s)", a, count(int64(median(ours))), unit, spread(ours)),
			fmt.Sprintf("%s: %s %s (%s)", b, count(int64(median(theirs))), unit, spread(theirs)),
		},
		Bars: []bar{{a, median(ours)}, {b, median(theirs)}},
	}
}
