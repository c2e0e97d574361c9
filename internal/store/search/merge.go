package search

import (
	"context"
	"fmt"
)

// merge takes, when sorting by id, the first users of each value that matches one filter, and the first of them all.
//
// For {City: "aust"}, where two cities match:
//
//	SELECT id FROM (
//	  SELECT id FROM (SELECT id FROM users FORCE INDEX (ix_users_city)
//	    WHERE deleted = 0 AND city LIKE '%aust%' AND city = 'Austin' ORDER BY id LIMIT 11) AS p0
//	  UNION
//	  SELECT id FROM (SELECT id FROM users FORCE INDEX (ix_users_city)
//	    WHERE deleted = 0 AND city LIKE '%aust%' AND city = 'Austinburg' ORDER BY id LIMIT 11) AS p1
//	) AS found ORDER BY id LIMIT 11
//
// The entries of one city are in the order of ids, so each subquery stops after 11 of them, where collect reads them all.
// It pays where one filter has few values and another leaves little of them: ADR 11 has the figures with and without it.
func (s *search) merge(f filter, total, share float64) candidate {
	// Each subquery passes over users of its value until it has enough of those that match the other filters too.
	passed := min(total*f.read, float64(f.count*s.want)*f.read/share)
	return candidate{
		Name: "merge " + f.name, Cost: passed*lookupCost + float64(f.count)*subqueryCost,
		Run: func(ctx context.Context) ([]int64, error) {
			subqueries, args := s.merged(f)
			return s.firstOf(ctx, subqueries, args)
		},
	}
}

// merged returns a subquery for each value of the filter, and their arguments.
func (s *search) merged(f filter) (subqueries []string, args []any) {
	for _, v := range f.values {
		index := s.dialect.Index("ix_users_" + v.column)
		for _, value := range v.values {
			c := s.cursorCondition().And(s.dialect.Column(v.column)+" = ?", value)
			subqueries = append(subqueries, fmt.Sprintf(`SELECT id FROM (SELECT id FROM users%s WHERE %s ORDER BY %s LIMIT %d) AS p%d`,
				index, c, s.ordering(), s.want, len(subqueries)))
			args = append(args, c.Args...)
		}
	}
	return subqueries, args
}
