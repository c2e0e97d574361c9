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

// either returns c with one condition more: that the one with a placeholder holds for one of args.
func (c Conditions) either(condition string, args ...any) Conditions {
	if len(args) > 1 {
		condition = "(" + condition + strings.Repeat(" OR "+condition, len(args)-1) + ")"
	}
	return c.And(condition, args...)
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
	like := func(text, part string) {
		if part == "" {
			return
		}
		patterns := forms(part)
		for i := range patterns {
			patterns[i] = contains(patterns[i])
		}
		c = c.either(text+` LIKE ? ESCAPE '!'`, arguments(patterns)...)
	}
	like(d.FullName, f.Name)
	like("city", f.City)
	like("state", f.State)
	if f.Email != "" {
		emails := arguments(forms(f.Email))
		c = c.And(d.in("email", len(emails)), emails...)
	}
	add(f.Gender != "", `gender = ?`, f.Gender)
	add(f.Age != 0, `age = ?`, f.Age)
	add(f.MinAge != 0, `age >= ?`, f.MinAge)
	add(f.MaxAge != 0, `age <= ?`, f.MaxAge)
	add(f.FirstID != 0, `id >= ?`, f.FirstID)
	add(f.LastID != 0, `id <= ?`, f.LastID)
	return c
}

// forms returns the texts that a filter stands for: in the form in which users are stored today, and as it was given, if
// that is another, since earlier versions stored users as they were given.
func forms(given string) []string {
	switch normal := user.Normal(given); normal {
	case given, "": // with nothing but invisible characters it would be in every text
		return []string{given}
	default:
		return []string{normal, given}
	}
}

func arguments(texts []string) []any {
	args := make([]any, len(texts))
	for i, text := range texts {
		args[i] = text
	}
	return args
}

var literal = strings.NewReplacer(`!`, `!!`, `%`, `!%`, `_`, `!_`)

// contains returns the LIKE pattern, under ESCAPE '!', of texts with s somewhere in them.
func contains(s string) string { return `%` + literal.Replace(s) + `%` }
