package store

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/jmoiron/sqlx"
	"go.opentelemetry.io/otel/trace"

	"github.com/musterhq/muster/internal/tracing"
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
func (d *dialect) insertSQL(rows int) string {
	columns := user.Inserts
	if d.sharded { // elsewhere it is computed
		columns = append(slices.Clip(columns), "block")
	}
	return `INSERT INTO users (` + strings.Join(columns, ", ") + `) VALUES ` + lists("("+lists("?", len(columns))+")", rows)
}

// lists returns n times the row, joined by commas.
func lists(row string, n int) string {
	return strings.TrimSuffix(strings.Repeat(row+",", n), ",")
}

// inserted appends the values that insertSQL wants of a user of this block.
func (d *dialect) inserted(args []any, u *user.User, block int64) []any {
	args = u.Inserted(args)
	if d.sharded {
		args = append(args, block)
	}
	return args
}

// writer stores users by statements of up to perStatement rows.
type writer struct {
	perStatement int
	full         *sqlx.Stmt // for perStatement rows; nil when there are never so many
	suffix       string     // of the INSERT: what to do with users that are there
}

// prepared is what a batch stores users by. It is made before the transaction, which on SQLite has the only connection.
type prepared struct{ insert, upsert writer }

// prepare returns the statements for up to so many users that are inserted, and changed.
func (s *Store) prepare(ctx context.Context, inserts, upserts int) (p prepared, err error) {
	if p.insert, err = s.writer(ctx, inserts, ""); err == nil {
		p.upsert, err = s.writer(ctx, upserts, s.dialect.onDuplicateReplace)
	}
	return p, err
}

func (s *Store) writer(ctx context.Context, users int, suffix string) (w writer, err error) {
	w = writer{perStatement: s.rowsPerInsert(), suffix: suffix}
	if users >= w.perStatement {
		w.full, err = s.inserts.get(ctx, s.dialect.insertSQL(w.perStatement)+suffix)
	}
	return w, err
}

// insertUsers stores users of a block in tx.
func (s *Store) insertUsers(ctx context.Context, tx *sqlx.Tx, w writer, block int64, users []user.User) (err error) {
	cancelled := ctx.Err
	if w.perStatement == 1 { // thousands of statements, which are one span
		var span trace.Span
		ctx, span = tracing.Start(ctx, "INSERT INTO users")
		defer func() { tracing.End(span, err) }()
		// SQLite's driver has a goroutine watch each statement that may be cancelled.
		ctx = context.WithoutCancel(tracing.Quiet(ctx))
	}
	var full *sqlx.Stmt
	if w.full != nil {
		full = tx.StmtxContext(ctx, w.full)
	}
	args := make([]any, 0, min(len(users), w.perStatement)*(len(user.Inserts)+1))
	for len(users) > 0 {
		if err := cancelled(); err != nil {
			return err
		}
		n := min(len(users), w.perStatement)
		args = args[:0]
		for i := range users[:n] {
			args = s.dialect.inserted(args, &users[i], block)
		}
		var rows int64
		var err error
		if n == w.perStatement {
			rows, err = changed(full.ExecContext(ctx, args...))
		} else {
			rows, err = changed(tx.ExecContext(ctx, s.dialect.insertSQL(n)+w.suffix, args...))
		}
		if err != nil {
			return err
		}
		if rows != int64(n) && w.suffix == "" {
			return fmt.Errorf("inserted %d rows of %d", rows, n)
		}
		users = users[n:]
	}
	return nil
}
