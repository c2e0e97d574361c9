package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/musterhq/muster/client"
)

// personBytes is about what a row of a CSV of F4 has, most of it notes.
const personBytes, noteBytes = 600, 480

// fileMemory measures F4: the most memory that an API and a worker have over a file of each kind, after a tenth of it and after
// all. The CSV has FILE_GB gigabytes at the scale, the others a quarter of its rows.
func fileMemory(ctx context.Context, l *lab) (result, error) {
	n := int64(l.fileGB * float64(l.size(1e9)) / personBytes)
	var res result
	worst, grown := 0.0, 0.0
	for _, k := range append([]fileKind{{"skip.csv", writeCSV}}, fileKinds...) {
		rows, strategy := n/4, "insert"
		switch k.name {
		case plainCSV.name:
			rows = n
		case "skip.csv":
			strategy = "skip"
		case "users.xlsx":
			rows = min(rows, maxSheetRows-1)
		}
		detail, peak, growth, err := l.memoryOver(ctx, k, rows, strategy)
		if err != nil {
			return res, fmt.Errorf("%s: %w", k.name, err)
		}
		worst, grown = max(worst, peak), max(grown, growth)
		res.Details = append(res.Details, detail)
	}
	res.Values = []float64{worst, grown}
	return res, nil
}

// memoryOver imports a tenth of a file and then a whole one by processes of their own. It returns the most memory that one of
// them had, and how much of it came after the tenth.
func (l *lab) memoryOver(ctx context.Context, k fileKind, n int64, strategy string) (detail string, peak, growth float64, err error) {
	dir := filepath.Join(l.dir, "over")
	if err := os.Mkdir(dir, 0o755); err != nil { //nolint:gosec // a folder for a while
		return "", 0, 0, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	api, workers, err := l.fleet(ctx, 1, "MUSTER_FILES=file://"+filepath.Join(dir, "files"))
	if err != nil {
		return "", 0, 0, err
	}
	defer func() { workers[0].stop(); api.stop() }()
	var at [2]struct{ api, worker float64 }
	var file peopleFile
	var rate float64
	for i, rows := range []int64{n/10 + 1, n} {
		if err := l.empty(ctx); err != nil {
			return "", 0, 0, err
		}
		people, err := peopleOf(rows, noteBytes)
		if err != nil {
			return "", 0, 0, err
		}
		if file, err = makeFile(dir, k, people); err != nil {
			return "", 0, 0, err
		}
		if rate, err = importFile(ctx, api, file, strategy, client.Outcome{Inserted: rows}); err != nil {
			return "", 0, 0, err
		}
		if at[i].api, err = api.peak(); err != nil {
			return "", 0, 0, err
		}
		if at[i].worker, err = workers[0].peak(); err != nil {
			return "", 0, 0, err
		}
	}
	detail = fmt.Sprintf("%-16s %6.0f MB, %9s rows, %7s rows/s: API %3.0f MiB, worker %3.0f MiB; after a tenth %3.0f and %3.0f", k.name,
		float64(file.bytes)/1e6, count(n), count(int64(rate)), at[1].api, at[1].worker, at[0].api, at[0].worker)
	return detail, max(at[1].api, at[1].worker), max(at[1].api-at[0].api, at[1].worker-at[0].worker), nil
}
