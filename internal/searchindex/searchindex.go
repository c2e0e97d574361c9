// Package searchindex is which of the indexes of users, that searches are fast by, a database has or is to have. The index of
// e-mail addresses is not among them: imports by key need it, so that it is always there.
package searchindex

import (
	"fmt"
	"slices"
	"strings"
)

// Set is a set of indexes, each named by its column. The zero value has none.
type Set uint8

// columns are those of the indexes that may be left out, by their bits.
var columns = []string{"first_name", "last_name", "city", "state", "age", "deleted"}

// named is what a setting calls an index, or two.
type named struct {
	word string
	set  Set
}

// words are in the order in which they are shown.
var words = []named{
	{"name", Of("first_name", "last_name")}, {"city", Of("city")}, {"state", Of("state")}, {"age", Of("age")}, {"deleted", Of("deleted")},
}

// All has every index.
var All = Of(columns...)

// Of returns the set of the columns' indexes. Columns without one of these indexes are passed over.
func Of(list ...string) (s Set) {
	for _, column := range list {
		if i := slices.Index(columns, column); i >= 0 {
			s |= 1 << i
		}
	}
	return s
}

// Has reports whether a column can be searched and sorted by; those that need none of these indexes can.
func (s Set) Has(column string) bool {
	i := slices.Index(columns, column)
	return i < 0 || s&(1<<i) != 0
}

// Without returns the indexes of s that are not in t.
func (s Set) Without(t Set) Set { return s &^ t }

// Columns returns the columns of the indexes, in a fixed order.
func (s Set) Columns() (list []string) {
	for i, column := range columns {
		if s&(1<<i) != 0 {
			list = append(list, column)
		}
	}
	return list
}

// Parse reads a setting: words joined by commas, or all, or none. given is false for the empty text, which asks for nothing:
// a database's indexes stay as they are.
func Parse(text string) (s Set, given bool, err error) {
	switch text = strings.TrimSpace(text); text {
	case "":
		return 0, false, nil
	case "all":
		return All, true, nil
	case "none":
		return 0, true, nil
	}
	for word := range strings.SplitSeq(text, ",") {
		word = strings.TrimSpace(word)
		i := slices.IndexFunc(words, func(n named) bool { return n.word == word })
		if i < 0 {
			return 0, false, fmt.Errorf("%q is no index: want all, none, or some of name, city, state, age, deleted, joined by commas", word)
		}
		s |= words[i].set
	}
	return s, true, nil
}

// Names returns the words of the indexes, never nil. Of the two indexes of names it gives one alone by its column.
func (s Set) Names() []string {
	list := []string{}
	for _, w := range words {
		if s&w.set == w.set {
			list = append(list, w.word)
		} else {
			list = append(list, (s & w.set).Columns()...)
		}
	}
	return list
}

// String returns what Parse reads as s, if s has both indexes of names or none.
func (s Set) String() string {
	switch s {
	case All:
		return "all"
	case 0:
		return "none"
	}
	return strings.Join(s.Names(), ",")
}
