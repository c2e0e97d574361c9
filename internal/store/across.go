package store

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/jmoiron/sqlx"

	"github.com/musterhq/muster/internal/columns"
	"github.com/musterhq/muster/internal/job"
)

// Rows with keys on a sharded database, where the users with these keys may lie on any shard, and a transaction has one. So what
// is one transaction elsewhere is several: locks of the keys that nobody has, on the server of the jobs, held until the end; a
// transaction for each block of users that change; and the batch. docs/adr/0034 says what holds if one of them is lost.

// errKeysLost: the transaction that holds locks of keys is gone, with its server or its connection.
var errKeysLost = errors.New("the locks of keys are lost")

// errOthers: a user who was to be changed is not there any more, or one who was to be inserted is there by now.
var errOthers = errors.New("others have inserted or deleted users with these keys")

// across is what rows do to users of all shards.
type across struct {
	settlement // inserts are still to be stored
	locks      keyLocks
	tx         *sqlx.Tx // holds the locks; nil: there are none
}

// commitAcross is commit for rows with keys on a sharded database.
func (s *Store) commitAcross(ctx context.Context, c *job.Claim, b *columns.Batch, t *batch, st *strategy) error {
	return s.retryAcross(ctx, func() error {
		a, err := s.settleAcross(ctx, st, b.Rows, func() error { return s.renew(ctx, c) })
		if err != nil {
			return err
		}
		defer a.release()
		t.store = func(ctx context.Context, tx *sqlx.Tx, with prepared, after *job.Chunk) error {
			if !st.dryRun {
				if err := s.insertUsers(ctx, tx, with.insert, c.Chunk.Block, a.inserts); err != nil {
					return err
				}
			}
			if err := s.storeOutcome(ctx, tx, c, b, after, &a.settlement); err != nil {
				return err
			}
			return a.held(ctx)
		}
		return s.commit(ctx, c, t)
	})
}

// createAcross is apply for the row of a user who is created alone.
func (s *Store) createAcross(ctx context.Context, with prepared, st *strategy, rows []columns.Row) (done settlement, err error) {
	err = s.retryAcross(ctx, func() error {
		a, err := s.settleAcross(ctx, st, rows, func() error { return nil })
		if err != nil {
			return err
		}
		defer a.release()
		done = a.settlement
		if len(a.inserts) == 0 {
			return nil
		}
		return s.inTx(ctx, "create user", func(tx *sqlx.Tx) error {
			if err := s.insertUsers(ctx, tx, with.insert, blockOf(st.firstID), a.inserts); err != nil {
				return err
			}
			return a.held(ctx)
		})
	})
	return done, err
}

// retryAcross calls try again when others were faster.
func (s *Store) retryAcross(ctx context.Context, try func() error) error {
	for n := 1; ; n++ {
		err := try()
		again := errors.Is(err, errKeysLost) || errors.Is(err, errOthers) || isRetryable(err)
		if !again || n == attempts || backoff(ctx, n) != nil {
			return err
		}
	}
}

// renew renews the lease of a chunk that stands where the claim believes, or returns job.ErrFenced.
func (s *Store) renew(ctx context.Context, c *job.Claim) error {
	rows, err := s.exec(ctx, "renew chunk", `
		UPDATE job_chunks SET lease_until = `+s.dialect.now+` + ?
		 WHERE job_id = ? AND chunk_no = ? AND block = ? AND state = 'READY' AND claims = ? AND rows_done = ?`,
		s.lease.Milliseconds(), c.Chunk.JobID, c.Chunk.No, c.Chunk.Block, c.Chunk.Claims, c.Chunk.Done)
	if err == nil && rows == 0 {
		err = job.ErrFenced
	}
	return err
}

// settleAcross decides what becomes of the rows, changes the users who are to be changed, and keeps others from storing users with
// the keys of those who are to be inserted, until release. It calls before before it changes anybody.
func (s *Store) settleAcross(ctx context.Context, st *strategy, rows []columns.Row, before func() error) (*across, error) {
	there, keys := wanted(rows, st.options.Key)
	if err := s.find(ctx, s.w, st, "", keys, there); err != nil {
		return nil, translate("find users", err)
	}
	a := &across{}
	// The changes first: they may take longer than a transaction with locks may last.
	own, err := s.changeOthers(ctx, a, st, rows, there, before)
	if err != nil {
		return nil, err
	}
	if err := s.holdMissing(ctx, a, st, there); err != nil {
		a.release()
		return nil, translate("lock keys", err)
	}
	done := settle(own, &st.options, st.firstID, there)
	a.add(&done)
	return a, nil
}

// changeOthers changes the users who are to be changed, and returns the rows of the others.
func (s *Store) changeOthers(
	ctx context.Context, a *across, st *strategy, rows []columns.Row, there map[string][]*known, before func() error,
) (own []columns.Row, err error) {
	if !st.changes() {
		return rows, nil
	}
	own, others := apart(rows, st, there)
	if len(others) > 0 {
		if err := before(); err != nil {
			return nil, err
		}
	}
	for _, block := range slices.Sorted(maps.Keys(others)) {
		done, err := s.changeIn(ctx, st, block, others[block])
		if err != nil {
			return nil, err
		}
		a.add(&done)
	}
	return own, nil
}

// apart returns the rows that change users, by the blocks of these, and the others.
func apart(rows []columns.Row, st *strategy, there map[string][]*known) (own []columns.Row, others map[int64][]columns.Row) {
	others = map[int64][]columns.Row{}
	for i := range rows {
		found := there[keyOf(&rows[i], st.options.Key)]
		if len(found) == 1 {
			block := found[0].block
			others[block] = append(others[block], rows[i])
		} else {
			own = append(own, rows[i])
		}
	}
	return own, others
}

// changeIn changes the users of the rows, who are all there, in this block.
func (s *Store) changeIn(ctx context.Context, st *strategy, block int64, rows []columns.Row) (done settlement, err error) {
	with, err := s.prepare(ctx, 0, len(rows))
	if err != nil {
		return done, s.refuse("change users", err)
	}
	err = s.inTxAt(ctx, "change users", s.dialect.current, func(tx *sqlx.Tx) error {
		there, keys := wanted(rows, st.options.Key)
		if err := s.find(ctx, tx, st, fmt.Sprintf(" AND block = %d", block)+s.dialect.forUpdate, keys, there); err != nil {
			return err
		}
		for _, found := range there {
			if len(found) == 0 {
				return errOthers
			}
		}
		done = settle(rows, &st.options, st.firstID, there)
		return s.insertUsers(ctx, tx, with.upsert, block, done.updates)
	})
	return done, err
}

// holdMissing takes locks of the keys that nobody has. Somebody may have been faster, so it looks again after it has them.
func (s *Store) holdMissing(ctx context.Context, a *across, st *strategy, there map[string][]*known) (err error) {
	missing := missingKeys(there)
	if st.dryRun || st.options.Key != columns.KeyEmail || len(missing) == 0 {
		return nil
	}
	if a.tx, err = s.locks.BeginTxx(ctx, s.dialect.current); err != nil {
		return err
	}
	a.locks = newKeyLocks(missing)
	if err := a.locks.take(ctx, a.tx); err != nil {
		return err
	}
	if err := s.find(ctx, s.w, st, "", missing, there); err != nil {
		return err
	}
	if st.changes() && len(missingKeys(there)) != len(missing) {
		return errOthers
	}
	return nil
}

// held returns errKeysLost unless the locks are still there.
func (a *across) held(ctx context.Context) error {
	if a.tx == nil {
		return nil
	}
	var locks int
	err := a.tx.GetContext(ctx, &locks, `SELECT COUNT(*) FROM key_locks WHERE holder = ?`, a.locks.holder)
	if err != nil || locks != len(a.locks.keys) {
		return errors.Join(errKeysLost, err)
	}
	return nil
}

// release lets go of the locks, which were never committed.
func (a *across) release() {
	if a.tx != nil {
		_ = a.tx.Rollback() // if that fails, the connection is closed
		a.tx = nil
	}
}

// add adds what became of further rows.
func (s *settlement) add(done *settlement) {
	s.inserts = append(s.inserts, done.inserts...)
	s.rejects = append(s.rejects, done.rejects...)
	s.updated += done.updated
	s.unchanged += done.unchanged
	s.skipped += done.skipped
	if done.last != nil {
		s.last = done.last
	}
}
