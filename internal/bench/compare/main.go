// Command compare reads two tables of make bench, and fails when a figure fell: a ratio of Muster to its yardstick, which one
// run measured both of. Speeds, times and sizes are left out: they say more of the machine than of Muster.
//
//	go run ./internal/bench/compare -before docs/benchmarks/mariadb.md -after bin/bench/mariadb.md
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strconv"
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
	before := flags.String("before", "", "the table of an earlier run")
	after := flags.String("after", "", "the table of this run")
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
		return fmt.Errorf("%s is at scale %s, %s at scale %s: ratios change with it", *before, old.scale, *after, now.scale)
	}
	return judge(old, now, *fall, out)
}

// ratios are the figures that are ratios, of which more is better, and how many each run has of them. P6, of which less is better,
// has a goal of its own.
var ratios = map[string]int{"P1": 1, "P2": 1, "P3": 1, "P4": 1, "P9": 2, "P10": 1, "F1": 1, "F2": 2, "F3": 1, "S1": 1}

// table is what a run measured: the medians of its ratios.
type table struct {
	scale   string
	figures []string // in its order
	medians map[string][]float64
}

var (
	row   = regexp.MustCompile(`(?m)^\| ([A-Z]\d+) \| .*$`)
	scale = regexp.MustCompile(`at scale (\S+?)[.,]? `)
	ratio = regexp.MustCompile(`\d+(?:\.\d+)?`)
)

func read(name string) (table, error) {
	text, err := os.ReadFile(name) //nolint:gosec // the caller's
	if err != nil {
		return table{}, err
	}
	t, err := parse(string(text))
	if err != nil {
		return table{}, fmt.Errorf("%s: %w", name, err)
	}
	return t, nil
}

// parse reads the file that make bench writes.
func parse(text string) (table, error) {
	t := table{medians: map[string][]float64{}}
	m := scale.FindStringSubmatch(text)
	if m == nil {
		return t, errors.New("it does not say at which scale it was measured")
	}
	t.scale = m[1]
	for _, m := range row.FindAllStringSubmatch(text, -1) {
		n := ratios[m[1]]
		if n == 0 {
			continue
		}
		cells := strings.Split(m[0], " | ")
		if len(cells) < 5 {
			return t, fmt.Errorf("the line of %s has no figures", m[1])
		}
		series := make([][]float64, n)
		for run := range strings.SplitSeq(cells[4], " · ") {
			numbers := ratio.FindAllString(run, n)
			if len(numbers) < n {
				return t, fmt.Errorf("%s: %q has not %d figures", m[1], run, n)
			}
			for i, s := range numbers {
				x, err := strconv.ParseFloat(s, 64)
				if err != nil {
					return t, err
				}
				series[i] = append(series[i], x)
			}
		}
		for _, s := range series {
			slices.Sort(s)
			t.medians[m[1]] = append(t.medians[m[1]], s[len(s)/2])
		}
		t.figures = append(t.figures, m[1])
	}
	if len(t.figures) == 0 {
		return t, errors.New("it has no ratios")
	}
	return t, nil
}

// judge prints both tables beside each other, and returns an error when a ratio fell by more than fall, or is gone.
func judge(old, now table, fall float64, out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "figure\tbefore\tafter\tchange\t")
	var bad []string
	for _, id := range old.figures {
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
