package main

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/musterhq/muster/internal/store"
	"github.com/musterhq/muster/internal/user"
)

// conditions are one filter of each kind, frequent and rare.
var conditions = []struct {
	name string
	set  func(f *user.Filter)
}{
	{"name=ada", func(f *user.Filter) { f.Name = "ada" }},
	{"name=a b", func(f *user.Filter) { f.Name = "a b" }},
	{"name=zzz", func(f *user.Filter) { f.Name = "zzz" }},
	{"city=austin", func(f *user.Filter) { f.City = "austin" }},
	{"city=e", func(f *user.Filter) { f.City = "e" }},
	{"state=tex", func(f *user.Filter) { f.State = "tex" }},
	{"age=33", func(f *user.Filter) { f.Age = 33 }},
	{"minAge=85", func(f *user.Filter) { f.MinAge = 85 }},
	{"gender=Female", func(f *user.Filter) { f.Gender = user.Female }},
	{"email", func(f *user.Filter) { f.Email = "nobody@example.com" }},
	{"deleted", func(f *user.Filter) { f.Deleted = true }},
}

// combination is a condition alone, or two of different fields.
type combination struct {
	name   string
	filter user.Filter
}

func combinations() (list []combination) {
	for i, a := range conditions {
		for _, b := range conditions[i:] {
			c := combination{name: a.name}
			a.set(&c.filter)
			switch field, _, _ := strings.Cut(a.name, "="); {
			case a.name == b.name:
			case strings.HasPrefix(b.name, field+"="):
				continue
			default:
				c.name += " and " + b.name
				b.set(&c.filter)
			}
			list = append(list, c)
		}
	}
	return list
}

const (
	searchRounds = 30
	searchGoal   = 50 * time.Millisecond
)

// searched is what a query took and read.
type searched struct {
	p50, p95 time.Duration
	reads    int64 // rows and index entries
}

func (s searched) String() string {
	return fmt.Sprintf("p50 %6.1f ms, p95 %6.1f ms, %8s reads", ms(s.p50), ms(s.p95), count(s.reads))
}

// timeSearch times searches of the Store, and counts what the same search reads on the connection of w.
func timeSearch(ctx context.Context, s *store.Store, w *watcher, q user.Query) (m searched, err error) {
	var times []time.Duration
	for range searchRounds {
		began := time.Now()
		if _, _, err := s.Users(ctx, q); err != nil {
			return m, err
		}
		times = append(times, time.Since(began))
	}
	m.p50, m.p95 = quantile(times, 0.5), quantile(times, 0.95)
	m.reads, err = w.reads(ctx, q)
	return m, err
}

// searches measures P8: every condition alone and every pair of two fields, first page and a page in the middle. The
// worst of them counts, and reading a tenth of the users counts as a full scan, whatever EXPLAIN calls it.
func (l *lab) searches(ctx context.Context, n int64) (result, error) {
	s, err := store.Open(l.url, store.Options{})
	if err != nil {
		return result{}, err
	}
	defer func() { _ = s.Close() }()
	w, err := watch(l.dsn)
	if err != nil {
		return result{}, err
	}
	defer func() { _ = w.db.Close() }()
	var res result
	var worst [2]time.Duration // of the first pages, and of those inside
	scans, list := 0, combinations()
	type searchedList struct {
		name string
		at   [2]searched // the first page, and one in the middle
	}
	var all []searchedList
	for _, c := range list {
		var at [2]searched
		for i, after := range []*user.Key{nil, {ID: n / 2}} {
			q := user.Query{Filter: c.filter, Size: 10, After: after}
			if at[i], err = timeSearch(ctx, s, w, q); err != nil {
				return res, err
			}
			worst[i] = max(worst[i], at[i].p95)
			scan := at[i].reads > max(n/10, 50_000) // small tables are not worth an index
			if scan {
				scans++
			}
			if scan || at[i].p95 >= searchGoal {
				plan, err := w.explain(ctx)
				if err != nil {
					return res, err
				}
				res.Details = append(res.Details, fmt.Sprintf("%s, middle %v: %s", c.name, after != nil, strings.Join(plan, "; ")))
			}
		}
		all = append(all, searchedList{c.name, at})
	}
	res.Values = []float64{ms(worst[0]), float64(scans)}
	slices.SortFunc(all, func(a, b searchedList) int { return cmp.Compare(b.at[0].p95, a.at[0].p95) })
	res.Details = append([]string{fmt.Sprintf("%d filters and pairs, %d times each; worst p95 of a first page %.1f ms, of a page in the middle %.1f ms; the slowest five:",
		len(list), searchRounds, ms(worst[0]), ms(worst[1]))}, res.Details...)
	for _, s := range all[:5] {
		res.Details = append(res.Details, fmt.Sprintf("%-30s first page: %s; in the middle: %s", s.name, s.at[0], s.at[1]))
	}
	return res, nil
}
