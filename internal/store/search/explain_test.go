package search_test

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/musterhq/muster/internal/store/search"
	"github.com/musterhq/muster/internal/store/storetest"
	"github.com/musterhq/muster/internal/user"
)

// recorder keeps the statements that pass through it.
type recorder struct {
	*sql.DB
	mu         sync.Mutex
	statements []statement
}

type statement struct {
	query string
	args  []any
}

func (r *recorder) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	r.mu.Lock()
	r.statements = append(r.statements, statement{query, args})
	r.mu.Unlock()
	return r.DB.QueryContext(ctx, query, args...)
}

// No search may read the whole table: each statement seeks by an index, or walks one and stops.
func TestSearchesUseIndexes(t *testing.T) {
	t.Parallel()
	storetest.EachServer(t, func(t *testing.T, url string) {
		l := open(t, url)
		storetest.Import(t, l.store, storetest.People(500))
		one := map[string]user.Filter{
			"none": {}, "name": {Name: "ann b"}, "city": {City: "san"}, "state": {State: "tex"}, "email": {Email: "a1@example.com"}, "email in two forms": {Email: "a\u200b1@example.com"},
			"gender": {Gender: user.Male}, "age": {Age: 20}, "ages": {MinAge: 20, MaxAge: 22}, "deleted": {Deleted: true},
		}
		for a, f := range one {
			for b, g := range one {
				both := f
				both.Name, both.City, both.State, both.Email = f.Name+g.Name, f.City+g.City, f.State+g.State, f.Email+g.Email
				both.Gender, both.Age, both.MinAge = max(f.Gender, g.Gender), max(f.Age, g.Age), max(f.MinAge, g.MinAge)
				both.Deleted = f.Deleted || g.Deleted
				for _, sort := range []user.Sort{{}, {Desc: true}, {By: user.SortCity}, {By: user.SortAge, Desc: true}} {
					for _, line := range l.explain(t, user.Query{Filter: both, Sort: sort, Size: 10}) {
						if strings.Contains(line, "users type=ALL") || line == "SCAN users" && sort.By != "" {
							t.Errorf("%s and %s by %q: %s", a, b, sort.By, line)
						}
					}
				}
			}
		}
	})
}

// A walk by a column seeks to the cursor, and to the users of unknown age; it reads no more of the index than it lists, and
// nothing is sorted.
func TestWalksByColumnSeek(t *testing.T) {
	t.Parallel()
	storetest.EachServer(t, func(t *testing.T, url string) {
		l := open(t, url)
		people := storetest.People(500)
		for i := range people {
			if i%50 != 0 {
				people[i].Age = 0
			}
		}
		storetest.Import(t, l.store, people)
		for _, tt := range []struct {
			by    string
			after *user.Key
			want  int // statements
		}{
			{user.SortAge, nil, 2},
			{user.SortAge, &user.Key{Value: "20", ID: 300}, 3},
			{user.SortAge, &user.Key{ID: 300}, 1},
			{user.SortCity, nil, 1},
			{user.SortCity, &user.Key{Value: "Boston", ID: 250}, 2},
		} {
			for _, desc := range []bool{false, true} {
				walks := 0
				for _, line := range l.explain(t, user.Query{Sort: user.Sort{By: tt.by, Desc: desc}, Size: 200, After: tt.after}) {
					if strings.Contains(line, "ix_users_"+tt.by) {
						walks++
					}
					for _, slow := range []string{"type=ALL", "filesort", "B-TREE"} {
						if strings.Contains(line, slow) {
							t.Errorf("%+v, desc %v: %s", tt, desc, line)
						}
					}
					if tt.by == user.SortAge && (strings.Contains(line, "type=index") || strings.HasPrefix(line, "SCAN users")) {
						t.Errorf("%+v, desc %v walks through unknown ages: %s", tt, desc, line)
					}
				}
				if walks != tt.want {
					t.Errorf("%+v, desc %v: %d statements by the index", tt, desc, walks)
				}
			}
		}
	})
}

// explain runs every candidate of the search, and returns what the database says about each table that their statements
// read: one line each, such as "users type=range key=ix_users_city Using where" of MySQL or "SEARCH users USING INDEX ix_users_city
// (city=?)" of SQLite.
func (l list) explain(t *testing.T, q user.Query) (lines []string) {
	t.Helper()
	r := &recorder{DB: l.db}
	candidates, err := search.Candidates(t.Context(), r, l.dialect, q, search.Defaults)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range candidates {
		if _, err := c.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	explain := "EXPLAIN FORMAT=TRADITIONAL " // MySQL 9 has another one by default
	if l.dialect == &search.SQLite {
		explain = "EXPLAIN QUERY PLAN "
	}
	for _, s := range r.statements {
		for _, row := range l.rows(t, explain+s.query, s.args) {
			switch {
			case row["detail"] != "": // SQLite
				lines = append(lines, row["detail"])
			case row["table"] != "" && row["table"][0] != '<': // a table, and no result in between
				lines = append(lines, fmt.Sprintf("%s type=%s key=%s %s", row["table"], row["type"], row["key"], row["Extra"]))
			}
		}
	}
	return lines
}

// rows returns the rows of a query by the names of their columns.
func (l list) rows(t *testing.T, query string, args []any) (list []map[string]string) {
	t.Helper()
	rows, err := l.db.QueryContext(t.Context(), query, args...)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	columns, err := rows.Columns()
	if err != nil {
		t.Fatal(err)
	}
	values, dest := make([]sql.NullString, len(columns)), make([]any, len(columns))
	for i := range values {
		dest[i] = &values[i]
	}
	for rows.Next() {
		if err := rows.Scan(dest...); err != nil {
			t.Fatal(err)
		}
		row := map[string]string{}
		for i, column := range columns {
			row[column] = values[i].String
		}
		list = append(list, row)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return list
}
