package records

import (
	"bytes"
	"io"
	"mime"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/unicode"
)

const utf8Name = "utf-8"

// charsetNamed returns the charset of that name, and the name that Info has for it: one of UTF-8, UTF-16 and the
// charsets of one byte a character. UTF-8 is nil.
func charsetNamed(name string) (encoding.Encoding, string, error) {
	switch plain(name) {
	case "utf8", "usascii", "ascii":
		return nil, utf8Name, nil
	case "utf16", "utf16le":
		return unicode.UTF16(unicode.LittleEndian, unicode.UseBOM), "utf-16le", nil
	case "utf16be":
		return unicode.UTF16(unicode.BigEndian, unicode.UseBOM), "utf-16be", nil
	case "latin1":
		return charmap.ISO8859_1, "iso-8859-1", nil
	}
	for _, e := range charmap.All {
		title := e.(interface{ String() string }).String() // "Windows 1252", "IBM Code Page 850"
		if p := plain(title); p == plain(name) || strings.Replace(p, "ibmcodepage", "cp", 1) == plain(name) {
			return e, strings.ReplaceAll(strings.ToLower(title), " ", "-"), nil
		}
	}
	return nil, "", &FileError{Code: UnknownCharset, Message: "the charset is not known; there are UTF-8, UTF-16, Windows-1252, ISO-8859-15 and others of one byte a character"}
}

// KnownCharset reports whether Options may name the charset.
func KnownCharset(name string) bool {
	_, _, err := charsetNamed(name)
	return err == nil
}

// plain returns a name without what is written in different ways.
func plain(name string) string {
	return strings.NewReplacer("-", "", "_", "", " ", "").Replace(strings.ToLower(strings.TrimSpace(name)))
}

// findCharset returns the charset of a text that begins like this, of which nothing is said. A mark at its beginning
// tells. The bytes of UTF-16 are zero at every second place. What is hardly UTF-8 is taken for Windows-1252.
func findCharset(head []byte) string {
	switch {
	case bytes.HasPrefix(head, []byte(utf8BOM)):
		return utf8Name
	case bytes.HasPrefix(head, []byte{0xFF, 0xFE}):
		return "utf-16le"
	case bytes.HasPrefix(head, []byte{0xFE, 0xFF}):
		return "utf-16be"
	}
	var zeros [2]int
	for i, b := range head {
		if b == 0 {
			zeros[i%2]++
		}
	}
	// Delimiters, line ends and digits are such in any script.
	switch pairs := len(head) / 2; {
	case zeros[1] > pairs/8+1 && zeros[0] <= zeros[1]/16:
		return "utf-16le"
	case zeros[0] > pairs/8+1 && zeros[1] <= zeros[0]/16:
		return "utf-16be"
	}
	good, bad := 0, 0
	for rest := head; len(rest) > 0; {
		r, size := utf8.DecodeRune(rest)
		switch {
		case r == utf8.RuneError && size == 1:
			if len(rest) >= utf8.UTFMax || utf8.FullRune(rest) { // else the head ends within a character
				bad++
			}
		case size > 1:
			good++
		}
		rest = rest[size:]
	}
	if bad > good {
		return "windows-1252"
	}
	return utf8Name
}

// contentType returns the charset that a Content-Type names, and whether it says that there is a header; nil: neither.
func contentType(s string) (charset string, header *bool) {
	_, params, err := mime.ParseMediaType(s)
	if err != nil {
		return "", nil
	}
	yes, no := true, false
	switch params["header"] {
	case "present":
		header = &yes
	case "absent":
		header = &no
	}
	return params["charset"], header
}

// transcoded reads r, which has this charset, as UTF-8. What the charset does not have becomes a byte that is not
// UTF-8, so that its record is known for faulty; where a program before put U+FFFD for such a thing, that does too.
func transcoded(r io.Reader, e encoding.Encoding) io.Reader {
	return &lossReader{r: e.NewDecoder().Reader(r)}
}

// replacement is U+FFFD, what a decoder writes for bytes that mean nothing.
const replacement = "\uFFFD"

// lossReader turns U+FFFD into the byte 0xFF.
type lossReader struct {
	r    io.Reader
	buf  [32 << 10]byte
	out  []byte // of buf, ready
	held int    // bytes behind out that may be the beginning of U+FFFD
	err  error
}

func (l *lossReader) Read(p []byte) (int, error) {
	for len(l.out) == 0 {
		if l.err != nil {
			return 0, l.err
		}
		l.fill()
	}
	n := copy(p, l.out)
	l.out = l.out[n:]
	return n, nil
}

func (l *lossReader) fill() {
	n := copy(l.buf[:], replacement[:l.held])
	l.held = 0
	var m int
	m, l.err = l.r.Read(l.buf[n:])
	in := l.buf[:n+m]
	out := l.buf[:0] // never overtakes in
	for {
		i := bytes.Index(in, []byte(replacement))
		if i < 0 {
			break
		}
		out = append(append(out, in[:i]...), 0xFF)
		in = in[i+len(replacement):]
	}
	l.out = append(out, in...)
	for i := 1; i < len(replacement) && l.err == nil; i++ {
		if bytes.HasSuffix(l.out, []byte(replacement[:i])) {
			l.held, l.out = i, l.out[:len(l.out)-i]
			return
		}
	}
}
