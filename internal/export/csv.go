package export

import (
	"bytes"
	"strings"
	"time"

	"github.com/musterhq/muster/internal/formula"
)

// stampForm is RFC 3339 with milliseconds, as the API writes times.
const stampForm = "2006-01-02T15:04:05.000Z07:00"

func csvHeader(fields []field) string { return strings.Join(names(fields), ",") + "\r\n" }

// appendCSV appends one user as a line of RFC 4180 (CR LF at its end) to dst and returns it, as append does; it
// allocates nothing else. cols are the columns of user.Columns, NULL being nil, an empty cell.
//
// A text cell that a spreadsheet would run as a formula gets a leading ', which formula.Unguard takes off again; raw turns
// that off.
func appendCSV(dst []byte, fields []field, cols [][]byte, raw bool) ([]byte, error) {
	start := len(dst)
	for i := range fields {
		if i > 0 {
			dst = append(dst, ',')
		}
		f := &fields[i]
		col := cols[f.col]
		switch f.kind {
		case text:
			dst = appendCell(dst, col, raw)
		case name:
			dst = appendName(dst, cols[colFirstName], cols[colLastName], raw)
		case flag:
			dst = appendBool(dst, col)
		case stamp:
			if col == nil {
				continue
			}
			var err error
			if dst, err = appendStamp(dst, col); err != nil {
				return dst, err
			}
		default:
			dst = append(dst, col...)
		}
	}
	if len(dst) == start { // an empty cell alone, in quotes, because readers pass over empty lines
		dst = append(dst, '"', '"')
	}
	return append(dst, '\r', '\n'), nil
}

func appendBool(dst, col []byte) []byte {
	if set(col) {
		return append(dst, "true"...)
	}
	return append(dst, "false"...)
}

func appendStamp(dst, col []byte) ([]byte, error) {
	ms, err := integer(col)
	if err != nil {
		return dst, err
	}
	return time.UnixMilli(ms).UTC().AppendFormat(dst, stampForm), nil
}

// appendName appends the first and the last name, joined by a space, as one cell.
func appendName(dst, first, last []byte, raw bool) []byte {
	switch {
	case len(last) == 0:
		return appendCell(dst, first, raw)
	case len(first) == 0:
		return appendCell(dst, last, raw)
	}
	start := len(dst)
	dst = append(dst, first...)
	dst = append(dst, ' ')
	dst = append(dst, last...)
	end := len(dst)
	if cell := dst[start:]; needsQuotes(cell) || !raw && formula.Needs(cell) {
		dst = appendCell(dst, cell, raw)
		dst = append(dst[:start], dst[end:]...)
	}
	return dst
}

func appendCell(dst, cell []byte, raw bool) []byte {
	if !needsQuotes(cell) {
		dst = appendGuard(dst, cell, raw)
		return append(dst, cell...)
	}
	dst = append(dst, '"')
	dst = appendGuard(dst, cell, raw)
	dst = appendEscaped(dst, cell)
	return append(dst, '"')
}

func needsQuotes(cell []byte) bool {
	for _, b := range cell {
		if b == ',' || b == '"' || b == '\r' || b == '\n' {
			return true
		}
	}
	return false
}

func appendGuard(dst, cell []byte, raw bool) []byte {
	if !raw && formula.Needs(cell) {
		return append(dst, '\'')
	}
	return dst
}

func appendEscaped(dst, cell []byte) []byte {
	for {
		i := bytes.IndexByte(cell, '"')
		if i < 0 {
			return append(dst, cell...)
		}
		dst = append(dst, cell[:i]...)
		dst = append(dst, '"', '"')
		cell = cell[i+1:]
	}
}
