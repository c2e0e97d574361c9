package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/go-sql-driver/mysql"

	"github.com/musterhq/muster/internal/job"
)

// What each error of MySQL and MariaDB means: in numbers, so that a slip in the table shows.
func TestServerErrors(t *testing.T) {
	t.Parallel()
	for want, numbers := range map[fault][]uint16{
		{conflict, job.WaitStoreBusy}:     {1020, 1205, 1213, 1297, 1412, 1613, 1614, 1615, 1689, 3101, 3177},
		{readOnly, job.WaitStoreReadOnly}: {1036, 1290, 1792, 1836, 1874, 3989},
		{unavailable, job.WaitStoreDown}: {1042, 1043, 1047, 1053, 1077, 1078, 1079, 1080, 1129, 1152, 1158, 1159, 1160, 1161, 1180, 1184,
			1317, 1927, 3032, 3100, 3168, 3169, 3781, 3782, 3796, 3797, 3798, 3799, 4031, 6400, 9001, 2002, 2003, 2006, 2013},
		{unavailable, job.WaitStoreDenied}: {1044, 1045, 1130, 1142, 1143, 1227, 1698, 1820, 1862, 1873, 3118, 3879, 3955, 4150, 4151, 6444},
		{unavailable, job.WaitStoreLimit}: {1037, 1038, 1040, 1041, 1135, 1197, 1203, 1206, 1226, 1461, 1637, 1705, 1969, 3015, 3024, 3044,
			3231, 3985, 4081, 4082, 6411},
		{unavailable, job.WaitStoreDisk}: {1, 3, 20, 28, 1004, 1016, 1017, 1021, 1023, 1024, 1025, 1026, 1028, 1030, 1034, 1114, 1712,
			1812, 1814, 1878, 3019, 3675, 4139},
		{unavailable, job.WaitStoreUnsuitable}: {1049, 1193, 1251, 1275, 1524, 1665, 3159},
		{class: duplicate}:                     {1062, 1586},
		{schema, job.WaitStoreSchema}:          {1054, 1146, 1176},
		// A statement's or its data's own: 1048 is NULL where none may be, 1064 a syntax error, 1153 a statement that is too
		// long, 1264 a number out of range, 1366 a wrong character, 1406 a text that is too long.
		{}: {1048, 1064, 1153, 1264, 1366, 1406, 9999},
	} {
		for _, number := range numbers {
			err := error(&mysql.MySQLError{Number: number, Message: "sesame"})
			if got := classify(fmt.Errorf("wrapped: %w", err)); got != want {
				t.Errorf("%d: %+v, want %+v", number, got, want)
			}
			got := translate("test", err)
			if errors.Is(got, job.ErrStoreUnavailable) != (want.class == conflict || want.class == readOnly || want.class == unavailable) ||
				errors.Is(got, job.ErrSchema) != (want.class == schema) || job.StoreTrouble(got) != want.reason || !errors.Is(got, err) {
				t.Errorf("%d becomes %v, for %q", number, got, job.StoreTrouble(got))
			}
		}
		for number, f := range mysqlFaults {
			if f == want && !slices.Contains(numbers, number) {
				t.Errorf("%d is %+v, and not in this test", number, f)
			}
		}
	}
	memory := &mysql.MySQLError{Number: 1290, Message: "The MariaDB server is running with the --max-session-mem-used option so it cannot execute this statement"}
	if got := classify(memory); got != limited {
		t.Errorf("a session's memory: %+v", got)
	}
	full := &mysql.MySQLError{Number: 1105, Message: `Error writing file '/tmp/x' (Errcode: 28 "No space left on device")`}
	if got := classify(full); got != diskFails {
		t.Errorf("no space, in the text only: %+v", got)
	}
}

// What vtgate says, most of it under the number for all that has none.
func TestVitessErrors(t *testing.T) {
	t.Parallel()
	for message, want := range map[string]fault{
		`no healthy tablet available for 'keyspace:"muster_users" shard:"-80" tablet_type:PRIMARY'`:                          down,
		`target: muster_users.-80.primary: vttablet: rpc error: code = Unavailable desc = error reading from server: EOF`:    down,
		`target: muster.0.primary: vttablet: rpc error: code = Code(17) desc = operation not allowed in state SHUTTING_DOWN`: down,
		`VT12001: unsupported: correlated subquery is only supported for EXISTS`:                                             {},
		`VT09003: INSERT query does not have primary vindex column 'block' in the column list`:                               {},
		`syntax error at position 165 near 'now'`:                                                                            {},
	} {
		if got := classify(&mysql.MySQLError{Number: 1105, Message: message}); got != want {
			t.Errorf("%s: %+v, want %+v", message, got, want)
		}
	}
	const spans = "multi-db transaction attempted: [target:{keyspace:\"muster\"} target:{keyspace:\"muster_users\"}]"
	if got := classify(&mysql.MySQLError{Number: 1317, Message: spans}); got != (fault{}) {
		t.Errorf("a transaction over shards: %+v", got)
	}
	const late = "target: muster.0.primary: vttablet: rpc error: code = Aborted desc = transaction 17: ended at 12:00 (exceeded timeout: 10s)"
	if got := classify(&mysql.MySQLError{Number: 1317, Message: late}); got != down {
		t.Errorf("a transaction that took too long: %+v", got)
	}
}

// Errors of the network and of the driver, which have no number.
func TestConnectionErrors(t *testing.T) {
	t.Parallel()
	for want, list := range map[fault][]error{
		down: {driver.ErrBadConn, mysql.ErrInvalidConn, io.EOF, io.ErrUnexpectedEOF, context.DeadlineExceeded,
			&net.OpError{Op: "dial", Err: errors.New("refused")}, &net.DNSError{Err: "no such host"}},
		unsuitable: {mysql.ErrNoTLS, mysql.ErrUnknownPlugin, mysql.ErrNativePassword, mysql.ErrCleartextPassword},
		{}:         {context.Canceled, sql.ErrNoRows, errors.New("other")},
	} {
		for _, err := range list {
			if got := classify(fmt.Errorf("wrapped: %w", err)); got != want {
				t.Errorf("%v: %+v, want %+v", err, got, want)
			}
		}
	}
}

// Errors of SQLite cannot be made, so each is provoked.
func TestSQLiteErrors(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	open := func(name, parameters string) *sql.DB {
		db, err := sql.Open("sqlite", "file:"+filepath.Join(dir, name)+parameters)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = db.Close() })
		db.SetMaxOpenConns(1)
		return db
	}
	must := func(db *sql.DB, statements ...string) {
		for _, s := range statements {
			if _, err := db.ExecContext(t.Context(), s); err != nil {
				t.Fatalf("%s: %v", s, err)
			}
		}
	}
	a := open("a.db", "")
	must(a, `CREATE TABLE t (id INTEGER PRIMARY KEY, u TEXT UNIQUE)`, `INSERT INTO t VALUES (1, 'x')`)
	full := open("full.db", "")
	must(full, `CREATE TABLE t (x BLOB)`, `PRAGMA max_page_count = 3`)
	if err := os.WriteFile(filepath.Join(dir, "junk.db"), []byte(strings.Repeat("no database ", 1000)), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		db        *sql.DB
		statement string
		want      fault
	}{
		"key taken":       {a, `INSERT INTO t VALUES (1, 'y')`, fault{class: duplicate}},
		"unique taken":    {a, `INSERT INTO t VALUES (2, 'x')`, fault{class: duplicate}},
		"no table":        {a, `SELECT * FROM u`, fault{schema, job.WaitStoreSchema}},
		"no column":       {a, `SELECT v FROM t`, fault{schema, job.WaitStoreSchema}},
		"syntax":          {a, `SELEC`, fault{}},
		"read-only file":  {open("a.db", "?mode=ro"), `DELETE FROM t`, fault{unavailable, job.WaitStoreReadOnly}},
		"full disk":       {full, `INSERT INTO t VALUES (zeroblob(100000))`, diskFails},
		"folder missing":  {open("none/a.db", ""), `SELECT 1`, diskFails},
		"not a database":  {open("junk.db", ""), `SELECT * FROM t`, unsuitable},
		"another's write": {locked(t, open("b.db", ""), open("b.db", "")), `DELETE FROM t`, busy},
	} {
		_, err := c.db.ExecContext(t.Context(), c.statement)
		if got := classify(err); err == nil || got != c.want {
			t.Errorf("%s: %v is %+v, want %+v", name, err, got, c.want)
		}
	}
}

// locked returns waiter, while holder has the file's write lock.
func locked(t *testing.T, holder, waiter *sql.DB) *sql.DB {
	t.Helper()
	for _, s := range []string{`CREATE TABLE t (x)`, `BEGIN IMMEDIATE`} {
		if _, err := holder.ExecContext(t.Context(), s); err != nil {
			t.Fatal(err)
		}
	}
	return waiter
}
