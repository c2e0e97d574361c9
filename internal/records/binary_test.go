package records_test

import (
	"bytes"
	"encoding/binary"
	"math"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/compress"
	"github.com/parquet-go/parquet-go/deprecated"
	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"
	"github.com/twmb/avro"
	"github.com/twmb/avro/ocf"

	"github.com/musterhq/muster/internal/records"
)

func avroFile(tb testing.TB, schema string, o []ocf.WriterOpt, data ...any) []byte {
	tb.Helper()
	s, err := avro.Parse(schema)
	if err != nil {
		tb.Fatal(err)
	}
	var b bytes.Buffer
	w, err := ocf.NewWriter(&b, s, o...)
	if err != nil {
		tb.Fatal(err)
	}
	for _, d := range data {
		if err := w.Encode(d); err != nil {
			tb.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		tb.Fatal(err)
	}
	return b.Bytes()
}

func TestAvro(t *testing.T) {
	t.Parallel()
	const schema = `{"type":"record","name":"user","fields":[
		{"name":"id","type":"long"},
		{"name":"email","type":["null","string"]},
		{"name":"score","type":"double"},
		{"name":"small","type":"float"},
		{"name":"born","type":{"type":"int","logicalType":"date"}},
		{"name":"seen","type":{"type":"long","logicalType":"timestamp-millis"}},
		{"name":"at","type":{"type":"int","logicalType":"time-millis"}},
		{"name":"paid","type":{"type":"bytes","logicalType":"decimal","precision":9,"scale":2}},
		{"name":"raw","type":"bytes"},
		{"name":"kind","type":{"type":"enum","name":"kind","symbols":["A","B"]}},
		{"name":"on","type":"boolean"},
		{"name":"tags","type":{"type":"array","items":"string"}},
		{"name":"more","type":{"type":"map","values":"int"}},
		{"name":"address","type":{"type":"record","name":"address","fields":[{"name":"city","type":"string"}]}}]}`
	one := func(id int64) map[string]any {
		return map[string]any{
			"id": id, "email": "Zoë \"\n\"@example.com", "score": 4.5e20, "small": float32(0.1), "born": time.Date(1815, 12, 10, 0, 0, 0, 0, time.UTC),
			"seen": time.Date(2026, 11, 27, 4, 0, 0, 5e6, time.UTC), "at": 90 * time.Second, "paid": big.NewRat(-12345, 100), "raw": []byte("x\xFF"),
			"kind": "B", "on": true, "tags": []any{"a", "b,c"}, "more": map[string]any{"y": int32(2), "x": int32(1)}, "address": map[string]any{"city": "London"},
		}
	}
	second := one(math.MaxInt64)
	second["email"], second["raw"], second["tags"], second["score"] = nil, []byte("ok"), []any{}, math.NaN()
	for _, codec := range []ocf.Codec{nil, ocf.DeflateCodec(6), ocf.SnappyCodec(), ocf.MustZstdCodec(nil, nil)} {
		var o []ocf.WriterOpt
		if codec != nil {
			o = append(o, ocf.WithCodec(codec))
		}
		info, got := mustRead(t, avroFile(t, schema, append(o, ocf.WithBlockCount(1)), one(1), second), records.Options{})
		want := `1@1 bad_charset "{\"id\":1,\"email\":\"Zoë \\\"\\u000a\\\"@example.com\",\"score\":4.5E+20,\"small\":0.1,\"born\":\"1815-12-10\",` +
			`\"seen\":\"2026-11-27T04:00:00.005Z\",\"at\":\"00:01:30\",\"paid\":-123.45,\"raw\":\"x\xff\",\"kind\":\"B\",\"on\":true,\"tags\":[\"a\",\"b,c\"],` +
			`\"more\":{\"x\":1,\"y\":2},\"address\":{\"city\":\"London\"}}"
2@2 ["id=9223372036854775807" "email" "score" "small=0.1" "born=1815-12-10" "seen=2026-11-27T04:00:00.005Z" "at=00:01:30" "paid=-123.45" "raw=ok" "kind=B" "on=true" "tags=[]" "more.x=1" "more.y=2" "address.city=London"]
`
		if diff := cmp.Diff(want, shown(got)); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
		columns := []string{"id", "email", "score", "small", "born", "seen", "at", "paid", "raw", "kind", "on", "tags", "more.x", "more.y", "address.city"}
		if diff := cmp.Diff(records.Info{Format: records.Avro, Compression: records.None, Columns: columns, Rewritten: true}, info); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
	}
}

// A schema may name itself; what is written with it has an end.
func TestAvroThatRecurses(t *testing.T) {
	t.Parallel()
	const schema = `{"type":"record","name":"list","fields":[{"name":"v","type":"int"},{"name":"next","type":["null","list"]}]}`
	nested := func(n int) any {
		var v any
		for i := range n {
			v = map[string]any{"v": int32(n - i), "next": v}
		}
		return v
	}
	_, got := mustRead(t, avroFile(t, schema, nil, nested(6)), records.Options{})
	if diff := cmp.Diff(`1@1 ["v=1" "next.next.next.next={\"next\":{\"next\":null,\"v\":6},\"v\":5}" "next.next.next.v=4" "next.next.v=3" "next.v=2"]`+"\n", shown(got)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	// A million levels, two bytes each, in one datum.
	const levels = 1 << 20
	block := append(bytes.Repeat([]byte{2, 2}, levels), 2, 0)
	whole := avroFile(t, schema, nil)
	sync := whole[len(whole)-16:]
	file := slices.Concat(whole, []byte{2}, varint(int64(len(block))), block, sync)
	if err := count(t, file, records.Options{}); fileCode(t, err) != records.Unreadable {
		t.Error(err)
	}
}

// varint returns a number as Avro writes it.
func varint(n int64) (out []byte) {
	u := uint64(n<<1) ^ uint64(n>>63)
	for ; u >= 0x80; u >>= 7 {
		out = append(out, byte(u)|0x80)
	}
	return append(out, byte(u))
}

func TestDamagedAvro(t *testing.T) {
	t.Parallel()
	const schema = `{"type":"record","name":"r","fields":[{"name":"a","type":"string"}]}`
	whole := avroFile(t, schema, nil, map[string]any{"a": "x"}, map[string]any{"a": "y"})
	empty := avroFile(t, schema, nil)
	sync := empty[len(empty)-16:]
	for name, test := range map[string]struct {
		file []byte
		want records.FileCode
	}{
		"cut in a block":          {whole[:len(whole)-18], records.Unreadable},
		"cut in the header":       {whole[:20], records.Unreadable},
		"no records in it":        {avroFile(t, `"string"`, nil, "x"), records.Unreadable},
		"a block of 1 TB":         {slices.Concat(empty, []byte{2}, varint(1<<40), []byte("x")), records.TooLarge},
		"a block of 9 MB":         {avroFile(t, schema, nil, map[string]any{"a": long(9 << 20)}), records.TooLarge},
		"a block of zstd":         {avroFile(t, schema, []ocf.WriterOpt{ocf.WithCodec(ocf.MustZstdCodec(nil, nil))}, map[string]any{"a": long(9 << 20)}), records.TooLarge},
		"a block that expands":    {avroFile(t, schema, []ocf.WriterOpt{ocf.WithCodec(ocf.DeflateCodec(9))}, map[string]any{"a": long(9 << 20)}), records.TooLarge},
		"a value of 1 TB":         {slices.Concat(empty, []byte{2}, varint(8), varint(1<<40), []byte("xx"), sync), records.Unreadable},
		"a billion records":       {slices.Concat(empty, varint(1_000_000_000), varint(2), []byte{0, 0}, sync), records.Unreadable},
		"1,001 columns":           {avroFile(t, manyFields(1001), nil), records.TooManyColumnsInAll},
		"a schema that is nested": {slices.Concat([]byte("Obj\x01"), varint(1), varint(11), []byte("avro.schema"), varint(200_000), bytes.Repeat([]byte("["), 200_000), []byte{0}, sync), records.Unreadable},
	} {
		if err := count(t, test.file, records.Options{}); fileCode(t, err) != test.want {
			t.Errorf("%s: %v, want %s", name, err, test.want)
		}
	}
	// It only says which columns it has.
	info, got := mustRead(t, empty, records.Options{})
	if diff := cmp.Diff([]string{"a"}, info.Columns); diff != "" || len(got) != 0 {
		t.Errorf("%d records (-want +got):\n%s", len(got), diff)
	}
}

func manyFields(n int) string {
	var b strings.Builder
	b.WriteString(`{"type":"record","name":"r","fields":[`)
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(`{"name":"a` + strings.Repeat("b", i) + `","type":"int"}`)
	}
	return b.String() + "]}"
}

// person is what Parquet files of tests hold.
type person struct {
	ID       int64             `parquet:"id"`
	Email    *string           `parquet:"email,optional"`
	Kind     string            `parquet:"kind,dict"`
	Prefix   string            `parquet:"prefix,delta"`
	Age      int32             `parquet:"age,delta"`
	Score    float64           `parquet:"score"`
	Small    float32           `parquet:"small,split"`
	On       bool              `parquet:"on"`
	Unsigned uint64            `parquet:"unsigned"`
	Born     int32             `parquet:"born,date"`
	Seen     time.Time         `parquet:"seen,timestamp(microsecond)"`
	Paid     int64             `parquet:"paid,decimal(2:18)"`
	Key      uuid.UUID         `parquet:"key,uuid"`
	Old      deprecated.Int96  `parquet:"old"`
	Tags     []string          `parquet:"tags,list"`
	Numbers  []int32           `parquet:"numbers"`
	More     map[string]string `parquet:"more"`
	Address  struct {
		City string `parquet:"city"`
		Zip  *int32 `parquet:"zip,optional"`
	} `parquet:"address"`
}

func somebody(id int64) person {
	email, zip := "zoë@example.com", int32(12345)
	p := person{
		ID: id, Email: &email, Kind: "A", Prefix: "prefix" + strings.Repeat("x", int(id%50)), Age: int32(id % 90), Score: 447700900123, Small: 0.5, On: id%2 == 1,
		Unsigned: math.MaxUint64, Born: -56270, Seen: time.Date(2026, 11, 27, 4, 0, 0, 5e3, time.UTC), Paid: -105, Key: uuid.MustParse("01234567-89ab-cdef-0123-456789abcdef"),
		Old: deprecated.Int96{1_000_000_000, 0, 2_440_589}, Tags: []string{"a", "b"}, Numbers: []int32{1, 2}, More: map[string]string{"k": "v"},
	}
	p.Address.City, p.Address.Zip = "London", &zip
	if id%3 == 0 {
		p.Email, p.Tags, p.Numbers, p.More, p.Address.Zip, p.Kind = nil, nil, nil, nil, nil, "B"
	}
	return p
}

func parquetFile(tb testing.TB, rows int, o ...parquet.WriterOption) []byte {
	tb.Helper()
	return parquetOf(tb, rows, somebody, o...)
}

func parquetOf(tb testing.TB, rows int, row func(id int64) person, o ...parquet.WriterOption) []byte {
	tb.Helper()
	var b bytes.Buffer
	w := parquet.NewGenericWriter[person](&b, o...)
	for i := range rows {
		if _, err := w.Write([]person{row(int64(i + 1))}); err != nil {
			tb.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		tb.Fatal(err)
	}
	return b.Bytes()
}

func TestParquet(t *testing.T) {
	t.Parallel()
	const want = `1@1 ["id=1" "email=zoë@example.com" "kind=A" "prefix=prefixx" "age=1" "score=447700900123" "small=0.5" "on=true" "unsigned=18446744073709551615" "born=1815-12-10" "seen=2026-11-27T04:00:00.000005Z" "paid=-1.05" "key=01234567-89ab-cdef-0123-456789abcdef" "old=1970-01-02T00:00:01Z" "tags=[\"a\",\"b\"]" "numbers=[1,2]" "more.key_value.key=[\"k\"]" "more.key_value.value=[\"v\"]" "address.city=London" "address.zip=12345"]
`
	const third = `3@3 ["id=3" "email" "kind=B" "prefix=prefixxxx" "age=3" "score=447700900123" "small=0.5" "on=true" "unsigned=18446744073709551615" "born=1815-12-10" "seen=2026-11-27T04:00:00.000005Z" "paid=-1.05" "key=01234567-89ab-cdef-0123-456789abcdef" "old=1970-01-02T00:00:01Z" "tags=[]" "numbers=[]" "more.key_value.key=[]" "more.key_value.value=[]" "address.city=London" "address.zip"]
`
	for name, o := range map[string][]parquet.WriterOption{
		"plain":                  {parquet.Compression(&parquet.Uncompressed)},
		"snappy, version 1":      {parquet.Compression(&parquet.Snappy), parquet.DataPageVersion(1)},
		"gzip":                   {parquet.Compression(&parquet.Gzip)},
		"zstd, version 1":        {parquet.Compression(&parquet.Zstd), parquet.DataPageVersion(1)},
		"LZ4":                    {parquet.Compression(&parquet.Lz4Raw)},
		"small pages and groups": {parquet.Compression(&parquet.Snappy), parquet.PageBufferSize(300), parquet.MaxRowsPerRowGroup(37)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			info, got := mustRead(t, parquetFile(t, 100, o...), records.Options{})
			if diff := cmp.Diff(want, shown(got[:1])) + cmp.Diff(third, shown(got[2:3])); diff != "" || len(got) != 100 {
				t.Fatalf("%d records (-want +got):\n%s", len(got), diff)
			}
			for i, r := range got {
				if r.Fault != "" || r.Row != int64(i+1) || r.Line != r.Row || len(r.Values) != 20 {
					t.Fatalf("%+v", r)
				}
			}
			if info.Format != records.Parquet || !info.Rewritten || len(info.Columns) != 20 || info.Columns[19] != "address.zip" {
				t.Errorf("%+v", info)
			}
		})
	}
}

func TestParquetInGzip(t *testing.T) {
	t.Parallel()
	info, got := mustRead(t, gzipped(t, parquetFile(t, 50)), records.Options{})
	if info.Format != records.Parquet || info.Compression != records.Gzip || len(got) != 50 {
		t.Errorf("%+v, %d records", info, len(got))
	}
}

func TestParquetWithoutRows(t *testing.T) {
	t.Parallel()
	info, got := mustRead(t, parquetFile(t, 0), records.Options{})
	if len(got) != 0 || len(info.Columns) != 20 {
		t.Errorf("%+v, %d records", info, len(got))
	}
}

// A row group may be empty, and its pages nowhere.
func TestParquetWithAnEmptyRowGroup(t *testing.T) {
	t.Parallel()
	file := redescribed(t, parquetFile(t, 3), func(meta *format.FileMetaData) {
		empty := meta.RowGroups[0]
		empty.NumRows, empty.Columns = 0, slices.Clone(empty.Columns)
		for i := range empty.Columns {
			c := &empty.Columns[i].MetaData
			c.NumValues, c.DataPageOffset, c.TotalCompressedSize, c.TotalUncompressedSize = 0, 0, 0, 0
		}
		meta.RowGroups = []format.RowGroup{empty, meta.RowGroups[0], empty}
	})
	if _, got := mustRead(t, file, records.Options{}); len(got) != 3 {
		t.Errorf("%d records, want 3", len(got))
	}
}

// withRows returns a file whose row group says that it has so many rows.
func withRows(tb testing.TB, file []byte, rows int64) []byte {
	tb.Helper()
	return redescribed(tb, file, func(meta *format.FileMetaData) { meta.RowGroups[0].NumRows = rows })
}

// redescribed returns a Parquet file with another description of itself.
func redescribed(tb testing.TB, file []byte, change func(*format.FileMetaData)) []byte {
	tb.Helper()
	size := len(file) - 8 - int(binary.LittleEndian.Uint32(file[len(file)-8:]))
	var meta format.FileMetaData
	if err := thrift.Unmarshal(&thrift.CompactProtocol{}, file[size:len(file)-8], &meta); err != nil {
		tb.Fatal(err)
	}
	change(&meta)
	footer, err := thrift.Marshal(&thrift.CompactProtocol{}, &meta)
	if err != nil {
		tb.Fatal(err)
	}
	return slices.Concat(file[:size], footer, binary.LittleEndian.AppendUint32(nil, uint32(len(footer))), []byte("PAR1"))
}

func TestDamagedParquet(t *testing.T) {
	t.Parallel()
	whole := parquetFile(t, 100, parquet.Compression(&parquet.Uncompressed))
	brotli := parquetFile(t, 10, parquet.Compression(compress.Codec(&parquet.Brotli)))
	for name, test := range map[string]struct {
		file []byte
		want records.FileCode
	}{
		"cut":           {whole[:len(whole)-100], records.Unreadable},
		"only a head":   {whole[:4], records.Unreadable},
		"encrypted":     {slices.Concat(whole[:len(whole)-4], []byte("PARE")), records.UnknownFormat},
		"a long footer": {slices.Concat(make([]byte, 20<<20), []byte{0, 0, 0x10, 1}, []byte("PAR1")), records.TooLarge},
		"Brotli":        {brotli, records.UnknownFormat},
		"fewer rows":    {withRows(t, whole, 99), records.Unreadable},
		"more rows":     {withRows(t, whole, 101), records.Unreadable},
	} {
		if err := count(t, test.file, records.Options{Format: records.Parquet}); fileCode(t, err) != test.want {
			t.Errorf("%s: %v, want %s", name, err, test.want)
		}
	}
	if _, _, err := read(t, whole, records.Options{Head: true}); fileCode(t, err) != records.NeedsWholeFile {
		t.Error(err)
	}
	// Whatever byte is wrong: records or an error, no panic and no wait.
	for i := 4; i < len(whole); i += 1 + i%97 {
		damaged := bytes.Clone(whole)
		damaged[i] ^= 0xFF
		_ = count(t, damaged, records.Options{})
	}
}
