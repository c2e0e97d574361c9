package main

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestRatioIsOfMedians(t *testing.T) {
	t.Parallel()
	res := ratio([]float64{90, 100, 1}, []float64{100, 1000, 50}, "users/s", "a", "b")
	if diff := cmp.Diff([]float64{0.9}, res.Values); diff != "" {
		t.Error(diff)
	}
}

func TestMedian(t *testing.T) {
	t.Parallel()
	for want, list := range map[float64][]float64{7: {7}, 3: {4, 2}, 2: {9, 1, 2}} {
		if got := median(list); got != want {
			t.Errorf("median of %v: %g, want %g", list, got, want)
		}
	}
}

func TestAlternateStopsAtTheFirstError(t *testing.T) {
	t.Parallel()
	var order []string
	fail := errors.New("no")
	_, _, err := alternate(3, func() (float64, error) { order = append(order, "ours"); return 1, nil },
		func() (float64, error) {
			order = append(order, "theirs")
			if len(order) > 2 {
				return 0, fail
			}
			return 1, nil
		})
	if got := strings.Join(order, " "); !errors.Is(err, fail) || got != "theirs ours theirs" {
		t.Errorf("%v after %s", err, got)
	}
}

func TestQuantile(t *testing.T) {
	t.Parallel()
	times := []time.Duration{5, 1, 4, 2, 3}
	if p50, p95 := quantile(times, 0.5), quantile(times, 0.95); p50 != 3 || p95 != 5 {
		t.Errorf("p50 %d, p95 %d", p50, p95)
	}
}

// The median of the runs is judged, each number by its own goal.
func TestReportJudgesMedians(t *testing.T) {
	t.Parallel()
	r := &report{engine: engine{name: "mariadb", version: "10.11.1-MariaDB", settings: "log_bin OFF"}, scale: 1}
	for _, p4 := range [][]float64{{0.8, 9}, {0.7, 3.5}, {0.76, 5}} {
		r.add("S1", result{Values: []float64{0.96}})
		r.add("P4", result{Values: p4, Details: []string{"a detail"}})
		r.add("P14", result{Values: []float64{2, 9}})
	}
	var out strings.Builder
	r.print(&out)
	for i, want := range []string{
		"P4   admission: reserve a slot", "≥ 0.75, p99 ≤ 4 ms  0.76, p99 5 ms", "missed p99  0.80, 9 ms · 0.70, 3.5 ms · 0.76, 5 ms", "a detail",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%d: the table lacks %q:\n%s", i, want, out.String())
		}
	}
	var order, marks []string
	for _, l := range r.lines {
		order, marks = append(order, l.id), append(marks, l.mark())
	}
	if diff := cmp.Diff([]string{"P4", "P14", "S1"}, order); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"missed p99", "", "met"}, marks); diff != "" {
		t.Error(diff)
	}
	if text := r.markdown(); !strings.Contains(text, "| S1 | import of 300,000 users into SQLite | a loop of prepared INSERTs on the same file | ≥ 0.95 | 0.96 · 0.96 · 0.96 | 0.96 | met |") ||
		!strings.Contains(text, "log_bin OFF") {
		t.Error(text)
	}
}

// What was written is read again, so that CONTINUE goes on with it.
func TestReportIsReadAgain(t *testing.T) {
	t.Parallel()
	dir, server := t.TempDir(), engine{name: "mariadb", version: "10.11.1-MariaDB", settings: "log_bin OFF"}
	was := &report{engine: server, scale: 0.1}
	was.add("P4", result{Values: []float64{0.8, 9}, Details: []string{"a detail"}})
	was.add("P4", result{Values: []float64{0.7, 3.5}})
	was.add("P2", result{Values: []float64{9}, Bars: []bar{{"ours", 9}, {"theirs", 1}}})
	if err := write(dir, []*report{was}); err != nil {
		t.Fatal(err)
	}
	is := &report{engine: server, scale: 0.1}
	if err := is.read(dir); err != nil {
		t.Fatal(err)
	}
	if is.markdown() != was.markdown() || is.measured("P4") != 2 || is.measured("P2") != 1 || is.measured("P1") != 0 {
		t.Errorf("%s\n%s", is.markdown(), was.markdown())
	}
	if diff := cmp.Diff(was.lines[0].runs, is.lines[0].runs); diff != "" {
		t.Error(diff)
	}
	if none := (&report{engine: server}); none.read(t.TempDir()) != nil || len(none.lines) > 0 {
		t.Error("there is something in an empty folder")
	}
	if err := (&report{engine: server, scale: 1}).read(dir); err == nil || !strings.Contains(err.Error(), "at scale 0.1, and not") {
		t.Errorf("another scale: %v", err)
	}
	server.settings = "log_bin ON"
	if err := (&report{engine: server, scale: 0.1}).read(dir); err == nil || !strings.Contains(err.Error(), "with log_bin OFF at scale 0.1, and not") {
		t.Errorf("other settings: %v", err)
	}
}

// Every figure is measured by one experiment, and has a goal for each number.
func TestFiguresAndExperiments(t *testing.T) {
	t.Parallel()
	var measured, known []string
	for _, e := range experiments {
		measured = append(measured, e.ids...)
	}
	for _, f := range figures {
		known = append(known, f.id)
		if len(f.numbers) == 0 {
			t.Errorf("%s has no goal", f.id)
		}
	}
	slices.Sort(measured)
	slices.Sort(known)
	if diff := cmp.Diff(known, measured); diff != "" {
		t.Error(diff)
	}
}

func TestChart(t *testing.T) {
	t.Parallel()
	r := &report{engine: engine{name: "mariadb", version: "10.11.1-MariaDB"}, scale: 1}
	for _, x := range []float64{70_000, 72_226, 99_000} {
		r.add("P1", result{Values: []float64{1}, Bars: []bar{{"Muster <1>", x}, {"loader", 80_000}}})
		r.add("P2", result{Values: []float64{1}, Bars: []bar{{"Muster <1>", x}, {"inserts", 7900}}})
	}
	svg := chart([]*report{r})
	for _, want := range []string{"MariaDB 10.11.1<", "Muster &lt;1&gt;", ">72,000<", ">80,000<", ">7,900<"} {
		if !strings.Contains(svg, want) {
			t.Errorf("the chart lacks %q:\n%s", want, svg)
		}
	}
	if strings.Contains(svg, "Export") {
		t.Error("the chart shows what was not measured")
	}
}

func TestRounded(t *testing.T) {
	t.Parallel()
	for x, want := range map[float64]int64{0: 0, 7: 7, 72_226: 72_000, 7934: 7900, 1_428_387: 1_400_000, 999: 1000} {
		if got := rounded(x); got != want {
			t.Errorf("%g becomes %d, want %d", x, got, want)
		}
	}
}

func TestDemoTime(t *testing.T) {
	t.Parallel()
	const out = "Submitted job 1: 1000 users\nImported 1000 users in 12.5 s.\nSearched"
	if got, err := demoTime(out, 1000); got != 12.5 || err != nil {
		t.Errorf("%g, %v", got, err)
	}
	if _, err := demoTime(out, 2000); err == nil {
		t.Error("another number of users is taken")
	}
}

func TestCallsIn(t *testing.T) {
	t.Parallel()
	got := callsIn("# Commandstats\r\ncmdstat_ping:calls=2,usec=1\r\ncmdstat_config|get:calls=30,usec=4\r\n")
	if diff := cmp.Diff([]redisCalls{{"config|get", 30}, {"ping", 2}}, got, cmp.AllowUnexported(redisCalls{})); diff != "" {
		t.Error(diff)
	}
}

func TestSizes(t *testing.T) {
	t.Parallel()
	if got := sizes(0.1, 5).Replace("{1M} {3M} {5M} {file}"); got != "100,000 300,000 500,000 500 MB" {
		t.Error(got)
	}
}
