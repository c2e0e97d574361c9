package records_test

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"fmt"
	"io"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"
	"golang.org/x/text/encoding/charmap"

	"github.com/musterhq/muster/internal/records"
)

func gzipped(tb testing.TB, data []byte) []byte {
	tb.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write(data); err != nil {
		tb.Fatal(err)
	}
	if err := w.Close(); err != nil {
		tb.Fatal(err)
	}
	return b.Bytes()
}

func zstandard(tb testing.TB, data []byte, o ...zstd.EOption) []byte {
	tb.Helper()
	w, err := zstd.NewWriter(nil, append(o, zstd.WithEncoderConcurrency(1))...)
	if err != nil {
		tb.Fatal(err)
	}
	defer w.Close()
	return w.EncodeAll(data, nil)
}

// inUTF16 returns text as UTF-16, with a byte order mark if mark.
func inUTF16(text string, order binary.AppendByteOrder, mark bool) (out []byte) {
	if mark {
		out = order.AppendUint16(out, 0xFEFF)
	}
	for _, u := range utf16.Encode([]rune(text)) {
		out = order.AppendUint16(out, u)
	}
	return out
}

func inCharset(tb testing.TB, text string, c *charmap.Charmap) []byte {
	tb.Helper()
	out, err := c.NewEncoder().Bytes([]byte(text))
	if err != nil {
		tb.Fatal(err)
	}
	return out
}

func TestCharsetsAndCompressions(t *testing.T) {
	t.Parallel()
	const text = "naïve;café\r\n1;\"Zoë\r\nÜber\"\r\n\r\n2;José\r\n"
	const want = `1@2 ["1" "Zoë\r\nÜber"]
2@5 ["2" "José"]
`
	for _, test := range []struct {
		name, charset, compression string
		file                       []byte
		o                          records.Options
	}{
		{"UTF-8", "utf-8", "none", []byte(text), records.Options{}},
		{"UTF-8 with mark", "utf-8", "none", []byte("\uFEFF" + text), records.Options{}},
		{"UTF-8 with mark, said to be something else", "utf-8", "none", []byte("\uFEFF" + text), records.Options{Charset: "windows-1252"}},
		{"UTF-16LE with mark", "utf-16le", "none", inUTF16(text, binary.LittleEndian, true), records.Options{}},
		{"UTF-16BE with mark", "utf-16be", "none", inUTF16(text, binary.BigEndian, true), records.Options{}},
		{"UTF-16LE", "utf-16le", "none", inUTF16(text, binary.LittleEndian, false), records.Options{}},
		{"UTF-16BE", "utf-16be", "none", inUTF16(text, binary.BigEndian, false), records.Options{}},
		{"UTF-16, said", "utf-16le", "none", inUTF16(text, binary.LittleEndian, true), records.Options{Charset: "UTF-16"}},
		{"UTF-16, said, the mark says otherwise", "utf-16le", "none", inUTF16(text, binary.BigEndian, true), records.Options{Charset: "UTF-16"}},
		{"Windows-1252", "windows-1252", "none", inCharset(t, text, charmap.Windows1252), records.Options{}},
		{"ISO 8859-15, said", "iso-8859-15", "none", inCharset(t, text, charmap.ISO8859_15), records.Options{Charset: "ISO_8859-15"}},
		{"ISO 8859-1, said by the content type", "iso-8859-1", "none", inCharset(t, text, charmap.ISO8859_1), records.Options{ContentType: "text/csv; charset=ISO-8859-1"}},
		{"code page 850, said", "ibm-code-page-850", "none", inCharset(t, text, charmap.CodePage850), records.Options{Charset: "cp850"}},
		{"gzip", "utf-8", "gzip", gzipped(t, []byte(text)), records.Options{}},
		{"gzip, said", "utf-8", "gzip", gzipped(t, []byte(text)), records.Options{Compression: "gzip"}},
		{"gzip of two members", "utf-8", "gzip", append(gzipped(t, []byte(text[:20])), gzipped(t, []byte(text[20:]))...), records.Options{}},
		{"zstd", "utf-8", "zstd", zstandard(t, []byte(text)), records.Options{}},
		{"zstd of UTF-16", "utf-16le", "zstd", zstandard(t, inUTF16(text, binary.LittleEndian, true)), records.Options{}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			info, got := mustRead(t, test.file, test.o)
			if diff := cmp.Diff(want, shown(got)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			wantInfo := records.Info{
				Format: records.CSV, Compression: test.compression, Charset: test.charset, Delimiter: ";", Header: true,
				Columns: []string{"naïve", "café"}, Rewritten: test.charset != "utf-8" || test.compression != "none",
			}
			if test.charset == "utf-16le" && strings.Contains(test.name, "otherwise") {
				wantInfo.Charset = info.Charset // the mark's business
			}
			if diff := cmp.Diff(wantInfo, info); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// What a charset does not have makes its record faulty, not the file, and is not stored as something else.
func TestLossesOfTranscoding(t *testing.T) {
	t.Parallel()
	file := inUTF16("a,b\n1,", binary.LittleEndian, true)
	file = append(file, 0x00, 0xD8) // half of a surrogate pair
	file = append(file, inUTF16("x\n2,y\n", binary.LittleEndian, false)...)
	_, got := mustRead(t, file, records.Options{})
	if diff := cmp.Diff("1@2 bad_charset \"1,\\xffx\"\n2@3 [\"2\" \"y\"]\n", shown(got)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	// Wherever the pieces are cut in which it is read.
	long := strings.Repeat("1,x\uFFFD\n", 30_000)
	_, got = mustReadFew(t, inUTF16("a,b\n"+long, binary.BigEndian, true), records.Options{})
	for _, r := range got {
		if r.Fault != records.BadCharset || r.Raw != "1,x\xFF" {
			t.Fatalf("row %d: %s %q", r.Row, string(r.Fault), r.Raw)
		}
	}
	if len(got) != 30_000 {
		t.Errorf("%d records", len(got))
	}
}

func TestNDJSON(t *testing.T) {
	t.Parallel()
	file := "\uFEFF\n" + `{"email":"ada@example.com","age":36,"admin":true,"x":null,"big":12345678901234567890.50}
  {"email" : "Zo\u00eb \"q\" \uD83C\uDF89\n","tags":["a", {"b":1}],"address":{"city":"London","geo":{"point":{"x":1,"more":{"y":2}}}}}` + "\r\n" + ` 
{"a":1,"a":2,"b":{"c":1},"b":{"c":3}}
{"a":1
[1]
"text"

{"a":1} {"a":2}
{"a":"` + "\x00" + `"}
{"a":"\u0000"}
{"a\u0000":1}
{"a":"` + "\xFF" + `"}
{"a":"\ud800"}
{}
{"":"",".":".."}
{"a":01}
{"last":1}`
	info, got := mustRead(t, []byte(file), records.Options{})
	want := `1@2 ["email=ada@example.com" "age=36" "admin=true" "x" "big=12345678901234567890.50"]
2@3 ["email=Zoë \"q\" 🎉\n" "tags=[\"a\", {\"b\":1}]" "address.city=London" "address.geo.point.x=1" "address.geo.point.more={\"y\":2}"]
3@5 ["a=2" "b.c=3"]
4@6 bad_json "{\"a\":1"
5@7 bad_json "[1]"
6@8 bad_json "\"text\""
7@10 bad_json "{\"a\":1} {\"a\":2}"
8@11 nul "{\"a\":\"\x00\"}"
9@12 nul "{\"a\":\"\\u0000\"}"
10@13 nul "{\"a\\u0000\":1}"
11@14 bad_charset "{\"a\":\"\xff\"}"
12@15 bad_charset "{\"a\":\"\\ud800\"}"
13@16 []
14@17 ["=" ".=.."]
15@18 bad_json "{\"a\":01}"
16@19 ["last=1"]
`
	if diff := cmp.Diff(want, shown(got)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	wantInfo := records.Info{
		Format: records.NDJSON, Compression: records.None, Charset: "utf-8",
		Columns: []string{"email", "age", "admin", "x", "big", "tags", "address.city", "address.geo.point.x", "address.geo.point.more", "a", "b.c", "", ".", "last"},
	}
	if diff := cmp.Diff(wantInfo, info); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestLimitsOfNDJSON(t *testing.T) {
	t.Parallel()
	const most = records.MaxValue
	members := func(n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, `,"m%d":%d`, i, i)
		}
		return "{" + b.String()[1:] + "}"
	}
	for name, test := range map[string]struct {
		line  string
		fault records.Fault
	}{
		"a value of the limit":    {`{"a":"` + long(most) + `"}`, ""},
		"and one more":            {`{"a":"` + long(most+1) + `"}`, records.ValueTooLong},
		"1,000 members":           {members(1000), ""},
		"1,001 members":           {members(1001), records.TooManyColumns},
		"1,000 names, some twice": {members(1000)[:len(members(1000))-1] + "," + members(500)[1:], ""},
		"a name too long":         {`{"` + long(1100) + `":1}`, records.ValueTooLong},
		"a record too long":       {`{"a":"` + long(4*most) + `"}`, records.RecordTooLong},
		"much too long":           {`{"a":"` + long(6*most) + `"}`, records.RecordTooLong},
		"deep":                    {strings.Repeat(`{"a":`, 9000) + "1" + strings.Repeat("}", 9000), ""},
		"too deep":                {strings.Repeat(`{"a":`, 90_000) + "1" + strings.Repeat("}", 90_000), records.BadJSON},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, file := range []string{"{\"a\":0}\n" + test.line + "\n{\"z\":1}\n", "[{\"a\":0},\n" + test.line + ",\n{\"z\":1}]"} {
				_, got := mustReadFew(t, []byte(file), records.Options{})
				if len(got) != 3 || got[1].Fault != test.fault || got[1].Line != 2 || got[2].Line != 3 {
					t.Errorf("%d records, %s", len(got), string(got[1].Fault))
				}
			}
		})
	}
}

func TestJSONArray(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ name, file, want string }{
		{"pretty", "[\n  {\n    \"a\": 1,\n    \"b\": \"x y\"\n  },\n  {\n    \"a\": 2\n  }\n]\n", `1@2 ["a=1" "b=x y"]
2@6 ["a=2"]
`},
		{"on one line", `[{"a":1},{"a":2},{"a":3}]`, `1@1 ["a=1"]
2@2 ["a=2"]
3@3 ["a=3"]
`},
		{"a mark, CRLF and CR", "\uFEFF[\r\n{\"a\":1}\r,\r{\"a\":\r\n2}]", `1@2 ["a=1"]
2@4 ["a=2"]
`},
		{"brackets in strings", `[{"a":"]},{\"["},{"b":"\\"}]`, `1@1 ["a=]},{\"["]
2@2 ["b=\\"]
`},
		{"what is no object", "[{\"a\":1},\n2,\n\"x,]\",\nnull,\n[1,{\"a\":2}],\n{}]", `1@1 ["a=1"]
2@2 bad_json "2"
3@3 bad_json "\"x,]\""
4@4 bad_json "null"
5@5 bad_json "[1,{\"a\":2}]"
6@6 []
`},
		{"what is wrong in one element", "[{\"a\":1 2},\n{\"a\":},\n{\"b\":[}},\n{\"a\":\"x\ny\"},\n{\"a\":3}]", `1@1 bad_json "{\"a\":1 2}"
2@2 bad_json "{\"a\":}"
3@3 bad_json "{\"b\":[}}"
4@4 bad_json "{\"a\":\"x\ry\"}"
5@6 ["a=3"]
`},
		{"spaces stay between what they part", "[ {  \"a\" :\t1 , \"b\" : [ 1 , 2 ] } ]", `1@1 ["a=1" "b=[1,2]"]
`},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			info, got := mustRead(t, []byte(test.file), records.Options{})
			if diff := cmp.Diff(test.want, shown(got)); diff != "" || info.Format != records.JSON || !info.Rewritten {
				t.Errorf("%+v (-want +got):\n%s", info, diff)
			}
		})
	}
	for name, test := range map[string]struct {
		file string
		want records.FileCode
	}{
		"no end":            {`[{"a":1},`, records.Unreadable},
		"no end in one":     {`[{"a":1},{"b"`, records.Unreadable},
		"no comma":          {`[{"a":1} {"a":2}]`, records.Unreadable},
		"a comma too many":  {`[{"a":1},]`, records.Unreadable},
		"two commas":        {`[{"a":1},,{"a":1}]`, records.Unreadable},
		"something behind":  {`[{"a":1}] x`, records.Unreadable},
		"one object":        {"{\n  \"users\": [\n {\"a\":1}\n]}", records.UnknownFormat},
		"said, and is none": {"a,b\n1,2\n", records.Unreadable},
	} {
		o := records.Options{}
		if strings.HasPrefix(name, "said") {
			o.Format = records.JSON
		}
		if _, err := prepare(t, []byte(test.file), o, 1); fileCode(t, err) != test.want {
			t.Errorf("%s: %v, want %s", name, err, test.want)
		}
	}
}

func TestEmptyArray(t *testing.T) {
	t.Parallel()
	for _, file := range []string{"[]", "\uFEFF [ \n]\n"} {
		info, got := mustRead(t, []byte(file), records.Options{})
		if len(got) > 0 || !info.Empty || info.Format != records.JSON {
			t.Errorf("%q: %+v, %d records", file, info, len(got))
		}
	}
}

func TestFormatsFound(t *testing.T) {
	t.Parallel()
	for file, want := range map[string]string{
		"[{\"a\":1}]":                     records.JSON,
		" \n[\n {\"a\":1}]":               records.JSON,
		"{\"a\":1}\n":                     records.NDJSON,
		"{\"a\":1}":                       records.NDJSON,
		"\uFEFF{\"a\":1}":                 records.NDJSON,
		"{ \"a\":1,\n":                    records.NDJSON, // its first line is faulty
		"[id],[name]\n1,2\n":              records.CSV,
		"{id},name\n1,2\n":                records.CSV,
		"First name [givenName],b\n1,2\n": records.CSV,
	} {
		info, _, err := read(t, []byte(file), records.Options{})
		if err != nil || info.Format != want {
			t.Errorf("%q: %s, want %s: %v", file, info.Format, want, err)
		}
	}
	for file, words := range map[string]string{
		"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1": "old Excel", "%PDF-1.7": "PDF", "BZh91AY": "bzip2", "\xFD7zXZ\x00": "xz", "PARE1234": "encrypted", "ORC\x01": "Parquet",
	} {
		_, _, err := read(t, []byte(file), records.Options{})
		if fileCode(t, err) != records.UnknownFormat || !strings.Contains(err.Error(), words) {
			t.Errorf("%q: %v", file, err)
		}
	}
	twice := gzipped(t, gzipped(t, []byte("a,b\n")))
	if _, _, err := read(t, twice, records.Options{}); fileCode(t, err) != records.UnknownFormat {
		t.Error(err)
	}
}

func TestDamagedCompression(t *testing.T) {
	t.Parallel()
	var text []byte
	for i := range uint64(60_000) {
		text = fmt.Appendf(text, "%d,%d\n", i*i*0x9E3779B97F4A7C15, i)
	}
	whole := map[string][]byte{records.Gzip: gzipped(t, text), records.Zstd: zstandard(t, text)}
	for name, file := range whole {
		damaged := bytes.Clone(file)
		damaged[len(damaged)-10] ^= 0xFF
		for what, file := range map[string][]byte{"cut": file[:len(file)-20], "damaged": damaged, "not compressed": text} {
			if _, err := prepare(t, file, records.Options{Compression: name}, 100); fileCode(t, err) != records.Unreadable {
				t.Errorf("%s, %s: %v", name, what, err)
			}
		}
		// A preview takes what there is.
		_, got, err := read(t, file[:len(file)*3/4], records.Options{Head: true})
		if err != nil || len(got) < 20_000 {
			t.Errorf("%s: %d records: %v", name, len(got), err)
		}
	}
	var long bytes.Buffer
	w, err := zstd.NewWriter(&long, zstd.WithWindowSize(64<<20), zstd.WithEncoderConcurrency(1), zstd.WithSingleSegment(false))
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if _, err := w.Write(text); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := prepare(t, long.Bytes(), records.Options{}, 100); fileCode(t, err) != records.TooLarge {
		t.Errorf("a window of 64 MiB: %v", err)
	}
}

func TestBombs(t *testing.T) {
	t.Parallel()
	line := append(bytes.Repeat([]byte{'x'}, 64<<10), '\n')
	csv := append([]byte("a\n"), bytes.Repeat(line, 64)...)
	// One part after the other, as both formats allow.
	for name, part := range map[string][]byte{"gzip": gzipped(t, csv), "zstd": zstandard(t, csv)} {
		if err := count(t, bytes.Repeat(part, 20), records.Options{}); fileCode(t, err) != records.Bomb {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := count(t, gzipped(t, csv[:1<<20]), records.Options{MaxBytes: 1 << 19}); fileCode(t, err) != records.Bomb {
		t.Errorf("MaxBytes: %v", err)
	}
}

// count is Prepare for large files.
func count(tb testing.TB, file []byte, o records.Options) error {
	tb.Helper()
	o.TempDir = tb.TempDir()
	_, err := records.Prepare(tb.Context(), bytes.NewReader(file), o, records.Plan{
		ChunkRows: 25_000,
		Begin:     func(records.Info) (io.Writer, error) { return io.Discard, nil },
		Chunk:     func(records.Chunk) error { return nil },
	})
	return err
}
