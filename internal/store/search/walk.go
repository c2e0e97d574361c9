package search

import "context"

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
			return s.firstIDs(ctx, s.dialect.ByID, s.cursorCondition(), s.ordering(), s.want)
		}}
	}
	fallback := cheapest(collects)
	end := s.walkEnd(all, max(int64(s.limits.walkFactor*cost), s.limits.walk))
	run := func(ctx context.Context) ([]int64, error) {
		found, err := s.firstIDs(ctx, s.dialect.ByID, end, s.ordering(), s.want)
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
//	ORDER BY id LIMIT 11
//
// and, if that found 4,
//
//	… AND city > 'Austin' ORDER BY city, id LIMIT 7
//
// Two, because no engine seeks into an index by (city > x OR city = x AND id > y). Each entry of the index leads to a row
// elsewhere in the table, but there are only some 22 of them. (The first ends in ORDER BY id because MariaDB sorts whoever is
// 33, and stops at no limit, when it is asked for age = '33' ORDER BY age, id.)
//
// By age there is one query more, for the users of unknown age, who stand at one end of the index and come last in both
// directions:
//
//	… AND age IS NULL ORDER BY id LIMIT 3
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
func (s *search) walkFrom(ctx context.Context, c Conditions) (found []int64, err error) {
	index := s.dialect.Index("ix_users_" + s.column)
	for _, p := range s.parts(c) {
		ids, err := s.firstIDs(ctx, index, p.conditions, p.order, s.want-len(found))
		if found = append(found, ids...); err != nil || len(found) == s.want {
			return found, err
		}
	}
	return found, nil
}

// part is a stretch of an index without gaps: its users, and their order there.
type part struct {
	conditions Conditions
	order      string
}

// parts cuts what follows the cursor in the index of the column to sort by, in the order of the list.
func (s *search) parts(c Conditions) (list []part) {
	after, column := s.query.After, s.sortColumn()
	order := s.inDirection(column, "id")
	switch {
	case s.afterUnknown():
		c = c.And("id"+s.follows(), after.ID)
	case after != nil:
		list = []part{
			{c.And(column+" = ?", after.Value).And("id"+s.follows(), after.ID), s.inDirection("id")},
			{c.And(column+s.follows(), after.Value), order}, // NULL is neither above nor below
		}
	case s.unknown:
		list = []part{{c.And(column + " IS NOT NULL"), order}}
	default:
		list = []part{{c, order}}
	}
	if s.unknown {
		list = append(list, part{c.And(column + " IS NULL"), s.inDirection("id")})
	}
	return list
}
