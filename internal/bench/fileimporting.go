package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/google/uuid"

	"github.com/musterhq/muster/client"
)

// importFile sends a file and waits for the end of its import. It returns rows a second, as its owner sees it: sending and
// preparing the file are part of the time.
func importFile(ctx context.Context, api *process, file peopleFile, strategy string, want client.Outcome) (rate float64, err error) {
	c, err := client.Open(api.base)
	if err != nil {
		return 0, err
	}
	f, err := os.Open(file.path)
	if err != nil {
		return 0, err
	}
	defer func() { _ = f.Close() }()
	params := client.ImportFileParams{UserID: uuid.NewString(), OnDuplicate: &strategy}
	began := time.Now()
	r, err := c.ImportFileWithBodyWithResponse(ctx, &params, "application/octet-stream", f)
	if err != nil {
		return 0, err
	}
	if r.JSON202 == nil {
		return 0, client.Failure(r.HTTPResponse, r.Body)
	}
	j, err := ended(ctx, c, params.UserID, r.JSON202)
	if err != nil {
		return 0, err
	}
	took := time.Since(began)
	if j.Status != client.COMPLETED || j.Outcome == nil || *j.Outcome != want {
		return 0, fmt.Errorf("the import ended %s with %+v, want %+v: %s", j.Status, j.Outcome, want, j.Message)
	}
	rows := want.Inserted + want.Updated + want.Unchanged + want.Skipped + want.Rejected
	return float64(rows) / took.Seconds(), nil
}

// makeCSV makes a CSV of n people in the lab's folder.
func (l *lab) makeCSV(n int64) (peopleFile, error) {
	rows, err := peopleOf(n, 0)
	if err != nil {
		return peopleFile{}, err
	}
	return makeFile(l.dir, plainCSV, rows)
}

// fileAgainstLoader measures F1.
func fileAgainstLoader(ctx context.Context, l *lab) (result, error) {
	n := l.size(3e5)
	file, err := l.makeCSV(n)
	if err != nil {
		return result{}, err
	}
	api, _, err := l.fleet(ctx, 1)
	if err != nil {
		return result{}, err
	}
	ours, theirs, err := alternate(3, func() (float64, error) {
		if err := l.empty(ctx); err != nil {
			return 0, err
		}
		return importFile(ctx, api, file, "insert", client.Outcome{Inserted: n})
	}, func() (float64, error) { return l.loadFile(ctx, "users", n, file) })
	if err != nil {
		return result{}, err
	}
	return ratio(ours, theirs, "users/s", "Muster, one worker", "LOAD DATA of the file"), nil
}

// upsertTable is the yardstick's of F2.
const upsertTable = "upserted"

// fileAgainstUpserts measures F2, each strategy against a loop that does the same.
func fileAgainstUpserts(ctx context.Context, l *lab) (result, error) {
	n := l.size(3e5) / 2 * 2
	rows, err := peopleOf(n, 0)
	if err != nil {
		return result{}, err
	}
	half, err := makeFile(l.dir, fileKind{"known.csv", writeCSV}, known(rows))
	if err != nil {
		return result{}, err
	}
	all, err := makeFile(l.dir, plainCSV, rows)
	if err != nil {
		return result{}, err
	}
	if err := l.makeTable(ctx, upsertTable); err != nil {
		return result{}, err
	}
	api, _, err := l.fleet(ctx, 1)
	if err != nil {
		return result{}, err
	}
	skip, err := l.mergeFile(ctx, api, n, half, all, "skip", client.Outcome{Inserted: n / 2, Skipped: n / 2})
	if err != nil {
		return result{}, err
	}
	update, err := l.mergeFile(ctx, api, n, half, all, "update", client.Outcome{Inserted: n / 2, Updated: n / 2})
	return result{Values: append(skip.Values, update.Values...), Details: append(skip.Details, update.Details...)}, err
}

// mergeFile measures a strategy with a file of n people of whom half are there.
func (l *lab) mergeFile(ctx context.Context, api *process, n int64, half, all peopleFile, strategy string, want client.Outcome) (result, error) {
	ours, theirs, err := alternate(3, func() (float64, error) {
		if err := l.knowing(ctx, n, half); err != nil {
			return 0, err
		}
		rate, err := importFile(ctx, api, all, strategy, want)
		return rate, errors.Join(err, l.stored(ctx, "users", n))
	}, func() (float64, error) {
		if _, err := l.loadFile(ctx, upsertTable, n/2, half); err != nil {
			return 0, err
		}
		rate, err := l.upsertFile(ctx, upsertTable, strategy, all)
		return rate, errors.Join(err, l.stored(ctx, upsertTable, n))
	})
	if err != nil {
		return result{}, err
	}
	return ratio(ours, theirs, "rows/s", "Muster, "+strategy+", one worker", "INSERT … ON DUPLICATE KEY, "+strategy), nil
}

// knowing leaves nothing but the users of the file, half of n ids, which no job gets any more.
func (l *lab) knowing(ctx context.Context, n int64, file peopleFile) error {
	if err := l.empty(ctx); err != nil {
		return err
	}
	if _, err := l.loadFile(ctx, "users", n/2, file); err != nil {
		return err
	}
	_, err := l.db.ExecContext(ctx, "UPDATE id_blocks SET next_id = GREATEST(next_id, ?) WHERE name = 'users'", n+1)
	return err
}
