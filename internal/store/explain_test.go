package store_test

import (
	"database/sql"
	"errors"
	"fmt"
	"slices"
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
	storetest.EachServer(t, func(t *testing.T, url string) {
		s := storetest.Open(t, url, store.Options{})
		storetest.Import(t, s, storetest.People(500))
		c := fileOf(t, s, job.FileOptions{OnDuplicate: job.DuplicateInsert}, 500)
		b := &columns.Batch{}
		for i := range int64(500) {
			b.Rejects = append(b.Rejects, job.Reject{Row: i, Code: "required"})
		}
		commitFile(t, s, c, b)
		db, _ := storetest.DB(t, url)
		for query, args := range s.FileStatements() {
			plan := explained(t, db, explain(url)+query, args)
			if plan == "" || strings.Contains(plan, "type=ALL") || strings.Contains(plan, "SCAN") && !strings.Contains(plan, "SCAN CONSTANT") {
				t.Errorf("%s: %s", query, plan)
			}
		}
	})
}

// However many jobs there are, and whether few or nearly all have the status that is looked for, a page of a list seeks
// by an index and sorts nothing.
func TestListsOfJobsUseIndexes(t *testing.T) {
	t.Parallel()
	storetest.EachServer(t, func(t *testing.T, url string) {
		s := storetest.Open(t, url, store.Options{})
		db, _ := storetest.DB(t, url)
		manyJobs(t, s, db, url)
		middle := "01a21e68-c19f-7bb6-8e6a-000000012345"
		byID := []string{"PRIMARY", "autoindex_jobs_1"} // of MySQL, of SQLite
		for _, tt := range []struct {
			f   job.Filter
			key []string
		}{
			{job.Filter{Owner: "ann"}, []string{"ix_jobs_owner"}},
			{job.Filter{Owner: "ann", Tier: "XL"}, []string{"ix_jobs_owner"}},
			{job.Filter{Owner: "ann", Status: job.Failed}, []string{"ix_jobs_owner_status"}},
			{job.Filter{Owner: "ann", Status: job.Completed}, []string{"ix_jobs_owner_status"}},
			{job.Filter{Everybody: true}, byID},
			{job.Filter{Everybody: true, IDPrefix: middle[:34]}, byID},
			{job.Filter{Everybody: true, Status: job.Failed}, []string{"ix_jobs_status"}},
			{job.Filter{Everybody: true, Status: job.Completed}, []string{"ix_jobs_status"}},
		} {
			for _, after := range []string{"", middle} {
				tt.f.After, tt.f.Limit = after, 26
				query, args := s.JobsStatement(tt.f)
				plan := explained(t, db, explain(url)+query, args)
				used := slices.ContainsFunc(tt.key, func(key string) bool { return strings.Contains(plan+" ", key+" ") })
				if !used || strings.Contains(plan, "filesort") || strings.Contains(plan, "B-TREE") {
					t.Errorf("%+v: %s, want %s", tt.f, plan, tt.key)
				}
			}
		}
		if plan := explained(t, db, explain(url)+store.SlotsInUseSQL, []any{"ann"}); !strings.Contains(plan, "ix_jobs_") {
			t.Errorf("slots in use: %s", plan)
		}
	})
}

// manyJobs adds 20,000 jobs of two owners, of which one in a thousand FAILED and the others are COMPLETED.
func manyJobs(t *testing.T, s *store.Store, db *sql.DB, url string) {
	t.Helper()
	j := newJob(10)
	if err := storetest.CreateJob(t.Context(), s, j, 10); err != nil {
		t.Fatal(err)
	}
	columns := columnsOfJobs(t, db)
	number := `printf('%012d', n)`
	if strings.HasPrefix(url, "mysql") {
		number = `LPAD(n, 12, '0')`
	}
	values := slices.Clone(columns)
	for i, column := range columns {
		switch column {
		case "id":
			values[i] = `CONCAT('01a21e68-c19f-7bb6-8e6a-', ` + number + `)`
		case "owner":
			values[i] = `CASE WHEN n % 2 = 0 THEN 'ann' ELSE 'bob' END`
		case "status":
			values[i] = `CASE WHEN n % 1000 < 2 THEN 'FAILED' ELSE 'COMPLETED' END`
		case "finalized_at":
			values[i] = `1`
		}
	}
	digits := `SELECT 0 AS d` + strings.Repeat(` UNION ALL SELECT %d`, 9)
	digits = fmt.Sprintf(digits, 1, 2, 3, 4, 5, 6, 7, 8, 9)
	if _, err := db.ExecContext(t.Context(), `
		INSERT INTO jobs (`+strings.Join(columns, ", ")+`)
		  WITH digits AS (`+digits+`),
		       numbers AS (SELECT a.d + 10 * b.d + 100 * c.d + 1000 * e.d + 10000 * f.d AS n
		                     FROM digits a, digits b, digits c, digits e, digits f WHERE f.d < 2)
		SELECT `+strings.Join(values, ", ")+` FROM jobs, numbers WHERE id = ?`, j.ID); err != nil {
		t.Fatal(err)
	}
	if strings.HasPrefix(url, "mysql") { // which it does by itself, a while later
		if _, err := db.ExecContext(t.Context(), `ANALYZE TABLE jobs`); err != nil {
			t.Fatal(err)
		}
	}
}

func columnsOfJobs(t *testing.T, db *sql.DB) []string {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), `SELECT * FROM jobs LIMIT 0`)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	columns, err := rows.Columns()
	if err := errors.Join(err, rows.Err()); err != nil {
		t.Fatal(err)
	}
	return columns
}

// explain returns what stands before a statement whose plan is asked for.
func explain(url string) string {
	if strings.HasPrefix(url, "mysql") {
		return "EXPLAIN FORMAT=TRADITIONAL "
	}
	return "EXPLAIN QUERY PLAN "
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
			case "table", "type", "key", "detail", "Extra":
				plan += fmt.Sprintf(" %s=%s", name, values[i].String)
			}
		}
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return plan
}
