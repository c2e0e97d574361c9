package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jmoiron/sqlx"

	"github.com/musterhq/muster/internal/job"
)

const jobColumns = `id, user_id, source, tier, status, version, requested, processed, rejected, chunks, first_id, seed,
	params, error_code, message, COALESCE(idempotency_key, '') AS idempotency_key, request_hash,
	created_at, started_at, finished_at, idle_ms, undo_at, undo_rows, undone_at`

type jobRow struct {
	ID             string `db:"id"`
	UserID         string `db:"user_id"`
	Source         string `db:"source"`
	Tier           string `db:"tier"`
	Status         string `db:"status"`
	Version        int64  `db:"version"`
	Requested      int64  `db:"requested"`
	Processed      int64  `db:"processed"`
	Rejected       int64  `db:"rejected"`
	Chunks         int    `db:"chunks"`
	FirstID        int64  `db:"first_id"`
	Seed           int64  `db:"seed"`
	Params         string `db:"params"`
	ErrorCode      string `db:"error_code"`
	Message        string `db:"message"`
	IdempotencyKey string `db:"idempotency_key"`
	RequestHash    string `db:"request_hash"`
	CreatedAt      int64  `db:"created_at"`
	StartedAt      int64  `db:"started_at"`
	FinishedAt     int64  `db:"finished_at"`
	Idle           int64  `db:"idle_ms"`
	UndoAt         int64  `db:"undo_at"`
	UndoRows       int64  `db:"undo_rows"`
	UndoneAt       int64  `db:"undone_at"`
}

// params is what only some sources need.
type params struct {
	Nat []string `json:"nat,omitempty"`
}

func (r *jobRow) job() (job.Job, error) {
	var p params
	if err := json.Unmarshal([]byte(r.Params), &p); err != nil {
		return job.Job{}, fmt.Errorf("params of job %s: %w", r.ID, err)
	}
	return job.Job{
		ID: r.ID, UserID: r.UserID, Source: r.Source, Tier: job.Tier(r.Tier), Status: job.Status(r.Status), Version: r.Version,
		Requested: r.Requested, Processed: r.Processed, Rejected: r.Rejected, Chunks: r.Chunks, FirstID: r.FirstID, Seed: r.Seed,
		Nat: p.Nat, ErrorCode: r.ErrorCode, Message: r.Message, IdempotencyKey: r.IdempotencyKey, RequestHash: r.RequestHash,
		UndoRequested: r.UndoAt > 0, Undone: r.UndoneAt > 0, UndoneRows: r.UndoRows,
		CreatedAt: millis(r.CreatedAt), StartedAt: millis(r.StartedAt), FinishedAt: millis(r.FinishedAt),
		Idle: time.Duration(r.Idle) * time.Millisecond,
	}, nil
}

func millis(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}

const chunkColumns = `job_id, chunk_no, first_row, row_count, rows_done, rows_rejected, claims, stalls`

type chunkRow struct {
	JobID    string `db:"job_id"`
	No       int    `db:"chunk_no"`
	FirstRow int64  `db:"first_row"`
	Rows     int64  `db:"row_count"`
	Done     int64  `db:"rows_done"`
	Rejected int64  `db:"rows_rejected"`
	Claims   int64  `db:"claims"`
	Stalls   int    `db:"stalls"`
}

func (r *chunkRow) chunk() job.Chunk { return job.Chunk(*r) }

// RecordJob makes the job exist: it reserves the ids of its users, stores the job and cuts it into chunks of at
// most chunkRows rows, in one transaction. It fills FirstID, Chunks, Status and CreatedAt of j. The answer is
// job.ErrDuplicateKey when the user has a job under the same idempotency key.
func (s *Store) RecordJob(ctx context.Context, j *job.Job, chunkRows int64) error {
	p, err := json.Marshal(params{Nat: j.Nat})
	if err != nil {
		return err
	}
	j.Status, j.Chunks = job.Pending, int((j.Requested+chunkRows-1)/chunkRows)
	key := sql.NullString{String: j.IdempotencyKey, Valid: j.IdempotencyKey != ""}
	err = s.inTx(ctx, "record job", func(tx *sqlx.Tx) error {
		if j.FirstID, err = reserveIDs(ctx, tx, j.Requested); err != nil {
			return err
		}
		var now int64
		if err := tx.GetContext(ctx, &now, `SELECT `+s.dialect.now); err != nil {
			return err
		}
		j.CreatedAt = millis(now)
		_, err := tx.ExecContext(ctx, `
			INSERT INTO jobs (id, user_id, source, tier, status, requested, chunks, first_id, seed, params, message,
			                  idempotency_key, request_hash, created_at, deadline_at)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
			j.ID, j.UserID, j.Source, j.Tier, j.Status, j.Requested, j.Chunks, j.FirstID, j.Seed, string(p), j.Message,
			key, j.RequestHash, now, s.deadlineFrom(now))
		if classify(err) == duplicate && key.Valid {
			return job.ErrDuplicateKey
		}
		if err != nil {
			return err
		}
		return insertChunks(ctx, tx, j, chunkRows)
	})
	return err
}

// reserveIDs takes n contiguous user ids and answers the first.
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

func insertChunks(ctx context.Context, tx *sqlx.Tx, j *job.Job, chunkRows int64) error {
	const perStatement = 500
	for from := 0; from < j.Chunks; from += perStatement {
		n := min(perStatement, j.Chunks-from)
		args := make([]any, 0, 4*n)
		for no := from; no < from+n; no++ {
			first := int64(no) * chunkRows
			args = append(args, j.ID, no, first, min(chunkRows, j.Requested-first))
		}
		_, err := tx.ExecContext(ctx, `INSERT INTO job_chunks (job_id, chunk_no, first_row, row_count) VALUES `+
			strings.TrimSuffix(strings.Repeat("(?,?,?,?),", n), ","), args...)
		if err != nil {
			return err
		}
	}
	return nil
}

// Job answers the job with its counts as they stand in its chunks, or job.ErrNotFound.
func (s *Store) Job(ctx context.Context, id string) (job.Job, error) {
	return s.oneJob(ctx, `WHERE id = ?`, id)
}

// JobByKey answers the user's job under an idempotency key, or job.ErrNotFound.
func (s *Store) JobByKey(ctx context.Context, userID, key string) (job.Job, error) {
	return s.oneJob(ctx, `WHERE user_id = ? AND idempotency_key = ?`, userID, key)
}

func (s *Store) oneJob(ctx context.Context, where string, args ...any) (job.Job, error) {
	jobs, err := s.selectJobs(ctx, where, args...)
	if err != nil {
		return job.Job{}, err
	}
	if len(jobs) == 0 {
		return job.Job{}, job.ErrNotFound
	}
	return jobs[0], nil
}

// Jobs answers the user's jobs that pass the filter, newest first.
func (s *Store) Jobs(ctx context.Context, f job.Filter) ([]job.Job, error) {
	where, args := `WHERE user_id = ?`, []any{f.UserID}
	if f.Status != "" {
		where, args = where+` AND status = ?`, append(args, f.Status)
	}
	if f.Tier != "" {
		where, args = where+` AND tier = ?`, append(args, f.Tier)
	}
	if f.After != "" {
		where, args = where+` AND id < ?`, append(args, f.After) // UUIDv7 sorts by time
	}
	return s.selectJobs(ctx, where+` ORDER BY id DESC LIMIT ?`, append(args, f.Limit)...)
}

// selectJobs reads jobs; the counts of those that run come from their chunks, those of the others are settled in
// the row.
func (s *Store) selectJobs(ctx context.Context, where string, args ...any) ([]job.Job, error) {
	var rows []jobRow
	if err := s.r.SelectContext(ctx, &rows, `SELECT `+jobColumns+` FROM jobs `+where, args...); err != nil {
		return nil, translate("read jobs", err)
	}
	jobs := make([]job.Job, 0, len(rows))
	for i := range rows {
		j, err := rows[i].job()
		if err != nil {
			return nil, err
		}
		if !j.Status.Terminal() {
			err = s.r.QueryRowxContext(ctx, `
				SELECT COALESCE(SUM(rows_done - rows_rejected), 0), COALESCE(SUM(rows_rejected), 0)
				  FROM job_chunks WHERE job_id = ?`, j.ID).Scan(&j.Processed, &j.Rejected)
			if err != nil {
				return nil, translate("read jobs", err)
			}
		}
		jobs = append(jobs, j)
	}
	return jobs, nil
}

// Chunks answers the chunks of a job in order.
func (s *Store) Chunks(ctx context.Context, id string) ([]job.Chunk, error) {
	return s.selectChunks(ctx, `WHERE job_id = ? ORDER BY chunk_no`, id)
}

func (s *Store) selectChunks(ctx context.Context, where string, args ...any) ([]job.Chunk, error) {
	var rows []chunkRow
	if err := s.r.SelectContext(ctx, &rows, `SELECT `+chunkColumns+` FROM job_chunks `+where, args...); err != nil {
		return nil, translate("read chunks", err)
	}
	chunks := make([]job.Chunk, 0, len(rows))
	for i := range rows {
		chunks = append(chunks, rows[i].chunk())
	}
	return chunks, nil
}
