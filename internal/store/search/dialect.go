package search

// Dialect is what searches say differently to each engine.
type Dialect struct {
	// FullName is the first and the last name of a user, joined by a space.
	FullName string
	// Column returns the column as its index has it, that is with the collation of the index.
	Column func(name string) string
	// ByID, after the table's name, makes the engine go through the users in the order of their ids.
	ByID string
	// Index, after the table's name, makes the engine use this index. Left to themselves, MariaDB and MySQL read the whole
	// table where their statistics are a little off.
	Index func(name string) string

	// oneSelect: a collect of several columns is one SELECT over all of their indexes, in place of a UNION.
	oneSelect bool
	// folded returns a text that is the same for all texts which the collation takes for equal. A text that LIKE finds
	// inside another has its folded text inside the other's.
	folded func(text string) string
	// distinct selects as v up to ? distinct values of a column but NULL, in one seek of its index for each. It names the index, so
	// that it fails where that is gone; it would read all users, and SQLite once for each value.
	distinct func(column string) string
}

// MySQL is the dialect of MySQL and MariaDB.
var MySQL = Dialect{
	FullName: "CONCAT(first_name, ' ', last_name)",
	Column:   func(name string) string { return name },
	ByID:     " FORCE INDEX (PRIMARY)",
	Index:    func(name string) string { return " FORCE INDEX (" + name + ")" },
	folded:   mysqlFolded,
	// EXPLAIN says "Using index for group-by": both servers skip from value to value.
	distinct: func(column string) string {
		return "SELECT DISTINCT " + column + " AS v FROM users FORCE INDEX (ix_users_" + column + ") WHERE " + column + " IS NOT NULL LIMIT ?"
	},
}

// Vitess is the dialect of MySQL behind vtgate. Of SELECT … FROM (… UNION …) ORDER BY … LIMIT n, vtgate (v24) asks each shard for
// any n, and not for the first, so that some of the first are missing.
var Vitess = func() Dialect {
	d := MySQL
	d.oneSelect = true
	return d
}()

// SQLite is the dialect of SQLite.
var SQLite = Dialect{
	FullName: "first_name || ' ' || last_name",
	Column:   sqliteColumn,
	ByID:     " NOT INDEXED",
	Index:    func(name string) string { return " INDEXED BY " + name },
	folded:   func(text string) string { return "LOWER(" + text + ")" },
	distinct: sqliteDistinct,
}

// mysqlFolded returns the text's weights in the columns' collation. Texts may be equal there and differ for LIKE, which
// goes by characters: 'Straße' and 'Strasse', all emoji, control characters, spaces at the end.
func mysqlFolded(text string) string {
	const collated = " USING utf8mb4) COLLATE utf8mb4_unicode_ci)"
	return "TRIM(TRAILING WEIGHT_STRING(CONVERT(' '" + collated + " FROM WEIGHT_STRING(CONVERT(" + text + collated + ")"
}

// sqliteColumn compares texts in any case, as the collation of MySQL's columns does there.
func sqliteColumn(name string) string {
	switch name {
	case "id", "age", "deleted":
		return name
	}
	return name + " COLLATE NOCASE"
}

// sqliteDistinct asks again and again for the least value above the last one, since SQLite's own DISTINCT passes over
// every entry of the index.
func sqliteDistinct(column string) string {
	v, from := sqliteColumn(column), " FROM users INDEXED BY ix_users_"+column
	return "WITH RECURSIVE d(v) AS (SELECT * FROM (SELECT " + column + from + " WHERE " + v + " IS NOT NULL ORDER BY " + v + " LIMIT 1)" +
		" UNION ALL SELECT (SELECT " + column + from + " WHERE " + v + " > d.v ORDER BY " + v + " LIMIT 1) FROM d WHERE d.v IS NOT NULL)" +
		" SELECT v FROM d WHERE v IS NOT NULL LIMIT ?"
}
