package records

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"math"
	"strconv"
	"strings"
	"time"
)

// cellKind says what the numbers of a style are.
type cellKind byte

const (
	number cellKind = iota
	date
	dateTime
	timeOfDay
)

// styles reads which styles show numbers as dates.
func (x *xlsxLines) styles() error {
	formats := map[string]cellKind{}
	inCells := false
	// The formats come first, then the styles, which name them by their numbers.
	return x.each("xl/styles.xml", func(e xml.StartElement) error {
		switch e.Name.Local {
		case "numFmt":
			if len(formats) < xlsxStyles {
				formats[attr(e, "numFmtId")] = kindOf(attr(e, "formatCode"))
			}
		case "cellXfs":
			inCells = true
		case "cellStyles", "cellStyleXfs", "dxfs":
			inCells = false
		case "xf":
			if !inCells {
				break
			}
			if len(x.kinds) == xlsxStyles {
				return &FileError{Code: TooLarge, Message: "the workbook has too many styles"}
			}
			id := attr(e, "numFmtId")
			kind, ok := formats[id]
			if n, err := strconv.Atoi(id); !ok && err == nil {
				kind = builtIn(n)
			}
			x.kinds = append(x.kinds, kind)
		}
		return nil
	})
}

// builtIn returns the kind of a number format that has no code: ECMA-376 part 1, 18.8.30.
func builtIn(id int) cellKind {
	switch {
	case id >= 14 && id <= 17, id >= 27 && id <= 31, id == 36, id >= 50 && id <= 58:
		return date
	case id >= 18 && id <= 21, id >= 32 && id <= 35, id >= 45 && id <= 47:
		return timeOfDay
	case id == 22:
		return dateTime
	}
	return number
}

// kindOf returns the kind of a number format by its code, such as "[$-409]d\-mmm\-yy;@".
func kindOf(code string) cellKind {
	var days, months, hours bool
	for i := 0; i < len(code) && code[i] != ';'; i++ {
		switch code[i] {
		case '\\', '_', '*':
			i++
		case '"':
			i += 1 + max(0, strings.IndexByte(code[i+1:], '"'))
		case '[':
			end := max(0, strings.IndexByte(code[i:], ']'))
			switch strings.ToLower(strings.Trim(code[i:i+end], "[")) {
			case "h", "hh", "m", "mm", "s", "ss":
				hours = true // time that has passed
			}
			i += end
		case 'y', 'Y', 'd', 'D':
			days = true
		case 'm', 'M':
			months = true
		case 'h', 'H', 's', 'S':
			hours = true
		}
	}
	switch {
	case hours && days:
		return dateTime
	case hours:
		return timeOfDay
	case days || months:
		return date
	}
	return number
}

// readStrings reads on in the texts that cells name by their number, some more of them: those that the first rows need
// are the first.
func (x *xlsxLines) readStrings() error {
	var text []byte
	var reading, phonetic bool
	for end := x.strings.n + someStrings; x.strings.n < end; {
		token, err := x.shared.next()
		if errors.Is(err, io.EOF) {
			x.shared = nil
			break
		}
		if err != nil {
			return err
		}
		switch t := token.(type) {
		case xml.StartElement:
			switch t.Name.Local {
			case "si":
				text = text[:0]
			case "rPh":
				phonetic = true
			case "t":
				reading = !phonetic
			}
		case xml.EndElement:
			switch t.Name.Local {
			case "si":
				if err := x.strings.add(unescape(text)); err != nil {
					return err
				}
			case "rPh":
				phonetic = false
			case "t":
				reading = false
			}
		case xml.CharData:
			if reading && len(text) <= MaxValue {
				text = append(text, t...)
			}
		}
	}
	return x.strings.flush()
}

// someStrings is how many texts are read at once.
const someStrings = 1 << 10

// unescape returns a text without the form that OOXML has for characters which XML cannot hold: _x000D_.
func unescape(text []byte) []byte {
	if !bytes.Contains(text, []byte("_x")) {
		return text
	}
	var out []byte
	for len(text) > 0 {
		if len(text) >= 7 && text[0] == '_' && text[1] == 'x' && text[6] == '_' {
			if n, err := strconv.ParseUint(string(text[2:6]), 16, 16); err == nil {
				out = append(out, string(rune(n))...)
				text = text[7:]
				continue
			}
		}
		out = append(out, text[0])
		text = text[1:]
	}
	return out
}

// cell is one while it is read.
type cell struct {
	column                  int
	kind                    string
	style                   int
	open, reading, phonetic bool
}

func (x *xlsxLines) newCell(e xml.StartElement) (cell, error) {
	c := cell{column: len(x.cells), open: true}
	x.text = x.text[:0]
	for _, a := range e.Attr {
		switch a.Name.Local {
		case "r":
			c.column = 0
			for _, letter := range []byte(a.Value) {
				if letter < 'A' || letter > 'Z' || c.column > xlsxColumns {
					break
				}
				c.column = c.column*26 + int(letter-'A') + 1
			}
			c.column--
		case "t":
			c.kind = a.Value
		case "s":
			c.style, _ = strconv.Atoi(a.Value)
		}
	}
	if c.column < 0 || c.column >= xlsxColumns {
		return cell{}, unreadable("the sheet has more columns than Excel allows", nil)
	}
	return c, nil
}

// set puts a cell, which has been read, in its place.
func (x *xlsxLines) set(c cell) error {
	start := len(x.scratch)
	if start <= MaxRecord { // else the record is too long, whatever comes
		var err error
		if x.scratch, err = x.appendValue(x.scratch, c); err != nil {
			return err
		}
	}
	for len(x.cells) <= c.column {
		x.cells = append(x.cells, nil)
	}
	x.cells[c.column] = x.scratch[start:len(x.scratch):len(x.scratch)]
	return nil
}

// appendValue appends a cell's value as text.
func (x *xlsxLines) appendValue(dst []byte, c cell) ([]byte, error) {
	text := bytes.TrimSpace(x.text)
	switch c.kind {
	case "s":
		i, err := strconv.ParseInt(string(text), 10, 64)
		if err != nil {
			i = -1
		}
		for i >= x.strings.n && x.shared != nil {
			if err := x.readStrings(); err != nil {
				return dst, err
			}
		}
		return x.strings.get(dst, i)
	case "inlineStr", "str":
		text = unescape(x.text)
	case "b":
		switch string(text) {
		case "1":
			text = []byte("true")
		case "0":
			text = []byte("false")
		}
	case "", "n":
		kind := number
		if c.style >= 0 && c.style < len(x.kinds) {
			kind = x.kinds[c.style]
		}
		text = numeric(text, kind, x.from1904)
	}
	return append(dst, text...), nil
}

// numeric returns a number as people write it: without the exponent and the .0 of programs, as a date if it is shown as
// one. A number that has lost digits keeps its exponent.
func numeric(text []byte, kind cellKind, from1904 bool) []byte {
	if kind == number && !bytes.ContainsAny(text, ".eE") {
		return text
	}
	f, err := strconv.ParseFloat(string(text), 64)
	switch {
	case err != nil || math.Abs(f) >= exactFloat:
		return text
	case kind == number || f < 0 || f >= 2_958_466: // the year 10000
		return strconv.AppendFloat(nil, f, 'f', -1, 64)
	}
	epoch := time.Date(1899, 12, 30, 0, 0, 0, 0, time.UTC)
	switch {
	case from1904:
		epoch = time.Date(1904, 1, 1, 0, 0, 0, 0, time.UTC)
	case f < 60:
		epoch = epoch.AddDate(0, 0, 1) // Excel knows a 29 February 1900
	}
	day, rest := math.Modf(f)
	t := epoch.AddDate(0, 0, int(day)).Add(time.Duration(math.Round(rest*24*60*60)) * time.Second)
	switch {
	case kind == timeOfDay && day == 0:
		return t.AppendFormat(nil, time.TimeOnly)
	case kind == date || rest == 0:
		return t.AppendFormat(nil, time.DateOnly)
	}
	return t.AppendFormat(nil, "2006-01-02T15:04:05")
}
