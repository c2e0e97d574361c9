package records

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math"
	"slices"
	"testing"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zstd"
	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/encoding/delta"
	"github.com/parquet-go/parquet-go/encoding/rle"
	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"
)

// What pages say about their sizes is not believed before it has been looked at.

func uvarints(n ...uint64) (out []byte) {
	for _, u := range n {
		out = binary.AppendUvarint(out, u)
	}
	return out
}

func TestCheckRuns(t *testing.T) {
	t.Parallel()
	values := make([]int32, 1000)
	for i := range values {
		values[i] = int32(min(i, 500) % 8)
	}
	written, err := (&rle.Encoding{BitWidth: 3}).EncodeInt32(nil, values)
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		data  []byte
		width int
		n     int
		want  error
	}{
		"as it was written":      {written, 3, 1000, nil},
		"with fewer values":      {written, 3, 900, errCount},
		"nothing":                {nil, 3, 0, nil},
		"a run of 2^31":          {append(uvarints(math.MaxInt32<<1), 0), 3, 1000, errCount},
		"a run of 2^62":          {append(uvarints(1<<63), 0), 3, 1000, errCount},
		"2^62 groups":            {uvarints(1<<63 | 1), 3, 1000, errCount},
		"2^61 groups":            {uvarints(1<<62 | 1), 0, 1000, errCount},
		"many runs":              {bytes.Repeat(append(uvarints(500<<1), 0), 3), 3, 1000, errCount},
		"a head that is cut off": {[]byte{0x80}, 3, 1000, io.ErrUnexpectedEOF},
		"a width of 33":          {written, 33, 1000, errEncoding},
	} {
		if err := checkRuns(test.data, test.width, test.n); !errors.Is(err, test.want) {
			t.Errorf("%s: %v, want %v", name, err, test.want)
		}
	}
}

func TestCheckDelta(t *testing.T) {
	t.Parallel()
	values := make([]int32, 1000)
	for i := range values {
		values[i] = int32(i * i % 977)
	}
	written, err := new(delta.BinaryPackedEncoding).EncodeInt32(nil, values)
	if err != nil {
		t.Fatal(err)
	}
	rest, err := checkDelta(append(slices.Clone(written), "rest"...), 1000)
	if err != nil || string(rest) != "rest" {
		t.Errorf("%q is left: %v", rest, err)
	}
	for name, test := range map[string]struct {
		data []byte
		n    int
	}{
		"fewer values":    {written, 999},
		"2^31 values":     {uvarints(128, 4, math.MaxInt32, 0), 1000},
		"no miniblocks":   {uvarints(128, 0, 10, 0, 0), 1000},
		"2^40 miniblocks": {uvarints(128, 1<<40, 10, 0, 0), 1000},
		"a block of 2^40": {uvarints(1<<40, 4, 10, 0, 0), 1000},
		"cut off":         {written[:8], 1000},
		"widths of 200":   {append(uvarints(128, 4, 200, 0, 0), 200, 200, 200, 200), 1000},
	} {
		if _, err := checkDelta(test.data, test.n); err == nil {
			t.Errorf("%s are taken", name)
		}
	}
}

// Values that begin like the one before need not be in the page to come to any size.
func TestCheckPrefixes(t *testing.T) {
	t.Parallel()
	encoded := func(lengths ...int32) []byte {
		data, err := new(delta.BinaryPackedEncoding).EncodeInt32(nil, lengths)
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	const size = 1 << 20
	prefixes, suffixes := make([]int32, 100), make([]int32, 100)
	suffixes[0] = size
	for i := range prefixes[1:] {
		prefixes[i+1] = size
	}
	page := slices.Concat(encoded(prefixes...), encoded(suffixes...), make([]byte, size))
	feed := &pageFeed{column: byteColumn(t)}
	var file *FileError
	if err := feed.checkValues(format.DeltaByteArray, page, 100); !errors.As(err, &file) || file.Code != TooLarge {
		t.Errorf("100 MiB in one: %v", err)
	}
	page = slices.Concat(encoded(prefixes[:9]...), encoded(suffixes[:9]...), make([]byte, size))
	if err := feed.checkValues(format.DeltaByteArray, page, 9); err != nil {
		t.Errorf("9 MiB in one: %v", err)
	}
	page = slices.Concat(encoded(-5, 3), encoded(1, 1), make([]byte, 2))
	if err := feed.checkValues(format.DeltaByteArray, page, 2); err == nil {
		t.Error("a length of less than nothing is taken")
	}
}

// byteColumn returns a column of byte arrays.
func byteColumn(tb testing.TB) *parquet.Column {
	tb.Helper()
	var b bytes.Buffer
	w := parquet.NewGenericWriter[struct{ A string }](&b)
	if err := w.Close(); err != nil {
		tb.Fatal(err)
	}
	file, err := parquet.OpenFile(bytes.NewReader(b.Bytes()), int64(b.Len()))
	if err != nil {
		tb.Fatal(err)
	}
	return file.Root().Columns()[0]
}

func TestCheckThrift(t *testing.T) {
	t.Parallel()
	meta := format.FileMetaData{Schema: make([]format.SchemaElement, 5), RowGroups: make([]format.RowGroup, 3), CreatedBy: "x"}
	written, err := thrift.Marshal(&thrift.CompactProtocol{}, &meta)
	if err != nil {
		t.Fatal(err)
	}
	if n, err := checkThrift(append(slices.Clone(written), "rest"...), 100); n != len(written) || err != nil {
		t.Errorf("%d of %d bytes: %v", n, len(written), err)
	}
	for i := range written {
		if _, err := checkThrift(written[:i], 100); err == nil {
			t.Errorf("%d of %d bytes are taken", i, len(written))
		}
	}
	list := func(size uint64, of thrift.Type) []byte { // field 1
		return append([]byte{1<<4 | byte(thrift.LIST), 0xF0 | byte(of)}, uvarints(size)...)
	}
	for name, test := range map[string]struct {
		data       []byte
		structures int
	}{
		"a list of 2^31 structures": {list(math.MaxInt32, thrift.STRUCT), 1 << 30},
		"too many structures":       {append(list(1000, thrift.STRUCT), make([]byte, 1001)...), 1000},
		"nested too deep":           {bytes.Repeat([]byte{1<<4 | byte(thrift.STRUCT)}, 1000), 1 << 20},
		"a text of 2^31":            {append([]byte{1<<4 | byte(thrift.BINARY)}, uvarints(math.MaxInt32)...), 10},
		"a map":                     {append([]byte{1<<4 | byte(thrift.MAP)}, uvarints(math.MaxInt32)...), 10},
	} {
		if _, err := checkThrift(test.data, test.structures); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
}

func TestExpander(t *testing.T) {
	t.Parallel()
	e, err := newExpander()
	if err != nil {
		t.Fatal(err)
	}
	defer e.zstd.Close()
	data := bytes.Repeat([]byte("abcdefgh"), 1<<17)
	var zipped bytes.Buffer
	w := gzip.NewWriter(&zipped)
	_, _ = w.Write(data)
	_ = w.Close()
	z, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1))
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	lz4, err := parquet.Lz4Raw.Encode(nil, data)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := new(expander).all(format.Lz4Raw, lz4, 0); err == nil { // it has no memory yet
		t.Error("LZ4 expands to nothing")
	}
	for codec, packed := range map[format.CompressionCodec][]byte{
		format.Uncompressed: data, format.Snappy: snappy.Encode(nil, data), format.Gzip: zipped.Bytes(), format.Zstd: z.EncodeAll(data, nil), format.Lz4Raw: lz4,
	} {
		for size, ok := range map[int]bool{len(data): true, len(data) - 1: false, len(data) + 1: false, 0: false} {
			got, err := e.all(codec, packed, size)
			if (err == nil) != ok || ok && !bytes.Equal(got, data) {
				t.Errorf("%s to %d bytes: %v", codec, size, err)
			}
		}
	}
	if _, err := e.all(format.Snappy, uvarints(math.MaxUint32), 100); err == nil {
		t.Error("4 GB of Snappy are taken for 100 bytes")
	}
}
