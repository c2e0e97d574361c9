package main

import (
	"fmt"
	"html"
	"io"
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
	label string
	value float64
}

// line is a figure and what all runs measured.
type line struct {
	figure
	result   // of the last run
	measured []string
	hits     int // runs that met the goal
}

// report is the table of one engine.
type report struct {
	engine engine
	scale  float64
	fileGB float64 // of the largest file of F4, at scale 1
	lines  []line
}

func (r *report) add(f figure, res result) {
	i := slices.IndexFunc(r.lines, func(l line) bool { return l.id == f.id })
	if i < 0 {
		i = len(r.lines)
		r.lines = append(r.lines, line{figure: f})
	}
	l := &r.lines[i]
	l.result, l.measured = res, append(l.measured, res.value)
	if res.met {
		l.hits++
	}
}

// values returns what each run measured, as one text.
func (l line) values() string { return strings.Join(l.measured, " · ") }

// mark returns a text that says in how many runs the goal was met.
func (l line) mark() string {
	switch l.hits {
	case len(l.measured):
		return "met"
	case 0:
		return "missed"
	}
	return fmt.Sprintf("met in %d of %d", l.hits, len(l.measured))
}

func (r *report) print(w io.Writer) {
	fmt.Fprintf(w, "\n%s %s\n", r.engine.name, r.engine.version)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "\tfigure\tagainst\tgoal\tmeasured\t")
	for _, l := range r.lines {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\n", l.id, l.what, l.against, l.goal, l.values(), l.mark())
	}
	_ = t.Flush()
	for _, l := range r.lines {
		for _, d := range l.details {
			fmt.Fprintf(w, "  %s  %s\n", l.id, d)
		}
	}
}

// write makes <engine>.md and <engine>.svg in dir.
func (r *report) write(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil { //nolint:gosec // documentation
		return err
	}
	var b strings.Builder
	fmt.Fprintf(&b, "# Measured on %s %s\n\n", r.engine.name, r.engine.version)
	fmt.Fprintf(&b, "By `make bench` on %s, %d cores, %s/%s, %s, at scale %g. Servers, Muster and yardsticks shared the machine.\n",
		time.Now().UTC().Format(time.DateOnly), runtime.NumCPU(), runtime.GOOS, runtime.GOARCH, runtime.Version(), r.scale)
	b.WriteString("Where there are several figures in a row, each is a whole run; the chart and the lists are of the last one.\n\n")
	fmt.Fprintf(&b, "![Users or calls a second](%s.svg)\n\n", r.engine.name)
	b.WriteString("| | figure | against | goal | measured | |\n|---|---|---|---|---|---|\n")
	for _, l := range r.lines {
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s |\n", l.id, l.what, l.against, l.goal, l.values(), l.mark())
	}
	for _, l := range r.lines {
		fmt.Fprintf(&b, "\n## %s: %s\n\n", l.id, l.what)
		for _, d := range l.details {
			fmt.Fprintf(&b, "- %s\n", d)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, r.engine.name+".md"), []byte(b.String()), 0o644); err != nil { //nolint:gosec // documentation
		return err
	}
	return os.WriteFile(filepath.Join(dir, r.engine.name+".svg"), []byte(r.chart()), 0o644) //nolint:gosec // documentation
}

// chart draws the bars of each figure, as long as their share of the figure's longest.
func (r *report) chart() string {
	const width, label, row, gap = 900, 430, 20, 12
	var b strings.Builder
	y := 8
	for _, l := range r.lines {
		if len(l.bars) == 0 {
			continue
		}
		longest := 0.0
		for _, x := range l.bars {
			longest = max(longest, x.value)
		}
		for i, x := range l.bars {
			color := "#2f6f4f"
			if i > 0 {
				color = "#b9b9b9"
			}
			text := x.label
			if i == 0 {
				text = l.id + "  " + text
			}
			fmt.Fprintf(&b, `<text x="%d" y="%d" text-anchor="end">%s</text><rect x="%d" y="%d" width="%.0f" height="%d" fill="%s"/>`,
				label-8, y+14, html.EscapeString(text), label, y+2, x.value/max(longest, 1e-9)*(width-label-110), row-4, color)
			fmt.Fprintf(&b, `<text x="%.0f" y="%d">%s</text>`+"\n", float64(label)+x.value/max(longest, 1e-9)*(width-label-110)+6, y+14, count(int64(x.value)))
			y += row
		}
		y += gap
	}
	return fmt.Sprintf(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="sans-serif" font-size="12">`+
		`<rect width="100%%" height="100%%" fill="white"/>`+"\n%s</svg>\n", width, y, b.String())
}
