package store

import (
	"bytes"
	"context"
	"crypto/sha256"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/jmoiron/sqlx"

	"github.com/musterhq/muster/internal/columns"
	"github.com/musterhq/muster/internal/user"
)

// keysPerStatement is how many keys one statement locks or looks for. MariaDB turns longer lists into a temporary table.
const keysPerStatement = 500

// keyLocks are locks of a transaction.
type keyLocks struct {
	keys   [][]byte
	holder int64 // tells rows of this transaction from those of others
}

// newKeyLocks returns the locks of e-mail addresses, by their keys, in the one order in which everybody takes them. ADR 24 says
// why they are rows of a table.
func newKeyLocks(keys []any) keyLocks {
	l := keyLocks{keys: make([][]byte, len(keys)), holder: rand.Int64()}
	for i, key := range keys {
		sum := sha256.Sum256([]byte("email:" + key.(string)))
		l.keys[i] = sum[:16]
	}
	slices.SortFunc(l.keys, bytes.Compare)
	return l
}

// take keeps other transactions from locking these until the end of this one. Not by INSERT alone: that would first share the
// lock of a row that is there, and two who share it would wait for each other.
func (l *keyLocks) take(ctx context.Context, tx *sqlx.Tx) error {
	for part := range slices.Chunk(l.keys, keysPerStatement) {
		args := make([]any, 0, 2*len(part))
		for _, key := range part {
			args = append(args, key, l.holder)
		}
		_, err := tx.ExecContext(ctx, `
			INSERT INTO key_locks (lock_key, holder) VALUES `+lists("(?, ?)", len(part))+`
			ON DUPLICATE KEY UPDATE holder = VALUES(holder)`, args...)
		if err != nil {
			return err
		}
	}
	return nil
}

// remove removes the rows of the locks; the locks last until the end of the transaction all the same. It does not name the
// keys: of so small a table servers would rather read all rows than look so many up, and so wait for others, who wait for
// this transaction.
func (l *keyLocks) remove(ctx context.Context, tx *sqlx.Tx) error {
	if len(l.keys) == 0 {
		return nil
	}
	// This form of DELETE takes the index.
	_, err := tx.ExecContext(ctx, `
		DELETE k FROM key_locks AS k FORCE INDEX (ix_key_locks_holder)
		 WHERE k.holder = ?`, l.holder)
	return err
}

// wanted returns the keys of the rows, each once, as arguments of find, and nobody yet who has them.
func wanted(rows []columns.Row, by string) (there map[string][]*known, keys []any) {
	there, keys = make(map[string][]*known, len(rows)), make([]any, 0, len(rows))
	for i := range rows {
		key := keyOf(&rows[i], by)
		if _, repeated := there[key]; key == "" || repeated {
			continue
		}
		there[key] = nil
		if by == columns.KeyID {
			keys = append(keys, rows[i].ID)
		} else {
			keys = append(keys, key)
		}
	}
	return there, keys
}

// find adds to there the users with one of the keys, at most two for each. Deleted users are none. suffix ends each statement.
func (s *Store) find(ctx context.Context, q sqlx.QueryerContext, st *strategy, suffix string, keys []any, there map[string][]*known) error {
	for part := range slices.Chunk(keys, keysPerStatement) {
		if err := s.findKeys(ctx, q, st, suffix, part, there); err != nil {
			return err
		}
	}
	return nil
}

// findKeys is find for the keys of one statement.
func (s *Store) findKeys(ctx context.Context, q sqlx.QueryerContext, st *strategy, suffix string, keys []any, there map[string][]*known) error {
	rows, err := q.QueryxContext(ctx, s.findSQL(st, len(keys))+suffix, keys...)
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() { // one by one, since a million users may share an address
		var row struct {
			userRow

			Block int64 `db:"block"`
		}
		if err := rows.StructScan(&row); err != nil {
			return err
		}
		key := keyOf(&columns.Row{ID: row.ID, User: row.User}, st.options.Key)
		if found, asked := there[key]; asked && len(found) < 2 {
			there[key] = append(found, &known{user: row.user(), block: row.Block})
		}
	}
	return rows.Err()
}

func (s *Store) findSQL(st *strategy, keys int) string {
	by, column := s.dialect.search.Index("ix_users_email"), s.dialect.search.Column("email")
	if st.options.Key == columns.KeyID {
		by, column = "", "id"
	}
	return `SELECT ` + strings.Join(user.Columns, ", ") + `, block FROM users` + by +
		` WHERE ` + column + ` IN (` + lists("?", keys) + `) AND deleted = FALSE`
}

// lockFound returns what keeps others from changing the users who are found, if the rows may change them.
func (s *Store) lockFound(st *strategy) string {
	if st.changes() {
		return s.dialect.forUpdate
	}
	return ""
}
