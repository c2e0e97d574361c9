package main

import (
	"bufio"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"github.com/google/uuid"

	"github.com/musterhq/muster/internal/fileimport"
	"github.com/musterhq/muster/internal/filestore"
	"github.com/musterhq/muster/internal/job"
)

// preparedObject is the file of F3 in the file store.
const preparedObject = "bench/users"

// preparing measures F3 on one core: what a worker does with a CSV before it imports it.
func preparing(ctx context.Context, l *lab) (result, error) {
	file, err := l.makeCSV(l.size(2e6))
	if err != nil {
		return result{}, err
	}
	store, err := filestore.Open("file://" + filepath.Join(l.dir, "files"))
	if err != nil {
		return result{}, err
	}
	if err := keep(ctx, store, file); err != nil {
		return result{}, err
	}
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	prepare := func(strategy string) func() (float64, error) {
		return func() (float64, error) { return prepareFile(ctx, store, file, strategy, l.dir) }
	}
	ours, theirs, err := alternate(5, prepare(job.DuplicateInsert), func() (float64, error) { return readCSV(file) })
	if err != nil {
		return result{}, err
	}
	keyed, _, err := alternate(3, prepare(job.DuplicateUpdate), func() (float64, error) { return 0, nil })
	if err != nil {
		return result{}, err
	}
	res := ratio(ours, theirs, "kB/s", "preparing a CSV", "encoding/csv reading it")
	res.Values = append(res.Values, median(ours)/1000)
	res.Details = append(res.Details, fmt.Sprintf("with a strategy, which sorts the keys of all rows: %s kB/s (%s)", count(int64(median(keyed))), spread(keyed)))
	return res, nil
}

// keep puts a file into the store.
func keep(ctx context.Context, store *filestore.Store, file peopleFile) error {
	f, err := os.Open(file.path)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	w, err := store.Create(ctx, preparedObject, 0)
	if err != nil {
		return err
	}
	defer w.Discard()
	if _, err := io.Copy(w, f); err != nil {
		return err
	}
	return w.Close()
}

// prepareFile prepares the file in the store as a worker does, and returns kB a second.
func prepareFile(ctx context.Context, store *filestore.Store, file peopleFile, strategy, temp string) (float64, error) {
	files := fileimport.Files{Store: store, TempDir: temp, ChunkRows: 25_000}
	j := job.Job{
		ID: uuid.NewString(), CreatedAt: time.Now(),
		File: &job.File{Object: preparedObject, Bytes: file.bytes, Options: job.FileOptions{OnDuplicate: strategy}},
	}
	began := time.Now()
	got, err := files.Prepare(ctx, &j, func(int64) error { return nil })
	if err != nil {
		return 0, err
	}
	took := time.Since(began)
	if got.Found.Rows < 1000 || got.Found.ColumnCount != len(columnNames) {
		return 0, fmt.Errorf("preparing found %d rows and %d columns", got.Found.Rows, got.Found.ColumnCount)
	}
	return float64(file.bytes) / 1000 / took.Seconds(), nil
}

// readCSV reads a file by encoding/csv, and returns kB a second.
func readCSV(file peopleFile) (float64, error) {
	f, err := os.Open(file.path)
	if err != nil {
		return 0, err
	}
	defer func() { _ = f.Close() }()
	began := time.Now()
	r := csv.NewReader(bufio.NewReaderSize(f, 1<<20))
	r.ReuseRecord = true
	for {
		if _, err := r.Read(); errors.Is(err, io.EOF) {
			return float64(file.bytes) / 1000 / time.Since(began).Seconds(), nil
		} else if err != nil {
			return 0, err
		}
	}
}
