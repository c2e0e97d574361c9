package records

import (
	"fmt"
	"runtime/debug"
)

// lineWriter makes a text line by line.
type lineWriter interface {
	// appendLines appends at least one line, or returns io.EOF when there is none.
	appendLines(dst []byte) ([]byte, error)
	// columns returns the columns that the file says it has, once its first line was made.
	columns() []string
	close()
}

// lineReader reads what a lineWriter makes. The libraries for formats of others may panic on damaged files; that is a
// file which cannot be read.
type lineReader struct {
	w    lineWriter
	buf  []byte
	rest []byte
	err  error
}

func (l *lineReader) Read(p []byte) (int, error) {
	for len(l.rest) == 0 {
		if l.err != nil {
			return 0, l.err
		}
		l.fill()
	}
	n := copy(p, l.rest)
	l.rest = l.rest[n:]
	return n, nil
}

func (l *lineReader) fill() {
	defer recovered(&l.err)
	l.buf, l.err = l.w.appendLines(l.buf[:0])
	l.rest = l.buf
}

// recovered turns a panic into an error.
func recovered(err *error) {
	if r := recover(); r != nil {
		*err = unreadable("the file is damaged", fmt.Errorf("panic: %v\n%s", r, debug.Stack()))
	}
}

// object appends a JSON object member by member.
type object struct {
	b     []byte
	first bool
}

// begin begins an object behind dst.
func begin(dst []byte) object { return object{append(dst, '{'), true} }

// name appends a member's name, and its value is appended to o.b then.
func (o *object) name(name []byte) {
	if !o.first {
		o.b = append(o.b, ',')
	}
	o.first = false
	o.b = append(o.b, name...)
}

// end ends the object and its line.
func (o *object) end() []byte { return append(o.b, '}', '\n') }

// quotedName returns a member's name as object.name takes it.
func quotedName(name string) []byte { return append(appendString(nil, []byte(name)), ':') }
