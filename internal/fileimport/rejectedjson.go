package fileimport

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"strconv"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/musterhq/muster/internal/columns"
	"github.com/musterhq/muster/internal/job"
	"github.com/musterhq/muster/internal/records"
)

// appendString appends a text as a string of JSON; what is not UTF-8 becomes U+FFFD.
func appendString[T ~[]byte | ~string](dst []byte, s T) []byte {
	out, _ := jsontext.AppendQuote(dst, s)
	return out
}

// appendObject begins an object with our members.
func appendObject(dst []byte, r *job.Reject) []byte {
	dst = strconv.AppendInt(append(dst, `{"_row":`...), r.Row+1, 10)
	dst = strconv.AppendInt(append(dst, `,"_line":`...), r.Line, 10)
	dst = appendString(append(dst, `,"_code":`...), r.Code)
	dst = appendString(append(dst, `,"_field":`...), r.Field)
	return appendString(append(dst, `,"_message":`...), r.Message)
}

// maxRaw is how much of a record _raw has. In JSON a byte may take six, and with more than a mebibyte, or a NUL, the row
// would be refused for _raw alone after it was mended.
const maxRaw = 128 << 10

// appendRaw appends a record that cannot be split as one member.
func appendRaw(dst, raw []byte) []byte {
	raw = bytes.ReplaceAll(raw[:min(len(raw), maxRaw)], []byte{0}, []byte("\uFFFD"))
	return appendString(append(dst, `,"`+columns.Raw+`":`...), raw)
}

// objects writes records of NDJSON as NDJSON.
type objects struct{ in bytes.Buffer }

func (o *objects) appendHeader(dst []byte) []byte { return dst }

func (o *objects) appendRow(dst []byte, r *job.Reject) []byte {
	dst = appendObject(dst, r)
	start := len(dst)
	var ok bool
	if dst, ok = o.appendMembers(dst, r.Raw); !ok {
		dst = appendRaw(dst[:start], r.Raw)
	}
	return append(dst, '}', '\n')
}

// appendMembers appends the members of an object as they stand, but for ours of a time before; false: it is none.
func (o *objects) appendMembers(dst, raw []byte) ([]byte, bool) {
	if !utf8.Valid(raw) || bytes.IndexByte(raw, 0) >= 0 {
		return dst, false
	}
	o.in = *bytes.NewBuffer(raw)
	dec := jsontext.NewDecoder(&o.in, jsontext.AllowInvalidUTF8(true), jsontext.AllowDuplicateNames(true))
	if dec.PeekKind() != '{' {
		return dst, false
	}
	if _, err := dec.ReadToken(); err != nil {
		return dst, false
	}
	for dec.PeekKind() != '}' {
		quoted, err := dec.ReadValue()
		if err != nil {
			return dst, false
		}
		start := len(dst)
		dst = append(append(append(dst, ','), quoted...), ':')
		name, _ := jsontext.AppendUnquote(nil, quoted)
		value, err := dec.ReadValue()
		if err != nil {
			return dst, false
		}
		// What has guards still has them.
		if dst = append(dst, value...); columns.OfRejects(string(name)) && string(name) != columns.Guarded {
			dst = dst[:start]
		}
	}
	if _, err := dec.ReadToken(); err != nil {
		return dst, false
	}
	_, err := dec.ReadToken()
	return dst, errors.Is(err, io.EOF)
}

// objectsOfCSV writes records of CSV as NDJSON.
type objectsOfCSV struct {
	parser  records.Parser
	delim   byte
	known   int // columns
	members []member
	cells   cells
}

// member is that of all columns of one name, since an object has one name once.
type member struct {
	name []byte // as it stands in JSON, with the colon
	at   []int
}

func newObjectsOfCSV(d *described) *objectsOfCSV {
	o := &objectsOfCSV{delim: delimiterOf(&d.info), known: len(d.info.Columns), cells: d.cells()}
	for i, name := range d.info.Columns {
		if columns.OfRejects(name) {
			continue
		}
		quoted := append(appendString(nil, name), ':')
		at := slices.IndexFunc(o.members, func(m member) bool { return bytes.Equal(m.name, quoted) })
		if at < 0 {
			at = len(o.members)
			o.members = append(o.members, member{name: quoted})
		}
		o.members[at].at = append(o.members[at].at, i)
	}
	return o
}

func (o *objectsOfCSV) appendHeader(dst []byte) []byte { return dst }

func (o *objectsOfCSV) appendRow(dst []byte, r *job.Reject) []byte {
	dst = appendObject(dst, r)
	values, ok := o.parser.CSV(r.Raw, o.delim)
	if !ok || isWhole(r) || len(values) < o.known && r.Code != string(records.TooFewColumns) {
		return append(appendRaw(dst, r.Raw), '}', '\n')
	}
	for _, m := range o.members {
		if v := m.value(values); v != nil {
			dst = appendString(append(append(dst, ','), m.name...), o.cells.text(v))
		}
	}
	return append(dst, '}', '\n')
}

// value returns the first value of the columns that is not empty, as columns takes it; nil: the record has none of them.
func (m *member) value(values [][]byte) (v []byte) {
	for _, at := range m.at {
		if at >= len(values) {
			break
		}
		if v = values[at]; len(v) > 0 {
			return v
		}
	}
	return v
}
