package store

import (
	"context"
	"time"

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

// Away makes the next batch believe that an answer takes so long.
func (s *Store) Away(answer time.Duration) { s.answer.Store(int64(answer)) }

// Prepared reports whether the INSERT of so many rows is prepared.
func (s *Store) Prepared(rows int) bool {
	s.inserts.mu.Lock()
	defer s.inserts.mu.Unlock()
	return s.inserts.m[insertSQL(rows)] != nil
}

// Heights are the rows of the INSERTs near and far.
func (s *Store) Heights() (near, far int) { return s.dialect.insertRows, s.dialect.farRows }
