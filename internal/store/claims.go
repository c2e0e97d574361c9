package store

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/jmoiron/sqlx"

	"github.com/musterhq/muster/internal/crash"
	"github.com/musterhq/muster/internal/job"
)

// ClaimChunk takes a chunk for one lease. It returns nil when somebody else holds it, it is over or stalled too often,
// or its job does not run: there is nothing to do then. The job's counts are not read.
func (s *Store) ClaimChunk(ctx context.Context, jobID string, no int) (*job.Claim, error) {
	crash.Point("claim.begin")
	// Before the claim: if this read failed after it, the claim would be a stall, and three of them fail the chunk.
	j, err := s.jobRowOf(ctx, s.r, jobID)
	// A chunk of the other phase may exist by now. Its turn comes when the job is read in that phase.
	if first, count := j.ChunkNumbers(); err != nil || !j.Status.HoldsSlot() || no < first || no >= first+count {
		return nil, err
	}
	row, err := s.chunkRowOf(ctx, jobID, no)
	if err != nil || row == nil {
		return nil, err
	}
	now := s.dialect.now
	err = s.inTx(ctx, "claim chunk", func(tx *sqlx.Tx) error {
		began := time.Now()
		err := requireRow(tx.ExecContext(ctx, `
			UPDATE job_chunks
			   SET lease_until = `+now+` + ?, stalls = stalls + 1, claims = claims + 1
			 WHERE job_id = ? AND chunk_no = ? AND block = ? AND state = 'READY' AND lease_until < `+now+` AND stalls < ?`,
			s.lease.Milliseconds(), jobID, no, row.Block, j.MaxStalls()))
		if err != nil {
			return err
		}
		s.observeRTT(time.Since(began))
		crash.Point("claim.taken")
		err = tx.GetContext(ctx, row, `SELECT `+chunkColumns+` FROM job_chunks WHERE job_id = ? AND chunk_no = ? AND block = ?`, jobID, no, row.Block)
		crash.Point("claim.read")
		return err
	})
	if errors.Is(err, errNoRow) {
		return nil, nil
	}
	// After a lost COMMIT the chunk may be the caller's or not. Going on is safe, since each batch has its own guard;
	// giving up would leave the stall.
	if err != nil && !errors.Is(err, job.ErrUncertain) {
		return nil, err
	}
	return &job.Claim{Job: j, Chunk: row.chunk()}, nil
}

// chunkRowOf returns the row of a chunk, also where a sharded database has it; nil: there is none.
func (s *Store) chunkRowOf(ctx context.Context, jobID string, no int) (*chunkRow, error) {
	var row chunkRow
	err := s.r.GetContext(ctx, &row, `SELECT `+chunkColumns+` FROM job_chunks WHERE job_id = ? AND chunk_no = ?`, jobID, no)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	return &row, translate("read chunk", err)
}

// GiveBack ends a claim on purpose: the chunk may be claimed again after wait, and the claim does not count as a
// stall. reason is kept as the chunk's last error. It has no effect when the chunk was claimed again or has moved on since.
func (s *Store) GiveBack(ctx context.Context, c *job.Claim, wait time.Duration, reason string) error {
	crash.Point("giveback.begin")
	_, err := s.exec(ctx, "give back chunk", `
		UPDATE job_chunks
		   SET lease_until = CASE WHEN ? > 0 THEN `+s.dialect.now+` + ? ELSE 0 END,
		       stalls = CASE WHEN stalls > 0 AND stalls >= ? THEN stalls - 1 ELSE stalls END, last_error = ?
		 WHERE job_id = ? AND chunk_no = ? AND block = ? AND state = 'READY' AND claims = ? AND rows_done = ?`,
		wait.Milliseconds(), wait.Milliseconds(), c.Chunk.Stalls, cut(reason),
		c.Chunk.JobID, c.Chunk.No, c.Chunk.Block, c.Chunk.Claims, c.Chunk.Done)
	crash.Point("giveback.done")
	return err
}

// Stall ends a claim that failed by the chunk's own fault, such as a panic: the stall stays counted. It has no effect
// when the chunk was claimed again since.
func (s *Store) Stall(ctx context.Context, c *job.Claim, reason string) error {
	_, err := s.exec(ctx, "stall chunk", `
		UPDATE job_chunks SET lease_until = 0, last_error = ?
		 WHERE job_id = ? AND chunk_no = ? AND block = ? AND state = 'READY' AND claims = ?`,
		cut(reason), c.Chunk.JobID, c.Chunk.No, c.Chunk.Block, c.Chunk.Claims)
	return err
}

// mostText is how many characters the columns for messages hold.
const mostText = 500

// cut shortens a text to what fits into last_error.
func cut(s string) string { return cutTo(s, mostText) }

func cutTo(s string, most int) string {
	if r := []rune(s); len(r) > most {
		return string(r[:most])
	}
	return s
}
