package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/jmoiron/sqlx"

	"github.com/musterhq/muster/internal/columns"
	"github.com/musterhq/muster/internal/job"
)

// CommitFileBatch is CommitBatch for the next rows of a file: it stores what becomes of them by the job's strategy, as new or
// changed users, rejected rows and counts. A row that is rejected only here, for the users that are there, needs Line and Raw. A dry
// run stores the same but for users.
func (s *Store) CommitFileBatch(ctx context.Context, c *job.Claim, b *columns.Batch) error {
	switch {
	case c.Job.File == nil || c.Job.Phase != job.Importing:
		return fmt.Errorf("job %s does not import a file", c.Job.ID)
	case c.Job.FirstID == 0 && !c.Job.DryRun:
		return fmt.Errorf("job %s has no ids", c.Job.ID)
	}
	st := newStrategy(c.Job.File.Options, c.Job.FirstID, c.Job.DryRun)
	t := batch{rows: b.Len(), rejected: len(b.Rejects), isolation: s.isolation(&st)}
	if !st.dryRun {
		t.inserts = len(b.Rows)
	}
	if st.changes() {
		t.upserts = len(b.Rows)
	}
	if s.dialect.sharded && st.options.Key != "" {
		return s.commitAcross(ctx, c, b, &t, &st)
	}
	t.store = func(ctx context.Context, tx *sqlx.Tx, with prepared, after *job.Chunk) error {
		done, err := s.apply(ctx, tx, with, &st, c.Chunk.Block, b.Rows)
		if err != nil {
			return err
		}
		return s.storeOutcome(ctx, tx, c, b, after, &done)
	}
	return s.commit(ctx, c, &t)
}

// storeOutcome stores what became of the rows of b beside users.
func (s *Store) storeOutcome(ctx context.Context, tx *sqlx.Tx, c *job.Claim, b *columns.Batch, after *job.Chunk, done *settlement) error {
	rejects := append(b.Rejects[:len(b.Rejects):len(b.Rejects)], done.rejects...)
	if err := insertRejects(ctx, tx, after, keptRaw(&c.Job), rejects); err != nil {
		return err
	}
	return countRows(ctx, tx, after, done, b.Skipped)
}

// countRows adds to the chunk, in tx and in c, what is known only after its rows were settled.
func countRows(ctx context.Context, tx *sqlx.Tx, c *job.Chunk, done *settlement, skipped int) error {
	rejected, passed := int64(len(done.rejects)), done.skipped+int64(skipped)
	if rejected+passed+done.updated+done.unchanged == 0 {
		return nil
	}
	err := requireRow(tx.ExecContext(ctx, `
		UPDATE job_chunks
		   SET rows_rejected = rows_rejected + ?, rows_updated = rows_updated + ?, rows_unchanged = rows_unchanged + ?,
		       rows_skipped = rows_skipped + ?
		 WHERE job_id = ? AND chunk_no = ? AND block = ? AND rows_done = ?`,
		rejected, done.updated, done.unchanged, passed, c.JobID, c.No, c.Block, c.Done))
	if errors.Is(err, errNoRow) { // this transaction holds the row
		return fmt.Errorf("chunk %d of job %s moved under its own lock", c.No, c.JobID)
	}
	c.Rejected += rejected
	c.Updated += done.updated
	c.Unchanged += done.unchanged
	c.Skipped += passed
	return err
}

// strategy is how rows become users.
type strategy struct {
	options job.FileOptions
	firstID int64 // of the user that row 0 becomes
	dryRun  bool  // nobody is stored
}

func newStrategy(o job.FileOptions, firstID int64, dryRun bool) strategy {
	if o.OnDuplicate == job.DuplicateInsert {
		o.Key = ""
	}
	return strategy{options: o, firstID: firstID, dryRun: dryRun}
}

// changes reports whether rows may change users that are there.
func (st *strategy) changes() bool {
	return !st.dryRun && (st.options.OnDuplicate == job.DuplicateUpdate || st.options.OnDuplicate == job.DuplicateFill)
}

// isolation returns that of the transaction in which rows are stored; nil: the session's.
func (s *Store) isolation(st *strategy) *sql.TxOptions {
	if st.options.Key == "" {
		return nil
	}
	return s.dialect.current
}

// apply stores what becomes of the rows in tx, new users in this block, and returns it.
func (s *Store) apply(ctx context.Context, tx *sqlx.Tx, with prepared, st *strategy, block int64, rows []columns.Row) (settlement, error) {
	there, keys := wanted(rows, st.options.Key)
	if err := s.find(ctx, tx, st, s.lockFound(st), keys, there); err != nil {
		return settlement{}, err
	}
	locks, err := s.lockMissing(ctx, tx, st, there)
	if err != nil {
		return settlement{}, err
	}
	done := settle(rows, &st.options, st.firstID, there)
	if st.dryRun {
		return done, nil
	}
	if err := s.insertUsers(ctx, tx, with.insert, block, done.inserts); err != nil {
		return done, err
	}
	if err := s.insertUsers(ctx, tx, with.upsert, block, done.updates); err != nil {
		return done, err
	}
	return done, locks.remove(ctx, tx)
}

// lockMissing keeps others from storing users with the e-mail addresses that nobody has, and returns the locks. Somebody may
// have been faster, so it looks again after it has them. A user that is there needs no lock: whoever finds him skips or rejects the
// row, or has locked him to change him.
func (s *Store) lockMissing(ctx context.Context, tx *sqlx.Tx, st *strategy, there map[string][]*known) (locks keyLocks, err error) {
	if !s.dialect.keyLocks || st.dryRun || st.options.Key != columns.KeyEmail {
		return locks, nil
	}
	missing := missingKeys(there)
	locks = newKeyLocks(missing)
	if err := locks.take(ctx, tx); err != nil {
		return locks, err
	}
	return locks, s.find(ctx, tx, st, s.lockFound(st), missing, there)
}

// missingKeys returns the keys that nobody has.
func missingKeys(there map[string][]*known) (missing []any) {
	for key, found := range there {
		if len(found) == 0 {
			missing = append(missing, key)
		}
	}
	return missing
}
