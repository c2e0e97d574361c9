package store

import (
	"context"
	"fmt"
	"strings"

	"github.com/musterhq/muster/internal/crash"
	"github.com/musterhq/muster/internal/job"
)

// The second step of every move: the chunks follow the job.

// AlignChunks makes the second step of the last move of j where it is not made: it adds the chunks that are missing and
// lets those that are behind follow the job. No batch of a job that was paused or cancelled commits once it has
// returned. It returns the totals of the chunks then.
func (s *Store) AlignChunks(ctx context.Context, j job.Job) (job.ChunkTotals, error) {
	t, err := s.chunkTotals(ctx, &j)
	if err != nil || t.Aligned(&j) {
		return t, err
	}
	if t.Recorded < j.Chunks {
		if err := s.AddChunks(ctx, j); err != nil {
			return t, err
		}
	}
	// Also after adding all: a submission that was frozen meanwhile may have added some of its own.
	if err := s.followJob(ctx, j); err != nil {
		return t, err
	}
	crash.Point("align.followed")
	return s.chunkTotals(ctx, &j)
}

// AddChunks stores those chunks of the job that do not exist yet, READY or in the state that its status asks for. Which
// chunks there must be follows from the job's row, so anybody may add them, any number of times.
func (s *Store) AddChunks(ctx context.Context, j job.Job) error {
	const perStatement = 500
	state := job.ChunkReady
	if !j.Status.HoldsSlot() {
		state = j.Status.ChunkFollow().To
	}
	if state == "" {
		return fmt.Errorf("a job that is %s lacks chunks", j.Status)
	}
	for from := 0; from < j.Chunks; from += perStatement {
		n := min(perStatement, j.Chunks-from)
		args := make([]any, 0, 6*n)
		for no := from; no < from+n; no++ {
			first := int64(no) * j.ChunkRows
			args = append(args, j.ID, no, first, min(j.ChunkRows, j.Requested-first), state, j.ChunksVersion)
		}
		_, err := s.exec(ctx, "add chunks", `
			INSERT INTO job_chunks (job_id, chunk_no, first_row, row_count, state, job_version)
			VALUES `+strings.TrimSuffix(strings.Repeat("(?,?,?,?,?,?),", n), ",")+s.dialect.onDuplicateKeep, args...)
		if err != nil {
			return err
		}
	}
	return nil
}

// followJob lets the chunks that are behind follow the job's last move. Each chunk carries the version of the job that
// it followed, so a process that was frozen before this step and wakes up after a later move changes nothing.
func (s *Store) followJob(ctx context.Context, j job.Job) error {
	follow := j.Status.ChunkFollow()
	if len(follow.From) == 0 {
		return nil
	}
	moves := `state IN ` + quoted(follow.From)
	// A chunk that moves has a clean record afterwards. The state is assigned after the columns whose value depends on it.
	_, err := s.exec(ctx, "align chunks", `
		UPDATE job_chunks
		   SET lease_until = CASE WHEN `+moves+` THEN 0 ELSE lease_until END,
		       stalls = CASE WHEN `+moves+` THEN 0 ELSE stalls END,
		       last_error = CASE WHEN `+moves+` THEN '' ELSE last_error END,
		       state = CASE WHEN `+moves+` THEN ? ELSE state END,
		       job_version = ?
		 WHERE job_id = ? AND job_version < ? AND state <> 'DONE'`,
		follow.To, j.ChunksVersion, j.ID, j.ChunksVersion)
	return err
}

// chunkTotals returns the sums over the chunks of j.
func (s *Store) chunkTotals(ctx context.Context, j *job.Job) (t job.ChunkTotals, err error) {
	err = s.r.QueryRowxContext(ctx, `
		SELECT COUNT(*),
		       COALESCE(SUM(CASE WHEN state IN ('READY', 'PAUSED') THEN 1 ELSE 0 END), 0),
		       COALESCE(SUM(CASE WHEN state = 'FAILED' THEN 1 ELSE 0 END), 0),
		       COALESCE(SUM(CASE WHEN state <> 'DONE' AND job_version < ? THEN 1 ELSE 0 END), 0),
		       COALESCE(SUM(CASE WHEN `+s.stalled()+` THEN 1 ELSE 0 END), 0),
		       COALESCE(SUM(rows_done - rows_rejected), 0),
		       COALESCE(SUM(rows_rejected), 0)
		  FROM job_chunks
		 WHERE job_id = ?`, j.ChunksVersion, job.MaxStalls, j.ID).
		Scan(&t.Recorded, &t.Open, &t.Failed, &t.Behind, &t.Stalled, &t.Processed, &t.Rejected)
	return t, translate("sum up chunks", err)
}
