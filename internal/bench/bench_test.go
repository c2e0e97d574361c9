package main

import (
	"errors"
	"strings"
	"testing"
	"time"
)

func TestRatioJudgesByMedians(t *testing.T) {
	t.Parallel()
	res := ratio([]float64{90, 100, 1}, []float64{100, 1000, 50}, 0.9, "users/s", "a", "b")
	if res.value != "0.90" || !res.met {
		t.Errorf("value %s, met %v", res.value, res.met)
	}
	if res := ratio([]float64{89}, []float64{100}, 0.9, "users/s", "a", "b"); res.met {
		t.Error("0.89 meets 0.9")
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

func TestReportShowsWhatWasMissed(t *testing.T) {
	t.Parallel()
	r := report{engine: engine{name: "mariadb", version: "10.11"}, scale: 1}
	r.add(figures[0], result{value: "0.50", bars: []bar{{"ours <1>", 1}, {"theirs", 2}}, details: []string{"a detail"}})
	var out strings.Builder
	r.print(&out)
	for _, want := range []string{"P1", "0.50", "missed", "a detail"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the table lacks %q:\n%s", want, out.String())
		}
	}
	r.add(figures[0], result{value: "1.20", met: true, bars: []bar{{"ours <1>", 2}, {"theirs", 2}}})
	out.Reset()
	r.print(&out)
	if want := "0.50 · 1.20  met in 1 of 2"; !strings.Contains(out.String(), want) {
		t.Errorf("two runs do not show as %q:\n%s", want, out.String())
	}
	dir := t.TempDir()
	if err := r.write(dir); err != nil {
		t.Fatal(err)
	}
	if chart := r.chart(); !strings.Contains(chart, "ours &lt;1&gt;") {
		t.Error("the chart does not escape its labels")
	}
}

func TestSizes(t *testing.T) {
	t.Parallel()
	if got := sizes(0.1, 5).Replace("{1M} {3M} {5M} {file}"); got != "100,000 300,000 500,000 500 MB" {
		t.Error(got)
	}
}
