package store

import (
	"context"

	"github.com/jmoiron/sqlx"

	"github.com/musterhq/muster/internal/job"
)

const (
	// maxRaw is how much of a rejected record is kept. With every byte escaped a statement of that size stays below minPacket.
	maxRaw = 1 << 20
	// rejectsPerInsert bounds the rows of a statement, whose messages count as well.
	rejectsPerInsert = 500
)

// insertRejects stores rejected rows of the chunk, in statements of at most maxRaw bytes of records.
func insertRejects(ctx context.Context, tx *sqlx.Tx, c *job.Chunk, rejects []job.Reject) error {
	for len(rejects) > 0 {
		n, size := 0, 0
		args := make([]any, 0, 8*min(len(rejects), rejectsPerInsert))
		for n < min(len(rejects), rejectsPerInsert) {
			r := &rejects[n]
			raw := append([]byte{}, r.Raw[:min(len(r.Raw), maxRaw)]...) // nil would be NULL
			if size += len(raw); n > 0 && size > maxRaw {
				break
			}
			args = append(args, c.JobID, r.Row, c.No, r.Line, r.Code, r.Field, cut(r.Message), raw)
			n++
		}
		_, err := tx.ExecContext(ctx, `
			INSERT INTO job_rejects (job_id, row_no, chunk_no, line_no, code, field, message, raw)
			VALUES `+lists("(?,?,?,?,?,?,?,?)", n), args...)
		if err != nil {
			return err
		}
		rejects = rejects[n:]
	}
	return nil
}

const rejectsSQL = `
	SELECT row_no, line_no, code, field, message, raw
	  FROM job_rejects
	 WHERE job_id = ? AND row_no > ?
	 ORDER BY row_no
	 LIMIT ?`

// Rejects returns up to limit rejected rows of a job whose number is above after, in their order; -1: from the first.
func (s *Store) Rejects(ctx context.Context, jobID string, after int64, limit int) ([]job.Reject, error) {
	var rows []struct {
		Row     int64  `db:"row_no"`
		Line    int64  `db:"line_no"`
		Code    string `db:"code"`
		Field   string `db:"field"`
		Message string `db:"message"`
		Raw     []byte `db:"raw"`
	}
	err := s.r.SelectContext(ctx, &rows, rejectsSQL, jobID, after, limit)
	rejects := make([]job.Reject, len(rows))
	for i, r := range rows {
		rejects[i] = job.Reject(r)
	}
	return rejects, translate("read rejected rows", err)
}
