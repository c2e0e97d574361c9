package store_test

import (
	"strings"
	"testing"

	"github.com/musterhq/muster/internal/job"
	"github.com/musterhq/muster/internal/store"
	"github.com/musterhq/muster/internal/store/storetest"
)

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
