package main

import (
	"context"
	"database/sql"
	"fmt"
	"strconv"
	"time"

	"github.com/google/uuid"

	"github.com/musterhq/muster/client"
	"github.com/musterhq/muster/internal/searchindex"
	"github.com/musterhq/muster/internal/source"
	"github.com/musterhq/muster/internal/store"
	"github.com/musterhq/muster/internal/user"
)

const seed = 7

// importUsers submits an import and waits for its end. It returns users a second, as its owner sees it.
func importUsers(ctx context.Context, api *process, n int64) (rate float64, err error) {
	c, err := client.Open(api.base)
	if err != nil {
		return 0, err
	}
	s := int64(seed)
	began := time.Now()
	// An owner for each import, or the next one would wait for the cooldown.
	caller := uuid.NewString()
	r, err := c.ImportUsersWithResponse(ctx, &client.ImportUsersParams{UserID: caller, Count: n, Seed: &s})
	if err != nil {
		return 0, err
	}
	if r.JSON202 == nil {
		return 0, client.Failure(r.HTTPResponse, r.Body)
	}
	j, err := ended(ctx, c, caller, r.JSON202)
	if err != nil {
		return 0, err
	}
	took := time.Since(began)
	if j.Status != client.COMPLETED || j.ProcessedCount != n {
		return 0, fmt.Errorf("the import ended %s with %d users: %s", j.Status, j.ProcessedCount, j.Message)
	}
	return float64(n) / took.Seconds(), nil
}

// ended waits for the end of an accepted job and returns the job. It polls more often than the client's Wait, whose last
// second of waiting would count as the import's.
func ended(ctx context.Context, c *client.ClientWithResponses, caller string, answer *client.ImportAccepted) (*client.Job, error) {
	accepted, err := answer.AsAccepted()
	if err != nil {
		return nil, err
	}
	id, err := uuid.Parse(accepted.JobID)
	if err != nil {
		return nil, err
	}
	for {
		r, err := c.GetJobWithResponse(ctx, id, &client.GetJobParams{UserID: caller})
		if err != nil {
			return nil, err
		}
		switch j := r.JSON200; {
		case j == nil:
			return nil, client.Failure(r.HTTPResponse, r.Body)
		case j.Status == client.COMPLETED || j.Status == client.FAILED || j.Status == client.CANCELLED:
			return j, nil
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// fleet starts an API and workers.
func (l *lab) fleet(ctx context.Context, workers int, env ...string) (api *process, all []*process, err error) {
	if api, err = l.serve(ctx, env...); err != nil {
		return nil, nil, err
	}
	for range workers {
		w, err := l.work(ctx, env...)
		if err != nil {
			return nil, nil, err
		}
		all = append(all, w)
	}
	return api, all, nil
}

// ours returns a measurement of Muster: it empties the table, imports n users, and returns users a second.
func (l *lab) ours(ctx context.Context, api *process, n int64) func() (float64, error) {
	return func() (float64, error) {
		if err := l.empty(ctx); err != nil {
			return 0, err
		}
		return importUsers(ctx, api, n)
	}
}

// imports measures P1, P2 and P14: the same import beside both ways to do without Muster, with all indexes and with one.
func imports(ctx context.Context, l *lab) (results []result, err error) {
	n := l.size(1e6)
	api, _, err := l.fleet(ctx, 1)
	if err != nil {
		return nil, err
	}
	files, err := rendered(n, 50_000)
	if err != nil {
		return nil, err
	}
	ours := l.ours(ctx, api, n)
	loader := func() (float64, error) { return l.loadData(ctx, n, files) }
	inserts := func() (float64, error) {
		if err := l.empty(ctx); err != nil {
			return 0, err
		}
		return insertOneByOne(ctx, l.db, min(n/10, 50_000), 1000)
	}
	all, err := inTurn(3, ours, loader, inserts)
	if err != nil {
		return nil, err
	}
	if err := l.empty(ctx); err != nil {
		return nil, err
	}
	if _, _, err := store.AlignIndexes(ctx, l.url, searchindex.Set(0)); err != nil {
		return nil, err
	}
	few, err := inTurn(3, ours, inserts)
	if err != nil {
		return nil, err
	}
	const muster, scripted = "Muster, one worker", "a script: one INSERT a row"
	p1 := ratio(all[0], all[1], "users/s", muster, "LOAD DATA, of rows that lie ready")
	p2 := ratio(all[0], all[2], "users/s", muster, scripted)
	alone := ratio(few[0], few[1], "users/s", muster, scripted)
	p14 := result{Values: []float64{median(few[0]) / median(all[0]), alone.Values[0]}, Details: alone.Details}
	return []result{p1, p2, p14}, nil
}

// rendered returns the first n users in files of so many rows, as LOAD DATA reads them.
func rendered(n int64, rows int) (files [][]byte, err error) {
	f, err := source.NewFaker()
	if err != nil {
		return nil, err
	}
	var b []byte
	for i := range n {
		u := f.Row(seed, 1, i)
		b = strconv.AppendInt(b, u.ID, 10)
		for _, text := range []string{u.FirstName, u.LastName, u.Email, u.City, u.State, strconv.Itoa(u.Age), u.MobileNumber, u.Gender} {
			b = append(append(b, '\t'), text...)
		}
		b = append(b, '\n')
		if (i+1)%int64(rows) == 0 || i+1 == n {
			files, b = append(files, b), nil
		}
	}
	return files, nil
}

// insertOneByOne stores n users in the simplest way, by a prepared INSERT for each row on one connection, and returns
// users a second. Callers give it an empty table and few users: that is where it is fastest.
func insertOneByOne(ctx context.Context, db *sql.DB, n int64, perTx int) (rate float64, err error) {
	f, err := source.NewFaker()
	if err != nil {
		return 0, err
	}
	users := make([]user.User, n)
	for i := range users {
		users[i] = f.Row(seed, 1, int64(i))
	}
	began := time.Now()
	for len(users) > 0 {
		batch := users[:min(perTx, len(users))]
		users = users[len(batch):]
		if err := insertBatch(ctx, db, batch); err != nil {
			return 0, err
		}
	}
	return float64(n) / time.Since(began).Seconds(), nil
}

func insertBatch(ctx context.Context, db *sql.DB, users []user.User) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }()
	st, err := tx.PrepareContext(ctx, "INSERT INTO users ("+columns+") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)")
	if err != nil {
		return err
	}
	defer func() { _ = st.Close() }()
	for i := range users {
		u := &users[i]
		if _, err := st.ExecContext(ctx, u.ID, u.FirstName, u.LastName, u.Email, u.City, u.State, u.Age, u.MobileNumber, u.Gender); err != nil {
			return err
		}
	}
	return tx.Commit()
}
