package store

import (
	"context"
	"time"

	"github.com/musterhq/muster/internal/store/search"
	"github.com/musterhq/muster/internal/user"
)

// Plain returns the ids of the users of f, by nothing but its conditions.
func (s *Store) Plain(ctx context.Context, f user.Filter) (ids []int64, err error) {
	c := s.dialect.search.Where(f)
	err = s.r.SelectContext(ctx, &ids, `SELECT id FROM users WHERE `+c.String()+` ORDER BY id`, c.Args...)
	return ids, err
}

// UsersInterrupted is Users, and calls between after each search, before the users that it found are read.
func (s *Store) UsersInterrupted(ctx context.Context, q user.Query, between func()) ([]user.User, bool, error) {
	return s.list(ctx, q, func() ([]int64, error) {
		defer between()
		return search.IDs(ctx, s.r, s.dialect.search, q)
	})
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
