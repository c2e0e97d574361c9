package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/go-sql-driver/mysql"
	"golang.org/x/sync/errgroup"
)

const columns = "id, first_name, last_name, email, city, state, age, mobile_number, gender"

// How LOAD DATA reads rows of rendered, and of a CSV of people.
const (
	tabbed = "CHARACTER SET utf8mb4 (" + columns + ")"
	asCSV  = "CHARACTER SET utf8mb4 FIELDS TERMINATED BY ',' OPTIONALLY ENCLOSED BY '\"' ESCAPED BY '' IGNORE 1 LINES (" + columns + ", @notes)"
)

// loads makes the names under which the driver finds what it sends, which are those of the whole program.
var loads atomic.Int64

// load runs LOAD DATA LOCAL, which is one transaction, into users or a table like it.
func (l *lab) load(ctx context.Context, table, form string, rows io.Reader) error {
	name := l.name + strconv.FormatInt(loads.Add(1), 10)
	mysql.RegisterReaderHandler(name, func() io.Reader { return rows })
	defer mysql.DeregisterReaderHandler(name)
	_, err := l.db.ExecContext(ctx, "LOAD DATA LOCAL INFILE 'Reader::"+name+"' INTO TABLE "+table+" "+form)
	return err
}

// stored checks the number of users in a table.
func (l *lab) stored(ctx context.Context, table string, n int64) error {
	var rows int64
	if err := l.db.QueryRowContext(ctx, "SELECT COUNT(*) FROM "+table).Scan(&rows); err != nil || rows != n {
		return fmt.Errorf("%d of %d users are stored: %w", rows, n, err)
	}
	return nil
}

// loadData loads texts over two connections into an empty table, and returns users a second.
func (l *lab) loadData(ctx context.Context, n int64, texts [][]byte) (rate float64, err error) {
	if err := l.empty(ctx); err != nil {
		return 0, err
	}
	began := time.Now()
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(2)
	for _, text := range texts {
		g.Go(func() error { return l.load(gctx, "users", tabbed, bytes.NewReader(text)) })
	}
	if err := g.Wait(); err != nil {
		return 0, err
	}
	return float64(n) / time.Since(began).Seconds(), l.stored(ctx, "users", n)
}

// loadFile loads a CSV of n people over one connection into an empty table, and returns users a second.
func (l *lab) loadFile(ctx context.Context, table string, n int64, file peopleFile) (rate float64, err error) {
	if _, err := l.db.ExecContext(ctx, "TRUNCATE TABLE "+table); err != nil {
		return 0, err
	}
	f, err := os.Open(file.path)
	if err != nil {
		return 0, err
	}
	defer func() { _ = f.Close() }()
	began := time.Now()
	if err := l.load(ctx, table, asCSV, f); err != nil {
		return 0, err
	}
	return float64(n) / time.Since(began).Seconds(), l.stored(ctx, table, n)
}
