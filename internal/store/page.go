package store

import (
	"context"
	"database/sql"
	"errors"
	"math"
	"strings"

	"github.com/musterhq/muster/internal/searchindex"
	"github.com/musterhq/muster/internal/store/search"
	"github.com/musterhq/muster/internal/user"
)

// Span returns the least and the greatest id among which the users of f are; first is above last when there are none.
func (s *Store) Span(ctx context.Context, f user.Filter) (first, last int64, err error) {
	err = s.withIndexes(ctx, func(there searchindex.Set) error {
		index, c := s.exportBy(f, there)
		end := func(order string) string {
			return `(SELECT id FROM users` + index + ` WHERE ` + c.String() + ` ORDER BY id` + order + ` LIMIT 1)`
		}
		return s.r.QueryRowxContext(ctx, `SELECT COALESCE(`+end(``)+`, 1), COALESCE(`+end(` DESC`)+`, 0)`,
			append(c.Args, c.Args...)...).Scan(&first, &last)
	})
	return first, last, translate("read users", err)
}

// Nth returns the id of the nth user of f in id order, from 0; ok is false when there are fewer.
func (s *Store) Nth(ctx context.Context, f user.Filter, n int64) (id int64, ok bool, err error) {
	first, last := max(f.FirstID, 1), f.LastID
	f.FirstID, f.LastID = 0, 0
	c := s.dialect.search.Where(f).And(`id >= ?`, first)
	if last != 0 {
		c = c.And(`id <= ?`, last)
	}
	err = s.withIndexes(ctx, func(there searchindex.Set) error {
		index, _ := s.exportBy(f, there)
		return s.r.GetContext(ctx, &id, `SELECT id FROM users`+index+` WHERE `+c.String()+` ORDER BY id LIMIT 1 OFFSET ?`, append(c.Args, n)...)
	})
	if errors.Is(err, sql.ErrNoRows) {
		return 0, false, nil
	}
	return id, err == nil, translate("read users", err)
}

// exportBy returns the index that leads to the users of f in id order, and the conditions that it serves. By id, unless
// f asks for few and their index is there: MariaDB would rather go by its index of deleted users, fifteen times as slowly.
func (s *Store) exportBy(f user.Filter, there searchindex.Set) (index string, c search.Conditions) {
	index = s.dialect.search.ByID
	few := s.dialect.search.Where(user.Filter{Email: f.Email, Deleted: f.Deleted})
	switch {
	case f.Email != "":
		index, c = s.dialect.search.Index("ix_users_email"), few
	case f.Deleted && there.Has("deleted"):
		index, c = s.dialect.search.Index("ix_users_deleted"), few
	}
	c = c.And(`id >= ?`, max(f.FirstID, 1))
	if f.LastID != 0 {
		c = c.And(`id <= ?`, f.LastID)
	}
	return index, c
}

// Range calls row for the users of f with an id from first to last, in id order. It reads those columns of user.Columns
// whose places are in columns; cols has them in their places, as the database gives them (NULL is nil), and is valid
// during the call only. It returns how many users there were, and the id above last to go on from, math.MaxInt64 when
// nobody is there. The connection is free again on return.
func (s *Store) Range(
	ctx context.Context, f user.Filter, columns []int, first, last int64, row func(cols [][]byte) error,
) (n, next int64, err error) {
	names := make([]string, len(columns))
	for i, column := range columns {
		names[i] = user.Columns[column]
	}
	ahead := f
	ahead.FirstID = last + 1
	f.FirstID, f.LastID = 0, 0
	c := s.dialect.search.Where(f).And(`id BETWEEN ? AND ?`, first, last)
	err = s.withIndexes(ctx, func(there searchindex.Set) error {
		index, behind := s.exportBy(ahead, there)
		n, err = s.eachRow(ctx, `SELECT `+strings.Join(names, ", ")+` FROM users`+index+` WHERE `+c.String()+` ORDER BY id`, c.Args, columns, row)
		next = last + 1
		if err != nil || n > 0 {
			return err
		}
		// Ids that an import never used, or whose users it took back, may be millions.
		return s.r.GetContext(ctx, &next, `SELECT COALESCE((SELECT id FROM users`+index+` WHERE `+behind.String()+` ORDER BY id LIMIT 1), ?)`,
			append(behind.Args, int64(math.MaxInt64))...)
	})
	return n, next, translate("read users", err)
}

// eachRow calls row for each row of a query of these columns.
func (s *Store) eachRow(ctx context.Context, query string, args []any, columns []int, row func(cols [][]byte) error) (n int64, err error) {
	rows, err := s.r.QueryContext(ctx, query, args...)
	if err != nil {
		return 0, err
	}
	defer func() { _ = rows.Close() }()
	raw := make([]sql.RawBytes, len(columns))
	dest, cols := make([]any, len(raw)), make([][]byte, len(user.Columns))
	for i := range raw {
		dest[i] = &raw[i]
	}
	for ; rows.Next(); n++ {
		if err := rows.Scan(dest...); err != nil {
			return n, err
		}
		for i, column := range columns {
			cols[column] = raw[i]
		}
		if err := row(cols); err != nil {
			return n, err
		}
	}
	return n, rows.Err()
}
