package export

import (
	"io"

	"github.com/klauspost/compress/zstd"
	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/compress"
	zstdcodec "github.com/parquet-go/parquet-go/compress/zstd"
)

// groupRows is how many users a row group has at most. The writer holds one in memory: some 4 MB.
const groupRows = 8 * pageRows

// dictBytes is the size at which a column whose values hardly repeat goes on without a dictionary.
const dictBytes = 256 << 10

// parquetFile is a Parquet file of bounded row groups: https://parquet.apache.org/docs/file-format/
type parquetFile struct {
	fields  []field
	file    *parquet.GenericWriter[any]
	columns []*parquet.ColumnWriter
	rows    int // of the present row group
}

func newParquet(w io.Writer, fields []field, compression string) (_ *parquetFile, err error) {
	codec := compress.Codec(&parquet.Snappy)
	switch compression {
	case gzipped:
		codec = &parquet.Gzip
	case zstandard:
		if codec, err = newSmallZstd(); err != nil {
			return nil, err
		}
	}
	root := &ordered{Group: parquet.Group{}}
	for _, f := range fields {
		node := parquetNode(f)
		root.Group[f.name] = node
		root.order = append(root.order, f.name)
	}
	file := parquet.NewGenericWriter[any](w, parquet.NewSchema("user", root), parquet.Compression(codec),
		parquet.DictionaryMaxBytes(dictBytes), parquet.CreatedBy("muster", "1", ""))
	return &parquetFile{fields: fields, file: file, columns: file.ColumnWriters()}, nil
}

// smallZstd compresses as parquet.Zstd does, by an encoder whose window is no larger than most pages: the library's own
// encoder takes some 30 MB for each export.
type smallZstd struct {
	zstdcodec.Codec
	w *zstd.Encoder
}

func newSmallZstd() (*smallZstd, error) {
	w, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(1<<20), zstd.WithZeroFrames(true), zstd.WithEncoderCRC(false))
	return &smallZstd{w: w}, err
}

// Encode implements compress.Codec.
func (z *smallZstd) Encode(dst, src []byte) ([]byte, error) { return z.w.EncodeAll(src, dst[:0]), nil }

// parquetNode returns the column of a field.
func parquetNode(f field) parquet.Node {
	if f.nullable() {
		return parquet.Optional(parquetType(f))
	}
	return parquetType(f)
}

func parquetType(f field) parquet.Node {
	switch f.kind {
	case whole:
		return parquet.Int(32)
	case long:
		return parquet.Int(64)
	case flag:
		return parquet.Leaf(parquet.BooleanType)
	case stamp:
		return parquet.Timestamp(parquet.Millisecond)
	}
	if f.repeats {
		return parquet.Encoded(parquet.String(), &parquet.RLEDictionary)
	}
	return parquet.String()
}

// ordered is a group whose fields stand in the order asked for; parquet.Group sorts them by name.
type ordered struct {
	parquet.Group
	order []string
}

func (o *ordered) Fields() []parquet.Field {
	sorted := o.Group.Fields()
	fields := make([]parquet.Field, 0, len(sorted))
	for _, name := range o.order {
		for _, f := range sorted {
			if f.Name() == name {
				fields = append(fields, f)
			}
		}
	}
	return fields
}

func (f *parquetFile) row(p *page, cols [][]byte) error {
	if p.vals == nil {
		p.vals = make([][]parquet.Value, len(f.fields))
	}
	for i := range f.fields {
		v, err := p.value(&f.fields[i], cols)
		if err != nil {
			return err
		}
		p.vals[i] = append(p.vals[i], v)
	}
	return nil
}

// value returns the value of a field, or null.
func (p *page) value(f *field, cols [][]byte) (parquet.Value, error) {
	if f.lacks(cols[f.col]) {
		return parquet.NullValue(), nil
	}
	v, err := p.present(f, cols[f.col])
	if f.nullable() {
		v = v.Level(0, 1, 0)
	}
	return v, err
}

// present returns the value of a field that is there. Texts are copied into p.buf; when that grows and moves, earlier values
// keep the old memory.
func (p *page) present(f *field, col []byte) (parquet.Value, error) {
	switch f.kind {
	case text:
		start := len(p.buf)
		p.buf = append(p.buf, col...)
		return parquet.ByteArrayValue(p.buf[start:]), nil
	case flag:
		return parquet.BooleanValue(set(col)), nil
	}
	n, err := integer(col)
	if f.kind == whole {
		return parquet.Int32Value(int32(n)), err
	}
	return parquet.Int64Value(n), err
}

func (f *parquetFile) write(p *page) error {
	for i, vals := range p.vals {
		if _, err := f.columns[i].WriteRowValues(vals); err != nil {
			return err
		}
	}
	if f.rows += int(p.rows); f.rows < groupRows {
		return nil
	}
	f.rows = 0
	return f.file.Flush()
}

func (f *parquetFile) close() error { return f.file.Close() }
