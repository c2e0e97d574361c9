package store

import (
	"context"
	"time"

	"github.com/jmoiron/sqlx"

	"github.com/musterhq/muster/internal/user"
)

// EachWay finds the users of q in every way that there is, whatever each costs.
func (s *Store) EachWay(ctx context.Context, q user.Query) (map[string][]int64, error) {
	sr, err := s.search(q)
	if err != nil {
		return nil, err
	}
	p, err := sr.plan(ctx)
	if err != nil || p.empty {
		return nil, err
	}
	p.driver, p.fallback = nil, nil
	ways := map[string][]int64{}
	if ways["walk"], err = sr.walk(ctx, p); err != nil {
		return nil, err
	}
	paths, err := sr.drivers(ctx)
	if err != nil {
		return nil, err
	}
	for _, d := range paths {
		if ways["collect by "+d.probes[0].column], err = sr.collect(ctx, d); err != nil {
			return nil, err
		}
		if sr.column == "id" && d.count <= maxArms {
			if ways["merge by "+d.probes[0].column], err = sr.merge(ctx, d); err != nil {
				return nil, err
			}
		}
		p.fallback, p.bound = d, 7
		if ways["walk, then "+d.probes[0].column], err = sr.walk(ctx, p); err != nil {
			return nil, err
		}
	}
	return ways, nil
}

// Plain finds the users of q by nothing but its conditions.
func (s *Store) Plain(ctx context.Context, q user.Query) ([]int64, error) {
	sr, err := s.search(q)
	if err != nil {
		return nil, err
	}
	return sr.ids(ctx, s.dialect.primary, sr.where, 1_000_000)
}

// UsersTraced is Users, and shows each statement before it runs.
func (s *Store) UsersTraced(ctx context.Context, q user.Query, traced func(query string)) ([]user.User, bool, error) {
	sr, err := s.search(q)
	if err != nil {
		return nil, false, err
	}
	sr.traced = func(query string, _ []any) { traced(query) }
	return sr.users(ctx)
}

// SetRTT makes the next batch believe that a round trip takes so long.
func (s *Store) SetRTT(rtt time.Duration) { s.rtt.Store(int64(rtt)) }

// Prepared reports whether the INSERT of so many rows is prepared.
func (s *Store) Prepared(rows int) bool {
	s.inserts.mu.Lock()
	defer s.inserts.mu.Unlock()
	return s.inserts.m[insertSQL(rows)] != nil
}

// RowsPerInsert are the rows of an INSERT to a server nearby, and to one that is far.
func (s *Store) RowsPerInsert() (near, far int) {
	return s.dialect.rowsPerInsert, s.dialect.farRowsPerInsert
}

// InTx runs the statements in one transaction.
func (s *Store) InTx(ctx context.Context, statements ...string) error {
	return s.inTx(ctx, "test", func(tx *sqlx.Tx) error {
		for _, statement := range statements {
			if _, err := tx.ExecContext(ctx, statement); err != nil {
				return err
			}
		}
		return nil
	})
}

// ChunkStates returns the states of the job's chunks, in order.
func (s *Store) ChunkStates(ctx context.Context, id string) (states []string, err error) {
	err = s.r.SelectContext(ctx, &states, `SELECT state FROM job_chunks WHERE job_id = ? ORDER BY chunk_no`, id)
	return states, err
}
