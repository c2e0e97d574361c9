package store_test

import (
	"database/sql"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/musterhq/muster/internal/store"
	"github.com/musterhq/muster/internal/store/storetest"
)

// The migrations of Vitess make the same tables as MySQL's, wherever they lie, but for the block of users, which is computed on one
// server. A column that only one of them has would show with the first user of the other.
func TestVitessHasTheSameSchema(t *testing.T) {
	t.Parallel()
	for _, e := range storetest.Engines(t) {
		if e.Name == "sqlite" {
			continue
		}
		t.Run(e.Name, func(t *testing.T) {
			t.Parallel()
			want, _ := storetest.DB(t, e.New(t))
			got, _ := storetest.DB(t, e.Empty(t))
			files, err := os.ReadDir("migrations/vitess")
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range files {
				text, err := os.ReadFile("migrations/vitess/" + f.Name())
				if err != nil {
					t.Fatal(err)
				}
				up, _, _ := strings.Cut(string(text), "-- +goose Down")
				for statement := range strings.SplitSeq(strings.ReplaceAll(up, "muster_users.", ""), ";\n") {
					if !strings.Contains(statement, "TABLE") && !strings.Contains(statement, "INSERT") {
						continue
					}
					if _, err := got.ExecContext(t.Context(), statement); err != nil {
						t.Fatalf("%s: %v", statement, err)
					}
				}
			}
			if diff := cmp.Diff(schemaOf(t, want), schemaOf(t, got)); diff != "" {
				t.Errorf("(-mysql +vitess):\n%s", diff)
			}
		})
	}
}

// schemaOf returns the columns and indexes of Muster's tables.
func schemaOf(t *testing.T, db *sql.DB) []string {
	t.Helper()
	const ours = `table_schema = DATABASE() AND table_name NOT IN ('schema_version', 'schema_lock')`
	return append(texts(t, db, `
		SELECT CONCAT_WS(' ', table_name, column_name, column_type, is_nullable, column_default, collation_name)
		  FROM information_schema.columns
		 WHERE `+ours+` AND column_name <> 'block'
		 ORDER BY table_name, column_name`), texts(t, db, `
		SELECT CONCAT_WS(' ', table_name, index_name, non_unique, seq_in_index, column_name)
		  FROM information_schema.statistics
		 WHERE `+ours+`
		 ORDER BY table_name, index_name, seq_in_index`)...)
}

// What is there already is not made again.
func TestMigrateAgain(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url string) {
		if steps, err := store.Migrate(t.Context(), url); steps != 0 || err != nil {
			t.Errorf("%d steps, %v", steps, err)
		}
	})
}
