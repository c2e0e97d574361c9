package records

import (
	"bytes"
	"io"
)

// jsonArray reads a JSON array as NDJSON, an element a line, as the bytes come and without holding an element. It looks
// only at what tells elements apart; what else is wrong in one is found when its record is read. An element begins on
// the line of the array on which it begins, if that is free.
type jsonArray struct {
	r   io.Reader
	buf []byte // of r
	all []byte // what is made of it
	out []byte // what of that has not been read
	err error

	state  int
	depth  int   // of brackets in the element
	bytes  int   // of the element
	space  bool  // there was some before this byte of the element
	last   byte  // of the element
	line   int64 // of the array, from 1
	wrote  int64 // line of the text, from 1
	lastCR bool
}

// The states of a jsonArray.
const (
	beforeArray = iota
	firstElement
	nextElement
	inElement
	inString
	inEscape
	afterElement
	afterArray
)

func newJSONArray(r io.Reader) *jsonArray {
	return &jsonArray{r: r, buf: make([]byte, 64<<10), line: 1, wrote: 1}
}

func (j *jsonArray) Read(p []byte) (int, error) {
	for len(j.out) == 0 {
		if j.err != nil {
			return 0, j.err
		}
		j.fill()
	}
	n := copy(p, j.out)
	j.out = j.out[n:]
	return n, nil
}

func (j *jsonArray) fill() {
	n, err := j.r.Read(j.buf)
	j.out = j.all[:0]
	defer func() { j.all = j.out }()
	for in := j.buf[:n]; len(in) > 0; in = in[1:] {
		if j.state == inString {
			// Most bytes are in strings.
			n := plainString(in)
			if j.bytes <= MaxRecord {
				j.out = append(j.out, in[:n]...)
				j.bytes += n
			}
			if in = in[n:]; len(in) == 0 {
				break
			}
		}
		if bad := j.step(in[0]); bad != "" {
			j.err = unreadable(bad, nil)
			return
		}
	}
	if j.err = err; err == io.EOF && j.state != afterArray {
		j.err = unreadable("the JSON array has no end", io.ErrUnexpectedEOF)
	}
}

// plainString returns how many bytes there are before one that means something in a string.
func plainString(b []byte) int {
	for i, c := range b {
		if c == '"' || c == '\\' || c < ' ' {
			return i
		}
	}
	return len(b)
}

// step takes a byte of the array, and returns what is wrong with it.
func (j *jsonArray) step(b byte) (bad string) {
	if b == '\n' && !j.lastCR || b == '\r' {
		j.line++
	}
	j.lastCR = b == '\r'
	switch j.state {
	case inElement:
		return j.inside(b)
	case inString, inEscape:
		j.text(b)
		return ""
	}
	if b == ' ' || b == '\t' || b == '\n' || b == '\r' {
		return ""
	}
	switch j.state {
	case beforeArray:
		if b != '[' {
			return "the file is not a JSON array"
		}
		j.state = firstElement
	case afterElement:
		switch b {
		case ',':
			j.state = nextElement
		case ']':
			j.state = afterArray
		default:
			return "the JSON array lacks a comma"
		}
	case afterArray:
		return "something follows the JSON array"
	default: // an element is due
		return j.begin(b)
	}
	return ""
}

// begin takes the first byte of an element, or the array's end.
func (j *jsonArray) begin(b byte) (bad string) {
	switch {
	case b == ']' && j.state == firstElement:
		j.state = afterArray
		return ""
	case b == ']', b == ',', b == '}', b == ':':
		return "the JSON array has a comma too many"
	}
	for ; j.wrote < j.line; j.wrote++ {
		j.out = append(j.out, '\n')
	}
	j.state, j.depth, j.bytes, j.space, j.last = inElement, 0, 0, false, 0
	j.element(b)
	return ""
}

// inside takes a byte of an element that is not in a string.
func (j *jsonArray) inside(b byte) (bad string) {
	switch {
	case b == ' ', b == '\t', b == '\n', b == '\r':
		j.space = true
	case j.depth == 0 && (b == ',' || b == ']'): // it was a number or the like
		j.endElement()
		return j.step(b)
	default:
		j.element(b)
	}
	return ""
}

// text takes a byte of a string.
func (j *jsonArray) text(b byte) {
	if b < ' ' {
		b = '\r' // as wrong as any, and a line feed would end the record
	}
	j.write(b)
	switch {
	case j.state == inEscape:
		j.state = inString
	case b == '"':
		j.state = inElement
	case b == '\\':
		j.state = inEscape
	}
}

// element writes a byte of an element, outside strings.
func (j *jsonArray) element(b byte) {
	if j.space && bytes.IndexByte([]byte("{}[]:,"), b) < 0 && bytes.IndexByte([]byte("{[:,"), j.last) < 0 {
		j.write(' ') // 1 2 is not 12
	}
	j.space = false
	j.write(b)
	switch b {
	case '"':
		j.state = inString
	case '{', '[':
		j.depth++
	case '}', ']':
		if j.depth--; j.depth <= 0 {
			j.endElement()
		}
	}
}

// write writes a byte of an element. Of one that is too long only so much is written that it is found to be.
func (j *jsonArray) write(b byte) {
	if j.last = b; j.bytes <= MaxRecord {
		j.out = append(j.out, b)
		j.bytes++
	}
}

func (j *jsonArray) endElement() {
	j.out = append(j.out, '\n')
	j.wrote++
	j.state = afterElement
}
