package store

import (
	"context"
	"database/sql"
	"errors"

	"github.com/jmoiron/sqlx"

	"github.com/musterhq/muster/internal/job"
)

// The moves of a job from the reading of its file to the import of the file's rows.

// whilePreparing is the condition of a job that is not over, and whose file is still being read.
var whilePreparing = `phase = 'PREPARING' AND status IN ` + quoted([]job.Status{job.Pending, job.InProgress})

// RenewPreparation tells that the worker which holds c is at this byte of the file: it starts the job if it waits, and renews
// the lease. It clears the chunk's stalls only when that is farther than anybody was before, so that a file which kills its
// workers at one place fails, and one whose workers are killed now and then does not. It returns job.ErrFenced when the
// chunk is not the caller's any more.
func (s *Store) RenewPreparation(ctx context.Context, c *job.Claim, bytes int64) error {
	if err := s.startWaiting(ctx, c); err != nil {
		return err
	}
	bytes = min(bytes, c.Chunk.Rows)
	// MySQL assigns from left to right, with the new values: so the stalls, which go by rows_done as it was, come first.
	rows, err := s.exec(ctx, "renew preparation", `
		UPDATE job_chunks
		   SET stalls = CASE WHEN ? > rows_done THEN 0 ELSE stalls END,
		       rows_done = CASE WHEN ? > rows_done THEN ? ELSE rows_done END,
		       lease_until = `+s.dialect.now+` + ?
		 WHERE job_id = ? AND chunk_no = ? AND block = ? AND state = 'READY' AND claims = ?`,
		bytes, bytes, bytes, s.lease.Milliseconds(), c.Chunk.JobID, c.Chunk.No, c.Chunk.Block, c.Chunk.Claims)
	if err == nil && rows == 0 {
		err = job.ErrFenced
	}
	if err == nil {
		c.Chunk.Done = max(c.Chunk.Done, bytes)
	}
	return err
}

// startWaiting starts the claim's job if it waits for its first batch.
func (s *Store) startWaiting(ctx context.Context, c *job.Claim) error {
	if c.Job.Status != job.Pending {
		return nil
	}
	return s.startJob(ctx, c)
}

// StartImporting makes the first step of the move from PREPARING to IMPORTING: the file has so many rows, in so many chunks
// of chunkRows each; the job is of the tier that c's job has, and its ids are reserved, unless it is a dry run. It returns the
// job as it stands then, also when somebody else has made the step, whose outcome is the same; the second step is AlignChunks.
// It returns job.ErrFenced when the job is paused or over, and nothing is changed.
func (s *Store) StartImporting(
	ctx context.Context, c *job.Claim, found *job.FileFound, chunks int, chunkRows int64,
) (j job.Job, err error) {
	if err := s.startWaiting(ctx, c); err != nil {
		return job.Job{}, err
	}
	p, err := paramsWith(&c.Job, found)
	if err != nil {
		return job.Job{}, err
	}
	for n := 1; ; n++ {
		err = s.inTx(ctx, "start importing", func(tx *sqlx.Tx) error {
			rows, err := changed(tx.ExecContext(ctx, `
				UPDATE jobs
				   SET phase = 'IMPORTING', tier = ?, requested = ?, chunks = ?, chunk_rows = ?, params = ?,
				       chunks_version = version + 1, version = version + 1
				 WHERE id = ? AND `+whilePreparing, c.Job.Tier, found.Rows, chunks, chunkRows, p, c.Job.ID))
			if err == nil && rows == 1 && found.Rows > 0 && !c.Job.DryRun {
				err = s.reserveIDsOf(ctx, tx, c.Job.ID, found.Rows)
			}
			if err == nil {
				j, err = s.jobRowOf(ctx, tx, c.Job.ID)
			}
			return err
		})
		// After a lost COMMIT the next run finds the job IMPORTING, or does it now.
		if !errors.Is(err, job.ErrUncertain) || n == attempts || backoff(ctx, n) != nil {
			break
		}
	}
	switch {
	case err != nil:
		return job.Job{}, err
	case j.Phase != job.Importing:
		return job.Job{}, job.ErrFenced
	}
	return j, nil
}

// reserveIDsOf gives a job the ids of its rows. It comes after the job's row is held, so that the row which all submissions
// want is held for a moment only.
func (s *Store) reserveIDsOf(ctx context.Context, tx *sqlx.Tx, id string, rows int64) error {
	first, err := reserveIDs(ctx, tx, rows)
	if err != nil {
		return err
	}
	return requireRow(tx.ExecContext(ctx, `UPDATE jobs SET first_id = ? WHERE id = ?`, first, id))
}

// paramsWith returns the params of j with what its file was found to be.
func paramsWith(j *job.Job, found *job.FileFound) (string, error) {
	if j.File == nil {
		return "", errors.New("job " + j.ID + " has no file")
	}
	with, file := *j, *j.File
	file.Found, with.File = found, &file
	return paramsOf(&with)
}

// FailPreparation records that the file cannot be imported: what was found of it, and that its chunk has failed for good.
// FinishJob then ends the job with the code of the fault. It returns job.ErrFenced when the chunk is not the caller's any more,
// or the job is paused or over.
func (s *Store) FailPreparation(ctx context.Context, c *job.Claim, fault *job.FileError) error {
	if fault.Found != nil {
		p, err := paramsWith(&c.Job, fault.Found)
		if err != nil {
			return err
		}
		rows, err := s.exec(ctx, "record what was found", `
			UPDATE jobs SET params = ?, version = version + 1 WHERE id = ? AND `+whilePreparing, p, c.Job.ID)
		if err == nil && rows == 0 {
			err = job.ErrFenced
		}
		if err != nil {
			return err
		}
	}
	// No stalls: that is how preparationFailure tells it from a chunk that failed because of them.
	rows, err := s.exec(ctx, "fail preparation", `
		UPDATE job_chunks
		   SET state = 'FAILED', stalls = 0, lease_until = 0, last_error = ?
		 WHERE job_id = ? AND chunk_no = ? AND block = ? AND state = 'READY' AND claims = ?`,
		fault.Code, c.Chunk.JobID, c.Chunk.No, c.Chunk.Block, c.Chunk.Claims)
	if err == nil && rows == 0 {
		return job.ErrFenced
	}
	return err
}

// preparationFailure returns the code of the error for which a job's preparation failed; empty when it stalled too often.
func (s *Store) preparationFailure(ctx context.Context, id string) (code string, err error) {
	err = s.r.GetContext(ctx, &code, `
		SELECT last_error
		  FROM job_chunks
		 WHERE job_id = ? AND chunk_no = ? AND block = ? AND state = 'FAILED' AND stalls = 0`, id, job.PrepareChunk, prepareBlock)
	if errors.Is(err, sql.ErrNoRows) {
		return "", nil
	}
	return code, translate("read chunk", err)
}
