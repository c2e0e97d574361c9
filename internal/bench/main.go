// Command bench measures Muster against what it is built on, prints the table of design goals beside the measured
// figures, and writes docs/benchmarks. Both sides of a ratio are measured in one run, mostly in turn, on private
// servers and with the binaries that are deployed.
package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// figures are the lines of the table, in its order, with the goals of the design.
var figures = []figure{
	{"P1", "import of {1M} users through the API, one worker process", "LOAD DATA LOCAL of the same rows, 2 connections", least(1, quotient)},
	{"P2", "the same", "one INSERT a row, 1000 rows a transaction", least(10, quotient)},
	{"P3", "streamed CSV export of {3M} users", "mariadb --quick --batch of the same SELECT", least(1.2, quotient)},
	{"P4", "admission: reserve a slot", "a bare EVALSHA on as many connections", append(least(0.75, quotient), most("p99", 4, millis)...)},
	{"P5", "peak memory, {5M} users in and out", "", append(most("API", 100, mebibytes), most("worker", 100, mebibytes)...)},
	{"P6", "time of {5M} users", "a tenth of them", append(most("import", 10.5, quotient), most("export", 10.5, quotient)...)},
	{"P7", "generation alone, one core", "", least(2e6, perSecond)},
	{"P8", "first page of any filter or pair, {3M} users", "", append(most("worst p95", 50, millis), most("full scans", 0, number)...)},
	{"P9", "two and four workers over a database 20 ms away", "one worker", append(least(1.95, quotient), least(3.7, quotient)...)},
	{"P10", "GET /jobs/{id}", "a bare Echo handler doing one HGETALL", least(0.8, quotient)},
	{"P11", "POST to COMPLETED of 1, 100 and 10,000 users, p95", "", slices.Concat(most("1 user", 40, millis), most("100", 50, millis), most("10,000", 250, millis))},
	{"P12", "idle API and worker, after an import and an export", "", slices.Concat(most("API", 1, percent), most("worker", 1, percent), most("Redis", 30, commands), most("API", 45, mebibytes), most("worker", 45, mebibytes))},
	{"P13", "import and polls with metrics and traces on, as Muster samples them", "the same with both off", append(named("import", least(0.97, quotient)), named("polls", least(0.97, quotient))...)},
	{"P14", "the import of P1 with MUSTER_SEARCH_INDEXES=none", "all indexes; one INSERT a row, without them, too", append(nothing("all indexes"), nothing("INSERTs")...)},
	{"F1", "import of a CSV of {300k} users through the API, one worker process", "LOAD DATA LOCAL of the same file, 1 connection", least(0.9, quotient)},
	{"F2", "skip and update, a CSV of {300k} users of whom half are there", "INSERT … ON DUPLICATE KEY UPDATE, 1000 rows a statement", append(named("skip", least(1, quotient)), named("update", least(1, quotient))...)},
	{"F3", "preparing a CSV, one core", "encoding/csv reading it and doing nothing", append(least(1.5, quotient), least(150, megabytes)...)},
	{"F4", "peak memory, files of all kinds up to {file}", "", append(most("worst", 150, mebibytes), most("after a tenth", 32, mebibytes)...)},
	{"F5", "preview of a file, p95 of the worst", "", append(most("real", 100, millis), most("hostile", 100, millis)...)},
	{"S1", "import of {300k} users into SQLite", "a loop of prepared INSERTs on the same file", least(0.95, quotient)},
	{"S2", "make demo: import of {1M} users", "", most("", 20, seconds)},
}

// experiment measures figures on private servers, and returns one result for each id.
type experiment struct {
	ids       []string
	perEngine bool // else it has no database, or SQLite, or one engine is enough, and is measured once
	run       func(ctx context.Context, l *lab) ([]result, error)
}

var experiments = []experiment{
	{[]string{"P1", "P2", "P14"}, true, imports},
	{[]string{"P3", "P8"}, true, reads},
	{[]string{"P4"}, false, one(admission)},
	{[]string{"P5", "P6"}, true, growth},
	{[]string{"P7"}, false, one(generation)},
	{[]string{"P9"}, true, one(scaling)},
	{[]string{"P10"}, false, one(polling)},
	{[]string{"P11"}, true, one(latency)},
	{[]string{"P12"}, false, one(idle)},
	{[]string{"P13"}, false, one(observed)},
	{[]string{"F1"}, true, one(fileAgainstLoader)},
	{[]string{"F2"}, true, one(fileAgainstUpserts)},
	{[]string{"F3"}, false, one(preparing)},
	{[]string{"F4"}, false, one(fileMemory)},
	{[]string{"F5"}, false, one(previews)},
	{[]string{"S1"}, false, one(embeddedImport)},
	{[]string{"S2"}, false, one(demo)},
}

// one is the experiment of a single figure.
func one(run func(ctx context.Context, l *lab) (result, error)) func(ctx context.Context, l *lab) ([]result, error) {
	return func(ctx context.Context, l *lab) ([]result, error) {
		res, err := run(ctx, l)
		return []result{res}, err
	}
}

func main() {
	if addr := os.Getenv(echoEnv); addr != "" {
		fmt.Fprintln(os.Stderr, echoServer(addr))
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// setting returns a variable, 1 when it is not set.
func setting(name string, limit float64) (float64, error) {
	s := os.Getenv(name)
	if s == "" {
		return 1, nil
	}
	n, err := strconv.ParseFloat(s, 64)
	if err != nil || n <= 0 || n > limit {
		return 0, fmt.Errorf("%s is a number above 0, at most %g", name, limit)
	}
	return n, nil
}

// run measures the figures that BENCH names (all), at SCALE times the sizes of the goals (1), RUNS times (1). The largest file
// of F4 has FILE_GB gigabytes (1), at scale 1. With CONTINUE runs count that were measured before.
func run(ctx context.Context) (err error) {
	scale, err := setting("SCALE", 10)
	if err != nil {
		return err
	}
	fileGB, err := setting("FILE_GB", 20)
	if err != nil {
		return err
	}
	runs, wanted, err := asked()
	if err != nil {
		return err
	}
	engines, err := engines(ctx)
	if err != nil {
		return err
	}
	b := bench{wanted: wanted}
	for _, e := range engines {
		b.reports = append(b.reports, &report{engine: e, scale: scale, fileGB: fileGB})
	}
	dir := cmp.Or(os.Getenv("OUT"), "docs/benchmarks")
	if again := os.Getenv("CONTINUE") != ""; again || len(wanted) == 0 && (scale == 1 || os.Getenv("OUT") != "") {
		b.dir = dir
		if again {
			err = b.read()
		}
	}
	if err != nil {
		return err
	}
	var cleanup func()
	if b.binaries, cleanup, err = build(ctx); err != nil {
		return err
	}
	defer cleanup()
	began := time.Now()
	for n := range runs {
		if err := b.measureAll(ctx, n+1); err != nil {
			return err
		}
	}
	fmt.Fprintf(os.Stderr, "all in %s\n", time.Since(began).Round(time.Second))
	if b.dir == "" {
		fmt.Fprintf(os.Stderr, "%s has whole runs at scale 1 only: nothing is written; OUT names a folder for others\n", dir)
	}
	return nil
}

// asked returns how many runs RUNS asks for, and the figures that BENCH names.
func asked() (runs int, wanted []string, err error) {
	runs = 1
	if s := os.Getenv("RUNS"); s != "" {
		if runs, err = strconv.Atoi(s); err != nil || runs < 1 || runs > 100 {
			return 0, nil, errors.New("RUNS is a number from 1 to 100")
		}
	}
	wanted = strings.FieldsFunc(os.Getenv("BENCH"), func(r rune) bool { return r == ',' || r == ' ' })
	for _, w := range wanted {
		if !slices.ContainsFunc(figures, func(f figure) bool { return f.id == w }) {
			return 0, nil, fmt.Errorf("BENCH: there is no figure %q", w)
		}
	}
	return runs, wanted, nil
}

// bench is what is measured, and where it is kept.
type bench struct {
	reports  []*report
	wanted   []string // figures; none: all
	binaries string
	dir      string // empty: nothing is written
}

// read adds to each report what its file has.
func (b *bench) read() error {
	for _, r := range b.reports {
		if err := r.read(b.dir); err != nil {
			return err
		}
	}
	return nil
}

// measureAll measures each figure that fewer than n runs have, and shows them.
func (b *bench) measureAll(ctx context.Context, n int) error {
	for i, r := range b.reports {
		for _, e := range experiments {
			left := func(id string) bool {
				return r.measured(id) < n && (len(b.wanted) == 0 || slices.Contains(b.wanted, id))
			}
			if i > 0 && !e.perEngine || !slices.ContainsFunc(e.ids, left) {
				continue
			}
			if err := b.measure(ctx, e, r); err != nil {
				r.print(os.Stdout) // hours may be in it
				return fmt.Errorf("%s on %s: %w", strings.Join(e.ids, ", "), r.engine.name, err)
			}
		}
		r.print(os.Stdout)
	}
	return nil
}

// measure adds what the experiment measures to the report, and writes all reports, as the next one may fail.
func (b *bench) measure(ctx context.Context, e experiment, r *report) error {
	began := time.Now()
	results, err := e.measure(ctx, r, b.binaries)
	if err != nil {
		return err
	}
	fmt.Fprintf(os.Stderr, "%s on %s in %s\n", strings.Join(e.ids, ", "), r.engine.name, time.Since(began).Round(time.Second))
	for i, id := range e.ids {
		r.add(id, results[i])
	}
	if b.dir == "" {
		return nil
	}
	return write(b.dir, b.reports)
}

// sizes replaces {1M} and the like in the text of a figure by that number of users at the scale, and {file} by the size of F4's.
func sizes(scale, fileGB float64) *strings.Replacer {
	at := func(n float64) string { return count(int64(n * scale)) }
	return strings.NewReplacer("{300k}", at(3e5), "{1M}", at(1e6), "{3M}", at(3e6), "{5M}", at(5e6), "{file}", at(fileGB*1000)+" MB")
}

// measure runs the experiment on servers of its own.
func (e experiment) measure(ctx context.Context, r *report, binaries string) (results []result, err error) {
	l, err := newLab(ctx, r.engine, r.scale, binaries)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, l.close()) }()
	l.fileGB = r.fileGB
	return e.run(ctx, l)
}
