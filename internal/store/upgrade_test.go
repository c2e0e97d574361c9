package store_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/musterhq/muster/internal/job"
	"github.com/musterhq/muster/internal/store"
	"github.com/musterhq/muster/internal/store/search"
	"github.com/musterhq/muster/internal/store/storetest"
)

// The column of ages takes unknown ones, whatever was in the table stays, and the way back is refused while somebody's age is
// unknown.
func TestUpgradeToUnknownAges(t *testing.T) {
	t.Parallel()
	for _, e := range storetest.Engines(t) {
		t.Run(e.Name, func(t *testing.T) {
			t.Parallel()
			before, after := int64(12), int64(13)
			if e.Name == "sqlite" {
				before, after = 6, 7
			}
			url := e.Empty(t)
			s := storetest.Open(t, url, store.Options{})
			step := func(err error) {
				t.Helper()
				if err != nil {
					t.Fatal(err)
				}
			}
			step(s.MigrateTo(t.Context(), before))
			step(s.InTx(t.Context(), `
				INSERT INTO users (id, first_name, last_name, email, city, state, age, mobile_number, gender, deleted, deleted_at)
				VALUES (3, 'Ada', '', 'ada@example.com', 'London', '', 36, '+44', 'Female', 0, NULL),
				       (1, 'Li', 'Ng', 'li@example.com', '', 'Texas', 150, '', 'Male', 1, 1700000000000)`))
			want, _ := tableOfUsers(t, url)
			for range 2 { // there and back, and there again
				step(s.MigrateTo(t.Context(), after))
				if got, _ := tableOfUsers(t, url); !slices.Equal(got, want) {
					t.Errorf("%q, want %q", got, want)
				}
				step(s.InTx(t.Context(), `UPDATE users SET age = NULL WHERE id = 3`))
				if err := s.MigrateDown(t.Context(), before); err == nil {
					t.Fatal("an unknown age was made a known one")
				}
				if _, unknown := tableOfUsers(t, url); unknown != 1 {
					t.Errorf("%d unknown ages after the refusal", unknown)
				}
				step(s.InTx(t.Context(), `UPDATE users SET age = 36 WHERE id = 3`))
				step(s.MigrateDown(t.Context(), before))
				if got, _ := tableOfUsers(t, url); !slices.Equal(got, want) {
					t.Errorf("%q, want %q", got, want)
				}
			}
		})
	}
}

// tableOfUsers returns the users in the table, then its indexes, a line each, and how many ages are unknown.
func tableOfUsers(t *testing.T, url string) (lines []string, unknown int) {
	t.Helper()
	db, dialect := storetest.DB(t, url)
	indexes := `SELECT CONCAT_WS(' ', index_name, seq_in_index, column_name, non_unique) FROM information_schema.statistics
		WHERE table_schema = DATABASE() AND table_name = 'users' ORDER BY 1`
	if dialect == &search.SQLite {
		indexes = `SELECT sql FROM sqlite_schema WHERE type = 'index' AND tbl_name = 'users' ORDER BY name`
	}
	for _, query := range []string{
		`SELECT CONCAT_WS('|', id, first_name, last_name, email, city, state, age, mobile_number, gender, deleted, deleted_at) FROM users ORDER BY id`, indexes,
	} {
		rows, err := db.QueryContext(t.Context(), query)
		if err != nil {
			t.Fatal(err)
		}
		for rows.Next() {
			var line string
			if err := rows.Scan(&line); err != nil {
				t.Fatal(err)
			}
			lines = append(lines, line)
		}
		if err := errors.Join(rows.Err(), rows.Close()); err != nil {
			t.Fatal(err)
		}
	}
	if err := db.QueryRowContext(t.Context(), `SELECT COUNT(*) FROM users WHERE age IS NULL`).Scan(&unknown); err != nil {
		t.Fatal(err)
	}
	return lines, unknown
}

// A paused job from before moves had two steps has its counts in its chunks only.
func TestUpgradeOfAPausedJob(t *testing.T) {
	t.Parallel()
	url := storetest.Engines(t)[0].Empty(t)
	s := storetest.Open(t, url, store.Options{})
	if err := s.MigrateTo(t.Context(), 4); err != nil {
		t.Fatal(err)
	}
	const old = `
		INSERT INTO jobs (id, user_id, source, tier, status, version, requested, chunks, first_id, seed, params, message,
		                  request_hash, created_at, started_at, paused_at, settled_at)
		VALUES ('j', 'ann', 'faker', 'SMALL', 'PAUSED', 2, 100, 1, 1, 1, '{}', 'Paused.', '', 1, 1, 1, 1);
		INSERT INTO job_chunks (job_id, chunk_no, first_row, row_count, rows_done, state) VALUES ('j', 0, 0, 100, 40, 'PAUSED')`
	for statement := range strings.SplitSeq(old, ";") {
		sabotage(t, url, statement)
	}
	if _, err := store.Migrate(t.Context(), url); err != nil {
		t.Fatal(err)
	}
	got, err := s.Job(t.Context(), "j")
	if err != nil || got.Processed != 40 || got.WaitReason != "" || got.Owner != "ann" {
		t.Fatalf("%+v, %v", got, err)
	}
	if totals, err := s.AlignChunks(t.Context(), got); err != nil || !totals.Aligned(&got) {
		t.Fatalf("%+v, %v", totals, err)
	}
	if err := s.FinalizeJob(t.Context(), got); err != nil {
		t.Fatal(err)
	}
	unfinalized(t, s)
	if got, err = move(t.Context(), s, "ann", "j", job.MoveResume); err != nil || got.Processed != 40 {
		t.Fatalf("resumed: %+v, %v", got, err)
	}
	mustCommit(t, s, claim(t, s, "j", 0), 60)
	if ok, err := s.FinishJob(t.Context(), "j"); !ok || err != nil {
		t.Fatal(ok, err)
	}
}
