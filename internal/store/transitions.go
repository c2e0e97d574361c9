package store

import (
	"context"
	"database/sql"
	"errors"
	"strings"

	"github.com/jmoiron/sqlx"

	"github.com/musterhq/muster/internal/crash"
	"github.com/musterhq/muster/internal/job"
	"github.com/musterhq/muster/internal/webhook"
)

// Every move of a job is written here, and each is two steps: first the job's row, then its chunks (AlignChunks). No
// transaction spans the two, so that jobs may lie on another server than chunks and users. A process that dies between
// them leaves chunks that are behind; the reconciler finds those and makes the second step.

// CreateJob makes the job exist: it reserves the ids of its users and stores its row, in one transaction. The caller
// has set j.ChunkRows; FirstID, Chunks, Status and CreatedAt are filled in. The job of a file begins PREPARING, with one
// chunk for all bytes of the file and without ids; ChunkRows is filled in, too. AddChunks is the second step. It returns
// job.ErrDuplicateKey when the owner has a job under the same idempotency key.
func (s *Store) CreateJob(ctx context.Context, j *job.Job) error {
	p, err := paramsOf(j)
	if err != nil {
		return err
	}
	var upload string
	if j.File != nil {
		j.Phase, j.ChunkRows, j.Chunks, upload = job.Preparing, preparationRows(j.File), 1, j.File.Upload
	} else {
		j.Chunks = int((j.Requested + j.ChunkRows - 1) / j.ChunkRows)
	}
	j.Status = job.Pending
	key := nullable(j.IdempotencyKey)
	return s.inTx(ctx, "create job", func(tx *sqlx.Tx) error {
		if j.File == nil && j.Export == nil {
			if j.FirstID, err = reserveIDs(ctx, tx, j.Requested); err != nil {
				return err
			}
		}
		var now int64
		if err := tx.GetContext(ctx, &now, `SELECT `+s.dialect.now); err != nil {
			return err
		}
		j.CreatedAt = millis(now)
		_, err := tx.ExecContext(ctx, `
			INSERT INTO jobs (id, owner, source, tier, status, requested, chunks, chunk_rows, first_id, seed, params,
			                  idempotency_key, request_hash, created_at, deadline_at, phase, dry_run, upload_id)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
			j.ID, j.Owner, j.Source, j.Tier, j.Status, j.Requested, j.Chunks, j.ChunkRows, j.FirstID, j.Seed, p,
			key, j.RequestHash, now, s.deadlineFrom(now), j.Phase, j.DryRun, nullable(upload))
		if classify(err).class == duplicate && key.Valid {
			return job.ErrDuplicateKey
		}
		return err
	})
}

// nullable is s, and NULL when it is empty.
func nullable(s string) sql.NullString { return sql.NullString{String: s, Valid: s != ""} }

// deadlineFrom returns when a job that is created now must be over, ms since 1970; 0: never.
func (s *Store) deadlineFrom(now int64) int64 {
	if s.allowed == 0 {
		return 0
	}
	return now + s.allowed.Milliseconds()
}

// reserveIDs takes n contiguous user ids and returns the first.
func reserveIDs(ctx context.Context, tx *sqlx.Tx, n int64) (first int64, err error) {
	// The UPDATE holds the row until the commit, so the SELECT reads its own increment.
	rows, err := changed(tx.ExecContext(ctx, `UPDATE id_blocks SET next_id = next_id + ? WHERE name = 'users'`, n))
	if err != nil {
		return 0, err
	}
	if rows != 1 {
		return 0, errors.New("id_blocks has no row for users")
	}
	err = tx.GetContext(ctx, &first, `SELECT next_id - ? FROM id_blocks WHERE name = 'users'`, n)
	return first, err
}

// MoveJob makes the first step of a move that the job's owner asks for, and returns the job as it stands then, without its
// counts; its second step is AlignChunks. Asking for a move that is made already has no effect. The slot of a job that is
// to run again has to be reserved by the caller before. Errors: job.ErrNotFound, *job.StateError; job.ErrUncertain when
// the move may have been made.
func (s *Store) MoveJob(ctx context.Context, owner, id string, m job.Move) (j job.Job, err error) {
	set, args := s.moveAssignments(m)
	refused := false
	err = s.inTx(ctx, string(m)+" job", func(tx *sqlx.Tx) error {
		rows, err := changed(tx.ExecContext(ctx, `
			UPDATE jobs
			   SET `+set+`, wait_reason = '', finalized_at = 0, version = version + 1
			 WHERE id = ? AND owner = ? AND `+legalFor(m), append(args, id, owner)...))
		if err != nil {
			return err
		}
		refused = rows == 0
		// In the same transaction: a move whose outcome cannot be told is not made.
		if j, err = s.jobRowOf(ctx, tx, id); err != nil || refused || m != job.MoveCancel {
			return err
		}
		to, err := s.receiversOf(ctx, tx, &j)
		if err != nil {
			return err
		}
		return s.record(ctx, tx, &j, j.Version, webhook.JobCancelled, to)
	})
	crash.Point("move.written")
	switch {
	case err != nil:
		return job.Job{}, err
	case j.Owner != owner:
		return job.Job{}, job.ErrNotFound
	case refused && !m.Made(&j):
		return job.Job{}, &job.StateError{Move: m, Status: j.Status}
	}
	return j, nil
}

// legalFor returns the condition of a job that may make the move. One that is to be undone never runs again, and an export
// has nothing to undo.
func legalFor(m job.Move) string {
	condition := `status IN ` + quoted(m.From())
	if m == job.MoveRetry || m == job.MoveUndo {
		condition += ` AND undo_at = 0`
	}
	if m == job.MoveUndo {
		condition += ` AND source <> '` + job.SourceExport + `'`
	}
	return condition
}

// quoted returns the list that follows IN. The values are constants of ours.
func quoted[T ~string](values []T) string {
	list := make([]string, len(values))
	for i, v := range values {
		list[i] = "'" + string(v) + "'"
	}
	return `(` + strings.Join(list, ", ") + `)`
}

// moveAssignments returns the SET list of an owner's move, and its arguments. MySQL evaluates assignments from left to
// right, with the new values, and SQLite with the old ones: so each reads only columns that are assigned later.
func (s *Store) moveAssignments(m job.Move) (set string, args []any) {
	now := s.dialect.now
	switch m {
	case job.MovePause:
		set = `paused_at = ` + now
	case job.MoveResume: // the time that it was paused does not count against its deadline
		set = `deadline_at = CASE WHEN deadline_at > 0 THEN deadline_at + ` + now + ` - paused_at ELSE 0 END,
			       ` + s.addIdle("paused_at") + `, paused_at = 0`
	case job.MoveRetry: // it gets a new deadline
		set = s.addIdle("finished_at") + `, error_code = '', finished_at = 0,
			       deadline_at = CASE WHEN ? > 0 THEN ` + now + ` + ? ELSE 0 END`
		args = []any{s.allowed.Milliseconds(), s.allowed.Milliseconds()}
	case job.MoveCancel:
		set = `finished_at = ` + now + `, ` + s.addIdle("paused_at") + `, paused_at = 0`
	case job.MoveUndo:
		return `undo_at = ` + now, nil
	case job.MoveStart, job.MoveComplete, job.MoveFail: // no owner makes these
	}
	return set + `, chunks_version = version + 1, status = '` + string(m.To()) + `'`, args
}

// addIdle returns the assignment that adds the time since that of a column, such as paused_at, to the time in which the job
// stood still after its start.
func (s *Store) addIdle(since string) string {
	return `idle_ms = idle_ms + CASE WHEN started_at > 0 AND ` + since + ` > 0 THEN ` + s.dialect.now + ` - ` + since + ` ELSE 0 END`
}

// startJob moves the claim's job to IN_PROGRESS before its first batch, also the first after a pause. It has no effect when
// another chunk's batch was first.
func (s *Store) startJob(ctx context.Context, c *job.Claim) error {
	_, err := s.exec(ctx, "start job", `
		UPDATE jobs
		   SET status = 'IN_PROGRESS', version = version + 1,
		       started_at = CASE WHEN started_at = 0 THEN `+s.dialect.now+` ELSE started_at END
		 WHERE id = ? AND `+legalFor(job.MoveStart), c.Job.ID)
	if err == nil {
		c.Job.Status = job.InProgress
	}
	return err
}

// FinishJob ends a job that runs and whose chunks are all over: COMPLETED when each is done and no more rows were rejected
// than may be, else FAILED. A job that is PREPARING only ends when that failed. It reports whether this call made the move;
// exactly one call does. Call it after the commit that ended a chunk: of two last chunks that end at once, the later one sees
// both.
func (s *Store) FinishJob(ctx context.Context, id string) (bool, error) {
	crash.Point("finish.begin")
	j, err := s.jobRowOf(ctx, s.r, id)
	if err != nil || !j.Status.HoldsSlot() {
		return false, err
	}
	t, err := s.chunkTotals(ctx, &j)
	if err != nil || t.Open > 0 || !t.Aligned(&j) {
		return false, err
	}
	t.Count(&j)
	code, err := s.failure(ctx, &j, &t)
	if err != nil {
		return false, err
	}
	move, event := job.MoveComplete, webhook.JobCompleted
	if code != "" {
		move, event = job.MoveFail, webhook.JobFailed
	}
	// Whoever moved the job since it was read has raised its version, and reconciles it.
	rows, err := s.execEnding(ctx, "finish job", &j, event, `
		UPDATE jobs
		   SET status = ?, version = version + 1, error_code = ?, wait_reason = '', finalized_at = 0,
		       finished_at = `+s.dialect.now+`, `+counts+`
		 WHERE id = ? AND version = ? AND `+legalFor(move),
		append(countsOf(&j, move.To(), code), id, j.Version)...)
	if rows == 1 {
		crash.Point("finish.moved")
	}
	return rows == 1, err
}

// failure returns the code of the error with which j fails, whose chunks are over; empty when it does not.
func (s *Store) failure(ctx context.Context, j *job.Job, t *job.ChunkTotals) (code string, err error) {
	switch {
	case j.TooManyRejected():
		return job.CodeTooManyRejected, nil
	case t.Failed == 0:
		return "", nil
	case j.Phase == job.Preparing:
		code, err = s.preparationFailure(ctx, j.ID)
	case j.Phase == job.Importing:
		code, err = s.importFailure(ctx, j.ID)
	}
	switch {
	case err != nil || code != "":
		return code, err
	case j.Overdue:
		return "deadline_exceeded", nil
	}
	return "chunk_failed", nil
}

// importFailure returns the code of a file that was gone before all of its chunks were read; empty when that is not why they
// failed.
func (s *Store) importFailure(ctx context.Context, id string) (string, error) {
	var chunks int
	err := s.r.GetContext(ctx, &chunks,
		`SELECT COUNT(*) FROM job_chunks WHERE job_id = ? AND state = 'FAILED' AND last_error = ?`, id, job.CodeFileMissing)
	if err != nil || chunks == 0 {
		return "", translate("read chunks", err)
	}
	return job.CodeFileMissing, nil
}

// counts is the part of a SET list that stores a job's counts, and countsOf appends their values to args.
const counts = `processed = ?, rejected = ?, updated = ?, unchanged = ?, skipped = ?`

func countsOf(j *job.Job, args ...any) []any {
	return append(args, j.Processed, j.Rejected, j.Updated, j.Unchanged, j.Skipped)
}

// FinalizeJob records that everything is done that follows the end or the pause of j, and with it the counts of its
// chunks, which are final. It has no effect when the job has moved since j was read, while it runs, and while users of
// it are still to be removed.
func (s *Store) FinalizeJob(ctx context.Context, j job.Job) error {
	_, err := s.exec(ctx, "finalize job", `
		UPDATE jobs
		   SET finalized_at = `+s.dialect.now+`, `+counts+`
		 WHERE id = ? AND version = ? AND finalized_at = 0
		   AND status NOT IN ('PENDING', 'IN_PROGRESS') AND (undo_at = 0 OR undone_at > 0)`,
		append(countsOf(&j), j.ID, j.Version)...)
	return err
}

// SetWaitReason sets why a job waits that is to run; empty clears it.
func (s *Store) SetWaitReason(ctx context.Context, id string, reason job.WaitReason) error {
	_, err := s.exec(ctx, "set wait reason", `
		UPDATE jobs SET wait_reason = ?
		 WHERE id = ? AND status IN ('PENDING', 'IN_PROGRESS')`, reason, id)
	return err
}
