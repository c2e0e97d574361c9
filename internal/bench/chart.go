package main

import (
	"fmt"
	"html"
	"math"
	"slices"
	"strings"
)

// group is a question that the chart answers: how fast each way of doing something is, Muster's last.
type group struct {
	title string
	bars  []bar
}

// groups returns what the chart shows of an engine, by the medians of the runs.
func (r *report) groups() (list []group) {
	bars := func(id string) []bar { // Muster's first
		i := slices.IndexFunc(r.lines, func(l line) bool { return l.id == id })
		if i < 0 {
			return nil
		}
		return r.lines[i].medianBars()
	}
	if inserts, loader := bars("P2"), bars("P1"); inserts != nil && loader != nil {
		list = append(list, group{"Import made-up users", []bar{inserts[1], loader[1], inserts[0]}})
	}
	if file := bars("F1"); file != nil {
		list = append(list, group{"Import a CSV of your own", []bar{file[1], file[0]}})
	}
	if export := bars("P3"); export != nil {
		list = append(list, group{"Export all users as CSV", []bar{export[1], export[0]}})
	}
	return list
}

func (l line) medianBars() (list []bar) {
	for i, b := range l.runs[0].Bars {
		var values []float64
		for _, r := range l.runs {
			values = append(values, r.Bars[i].Value)
		}
		list = append(list, bar{b.Label, median(values)})
	}
	return list
}

// The chart's measures, and its colours, which it has on a ground of its own: pages are light or dark.
const (
	chartWidth, barLeft, barRight = 860, 320, 740
	barHeight, barStep            = 18, 26
	ground, ink, faint            = "#ffffff", "#1f2328", "#59636e"
	ourColor, theirColor          = "#1a7f4e", "#b6bec7"
)

// chart draws what a user would do without Muster beside what Muster does, for each engine.
func chart(reports []*report) string {
	var b strings.Builder
	text := func(x, y int, anchor, style, s string) {
		fmt.Fprintf(&b, `<text x="%d" y="%d" text-anchor="%s" %s>%s</text>`+"\n", x, y, anchor, style, html.EscapeString(s))
	}
	y := 36
	text(24, y, "start", `font-size="18" font-weight="600"`, "Users a second: without Muster, and with it")
	y += 22
	text(24, y, "start", `font-size="13" fill="`+faint+`"`, "Same table, same indexes, same durability; two cores, which the database shares with everything else.")
	for _, r := range reports {
		groups := r.groups()
		if len(groups) == 0 {
			continue
		}
		y += 40
		text(24, y, "start", `font-size="15" font-weight="600"`, engineName(r.engine))
		for _, g := range groups {
			y += 30
			text(24, y, "start", `font-size="13" font-weight="600" fill="`+faint+`"`, g.title)
			longest := slices.MaxFunc(g.bars, func(a, b bar) int { return int(a.Value - b.Value) }).Value
			y += 8
			for i, x := range g.bars {
				color, weight := theirColor, ""
				if i == len(g.bars)-1 {
					color, weight = ourColor, ` font-weight="600"`
				}
				width := max(int(x.Value/longest*(barRight-barLeft)), 2)
				text(barLeft-10, y+14, "end", `font-size="13"`+weight, x.Label)
				fmt.Fprintf(&b, `<rect x="%d" y="%d" width="%d" height="%d" rx="3" fill="%s"/>`+"\n", barLeft, y, width, barHeight, color)
				text(barLeft+width+8, y+14, "start", `font-size="13"`+weight, count(rounded(x.Value)))
				y += barStep
			}
		}
	}
	y += 16
	return fmt.Sprintf(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="system-ui, -apple-system, Segoe UI, Helvetica, Arial, sans-serif" fill="%s">`+"\n"+
		`<title>Users a second that are imported and exported without Muster and with it</title>`+"\n"+
		`<rect width="%d" height="%d" rx="8" fill="%s"/>`+"\n%s</svg>\n", chartWidth, y, ink, chartWidth, y, ground, b.String())
}

// engineName returns the name of an engine and its version without what a distribution adds.
func engineName(e engine) string {
	name := map[string]string{"mariadb": "MariaDB", "mysql": "MySQL"}[e.name]
	version, _, _ := strings.Cut(e.version, "-")
	return name + " " + version
}

// rounded keeps two digits: measurements on a shared machine are no better than that.
func rounded(x float64) int64 {
	if x < 1 {
		return 0
	}
	unit := math.Pow(10, max(math.Floor(math.Log10(x))-1, 0))
	return int64(math.Round(x/unit) * unit)
}
