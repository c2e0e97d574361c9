package export

import (
	"bufio"
	"io"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/parquet-go/parquet-go"

	"github.com/musterhq/muster/internal/user"
)

// The compressions.
const (
	gzipped   = "gzip"
	zstandard = "zstd"
)

// page is a page of users that a reader has encoded, or will encode, for the writer.
type page struct {
	first, last int64         // ids
	ready       chan struct{} // gets a value when the page is read

	buf  []byte            // the encoded users; of Parquet: what the texts of vals are stored in
	ends []int             // Avro: where each user ends in buf
	vals [][]parquet.Value // Parquet: of each column
	rows int64
	err  error
}

func (p *page) reset() {
	p.buf, p.ends = p.buf[:0], p.ends[:0]
	for i := range p.vals {
		p.vals[i] = p.vals[i][:0]
	}
	p.rows, p.err = 0, nil
}

// format makes a file of users. Several goroutines call row, each for a page of its own, and another one write and
// close: what row changes is in the page.
type format interface {
	// row encodes a user into p.
	row(p *page, cols [][]byte) error
	// write puts p, which has users, into the file; the first call writes what comes before the users.
	write(p *page) error
	// close writes what comes after the users.
	close() error
}

// newFormat returns the format that s, which has been checked, asks for. It writes nothing to w yet.
func newFormat(w *bufio.Writer, s user.ExportSpec) (format, error) {
	fields, err := fieldsOf(s)
	if err != nil {
		return nil, err
	}
	switch s.Format {
	case user.Parquet:
		return newParquet(w, fields, s.Compress)
	case user.Avro:
		return newAvro(w, fields, s.Compress)
	}
	out, err := compressor(w, s.Compress)
	if err != nil {
		return nil, err
	}
	t := &textFile{w: out}
	switch s.Format {
	case user.NDJSON:
		t.add = func(dst []byte, cols [][]byte) ([]byte, error) {
			dst, err := appendJSON(dst, fields, cols)
			return append(dst, '\n'), err
		}
	case user.JSON:
		t.head, t.sep, t.foot = "[", ',', "\n]\n"
		t.add = func(dst []byte, cols [][]byte) ([]byte, error) { return appendJSON(append(dst, '\n'), fields, cols) }
	default:
		t.head = csvHeader(fields)
		if s.Excel {
			t.head = "\uFEFF" + t.head
		}
		t.add = func(dst []byte, cols [][]byte) ([]byte, error) { return appendCSV(dst, fields, cols, s.Raw) }
	}
	return t, nil
}

// compressor returns a writer that compresses into w; its Close ends the compressed stream and leaves w open.
func compressor(w io.Writer, name string) (io.WriteCloser, error) {
	switch name {
	case gzipped:
		return gzip.NewWriter(w), nil
	case zstandard:
		// Without goroutines of its own, which an export that failed would leave behind, and with a window that
		// keeps many exports at once small.
		return zstd.NewWriter(w, zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(1<<20))
	}
	return nopCloser{w}, nil
}

type nopCloser struct{ io.Writer }

func (nopCloser) Close() error { return nil }

// textFile is CSV, NDJSON and JSON: users that follow each other between a head and a foot.
type textFile struct {
	w          io.WriteCloser
	add        func(dst []byte, cols [][]byte) ([]byte, error)
	head, foot string
	sep        byte // between users; 0: none
	begun      bool // the head is written
	between    bool // a user is written
}

func (t *textFile) row(p *page, cols [][]byte) (err error) {
	if t.sep != 0 {
		p.buf = append(p.buf, t.sep)
	}
	p.buf, err = t.add(p.buf, cols)
	return err
}

func (t *textFile) write(p *page) error {
	buf := p.buf
	if err := t.begin(); err != nil {
		return err
	}
	if t.sep != 0 && !t.between {
		buf = buf[1:]
	}
	t.between = true
	_, err := t.w.Write(buf)
	return err
}

// begin writes the head, at the first call only.
func (t *textFile) begin() error {
	if t.begun {
		return nil
	}
	t.begun = true
	_, err := io.WriteString(t.w, t.head)
	return err
}

func (t *textFile) close() error {
	if err := t.begin(); err != nil {
		return err
	}
	if _, err := io.WriteString(t.w, t.foot); err != nil {
		return err
	}
	return t.w.Close()
}

// Type returns the media type of the file that s asks for, and the ending of its name, such as ".csv.gz". An ending in
// .gz or .zst says that the whole file is compressed; a Parquet or Avro file is compressed inside, and any reader of
// the format opens it as it is.
func (u Users) Type(s user.ExportSpec) (contentType, ext string) {
	switch s.Format {
	case user.Parquet:
		return "application/vnd.apache.parquet", ".parquet"
	case user.Avro:
		return "application/avro", ".avro"
	case user.NDJSON:
		contentType, ext = "application/x-ndjson", ".ndjson"
	case user.JSON:
		contentType, ext = "application/json", ".json"
	default:
		contentType, ext = "text/csv; charset=utf-8", ".csv"
	}
	switch s.Compress {
	case gzipped:
		return "application/gzip", ext + ".gz"
	case zstandard:
		return "application/zstd", ext + ".zst"
	}
	return contentType, ext
}
