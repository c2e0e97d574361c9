package records

import (
	"bytes"
	"errors"
	"hash/maphash"
	"io"

	"github.com/go-json-experiment/json/jsontext"
)

// maxDepth is how many names a flattened one has at most: a.b.c.d is kept as JSON if it is an object still.
const maxDepth = 4

// objectReader reads JSON objects as names and values, one after the other in the same memory.
type objectReader struct {
	raw     []byte
	in      bytes.Buffer // the one reader whose bytes the decoder does not copy
	dec     *jsontext.Decoder
	names   [][]byte
	values  [][]byte
	scratch []byte // names, and strings that had escapes

	seed   maphash.Seed
	places map[uint64]int // by the hash of a name, its place; of objects with many
}

// fewNames are so few that looking through them is faster than hashing.
const fewNames = 24

func newObjectReader() *objectReader {
	return &objectReader{dec: jsontext.NewDecoder(&bytes.Buffer{}), seed: maphash.MakeSeed(), places: map[uint64]int{}}
}

// read reads the object that raw is. What it returns is valid until the next call, and while raw is.
func (o *objectReader) read(raw []byte) (names, values [][]byte, fault Fault) {
	o.names, o.values, o.scratch = o.names[:0], o.values[:0], o.scratch[:0]
	clear(o.places)
	o.raw, o.in = raw, *bytes.NewBuffer(raw)
	// That it is UTF-8 has been looked at, and a name may come twice.
	o.dec.Reset(&o.in, jsontext.AllowInvalidUTF8(true), jsontext.AllowDuplicateNames(true))
	if o.dec.PeekKind() != '{' {
		return nil, nil, BadJSON
	}
	if fault := o.object(nil, 1); fault != "" {
		return nil, nil, fault
	}
	if _, err := o.dec.ReadToken(); !errors.Is(err, io.EOF) {
		return nil, nil, BadJSON
	}
	return o.names, o.values, ""
}

// object reads the members of an object and puts prefix before their names.
func (o *objectReader) object(prefix []byte, depth int) Fault {
	if _, err := o.dec.ReadToken(); err != nil {
		return BadJSON
	}
	for o.dec.PeekKind() != '}' {
		name, fault := o.name(prefix)
		if fault != "" {
			return fault
		}
		if o.dec.PeekKind() == '{' && depth < maxDepth {
			// The name is what the scratch ends with.
			o.scratch = append(o.scratch, '.')
			end := len(o.scratch)
			if fault := o.object(o.scratch[end-len(name)-1:end:end], depth+1); fault != "" {
				return fault
			}
			continue
		}
		value, fault := o.value()
		if fault != "" {
			return fault
		}
		if o.set(name, value); len(o.names) > MaxColumns {
			return TooManyColumns
		}
	}
	if _, err := o.dec.ReadToken(); err != nil {
		return BadJSON
	}
	return ""
}

// name reads a member's name, and leaves it at the end of the scratch.
func (o *objectReader) name(prefix []byte) ([]byte, Fault) {
	quoted, err := o.dec.ReadValue()
	switch {
	case err != nil:
		return nil, BadJSON
	case len(quoted) > maxName:
		return nil, ValueTooLong
	}
	start := len(o.scratch)
	o.scratch = append(o.scratch, prefix...)
	// The error is that of invalid UTF-8, which may come of an escaped half of a surrogate pair.
	if o.scratch, err = jsontext.AppendUnquote(o.scratch, quoted); err != nil {
		return nil, BadCharset
	}
	name := o.scratch[start:len(o.scratch):len(o.scratch)]
	if bytes.IndexByte(name, 0) >= 0 {
		return nil, NUL
	}
	return name, ""
}

// value reads a member's value.
func (o *objectReader) value() ([]byte, Fault) {
	v, err := o.dec.ReadValue()
	switch {
	case err != nil:
		return nil, BadJSON
	case len(v) > MaxValue+2: // two quotes
		return nil, ValueTooLong
	}
	// The decoder's own slice ends with its next call.
	end := o.dec.InputOffset()
	v = o.raw[end-int64(len(v)) : end : end]
	switch {
	case v.Kind() == 'n':
		return nil, ""
	case v.Kind() != '"':
		return v, ""
	case bytes.IndexByte(v, '\\') < 0:
		return v[1 : len(v)-1], ""
	}
	start := len(o.scratch)
	if o.scratch, err = jsontext.AppendUnquote(o.scratch, v); err != nil {
		return nil, BadCharset
	}
	text := o.scratch[start:len(o.scratch):len(o.scratch)]
	if bytes.IndexByte(text, 0) >= 0 {
		return nil, NUL
	}
	return text, ""
}

// set sets a member; of those with one name the last one counts.
func (o *objectReader) set(name, value []byte) {
	if len(o.names) <= fewNames {
		for i, n := range o.names {
			if bytes.Equal(n, name) {
				o.values[i] = value
				return
			}
		}
	} else {
		if len(o.places) == 0 {
			for i, n := range o.names {
				o.places[maphash.Bytes(o.seed, n)] = i
			}
		}
		hash := maphash.Bytes(o.seed, name)
		if i, ok := o.places[hash]; ok && bytes.Equal(o.names[i], name) {
			o.values[i] = value
			return
		}
		o.places[hash] = len(o.names)
	}
	o.names, o.values = append(o.names, name), append(o.values, value)
}

// The writing of a text.

// appendString appends s as a JSON string. Bytes that are not UTF-8 stay as they are, for the reading to find.
func appendString(dst, s []byte) []byte {
	const hex = "0123456789abcdef"
	dst = append(dst, '"')
	start := 0
	for i, b := range s {
		if b >= ' ' && b != '"' && b != '\\' {
			continue
		}
		dst = append(dst, s[start:i]...)
		start = i + 1
		switch b {
		case '"', '\\':
			dst = append(dst, '\\', b)
		default:
			dst = append(dst, '\\', 'u', '0', '0', hex[b>>4], hex[b&15])
		}
	}
	dst = append(dst, s[start:]...)
	return append(dst, '"')
}
