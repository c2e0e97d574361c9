package store

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/jmoiron/sqlx"

	"github.com/musterhq/muster/internal/user"
)

// Users answers a slice of the list that q describes, and whether more users follow. It never counts them: it looks for
// the Size+1 ids by the plan that reads the fewest rows, then fetches those users. No users means that none follow.
func (s *Store) Users(ctx context.Context, q user.Query) (users []user.User, more bool, err error) {
	sr, err := s.search(q)
	if err != nil {
		return nil, false, err
	}
	users, more, err = sr.users(ctx)
	return users, more, translate("list users", err)
}

func (sr *search) users(ctx context.Context) (users []user.User, more bool, err error) {
	for {
		found, err := sr.run(ctx)
		if err != nil {
			return nil, false, err
		}
		found = found[min(sr.q.Offset, len(found)):]
		if more = len(found) > sr.q.Size; more {
			found = found[:sr.q.Size]
		}
		users, err = sr.fetch(ctx, found)
		// If all of them went in between, the next search finds those that follow.
		if err != nil || len(users) > 0 || !more {
			return users, more, err
		}
	}
}

// fetch reads users in the order of their ids' places; one that went in between is left out.
func (sr *search) fetch(ctx context.Context, found []int64) ([]user.User, error) {
	if len(found) == 0 {
		return []user.User{}, nil
	}
	c := sr.where.and(`id IN (?)`, found)
	query, args, err := sqlx.In(selectUsers+`WHERE `+c.String(), c.args...)
	if err != nil {
		return nil, err
	}
	sr.trace(query, args)
	var rows []userRow
	if err := sr.s.r.SelectContext(ctx, &rows, query, args...); err != nil {
		return nil, err
	}
	place := make(map[int64]int, len(found))
	for i, id := range found {
		place[id] = i
	}
	slices.SortFunc(rows, func(a, b userRow) int { return cmp.Compare(place[a.ID], place[b.ID]) })
	users := make([]user.User, len(rows))
	for i := range rows {
		users[i] = rows[i].user()
	}
	return users, nil
}

// sortColumns are the columns of user.SortFields. Each has an index, whose entries InnoDB and SQLite order by id where
// the values are equal.
var sortColumns = map[string]string{
	"": "id", user.SortID: "id", user.SortFirstName: "first_name", user.SortLastName: "last_name", user.SortCity: "city",
	user.SortState: "state", user.SortAge: "age", user.SortEmail: "email",
}

// search is a list under way.
type search struct {
	s      *Store
	q      user.Query
	column string // to sort by
	want   int    // how many ids
	where  conditions
	traced func(query string, args []any) // sees each statement, one at a time; nil: nobody
	mu     sync.Mutex
}

func (s *Store) search(q user.Query) (*search, error) {
	column := sortColumns[q.Sort.By]
	if column == "" {
		return nil, fmt.Errorf("list users: cannot sort by %q", q.Sort.By)
	}
	return &search{s: s, q: q, column: column, want: q.Offset + q.Size + 1, where: s.where(q.Filter)}, nil
}

func (sr *search) run(ctx context.Context) ([]int64, error) {
	p, err := sr.plan(ctx)
	switch {
	case err != nil || p.empty:
		return nil, err
	case p.driver == nil:
		return sr.walk(ctx, p)
	case p.ordered:
		return sr.merge(ctx, p.driver)
	default:
		return sr.collect(ctx, p.driver)
	}
}

// walk passes over the users in the order wanted until it has enough. It goes by two queries where a cursor stands
// within equal values, since no engine seeks into an index by (a > x OR (a = x AND id > y)).
func (sr *search) walk(ctx context.Context, p plan) ([]int64, error) {
	index := sr.s.dialect.index("ix_users_" + sr.column)
	if sr.column == "id" {
		return sr.walkIDs(ctx, p)
	}
	c := sr.where
	for _, w := range p.within {
		in, values, err := sqlx.In(sr.s.dialect.column(w.column)+" IN (?)", w.values)
		if err != nil {
			return nil, err
		}
		c = c.and(in, values...)
	}
	after := sr.q.After
	if after == nil {
		return sr.ids(ctx, index, c, sr.want)
	}
	equal := c.and(sr.s.dialect.column(sr.column)+" = ?", after.Value).and("id"+sr.beyond(), after.ID)
	found, err := sr.ids(ctx, index, equal, sr.want)
	if err != nil || len(found) == sr.want {
		return found, err
	}
	rest, err := sr.ids(ctx, index, c.and(sr.s.dialect.column(sr.column)+sr.beyond(), after.Value), sr.want-len(found))
	return append(found, rest...), err
}

// walkIDs is walk by id. What the plan thought of the values' frequencies may be far off, so it walks only so far
// where there is another way.
func (sr *search) walkIDs(ctx context.Context, p plan) ([]int64, error) {
	near := sr.start()
	if p.fallback == nil {
		return sr.ids(ctx, sr.s.dialect.primary, near, sr.want)
	}
	first := p.first
	switch {
	case sr.q.After != nil:
		first = sr.q.After.ID
	case sr.q.Sort.Desc:
		first = p.last
	}
	if sr.q.Sort.Desc {
		near = near.and("id >= ?", first-p.bound)
	} else {
		near = near.and("id <= ?", first+p.bound)
	}
	found, err := sr.ids(ctx, sr.s.dialect.primary, near, sr.want)
	if err != nil || len(found) == sr.want {
		return found, err
	}
	return sr.collect(ctx, p.fallback)
}

// merge takes the first users of each probe, in id order, and then the first of them all.
func (sr *search) merge(ctx context.Context, d *accessPath) ([]int64, error) {
	var arms []string
	var args []any
	c := sr.start()
	for _, p := range d.probes {
		for _, v := range p.values {
			arm := c.and(sr.s.dialect.column(p.column)+" = ?", v)
			arms = append(arms, fmt.Sprintf(`SELECT id FROM (SELECT id FROM users%s WHERE %s ORDER BY %s LIMIT %d) AS p%d`,
				sr.s.dialect.index("ix_users_"+p.column), arm, sr.ordering(), sr.want, len(arms)))
			args = append(args, arm.args...)
		}
	}
	query := fmt.Sprintf(`SELECT id FROM (%s) AS found ORDER BY %s LIMIT %d`, strings.Join(arms, " UNION "), sr.ordering(), sr.want)
	return sr.query(ctx, query, args)
}

// collect reads all users of the probes and sorts them.
func (sr *search) collect(ctx context.Context, d *accessPath) ([]int64, error) {
	c := sr.start()
	if after := sr.q.After; after != nil && sr.column != "id" {
		c = c.and("("+sr.s.dialect.column(sr.column)+sr.beyond()+" OR "+sr.s.dialect.column(sr.column)+" = ? AND id"+sr.beyond()+")", after.Value, after.Value, after.ID)
	}
	columns := "id"
	if sr.column != "id" {
		columns += ", " + sr.column
	}
	var arms []string
	var args []any
	for _, p := range d.probes {
		in, values, err := sqlx.In(sr.s.dialect.column(p.column)+" IN (?)", p.values)
		if err != nil {
			return nil, err
		}
		arm := c.and(in, values...)
		arms = append(arms, `SELECT `+columns+` FROM users`+sr.s.dialect.index("ix_users_"+p.column)+` WHERE `+arm.String())
		args = append(args, arm.args...)
	}
	query := fmt.Sprintf(`SELECT id FROM (%s) AS found ORDER BY %s LIMIT %d`, strings.Join(arms, " UNION "), sr.ordering(), sr.want)
	return sr.query(ctx, query, args)
}

// start is the conditions of the users behind the cursor, when sorting by id.
func (sr *search) start() conditions {
	if sr.column == "id" && sr.q.After != nil {
		return sr.where.and("id"+sr.beyond(), sr.q.After.ID)
	}
	return sr.where
}

func (sr *search) ids(ctx context.Context, index string, c conditions, want int) ([]int64, error) {
	return sr.query(ctx, fmt.Sprintf(`SELECT id FROM users%s WHERE %s ORDER BY %s LIMIT %d`, index, c, sr.ordering(), want), c.args)
}

func (sr *search) query(ctx context.Context, query string, args []any) (found []int64, err error) {
	sr.trace(query, args)
	err = sr.s.r.SelectContext(ctx, &found, query, args...)
	return found, err
}

// ordering is the columns to sort by. Equal values follow by id in the same direction.
func (sr *search) ordering() string {
	dir := ""
	if sr.q.Sort.Desc {
		dir = " DESC"
	}
	if sr.column == "id" {
		return "id" + dir
	}
	return sr.s.dialect.column(sr.column) + dir + ", id" + dir
}

// beyond is where the next user lies.
func (sr *search) beyond() string {
	if sr.q.Sort.Desc {
		return " < ?"
	}
	return " > ?"
}
