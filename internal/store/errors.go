package store

import (
	"context"
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

// The only place that knows driver error numbers: MySQL's are at
// https://dev.mysql.com/doc/mysql-errors/9.0/en/server-error-reference.html, MariaDB's agree with them.
const (
	erConCount          = 1040
	erDBAccessDenied    = 1044
	erAccessDenied      = 1045
	erBadDB             = 1049
	erServerShutdown    = 1053
	erDupEntry          = 1062
	erNoSuchTable       = 1146
	erBadField          = 1054
	erLockWaitTimeout   = 1205
	erLockDeadlock      = 1213
	erQueryInterrupted  = 1317
	erClientInteraction = 4031 // MySQL 8.0.24+: closed for inactivity (wait_timeout)
)

// class is what a driver error means for the caller.
type class int

const (
	other       class = iota
	conflict          // lost a race for a lock; nothing was done, run the whole transaction again
	unavailable       // the server cannot serve now; whether a COMMIT in flight took effect is unknown
	duplicate         // a unique key is taken
	schema            // a table or column is missing
)

// classify returns what err means; an error of no driver is other or, from the network, unavailable.
func classify(err error) class {
	var my *mysql.MySQLError
	if errors.As(err, &my) {
		switch my.Number {
		case erLockWaitTimeout, erLockDeadlock:
			return conflict
		case erConCount, erServerShutdown, erQueryInterrupted,
			erClientInteraction, erAccessDenied, erDBAccessDenied, erBadDB:
			return unavailable
		case erDupEntry:
			return duplicate
		case erNoSuchTable, erBadField:
			return schema
		}
		return other
	}
	var lite *sqlite.Error
	if errors.As(err, &lite) {
		switch lite.Code() {
		case sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY, sqlite3.SQLITE_CONSTRAINT_UNIQUE:
			return duplicate
		}
		switch lite.Code() & 0xff { // the low byte is the primary code
		case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED:
			return conflict
		case sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_FULL, sqlite3.SQLITE_READONLY:
			return unavailable
		case sqlite3.SQLITE_ERROR: // one code for everything in the statement; only the text tells more
			if text := lite.Error(); strings.Contains(text, "no such table") || strings.Contains(text, "no such column") {
				return schema
			}
		}
		return other
	}
	var netErr net.Error
	switch {
	case errors.As(err, &netErr), errors.Is(err, driver.ErrBadConn), errors.Is(err, mysql.ErrInvalidConn),
		errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, context.DeadlineExceeded):
		return unavailable
	}
	return other
}

// translate wraps err in the sentinel of package job that it stands for, so that no caller looks at a driver's errors.
// op says what was being done.
func translate(op string, err error) error {
	if err == nil {
		return nil
	}
	switch classify(err) {
	case conflict, unavailable:
		return fmt.Errorf("%s: %w: %w", op, job.ErrStoreUnavailable, err)
	case schema:
		return fmt.Errorf("%s: %w: %w", op, job.ErrSchema, err)
	}
	return fmt.Errorf("%s: %w", op, err)
}
