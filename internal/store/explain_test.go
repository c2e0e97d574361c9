package store_test

import (
	"database/sql"
	"fmt"
	"strings"
	"testing"

	"github.com/musterhq/muster/internal/columns"
	"github.com/musterhq/muster/internal/job"
	"github.com/musterhq/muster/internal/store"
	"github.com/musterhq/muster/internal/store/storetest"
)

// What the jobs of files ask goes by an index, however large the tables are.
func TestFilesUseIndexes(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url string) {
		s := storetest.Open(t, url, store.Options{})
		storetest.Import(t, s, storetest.People(500))
		c := fileOf(t, s, job.FileOptions{OnDuplicate: job.DuplicateInsert}, 500)
		b := &columns.Batch{}
		for i := range int64(500) {
			b.Rejects = append(b.Rejects, job.Reject{Row: i, Code: "required"})
		}
		commitFile(t, s, c, b)
		db, _ := storetest.DB(t, url)
		explain := "EXPLAIN QUERY PLAN "
		if strings.HasPrefix(url, "mysql") {
			explain = "EXPLAIN FORMAT=TRADITIONAL "
		}
		for query, args := range s.FileStatements() {
			plan := explained(t, db, explain+query, args)
			if plan == "" || strings.Contains(plan, "type=ALL") || strings.Contains(plan, "SCAN") && !strings.Contains(plan, "SCAN CONSTANT") {
				t.Errorf("%s: %s", query, plan)
			}
		}
	})
}

// explained returns the columns of a plan that tell what is read.
func explained(t *testing.T, db *sql.DB, query string, args []any) (plan string) {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), query, args...)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	names, err := rows.Columns()
	if err != nil {
		t.Fatal(err)
	}
	for rows.Next() {
		values, dest := make([]sql.NullString, len(names)), make([]any, len(names))
		for i := range values {
			dest[i] = &values[i]
		}
		if err := rows.Scan(dest...); err != nil {
			t.Fatal(err)
		}
		for i, name := range names {
			switch name {
			case "table", "type", "key", "detail":
				plan += fmt.Sprintf(" %s=%s", name, values[i].String)
			}
		}
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return plan
}
