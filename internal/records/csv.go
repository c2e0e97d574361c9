package records

import (
	"bytes"
	"strconv"
	"unicode/utf8"
)

// csvValues appends the values of a record to dst. What is quoted with doubled quotes in it is put together in scratch,
// which is returned to be used again. The fault is BadQuote, ValueTooLong or none.
func csvValues(dst [][]byte, scratch, raw []byte, delim byte, plain bool) (values [][]byte, _ []byte, fault Fault) {
	for {
		var value []byte
		if !plain && len(raw) > 0 && raw[0] == '"' {
			var rest []byte
			var ok bool
			if value, scratch, rest, ok = quoted(scratch, raw); !ok || len(rest) > 0 && rest[0] != delim {
				return dst, scratch, BadQuote
			}
			raw = rest
		} else if i := bytes.IndexByte(raw, delim); i >= 0 {
			value, raw = raw[:i:i], raw[i:]
		} else {
			value, raw = raw, nil
		}
		if len(value) > MaxValue {
			fault = ValueTooLong
		}
		dst = append(dst, value)
		if len(raw) == 0 {
			return dst, scratch, fault
		}
		raw = raw[1:]
	}
}

// quoted returns the value at the beginning of raw, which begins with a quote, and what follows its closing quote;
// false when it has none.
func quoted(scratch, raw []byte) (value, _, rest []byte, ok bool) {
	raw = raw[1:]
	start := len(scratch)
	for {
		i := bytes.IndexByte(raw, '"')
		switch {
		case i < 0:
			return nil, scratch, nil, false
		case i+1 < len(raw) && raw[i+1] == '"':
			scratch = append(scratch, raw[:i+1]...)
			raw = raw[i+2:]
			continue
		case len(scratch) == start:
			return raw[:i:i], scratch, raw[i+1:], true
		}
		scratch = append(scratch, raw[:i]...)
		return scratch[start:len(scratch):len(scratch)], scratch, raw[i+1:], true
	}
}

// textFault returns what is wrong with the bytes of a record, whatever its format.
func textFault(raw []byte) Fault {
	switch {
	case bytes.IndexByte(raw, 0) >= 0:
		return NUL
	case !utf8.Valid(raw):
		return BadCharset
	}
	return ""
}

// delimiters are those that are looked for; the first is that of a file with one column.
var delimiters = []byte{',', ';', '\t', '|'}

// lookedAt is how many records tell the delimiter, or the columns of JSON.
const lookedAt = 1000

// canDelimit reports whether a byte may part values.
func canDelimit(b byte) bool { return b == '\t' || b >= ' ' && b <= '~' && b != '"' }

// preambleLine is how long a line may be that some programs put before the header.
const preambleLine = 256

// preamble returns how many bytes some programs put before a CSV file's header, and on how many lines, and the
// delimiter that they say. Excel reads and writes "sep=;", Microsoft Entra wants "version:v1.0".
func preamble(head []byte) (n int, lines int64, delim byte) {
	for lines < 2 {
		end := bytes.IndexAny(head[n:min(len(head), n+preambleLine)], "\r\n")
		if end < 0 {
			break
		}
		line := bytes.Trim(head[n:n+end], `" `)
		switch {
		case len(line) == len("sep=;") && bytes.EqualFold(line[:len("sep=")], []byte("sep=")) && canDelimit(line[len("sep=")]):
			delim = line[len("sep=")]
		case !bytes.HasPrefix(bytes.ToLower(line), []byte("version:v1.")):
			return n, lines, delim
		}
		n += end + 1
		if head[n-1] == '\r' && n < len(head) && head[n] == '\n' {
			n++
		}
		lines++
	}
	return n, lines, delim
}

// findDelimiter returns the delimiter by which the most records of the head have as many values as the first one; of
// several such the one that gives the most values.
func findDelimiter(head []byte, whole bool) byte {
	best, bestScore := delimiters[0], 0
	for _, delim := range delimiters {
		if score := delimiterScore(head, whole, delim); score > bestScore {
			best, bestScore = delim, score
		}
	}
	return best
}

func delimiterScore(head []byte, whole bool, delim byte) int {
	s := newSplitter(bytes.NewReader(head), delim, 1)
	s.head = !whole
	var values [][]byte
	var scratch []byte
	columns, same, records := 0, 0, 0
	for records < lookedAt && s.wasted < 16*headBytes && s.next() {
		values, scratch, _ = csvValues(values[:0], scratch[:0], s.raw, delim, s.plain)
		if records++; records == 1 {
			columns = len(values)
		}
		if len(values) == columns {
			same++
		}
	}
	if columns < 2 {
		return 0
	}
	// Ragged files are those of the right delimiter too: the share of records counts in steps of a tenth.
	return same*10/records*10_000 + min(columns, 9_999)
}

// looksLikeData reports whether a record is no header: one of its values is an e-mail address.
func looksLikeData(values [][]byte) bool {
	for _, v := range values {
		local, domain, ok := bytes.Cut(bytes.TrimSpace(v), []byte{'@'})
		if ok && len(local) > 0 && !bytes.ContainsAny(local, " \t") && !bytes.ContainsAny(domain, " \t@") && bytes.IndexByte(domain, '.') > 0 {
			return true
		}
	}
	return false
}

// columnNames returns the names in a header, without those of the empty columns at its end.
func columnNames(values [][]byte) ([]string, error) {
	for len(values) > 1 && len(bytes.TrimSpace(values[len(values)-1])) == 0 {
		values = values[:len(values)-1]
	}
	if len(values) > MaxColumns {
		return nil, tooManyColumns(len(values))
	}
	names := make([]string, len(values))
	for i, v := range values {
		if len(v) > maxName {
			return nil, &FileError{Code: BadHeader, Message: "a column's name is longer than 1 KiB"}
		}
		if names[i] = string(v); len(bytes.TrimSpace(v)) == 0 {
			names[i] = columnName(i)
		}
	}
	return names, nil
}

// columnName returns the name of a column that has none, by its place from 0.
func columnName(i int) string { return "column" + strconv.Itoa(i+1) }

func tooManyColumns(n int) error {
	return &FileError{Code: TooManyColumnsInAll, Message: "the file has " + strconv.Itoa(n) + " columns, and more than " + strconv.Itoa(MaxColumns) + " are not read"}
}
