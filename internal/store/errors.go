package store

import (
	"context"
	"crypto/tls"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"

	"github.com/go-sql-driver/mysql"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/musterhq/muster/internal/job"
)

// class is what a driver error means for the caller.
type class int

const (
	other       class = iota
	conflict          // lost a race for a lock; nothing was done, run the whole transaction again
	readOnly          // the server takes no writes, as a primary that was demoted; nothing was done, another may take them
	unavailable       // the server cannot serve now; whether a COMMIT in flight took effect is unknown
	duplicate         // a unique key is taken
	schema            // a table or column is missing
)

// fault is what a driver error means: its class and, if it says something about the database rather than about the
// statement, why the database does not serve.
type fault struct {
	class  class
	reason job.WaitReason
}

// passing reports whether the same may succeed within seconds.
func (f fault) passing() bool {
	return f.class == conflict || f.class == readOnly || f == down || f == limited
}

var (
	busy       = fault{conflict, job.WaitStoreBusy}
	demoted    = fault{readOnly, job.WaitStoreReadOnly}
	down       = fault{unavailable, job.WaitStoreDown}
	denied     = fault{unavailable, job.WaitStoreDenied}
	limited    = fault{unavailable, job.WaitStoreLimit}
	diskFails  = fault{unavailable, job.WaitStoreDisk}
	unsuitable = fault{unavailable, job.WaitStoreUnsuitable}
)

// The only place that knows driver error numbers: those of MySQL are at
// https://dev.mysql.com/doc/mysql-errors/9.0/en/server-error-reference.html, those of MariaDB at
// https://mariadb.com/docs/server/reference/error-codes. The two agree but for what is marked. What is not listed is the
// fault of a statement or of its data. Numbers below 1000 are those of the library under both servers, about files and memory.
var mysqlFaults = map[uint16]fault{
	1020: busy, // record has changed since it was read: MariaDB with innodb_snapshot_isolation
	1205: busy, // lock wait timeout
	1213: busy, // deadlock
	1297: busy, // temporary error of the storage engine
	1412: busy, // table definition has changed
	1613: busy, // rolled back: took too long
	1614: busy, // rolled back: deadlock
	1615: busy, // prepared statement needs to be prepared again
	1689: busy, // wait for a lock was aborted
	3101: busy, // MySQL: rolled back by the replication group
	3177: busy, // MySQL: the storage engine refuses a lock

	1036: demoted, // table is read only
	1290: demoted, // running with --read-only, --super-read-only
	1792: demoted, // in a read only transaction
	1836: demoted, // running in read only mode
	1874: demoted, // InnoDB is in read only mode
	3989: demoted, // MySQL: schema is in read only mode

	1042: down, // cannot get the client's host name
	1043: down, // bad handshake
	1047: down, // WSREP has not yet prepared the node: a cluster without majority
	1053: down, // server shutdown in progress
	1077: down, // normal shutdown
	1078: down, // got a signal
	1079: down, // shutdown complete
	1080: down, // forcing close of the thread
	1129: down, // host is blocked after many connection errors
	1152: down, // aborted connection
	1158: down, // error reading packets
	1159: down, // timeout reading packets
	1160: down, // error writing packets
	1161: down, // timeout writing packets
	1180: down, // error during COMMIT: the cluster did not agree
	1184: down, // aborted connection, by init_connect for one
	1317: down, // query was interrupted: KILL QUERY
	1927: down, // MariaDB: connection was killed
	3032: down, // server is in offline mode
	3100: down, // MySQL: a replication hook failed: the group lost its majority
	3168: down, // MySQL: server is not available
	3169: down, // MySQL: session was killed
	3781: down, // MySQL: the group waited too long for a primary
	3782: down, // the same
	3796: down, // MySQL: the group does not allow the consistency that its settings ask for
	3797: down, // MySQL: waiting for the other members of the group failed
	3798: down, // the same
	3799: down, // the same
	4031: down, // MySQL: closed for inactivity, by wait_timeout
	6400: down, // MySQL: server is in offline mode, for a reason
	9001: down, // ProxySQL: no server behind it in time
	2002: down, // Vitess, which passes on errors of clients: vttablet cannot reach its server
	2003: down, // the same
	2006: down, // vttablet's connection is gone
	2013: down, // the same, during a statement

	1044: denied, // to the database
	1045: denied, // user or password
	1130: denied, // host is not allowed to connect
	1142: denied, // to the table
	1143: denied, // to the column
	1227: denied, // for want of a privilege
	1698: denied, // without a password
	1820: denied, // password has to be changed
	1862: denied, // password has expired
	1873: denied, // trying to change the user
	3118: denied, // MySQL: account is locked
	3879: denied, // MySQL: to the database
	3955: denied, // MySQL: account is blocked after failed logins
	4150: denied, // MariaDB: the same
	4151: denied, // MariaDB: account is locked
	6444: denied, // MySQL: by the firewall

	1037: limited, // out of memory
	1038: limited, // out of sort memory
	1040: limited, // too many connections
	1041: limited, // out of memory
	1135: limited, // cannot create a thread
	1197: limited, // transaction above max_binlog_cache_size
	1203: limited, // above max_user_connections
	1206: limited, // more locks than fit into the buffer pool
	1226: limited, // the account has used up its max_queries_per_hour, max_updates_per_hour, …
	1461: limited, // above max_prepared_stmt_count
	1637: limited, // too many concurrent transactions
	1705: limited, // statement above max_binlog_stmt_cache_size
	1969: limited, // MariaDB: above max_statement_time
	3015: limited, // out of memory in the storage engine
	3024: limited, // MySQL: above max_execution_time
	3044: limited, // out of memory in a function
	3231: limited, // MySQL: transaction above what the replication group takes
	3985: limited, // MySQL: out of memory for locks
	4081: limited, // MySQL: above global_connection_memory_limit
	4082: limited, // MySQL: above connection_memory_limit
	6411: limited, // MySQL: too many statements prepared

	1004: diskFails, // cannot create file
	1016: diskFails, // cannot open file
	1017: diskFails, // cannot find file
	1021: diskFails, // disk full
	1023: diskFails, // error on close
	1024: diskFails, // error on read
	1025: diskFails, // error on rename
	1026: diskFails, // error on write
	1028: diskFails, // sort aborted
	1030: diskFails, // error from the storage engine, errno in the text
	1034: diskFails, // index is corrupt
	1114: diskFails, // table is full
	1712: diskFails, // index is corrupted
	1812: diskFails, // tablespace is missing
	1814: diskFails, // tablespace was discarded
	1878: diskFails, // temporary file could not be written
	3019: diskFails, // undo log is full
	3675: diskFails, // MySQL: disk full, and not waiting
	4139: diskFails, // MariaDB: index file is full

	1049: unsuitable, // unknown database
	1193: unsuitable, // unknown system variable, among the settings of a session
	1251: unsuitable, // client does not support the authentication
	1275: unsuitable, // password in the old format
	1524: unsuitable, // authentication plugin is not loaded
	1665: unsuitable, // READ COMMITTED, with binlog_format = STATEMENT
	3159: unsuitable, // MySQL: connections without TLS are prohibited

	1062: {class: duplicate},
	1586: {class: duplicate}, // the same, with the key's name

	1054: {class: schema, reason: job.WaitStoreSchema}, // unknown column
	1146: {class: schema, reason: job.WaitStoreSchema}, // unknown table
	1176: {class: schema, reason: job.WaitStoreSchema}, // unknown index, which a statement names
}

// classify returns what err means; an error of no driver is other or, from the network, unavailable.
func classify(err error) fault {
	if my, ok := errors.AsType[*mysql.MySQLError](err); ok {
		return classifyMySQL(my)
	}
	if lite, ok := errors.AsType[*sqlite.Error](err); ok {
		return classifySQLite(lite)
	}
	var netErr net.Error
	switch {
	case errors.As(err, &netErr), errors.Is(err, driver.ErrBadConn), errors.Is(err, mysql.ErrInvalidConn),
		errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, context.DeadlineExceeded):
		return down
	case errors.Is(err, mysql.ErrNoTLS), errors.As(err, new(*tls.CertificateVerificationError)), errors.As(err, new(tls.AlertError)),
		errors.Is(err, mysql.ErrCleartextPassword), errors.Is(err, mysql.ErrNativePassword), errors.Is(err, mysql.ErrOldPassword),
		errors.Is(err, mysql.ErrUnknownPlugin):
		return unsuitable
	}
	return fault{}
}

func classifyMySQL(err *mysql.MySQLError) fault {
	f, listed := mysqlFaults[err.Number]
	switch {
	case err.Number == 1290 && strings.Contains(err.Message, "--max-session-mem-used"): // MariaDB
		return limited
	case err.Number == 1317 && (strings.Contains(err.Message, "multi-db transaction") || strings.Contains(err.Message, "Row count exceeded")):
		// Vitess: it would span shards, or takes more rows of one than vttablet gives out. Trying again does not help.
		return fault{}
	case listed:
		return f
	case err.Number < 1000, strings.Contains(err.Message, "No space left on device"):
		return diskFails
	case err.Number == 1105:
		return unknownFault(err.Message)
	}
	return fault{}
}

// vitessDown are parts of what vtgate says when a shard cannot serve: a tablet or its server is gone, ends, or was demoted. Errors in a
// statement have the same number.
var vitessDown = []string{
	"no healthy tablet", "is serving but", "not serving", "shutting down", "is shutdown", "SHUTTING_DOWN", "is closed", "operation not allowed in state",
	"Unavailable", "UNAVAILABLE", "Code(17)", "CLUSTER_EVENT", "primary buffer", "buffer full", "failover", "reparent", "resharding",
	"dialing", "connection refused", "connection reset", "Connection Closed", "connection error", "EOF", "context canceled",
}

// unknownFault returns what an error of the number for all others means. Only Vitess has it for anything else than faults of ours.
func unknownFault(message string) fault {
	message, _, _ = strings.Cut(message, "BindVars") // what follows are values
	for _, part := range vitessDown {
		if strings.Contains(message, part) {
			return down
		}
	}
	return fault{}
}

func classifySQLite(err *sqlite.Error) fault {
	switch err.Code() {
	case sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY, sqlite3.SQLITE_CONSTRAINT_UNIQUE:
		return fault{class: duplicate}
	}
	switch err.Code() & 0xff { // the low byte is the primary code
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED:
		return busy
	case sqlite3.SQLITE_READONLY:
		return fault{unavailable, job.WaitStoreReadOnly} // there is no other file to go to
	case sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_FULL, sqlite3.SQLITE_NOLFS:
		return diskFails
	case sqlite3.SQLITE_PERM, sqlite3.SQLITE_AUTH:
		return denied
	case sqlite3.SQLITE_NOMEM:
		return limited
	case sqlite3.SQLITE_PROTOCOL: // gave up after a race for the log's locks
		return down
	case sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB:
		return unsuitable
	case sqlite3.SQLITE_ERROR: // one code for everything in the statement; only the text tells more
		text := err.Error()
		if strings.Contains(text, "no such table") || strings.Contains(text, "no such column") || strings.Contains(text, "no such index") {
			return fault{class: schema, reason: job.WaitStoreSchema}
		}
	}
	return fault{}
}

// translate wraps err in the sentinel of package job that it stands for, so that no caller looks at a driver's errors.
// op says what was being done.
func translate(op string, err error) error {
	if err == nil {
		return nil
	}
	switch f := classify(err); f.class {
	case conflict, readOnly, unavailable:
		return fmt.Errorf("%s: %w", op, &job.StoreError{Reason: f.reason, Err: err})
	case schema:
		return fmt.Errorf("%s: %w: %w", op, job.ErrSchema, err)
	}
	return fmt.Errorf("%s: %w", op, err)
}
