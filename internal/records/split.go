package records

import (
	"bytes"
	"errors"
	"io"
	"unicode/utf8"
)

const (
	bufferBytes = 256 << 10 // what is read at once, and all the memory that records of a usual size take
	utf8BOM     = "\xEF\xBB\xBF"
)

// splitter finds where the records of a text end. It is what makes the walk over a whole file and the reading of one
// chunk agree: what it decides about a record depends on nothing before the record and, but for a quote that is not
// closed, nothing behind it.
type splitter struct {
	r     io.Reader
	delim byte // of CSV; 0: the text is NDJSON
	head  bool // the text is cut off: what ends with it is no record
	ends  *[256]bool

	// sink takes the bytes of the text that have been passed, in order; nil: nobody wants them.
	sink   io.Writer
	passed int // buf[passed:pos] are not in the sink yet

	buf      []byte
	pos, end int   // buf[pos:end] is what is known of the text from the next record on
	base     int64 // of buf[0], in the text
	err      error // after buf[:end]; io.EOF at the end of the text

	// The places of the next such bytes, at least pos when they are asked for by index.
	lf, cr, quote int

	line   int64 // of buf[pos]
	wasted int64 // bytes looked at in vain, for quotes that are not closed

	// The record that was found last.
	raw     []byte
	fault   Fault
	rawLine int64
	plain   bool // no quote in it
	cut     []byte
}

// What the search for a record's end stops at.
var (
	csvEnds    = [256]bool{'"': true, '\n': true, '\r': true}
	ndjsonEnds = [256]bool{'\n': true}
)

// newSplitter returns a splitter of CSV with this delimiter or, without one, of NDJSON. line is the number of its first
// line.
func newSplitter(r io.Reader, delim byte, line int64) *splitter {
	s := &splitter{r: r, line: line}
	s.dialect(delim)
	return s
}

// dialect sets what the records from here on are.
func (s *splitter) dialect(delim byte) {
	s.delim, s.ends = delim, &csvEnds
	s.lf, s.cr, s.quote = -1, -1, -1
	if delim == 0 {
		s.ends = &ndjsonEnds
	}
}

// offset returns how much of the text has been passed.
func (s *splitter) offset() int64 { return s.base + int64(s.pos) }

// peek returns up to n bytes of the text that have not been passed; whole: the text ends with them, or cannot be read
// further.
func (s *splitter) peek(n int) (head []byte, whole bool) {
	for s.end-s.pos < n && s.fill() {
	}
	return s.buf[s.pos:min(s.pos+n, s.end)], s.err != nil && s.end-s.pos <= n
}

// skip passes over n bytes, which peek returned.
func (s *splitter) skip(n int) { s.pos += n }

// next finds the next record that is not blank. It returns false at the end of the text and on an error.
func (s *splitter) next() bool {
	for s.record() {
		if s.fault != "" || !s.blank() {
			return true
		}
	}
	return false
}

// failed returns the error that ended the text, nil for its end.
func (s *splitter) failed() error {
	if errors.Is(s.err, io.EOF) {
		return nil
	}
	return s.err
}

// record finds the end of the record at pos, blank or not.
func (s *splitter) record() bool {
	s.fault, s.rawLine = "", s.line
	lf := s.index(&s.lf, '\n')
	if lf == s.end || lf-s.pos > MaxRecord {
		return s.walk(s.delim != 0)
	}
	if s.delim == 0 {
		s.found(s.buf[s.pos:lf], 1)
		return true
	}
	// Most lines have no quote, and no CR but before their LF.
	if s.index(&s.quote, '"') < lf {
		return s.quotedRecord(lf) || s.walk(true)
	}
	switch s.index(&s.cr, '\r') {
	case lf - 1:
		s.found(s.buf[s.pos:lf-1], 2)
	default:
		if s.cr < lf {
			return s.walk(true)
		}
		s.found(s.buf[s.pos:lf], 1)
	}
	s.plain = true
	return true
}

// quotedRecord is walk for a record as programs write it: whole in the buffer, of a usual size, with nothing wrong in
// it. It returns false if it may be another. lf is the place of the first LF.
func (s *splitter) quotedRecord(lf int) bool {
	b := s.buf[:min(s.end, s.pos+MaxValue)]
	for i := s.pos; i < len(b); i++ {
		for b[i] == '"' { // again behind the first half of one that is doubled
			n := bytes.IndexByte(b[i+1:], '"')
			if i += n + 2; n < 0 || i >= len(b) {
				return false
			}
			if b[i] != '"' && b[i] != s.delim && b[i] != '\n' && b[i] != '\r' {
				return false
			}
		}
		for b[i] != s.delim && b[i] != '\n' && b[i] != '\r' {
			if i++; i == len(b) {
				return false
			}
		}
		if b[i] == s.delim {
			continue
		}
		lineEnd := 1
		if b[i] == '\r' {
			if i+1 == len(b) {
				return false
			}
			if b[i+1] == '\n' {
				lineEnd = 2
			}
		}
		raw := s.buf[s.pos:i]
		if lf < i || s.index(&s.cr, '\r') < i {
			s.line += s.lineBreaks(raw)
		}
		s.found(raw, lineEnd)
		return true
	}
	return false
}

// index returns where the next b is, from pos on, and end when it is not in the buffer. at remembers it.
func (s *splitter) index(at *int, b byte) int {
	if *at < s.pos {
		if *at = bytes.IndexByte(s.buf[s.pos:s.end], b); *at < 0 {
			*at = s.end
		} else {
			*at += s.pos
		}
	}
	return *at
}

// found ends the record at pos, which is raw and a line end of that many bytes, on one line.
func (s *splitter) found(raw []byte, lineEnd int) {
	s.raw, s.plain = raw, false
	s.pos += len(raw) + lineEnd
	s.line++
}

// blank reports whether there is nothing in the record but delimiters and spaces.
func (s *splitter) blank() bool {
	for _, b := range s.raw {
		if b != ' ' && b != '\t' && b != '\r' && (b != s.delim || b == 0) {
			return false
		}
	}
	return true
}

// search is one for the end of the record at pos.
type search struct {
	quotes  bool // they mean something: else the record is but a line
	off     int  // how far the record has been looked at, from pos
	opens   bool // a quote at off would open a value
	tooLong bool // what has been looked at is dropped
}

// walk finds the end of the record at pos step by step: a record with quotes or odd line ends, one that is not whole in
// the buffer, one that is too long, the last one.
func (s *splitter) walk(quotes bool) bool {
	w := search{quotes: quotes, opens: true}
	for {
		rec := s.advance(&w)
		switch {
		case w.off == len(rec):
			if s.fill() {
				continue
			}
			if s.failed() != nil || s.head || w.off == 0 && !w.tooLong {
				return false
			}
			return s.ended(&w, 0)
		case rec[w.off] == '\n':
			return s.ended(&w, 1)
		case rec[w.off] == '\r':
			return s.ended(&w, s.carriageReturn(w.off))
		case !w.quotes || !w.opens:
			w.off, w.opens = w.off+1, false
		case !s.quoted(&w):
			return false
		}
	}
}

// advance goes on to the next byte that may mean something, or to the end of the buffer. It returns what is known of
// the record.
func (s *splitter) advance(w *search) []byte {
	rec := s.buf[s.pos:s.end]
	start := w.off
	for w.off < len(rec) && !s.ends[rec[w.off]] {
		w.off++
	}
	if w.off > start {
		w.opens = rec[w.off-1] == s.delim
	}
	if w.off > MaxRecord && !w.tooLong {
		w.tooLong = true
		s.keepBeginning(rec)
	}
	if w.tooLong {
		s.line += s.lineBreaks(rec[:w.off])
		s.pos += w.off
		rec, w.off = rec[w.off:], 0
	}
	return rec
}

// carriageReturn returns the length of the line end that the CR at off begins.
func (s *splitter) carriageReturn(off int) int {
	if s.pos+off+1 == s.end {
		s.fill()
	}
	if at := s.pos + off + 1; at < s.end && s.buf[at] == '\n' {
		return 2
	}
	return 1
}

// quoted goes on behind the value that the quote at w.off opens. It returns false if the text ends, or cannot be read,
// before it is known what the quote means.
func (s *splitter) quoted(w *search) bool {
	closing, closed := s.closing(w.off)
	switch {
	case closed:
		w.off = closing + 1
		if at := s.pos + w.off; at < s.end && s.fault == "" && s.buf[at] != s.delim && s.buf[at] != '\n' && s.buf[at] != '\r' {
			s.fault = BadQuote
		}
	case s.failed() != nil, s.head && s.err != nil && s.end-s.pos-w.off <= MaxValue+1:
		return false
	case w.tooLong:
		w.off++ // where the record began is forgotten: the quote is one like others
	default:
		s.wasted += int64(min(s.end-s.pos, w.off+MaxValue))
		s.fault = OpenQuote
		*w = search{opens: true}
		return true
	}
	w.opens = false
	return true
}

// closing returns where the value is closed that a quote opens, both from pos; false if it is not within MaxValue.
func (s *splitter) closing(quote int) (int, bool) {
	limit := quote + 1 + MaxValue
	for at := quote + 1; ; {
		rec := s.buf[s.pos:s.end]
		if at > limit {
			return 0, false
		}
		i := bytes.IndexByte(rec[at:min(len(rec), limit+1)], '"')
		switch {
		case i < 0:
			if len(rec) > limit {
				return 0, false
			}
			at = len(rec)
			if !s.fill() {
				return 0, false
			}
			continue
		case at+i+1 == len(rec):
			if at += i; s.fill() {
				continue
			}
			return at, s.failed() == nil
		}
		at += i
		if rec[at+1] != '"' {
			return at, true
		}
		at += 2
	}
}

// ended ends the record at pos, which goes on to w.off and has a line end of that many bytes.
func (s *splitter) ended(w *search, lineEnd int) bool {
	s.raw, s.plain = s.buf[s.pos:s.pos+w.off], false
	s.line += s.lineBreaks(s.raw)
	if lineEnd > 0 {
		s.line++
	}
	if w.tooLong {
		s.raw = s.cut
		if s.fault != OpenQuote {
			s.fault = RecordTooLong
		}
	}
	s.pos += w.off + lineEnd
	return true
}

// keepBeginning keeps what there will be to show of a record that is too long.
func (s *splitter) keepBeginning(rec []byte) {
	n := maxCut
	for n > maxCut-utf8.UTFMax && !utf8.RuneStart(rec[n]) {
		n--
	}
	s.cut = append(s.cut[:0], rec[:n]...)
}

// lineBreaks returns how many lines end in b, which is part of a record: LF, CRLF and CR alone end one each.
func (s *splitter) lineBreaks(b []byte) int64 {
	if s.delim == 0 {
		return 0 // a record of NDJSON is one line, and CR a space in it
	}
	n := bytes.Count(b, []byte{'\n'})
	if cr := bytes.Count(b, []byte{'\r'}); cr > 0 {
		n += cr - bytes.Count(b, []byte("\r\n"))
	}
	return int64(n)
}

// fill reads more of the text, to the end of what is in the buffer. It returns false when there is none, or on an
// error; s.err says which. Places in the buffer change, those counted from pos do not.
func (s *splitter) fill() bool {
	if s.err != nil {
		return false
	}
	if s.pos > 0 {
		if err := s.flush(); err != nil {
			s.err = err
			return false
		}
		s.base += int64(s.pos)
		for _, at := range []*int{&s.lf, &s.cr, &s.quote} {
			*at -= s.pos
		}
		copy(s.buf, s.buf[s.pos:s.end])
		s.end -= s.pos
		s.pos, s.passed = 0, 0
	}
	if len(s.buf)-s.end < bufferBytes/2 {
		s.buf = append(s.buf, make([]byte, max(bufferBytes, len(s.buf)))...)
	}
	for _, at := range []*int{&s.lf, &s.cr, &s.quote} {
		if *at >= s.end {
			*at = -1 // it was not in the buffer
		}
	}
	for range 100 {
		n, err := s.r.Read(s.buf[s.end:min(len(s.buf), s.end+bufferBytes)])
		s.end += n
		s.err = err
		if n > 0 {
			return true
		}
		if err != nil {
			return false
		}
	}
	s.err = io.ErrNoProgress
	return false
}

// flush gives what has been passed to the sink.
func (s *splitter) flush() error {
	if s.sink == nil || s.passed == s.pos {
		s.passed = s.pos
		return nil
	}
	_, err := s.sink.Write(s.buf[s.passed:s.pos])
	s.passed = s.pos
	return err
}
