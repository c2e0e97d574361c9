package store

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"

	"github.com/musterhq/muster/internal/job"
)

// jobColumns returns the columns of jobRow. Whether a job is overdue is decided by the database's clock, the only one that
// counts.
func (s *Store) jobColumns() string {
	return `id, owner, source, tier, status, version, requested, processed, rejected, chunks, chunk_rows, chunks_version,
	first_id, seed, params, error_code, wait_reason, COALESCE(idempotency_key, '') AS idempotency_key, request_hash,
	created_at, started_at, finished_at, idle_ms, undo_at, undo_rows, undone_at, finalized_at,
	phase, dry_run, updated, unchanged, skipped,
	CASE WHEN deadline_at > 0 AND deadline_at <= ` + s.dialect.now + ` THEN 1 ELSE 0 END AS overdue`
}

type jobRow struct {
	ID             string `db:"id"`
	Owner          string `db:"owner"`
	Source         string `db:"source"`
	Tier           string `db:"tier"`
	Status         string `db:"status"`
	Version        int64  `db:"version"`
	Requested      int64  `db:"requested"`
	Processed      int64  `db:"processed"`
	Rejected       int64  `db:"rejected"`
	Chunks         int    `db:"chunks"`
	ChunkRows      int64  `db:"chunk_rows"`
	ChunksVersion  int64  `db:"chunks_version"`
	FirstID        int64  `db:"first_id"`
	Seed           int64  `db:"seed"`
	Params         string `db:"params"`
	ErrorCode      string `db:"error_code"`
	WaitReason     string `db:"wait_reason"`
	IdempotencyKey string `db:"idempotency_key"`
	RequestHash    string `db:"request_hash"`
	CreatedAt      int64  `db:"created_at"`
	StartedAt      int64  `db:"started_at"`
	FinishedAt     int64  `db:"finished_at"`
	Idle           int64  `db:"idle_ms"`
	UndoAt         int64  `db:"undo_at"`
	UndoRows       int64  `db:"undo_rows"`
	UndoneAt       int64  `db:"undone_at"`
	FinalizedAt    int64  `db:"finalized_at"`
	Phase          string `db:"phase"`
	DryRun         bool   `db:"dry_run"`
	Updated        int64  `db:"updated"`
	Unchanged      int64  `db:"unchanged"`
	Skipped        int64  `db:"skipped"`
	Overdue        bool   `db:"overdue"`
}

// params is what only some sources need, as JSON in one column.
type params struct {
	Nat      []string    `json:"nat,omitempty"`
	File     *job.File   `json:"file,omitempty"`
	ParentID string      `json:"parentId,omitempty"`
	Callback string      `json:"callback,omitempty"`
	Export   *job.Export `json:"export,omitempty"`
	job.Origin
}

// paramsOf returns the params of j.
func paramsOf(j *job.Job) (string, error) {
	p, err := json.Marshal(params{Nat: j.Nat, File: j.File, ParentID: j.ParentID, Export: j.Export, Callback: j.CallbackURL, Origin: j.Origin})
	return string(p), err
}

func (r *jobRow) job() (job.Job, error) {
	var p params
	if err := json.Unmarshal([]byte(r.Params), &p); err != nil {
		return job.Job{}, fmt.Errorf("params of job %s: %w", r.ID, err)
	}
	j := job.Job{
		ID: r.ID, Owner: r.Owner, Source: r.Source, Tier: job.Tier(r.Tier), Status: job.Status(r.Status), Version: r.Version,
		Requested: r.Requested, Processed: r.Processed, Rejected: r.Rejected, Chunks: r.Chunks, ChunkRows: r.ChunkRows,
		ChunksVersion: r.ChunksVersion, FirstID: r.FirstID, Seed: r.Seed, Nat: p.Nat,
		ErrorCode: r.ErrorCode, WaitReason: job.WaitReason(r.WaitReason), IdempotencyKey: r.IdempotencyKey, RequestHash: r.RequestHash,
		UndoRequested: r.UndoAt > 0, Undone: r.UndoneAt > 0, UndoneRows: r.UndoRows,
		CreatedAt: millis(r.CreatedAt), StartedAt: millis(r.StartedAt), FinishedAt: millis(r.FinishedAt),
		Idle: time.Duration(r.Idle) * time.Millisecond, Overdue: r.Overdue, Finalized: r.FinalizedAt > 0,
		Phase: job.Phase(r.Phase), File: p.File, DryRun: r.DryRun, ParentID: p.ParentID, Export: p.Export, CallbackURL: p.Callback, Origin: p.Origin,
		Updated: r.Updated, Unchanged: r.Unchanged, Skipped: r.Skipped,
	}
	if j.Phase == job.Importing {
		j.Prepared = j.File.Bytes
	}
	return j, nil
}

func millis(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}

const chunkColumns = `job_id, chunk_no, first_row, row_count, rows_done, rows_rejected, claims, stalls, block,
	rows_updated, rows_unchanged, rows_skipped`

type chunkRow struct {
	JobID    string `db:"job_id"`
	No       int    `db:"chunk_no"`
	FirstRow int64  `db:"first_row"`
	Rows     int64  `db:"row_count"`
	Done     int64  `db:"rows_done"`
	Rejected int64  `db:"rows_rejected"`
	Claims   int64  `db:"claims"`
	Stalls   int    `db:"stalls"`
	Block    int64  `db:"block"`

	Updated   int64 `db:"rows_updated"`
	Unchanged int64 `db:"rows_unchanged"`
	Skipped   int64 `db:"rows_skipped"`
}

func (r *chunkRow) chunk() job.Chunk { return job.Chunk(*r) }

// Job returns the job with its counts as they stand in its chunks, or job.ErrNotFound.
func (s *Store) Job(ctx context.Context, id string) (job.Job, error) {
	return s.firstJob(ctx, `WHERE id = ?`, id)
}

// JobByKey returns the owner's job under an idempotency key, or job.ErrNotFound.
func (s *Store) JobByKey(ctx context.Context, owner, key string) (job.Job, error) {
	return s.firstJob(ctx, `WHERE owner = ? AND idempotency_key = ?`, owner, key)
}

func (s *Store) firstJob(ctx context.Context, where string, args ...any) (job.Job, error) {
	jobs, err := s.countedJobs(ctx, where, args...)
	if err != nil {
		return job.Job{}, err
	}
	if len(jobs) == 0 {
		return job.Job{}, job.ErrNotFound
	}
	return jobs[0], nil
}

// Jobs returns the jobs that pass the filter, newest first.
func (s *Store) Jobs(ctx context.Context, f job.Filter) ([]job.Job, error) {
	from, args := s.fromJobs(f)
	return s.countedJobs(ctx, from, args...)
}

// fromJobs returns what follows FROM jobs for a page of a list. Each list seeks by an index that has its order, too. It is
// named, because MariaDB else may intersect two others and sort all that an owner has of a status: 150 ms instead of 1 where
// that is 50,000 jobs. A tier has none: its jobs are found on the way through the others.
func (s *Store) fromJobs(f job.Filter) (from string, args []any) {
	index := s.dialect.search.Index
	switch {
	case f.Everybody && f.Status != "":
		from = index("ix_jobs_status")
	case f.Everybody: // the id, to which SQLite can be held by no name
	case f.Status != "":
		from = index("ix_jobs_owner_status")
	default:
		from = index("ix_jobs_owner")
	}
	where := ` WHERE owner = ?`
	args = []any{f.Owner}
	if f.Everybody {
		where, args = ` WHERE id > ''`, nil
	}
	if f.IDPrefix != "" { // what begins with it lies before what its last letter is followed by
		where, args = where+` AND id >= ? AND id < ?`, append(args, f.IDPrefix, f.IDPrefix+"g")
	}
	if f.Status != "" {
		where, args = where+` AND status = ?`, append(args, f.Status)
	}
	if f.Tier != "" {
		where, args = where+` AND tier = ?`, append(args, f.Tier)
	}
	if f.After != "" {
		where, args = where+` AND id < ?`, append(args, f.After) // UUIDv7 sorts by time
	}
	return from + where + ` ORDER BY id DESC LIMIT ?`, append(args, f.Limit)
}

// selectJobs reads rows of jobs. The counts in the row of a job that is not finalized are older than its chunks.
func (s *Store) selectJobs(ctx context.Context, q sqlx.QueryerContext, where string, args ...any) ([]job.Job, error) {
	var rows []jobRow
	if err := sqlx.SelectContext(ctx, q, &rows, `SELECT `+s.jobColumns()+` FROM jobs `+where, args...); err != nil {
		return nil, translate("read jobs", err)
	}
	jobs := make([]job.Job, len(rows))
	for i := range rows {
		var err error
		if jobs[i], err = rows[i].job(); err != nil {
			return nil, err
		}
	}
	return jobs, nil
}

// jobRowOf returns the row of a job, whose counts may be older than its chunks, or job.ErrNotFound.
func (s *Store) jobRowOf(ctx context.Context, q sqlx.QueryerContext, id string) (job.Job, error) {
	jobs, err := s.selectJobs(ctx, q, `WHERE id = ?`, id)
	if err != nil {
		return job.Job{}, err
	}
	if len(jobs) == 0 {
		return job.Job{}, job.ErrNotFound
	}
	return jobs[0], nil
}

// countedJobs is selectJobs with the counts as they stand: in the row of a finalized job, in the chunks of the others.
func (s *Store) countedJobs(ctx context.Context, where string, args ...any) ([]job.Job, error) {
	jobs, err := s.selectJobs(ctx, s.r, where, args...)
	if err != nil {
		return nil, err
	}
	counted := map[string]*job.Job{}
	var ids []string
	for i := range jobs {
		if !jobs[i].Finalized || jobs[i].Phase == job.Preparing { // how much of a file was read stands in its chunk only
			counted[jobs[i].ID] = &jobs[i]
			ids = append(ids, jobs[i].ID)
		}
	}
	if len(ids) == 0 {
		return jobs, nil
	}
	query, in, err := sqlx.In(`SELECT job_id, `+rowSums+` FROM job_chunks WHERE job_id IN (?) GROUP BY job_id`, ids)
	if err != nil {
		return nil, err
	}
	var rows []struct {
		JobID string `db:"job_id"`
		sums
	}
	if err := s.r.SelectContext(ctx, &rows, query, in...); err != nil {
		return nil, translate("read jobs", err)
	}
	for _, r := range rows {
		t := job.ChunkTotals{}
		r.add(&t, counted[r.JobID])
		t.Count(counted[r.JobID])
	}
	return jobs, nil
}

// rowSums are the columns of sums over chunks. The rows of the chunk by which a file is prepared are bytes, of which none is
// rejected, updated, unchanged or skipped.
const rowSums = `
	COALESCE(SUM(CASE WHEN chunk_no >= 0 THEN rows_done - rows_rejected ELSE 0 END), 0) AS processed,
	COALESCE(SUM(rows_rejected), 0) AS rejected,
	COALESCE(SUM(rows_updated), 0) AS updated,
	COALESCE(SUM(rows_unchanged), 0) AS unchanged,
	COALESCE(SUM(rows_skipped), 0) AS skipped,
	COALESCE(SUM(CASE WHEN chunk_no < 0 THEN rows_done ELSE 0 END), 0) AS prepared`

type sums struct {
	Processed int64 `db:"processed"`
	Rejected  int64 `db:"rejected"`
	Updated   int64 `db:"updated"`
	Unchanged int64 `db:"unchanged"`
	Skipped   int64 `db:"skipped"`
	Prepared  int64 `db:"prepared"`
}

// add sets the counts of t, the totals of j.
func (r *sums) add(t *job.ChunkTotals, j *job.Job) {
	t.Processed, t.Rejected, t.Prepared = r.Processed, r.Rejected, r.Prepared
	t.Updated, t.Unchanged, t.Skipped = r.Updated, r.Unchanged, r.Skipped
	if j.File != nil { // a file without bytes has a chunk of one
		t.Prepared = min(t.Prepared, j.File.Bytes)
	}
}

// Chunks returns the chunks of a job in order.
func (s *Store) Chunks(ctx context.Context, id string) ([]job.Chunk, error) {
	return s.selectChunks(ctx, `WHERE job_id = ? ORDER BY chunk_no`, id)
}

func (s *Store) selectChunks(ctx context.Context, where string, args ...any) ([]job.Chunk, error) {
	var rows []chunkRow
	if err := s.r.SelectContext(ctx, &rows, `SELECT `+chunkColumns+` FROM job_chunks `+where, args...); err != nil {
		return nil, translate("read chunks", err)
	}
	chunks := make([]job.Chunk, len(rows))
	for i := range rows {
		chunks[i] = rows[i].chunk()
	}
	return chunks, nil
}
