package store

import (
	"context"
	"database/sql"

	"github.com/musterhq/muster/internal/crash"
	"github.com/musterhq/muster/internal/job"
	"github.com/musterhq/muster/internal/webhook"
)

// undoRows is how many users one slice removes: some ten milliseconds of locks.
const undoRows = 5000

// UndoSlice removes the next users of a job that is to be undone and reports whether there may be more. Ids without a user,
// of which a job that was cancelled early may have millions, are passed over at once. The users go first and the job's row
// follows, so any number of workers may call it and any of them may die: a slice that is removed twice is gone all the same.
// What the rows of a file changed of users that were there stays.
func (s *Store) UndoSlice(ctx context.Context, j *job.Job) (more bool, err error) {
	if !j.UndoPending() {
		return false, nil
	}
	crash.Point("undo.begin")
	from, to := j.UndoneRows, j.Requested
	if j.FirstID != 0 {
		if to, err = s.removeSlice(ctx, j); err != nil {
			return false, err
		}
	} // else it has no ids: a file that was never prepared, a dry run, or no rows
	crash.Point("undo.deleted")
	advance := `
		UPDATE jobs
		   SET undo_rows = ?, version = version + 1, undone_at = CASE WHEN ? >= requested THEN ` + s.dialect.now + ` ELSE 0 END
		 WHERE id = ? AND undo_at > 0 AND undone_at = 0 AND undo_rows = ?`
	var rows int64
	if to < j.Requested {
		rows, err = s.exec(ctx, "undo job", advance, to, to, j.ID, from)
	} else {
		rows, err = s.execEnding(ctx, "undo job", j, webhook.JobUndone, advance, to, to, j.ID, from)
	}
	if err != nil || rows == 0 { // another worker was faster
		return false, err
	}
	crash.Point("undo.sliced")
	j.UndoneRows, j.Undone, j.Version = to, to >= j.Requested, j.Version+1
	return !j.Undone, nil
}

// removeSlice removes the next users of j, and returns the row up to which there is none any more.
func (s *Store) removeSlice(ctx context.Context, j *job.Job) (to int64, err error) {
	from, to := j.UndoneRows, j.Requested
	var found sql.NullInt64 // the next user
	err = s.w.GetContext(ctx, &found, `SELECT MIN(id) FROM users WHERE id >= ? AND id < ?`, j.FirstID+from, j.FirstID+to)
	if err != nil {
		return 0, translate("undo job", err)
	}
	next := j.FirstID + from
	if found.Valid {
		next, to = found.Int64, min(found.Int64-j.FirstID+undoRows, j.Requested)
	}
	// Also when nobody was found: a replica that lags may have answered. It refuses the DELETE, and the primary does it.
	_, err = s.exec(ctx, "undo job", `DELETE `+eachShard+`FROM users WHERE id >= ? AND id < ?`, next, j.FirstID+to)
	return to, err
}
