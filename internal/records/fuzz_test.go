package records_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math/big"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/parquet-go/parquet-go"
	"github.com/twmb/avro/ocf"

	"github.com/musterhq/muster/internal/records"
)

// tryFile reads a file that may be anything. It may not panic, hang, or find other records by chunks.
func tryFile(t *testing.T, file []byte, o records.Options) {
	t.Helper()
	o.TempDir = t.TempDir()
	o.MaxBytes = 64 << 20
	var written bytes.Buffer
	var seen []rec
	var chunks []records.Chunk
	p, err := records.Prepare(t.Context(), bytes.NewReader(file), o, records.Plan{
		ChunkRows: 3,
		Begin:     func(records.Info) (io.Writer, error) { return &written, nil },
		Chunk:     func(c records.Chunk) error { chunks = append(chunks, c); return nil },
		Record: func(r *records.Record) error {
			for i, v := range r.Values {
				if !utf8.Valid(v) || bytes.IndexByte(v, 0) >= 0 || len(v) > records.MaxValue {
					t.Errorf("value %d of row %d is not what values are", i, r.Row)
				}
			}
			seen = append(seen, recOf(r))
			return nil
		},
	})
	if err != nil {
		var file *records.FileError
		if !errors.As(err, &file) || file.Code == "" || file.Message == "" {
			t.Fatalf("%v is no FileError", err)
		}
		return
	}
	text := file
	if p.Info.Rewritten {
		text = written.Bytes()
	}
	var got []rec
	for _, c := range chunks {
		s, err := records.NewScanner(bytes.NewReader(text[c.Offset:c.Offset+c.Size]), p.Info, c)
		if err != nil {
			t.Fatal(err)
		}
		some, err := drain(s)
		s.Close()
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, some...)
	}
	if !sameRecs(seen, got) || p.Rows != int64(len(seen)) {
		t.Fatalf("(-whole +chunks):\n%s", cmp.Diff(shown(seen), shown(got)))
	}
}

func FuzzAnyFile(f *testing.F) {
	for _, s := range []string{
		"a,b\n1,2\n", "\uFEFFsep=;\r\na;b\r\n\"1\r\n\";2", "{\"a\":{\"b\":[1]}}\n{", "[{\"a\":1},\n{}]", "a\tb\r1\t\"2\"x\r", "\xFF\xFEa\x00\n\x001\x00\n\x00",
	} {
		f.Add([]byte(s))
	}
	f.Add(gzipped(f, []byte("a,b\n1,2\n")))
	f.Add(zstandard(f, []byte("a,b\n1,2\n")))
	f.Fuzz(func(t *testing.T, file []byte) { tryFile(t, file, records.Options{}) })
}

// FuzzCSV compares with the model.
func FuzzCSV(f *testing.F) {
	for _, s := range []string{"1,2\n", "\"1\n2\",3\r\n\r4", "\"\"\"\",\"x\"y,\"\n\"", ",,\n\"open", "\xFF,\x00\n"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) > records.MaxValue/2 {
			t.Skip("the model knows no limits")
		}
		file := "h1,h2\n" + text
		_, got, err := read(t, []byte(file), records.Options{Format: records.CSV, Charset: "utf-8", Delimiter: ','})
		if diff := cmp.Diff(shown(modelCSV(text, ',', 2, 2)), shown(got)); diff != "" || err != nil {
			t.Errorf("%v (-model +got):\n%s", err, diff)
		}
		tryFile(t, []byte(file), records.Options{Format: records.CSV})
	})
}

// FuzzNDJSON compares with encoding/json.
func FuzzNDJSON(f *testing.F) {
	for _, s := range []string{`{"a":1,"a":{"b":null}}`, `{"a":{"b":{"c":{"d":{"e":1}}}}}`, `{"\u00e9":"\ud83c\udf89\n"}`, `{"a":[1,{}],"b":1.5e9}`, `[1]`, `{"a":tru}`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, line string) {
		if strings.ContainsAny(line, "\n\x00") || strings.Contains(line, `\u`) || len(line) > 1000 || strings.Count(line, ":") > 20 {
			t.Skip("the model knows no limits, no NUL and no halves of surrogate pairs")
		}
		_, got, err := read(t, []byte(line+"\n{}"), records.Options{Format: records.NDJSON, Charset: "utf-8"})
		if err != nil || len(got) == 0 {
			t.Fatal(err)
		}
		if len(got) == 2 {
			values, fault := modelObject([]byte(strings.TrimSuffix(line, "\r")))
			if diff := cmp.Diff(values, got[0].Values); diff != "" || fault != got[0].Fault {
				t.Errorf("%q: %s, want %s (-model +got):\n%s", line, string(got[0].Fault), string(fault), diff)
			}
		}
	})
}

func FuzzJSONArray(f *testing.F) {
	for _, s := range []string{`[{"a":1},{"b":"]"}]`, "[\r\n{\"a\":\n1 2}\r,\n3]", `[]`, `[[{}],"x\"",null]`, `[{"a":[}]`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, file []byte) { tryFile(t, file, records.Options{Format: records.JSON}) })
}

func FuzzAvro(f *testing.F) {
	const schema = `{"type":"record","name":"r","fields":[{"name":"a","type":["null","string"]},{"name":"b","type":{"type":"array","items":"long"}},{"name":"c","type":["null","r"]},
		{"name":"d","type":{"type":"bytes","logicalType":"decimal","precision":9,"scale":2}},{"name":"e","type":{"type":"int","logicalType":"date"}}]}`
	one := map[string]any{"a": "x", "b": []any{int64(1)}, "c": nil, "d": big.NewRat(1, 4), "e": time.Unix(0, 0).UTC()}
	for _, codec := range []ocf.Codec{nil, ocf.DeflateCodec(1), ocf.SnappyCodec(), ocf.MustZstdCodec(nil, nil)} {
		var o []ocf.WriterOpt
		if codec != nil {
			o = append(o, ocf.WithCodec(codec))
		}
		f.Add(avroFile(f, schema, o, one, one))
	}
	f.Fuzz(func(t *testing.T, file []byte) { tryFile(t, file, records.Options{Format: records.Avro}) })
}

func FuzzParquet(f *testing.F) {
	for _, o := range [][]parquet.WriterOption{
		{parquet.Compression(&parquet.Uncompressed)}, {parquet.Compression(&parquet.Uncompressed), parquet.DataPageVersion(1)},
		{parquet.Compression(&parquet.Snappy)}, {parquet.Compression(&parquet.Zstd)}, {parquet.Compression(&parquet.Gzip)}, {parquet.Compression(&parquet.Lz4Raw)},
	} {
		f.Add(parquetFile(f, 3, o...))
	}
	f.Fuzz(func(t *testing.T, file []byte) { tryFile(t, file, records.Options{Format: records.Parquet}) })
}

// FuzzParquetFooter changes only the description at the end of a file, which then has the size that it says.
func FuzzParquetFooter(f *testing.F) {
	whole := parquetFile(f, 3, parquet.Compression(&parquet.Uncompressed))
	size := len(whole) - 8 - int(binary.LittleEndian.Uint32(whole[len(whole)-8:]))
	f.Add(whole[size : len(whole)-8])
	f.Fuzz(func(t *testing.T, footer []byte) {
		file := append(append(bytes.Clone(whole[:size]), footer...), binary.LittleEndian.AppendUint32(nil, uint32(len(footer)))...)
		tryFile(t, append(file, "PAR1"...), records.Options{Format: records.Parquet})
	})
}

// FuzzXLSX changes the parts of a workbook, which is zipped anew.
func FuzzXLSX(f *testing.F) {
	f.Add(sheet(inline(1, "a", "b")+inline(2, "1", "2")), "<sst><si><t>x</t></si></sst>", `<styleSheet><cellXfs><xf numFmtId="14"/></cellXfs></styleSheet>`)
	f.Add(sheet(`<row r="7"><c r="B7" t="s"><v>0</v></c></row><row><c s="0"><v>1.5</v></c><c r="AA1" t="b"><v>1</v></c></row>`), "<sst><si><r><t>x_x0041_</t></r><rPh><t>y</t></rPh></si></sst>",
		`<styleSheet><numFmts><numFmt numFmtId="164" formatCode="[h]:mm"/></numFmts><cellXfs><xf numFmtId="164"/></cellXfs></styleSheet>`)
	f.Fuzz(func(t *testing.T, sheet, shared, styles string) {
		tryFile(t, workbook(t, map[string]string{"xl/worksheets/sheet1.xml": sheet, "xl/sharedStrings.xml": shared, "xl/styles.xml": styles}), records.Options{})
	})
}

// FuzzZip changes the archive itself.
func FuzzZip(f *testing.F) {
	f.Add(workbook(f, map[string]string{"xl/worksheets/sheet1.xml": sheet(inline(1, "a") + inline(2, "1"))}))
	f.Fuzz(func(t *testing.T, file []byte) { tryFile(t, file, records.Options{Format: records.XLSX}) })
}
