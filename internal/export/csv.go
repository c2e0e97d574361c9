// Package export writes users as files. It reads them as raw columns, in the order of user.Columns, and never holds
// more than two pages of them.
package export

import "bytes"

// CSVHeader is the first line of a CSV export.
const CSVHeader = "id,name,age,gender,city,state,email,mobile\r\n"

// The places of user.Columns that a CSV export reads.
const (
	colID = iota
	colFirstName
	colLastName
	colEmail
	colCity
	colState
	colAge
	colMobile
	colGender
)

// AppendCSV appends one user as a line of RFC 4180 (CR LF at its end) to dst and returns it, as append does; it
// allocates nothing else. cols are the columns of user.Columns, NULL being nil, an empty cell.
//
// A text cell that starts with = + - @ TAB CR or LF gets a leading ', or a spreadsheet would run it as a formula
// (OWASP "CSV Injection"); raw turns that off.
func AppendCSV(dst []byte, cols [][]byte, raw bool) []byte {
	dst = append(dst, cols[colID]...)
	dst = append(dst, ',')
	dst = appendName(dst, cols[colFirstName], cols[colLastName], raw)
	dst = append(dst, ',')
	dst = append(dst, cols[colAge]...)
	for _, col := range [...]int{colGender, colCity, colState, colEmail, colMobile} {
		dst = append(dst, ',')
		dst = appendCell(dst, cols[col], raw)
	}
	return append(dst, '\r', '\n')
}

// appendName joins the names in dst itself: first quoted or not together, because the quotes go around both.
func appendName(dst, first, last []byte, raw bool) []byte {
	switch {
	case len(last) == 0:
		return appendCell(dst, first, raw)
	case len(first) == 0:
		return appendCell(dst, last, raw)
	}
	if !needsQuotes(first) && !needsQuotes(last) {
		dst = appendGuard(dst, first, raw)
		dst = append(dst, first...)
		dst = append(dst, ' ')
		return append(dst, last...)
	}
	dst = append(dst, '"')
	dst = appendGuard(dst, first, raw)
	dst = appendEscaped(dst, first)
	dst = append(dst, ' ')
	dst = appendEscaped(dst, last)
	return append(dst, '"')
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
	if raw || len(cell) == 0 {
		return dst
	}
	switch cell[0] {
	case '=', '+', '-', '@', '\t', '\r', '\n':
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
