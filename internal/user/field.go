package user

import "strconv"

// Kind is what a field holds, and so how each part of the program writes it.
type Kind uint8

// The kinds.
const (
	Text  Kind = iota
	Whole      // an integer that fits int32
	Long       // an integer that fits int64
	Flag       // true or false
	Stamp      // a time in milliseconds since 1970 UTC, or none
)

// Field is a field of a user.
type Field struct {
	Name     string // in JSON, and of lists to sort by
	Alias    string // another name under which JSON may give it; usually empty
	Column   string // in the table users
	Kind     Kind
	Sortable bool // lists can be sorted by it, which takes an index whose equal entries are in the order of ids
	Repeats  bool // a few values for many users: a dictionary of them pays
	Min, Max int  // of a number; of a text there is only Max, in characters

	// CanBeUnknown: the number 0 or the empty text stands for no value at all, which JSON leaves out and typed files have as
	// null. The other texts are just empty.
	CanBeUnknown bool

	// Text or Number is the field's place in a patch; both are nil when it cannot be changed.
	Text   func(p *Patch) **string
	Number func(p *Patch) **int

	text   func(u *User) *string // of the user, as above
	number func(u *User) *int
	oneOf  []string                  // the texts that there are; nil: any
	check  func(value string) *Fault // what is wrong with a text that is neither too long nor empty; nil: nothing
}

// Settable reports whether a patch can change the field.
func (f *Field) Settable() bool { return f.Text != nil || f.Number != nil }

// Nullable reports whether the database has NULL where the field is unknown.
func (f *Field) Nullable() bool { return f.CanBeUnknown && f.Number != nil }

// Given returns the value that p gives the field, as the database stores it; ok is false when it leaves the field as it is.
func (f *Field) Given(p *Patch) (value any, ok bool) {
	switch {
	case f.Text != nil && *f.Text(p) != nil:
		return **f.Text(p), true
	case f.Number != nil && *f.Number(p) != nil:
		return stored(**f.Number(p)), true
	}
	return nil, false
}

// Fields returns the fields of a user in the order of exports and of the store. Callers must not change the slice.
func Fields() []Field { return fields }

// FieldOf returns the field with that name or alias in JSON; nil when there is none.
func FieldOf(name string) *Field {
	for i := range fields {
		if f := &fields[i]; f.Name == name || f.Alias != "" && f.Alias == name {
			return f
		}
	}
	return nil
}

// Columns names the columns of a record, those of Fields in their order.
var Columns = columns(func(*Field) bool { return true })

// Inserts names the columns that a new record has values for; the others begin with their default.
var Inserts = columns(func(f *Field) bool { return f.Name == "id" || f.Settable() })

func columns(which func(*Field) bool) (names []string) {
	for i := range fields {
		if which(&fields[i]) {
			names = append(names, fields[i].Column)
		}
	}
	return names
}

// SortFields returns the names of the fields that a list can be sorted by.
func SortFields() (names []string) {
	for i := range fields {
		if fields[i].Sortable {
			names = append(names, fields[i].Name)
		}
	}
	return names
}

// KeyOf returns the place of u in the order s.
func KeyOf(u *User, s Sort) Key {
	k := Key{ID: u.ID}
	switch f := FieldOf(s.By); {
	case f == nil:
	case f.text != nil:
		k.Value = *f.text(u)
	case f.number != nil && *f.number(u) != 0:
		k.Value = strconv.Itoa(*f.number(u))
	}
	return k
}
