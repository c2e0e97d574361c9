package store

import (
	"cmp"
	"context"
	"slices"

	"github.com/jmoiron/sqlx"

	"github.com/musterhq/muster/internal/searchindex"
	"github.com/musterhq/muster/internal/store/search"
	"github.com/musterhq/muster/internal/user"
)

// Users returns a slice of the list that q describes, and whether more users follow. It never counts them: it finds the
// ids of one more than the slice holds, then reads those users. No users means that none follow. Errors: *user.NotIndexedError.
func (s *Store) Users(ctx context.Context, q user.Query) (users []user.User, more bool, err error) {
	err = s.withIndexes(ctx, func(there searchindex.Set) (err error) {
		if err := search.Refuse(q, there); err != nil {
			return err
		}
		users, more, err = s.list(ctx, q, func() ([]int64, error) { return search.IDs(ctx, s.r, s.dialect.search, q) })
		return err
	})
	return users, more, translate("list users", err)
}

// list returns the users whose ids find returns.
func (s *Store) list(ctx context.Context, q user.Query, find func() ([]int64, error)) (users []user.User, more bool, err error) {
	for {
		found, err := find()
		if err != nil {
			return nil, false, err
		}
		found = found[min(q.Offset, len(found)):]
		if more = len(found) > q.Size; more {
			found = found[:q.Size]
		}
		users, err = s.readUsers(ctx, q.Filter, found)
		// If all of them were deleted or changed in between, the next search finds those that follow.
		if err != nil || len(users) > 0 || !more {
			return users, more, err
		}
	}
}

// readUsers returns the users of the ids, in the same order, without those that do not match the filter any more.
func (s *Store) readUsers(ctx context.Context, f user.Filter, ids []int64) ([]user.User, error) {
	if len(ids) == 0 {
		return []user.User{}, nil
	}
	c := s.dialect.search.Where(f).And(`id IN (?)`, ids)
	query, args, err := sqlx.In(selectUsers+`WHERE `+c.String(), c.Args...)
	if err != nil {
		return nil, err
	}
	var rows []userRow
	if err := s.r.SelectContext(ctx, &rows, query, args...); err != nil {
		return nil, err
	}
	place := make(map[int64]int, len(ids))
	for i, id := range ids {
		place[id] = i
	}
	slices.SortFunc(rows, func(a, b userRow) int { return cmp.Compare(place[a.ID], place[b.ID]) })
	users := make([]user.User, len(rows))
	for i := range rows {
		users[i] = rows[i].user()
	}
	return users, nil
}
