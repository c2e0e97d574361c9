package records_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/musterhq/muster/internal/records"
)

const header = "a,b\n"

// long returns n bytes.
func long(n int) string { return strings.Repeat("x", n) }

func TestCSV(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ name, file, want string }{
		{"plain", "a,b\n1,2\n3,4\n", `
1@2 ["1" "2"]
2@3 ["3" "4"]`},
		{"no line end at the end", "a,b\n1,2", `
1@2 ["1" "2"]`},
		{"CRLF", "a,b\r\n1,2\r\n\r\n3,4\r\n", `
1@2 ["1" "2"]
2@4 ["3" "4"]`},
		{"CR alone", "a,b\r1,2\r\r3,4\r", `
1@2 ["1" "2"]
2@4 ["3" "4"]`},
		{"mixed line ends", "a,b\r1,2\n3,4\r\n5,6\n\r7,8\r\r\n9,0", `
1@2 ["1" "2"]
2@3 ["3" "4"]
3@4 ["5" "6"]
4@6 ["7" "8"]
5@8 ["9" "0"]`},
		{"quotes", "a,b\n\"1\",\"2\"\n\"3,4\",5\n6,\"\"\n\"\",\"\"\"\"\n\"7\"\"8\",9\n", `
1@2 ["1" "2"]
2@3 ["3,4" "5"]
3@4 ["6" ""]
4@5 ["" "\""]
5@6 ["7\"8" "9"]`},
		{"line ends in quotes", "a,b\n\"1\n2\r3\r\n4\",5\n6,7\n", `
1@2 ["1\n2\r3\r\n4" "5"]
2@6 ["6" "7"]`},
		{"quote in an unquoted value", "a,b\n1\"2\",3\n4,5\"\n 6, \"7\"\n", `
1@2 ["1\"2\"" "3"]
2@3 ["4" "5\""]
3@4 [" 6" " \"7\""]`},
		{"something behind a closing quote", "a,b\n\"1\"2,3\n4,5\n\"6\" ,7\n8,9\n", `
1@2 bad_quote "\"1\"2,3"
2@3 ["4" "5"]
3@4 bad_quote "\"6\" ,7"
4@5 ["8" "9"]`},
		{"a quoted value behind a bad one keeps its line end", "a,b\n\"1\"x,\"2\n3\"\n4,5\n", `
1@2 bad_quote "\"1\"x,\"2\n3\""
2@4 ["4" "5"]`},
		{"bad twice", "a,b\n\"1\"x,\"2\"y\n4,5\n", `
1@2 bad_quote "\"1\"x,\"2\"y"
2@3 ["4" "5"]`},
		{"open quote at the end", "a,b\n1,2\n3,\"4\n5,6\n", `
1@2 ["1" "2"]
2@3 open_quote "3,\"4"
3@4 ["5" "6"]`},
		{"open quote in the last line", "a,b\n1,2\n3,\"4", `
1@2 ["1" "2"]
2@3 open_quote "3,\"4"`},
		{"open quote with nothing behind it", "a,b\n1,\"", `
1@2 open_quote "1,\""`},
		{"open quote behind a value of two lines", "a,b\n\"1\n2\",\"3\n4,5\n", `
1@2 open_quote "\"1"
2@3 open_quote "2\",\"3"
3@4 ["4" "5"]`},
		{"blank lines", "\n\na,b\n\n1,2\n,\n,,,,\n \t\n3,4\n\n\n", `
1@5 ["1" "2"]
2@9 ["3" "4"]`},
		{"empty values in quotes are values", "a,b\n\"\",\"\"\n", `
1@2 ["" ""]`},
		{"too few and too many", "a,b\n1\n1,2,3\n1,2,,,\n1,2,,\" \"\n1,\n", `
1@2 too_few_columns "1"
2@3 too_many_columns "1,2,3"
3@4 ["1" "2"]
4@5 too_many_columns "1,2,,\" \""
5@6 ["1" ""]`},
		{"NUL", "a,b\n1,\x002\n3,4\n", `
1@2 nul "1,\x002"
2@3 ["3" "4"]`},
		{"byte order mark", "\uFEFFa,b\n1,2\n", `
1@2 ["1" "2"]`},
		{"sep=", "sep=;\na;b\n1,5;2\n", `
1@3 ["1,5" "2"]`},
		{"sep= in quotes, with a byte order mark and CRLF", "\uFEFF\"sep=|\"\r\na|b\r\n1|2\r\n", `
1@3 ["1" "2"]`},
		{"Entra", "version:v1.0\na,b\n1,2\n", `
1@3 ["1" "2"]`},
		{"Entra, out of Excel", "version:v1.0,,\r\na,b\r\n1,2\r\n", `
1@3 ["1" "2"]`},
		{"Entra, with many columns", "version:v1.0" + strings.Repeat(",", 40) + "\na,b\n1,2\n", `
1@3 ["1" "2"]`},
		{"both", "sep=|\nversion:v1.0\na|b\n1|2\n", `
1@4 ["1" "2"]`},
		{"a tab that is said", "SEP=\t\na\tb\n1\t2\n", `
1@3 ["1" "2"]`},
		{"only a header", "a,b\n", ``},
		{"one column", "a\n1\n\"2\n3\"\n", `
1@2 ["1"]
2@3 ["2\n3"]`},
		{"quote and CR at the end", "a,b\r\n1,\"2\"\r", `
1@2 ["1" "2"]`},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			_, got := mustRead(t, []byte(test.file), records.Options{})
			if diff := cmp.Diff(strings.TrimPrefix(test.want, "\n"), strings.TrimSuffix(shown(got), "\n")); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestCSVIsNotUTF8InOneRecord(t *testing.T) {
	t.Parallel()
	_, got := mustRead(t, []byte("name,city\nZoë,Łódź\nJos\xE9,Madrid\nJosé,Madrid\n"), records.Options{})
	want := `1@2 ["Zoë" "Łódź"]
2@3 bad_charset "Jos\xe9,Madrid"
3@4 ["José" "Madrid"]
`
	if diff := cmp.Diff(want, shown(got)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestLimitsOfCSV(t *testing.T) {
	t.Parallel()
	const most = records.MaxValue
	var cut = long(64 << 10)
	for _, test := range []struct {
		name, file string
		want       []rec
	}{
		{"a value of the limit", header + long(most) + ",2\n3,4\n", []rec{
			{1, 2, long(most) + ",2", "", []string{long(most), "2"}}, {2, 3, "3,4", "", []string{"3", "4"}},
		}},
		{"and one byte more", header + long(most+1) + ",2\n3,4\n", []rec{
			{1, 2, long(most+1) + ",2", records.ValueTooLong, nil}, {2, 3, "3,4", "", []string{"3", "4"}},
		}},
		{"quoted, of the limit", header + `"` + long(most) + "\",2\n3,4\n", []rec{
			{1, 2, `"` + long(most) + `",2`, "", []string{long(most), "2"}}, {2, 3, "3,4", "", []string{"3", "4"}},
		}},
		{"quoted, and one byte more: it is not closed", header + `"` + long(most+1) + "\",2\n3,4\n", []rec{
			{1, 2, `"` + long(most+1) + `",2`, records.OpenQuote, nil}, {2, 3, "3,4", "", []string{"3", "4"}},
		}},
		{"the quote at the limit is doubled", header + `"` + long(most) + "\"\"\",2\n3,4\n", []rec{
			{1, 2, `"` + long(most) + `""",2`, records.OpenQuote, nil}, {2, 3, "3,4", "", []string{"3", "4"}},
		}},
		{"open quote, closed too late", header + "1,\"2\n3,4\n" + strings.Repeat("5,"+long(1021)+"\n", most/1024) + "7,\"8\"\n", append(append([]rec{
			{1, 2, `1,"2`, records.OpenQuote, nil}, {2, 3, "3,4", "", []string{"3", "4"}},
		}, repeated(3, 4, most/1024, "5,"+long(1021), "5", long(1021))...), rec{3 + most/1024, 4 + most/1024, `7,"8"`, "", []string{"7", "8"}})},
		{"a record of the limit", header + strings.Repeat(long(most-1)+",", 4) + "\n3,4\n", []rec{
			{1, 2, strings.Repeat(long(most-1)+",", 4), records.TooManyColumns, nil}, {2, 3, "3,4", "", []string{"3", "4"}},
		}},
		{"and one byte more", header + strings.Repeat(long(most-1)+",", 4) + ",\n3,4\n", []rec{
			{1, 2, cut, records.RecordTooLong, nil}, {2, 3, "3,4", "", []string{"3", "4"}},
		}},
		{"much more, with quoted line ends", header + strings.Repeat(`"`+long(most-3)+"\n\",", 9) + "\n3,4\n", []rec{
			{1, 2, `"` + cut[1:], records.RecordTooLong, nil}, {2, 12, "3,4", "", []string{"3", "4"}},
		}},
		{"much more, and a quote that is not closed", header + strings.Repeat(long(most-1)+",", 9) + "\"1\n3,4\n", []rec{
			{1, 2, cut, records.RecordTooLong, nil}, {2, 3, "3,4", "", []string{"3", "4"}},
		}},
		{"much more, to the end of the text", header + long(9*most), []rec{{1, 2, cut, records.RecordTooLong, nil}}},
		{"the line of an open quote is too long itself", header + "1,\"" + long(9*most) + "\n3,4\n", []rec{
			{1, 2, `1,"` + cut[3:], records.OpenQuote, nil}, {2, 3, "3,4", "", []string{"3", "4"}},
		}},
		{"cut before a character", header + long(64<<10-1) + "é" + long(4*most) + "\n", []rec{{1, 2, cut[1:], records.RecordTooLong, nil}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			_, got := mustReadFew(t, []byte(test.file), records.Options{})
			if len(got) != len(test.want) {
				t.Fatalf("%d records, want %d", len(got), len(test.want))
			}
			for i, want := range test.want {
				if g := got[i]; g.Row != want.Row || g.Line != want.Line || g.Raw != want.Raw || g.Fault != want.Fault || !slices.Equal(g.Values, want.Values) {
					t.Errorf("row %d at %d: %s of %d bytes, want row %d at %d, %s of %d", g.Row, g.Line, string(g.Fault), len(g.Raw),
						want.Row, want.Line, string(want.Fault), len(want.Raw))
				}
			}
		})
	}
}

// mustReadFew is mustRead for large files.
func mustReadFew(tb testing.TB, file []byte, o records.Options) (records.Info, []rec) {
	tb.Helper()
	info, want, err := read(tb, file, o)
	if err != nil {
		tb.Fatal(err)
	}
	for _, rows := range []int64{1, 100_000} {
		if len(want) > 1000 && rows == 1 {
			rows = 10_000
		}
		p, err := prepare(tb, file, o, rows)
		if err != nil {
			tb.Fatal(err)
		}
		var got []rec
		for _, c := range p.chunks {
			got = append(got, p.readChunk(tb, c)...)
		}
		if !sameRecs(want, p.seen) || !sameRecs(want, got) {
			tb.Fatal("Open, Prepare and chunks find different records")
		}
	}
	return info, want
}

// sameRecs is cmp.Equal for hundreds of thousands.
func sameRecs(a, b []rec) bool {
	return slices.EqualFunc(a, b, func(a, b rec) bool {
		return a.Row == b.Row && a.Line == b.Line && a.Raw == b.Raw && a.Fault == b.Fault && slices.Equal(a.Values, b.Values)
	})
}

// repeated returns n records that are alike.
func repeated(row, line int64, n int, raw string, values ...string) []rec {
	out := make([]rec, n)
	for i := range out {
		out[i] = rec{row + int64(i), line + int64(i), raw, "", values}
	}
	return out
}

func TestDialects(t *testing.T) {
	t.Parallel()
	yes, no := true, false
	for _, test := range []struct {
		name, file string
		o          records.Options
		delimiter  string
		header     bool
		columns    []string
	}{
		{"comma", "id,name\n1,Ada; Byron\n", records.Options{}, ",", true, []string{"id", "name"}},
		{"semicolon", "id;name\n1;Byron, Ada\n2;Hopper, Grace\n", records.Options{}, ";", true, []string{"id", "name"}},
		{"tab", "id\tname\n1\tByron, Ada\n", records.Options{}, "\t", true, []string{"id", "name"}},
		{"pipe", "id|name\n1|Byron, Ada\n", records.Options{}, "|", true, []string{"id", "name"}},
		{"quoted delimiters do not count", "\"a,b,c,d\";e\n\"1,2,3,4\";5\n", records.Options{}, ";", true, []string{"a,b,c,d", "e"}},
		{"ragged", "a;b;c\n1;2\n1;2;3\n1;2;3;4\n1,2;2;3\n", records.Options{}, ";", true, []string{"a", "b", "c"}},
		{"decimal commas", "name;height\nAda;1,70\nGrace;1,68\n", records.Options{}, ";", true, []string{"name", "height"}},
		{"one column", "email\nada@example.com\n", records.Options{}, ",", true, []string{"email"}},
		{"said", "a;b,c\n1;2,3\n", records.Options{Delimiter: ';'}, ";", true, []string{"a", "b,c"}},
		{"said, and of no list", "a^b,c\n1^2,3\n", records.Options{Delimiter: '^'}, "^", true, []string{"a", "b,c"}},
		{"said against sep=", "sep=,\na;b\n1;2\n", records.Options{Delimiter: ';'}, ";", true, []string{"a", "b"}},
		{"names as they stand", " First name [givenName] ,\"E-mail\"\n1,2\n", records.Options{}, ",", true, []string{" First name [givenName] ", "E-mail"}},
		{"names that are missing", "a,,c,,\n1,2,3\n", records.Options{}, ",", true, []string{"a", "column2", "c"}},
		{"no header, an address shows it", "1,ada@example.com\n2,x@example.org\n", records.Options{}, ",", false, []string{"column1", "column2"}},
		{"a header may name a domain", "user@,mail@home\n1,2\n", records.Options{}, ",", true, []string{"user@", "mail@home"}},
		{"no header, said", "a,b\n1,2\n", records.Options{Header: &no}, ",", false, []string{"column1", "column2"}},
		{"a header, said", "ada@example.com,b\n1,2\n", records.Options{Header: &yes}, ",", true, []string{"ada@example.com", "b"}},
		{"said by the content type", "a,b\n1,2\n", records.Options{ContentType: "text/csv; header=absent"}, ",", false, []string{"column1", "column2"}},
		{"said and by the content type", "a,b\n1,2\n", records.Options{ContentType: "text/csv; header=absent", Header: &yes}, ",", true, []string{"a", "b"}},
		{"no header, and a first record that is faulty", "\"1\"2,3\n1,2\n", records.Options{Header: &no}, ",", false, []string{"column1", "column2"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			info, got := mustRead(t, []byte(test.file), test.o)
			want := records.Info{Format: records.CSV, Compression: records.None, Charset: "utf-8", Delimiter: test.delimiter, Header: test.header, Columns: test.columns}
			if diff := cmp.Diff(want, info); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			lines := int64(strings.Count(test.file, "\n"))
			if last := got[len(got)-1]; last.Line != lines {
				t.Errorf("the last record is on line %d, want %d", last.Line, lines)
			}
		})
	}
}

func TestFaultyHeader(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		file string
		want records.FileCode
	}{
		"bad quote":          {"\"a\"b,c\n1,2\n", records.BadHeader},
		"open quote":         {"a,\"b\n1,2\n", records.BadHeader},
		"NUL":                {"a,\x00b\n1,2\n", records.BadHeader},
		"long name":          {long(1025) + ",b\n1,2\n", records.BadHeader},
		"endless":            {long(3<<20) + "\n1,2\n", records.BadHeader},
		"1,001 columns":      {strings.Repeat("a,", 1000) + "a\n", records.TooManyColumnsInAll},
		"100,000 columns":    {strings.Repeat("a,", 100_000) + "a\n", records.TooManyColumnsInAll},
		"empty":              {"", records.EmptyFile},
		"blank lines":        {"\n \n,,,\n", records.EmptyFile},
		"byte order mark":    {"\uFEFF", records.EmptyFile},
		"nothing but sep=;":  {"sep=;\n", records.EmptyFile},
		"endless, no header": {long(700<<10) + "," + long(700<<10) + "\n", records.BadHeader},
		"a quote delimits":   {"a,b\n", records.UnknownFormat},
		"binary":             {"\x7FELF\x02\x01\x01\x00\x00\x00\x00", records.UnknownFormat},
		"an unknown charset": {"a,b\n", records.UnknownCharset},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := records.Options{}
			no := false
			switch name {
			case "endless, no header":
				o.Header = &no
			case "a quote delimits":
				o.Delimiter = '"'
			case "NUL":
				o.Format = records.CSV
			case "an unknown charset":
				o.Charset = "klingon"
			}
			_, _, err := read(t, []byte(test.file), o)
			if got := fileCode(t, err); got != test.want {
				t.Errorf("%s, want %s", got, test.want)
			}
			_, err = prepare(t, []byte(test.file), o, 10)
			if got := fileCode(t, err); got != test.want {
				t.Errorf("Prepare: %s, want %s", got, test.want)
			}
		})
	}
}

// Lines that open quotes and close none of them cost a second look each; it may not take for ever.
func TestManyOpenQuotes(t *testing.T) {
	t.Parallel()
	file := header + strings.Repeat("\"a\nb\",", 600_000) + "\"" + strings.Repeat("c\n", 1<<20)
	if _, err := prepare(t, []byte(file), records.Options{}, 10_000); fileCode(t, err) != records.Unreadable {
		t.Error(err)
	}
}

func TestHead(t *testing.T) {
	t.Parallel()
	for file, want := range map[string]string{
		"a,b\n1,2\n3,4":         "1@2 [\"1\" \"2\"]\n",
		"a,b\n1,2\n":            "1@2 [\"1\" \"2\"]\n",
		"a,b\n1,2\n3,\"4\n5":    "1@2 [\"1\" \"2\"]\n",
		"a,b\n1,2\n3,\"4\"":     "1@2 [\"1\" \"2\"]\n",
		"{\"a\":1}\n{\"a\":2":   "1@1 [\"a=1\"]\n",
		"[{\"a\":1},\n{\"a\":2": "1@1 [\"a=1\"]\n",
	} {
		_, got, err := read(t, []byte(file), records.Options{Head: true})
		if diff := cmp.Diff(want, shown(got)); diff != "" || err != nil {
			t.Errorf("%q: %v (-want +got):\n%s", file, err, diff)
		}
	}
}

// A range that is not the one that was prepared is no chunk.
func TestChangedChunk(t *testing.T) {
	t.Parallel()
	file := []byte("a,b\n1,2\n3,4\n5,6\n")
	p, err := prepare(t, file, records.Options{}, 2)
	if err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string]string{"less": "1,2\n", "more": "1,2\n3,4\n5,6\n", "nothing": "", "faults count": "\"1\"2\n"} {
		s, err := records.NewScanner(strings.NewReader(data), p.Info, p.chunks[0])
		if err != nil {
			t.Fatal(err)
		}
		if got, err := drain(s); err == nil {
			t.Errorf("%s: %s", name, shown(got))
		}
		s.Close()
	}
}

func TestManifest(t *testing.T) {
	t.Parallel()
	want := records.Chunk{Offset: 1 << 40, Size: 2, Row: 3, Rows: 4, Line: 5}
	b, err := want.AppendBinary([]byte("x"))
	if err != nil || len(b) != 1+records.ChunkBytes {
		t.Fatalf("%d bytes: %v", len(b), err)
	}
	var got records.Chunk
	if err := got.UnmarshalBinary(b[1:]); err != nil || got != want {
		t.Errorf("%+v, want %+v: %v", got, want, err)
	}
	if got.UnmarshalBinary(b) == nil {
		t.Error("a chunk of one byte more")
	}
}

// What stands before the first record of a plain file stays in it; chunks begin behind it.
func TestPlainFileIsItsText(t *testing.T) {
	t.Parallel()
	file := []byte("\uFEFFsep=,\r\na,b\r\n1,2\r\n\r\n3,4\r\n\r\n")
	p, err := prepare(t, file, records.Options{}, 1)
	if err != nil {
		t.Fatal(err)
	}
	want := []records.Chunk{{Offset: 15, Size: 5, Row: 1, Rows: 1, Line: 3}, {Offset: 20, Size: 7, Row: 2, Rows: 1, Line: 4}}
	if diff := cmp.Diff(want, p.chunks); diff != "" || !bytes.Equal(p.text, file) || p.Stored != 0 {
		t.Errorf("-want +got:\n%s", diff)
	}
}
