package store

import (
	"context"
	"fmt"

	"github.com/jmoiron/sqlx"

	"github.com/musterhq/muster/internal/columns"
	"github.com/musterhq/muster/internal/job"
	"github.com/musterhq/muster/internal/user"
)

// CreateUserOnDuplicate is CreateUser for a user whose e-mail address another may have already, by one of job's strategies. It
// excludes the batches of files and other calls that are about the same address. It returns the user as stored afterwards, whom
// its id tells apart from u, and one of user's Was…. What u does not have is not compared, and changes nothing. Errors:
// user.ErrDuplicate with job.DuplicateReject; user.ErrAmbiguous when several users have the address and one is to be changed.
func (s *Store) CreateUserOnDuplicate(ctx context.Context, u *user.User, onDuplicate string) (stored user.User, what string, err error) {
	if onDuplicate == job.DuplicateInsert || u.Email == "" {
		err = s.CreateUser(ctx, u)
		return *u, user.WasInserted, err
	}
	id, err := s.nextID(ctx)
	if err != nil {
		return user.User{}, "", err
	}
	st := newStrategy(job.FileOptions{Key: columns.KeyEmail, OnDuplicate: onDuplicate}, id, false)
	rows := []columns.Row{columns.RowOf(u)}
	with, err := s.prepare(ctx, len(rows), len(rows))
	if err != nil {
		return user.User{}, "", s.refuse("create user", err)
	}
	var done settlement
	if s.dialect.sharded {
		done, err = s.createAcross(ctx, with, &st, rows)
	} else {
		err = s.inTxAt(ctx, "create user", s.isolation(&st), func(tx *sqlx.Tx) (err error) {
			done, err = s.apply(ctx, tx, with, &st, blockOf(id), rows)
			return err
		})
	}
	if err == nil {
		stored, what, err = done.single()
	}
	return stored, what, err
}

// single returns what became of the only row.
func (s *settlement) single() (stored user.User, what string, err error) {
	if len(s.rejects) > 0 {
		switch code := s.rejects[0].Code; code {
		case columns.Duplicate:
			return user.User{}, "", user.ErrDuplicate
		case columns.AmbiguousKey:
			return user.User{}, "", user.ErrAmbiguous
		default:
			return user.User{}, "", fmt.Errorf("the user was rejected as %s", code)
		}
	}
	switch {
	case len(s.inserts) > 0:
		what = user.WasInserted
	case s.updated > 0:
		what = user.WasUpdated
	case s.unchanged > 0:
		what = user.WasUnchanged
	default:
		what = user.WasSkipped
	}
	return *s.last, what, nil
}
