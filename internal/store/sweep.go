package store

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/musterhq/muster/internal/job"
)

// What the sweep of old files asks, and what it removes.

// uploadInUseSQL counts the jobs of an upload that are not over, or have ended since.
var uploadInUseSQL = `SELECT COUNT(*) FROM jobs WHERE upload_id = ? AND (` + notOver + ` OR finished_at >= ?)`

// UploadInUse reports whether a job uses the upload that is not over, or has ended since then.
func (s *Store) UploadInUse(ctx context.Context, uploadID string, since time.Time) (bool, error) {
	var jobs int
	err := s.w.GetContext(ctx, &jobs, uploadInUseSQL, uploadID, since.UnixMilli())
	return jobs > 0, translate("read jobs", err)
}

// notOver is the condition of a job that still moves by itself, or is paused.
var notOver = `status IN ` + quoted([]job.Status{job.Pending, job.InProgress, job.Paused})

// FileJobOver reports whether the job was over by then. A job that does not exist is.
func (s *Store) FileJobOver(ctx context.Context, jobID string, since time.Time) (over bool, err error) {
	err = s.w.GetContext(ctx, &over, `
		SELECT CASE WHEN `+notOver+` OR finished_at >= ? THEN 0 ELSE 1 END FROM jobs WHERE id = ?`, since.UnixMilli(), jobID)
	if errors.Is(err, sql.ErrNoRows) {
		return true, nil
	}
	return over, translate("read job", err)
}

// rejectsPerSlice is how many rejected rows one statement deletes.
const rejectsPerSlice = 2000

// DeleteRejects deletes the rejected rows of jobs that were over by then, and returns how many. It may be called by any
// number of processes at once, and goes on where one that died has stopped.
func (s *Store) DeleteRejects(ctx context.Context, endedBefore time.Time) (rows int64, err error) {
	for id := ""; ; {
		// From job to job by the primary key, however many rows each has.
		err := s.r.GetContext(ctx, &id, `SELECT job_id FROM job_rejects WHERE job_id > ? ORDER BY job_id LIMIT 1`, id)
		if errors.Is(err, sql.ErrNoRows) {
			return rows, nil
		}
		if err != nil {
			return rows, translate("read rejected rows", err)
		}
		over, err := s.FileJobOver(ctx, id, endedBefore)
		if err != nil {
			return rows, err
		}
		if !over {
			continue
		}
		n, err := s.deleteRejectsOf(ctx, id)
		rows += n
		if err != nil {
			return rows, err
		}
	}
}

func (s *Store) deleteRejectsOf(ctx context.Context, id string) (rows int64, err error) {
	for {
		var end sql.NullInt64 // the last of the next slice
		err := s.w.GetContext(ctx, &end, `
			SELECT MAX(row_no) FROM (SELECT row_no FROM job_rejects WHERE job_id = ? ORDER BY row_no LIMIT ?) AS slice`,
			id, rejectsPerSlice)
		if err != nil || !end.Valid {
			return rows, translate("delete rejected rows", err)
		}
		n, err := s.exec(ctx, "delete rejected rows", `DELETE `+eachShard+`FROM job_rejects WHERE job_id = ? AND row_no <= ?`, id, end.Int64)
		rows += n
		if err != nil {
			return rows, err
		}
	}
}
