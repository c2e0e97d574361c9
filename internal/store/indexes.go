package store

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"
	"modernc.org/sqlite"

	"github.com/musterhq/muster/internal/searchindex"
)

// indexPrefix begins the names of the indexes of users, before the column's.
const indexPrefix = "ix_users_"

// indexesKept is for how long searches go by the indexes that were there. One that is gone shows in an error before.
const indexesKept = time.Minute

// knownIndexes are indexes as they were seen.
type knownIndexes struct {
	set   searchindex.Set
	until time.Time
}

func (k *knownIndexes) valid() bool { return k != nil && time.Now().Before(k.until) }

// SearchIndexes returns which indexes for searches the database has, as they were at most a minute ago.
func (s *Store) SearchIndexes(ctx context.Context) (searchindex.Set, error) {
	if known := s.indexes.Load(); known.valid() {
		return known.set, nil
	}
	known := s.indexes.Load()
	if known != nil { // the others go on with them meanwhile
		s.indexes.CompareAndSwap(known, &knownIndexes{set: known.set, until: time.Now().Add(indexesKept)})
	}
	set, err := s.readIndexes(ctx, s.r)
	switch {
	case err != nil && known != nil:
		return known.set, nil // a search that misses one shows it
	case err != nil:
		return 0, translate("read indexes", err)
	}
	s.indexes.Store(&knownIndexes{set: set, until: time.Now().Add(indexesKept)})
	return set, nil
}

// withIndexes calls do with the indexes that are there, and once more when one of them is not there any more. do must not have
// had an effect by then.
func (s *Store) withIndexes(ctx context.Context, do func(there searchindex.Set) error) error {
	there, err := s.SearchIndexes(ctx)
	if err != nil {
		return err
	}
	if err = do(there); !isMissingIndex(err) {
		return err
	}
	s.indexes.Store(nil)
	if there, err = s.SearchIndexes(ctx); err != nil {
		return err
	}
	if err = do(there); !isMissingIndex(err) {
		return err
	}
	return do(0) // some shards have it, and others have not
}

// readIndexes asks the database for its indexes; a sharded one for those of any shard.
func (s *Store) readIndexes(ctx context.Context, q rowsQuerier) (searchindex.Set, error) {
	// Not information_schema, which vtgate answers from elsewhere than where users are.
	query, name := `SHOW INDEX FROM users`, "Key_name"
	if s.dialect.name == "sqlite" {
		query, name = `SELECT name FROM sqlite_schema WHERE type = 'index' AND tbl_name = 'users'`, "name"
	}
	list, err := selectRows(ctx, q, query)
	if err != nil {
		return 0, err
	}
	var columns []string
	for _, row := range list {
		if column, ours := strings.CutPrefix(strings.ToLower(textOf(row[name])), indexPrefix); ours {
			columns = append(columns, column)
		}
	}
	return searchindex.Of(columns...), nil
}

// isMissingIndex reports whether a statement named an index that is not there.
func isMissingIndex(err error) bool {
	if my, ok := errors.AsType[*mysql.MySQLError](err); ok {
		return my.Number == 1176
	}
	lite, ok := errors.AsType[*sqlite.Error](err)
	return ok && strings.Contains(lite.Error(), "no such index")
}
