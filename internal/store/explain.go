package store

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jmoiron/sqlx"

	"github.com/musterhq/muster/internal/user"
)

func (sr *search) trace(query string, args []any) {
	if sr.traced != nil {
		sr.mu.Lock()
		defer sr.mu.Unlock()
		sr.traced(query, args)
	}
}

// Explain runs the search of Users and answers what the database says about each table that its statements read: one line
// each, such as "users type=range key=ix_users_city rows=11" of MySQL or "SEARCH users USING INDEX ix_users_city (city=?)"
// of SQLite.
func (s *Store) Explain(ctx context.Context, q user.Query) (lines []string, err error) {
	sr, err := s.search(q)
	if err != nil {
		return nil, err
	}
	type statement struct {
		query string
		args  []any
	}
	var seen []statement
	sr.traced = func(query string, args []any) { seen = append(seen, statement{query, args}) }
	if _, err := sr.run(ctx); err != nil {
		return nil, translate("explain", err)
	}
	for _, st := range seen {
		rows, err := s.r.QueryxContext(ctx, s.dialect.explain+st.query, st.args...)
		if err != nil {
			return nil, translate("explain", err)
		}
		if lines, err = appendExplained(lines, rows); err != nil {
			return nil, translate("explain", err)
		}
	}
	return lines, nil
}

func appendExplained(lines []string, rows *sqlx.Rows) ([]string, error) {
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		row := map[string]any{}
		if err := rows.MapScan(row); err != nil {
			return nil, err
		}
		text := func(column string) string {
			if b, ok := row[column].([]byte); ok {
				return string(b)
			}
			return fmt.Sprint(row[column])
		}
		switch table := text("table"); {
		case row["detail"] != nil: // SQLite
			lines = append(lines, text("detail"))
		case !strings.HasPrefix(table, "<"): // a table, and no result in between
			lines = append(lines, fmt.Sprintf("%s type=%s key=%s rows=%s", table, text("type"), text("key"), text("rows")))
		}
	}
	return lines, rows.Err()
}

// Reads runs the search of Users and answers how many rows and index entries MySQL or MariaDB passed over for it, those
// of results in between included. The Store has to have MaxConns 1, since the count is the connection's.
func (s *Store) Reads(ctx context.Context, q user.Query) (int64, error) {
	for tries := 1; ; tries++ {
		before, err := s.handlerReads(ctx)
		if err != nil {
			return 0, translate("count reads", err)
		}
		if _, _, err := s.Users(ctx, q); err != nil {
			return 0, err
		}
		after, err := s.handlerReads(ctx)
		switch {
		case err != nil:
			return 0, translate("count reads", err)
		case after >= before:
			return after - before, nil
		case tries == 3: // the connection had lived long enough, and a new one counts from 0
			return 0, errors.New("count reads: the connection was replaced meanwhile")
		}
	}
}

func (s *Store) handlerReads(ctx context.Context) (sum int64, err error) {
	var rows []struct {
		Name  string `db:"Variable_name"`
		Value int64  `db:"Value"`
	}
	err = s.r.SelectContext(ctx, &rows, `SHOW SESSION STATUS WHERE Variable_name IN ('Handler_read_next', 'Handler_read_prev', 'Handler_read_rnd_next')`)
	for _, r := range rows {
		sum += r.Value
	}
	return sum, err
}
