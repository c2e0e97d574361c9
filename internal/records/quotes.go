package records

import "bytes"

// quotes counts e-mail addresses, those with a ' before them and those without. Where the ' may be a guard against formulas
// it says nothing.
type quotes struct{ with, without int }

func (q *quotes) look(values [][]byte) {
	for _, v := range values {
		v = bytes.TrimLeft(v, " ")
		switch at := bytes.IndexByte(v, '@'); {
		case at < 1:
		case v[0] != '\'':
			q.without++
		case bytes.IndexByte([]byte("=+-@'"), v[1]) < 0:
			q.with++
		}
	}
}

// all reports whether each of them has one, and there is one.
func (q *quotes) all() bool { return q.with > 0 && q.without == 0 }

// quotedCSV looks through the first records of a text; cut: the last of them may lack its end.
func quotedCSV(head []byte, delim byte, cut bool) bool {
	q := &quotes{}
	if !bytes.Contains(head, []byte("'")) { // as most
		return false
	}
	s := newSplitter(bytes.NewReader(head), delim, 1)
	s.head = cut
	var values [][]byte
	var scratch []byte
	for n := 0; n < lookedAt && q.without == 0 && s.next(); n++ {
		if s.fault != "" || textFault(s.raw) != "" {
			continue
		}
		values, scratch, _ = csvValues(values[:0], scratch[:0], s.raw, delim, s.plain)
		q.look(values)
	}
	return q.all()
}
