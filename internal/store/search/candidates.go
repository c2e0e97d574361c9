package search

import (
	"cmp"
	"context"
	"database/sql"
	"slices"
)

// candidate is one of several statements, or series of them, that find the same users.
type candidate struct {
	Name string
	Cost float64 // an estimate, in users passed over in the order of ids
	Run  func(ctx context.Context) ([]int64, error)
}

// What reading costs, in users passed over in the order of ids. Costs need not be exact: those of two candidates
// usually differ by orders of magnitude, and where they do not, either will do.
const (
	// lookupCost is for a user that an index of another column leads to, whose row lies anywhere in the table. Measured at
	// 3,000,000 users in memory: 6 on MySQL, 8 on MariaDB, 18 on SQLite. It is below all three because the two are not
	// equally certain: a walk is as long as the estimate is wrong, while a collect has an end.
	lookupCost = 5
	// subqueryCost is for one more subquery of a statement, which the engine has to parse, plan and open. Measured: 50 to
	// 500, most on MySQL and where there are many.
	subqueryCost = 150
)

// What a filter leaves of all users, as far as no distinct values tell.
const (
	genderShare  = 0.5  // one of two
	emailShare   = 1e-9 // a person or none: always the cheapest
	deletedShare = 1e-3 // a guess, since counting them may take long
	// leastShare keeps one filter that matches next to nobody from hiding how much the others match.
	leastShare = 1e-4
)

// limits bound what a search may do. Tests set small ones, to reach with few users what is beyond them.
type limits struct {
	// distinct is how many values of a column are looked through; a filter on a column with more is left to the walk.
	// 3,000 take 8 ms, so that 20,000 take about as long as a whole search should.
	distinct int
	// subqueries of a merge. SQLite takes 500 in one statement; 200 cost as much as passing over 30,000 users.
	subqueries int
	// values of a collect, each a placeholder: MySQL takes 65,535 in a statement, SQLite 32,766.
	values int
	// walk is the least number of ids that a walk by id passes over before it gives up for a collect: a few milliseconds.
	walk int64
	// walkFactor is how many times as far as expected such a walk goes. Some values are a few times as rare as others, and
	// a walk that gives up just before its last user was for nothing; who is not found by 20 times as far may not exist.
	walkFactor float64
}

var defaults = limits{distinct: 20_000, subqueries: 200, values: 5000, walk: 20_000, walkFactor: 20}

// cheapest returns the candidate that costs least, the first of those that cost the same.
func cheapest(list []candidate) candidate {
	return slices.MinFunc(list, func(a, b candidate) int { return cmp.Compare(a.Cost, b.Cost) })
}

// candidates returns the candidates of the search, at least one. It looks up which values match the filters, which
// takes some milliseconds.
func (s *search) candidates(ctx context.Context) ([]candidate, error) {
	all, err := s.span(ctx)
	if err != nil {
		return nil, err
	}
	if all.users() <= 0 {
		return []candidate{nobody}, nil
	}
	filters, err := s.filters(ctx)
	if err != nil {
		return nil, err
	}
	if slices.ContainsFunc(filters, filter.matchesNobody) {
		return []candidate{nobody}, nil
	}
	total, share := all.users(), s.share(filters)
	var collects, merges []candidate
	for _, f := range filters {
		if f.incomplete || f.count > s.limits.values {
			continue
		}
		collects = append(collects, s.collect(f, total))
		if s.byID() && f.count <= s.limits.subqueries {
			merges = append(merges, s.merge(f, total, share))
		}
	}
	walk := s.walkByID(all, share, collects)
	if !s.byID() {
		walk = s.walkByColumn(filters, total, share)
	}
	return slices.Concat([]candidate{walk}, collects, merges), nil
}

// nobody is the only candidate when there are no users, or when no value matches one of the filters:
// {City: "zzz"} where no city has zzz in it. It asks the database nothing more.
var nobody = candidate{Name: "nobody", Run: func(context.Context) ([]int64, error) { return nil, nil }}

// share estimates what all filters together leave of the users, as if each value were as frequent as any other of its
// column and the filters had nothing to do with one another.
func (s *search) share(filters []filter) float64 {
	share := 1.0
	if s.query.Filter.Gender != "" {
		share = genderShare
	}
	for _, f := range filters {
		share *= max(f.share, leastShare)
	}
	return share
}

// span is the ids among which all users are that the list may show.
type span struct{ first, last int64 }

// users returns how many users there are at most. Nearly every id has one, since imports take ids by blocks.
func (s span) users() float64 { return float64(s.last - s.first + 1) }

func (s *search) span(ctx context.Context) (span, error) {
	var first, last sql.NullInt64
	err := s.each(ctx, `SELECT (SELECT MIN(id) FROM users), (SELECT MAX(id) FROM users)`, nil,
		func(rows *sql.Rows) error { return rows.Scan(&first, &last) })
	if err != nil || !first.Valid {
		return span{first: 1, last: 0}, err
	}
	all := span{first: max(first.Int64, s.query.Filter.FirstID), last: last.Int64}
	if end := s.query.Filter.LastID; end != 0 {
		all.last = min(all.last, end)
	}
	return all, nil
}
