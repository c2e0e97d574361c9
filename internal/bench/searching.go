package main

import (
	"context"
	"fmt"
	"strings"
	"time"

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

// search is P8: every condition alone and every pair of two fields, first page and a page in the middle.
func search(ctx context.Context, l *lab) (result, error) {
	n := l.size(3e6)
	api, _, err := l.fleet(ctx, 2)
	if err != nil {
		return result{}, err
	}
	if _, err := importUsers(ctx, api, n); err != nil {
		return result{}, err
	}
	s, err := l.store()
	if err != nil {
		return result{}, err
	}
	defer func() { _ = s.Close() }()
	var res result
	var all []time.Duration
	worst, slow, scans := time.Duration(0), 0, 0
	queries := 0
	for i, a := range conditions {
		for _, b := range conditions[i:] {
			var f user.Filter
			a.set(&f)
			b.set(&f)
			if strings.Split(a.name, "=")[0] == strings.Split(b.name, "=")[0] && a.name != b.name {
				continue // two conditions on one field
			}
			for _, after := range []*user.Key{nil, {ID: n / 2}} {
				queries++
				q := user.Query{Filter: f, Size: 10, After: after}
				var times []time.Duration
				for range 10 {
					began := time.Now()
					if _, _, err := s.Users(ctx, q); err != nil {
						return res, err
					}
					times = append(times, time.Since(began))
				}
				all = append(all, times...)
				p95 := quantile(times, 0.95)
				worst = max(worst, p95)
				plan, err := s.Explain(ctx, q)
				if err != nil {
					return res, err
				}
				scan := strings.Contains(strings.Join(plan, "\n"), "users type=ALL")
				if scan {
					scans++
				}
				if p95 > 50*time.Millisecond || scan {
					slow++
					res.details = append(res.details, fmt.Sprintf("%s and %s, middle %v: p50 %.1f ms, p95 %.1f ms; %s",
						a.name, b.name, after != nil, ms(quantile(times, 0.5)), ms(p95), strings.Join(plan[max(0, len(plan)-2):], "; ")))
				}
			}
		}
	}
	p95 := quantile(all, 0.95)
	res.value = fmt.Sprintf("p95 %.1f ms, %d full scans", ms(p95), scans)
	res.met = p95 < 50*time.Millisecond && scans == 0
	res.details = append([]string{fmt.Sprintf("%d queries, 10 times each: p50 %.1f ms, p95 %.1f ms; slowest p95 of one query %.1f ms; %d of them above 50 ms",
		queries, ms(quantile(all, 0.5)), ms(p95), ms(worst), slow)}, res.details...)
	return res, nil
}
