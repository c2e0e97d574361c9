package search

import (
	"context"
	"slices"
)

// walkByID passes over the users in the order of ids, which is how the table stores them, until it has enough.
//
// For {Gender: Female} after the user 500, ten a page:
//
//	SELECT id FROM users FORCE INDEX (PRIMARY)
//	WHERE deleted = 0 AND gender = 'Female' AND id > 500
//	ORDER BY id LIMIT 11
//
// Every second user matches, so that it reads 22 rows that lie side by side.
//
// The estimate may be far off. For {City: "austin", State: "oregon"} it expects every 5000th user, but nobody lives there,
// and the walk would read the whole table. So it ends some ids after where it expected its last user (AND id <= 1100500
// above), and if it did not find enough by then, the cheapest collect runs instead.
func (s *search) walkByID(all span, share float64, collects []candidate) candidate {
	cost := s.walked(all.users(), share)
	if len(collects) == 0 {
		return candidate{Name: "walk by id", Cost: cost, Run: func(ctx context.Context) ([]int64, error) {
			return s.firstIDs(ctx, s.dialect.ByID, s.cursorCondition(), s.want)
		}}
	}
	fallback := cheapest(collects)
	end := s.walkEnd(all, max(int64(s.limits.walkFactor*cost), s.limits.walk))
	run := func(ctx context.Context) ([]int64, error) {
		found, err := s.firstIDs(ctx, s.dialect.ByID, end, s.want)
		if err != nil || len(found) == s.want {
			return found, err
		}
		return fallback.Run(ctx)
	}
	return candidate{Name: "walk by id, else " + fallback.Name, Cost: cost, Run: run}
}

// walked estimates how many users a walk passes over.
func (s *search) walked(total, share float64) float64 { return min(total, float64(s.want)/share) }

// walkEnd returns the conditions of a walk that goes no farther than so many ids from its start.
func (s *search) walkEnd(all span, ids int64) Conditions {
	c, start := s.cursorCondition(), all.first
	switch {
	case s.query.After != nil:
		start = s.query.After.ID
	case s.query.Sort.Desc:
		start = all.last
	}
	if s.query.Sort.Desc {
		return c.And("id >= ?", start-ids)
	}
	return c.And("id <= ?", start+ids)
}

// walkByColumn passes over the users in the order of the column to sort by, through its index, until it has enough.
//
// For {Gender: Female} by city after (Austin, 7), ten a page, two queries:
//
//	SELECT id FROM users FORCE INDEX (ix_users_city)
//	WHERE deleted = 0 AND gender = 'Female' AND city = 'Austin' AND id > 7
//	ORDER BY city, id LIMIT 11
//
// and, if that found 4,
//
//	… AND city > 'Austin' ORDER BY city, id LIMIT 7
//
// Two, because no engine seeks into an index by (city > x OR city = x AND id > y). Each entry of the index leads to a row
// elsewhere in the table, but there are only some 22 of them.
//
// For {City: "aus"} by city both also get city IN ('Austin', …): the values that match are known, so it passes over no
// others.
func (s *search) walkByColumn(filters []filter, total, share float64) candidate {
	c := s.where
	for _, f := range filters {
		if len(f.values) == 1 && f.values[0].column == s.column && !f.incomplete && f.count <= s.limits.values {
			c = c.And(s.dialect.in(s.column, len(f.values[0].values)), f.values[0].values...)
		}
	}
	run := func(ctx context.Context) ([]int64, error) { return s.walkFrom(ctx, c) }
	return candidate{Name: "walk by " + s.query.Sort.By, Cost: s.walked(total, share) * lookupCost, Run: run}
}

// walkFrom walks by column from the cursor on.
func (s *search) walkFrom(ctx context.Context, c Conditions) ([]int64, error) {
	index, after := s.dialect.Index("ix_users_"+s.column), s.query.After
	if after == nil {
		return s.firstIDs(ctx, index, c, s.want)
	}
	found, err := s.firstIDs(ctx, index, c.And(s.sortColumn()+" = ?", after.Value).And("id"+s.follows(), after.ID), s.want)
	if err != nil || len(found) == s.want {
		return found, err
	}
	rest, err := s.firstIDs(ctx, index, c.And(s.sortColumn()+s.follows(), after.Value), s.want-len(found))
	return slices.Concat(found, rest), err
}
