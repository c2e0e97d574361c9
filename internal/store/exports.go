package store

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/jmoiron/sqlx"

	"github.com/musterhq/muster/internal/job"
)

// The files of export jobs.

// RenewExport starts the job of a claim if it waits, and renews the lease of the chunk while its files are written. It
// returns job.ErrFenced when the chunk is not the caller's any more.
func (s *Store) RenewExport(ctx context.Context, c *job.Claim) error {
	if err := s.startWaiting(ctx, c); err != nil {
		return err
	}
	rows, err := s.exec(ctx, "renew export", `
		UPDATE job_chunks SET lease_until = `+s.dialect.now+` + ?
		 WHERE job_id = ? AND chunk_no = ? AND block = ? AND state = 'READY' AND claims = ?`,
		s.lease.Milliseconds(), c.Chunk.JobID, c.Chunk.No, c.Chunk.Block, c.Chunk.Claims)
	if err == nil && rows == 0 {
		err = job.ErrFenced
	}
	return err
}

// CommitExport ends the claimed chunk of an export job, whose users were written to these files: the files and the chunk's
// end commit together. It returns job.ErrFenced when the chunk is not the caller's any more: then the files are nobody's.
func (s *Store) CommitExport(ctx context.Context, c *job.Claim, files []job.ExportFile) error {
	var users int64
	for i := range files {
		users += files[i].Rows
	}
	return s.commit(ctx, c, &batch{
		rows: int(c.Chunk.Rows),
		store: func(ctx context.Context, tx *sqlx.Tx, _ prepared, after *job.Chunk) error {
			// Users may have come back while they were read; what was passed over cannot be less than nothing.
			after.Skipped = max(0, c.Chunk.Rows-users)
			_, err := tx.ExecContext(ctx, `UPDATE job_chunks SET rows_skipped = ? WHERE job_id = ? AND chunk_no = ? AND block = ?`,
				after.Skipped, c.Chunk.JobID, c.Chunk.No, c.Chunk.Block)
			if err != nil || len(files) == 0 {
				return err
			}
			args := make([]any, 0, 8*len(files))
			for i := range files {
				f := &files[i]
				args = append(args, c.Chunk.JobID, c.Chunk.No, f.Number, f.Object, f.Rows, f.Bytes, f.SHA256, c.Chunk.Block)
			}
			_, err = tx.ExecContext(ctx, `
				INSERT INTO export_files (job_id, chunk_no, file_no, object, row_count, bytes, sha256, block)
				VALUES `+lists("(?,?,?,?,?,?,?,?)", len(files)), args...)
			return err
		},
	})
}

// ExportFiles returns the files that an export job has written, in the order of their users; none when they were swept away.
func (s *Store) ExportFiles(ctx context.Context, jobID string) ([]job.ExportFile, error) {
	var rows []struct {
		Chunk  int    `db:"chunk_no"`
		Number int    `db:"file_no"`
		Object string `db:"object"`
		Rows   int64  `db:"row_count"`
		Bytes  int64  `db:"bytes"`
		SHA256 string `db:"sha256"`
	}
	err := s.r.SelectContext(ctx, &rows, `
		SELECT chunk_no, file_no, object, row_count, bytes, sha256
		  FROM export_files
		 WHERE job_id = ?
		 ORDER BY chunk_no, file_no`, jobID)
	files := make([]job.ExportFile, len(rows))
	for i := range rows {
		files[i] = job.ExportFile(rows[i])
	}
	return files, translate("read files of an export", err)
}

// DeleteExports forgets the files of export jobs that were over by then, and returns how many. The objects are the sweeper's
// to remove. Of a job that FAILED the chunks that were done are to be done anew, should it be retried: their files are gone.
func (s *Store) DeleteExports(ctx context.Context, endedBefore time.Time) (files int64, err error) {
	for id := ""; ; {
		err := s.r.GetContext(ctx, &id, `SELECT job_id FROM export_files WHERE job_id > ? ORDER BY job_id LIMIT 1`, id)
		if errors.Is(err, sql.ErrNoRows) {
			return files, nil
		}
		if err != nil {
			return files, translate("read files of exports", err)
		}
		over, err := s.FileJobOver(ctx, id, endedBefore)
		if err != nil {
			return files, err
		}
		if !over {
			continue
		}
		n, err := s.forgetExport(ctx, id)
		files += n
		if err != nil {
			return files, err
		}
	}
}

// forgetExport has no effect when the owner retries the job meanwhile: he waits for the job's row.
func (s *Store) forgetExport(ctx context.Context, id string) (files int64, err error) {
	err = s.inTx(ctx, "forget files of an export", func(tx *sqlx.Tx) error {
		files = 0
		var status job.Status
		err := tx.GetContext(ctx, &status, `SELECT status FROM jobs WHERE id = ?`+s.dialect.forUpdate, id)
		switch {
		case errors.Is(err, sql.ErrNoRows): // of a database that was restored
		case err != nil:
			return err
		case !status.Terminal():
			return nil
		case status == job.Failed:
			_, err := s.beside(tx).ExecContext(ctx, `
				UPDATE `+eachShard+`job_chunks SET state = 'FAILED', rows_done = 0, rows_skipped = 0 WHERE job_id = ? AND state = 'DONE'`, id)
			if err != nil {
				return err
			}
		}
		files, err = changed(s.beside(tx).ExecContext(ctx, `DELETE `+eachShard+`FROM export_files WHERE job_id = ?`, id))
		return err
	})
	return files, err
}
