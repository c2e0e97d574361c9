package export

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/musterhq/muster/internal/invalid"
	"github.com/musterhq/muster/internal/user"
)

// kind is what a field holds, and so how each format writes it.
type kind = user.Kind

const (
	text  = user.Text
	whole = user.Whole
	long  = user.Long
	flag  = user.Flag
	stamp = user.Stamp
	name  = user.Stamp + 1 // of CSV: the first and the last name, joined by a space
)

// field is a column of an export: its name there, and where user.Columns has it.
type field struct {
	name    string
	kind    kind
	col     int
	repeats bool // a few values for many users
	unknown bool // the value may be unknown: NULL, or the empty text
}

// lacks reports whether the value of the field, or of a stamp that may be none, is not there.
func (f *field) lacks(col []byte) bool {
	return f.unknown && len(col) == 0 || f.kind == stamp && col == nil
}

// nullable reports whether typed files have null where there is no value.
func (f *field) nullable() bool { return f.unknown || f.kind == stamp }

// place returns where user.Columns has a column, which must be one of them.
func place(column string) int { return slices.Index(user.Columns, column) }

var colFirstName, colLastName = place("first_name"), place("last_name")

// apiFields are the fields of all formats but CSV, named as in the API.
var apiFields = func() (out []field) {
	for col, f := range user.Fields() {
		out = append(out, field{name: f.Name, kind: f.Kind, col: col, repeats: f.Repeats, unknown: f.CanBeUnknown})
	}
	return out
}()

// csvDefault are the fields of a CSV file when none are asked for.
var csvDefault = []field{
	{name: "id", kind: long, col: place("id")}, {name: "name", kind: name, col: colFirstName}, {name: "age", kind: whole, col: place("age")},
	{name: "gender", kind: text, col: place("gender")}, {name: "city", kind: text, col: place("city")}, {name: "state", kind: text, col: place("state")},
	{name: "email", kind: text, col: place("email")}, {name: "mobile", kind: text, col: place("mobile_number")},
}

// csvFields are these and then, named as in the API, what they leave out.
var csvFields = func() []field {
	out := slices.Clone(csvDefault)
	for _, f := range apiFields {
		if !slices.ContainsFunc(csvDefault, func(d field) bool { return d.kind != name && d.col == f.col }) {
			out = append(out, f)
		}
	}
	return out
}()

// Check returns nil, or a *invalid.Error that lists every setting of s that is wrong.
func (u Users) Check(s user.ExportSpec) error {
	var bad invalid.Error
	switch s.Format {
	case "", user.CSV, user.NDJSON, user.JSON, user.Parquet, user.Avro:
		if _, err := fieldsOf(s); err != nil {
			bad.Add("fields", "%v", err)
		}
	default:
		bad.Add("format", "must be csv, ndjson, json, parquet or avro")
	}
	switch s.Compress {
	case "", gzipped, zstandard:
	default:
		bad.Add("compress", "must be gzip or zstd")
	}
	if (s.Raw || s.Excel) && s.Format != "" && s.Format != user.CSV {
		bad.Add("csv", "is for format csv only")
	}
	return bad.Err()
}

// fieldsOf returns the fields that s asks for, in its order, or an error that lists unknown names.
func fieldsOf(s user.ExportSpec) ([]field, error) {
	known, all := apiFields, apiFields
	if s.Format == "" || s.Format == user.CSV {
		known, all = csvFields, csvDefault
	}
	if len(s.Fields) == 0 {
		return all, nil
	}
	var picked []field
	var unknown, twice []string
	for _, want := range s.Fields {
		i := slices.IndexFunc(known, func(f field) bool { return f.name == want })
		switch {
		case i < 0:
			unknown = append(unknown, shorten(want))
		case slices.Contains(picked, known[i]):
			twice = append(twice, want)
		default:
			picked = append(picked, known[i])
		}
	}
	switch {
	case unknown != nil:
		return nil, fmt.Errorf("%s: not among %s", some(unknown), strings.Join(names(known), ", "))
	case twice != nil:
		return nil, fmt.Errorf("%s: more than once", some(twice))
	}
	return picked, nil
}

// columnsOf returns the places in user.Columns that the fields of s, which has been checked, need.
func columnsOf(s user.ExportSpec) (columns []int) {
	fields, _ := fieldsOf(s)
	for _, f := range fields {
		if f.kind == name {
			columns = append(columns, colFirstName, colLastName)
		} else {
			columns = append(columns, f.col)
		}
	}
	slices.Sort(columns)
	return slices.Compact(columns)
}

func names(fields []field) []string {
	out := make([]string, len(fields))
	for i, f := range fields {
		out[i] = f.name
	}
	return out
}

// some and shorten keep an error short whatever was sent.
func some(names []string) string { return strings.Join(names[:min(len(names), 10)], ", ") }

func shorten(s string) string {
	if len(s) > 40 {
		s = s[:40] + "…"
	}
	return strconv.Quote(s)
}

// errNumber: a column that should hold a number does not. The text does not show the value, which may be personal.
var errNumber = errors.New("export: a stored number cannot be read")

// integer returns the number in a column of digits, without making the string that strconv.ParseInt would want.
func integer(digits []byte) (n int64, err error) {
	negative := len(digits) > 0 && digits[0] == '-'
	if negative {
		digits = digits[1:]
	}
	if len(digits) == 0 || len(digits) > 18 { // 18 digits always fit; ids end far below
		return 0, errNumber
	}
	for _, d := range digits {
		if d < '0' || d > '9' {
			return 0, errNumber
		}
		n = n*10 + int64(d-'0')
	}
	if negative {
		n = -n
	}
	return n, nil
}

// set reports whether a column of 0 or 1 is 1.
func set(col []byte) bool { return len(col) == 1 && col[0] == '1' }
