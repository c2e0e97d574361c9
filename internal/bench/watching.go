package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"

	"github.com/musterhq/muster/internal/store/search"
	"github.com/musterhq/muster/internal/user"
)

// watcher runs searches on one connection of its own, and asks the server what they read.
type watcher struct {
	db         *sql.DB
	mu         sync.Mutex
	statements []statement // of the last search
}

type statement struct {
	query string
	args  []any
}

func watch(dsn string) (*watcher, error) {
	db, err := sql.Open("mysql", dsn)
	if err != nil {
		return nil, err
	}
	// The server counts reads by connection.
	db.SetMaxOpenConns(1)
	return &watcher{db: db}, nil
}

// QueryContext makes the watcher a search.Querier that keeps the statements.
func (w *watcher) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	w.mu.Lock()
	w.statements = append(w.statements, statement{query, args})
	w.mu.Unlock()
	return w.db.QueryContext(ctx, query, args...)
}

// reads searches, and returns how many rows and index entries the server passed over for the ids, those of results in
// between included.
func (w *watcher) reads(ctx context.Context, q user.Query) (int64, error) {
	before, err := w.handlerReads(ctx)
	if err != nil {
		return 0, err
	}
	w.statements = nil
	if _, err := search.IDs(ctx, w, &search.MySQL, q); err != nil {
		return 0, err
	}
	after, err := w.handlerReads(ctx)
	if err == nil && after < before {
		return 0, errors.New("count reads: the connection was replaced meanwhile")
	}
	return after - before, err
}

func (w *watcher) handlerReads(ctx context.Context) (sum int64, err error) {
	rows, err := w.db.QueryContext(ctx, `SHOW SESSION STATUS WHERE Variable_name IN ('Handler_read_next', 'Handler_read_prev', 'Handler_read_rnd_next')`)
	if err != nil {
		return 0, err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var name string
		var n int64
		if err := rows.Scan(&name, &n); err != nil {
			return 0, err
		}
		sum += n
	}
	return sum, rows.Err()
}

// explain returns what the server says about each table that the last search read, such as
// "users type=range key=ix_users_city rows=11".
func (w *watcher) explain(ctx context.Context) (lines []string, err error) {
	for _, s := range w.statements { // MySQL 9 has another format by default
		rows, err := w.db.QueryContext(ctx, "EXPLAIN FORMAT=TRADITIONAL "+s.query, s.args...)
		if err != nil {
			return nil, err
		}
		if lines, err = appendExplained(lines, rows); err != nil {
			return nil, err
		}
	}
	return lines, nil
}

func appendExplained(lines []string, rows *sql.Rows) ([]string, error) {
	defer func() { _ = rows.Close() }()
	columns, err := rows.Columns()
	if err != nil {
		return nil, err
	}
	values, dest, at := make([]sql.NullString, len(columns)), make([]any, len(columns)), map[string]int{}
	for i, column := range columns {
		dest[i], at[column] = &values[i], i
	}
	for rows.Next() {
		if err := rows.Scan(dest...); err != nil {
			return nil, err
		}
		text := func(column string) string { return values[at[column]].String }
		if table := text("table"); table != "" && table[0] != '<' { // a table, and no result in between
			lines = append(lines, fmt.Sprintf("%s type=%s key=%s rows=%s", table, text("type"), text("key"), text("rows")))
		}
	}
	return lines, rows.Err()
}
