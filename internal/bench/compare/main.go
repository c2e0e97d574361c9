// Command compare reads what make bench wrote twice, and fails when a figure fell: a ratio of Muster to its yardstick, which one
// run measured both of. Speeds, times and sizes are left out: they say more of the machine than of Muster.
//
//	go run ./internal/bench/compare -before docs/benchmarks/mariadb.json -after bin/bench/mariadb.json
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
)

func main() {
	if err := run(os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "compare:", err)
		os.Exit(1)
	}
}

func run(args []string, out io.Writer) error {
	flags := flag.NewFlagSet("compare", flag.ContinueOnError)
	before := flags.String("before", "", "the file of an earlier run")
	after := flags.String("after", "", "the file of this run")
	fall := flags.Float64("fall", 0.3, "by which part of what it was a ratio may fall; runs on a shared machine differ by a fifth")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *fall < 0 || *fall >= 1 {
		return errors.New("-fall is at least 0, and less than 1")
	}
	old, err := read(*before)
	if err != nil {
		return err
	}
	now, err := read(*after)
	if err != nil {
		return err
	}
	if old.scale != now.scale {
		return fmt.Errorf("%s is at scale %g, %s at scale %g: ratios change with it", *before, old.scale, *after, now.scale)
	}
	return judge(old, now, *fall, out)
}

// ratios are the figures that are ratios, of which more is better, and how many each run has of them. P6, of which less is better,
// has a goal of its own.
var ratios = map[string]int{"P1": 1, "P2": 1, "P3": 1, "P4": 1, "P9": 2, "P10": 1, "F1": 1, "F2": 2, "F3": 1, "S1": 1}

// table is what was measured: the medians of its ratios.
type table struct {
	scale   float64
	medians map[string][]float64
}

func read(name string) (table, error) {
	text, err := os.ReadFile(name) //nolint:gosec // the caller's
	if err != nil {
		return table{}, err
	}
	t, err := parse(text)
	if err != nil {
		return table{}, fmt.Errorf("%s: %w", name, err)
	}
	return t, nil
}

// parse reads the file that make bench writes.
func parse(text []byte) (table, error) {
	var f struct {
		Scale   float64
		Figures map[string][]struct{ Values []float64 }
	}
	if err := json.Unmarshal(text, &f); err != nil {
		return table{}, err
	}
	t := table{scale: f.Scale, medians: map[string][]float64{}}
	for id, n := range ratios {
		for i := range n {
			var series []float64
			for _, run := range f.Figures[id] {
				if len(run.Values) < n {
					return t, fmt.Errorf("a run of %s has %d numbers, not %d", id, len(run.Values), n)
				}
				series = append(series, run.Values[i])
			}
			if len(series) > 0 {
				slices.Sort(series)
				t.medians[id] = append(t.medians[id], (series[(len(series)-1)/2]+series[len(series)/2])/2)
			}
		}
	}
	if len(t.medians) == 0 {
		return t, errors.New("it has no ratios")
	}
	return t, nil
}

// judge prints both tables beside each other, and returns an error when a ratio fell by more than fall, or is gone.
func judge(old, now table, fall float64, out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "figure\tbefore\tafter\tchange\t")
	var bad []string
	for _, id := range slices.Sorted(maps.Keys(old.medians)) {
		if len(now.medians[id]) == 0 {
			bad = append(bad, id+" was not measured")
			continue
		}
		for i, was := range old.medians[id] {
			is := now.medians[id][i]
			change := is/was - 1
			note := ""
			if change < -fall {
				note = "fell"
				bad = append(bad, fmt.Sprintf("%s fell from %g to %g", id, was, is))
			}
			fmt.Fprintf(w, "%s\t%.2f\t%.2f\t%+.0f %%\t%s\n", id, was, is, 100*change, note)
		}
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if len(bad) > 0 {
		return errors.New(strings.Join(bad, "; "))
	}
	return nil
}
