package search

import (
	"context"

	"github.com/musterhq/muster/internal/user"
)

// Candidate has a Name, a Cost and Run.
type Candidate = candidate

// Limits bound a search.
type Limits = limits

// Defaults are the limits of IDs.
var Defaults = defaults

// Tight returns limits that 500 users reach: walks give up for collects after 7 ids, and columns of more than so many
// distinct values are not looked through.
func Tight(distinct int) Limits {
	return Limits{distinct: distinct, subqueries: 3, values: 4, walk: 7}
}

// Candidates returns the candidates of the search that IDs makes.
func Candidates(ctx context.Context, db Querier, d *Dialect, q user.Query, l Limits) ([]Candidate, error) {
	s, err := newSearch(db, d, q)
	if err != nil {
		return nil, err
	}
	s.limits = l
	return s.candidates(ctx)
}

// Cheapest returns the candidate that IDs runs.
func Cheapest(list []Candidate) Candidate { return cheapest(list) }

// Plain returns the ids of all users of q by nothing but its conditions: what a filter means.
func Plain(ctx context.Context, db Querier, d *Dialect, q user.Query) ([]int64, error) {
	s, err := newSearch(db, d, q)
	if err != nil {
		return nil, err
	}
	return s.firstIDs(ctx, d.ByID, s.where, s.ordering(), 1_000_000)
}
