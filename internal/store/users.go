package store

import (
	"context"
	"database/sql"
	"errors"
	"strings"
	"sync"
	"time"

	"github.com/jmoiron/sqlx"

	"github.com/musterhq/muster/internal/user"
)

// idBlock is how many ids a process takes at once for the users that it creates one by one; those that it has not
// given away when it ends stay unused.
const idBlock = 100

// ids are the ids for users that are created one by one, so that none of them waits for the row that every submission
// locks.
type ids struct {
	mu        sync.Mutex
	next, end int64
}

// userRow has in place of the user's own fields those that may be NULL.
type userRow struct {
	user.User
	Age       sql.NullInt64 `db:"age"`
	DeletedAt sql.NullInt64 `db:"deleted_at"`
}

func (r *userRow) user() user.User {
	u := r.User
	u.Age = int(r.Age.Int64)
	if r.DeletedAt.Valid {
		u.DeletedAt = time.UnixMilli(r.DeletedAt.Int64).UTC()
	}
	return u
}

var selectUsers = `SELECT ` + strings.Join(user.Columns, ", ") + ` FROM users `

// User returns the user, or user.ErrNotFound, also when it is deleted.
func (s *Store) User(ctx context.Context, id int64) (user.User, error) {
	before, own := blocksOf(id)
	u, err := getUser(ctx, s.r, selectUsers+`WHERE id = ? AND block IN (?, ?) AND deleted = FALSE`, id, before, own)
	return u, translate("read user", err)
}

// userBlock returns the block of a user, which never changes, or user.ErrNotFound.
func (s *Store) userBlock(ctx context.Context, id int64) (block int64, err error) {
	before, own := blocksOf(id)
	if !s.dialect.sharded {
		return own, nil
	}
	err = s.w.GetContext(ctx, &block, `SELECT block FROM users WHERE id = ? AND block IN (?, ?)`, id, before, own)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, user.ErrNotFound
	}
	return block, translate("read user", err)
}

func getUser(ctx context.Context, q sqlx.QueryerContext, query string, args ...any) (user.User, error) {
	var row userRow
	err := sqlx.GetContext(ctx, q, &row, query, args...)
	if errors.Is(err, sql.ErrNoRows) {
		return user.User{}, user.ErrNotFound
	}
	return row.user(), err
}

// CreateUser stores u under a new id, to which it sets u.ID.
func (s *Store) CreateUser(ctx context.Context, u *user.User) (err error) {
	if u.ID, err = s.nextID(ctx); err != nil {
		return err
	}
	return s.inTx(ctx, "create user", func(tx *sqlx.Tx) error {
		_, err := tx.ExecContext(ctx, s.dialect.insertSQL(1), s.dialect.inserted(nil, u, blockOf(u.ID))...)
		return err
	})
}

func (s *Store) nextID(ctx context.Context) (id int64, err error) {
	s.ids.mu.Lock()
	defer s.ids.mu.Unlock()
	if s.ids.next == s.ids.end {
		var first int64
		err := s.inTx(ctx, "reserve ids", func(tx *sqlx.Tx) error {
			first, err = reserveIDs(ctx, tx, idBlock)
			return err
		})
		if err != nil {
			return 0, err
		}
		s.ids.next, s.ids.end = first, first+idBlock
	}
	id = s.ids.next
	s.ids.next++
	return id, nil
}

// ChangeUser changes what p gives of the user and nothing else, so that two patches of different fields both last. check,
// if any, sees the user as it is while nobody else can change it; its error is returned and nothing is changed. It
// returns the changed user, or user.ErrNotFound, also when it is deleted, or the error of CheckIdentity when the user would
// be left without an e-mail address and a name.
func (s *Store) ChangeUser(ctx context.Context, id int64, p user.Patch, check func(user.User) error) (u user.User, err error) {
	block, err := s.userBlock(ctx, id)
	if err != nil {
		return user.User{}, err
	}
	err = s.inTx(ctx, "change user", func(tx *sqlx.Tx) error {
		if u, err = s.hold(ctx, tx, id, block, check); err != nil {
			return err
		}
		if p.Empty() {
			return nil
		}
		p.Apply(&u)
		if err := u.CheckIdentity(); err != nil {
			return err
		}
		set, args := assignments(p)
		_, err := tx.ExecContext(ctx, `UPDATE users SET `+set+` WHERE id = ? AND block = ?`, append(args, id, block)...)
		return err
	})
	if err != nil {
		return user.User{}, err
	}
	return u, nil
}

// assignments returns the SET list of what p gives, and its arguments.
func assignments(p user.Patch) (set string, args []any) {
	var list []string
	for _, f := range user.Fields() {
		if value, given := f.Given(&p); given {
			list, args = append(list, f.Column+" = ?"), append(args, value)
		}
	}
	return strings.Join(list, ", "), args
}

// DeleteUser marks the user as deleted. It returns user.ErrNotFound when there is no such user, or it is deleted already.
// check is as with ChangeUser.
func (s *Store) DeleteUser(ctx context.Context, id int64, check func(user.User) error) error {
	block, err := s.userBlock(ctx, id)
	if err != nil {
		return err
	}
	return s.inTx(ctx, "delete user", func(tx *sqlx.Tx) error {
		if _, err := s.hold(ctx, tx, id, block, check); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, `UPDATE users SET deleted = TRUE, deleted_at = `+s.dialect.now+` WHERE id = ? AND block = ?`, id, block)
		return err
	})
}

// hold returns the user and keeps others from changing it for the rest of the transaction. An error of check, if any, is
// returned.
func (s *Store) hold(ctx context.Context, tx *sqlx.Tx, id, block int64, check func(user.User) error) (user.User, error) {
	u, err := getUser(ctx, tx, selectUsers+`WHERE id = ? AND block = ? AND deleted = FALSE`+s.dialect.forUpdate, id, block)
	if err == nil && check != nil {
		err = check(u)
	}
	return u, err
}

// ReactivateUser undoes DeleteUser and returns the user. Errors: user.ErrNotFound, user.ErrActive.
func (s *Store) ReactivateUser(ctx context.Context, id int64) (u user.User, err error) {
	block, err := s.userBlock(ctx, id)
	if err != nil {
		return user.User{}, err
	}
	err = s.inTx(ctx, "reactivate user", func(tx *sqlx.Tx) error {
		if u, err = getUser(ctx, tx, selectUsers+`WHERE id = ? AND block = ?`+s.dialect.forUpdate, id, block); err != nil {
			return err
		}
		if !u.Deleted {
			return user.ErrActive
		}
		u.Deleted, u.DeletedAt = false, time.Time{}
		_, err := tx.ExecContext(ctx, `UPDATE users SET deleted = FALSE, deleted_at = NULL WHERE id = ? AND block = ?`, id, block)
		return err
	})
	if err != nil {
		return user.User{}, err
	}
	return u, nil
}
