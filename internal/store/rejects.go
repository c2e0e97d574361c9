package store

import (
	"context"
	"fmt"

	"github.com/jmoiron/sqlx"

	"github.com/musterhq/muster/internal/job"
)

const (
	// maxRaw is how much of a rejected record is kept at most, far more than any user takes, and minRaw how much always.
	maxRaw = 128 << 10
	minRaw = 2 << 10
	// allRaw is how much is kept of all rejected records of a job, about, beside what goes by the size of its file.
	allRaw = 16 << 20
	// rawPerInsert bounds the records of a statement. With every byte escaped it stays below minPacket.
	rawPerInsert = 1 << 20
	// rejectsPerInsert bounds the rows of a statement, whose messages count as well.
	rejectsPerInsert = 500
)

// keptRaw returns how many bytes are kept of each rejected record of the job. The rows that may be rejected share allRaw and four
// times the bytes of the file: a small file of long records, compressed, does not fill the database, and of one that is not
// compressed all is kept that is not unlike its other rows.
func keptRaw(j *job.Job) int {
	rows := min(max(j.File.Options.MaxRejected.Of(j.Requested), 1000), j.Requested)
	share := (allRaw + 4*j.File.Bytes) / max(rows, 1)
	return int(min(max(share, minRaw), maxRaw))
}

// insertRejects stores rejected rows of the chunk with kept bytes of each record, in statements of at most rawPerInsert bytes of
// records.
func insertRejects(ctx context.Context, tx *sqlx.Tx, c *job.Chunk, kept int, rejects []job.Reject) error {
	for len(rejects) > 0 {
		n, size := 0, 0
		args := make([]any, 0, 9*min(len(rejects), rejectsPerInsert))
		for n < min(len(rejects), rejectsPerInsert) {
			r := &rejects[n]
			raw, message := append([]byte{}, r.Raw[:min(len(r.Raw), kept)]...), cut(r.Message) // nil would be NULL
			if len(raw) < len(r.Raw) {
				note := fmt.Sprintf("; of the record only the first %d bytes are kept", kept)
				message = cutTo(r.Message, mostText-len(note)) + note
			}
			if size += len(raw); n > 0 && size > rawPerInsert {
				break
			}
			args = append(args, c.JobID, r.Row, c.No, r.Line, r.Code, r.Field, message, raw, c.Block)
			n++
		}
		_, err := tx.ExecContext(ctx, `
			INSERT INTO job_rejects (job_id, row_no, chunk_no, line_no, code, field, message, raw, block)
			VALUES `+lists("(?,?,?,?,?,?,?,?,?)", n), args...)
		if err != nil {
			return err
		}
		rejects = rejects[n:]
	}
	return nil
}

// rawPerPage is how many bytes of records Rejects returns at most, but for one record that is longer.
const rawPerPage = 4 << 20

const rejectSizesSQL = `
	SELECT row_no, LENGTH(raw) AS size
	  FROM job_rejects
	 WHERE job_id = ? AND row_no > ?
	 ORDER BY row_no
	 LIMIT ?`

const rejectsSQL = `
	SELECT row_no, line_no, code, field, message, raw
	  FROM job_rejects
	 WHERE job_id = ? AND row_no > ? AND row_no <= ?
	 ORDER BY row_no`

// Rejects returns rejected rows of a job whose number is above after, in their order; -1: from the first. It returns up to
// limit, fewer when their records are long, and none only when there are no more.
func (s *Store) Rejects(ctx context.Context, jobID string, after int64, limit int) ([]job.Reject, error) {
	last, err := s.lastOfPage(ctx, jobID, after, limit)
	if err != nil {
		return nil, translate("read rejected rows", err)
	}
	var rows []struct {
		Row     int64  `db:"row_no"`
		Line    int64  `db:"line_no"`
		Code    string `db:"code"`
		Field   string `db:"field"`
		Message string `db:"message"`
		Raw     []byte `db:"raw"`
	}
	err = s.r.SelectContext(ctx, &rows, rejectsSQL, jobID, after, last)
	rejects := make([]job.Reject, len(rows))
	for i, r := range rows {
		rejects[i] = job.Reject(r)
	}
	return rejects, translate("read rejected rows", err)
}

// lastOfPage returns the last rejected row behind after up to which there are at most limit, with at most rawPerPage bytes
// of records; after itself when there are none.
func (s *Store) lastOfPage(ctx context.Context, jobID string, after int64, limit int) (int64, error) {
	var sizes []struct {
		Row  int64 `db:"row_no"`
		Size int64 `db:"size"`
	}
	if err := s.r.SelectContext(ctx, &sizes, rejectSizesSQL, jobID, after, limit); err != nil {
		return 0, err
	}
	last, size := after, int64(0)
	for _, r := range sizes {
		if size += r.Size; last > after && size > rawPerPage {
			break
		}
		last = r.Row
	}
	return last, nil
}
