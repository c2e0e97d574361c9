package store

import (
	"context"
	"fmt"

	"github.com/musterhq/muster/internal/crash"
	"github.com/musterhq/muster/internal/job"
)

// The second step of every move: the chunks follow the job.

// AlignChunks makes the second step of the last move of j where it is not made: it adds the chunks that are missing and
// lets those that are behind follow the job. No batch of a job that was paused or cancelled commits once it has
// returned. It returns the totals of the chunks then.
func (s *Store) AlignChunks(ctx context.Context, j job.Job) (job.ChunkTotals, error) {
	t, err := s.chunkTotals(ctx, &j)
	if err != nil || t.Aligned(&j) {
		return t, err
	}
	if j.Phase == job.Importing {
		if err := s.endPreparation(ctx, j.ID); err != nil {
			return t, err
		}
	}
	if _, count := j.ChunkNumbers(); t.Recorded < count {
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
	if state == "" {
		return fmt.Errorf("a job that is %s lacks chunks", j.Status)
	}
	first, count := j.ChunkNumbers()
	for from := first; from < first+count; from += perStatement {
		n := min(perStatement, first+count-from)
		args := make([]any, 0, 7*n)
		for no := from; no < from+n; no++ {
			row, rows := rowsOf(&j, no)
			args = append(args, j.ID, no, row, rows, state, j.ChunksVersion, chunkBlock(&j, no, row))
		}
		_, err := s.exec(ctx, "add chunks", `
			INSERT `+eachShard+`INTO job_chunks (job_id, chunk_no, first_row, row_count, state, job_version, block)
			VALUES `+lists("(?,?,?,?,?,?,?)", n)+s.dialect.onDuplicateKeep, args...)
		if err != nil {
			return err
		}
	}
	return nil
}

// rowsOf returns the first row of a chunk, and how many it has.
func rowsOf(j *job.Job, no int) (first, rows int64) {
	if no == job.PrepareChunk {
		return 0, preparationRows(j.File)
	}
	first = int64(no) * j.ChunkRows
	return first, min(j.ChunkRows, j.Requested-first)
}

// preparationRows returns the rows of the chunk by which a file is prepared: its bytes, and at least one, since a chunk
// without rows would be done before somebody has looked at it.
func preparationRows(f *job.File) int64 { return max(1, f.Bytes) }

// endPreparation ends the chunk by which a file was prepared, whatever its state: once the job is IMPORTING nothing of it
// is left to do, and none of the job's moves is about it any more.
func (s *Store) endPreparation(ctx context.Context, id string) error {
	_, err := s.exec(ctx, "end preparation", `
		UPDATE job_chunks
		   SET state = 'DONE', rows_done = row_count, lease_until = 0, last_error = ''
		 WHERE job_id = ? AND chunk_no = ? AND block = ? AND state <> 'DONE'`, id, job.PrepareChunk, prepareBlock)
	return err
}

// followJob lets the chunks that are behind follow the job's last move. Each chunk carries the version of the job that
// it followed, so a process that was frozen before this step and wakes up after a later move changes nothing.
func (s *Store) followJob(ctx context.Context, j job.Job) error {
	follow := j.Status.ChunkFollow()
	if len(follow.From) == 0 {
		return nil
	}
	moves := `state IN ` + quoted(follow.From)
	// A chunk that moves has a clean record afterwards. The state is assigned after the columns whose value depends on it.
	_, err := s.exec(ctx, "align chunks", `
		UPDATE `+eachShard+`job_chunks
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
	ofPhase, behind := `chunk_no >= 0`, `job_version < ? OR chunk_no < 0`
	if j.Phase == job.Preparing {
		ofPhase, behind = `chunk_no < 0`, `job_version < ?`
	}
	count := func(condition string) string {
		return `COALESCE(SUM(CASE WHEN ` + condition + ` THEN 1 ELSE 0 END), 0)`
	}
	var row struct {
		Recorded int `db:"recorded"`
		Open     int `db:"open"`
		Failed   int `db:"failed"`
		Behind   int `db:"behind"`
		Stalled  int `db:"stalled"`
		sums
	}
	err = s.r.GetContext(ctx, &row, `
		SELECT `+count(ofPhase)+` AS recorded,
		       `+count(ofPhase+` AND state IN ('READY', 'PAUSED')`)+` AS open,
		       `+count(ofPhase+` AND state = 'FAILED'`)+` AS failed,
		       `+count(`state <> 'DONE' AND (`+behind+`)`)+` AS behind,
		       `+count(ofPhase+` AND `+s.stalled())+` AS stalled,`+rowSums+`
		  FROM job_chunks
		 WHERE job_id = ?`, j.ChunksVersion, j.MaxStalls(), j.ID)
	t = job.ChunkTotals{Recorded: row.Recorded, Open: row.Open, Failed: row.Failed, Behind: row.Behind, Stalled: row.Stalled}
	row.add(&t, j)
	return t, translate("sum up chunks", err)
}
