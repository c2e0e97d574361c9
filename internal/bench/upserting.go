package main

import (
	"context"
	"database/sql"
	"encoding/csv"
	"errors"
	"io"
	"os"
	"strings"
	"time"
)

const (
	upserted     = "first_name, last_name, email, city, state, age, mobile_number, gender"
	rowsAUpsert  = 1000
	upsertedRow  = "(?, ?, ?, ?, ?, ?, ?, ?)"
	upsertedFrom = 1 // the column of the CSV with the first of them
)

// whenThere is what the yardstick of F2 does with a user who is there, by what Muster is asked for.
var whenThere = map[string]string{
	"skip": "id = id",
	"update": "first_name = VALUES(first_name), last_name = VALUES(last_name), city = VALUES(city), state = VALUES(state), age = VALUES(age), " +
		"mobile_number = VALUES(mobile_number), gender = VALUES(gender)",
}

// makeTable makes the table that this yardstick needs: users with a unique key on the e-mail address and ids that the server gives.
func (l *lab) makeTable(ctx context.Context, table string) error {
	for _, query := range []string{
		"CREATE TABLE " + table + " LIKE users",
		// MySQL refuses AUTO_INCREMENT beside a column that is made of the id.
		"ALTER TABLE " + table + " DROP COLUMN block, MODIFY id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT, DROP INDEX ix_users_email, ADD UNIQUE INDEX ix_users_email (email)",
	} {
		if _, err := l.db.ExecContext(ctx, query); err != nil {
			return err
		}
	}
	return nil
}

// upsertFile reads a CSV of people and stores it by one connection, and returns rows a second.
func (l *lab) upsertFile(ctx context.Context, table, strategy string, file peopleFile) (rate float64, err error) {
	f, err := os.Open(file.path)
	if err != nil {
		return 0, err
	}
	defer func() { _ = f.Close() }()
	db, err := sql.Open("mysql", l.dsn)
	if err != nil {
		return 0, err
	}
	defer func() { _ = db.Close() }()
	db.SetMaxOpenConns(1)
	upsert := func(rows int) string {
		return "INSERT INTO " + table + " (" + upserted + ") VALUES " + strings.TrimSuffix(strings.Repeat(upsertedRow+", ", rows), ", ") +
			" ON DUPLICATE KEY UPDATE " + whenThere[strategy]
	}
	// Prepared once: that is half as fast again as a statement with the values in it.
	full, err := db.PrepareContext(ctx, upsert(rowsAUpsert))
	if err != nil {
		return 0, err
	}
	defer func() { _ = full.Close() }()
	began, rows := time.Now(), 0
	err = eachPage(csv.NewReader(f), func(n int, args []any) error {
		rows += n
		if n == rowsAUpsert {
			_, err := full.ExecContext(ctx, args...)
			return err
		}
		_, err := db.ExecContext(ctx, upsert(n), args...)
		return err
	})
	return float64(rows) / time.Since(began).Seconds(), err
}

// eachPage calls page with the values of rowsAUpsert rows at a time, and with those that are left.
func eachPage(r *csv.Reader, page func(rows int, args []any) error) error {
	if _, err := r.Read(); err != nil { // the header
		return err
	}
	width := strings.Count(upsertedRow, "?")
	args := make([]any, 0, rowsAUpsert*width)
	for {
		record, err := r.Read()
		if errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return err
		}
		for _, value := range record[upsertedFrom : upsertedFrom+width] {
			args = append(args, value)
		}
		if len(args) < cap(args) {
			continue
		}
		if err := page(rowsAUpsert, args); err != nil {
			return err
		}
		args = args[:0]
	}
	if len(args) == 0 {
		return nil
	}
	return page(len(args)/width, args)
}
