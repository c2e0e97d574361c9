package store

import (
	"context"
	"strings"

	"github.com/musterhq/muster/internal/crash"
	"github.com/musterhq/muster/internal/job"
)

// What the reconciler reads and repairs.

// UnfinalizedJobs returns up to limit jobs that need the reconciler, by id from after on: those that run, and those
// that are over, paused or to be undone and whose slot, chunks, live view or users may not agree yet. Their counts are
// not read.
func (s *Store) UnfinalizedJobs(ctx context.Context, after string, limit int) ([]job.Job, error) {
	return s.selectJobs(ctx, `WHERE finalized_at = 0 AND id > ? ORDER BY id LIMIT ?`, after, limit)
}

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
	moves := `state IN ('` + string(follow.From[0])
	for _, state := range follow.From[1:] {
		moves += `', '` + string(state)
	}
	moves += `')`
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

// stalled returns the condition of a chunk that nobody holds and that stalled ? times or more.
func (s *Store) stalled() string {
	return `state = 'READY' AND stalls >= ? AND lease_until < ` + s.dialect.now
}

// FailStalled marks the chunks of a job that stalled too often as failed for good, and returns how many.
func (s *Store) FailStalled(ctx context.Context, id string) (int64, error) {
	return s.exec(ctx, "fail stalled chunks",
		`UPDATE job_chunks SET state = 'FAILED' WHERE job_id = ? AND `+s.stalled(), id, job.MaxStalls)
}

// FailOpen marks the chunks of j that are still open as failed for good, since its deadline has passed, and returns how
// many. It leaves those alone that have followed a later move than j knows of.
func (s *Store) FailOpen(ctx context.Context, j job.Job) (int64, error) {
	return s.exec(ctx, "fail overdue chunks", `
		UPDATE job_chunks
		   SET state = 'FAILED', last_error = 'the deadline of the job has passed'
		 WHERE job_id = ? AND state = 'READY' AND job_version <= ?`, j.ID, j.ChunksVersion)
}

// ClaimableChunks returns those of the job's first window open chunks that no worker holds: what belongs in the queue.
func (s *Store) ClaimableChunks(ctx context.Context, id string, window int) ([]job.Chunk, error) {
	return s.selectChunks(ctx, `
		WHERE job_id = ? AND state = 'READY' AND lease_until < `+s.dialect.now+` AND chunk_no IN (
			SELECT chunk_no FROM (
				SELECT chunk_no FROM job_chunks WHERE job_id = ? AND state = 'READY' ORDER BY chunk_no LIMIT ?) AS first_open)
		ORDER BY chunk_no`, id, id, window)
}
