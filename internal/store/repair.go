package store

import (
	"context"

	"github.com/musterhq/muster/internal/job"
)

// What the reconciler reads and repairs.

// UnfinalizedJobs returns up to limit jobs that need the reconciler, by id from after on: those that run, and those
// that are over, paused or to be undone and whose slot, chunks, live view or users may not agree yet. Their counts are
// not read.
func (s *Store) UnfinalizedJobs(ctx context.Context, after string, limit int) ([]job.Job, error) {
	return s.selectJobs(ctx, s.r, `WHERE finalized_at = 0 AND id > ? ORDER BY id LIMIT ?`, after, limit)
}

// stalled returns the condition of a chunk that nobody holds and that stalled ? times or more.
func (s *Store) stalled() string {
	return `state = 'READY' AND stalls >= ? AND lease_until < ` + s.dialect.now
}

// FailStalled marks the chunks of j that stalled too often as failed for good, and returns how many.
func (s *Store) FailStalled(ctx context.Context, j job.Job) (int64, error) {
	return s.exec(ctx, "fail stalled chunks",
		`UPDATE `+eachShard+`job_chunks SET state = 'FAILED' WHERE job_id = ? AND `+s.stalled(), j.ID, j.MaxStalls())
}

// FailOpen marks the chunks of j that are still open as failed for good, for the reason, which is the code of an error, and
// returns how many. It leaves those alone that have followed a later move than j knows of.
func (s *Store) FailOpen(ctx context.Context, j job.Job, reason string) (int64, error) {
	return s.exec(ctx, "fail open chunks", `
		UPDATE `+eachShard+`job_chunks
		   SET state = 'FAILED', last_error = ?
		 WHERE job_id = ? AND state = 'READY' AND job_version <= ?`, reason, j.ID, j.ChunksVersion)
}

// ClaimableChunks returns those of the job's first window open chunks that no worker holds: what belongs in the queue.
func (s *Store) ClaimableChunks(ctx context.Context, id string, window int) ([]job.Chunk, error) {
	var rows []struct {
		chunkRow

		Held bool `db:"held"`
	}
	err := s.r.SelectContext(ctx, &rows, `
		SELECT `+chunkColumns+`, CASE WHEN lease_until >= `+s.dialect.now+` THEN 1 ELSE 0 END AS held
		  FROM job_chunks
		 WHERE job_id = ? AND state = 'READY'
		 ORDER BY chunk_no
		 LIMIT ?`, id, window)
	var chunks []job.Chunk
	for _, r := range rows {
		if !r.Held {
			chunks = append(chunks, r.chunk())
		}
	}
	return chunks, translate("read chunks", err)
}
