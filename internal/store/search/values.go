package search

import (
	"context"
	"database/sql"
	"unicode"
	"unicode/utf8"

	"golang.org/x/sync/errgroup"

	"github.com/musterhq/muster/internal/user"
)

// filter is a condition of the query that indexes serve: the values that match it.
type filter struct {
	name       string // as in candidates' names
	values     []columnValues
	count      int     // of values
	share      float64 // of all users that match, as if each value were as frequent as any other of its column
	read       float64 // share of all users that have one of the values; above share where a match takes more than that
	incomplete bool    // too many distinct values to look through them all: values lacks some
}

// columnValues are values of an indexed column, at least one.
type columnValues struct {
	column string
	values []any
}

// matchesNobody reports whether no value matches, and so no user.
func (f filter) matchesNobody() bool { return f.count == 0 && !f.incomplete }

// filters returns the filters of the query that an index serves. Their values are looked up at the same time, since that
// takes longer than all else.
func (s *search) filters(ctx context.Context) ([]filter, error) {
	lookups := s.lookups()
	list := make([]filter, len(lookups))
	g, ctx := errgroup.WithContext(ctx)
	for i, l := range lookups {
		g.Go(func() (err error) {
			list[i], err = l(ctx)
			return err
		})
	}
	return list, g.Wait()
}

// lookup finds the values that match one filter.
type lookup func(ctx context.Context) (filter, error)

func (s *search) lookups() (list []lookup) {
	f := s.query.Filter
	add := func(given bool, l lookup) {
		if given {
			list = append(list, l)
		}
	}
	ages := ageConditions(f)
	add(f.Email != "", known("email", emailShare, arguments(forms(f.Email))...))
	add(f.Deleted, known("deleted", deletedShare, true))
	add(f.City != "", s.lookUp("city", s.has(forms(f.City)...)))
	add(f.State != "", s.lookUp("state", s.has(forms(f.State)...)))
	add(len(ages.list) > 0, s.lookUp("age", ages))
	add(f.Name != "", func(ctx context.Context) (filter, error) { return s.named(ctx, f.Name) })
	return list
}

// known returns the lookup of a filter whose values are in the query.
func known(column string, share float64, values ...any) lookup {
	f := filter{name: column, values: []columnValues{{column, values}}, count: len(values), share: share, read: share}
	return func(context.Context) (filter, error) { return f, nil }
}

// lookUp returns the lookup of a filter on one column.
func (s *search) lookUp(column string, c Conditions) lookup {
	return func(ctx context.Context) (filter, error) {
		found, err := s.matching(ctx, column, c)
		if err != nil {
			return filter{}, err
		}
		return found[0], nil
	}
}

// ageConditions returns what f asks of an age v.
func ageConditions(f user.Filter) (c Conditions) {
	if f.Age != 0 {
		c = c.And("v = ?", f.Age)
	}
	if f.MinAge != 0 {
		c = c.And("v >= ?", f.MinAge)
	}
	if f.MaxAge != 0 {
		c = c.And("v <= ?", f.MaxAge)
	}
	return c
}

// has returns the condition that v, or a text that is equal to it, may have one of the parts in it.
func (s *search) has(parts ...string) Conditions {
	return Conditions{}.either("INSTR("+s.dialect.folded("v")+", "+s.dialect.folded("?")+") > 0", arguments(parts)...)
}

// matching returns for each condition on v the distinct values of the column that meet it. It takes one seek into the
// column's index for each distinct value, however many users there are.
//
// One value stands for all that are equal to it, and which one is chance, so a condition has to hold for all of them or
// for none.
func (s *search) matching(ctx context.Context, column string, conditions ...Conditions) ([]filter, error) {
	var value string
	met := make([]bool, len(conditions))
	flags, args, dest := "", []any(nil), []any{&value}
	for i, c := range conditions {
		flags, args, dest = flags+", "+c.String(), append(args, c.Args...), append(dest, &met[i])
	}
	found, distinct := make([][]any, len(conditions)), 0
	query := `SELECT v` + flags + ` FROM (` + s.dialect.distinct(column) + `) AS d`
	err := s.each(ctx, query, append(args, s.limits.distinct+1), func(rows *sql.Rows) error {
		if err := rows.Scan(dest...); err != nil {
			return err
		}
		distinct++
		for i := range met {
			if met[i] {
				found[i] = append(found[i], value)
			}
		}
		return nil
	})
	list := make([]filter, len(conditions))
	for i, values := range found {
		share := float64(len(values)) / float64(max(distinct, 1))
		list[i] = filter{name: column, count: len(values), share: share, read: share, incomplete: distinct > s.limits.distinct}
		if len(values) > 0 {
			list[i].values = []columnValues{{column, values}}
		}
	}
	return list, err
}

// named returns the filter for a part of a name: it is in the first name, in the last name, or goes over the space
// between them. For "ann b" these are the names with "ann b" in them, and the users with "ann" in the first and "b" in the
// last name. The values of the one of the two that fewer users have are enough to find them, since every candidate asks the
// whole filter of each user again.
//
// Any space may be the one between the names, because a collation may take one for another.
func (s *search) named(ctx context.Context, name string) (filter, error) {
	names := forms(name)
	inFirst, inLast := []Conditions{s.has(names...)}, []Conditions{s.has(names...)}
	for _, name := range names {
		for i, r := range name {
			if unicode.IsSpace(r) {
				inFirst, inLast = append(inFirst, s.has(name[:i])), append(inLast, s.has(name[i+utf8.RuneLen(r):]))
			}
		}
	}
	var first, last []filter
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() (err error) { first, err = s.matching(ctx, "first_name", inFirst...); return err })
	g.Go(func() (err error) { last, err = s.matching(ctx, "last_name", inLast...); return err })
	if err := g.Wait(); err != nil {
		return filter{}, err
	}
	either := filter{name: "name"}
	either.add(first[0], first[0].share)
	either.add(last[0], last[0].share)
	for i := 1; i < len(first); i++ {
		fewer := first[i]
		if last[i].share < fewer.share {
			fewer = last[i]
		}
		if both := first[i].share * last[i].share; both > 0 {
			either.add(fewer, both)
		}
	}
	return either, nil
}

// add makes f the filter that matches what it did or what g does; share is what that adds.
func (f *filter) add(g filter, share float64) {
	f.values, f.count = append(f.values, g.values...), f.count+g.count
	f.share, f.read, f.incomplete = f.share+share, f.read+g.read, f.incomplete || g.incomplete
}
