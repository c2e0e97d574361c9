package export

import "unicode/utf8"

// appendJSON appends one user as a JSON object, without the fields that are unknown; it allocates nothing but dst.
func appendJSON(dst []byte, fields []field, cols [][]byte) ([]byte, error) {
	dst = append(dst, '{')
	start := len(dst)
	for i := range fields {
		f := &fields[i]
		col := cols[f.col]
		if f.unknown && len(col) == 0 {
			continue
		}
		if len(dst) > start {
			dst = append(dst, ',')
		}
		dst = append(dst, '"')
		dst = append(dst, f.name...) // needs no escaping
		dst = append(dst, '"', ':')
		switch {
		case f.kind == flag:
			dst = appendBool(dst, col)
		case col == nil:
			dst = append(dst, "null"...)
		case f.kind == text:
			dst = appendString(dst, col)
		case f.kind == stamp:
			var err error
			dst = append(dst, '"')
			if dst, err = appendStamp(dst, col); err != nil {
				return dst, err
			}
			dst = append(dst, '"')
		default:
			dst = append(dst, col...)
		}
	}
	return append(dst, '}'), nil
}

const hex = "0123456789abcdef"

// plain are the bytes that a JSON string holds as they are.
var plain = func() (t [256]bool) {
	for b := ' '; b < utf8.RuneSelf; b++ {
		t[b] = b != '"' && b != '\\'
	}
	return t
}()

// endsLine reports whether some reader of lines takes r for the end of one: JavaScript U+2028 and U+2029, Python these
// and U+0085. The others are control characters, which JSON escapes anyway.
func endsLine(r rune) bool { return r == '\u0085' || r == '\u2028' || r == '\u2029' }

// appendString appends s as a JSON string. Bytes that are not UTF-8 become U+FFFD, as encoding/json has it; whatever
// ends a line somewhere is escaped, so that each user of an NDJSON file is one line for every reader.
func appendString(dst, s []byte) []byte {
	dst = append(dst, '"')
	start := 0
	for i := 0; i < len(s); {
		b := s[i]
		if plain[b] {
			i++
			continue
		}
		size := 1
		if b >= utf8.RuneSelf {
			var r rune
			if r, size = utf8.DecodeRune(s[i:]); (r != utf8.RuneError || size > 1) && !endsLine(r) {
				i += size
				continue
			}
		}
		dst = append(dst, s[start:i]...)
		dst = appendEscape(dst, s[i:i+size])
		i += size
		start = i
	}
	dst = append(dst, s[start:]...)
	return append(dst, '"')
}

// appendEscape writes one character that cannot stand in a JSON string as it is.
func appendEscape(dst, char []byte) []byte {
	switch b := char[0]; {
	case len(char) == 3: // U+2028 or U+2029
		return append(dst, '\\', 'u', '2', '0', '2', hex[char[2]&0xF])
	case len(char) == 2:
		return append(dst, `\u0085`...)
	case b >= utf8.RuneSelf:
		return append(dst, "\uFFFD"...)
	case b == '"' || b == '\\':
		return append(dst, '\\', b)
	case b == '\n':
		return append(dst, '\\', 'n')
	case b == '\r':
		return append(dst, '\\', 'r')
	case b == '\t':
		return append(dst, '\\', 't')
	default:
		return append(dst, '\\', 'u', '0', '0', hex[b>>4], hex[b&0xF])
	}
}
