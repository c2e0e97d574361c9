package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/musterhq/muster/internal/store"
)

// embeddedImport measures S1: an import into a SQLite file against the fastest loop that writes the same rows into the same
// table, by one connection, large transactions, a prepared statement and Muster's pragmas.
func embeddedImport(ctx context.Context, l *lab) (result, error) {
	n := l.size(300_000)
	round := 0
	fresh := func() (url string, err error) {
		round++
		if url, err = store.SQLiteURL(filepath.Join(l.dir, fmt.Sprintf("round%d.db", round))); err != nil {
			return "", err
		}
		_, err = store.Migrate(ctx, url)
		return url, errors.Join(err, l.rdb.FlushDB(ctx).Err())
	}
	var details []string
	ours, theirs, err := alternate(3, func() (float64, error) {
		url, err := fresh()
		if err != nil {
			return 0, err
		}
		api, workers, err := l.fleet(ctx, 1, "MUSTER_DATABASE="+url)
		if err != nil {
			return 0, err
		}
		defer func() { workers[0].stop(); api.stop() }()
		rate, err := importUsers(ctx, api, n)
		if err != nil {
			return 0, err
		}
		out, size, err := export(ctx, api, "", n)
		details = append(details, fmt.Sprintf("then exported as CSV: %s users/s, %d MB", count(int64(out)), size>>20))
		return rate, err
	}, func() (float64, error) {
		url, err := fresh()
		if err != nil {
			return 0, err
		}
		db, err := sql.Open("sqlite", "file:"+strings.TrimPrefix(url, "sqlite:")+"?_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)"+
			"&_pragma=wal_autocheckpoint(20000)&_pragma=cache_size(-131072)&_txlock=immediate")
		if err != nil {
			return 0, err
		}
		defer func() { _ = db.Close() }()
		db.SetMaxOpenConns(1)
		// The driver watches each statement that may be cancelled, at a price.
		return insertOneByOne(context.WithoutCancel(ctx), db, n, 25_000)
	})
	if err != nil {
		return result{}, err
	}
	res := ratio(ours, theirs, "users/s", "Muster on SQLite, one worker", "a loop of prepared INSERTs")
	res.Details = append(res.Details, details...)
	return res, nil
}
