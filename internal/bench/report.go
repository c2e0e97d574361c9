package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// bar is a measurement in the chart.
type bar struct {
	Label string  `json:"label"`
	Value float64 `json:"value"`
}

// result is what a run measured of a figure.
type result struct {
	Values  []float64 `json:"values"`            // one for each goal of the figure
	Details []string  `json:"details,omitempty"` // lines that say how they came about
	Bars    []bar     `json:"bars,omitempty"`    // for the chart
}

// line is a figure and what all runs measured.
type line struct {
	figure
	runs []result
}

// report is the table of one engine.
type report struct {
	engine engine
	scale  float64
	fileGB float64 // of the largest file of F4, at scale 1
	lines  []line
}

// add adds what a run measured of the figure with that id.
func (r *report) add(id string, res result) {
	order := slices.IndexFunc(figures, func(f figure) bool { return f.id == id })
	f := figures[order]
	f.what = sizes(r.scale, r.fileGB).Replace(f.what)
	i, found := slices.BinarySearchFunc(r.lines, order, func(l line, order int) int {
		return cmp.Compare(slices.IndexFunc(figures, func(f figure) bool { return f.id == l.id }), order)
	})
	if !found {
		r.lines = slices.Insert(r.lines, i, line{figure: f})
	}
	r.lines[i].runs = append(r.lines[i].runs, res)
}

// measured returns how many runs have measured the figure.
func (r *report) measured(id string) int {
	for _, l := range r.lines {
		if l.id == id {
			return len(l.runs)
		}
	}
	return 0
}

// median returns the median of the runs of the figure's number i.
func (l line) median(i int) float64 {
	var list []float64
	for _, r := range l.runs {
		list = append(list, r.Values[i])
	}
	return median(list)
}

// goals returns what the figure is to be.
func (l line) goals() string {
	return joined(l.numbers, func(_ int, g goal) string { return g.String() })
}

// values returns what each run measured.
func (l line) values() string {
	var runs []string
	for _, r := range l.runs {
		runs = append(runs, joined(l.numbers, func(i int, g goal) string { return g.show(r.Values[i]) }))
	}
	return strings.Join(runs, " · ")
}

func (l line) medians() string {
	return joined(l.numbers, func(i int, g goal) string { return g.text(l.median(i)) })
}

// mark says whether the medians meet the goals.
func (l line) mark() string {
	var missed []string
	judged := false
	for i, g := range l.numbers {
		judged = judged || g.sense != free
		if !g.met(l.median(i)) {
			missed = append(missed, strings.TrimSpace("missed "+g.name))
		}
	}
	switch {
	case len(missed) > 0:
		return strings.Join(missed, ", ")
	case judged:
		return "met"
	}
	return ""
}

func (r *report) print(w io.Writer) {
	fmt.Fprintf(w, "\n%s %s\n", r.engine.name, r.engine.version)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "\tfigure\tagainst\tgoal\tmedian\t\truns")
	for _, l := range r.lines {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", l.id, l.what, l.against, l.goals(), l.medians(), l.mark(), l.values())
	}
	_ = t.Flush()
	for _, l := range r.lines {
		for _, d := range l.runs[len(l.runs)-1].Details {
			fmt.Fprintf(w, "  %s  %s\n", l.id, d)
		}
	}
}

// runs is the form of a report in a file.
type runs struct {
	Server   string              `json:"server"`
	Settings string              `json:"settings"` // of the server
	Scale    float64             `json:"scale"`
	Figures  map[string][]result `json:"figures"` // what each run measured
}

// where returns what has to be the same, so that runs may be told together.
func (f *runs) where() string {
	return fmt.Sprintf("%s with %s at scale %g", f.Server, f.Settings, f.Scale)
}

// read adds what the report's file in dir has, if there is one.
func (r *report) read(dir string) error {
	name := filepath.Join(dir, r.engine.name+".json")
	text, err := os.ReadFile(name) //nolint:gosec // the caller's
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	var f runs
	if err == nil {
		err = json.Unmarshal(text, &f)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	same := runs{r.engine.version, r.engine.settings, r.scale, f.Figures}
	if f.where() != same.where() {
		return fmt.Errorf("%s was measured on %s, and not on %s", name, f.where(), same.where())
	}
	for _, known := range figures {
		for _, res := range f.Figures[known.id] {
			if len(res.Values) != len(known.numbers) {
				return fmt.Errorf("%s: %s has %d numbers, not %d", name, known.id, len(res.Values), len(known.numbers))
			}
			r.add(known.id, res)
		}
	}
	return nil
}

// json returns the content of the report's file.
func (r *report) json() ([]byte, error) {
	f := runs{r.engine.version, r.engine.settings, r.scale, map[string][]result{}}
	for _, l := range r.lines {
		f.Figures[l.id] = l.runs
	}
	text, err := json.MarshalIndent(f, "", " ")
	return append(text, '\n'), err
}

// write makes <engine>.json and <engine>.md of each report in dir, and the chart of all.
func write(dir string, reports []*report) error {
	if err := os.MkdirAll(dir, 0o755); err != nil { //nolint:gosec // documentation
		return err
	}
	for _, r := range reports {
		text, err := r.json()
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, r.engine.name+".json"), text, 0o644); err != nil { //nolint:gosec // documentation
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, r.engine.name+".md"), []byte(r.markdown()), 0o644); err != nil { //nolint:gosec // documentation
			return err
		}
	}
	return os.WriteFile(filepath.Join(dir, "compare.svg"), []byte(chart(reports)), 0o644) //nolint:gosec // documentation
}

func (r *report) markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "# Measured on %s %s\n\n", r.engine.name, r.engine.version)
	fmt.Fprintf(&b, "By `make bench` on %s, %d cores, %s/%s, %s, at scale %g. Servers, Muster and yardsticks shared the machine.\n",
		time.Now().UTC().Format(time.DateOnly), runtime.NumCPU(), runtime.GOOS, runtime.GOARCH, runtime.Version(), r.scale)
	fmt.Fprintf(&b, "The server: %s.\n\n", r.engine.settings)
	b.WriteString("The median of the runs is judged. The lists below are of the last run.\n\n")
	b.WriteString("| | figure | against | goal | runs | median | |\n|---|---|---|---|---|---|---|\n")
	for _, l := range r.lines {
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s | %s |\n", l.id, l.what, l.against, l.goals(), l.values(), l.medians(), l.mark())
	}
	for _, l := range r.lines {
		fmt.Fprintf(&b, "\n## %s: %s\n\n", l.id, l.what)
		for _, d := range l.runs[len(l.runs)-1].Details {
			fmt.Fprintf(&b, "- %s\n", d)
		}
	}
	return b.String()
}
