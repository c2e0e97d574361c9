// Package search finds the ids of the users that a list shows.
//
// A list may ask for users by any combination of filters, "contains" among them, in any order. No single index serves
// that, so a search runs in three steps:
//
//  1. Look up which values match (values.go). There may be 3,000,000 users, but only 3,000 first names among them.
//  2. Name the candidates (candidates.go): walk, merge, collect. Each finds the users by other SQL, and has an estimate of
//     what that costs.
//  3. Run the cheapest.
//
// Every candidate finds the same ids. Which of them runs is a matter of time only.
package search

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"strings"

	"github.com/musterhq/muster/internal/user"
)

// Querier is the part of *sql.DB, *sql.Conn and *sqlx.DB that a search needs. It is used by several goroutines at once.
type Querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// search is one search while it runs.
type search struct {
	db      Querier
	dialect *Dialect
	query   user.Query
	column  string     // to sort by
	want    int        // how many ids
	where   Conditions // all that the filter asks of a user
	limits  limits

	nullable bool // the column is NULL where it is unknown; these users are the last ones, in both directions
	unknown  bool // there may be such users in the list
}

// IDs returns the ids of the first Offset+Size+1 users of the list that q describes, or of all when there are fewer, in
// the order of the list. The one more tells the caller whether another page follows.
func IDs(ctx context.Context, db Querier, d *Dialect, q user.Query) ([]int64, error) {
	s, err := newSearch(db, d, q)
	if err != nil {
		return nil, err
	}
	list, err := s.candidates(ctx)
	if err != nil {
		return nil, err
	}
	return cheapest(list).Run(ctx)
}

func newSearch(db Querier, d *Dialect, q user.Query) (*search, error) {
	by := user.FieldOf(cmp.Or(q.Sort.By, user.SortID))
	if by == nil || !by.Sortable {
		return nil, fmt.Errorf("cannot sort users by %q", q.Sort.By)
	}
	return &search{
		db: db, dialect: d, query: q, column: by.Column, want: q.Offset + q.Size + 1, where: d.Where(q.Filter), limits: defaults,
		nullable: by.Nullable(),
		// Who asks for ages gets nobody of unknown age, and the database need not ask each of them.
		unknown: by.Nullable() && len(ageConditions(q.Filter).list) == 0,
	}, nil
}

// byID reports whether the list is in the order of ids.
func (s *search) byID() bool { return s.column == "id" }

// ordering returns the columns to sort by. Users with equal values follow by id in the same direction.
func (s *search) ordering() string {
	switch {
	case s.byID():
		return s.inDirection("id")
	case s.unknown: // no index has this order: walks go by another one
		return s.sortColumn() + " IS NULL, " + s.inDirection(s.sortColumn(), "id")
	}
	return s.inDirection(s.sortColumn(), "id")
}

func (s *search) inDirection(columns ...string) string {
	if !s.query.Sort.Desc {
		return strings.Join(columns, ", ")
	}
	return strings.Join(columns, " DESC, ") + " DESC"
}

// sortColumn returns the column to sort by as its index has it.
func (s *search) sortColumn() string { return s.dialect.Column(s.column) }

// follows returns the comparison, with a placeholder, that holds for what comes after the placeholder's value in the list.
func (s *search) follows() string {
	if s.query.Sort.Desc {
		return " < ?"
	}
	return " > ?"
}

// cursorCondition returns the filter's conditions and, on a later page, that a user follows the last one of the page
// before: (Austin, 7) is followed by Austin with an id above 7, and by every city above Austin; a known age also by all that
// are unknown, and an unknown one by those with an id above.
func (s *search) cursorCondition() Conditions {
	after, column := s.query.After, s.sortColumn()
	switch {
	case after == nil:
		return s.where
	case s.byID():
		return s.where.And("id"+s.follows(), after.ID)
	case s.afterUnknown():
		return s.where.And(column+" IS NULL").And("id"+s.follows(), after.ID)
	}
	follow := column + s.follows() + " OR " + column + " = ? AND id" + s.follows()
	if s.unknown {
		follow += " OR " + column + " IS NULL"
	}
	return s.where.And("("+follow+")", after.Value, after.Value, after.ID)
}

// afterUnknown reports whether the last user of the page before is one of whom the column to sort by is unknown.
func (s *search) afterUnknown() bool {
	return s.nullable && s.query.After != nil && s.query.After.Value == ""
}

// firstIDs selects the first users that meet the conditions, read through an index that has them in this order.
func (s *search) firstIDs(ctx context.Context, index string, c Conditions, order string, want int) ([]int64, error) {
	return s.ids(ctx, fmt.Sprintf(`SELECT id FROM users%s WHERE %s ORDER BY %s LIMIT %d`, index, c, order, want), c.Args)
}

func (s *search) ids(ctx context.Context, query string, args []any) (ids []int64, err error) {
	err = s.each(ctx, query, args, func(rows *sql.Rows) error {
		var id int64
		err := rows.Scan(&id)
		ids = append(ids, id)
		return err
	})
	return ids, err
}

// each calls scan for each row that a query selects.
func (s *search) each(ctx context.Context, query string, args []any, scan func(*sql.Rows) error) error {
	rows, err := s.db.QueryContext(ctx, query, args...)
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		if err := scan(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

// in returns the condition, with placeholders, that a column has one of so many values.
func (d *Dialect) in(column string, values int) string {
	return d.Column(column) + " IN (?" + strings.Repeat(", ?", values-1) + ")"
}
