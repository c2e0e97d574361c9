// Package columns knows which column of a file is which field of a user, and makes of a record's values a row to store, or
// the faults for which it is rejected. It is pure: the same header, options and record give the same row anywhere, so that
// a chunk that is imported a second time is imported alike. testdata/README.md lists the systems whose exports it knows.
package columns

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/musterhq/muster/internal/invalid"
)

// The keys by which a row finds the user that is there already.
const (
	KeyEmail = "email"
	KeyID    = "id"
)

// What an empty value says about a user that is there already. A column that is missing, and a member that a JSON record
// does not have, says nothing in both.
const (
	Keep  = "keep"  // nothing: the field stays as it is
	Clear = "clear" // the field is emptied
)

// Options say how a file's columns are taken.
type Options struct {
	// Map gives columns by the field that they are taken for, whatever their names say; ParseMap lists the fields. A column
	// without a name is none: the field is left alone.
	Map map[string]string
	// Key is the field that every row has to have, KeyEmail or KeyID; empty: rows are told apart by nothing. The id of a
	// row is read only with KeyID, because what other systems call id is theirs.
	Key string
	// EmptyMeans is Keep or Clear; empty: Keep.
	EmptyMeans string
	// Quoted: a ' stands before each text, and is taken off; but not in our own exports and in rejected rows with the column
	// Guarded, which have guards.
	Quoted bool
	// NoRows: there is no row, so that there need not be a column either.
	NoRows bool
	// Today is the day on which somebody born on a date has the age that is stored, by its own calendar. It has to be the
	// same for all rows of a job and all tries: the time at which the job was made, not the clock.
	Today time.Time
}

// Column is a column of a file, and what it is taken for.
type Column struct {
	Name string
	// Field is a field of ParseMap, or "deleted"; empty: the column is passed over.
	Field string
	// Order is 1 for the column that is looked at first for the field, 2 for the one whose value is taken where that is empty,
	// and so on; 0 for a column that is passed over.
	Order int
}

// NoKnownColumnError: nothing in the header can be an e-mail address or a name, so that no row could be stored. Its text
// leaves the columns out: what was taken for a header may be somebody's data.
type NoKnownColumnError struct{ Columns []string }

func (e *NoKnownColumnError) Error() string {
	return fmt.Sprintf("none of the %d columns is known as an e-mail address or a name", len(e.Columns))
}

// NoKeyColumnError: none of the columns is the key.
type NoKeyColumnError struct {
	Key     string
	Columns []string
}

func (e *NoKeyColumnError) Error() string {
	return fmt.Sprintf("none of the %d columns is known as the key, %s", len(e.Columns), e.Key)
}

// ParseMap reads settings of the form <field>:<column>. The fields are id, email, firstName, lastName, name, city, state,
// age, birthdate, gender and mobileNumber (also phNum, mobile). The error is a *invalid.Error of the field map.
func ParseMap(settings []string) (map[string]string, error) {
	out := make(map[string]string, len(settings))
	var bad invalid.Error
	for _, s := range settings {
		name, column, ok := strings.Cut(s, ":") // the first one: "cognito:username" is a column
		name = strings.TrimSpace(name)
		t := targetNamed(name)
		switch _, twice := out[t.String()]; {
		case !ok:
			bad.Add("map", "must be <field>:<column>")
		case t == none:
			bad.Add("map", "knows no such field; there are %s", strings.Join(mappable(), ", "))
		case twice:
			bad.Add("map", "gives %s more than once", t)
		default:
			out[t.String()] = column
		}
	}
	if err := bad.Err(); err != nil {
		return nil, err
	}
	return out, nil
}

// Plan is how the columns of a file are taken. It does not change, and any number of goroutines may use it.
type Plan struct {
	options Options
	columns []Column
	index   map[string]int // of each name, its last column: what a JSON record's member is
	head    header
	by      [targets][]candidate
	closed  [targets]bool // no column that the header does not show is taken for it
	origin  origin
}

// candidate is a column that may give a field its value.
type candidate struct {
	match
	column int
	late   string // the name of a JSON record's member that the header does not show; else empty
}

// NewPlan resolves a header. The error is a *invalid.Error of the options, a *NoKnownColumnError, or a *NoKeyColumnError.
func NewPlan(names []string, o Options) (*Plan, error) {
	if err := check(o); err != nil {
		return nil, err
	}
	p := &Plan{options: o, columns: make([]Column, len(names)), index: make(map[string]int, len(names)), head: newHeader(names), origin: originOf(names)}
	if p.origin.exact || p.origin.marked {
		p.options.Quoted = false
	}
	if o.NoRows {
		return p, nil
	}
	taken := make([]bool, len(names))
	for i, name := range names {
		p.columns[i].Name = name
		p.index[name] = i
		taken[i] = OfRejects(name)
	}
	if err := p.mapColumns(taken); err != nil {
		return nil, err
	}
	for i, name := range names {
		if !taken[i] {
			p.add(&p.by, candidate{match: p.head.match(name), column: i})
		}
	}
	for t := range p.by {
		for order, c := range p.by[t] {
			p.columns[c.column].Field, p.columns[c.column].Order = target(t).String(), order+1
		}
	}
	switch {
	case onlyRaw(names): // some records may have been mended, others come back as they were: each is asked for itself
	case o.Key == KeyID && p.by[ofID] == nil, o.Key == KeyEmail && p.by[ofEmail] == nil:
		return nil, &NoKeyColumnError{Key: o.Key, Columns: names}
	case !p.useful():
		return nil, &NoKnownColumnError{Columns: names}
	}
	return p, nil
}

func check(o Options) error {
	var bad invalid.Error
	switch o.Key {
	case "", KeyEmail, KeyID:
	default:
		bad.Add("key", "must be email or id")
	}
	switch o.EmptyMeans {
	case "", Keep, Clear:
	default:
		bad.Add("emptyMeans", "must be keep or clear")
	}
	if o.Today.IsZero() {
		panic("columns: Options without Today") // ages would be as of the year 1
	}
	return bad.Err()
}

// mapColumns takes the columns that the caller named.
func (p *Plan) mapColumns(taken []bool) error {
	var bad invalid.Error
	for _, name := range slices.Sorted(maps.Keys(p.options.Map)) {
		t, wanted := targetNamed(name), p.options.Map[name]
		if t == none {
			bad.Add("map", "knows no such field; there are %s", strings.Join(mappable(), ", "))
			continue
		}
		p.closed[t] = true
		if wanted == "" {
			continue
		}
		if t == ofID && p.options.Key != KeyID {
			bad.Add("map", "names a column for the id, which is read with key=id only")
			continue
		}
		columns := p.named(wanted)
		if columns == nil {
			bad.Add("map", "names a column for %s that the file does not have", t)
		}
		for _, i := range columns {
			if taken[i] {
				bad.Add("map", "takes one column for two fields, %s among them", t)
				break
			}
			taken[i] = true
			m := match{target: t}
			if known := p.head.match(p.columns[i].Name); known.target == t { // how its values are written stays
				m.list, m.spanish = known.list, known.spanish
			}
			p.by[t] = append(p.by[t], candidate{match: m, column: i})
		}
	}
	// A whole name and its parts, an age and a birthdate, say the same: who maps one of them means that one.
	mapped := func(t target) bool { return p.by[t] != nil }
	parts := mapped(ofFirstName) || mapped(ofLastName)
	p.closed[ofAge] = p.closed[ofAge] || mapped(ofBirthdate)
	p.closed[ofBirthdate] = p.closed[ofBirthdate] || mapped(ofAge)
	p.closed[ofName] = p.closed[ofName] || parts
	if mapped(ofName) && !parts {
		p.closed[ofFirstName], p.closed[ofLastName] = true, true
	}
	return bad.Err()
}

// named returns the columns of that name; without any, those of which it is the name but for case, spaces and signs.
func (p *Plan) named(wanted string) (exact []int) {
	var like []int
	key := normal(wanted)
	for i, c := range p.columns {
		switch {
		case c.Name == wanted:
			exact = append(exact, i)
		case key != "" && normal(c.Name) == key:
			like = append(like, i)
		}
	}
	if exact == nil {
		return like
	}
	return exact
}

// add puts a column among those of its field, in the table's order of preference, and reports whether it is of a field.
func (p *Plan) add(by *[targets][]candidate, c candidate) bool {
	t := c.target
	if t == none || p.closed[t] || t == ofID && p.options.Key != KeyID {
		return false
	}
	at, _ := slices.BinarySearchFunc(by[t], c, candidate.compare)
	by[t] = slices.Insert(by[t], at, c)
	return true
}

// compare orders candidates by the table's preference, then as they stand in the header, then by name: not as they are met,
// which differs from one part of a file to another. Every candidate is another.
func (c candidate) compare(d candidate) int {
	return cmp.Or(c.match.compare(d.match), cmp.Compare(c.late, d.late), c.column-d.column)
}

// useful reports whether a row could be stored, or could change a user that its id names.
func (p *Plan) useful() bool {
	if p.by[ofEmail] != nil || p.by[ofName] != nil || p.by[ofFirstName] != nil || p.by[ofLastName] != nil {
		return true
	}
	if p.options.Key != KeyID {
		return false
	}
	return slices.ContainsFunc([]target{ofCity, ofState, ofAge, ofBirthdate, ofGender, ofMobile}, func(t target) bool { return p.by[t] != nil })
}

// Columns returns the columns of the header in their order. Callers must not change the slice.
func (p *Plan) Columns() []Column { return p.columns }

// OfRejects reports whether a column is one of those that Muster itself adds to rejected rows, which say nothing when
// the rows are mended and sent again.
func OfRejects(name string) bool {
	switch name {
	case "_row", "_line", "_code", "_field", "_message", Guarded:
		return true
	}
	return false
}

// Guarded is the column of rejected rows that says that texts have the guard against formulas, in whatever format they come
// back.
const Guarded = "_guarded"

// Raw is the member of a rejected record, in NDJSON, that could not be split into values.
const Raw = "_raw"

// onlyRaw reports whether a file begins with rejected records that could not be split, and nothing else.
func onlyRaw(names []string) bool {
	return slices.Contains(names, Raw) && !slices.ContainsFunc(names, func(name string) bool { return name != Raw && !OfRejects(name) })
}

// ownNames are the columns of our own CSV exports, which internal/export writes; its other formats have mobileNumber for
// mobile.
var ownNames = []string{"id", "name", "age", "gender", "city", "state", "email", "mobile", "firstName", "lastName", "deleted", "deletedAt"}

// origin is what a header says of where the file comes from.
type origin struct {
	csv bool // all columns are ones of our CSV
	// onlyCSV: and there is one that our other formats do not have. A file of another format has it when some program made it
	// of our CSV, with the guards in it.
	onlyCSV bool
	// exact: the file is ours for certain, for all columns are ours, the id among them.
	exact bool
	// marked: there is the column Guarded.
	marked bool
}

func originOf(names []string) origin {
	o, all := origin{csv: true}, true
	for i, name := range names {
		if name == Guarded {
			o.marked = true
		}
		if OfRejects(name) {
			continue
		}
		ours := slices.Contains(ownNames, name) && !slices.Contains(names[:i], name)
		o.csv = o.csv && ours
		o.onlyCSV = o.onlyCSV || name == "name" || name == "mobile"
		o.exact = o.exact || name == "id"
		all = all && (ours || name == "mobileNumber")
	}
	o.onlyCSV = o.onlyCSV && o.csv
	o.exact = o.exact && all
	return o
}
