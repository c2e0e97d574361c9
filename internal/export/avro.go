package export

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"io"

	"github.com/klauspost/compress/flate"
	"github.com/klauspost/compress/zstd"
	"github.com/twmb/avro"
	"github.com/twmb/avro/ocf"
)

// avroBlock is how many bytes of users are compressed together.
const avroBlock = 256 << 10

// avroFile is an Avro object container file: https://avro.apache.org/docs/1.12.0/specification/#object-container-files
type avroFile struct {
	out    io.Writer
	fields []field
	schema *avro.Schema
	codec  ocf.Codec
	file   *ocf.Writer // nil before the first page, because making it writes the header
}

func newAvro(w io.Writer, fields []field, compress string) (*avroFile, error) {
	schema, err := avro.Parse(avroSchema(fields))
	if err != nil {
		return nil, err
	}
	f := &avroFile{out: w, fields: fields, schema: schema}
	switch compress {
	case gzipped: // Avro's name for it is deflate: gzip without its frame
		f.codec = &deflate{}
	case zstandard:
		f.codec, err = ocf.ZstdCodec([]zstd.EOption{zstd.WithWindowSize(avroBlock)}, nil)
	}
	return f, err
}

// avroSchema returns the schema of a record of the fields:
// {"name":"User","type":"record","fields":[{"name":"id","type":"long"},…]}.
func avroSchema(fields []field) string {
	types := map[kind]any{
		text: "string", whole: "int", long: "long", flag: "boolean",
		stamp: map[string]string{"type": "long", "logicalType": "timestamp-millis"},
	}
	list := make([]any, len(fields))
	for i, f := range fields {
		t := types[f.kind]
		if f.nullable() {
			t = []any{"null", t}
		}
		list[i] = map[string]any{"name": f.name, "type": t}
	}
	schema, err := json.Marshal(map[string]any{"type": "record", "name": "User", "namespace": "muster", "fields": list})
	if err != nil {
		panic(err) // strings and maps of them always marshal
	}
	return string(schema)
}

func (f *avroFile) row(p *page, cols [][]byte) (err error) {
	if p.buf, err = appendAvro(p.buf, f.fields, cols); err == nil {
		p.ends = append(p.ends, len(p.buf))
	}
	return err
}

// appendAvro appends one user in Avro's binary encoding, whose numbers are the zigzag varints of encoding/binary; it
// allocates nothing but dst.
func appendAvro(dst []byte, fields []field, cols [][]byte) ([]byte, error) {
	for i := range fields {
		f := &fields[i]
		col := cols[f.col]
		if f.nullable() { // a union: the branch comes first
			if f.lacks(col) {
				dst = append(dst, 0)
				continue
			}
			dst = binary.AppendVarint(dst, 1)
		}
		switch f.kind {
		case text:
			dst = binary.AppendVarint(dst, int64(len(col)))
			dst = append(dst, col...)
			continue
		case flag:
			if set(col) {
				dst = append(dst, 1)
			} else {
				dst = append(dst, 0)
			}
			continue
		}
		n, err := integer(col)
		if err != nil {
			return dst, err
		}
		dst = binary.AppendVarint(dst, n)
	}
	return dst, nil
}

// begin writes the header, at the first call only.
func (f *avroFile) begin() (err error) {
	if f.file != nil {
		return nil
	}
	opts := []ocf.WriterOpt{ocf.WithBlockBytes(avroBlock)}
	if f.codec != nil {
		opts = append(opts, ocf.WithCodec(f.codec))
	}
	f.file, err = ocf.NewWriter(f.out, f.schema, opts...)
	return err
}

func (f *avroFile) write(p *page) error {
	if err := f.begin(); err != nil {
		return err
	}
	start := 0
	for _, end := range p.ends {
		if _, err := f.file.Write(p.buf[start:end]); err != nil {
			return err
		}
		start = end
	}
	return nil
}

func (f *avroFile) close() error {
	if err := f.begin(); err != nil {
		return err
	}
	return f.file.Close()
}

// deflate is Avro's codec of that name. The library's own makes a compressor, most of a megabyte, for every block.
type deflate struct {
	w   *flate.Writer
	out bytes.Buffer
}

func (*deflate) Name() string { return "deflate" }

// Compress returns the compressed block; it is valid until the next call.
func (d *deflate) Compress(block []byte) (_ []byte, err error) {
	d.out.Reset()
	if d.w == nil {
		if d.w, err = flate.NewWriter(&d.out, flate.DefaultCompression); err != nil {
			return nil, err
		}
	} else {
		d.w.Reset(&d.out)
	}
	if _, err := d.w.Write(block); err != nil {
		return nil, err
	}
	if err := d.w.Close(); err != nil {
		return nil, err
	}
	return d.out.Bytes(), nil
}

func (*deflate) Decompress(block []byte) ([]byte, error) {
	return io.ReadAll(flate.NewReader(bytes.NewReader(block)))
}

func (*deflate) Close() error { return nil }
