package records

import (
	"fmt"
	"io"

	"github.com/klauspost/compress/zstd"
)

// Scanner reads the records of a text, or of a chunk of it.
type Scanner struct {
	split   *splitter
	csv     bool
	columns int // of CSV
	record  Record
	object  *objectReader
	scratch []byte
	values  [][]byte

	chunk *Chunk // nil: a whole text
	last  int64  // row of its last record
	close func()
}

// NewScanner returns a scanner of a chunk. r reads the range of the chunk, in the file itself or, when Info says that
// it has been rewritten, in what Prepare wrote. The scanner has to be closed; r is the caller's.
func NewScanner(r io.Reader, info Info, c Chunk) (*Scanner, error) {
	closing := func() {}
	if info.Rewritten {
		z, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(chunkWindow))
		if err != nil {
			return nil, err
		}
		r, closing = z, z.Close
	}
	s := newScanner(newSplitter(r, info.delimiter(), c.Line), &info)
	s.record.Row = c.Row - 1
	s.chunk, s.last, s.close = &c, c.Row+c.Rows-1, closing
	return s, nil
}

func newScanner(split *splitter, info *Info) *Scanner {
	s := &Scanner{split: split, csv: info.text() == CSV, columns: len(info.Columns), close: func() {}}
	if !s.csv {
		s.object = newObjectReader()
	}
	return s
}

// delimiter returns that of a CSV text, 0 for NDJSON.
func (i *Info) delimiter() byte {
	if i.text() == CSV && i.Delimiter != "" {
		return i.Delimiter[0]
	}
	return 0
}

// Next returns the next record, or io.EOF behind the last one. Any other error is that of the reader, or says that a
// chunk does not hold the records that Prepare found in it.
func (s *Scanner) Next() (*Record, error) {
	if !s.split.next() {
		switch err := s.split.failed(); {
		case err != nil:
			return nil, err
		case s.chunk != nil && s.record.Row != s.last:
			return nil, fmt.Errorf("the chunk of rows %d to %d ends behind row %d: %w", s.chunk.Row, s.last, s.record.Row, io.ErrUnexpectedEOF)
		}
		return nil, io.EOF
	}
	if s.chunk != nil && s.record.Row == s.last {
		return nil, fmt.Errorf("the chunk of rows %d to %d has more than these", s.chunk.Row, s.last)
	}
	s.parse()
	return &s.record, nil
}

// Close releases what the scanner holds.
func (s *Scanner) Close() { s.close() }

// parse makes a record of what the splitter found.
func (s *Scanner) parse() {
	r := &s.record
	r.Row++
	r.Line, r.Raw, r.Fault = s.split.rawLine, s.split.raw, s.split.fault
	r.Names, r.Values = nil, nil
	if r.Fault == "" {
		r.Fault = textFault(r.Raw)
	}
	if r.Fault != "" {
		return
	}
	if !s.csv {
		r.Names, r.Values, r.Fault = s.object.read(r.Raw)
		return
	}
	s.values, s.scratch, r.Fault = csvValues(s.values[:0], s.scratch[:0], r.Raw, s.split.delim, s.split.plain)
	for len(s.values) > s.columns && len(s.values[len(s.values)-1]) == 0 {
		s.values = s.values[:len(s.values)-1]
	}
	switch {
	case r.Fault != "":
	case len(s.values) < s.columns:
		r.Fault = TooFewColumns
	case len(s.values) > s.columns:
		r.Fault = TooManyColumns
	default:
		r.Values = s.values
	}
}
