package store

import (
	"fmt"
	"slices"
	"strings"

	"github.com/go-sql-driver/mysql"
)

// setting is a session variable that decides what our statements do, and the value with which they were written and
// tested. Whatever the server's administrator has set for all sessions, and init_connect for new ones, ours have these.
//
// Not here: variables that decide only how fast a statement is, and those that an account without special rights cannot set.
// docs/adr/0018 has the lists that were gone through.
type setting struct {
	name  string
	value string // as SQL
	on    string // the comment that only one engine reads; empty: both have the variable
	// local: not for Vitess, which takes no notice of the variable or does not know the value. vttablet's own flags say what
	// its sessions have.
	local bool
}

const (
	onMySQL   = "/*!80400" // MariaDB skips versions from 50700 to 99999, which are MySQL's
	onMariaDB = "/*M!"
)

// settings are those of every connection.
var settings = []setting{
	// 0 before 1: a transaction that init_connect has begun is committed here, and no statement of ours is ever part of it.
	{name: "autocommit", value: "0"},
	{name: "autocommit", value: "1"},
	{name: "completion_type", value: "'NO_CHAIN'"},
	// The default of both engines, on which all of this was tested. No transaction here reads a row before it has locked it, so
	// READ COMMITTED would do as well; SERIALIZABLE would have plain reads take locks.
	{name: "transaction_isolation", value: "'REPEATABLE-READ'", on: onMySQL},
	{name: "tx_isolation", value: "'REPEATABLE-READ'", on: onMariaDB},
	{name: "transaction_read_only", value: "0", on: onMySQL},
	{name: "tx_read_only", value: "0", on: onMariaDB},
	{name: "unique_checks", value: "1"}, // 0 lets a second job in under an idempotency key
	{name: "foreign_key_checks", value: "1"},

	{name: "character_set_client", value: "'utf8mb4'"},
	{name: "character_set_results", value: "'utf8mb4'"},
	{name: "collation_connection", value: "'utf8mb4_unicode_ci'", local: true}, // that of the columns; sets character_set_connection
	{name: "time_zone", value: "'+00:00'"},
	// A value that does not fit is an error, never cut.
	{name: "sql_mode", value: "'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION'"},

	{name: "sql_select_limit", value: "18446744073709551615", local: true},
	{name: "sql_big_selects", value: "1"}, // max_join_size is not looked at then
	{name: "sql_safe_updates", value: "0"},
	{name: "max_sort_length", value: "1024"}, // less sorts by the first letters only
	{name: "max_execution_time", value: "0", on: onMySQL},
	{name: "max_statement_time", value: "0", on: onMariaDB},

	// For migrations.
	{name: "default_storage_engine", value: "'InnoDB'"},
	{name: "sql_if_exists", value: "0", on: onMariaDB},
}

// vitess is the scheme of addresses of sharded databases.
const vitess = "vitess"

// sent returns those of the list that are sent to a database with such an address.
func sent(scheme string, list []setting) []setting {
	return slices.DeleteFunc(slices.Clone(list), func(s setting) bool { return s.local && scheme == vitess })
}

// setSession has the driver set the session of each new connection, in the one statement that it sends for its Params.
// Params are written as "SET name = value", in any order; here all is the value of a single one, so the order is ours.
func setSession(cfg *mysql.Config, list []setting) {
	var set strings.Builder
	for i, s := range list {
		assignment := s.name + " = " + s.value
		switch {
		case i == 0:
			assignment = s.value
		case s.on != "":
			assignment = s.on + " , " + assignment + " */"
		default:
			assignment = ", " + assignment
		}
		set.WriteString(assignment)
	}
	cfg.Params = map[string]string{list[0].name: set.String()}
}

// sessionQuery selects what a session has for each setting, under its name.
func sessionQuery(list []setting) string {
	var query strings.Builder
	query.WriteString("SELECT VERSION() AS version, COALESCE(DATABASE(), '') AS db, @@max_allowed_packet AS packet, @@character_set_connection AS charset")
	for _, s := range list {
		column := fmt.Sprintf(", @@%s AS %s", s.name, s.name)
		if s.on != "" {
			column = " " + s.on + column + " */"
		}
		query.WriteString(column)
	}
	return query.String()
}
