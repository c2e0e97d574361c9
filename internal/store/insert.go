package store

import (
	"context"
	"fmt"
	"strings"
	"sync"

	"github.com/jmoiron/sqlx"

	"github.com/musterhq/muster/internal/user"
)

// statements prepares each of the few statements of the batch transaction when it is first needed; database/sql keeps them
// per connection.
type statements struct {
	db *sqlx.DB
	mu sync.Mutex
	m  map[string]*sqlx.Stmt
}

func (p *statements) get(ctx context.Context, query string) (*sqlx.Stmt, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if st, ok := p.m[query]; ok {
		return st, nil
	}
	st, err := p.db.PreparexContext(ctx, query)
	if err != nil {
		return nil, err
	}
	if p.m == nil {
		p.m = make(map[string]*sqlx.Stmt)
	}
	p.m[query] = st
	return st, nil
}

func (p *statements) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, st := range p.m {
		_ = st.Close()
	}
	p.m = nil
}

// insertSQL returns the INSERT for rows users. Never INSERT IGNORE: it cuts and blanks bad values silently.
func insertSQL(rows int) string {
	return `INSERT INTO users (` + strings.Join(user.Inserts, ", ") + `) VALUES ` +
		strings.TrimSuffix(strings.Repeat("("+placeholders+"),", rows), ",")
}

// placeholders are those of one row: ?,?,?
var placeholders = strings.TrimSuffix(strings.Repeat("?,", len(user.Inserts)), ",")

// insertUsers stores users in tx by statements of up to perInsert rows. full is the statement for perInsert rows; it may be
// nil when there are fewer users.
func (s *Store) insertUsers(ctx context.Context, tx *sqlx.Tx, full *sqlx.Stmt, perInsert int, users []user.User) error {
	args := make([]any, 0, min(len(users), perInsert)*len(user.Inserts))
	for len(users) > 0 {
		n := min(len(users), perInsert)
		args = args[:0]
		for i := range users[:n] {
			args = users[i].Inserted(args)
		}
		var rows int64
		var err error
		if n == perInsert {
			rows, err = changed(tx.StmtxContext(ctx, full).ExecContext(ctx, args...))
		} else {
			rows, err = changed(tx.ExecContext(ctx, insertSQL(n), args...))
		}
		if err != nil {
			return err
		}
		if rows != int64(n) {
			return fmt.Errorf("inserted %d rows of %d", rows, n)
		}
		users = users[n:]
	}
	return nil
}
