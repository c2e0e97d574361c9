package search

import (
	"slices"
	"strings"

	"github.com/musterhq/muster/internal/user"
)

// Conditions are ANDed conditions of a WHERE clause with the values of their placeholders. The zero value has none.
type Conditions struct {
	list []string
	Args []any
}

// And returns c with one condition more; c stays as it is.
func (c Conditions) And(condition string, args ...any) Conditions {
	return Conditions{list: append(slices.Clip(c.list), condition), Args: append(slices.Clip(c.Args), args...)}
}

// String returns the SQL without the word WHERE.
func (c Conditions) String() string { return strings.Join(c.list, " AND ") }

// Where returns everything that f asks of a user. It is the definition of the filter: whichever index leads to a user,
// these conditions decide whether the user is listed or exported.
func (d *Dialect) Where(f user.Filter) Conditions {
	var c Conditions
	add := func(given bool, condition string, arg any) {
		if given {
			c = c.And(condition, arg)
		}
	}
	// No placeholder for deleted: SQLite could not tell that its partial index of deleted users applies.
	if f.Deleted {
		c = c.And(`deleted = 1`)
	} else {
		c = c.And(`deleted = 0`)
	}
	add(f.Name != "", d.FullName+` LIKE ? ESCAPE '!'`, contains(f.Name))
	add(f.City != "", `city LIKE ? ESCAPE '!'`, contains(f.City))
	add(f.State != "", `state LIKE ? ESCAPE '!'`, contains(f.State))
	add(f.Email != "", d.Column("email")+` = ?`, f.Email)
	add(f.Gender != "", `gender = ?`, f.Gender)
	add(f.Age != 0, `age = ?`, f.Age)
	add(f.MinAge != 0, `age >= ?`, f.MinAge)
	add(f.MaxAge != 0, `age <= ?`, f.MaxAge)
	add(f.FirstID != 0, `id >= ?`, f.FirstID)
	add(f.LastID != 0, `id <= ?`, f.LastID)
	return c
}

var literal = strings.NewReplacer(`!`, `!!`, `%`, `!%`, `_`, `!_`)

// contains returns the LIKE pattern, under ESCAPE '!', of texts with s somewhere in them.
func contains(s string) string { return `%` + literal.Replace(s) + `%` }
