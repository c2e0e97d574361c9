package main

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// figure is a line of the table.
type figure struct {
	id, what, against string
	numbers           []goal // what is measured, in the order of a result's values
}

// goal is what one number of a figure is to be.
type goal struct {
	name  string // beside the number, where a figure has several
	bound float64
	sense sense
	show  func(float64) string
}

type sense int

const (
	free    sense = iota // no goal: the number is told
	floor                // at least the bound
	ceiling              // at most the bound
)

func least(bound float64, show func(float64) string) []goal { return []goal{{"", bound, floor, show}} }

func most(name string, bound float64, show func(float64) string) []goal {
	return []goal{{name, bound, ceiling, show}}
}

func nothing(name string) []goal { return []goal{{name, 0, free, quotient}} }

// named gives goals a name.
func named(name string, goals []goal) []goal {
	for i := range goals {
		goals[i].name = name
	}
	return goals
}

func (g goal) met(x float64) bool {
	switch g.sense {
	case floor:
		return x >= g.bound
	case ceiling:
		return x <= g.bound
	}
	return true
}

// text returns the number as the table has it.
func (g goal) text(x float64) string { return strings.TrimSpace(g.name + " " + g.show(x)) }

func (g goal) String() string {
	switch g.sense {
	case floor:
		return strings.TrimSpace(g.name + " ≥ " + g.show(g.bound))
	case ceiling:
		return strings.TrimSpace(g.name + " ≤ " + g.show(g.bound))
	}
	return "–"
}

// joined returns the texts of all goals of a figure.
func joined(goals []goal, text func(i int, g goal) string) string {
	list := make([]string, len(goals))
	for i, g := range goals {
		list[i] = text(i, g)
	}
	return strings.Join(list, ", ")
}

// How numbers are shown.

func quotient(x float64) string {
	if x >= 5 {
		return strconv.FormatFloat(x, 'f', 1, 64)
	}
	return strconv.FormatFloat(x, 'f', 2, 64)
}

func millis(x float64) string    { return tenths(x) + " ms" }
func seconds(x float64) string   { return tenths(x) + " s" }
func tenths(x float64) string    { return strconv.FormatFloat(math.Round(10*x)/10, 'f', -1, 64) }
func mebibytes(x float64) string { return fmt.Sprintf("%.0f MiB", x) }
func megabytes(x float64) string { return fmt.Sprintf("%.0f MB/s", x) }
func percent(x float64) string   { return fmt.Sprintf("%.2f %%", x) }
func commands(x float64) string  { return fmt.Sprintf("%.0f commands/s", x) }
func perSecond(x float64) string { return count(int64(x)) + " users/s" }
func number(x float64) string    { return strconv.FormatFloat(x, 'f', -1, 64) }
