package store

import (
	"slices"
	"strings"

	"github.com/musterhq/muster/internal/user"
)

// conditions are ANDed conditions of a WHERE with the values of their placeholders. The zero value has none.
type conditions struct {
	list []string
	args []any
}

func (c *conditions) add(condition string, args ...any) {
	c.list = append(c.list, condition)
	c.args = append(c.args, args...)
}

// and is c with one condition more; c stays as it is.
func (c conditions) and(condition string, args ...any) conditions {
	return conditions{list: append(slices.Clip(c.list), condition), args: append(slices.Clip(c.args), args...)}
}

func (c conditions) String() string { return strings.Join(c.list, " AND ") }

// where says everything that f asks for, for a reader that passes over each user.
func (s *Store) where(f user.Filter) conditions {
	var c conditions
	// No placeholders: SQLite could not know that its index of deleted users applies.
	if f.Deleted {
		c.add(`deleted = 1`)
	} else {
		c.add(`deleted = 0`)
	}
	if f.Name != "" {
		c.add(s.dialect.fullName+` LIKE ? ESCAPE '!'`, contains(f.Name))
	}
	if f.City != "" {
		c.add(`city LIKE ? ESCAPE '!'`, contains(f.City))
	}
	if f.State != "" {
		c.add(`state LIKE ? ESCAPE '!'`, contains(f.State))
	}
	if f.Email != "" {
		c.add(s.dialect.column("email")+` = ?`, f.Email)
	}
	if f.Gender != "" {
		c.add(`gender = ?`, f.Gender)
	}
	if f.Age != 0 {
		c.add(`age = ?`, f.Age)
	}
	if f.MinAge != 0 {
		c.add(`age >= ?`, f.MinAge)
	}
	if f.MaxAge != 0 {
		c.add(`age <= ?`, f.MaxAge)
	}
	if f.FirstID != 0 {
		c.add(`id >= ?`, f.FirstID)
	}
	if f.LastID != 0 {
		c.add(`id <= ?`, f.LastID)
	}
	return c
}

var literal = strings.NewReplacer(`!`, `!!`, `%`, `!%`, `_`, `!_`)

// contains is the pattern, under ESCAPE '!', of texts with s somewhere in them.
func contains(s string) string { return `%` + literal.Replace(s) + `%` }
