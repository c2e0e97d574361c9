package fileimport

import (
	"bytes"
	"strconv"

	"github.com/musterhq/muster/internal/columns"
	"github.com/musterhq/muster/internal/job"
	"github.com/musterhq/muster/internal/records"
)

// ours are the columns that are added to rejected rows; columns.OfRejects knows them.
var ours = [...]string{"_row", "_line", "_code", "_field", "_message"}

// appendValue appends a value of CSV, in quotes where it needs them.
func appendValue(dst, v []byte, delim byte) []byte {
	if bytes.IndexByte(v, delim) < 0 && !bytes.ContainsAny(v, "\"\r\n") {
		return append(dst, v...)
	}
	dst = append(dst, '"')
	for {
		i := bytes.IndexByte(v, '"')
		if i < 0 {
			return append(append(dst, v...), '"')
		}
		dst = append(append(dst, v[:i+1]...), '"')
		v = v[i+1:]
	}
}

// appendOurs ends a record with the values of our columns.
func appendOurs(dst []byte, r *job.Reject, delim byte) []byte {
	var number [20]byte
	for _, v := range [...][]byte{
		strconv.AppendInt(number[:0], r.Row+1, 10), strconv.AppendInt(nil, r.Line, 10), []byte(r.Code), []byte(r.Field), []byte(r.Message),
	} {
		dst = appendValue(append(dst, delim), v, delim)
	}
	return append(dst, '\n')
}

// appendOurNames ends a header.
func appendOurNames(dst []byte, delim byte) []byte {
	for _, name := range ours {
		dst = appendValue(append(dst, delim), []byte(name), delim)
	}
	return append(dst, '\n')
}

// lines writes records of CSV as CSV.
type lines struct {
	parser records.Parser
	delim  byte
	header []byte // as it stands; nil: none
	known  int    // columns that a record has at least
	ours   []bool // for each column of the header, whether it is one of ours, which is replaced
	anew   bool   // there is one
	whole  int    // the column for a record that cannot be split
	mark   bool   // a byte order mark says that this is UTF-8
	quoted bool   // there is a ' before each text, which gives way to guards
}

func newLines(d *described) *lines {
	l := &lines{delim: delimiterOf(&d.info), header: d.header, known: len(d.info.Columns), whole: d.wholeColumn(), mark: d.info.Charset != "utf-8"}
	l.ours = make([]bool, l.known)
	if d.header == nil {
		return l
	}
	l.quoted = d.cells().quoted
	// The header may have empty columns at its end, which are not among Info's, and have to have values all the same.
	names, _ := l.parser.CSV(d.header, l.delim)
	l.ours = make([]bool, max(len(names), l.known))
	for i, name := range names {
		l.ours[i] = columns.OfRejects(string(name)) && string(name) != columns.Guarded // what has guards still has them
		l.anew = l.anew || l.ours[i]
	}
	return l
}

func (l *lines) appendHeader(dst []byte) []byte {
	if l.mark { // the request may say the charset of the original again
		dst = append(dst, "\uFEFF"...)
	}
	if l.header == nil {
		return dst
	}
	names, _ := l.parser.CSV(l.header, l.delim)
	dst = l.appendRecord(dst, l.header, names)
	if l.quoted {
		dst = append(append(dst, l.delim), columns.Guarded...)
	}
	return appendOurNames(dst, l.delim)
}

func (l *lines) appendRow(dst []byte, r *job.Reject) []byte {
	values, ok := l.parser.CSV(r.Raw, l.delim)
	switch {
	// Of one that is very long the store keeps the beginning, which may have some values fewer.
	case !ok || isWhole(r) || len(values) < l.known && r.Code != string(records.TooFewColumns):
		values = make([][]byte, l.whole+1)
		values[l.whole] = r.Raw
		dst = l.appendValues(dst, values)
	default:
		dst = l.appendRecord(dst, r.Raw, values)
	}
	if l.quoted {
		dst = append(append(dst, l.delim), isGuarded...)
	}
	return appendOurs(dst, r, l.delim)
}

// appendRecord appends a record with as many values as there are columns, as it stands if that is possible.
func (l *lines) appendRecord(dst, raw []byte, values [][]byte) []byte {
	if l.anew || l.quoted || len(values) > len(l.ours) { // the ones more are empty
		return l.appendValues(dst, values)
	}
	dst = append(dst, raw...)
	for range len(l.ours) - len(values) {
		dst = append(dst, l.delim)
	}
	return dst
}

// appendValues appends a value for each column that is not ours.
func (l *lines) appendValues(dst []byte, values [][]byte) []byte {
	first := true
	for i, ours := range l.ours {
		if ours {
			continue
		}
		if !first {
			dst = append(dst, l.delim)
		}
		switch first = false; {
		case i >= len(values):
		case l.quoted:
			dst = appendGuarded(dst, cells{quoted: true}.text(values[i]), l.delim)
		default:
			dst = appendValue(dst, values[i], l.delim)
		}
	}
	return dst
}

// linesOfObjects writes records of NDJSON as CSV.
type linesOfObjects struct {
	parser  records.Parser
	columns []string
	at      map[string]int // of columns
	whole   int            // the column for a record that cannot be split
	values  [][]byte
	cells   cells
}

// isGuarded is the value of the column columns.Guarded, whose name alone counts.
const isGuarded = "true"

func newLinesOfObjects(d *described) *linesOfObjects {
	l := &linesOfObjects{at: map[string]int{}, cells: d.cells()}
	whole := d.wholeColumn()
	for i, name := range d.info.Columns {
		if i == whole {
			l.whole = len(l.columns)
		}
		if !columns.OfRejects(name) {
			l.at[name] = len(l.columns)
			l.columns = append(l.columns, name)
		}
	}
	l.values = make([][]byte, len(l.columns))
	return l
}

func (l *linesOfObjects) appendHeader(dst []byte) []byte {
	for i, name := range l.columns {
		l.values[i] = []byte(name)
	}
	dst = append(append(l.appendValues(dst), ','), columns.Guarded...)
	return appendOurNames(dst, ',')
}

func (l *linesOfObjects) appendRow(dst []byte, r *job.Reject) []byte {
	clear(l.values)
	names, values, ok := l.parser.JSON(r.Raw)
	if !ok {
		l.values[l.whole] = r.Raw
	}
	for i, name := range names {
		if at, known := l.at[string(name)]; known {
			l.values[at] = l.cells.text(values[i])
		}
	}
	dst = append(append(l.appendValues(dst), ','), isGuarded...)
	return appendOurs(dst, r, ',')
}

// appendValues appends l.values, with guards.
func (l *linesOfObjects) appendValues(dst []byte) []byte {
	for i, v := range l.values {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendGuarded(dst, v, ',')
	}
	return dst
}
