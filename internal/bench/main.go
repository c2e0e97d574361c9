// Command bench measures Muster against what it is built on, prints the table of design goals beside the measured
// figures, and writes docs/benchmarks. Every figure is a ratio of two measurements that alternate in one run, on private
// servers and with the binaries that are deployed.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// figure is one line of the table: a goal of the design, and how it is measured.
type figure struct {
	id, what, against, goal string
	perEngine               bool // else it has no database, or SQLite, and is measured once
	run                     func(ctx context.Context, l *lab) (result, error)
}

// result is what was measured.
type result struct {
	value   string // beside the goal
	met     bool
	details []string // lines that say how it came about
	bars    []bar    // of the chart
}

var figures = []figure{
	{"P1", "import of {1M} users through the API, one worker process", "LOAD DATA LOCAL of the same rows, 2 connections", "≥ 1.0", true, importAgainstLoader},
	{"P2", "the same", "one INSERT a row, 1000 rows a transaction", "≥ 10", true, importAgainstInserts},
	{"P3", "streamed CSV export of {3M} users", "mariadb --quick --batch of the same SELECT", "≥ 1.2", true, exportAgainstClient},
	{"P4", "admission: reserve a slot", "a bare EVALSHA on as many connections", "≥ 0.7, p99 < 5 ms", false, admission},
	{"P5", "peak memory, {5M} users in and out", "", "< 100 MiB each", true, memory},
	{"P6", "time of {5M} users over time of a tenth", "", "≤ 11", true, growth},
	{"P7", "generation alone, one core", "", "≥ 2,000,000 users/s", false, generation},
	{"P8", "first page of any filter or pair, {3M} users", "", "p95 < 50 ms, no full scan", true, searches},
	{"P9", "workers over a database 20 ms away, 1, 2, 4", "one worker", "≥ 1.9, ≥ 3.6", true, scaling},
	{"P10", "GET /jobs/{id}", "a bare Echo handler doing one HGETALL", "≥ 0.8", false, polling},
	{"F1", "import of a CSV of {1M} users through the API, one worker process", "LOAD DATA LOCAL of the same file, 1 connection", "≥ 0.9", true, fileAgainstLoader},
	{"F2", "skip and update, a CSV of {1M} users of whom half are there", "INSERT … ON DUPLICATE KEY UPDATE, 1000 rows a statement", "≥ 1.0", true, fileAgainstUpserts},
	{"F3", "preparing a CSV, one core", "encoding/csv reading it and doing nothing", "≥ 1.5, ≥ 150 MB/s", false, preparing},
	{"F4", "peak memory, files of all kinds up to {file}", "", "< 150 MiB each, flat", false, fileMemory},
	{"F5", "preview of any file, hostile ones too", "", "p95 < 100 ms", false, previews},
	{"S1", "import of {300k} users into SQLite", "a loop of prepared INSERTs on the same file", "≥ 0.8", false, embeddedImport},
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if addr := os.Getenv(echoEnv); addr != "" {
		fmt.Fprintln(os.Stderr, echoServer(addr))
		return
	}
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// number returns a setting, 1 when it is not set.
func number(name string, most float64) (float64, error) {
	s := os.Getenv(name)
	if s == "" {
		return 1, nil
	}
	n, err := strconv.ParseFloat(s, 64)
	if err != nil || n <= 0 || n > most {
		return 0, fmt.Errorf("%s is a number above 0, at most %g", name, most)
	}
	return n, nil
}

// run measures the figures that BENCH names (all), at SCALE times the sizes of the goals (1), RUNS times (1). The largest file
// of F4 has FILE_GB gigabytes (1), at scale 1.
func run(ctx context.Context) (err error) {
	scale, err := number("SCALE", 10)
	if err != nil {
		return err
	}
	fileGB, err := number("FILE_GB", 20)
	if err != nil {
		return err
	}
	runs := 1
	if s := os.Getenv("RUNS"); s != "" {
		if runs, err = strconv.Atoi(s); err != nil || runs < 1 || runs > 100 {
			return errors.New("RUNS is a number from 1 to 100")
		}
	}
	wanted := strings.FieldsFunc(os.Getenv("BENCH"), func(r rune) bool { return r == ',' || r == ' ' })
	for _, w := range wanted {
		if !slices.ContainsFunc(figures, func(f figure) bool { return f.id == w }) {
			return fmt.Errorf("BENCH: there is no figure %q", w)
		}
	}
	engines, err := engines(ctx)
	if err != nil {
		return err
	}
	binaries, cleanup, err := build(ctx)
	if err != nil {
		return err
	}
	defer cleanup()
	reports := make([]report, len(engines))
	for range runs {
		for i, e := range engines {
			reports[i].engine, reports[i].scale, reports[i].fileGB = e, scale, fileGB
			if err := measureAll(ctx, &reports[i], i == 0, wanted, binaries); err != nil {
				return err
			}
		}
	}
	return nil
}

// measureAll adds a run of the wanted figures (all) to the report of an engine, and shows it.
func measureAll(ctx context.Context, r *report, first bool, wanted []string, binaries string) error {
	for _, f := range figures {
		if len(wanted) > 0 && !slices.Contains(wanted, f.id) || !first && !f.perEngine {
			continue
		}
		f.what = sizes(r.scale, r.fileGB).Replace(f.what)
		fmt.Fprintf(os.Stderr, "%s on %s: %s …\n", f.id, r.engine.name, f.what)
		res, err := measure(ctx, f, r, binaries)
		if err != nil {
			return fmt.Errorf("%s on %s: %w", f.id, r.engine.name, err)
		}
		r.add(f, res)
	}
	r.print(os.Stdout)
	if len(wanted) > 0 {
		return nil
	}
	return r.write("docs/benchmarks")
}

// sizes replaces {1M} and the like in the text of a figure by that number of users at the scale, and {file} by the size of F4's.
func sizes(scale, fileGB float64) *strings.Replacer {
	at := func(n float64) string { return count(int64(n * scale)) }
	return strings.NewReplacer("{300k}", at(3e5), "{1M}", at(1e6), "{3M}", at(3e6), "{5M}", at(5e6), "{file}", at(fileGB*1000)+" MB")
}

func measure(ctx context.Context, f figure, r *report, binaries string) (res result, err error) {
	l, err := newLab(ctx, r.engine, r.scale, binaries)
	if err != nil {
		return result{}, err
	}
	defer func() { err = errors.Join(err, l.close()) }()
	l.fileGB = r.fileGB
	return f.run(ctx, l)
}
