package records_test

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/text/encoding/charmap"
	"pgregory.net/rapid"

	"github.com/musterhq/muster/internal/records"
)

// crumbs is a Source that gives its bytes in pieces of all sizes.
type crumbs struct {
	*bytes.Reader
	sizes []int
	next  int
}

func (c *crumbs) Read(p []byte) (int, error) {
	if len(c.sizes) > 0 {
		p = p[:min(len(p), c.sizes[c.next%len(c.sizes)])]
		c.next++
	}
	return c.Reader.Read(p)
}

// checkFile sees that a file holds these records, whole, in Prepare and by chunks, however it is read.
func checkFile(t *rapid.T, file []byte, o records.Options, want []rec) records.Info {
	sizes := rapid.SliceOfN(rapid.IntRange(1, 40), 0, 5).Draw(t, "sizes of reads")
	rows := rapid.Int64Range(1, 9).Draw(t, "rows of a chunk")
	f, err := records.Open(t.Context(), &crumbs{Reader: bytes.NewReader(file), sizes: sizes}, o)
	if err != nil {
		t.Fatalf("%q: %v", file, err)
	}
	defer f.Close()
	got, err := drain(f)
	if diff := cmp.Diff(shown(want), shown(got)); diff != "" || err != nil {
		t.Fatalf("%q: %v (-want +got):\n%s", file, err, diff)
	}
	for i := range want {
		if want[i].Raw != got[i].Raw {
			t.Fatalf("%q: row %d is %q, want %q", file, i+1, got[i].Raw, want[i].Raw)
		}
	}
	var written bytes.Buffer
	var seen, chunked []rec
	var chunks []records.Chunk
	p, err := records.Prepare(t.Context(), &crumbs{Reader: bytes.NewReader(file), sizes: sizes}, o, records.Plan{
		ChunkRows: rows,
		Begin:     func(records.Info) (io.Writer, error) { return &written, nil },
		Chunk:     func(c records.Chunk) error { chunks = append(chunks, c); return nil },
		Record:    func(r *records.Record) error { seen = append(seen, recOf(r)); return nil },
	})
	if err != nil || !cmp.Equal(got, seen) {
		t.Fatalf("%q: Prepare finds others: %v\n%s", file, err, shown(seen))
	}
	text := file
	if p.Info.Rewritten {
		text = written.Bytes()
	}
	for _, c := range chunks {
		s, err := records.NewScanner(&crumbs{Reader: bytes.NewReader(text[c.Offset : c.Offset+c.Size]), sizes: sizes}, p.Info, c)
		if err != nil {
			t.Fatal(err)
		}
		some, err := drain(s)
		s.Close()
		if err != nil {
			t.Fatalf("%q: chunk %+v: %v", file, c, err)
		}
		chunked = append(chunked, some...)
	}
	if !cmp.Equal(got, chunked) {
		t.Fatalf("%q: chunks of %d rows hold others:\n%s", file, rows, shown(chunked))
	}
	return p.Info
}

// Any text, as the model reads it.
func TestPropertyAnyCSV(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		pieces := rapid.SliceOf(rapid.SampledFrom([]string{
			"a", "b c", ",", ",", ",", "\"", "\"", "\"\"", "\n", "\n", "\r\n", "\r", "é", "\x00", "\xFF", ";", " ", "\"x\"", ",\"y\n\",", "\"\"\"", "1",
		})).Draw(t, "pieces")
		text := strings.Join(pieces, "")
		no := false
		const head = "h1,h2,h3\n"
		o := records.Options{Format: records.CSV, Charset: "utf-8", Delimiter: ','}
		checkFile(t, []byte(head+text), o, modelCSV(text, ',', 3, 2))
		// And without a header, when its first faultless record has so many values.
		o.Header = &no
		for _, r := range modelCSV(text, ',', -1, 1) {
			if r.Fault == "" {
				checkFile(t, []byte(text), o, modelCSV(text, ',', len(r.Values), 1))
				break
			}
		}
	})
}

// modelCSV reads a text byte by byte, slowly. columns < 0: any number.
func modelCSV(text string, delim byte, columns int, line int64) (out []rec) {
	isEnd := func(i int) bool { return i == len(text) || text[i] == '\n' || text[i] == '\r' }
	lineEnd := func(i int) int { // behind the line end at i
		switch {
		case i == len(text):
			return i
		case strings.HasPrefix(text[i:], "\r\n"):
			return i + 2
		}
		return i + 1
	}
	lines := func(s string) int64 {
		s = strings.ReplaceAll(s, "\r\n", "\n")
		return int64(strings.Count(s, "\n") + strings.Count(s, "\r"))
	}
	for at := 0; at < len(text); {
		var values []string
		var fault records.Fault
		i := at
		for {
			if i < len(text) && text[i] == '"' {
				end := i + 1
				for end < len(text) && text[end] == '"' == (end+1 < len(text) && text[end+1] == '"') || end < len(text) && text[end] != '"' {
					if text[end] == '"' {
						end++
					}
					end++
				}
				if end >= len(text) {
					fault = records.OpenQuote
					break
				}
				values = append(values, strings.ReplaceAll(text[i+1:end], `""`, `"`))
				i = end + 1
				if !isEnd(i) && text[i] != delim {
					fault = records.BadQuote
				}
			} else {
				values = append(values, "")
			}
			start := i
			for !isEnd(i) && text[i] != delim {
				i++
			}
			values[len(values)-1] += text[start:i]
			if isEnd(i) {
				break
			}
			i++
		}
		if fault == records.OpenQuote {
			for i = at; !isEnd(i); i++ {
			}
		}
		raw := text[at:i]
		r := rec{Row: int64(len(out) + 1), Line: line, Raw: raw, Fault: fault}
		at = lineEnd(i)
		line += lines(text[at-(at-i)-len(raw) : at])
		for columns >= 0 && len(values) > columns && values[len(values)-1] == "" {
			values = values[:len(values)-1]
		}
		switch {
		case strings.Trim(raw, string(delim)+" \t") == "":
			continue
		case fault != "":
		case strings.Contains(raw, "\x00"):
			r.Fault = records.NUL
		case !utf8.ValidString(raw):
			r.Fault = records.BadCharset
		case columns >= 0 && len(values) < columns:
			r.Fault = records.TooFewColumns
		case columns >= 0 && len(values) > columns:
			r.Fault = records.TooManyColumns
		default:
			r.Values = values
		}
		out = append(out, r)
	}
	return out
}

// A file that a program could have written, in any dialect, charset and compression, and what people did to it.
func TestPropertyWrittenCSV(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		delim := rapid.SampledFrom([]string{",", ";", "\t", "|"}).Draw(t, "delimiter")
		end := rapid.SampledFrom([]string{"\n", "\r\n", "\r"}).Draw(t, "line end")
		columns := rapid.IntRange(2, 6).Draw(t, "columns")
		always := rapid.Bool().Draw(t, "quotes everything")
		value := rapid.SampledFrom([]string{"", "x", "Zoë", "a b", "1,5", "a;b", "a\tb", "a|b", "say \"hi\"", "two\nlines", "two\r\nlines", "\"", "'", " ", "=1", "\u00e9\u00fc\u00df"})
		write := func(values []string) string {
			out := make([]string, len(values))
			for i, v := range values {
				if out[i] = v; always || strings.ContainsAny(v, delim+"\"\r\n") || rapid.Bool().Draw(t, "quoted") {
					out[i] = `"` + strings.ReplaceAll(v, `"`, `""`) + `"`
				}
			}
			return strings.Join(out, delim)
		}
		var b strings.Builder
		line := int64(1)
		add := func(s string) {
			b.WriteString(s + end)
			s = strings.ReplaceAll(s+end, "\r\n", "\n")
			line += int64(strings.Count(s, "\n") + strings.Count(s, "\r"))
		}
		names := make([]string, columns)
		for i := range names {
			names[i] = string(rune('a' + i))
		}
		if delim != "\t" && rapid.Bool().Draw(t, "sep=") {
			add("sep=" + delim)
		}
		add(write(names))
		var want []rec
		for range rapid.IntRange(0, 12).Draw(t, "records") {
			values := rapid.SliceOfN(value, columns, columns).Draw(t, "values")
			values[0] = "k" + values[0] // no record is blank
			raw := write(values)
			r := rec{Row: int64(len(want) + 1), Values: values}
			switch rapid.IntRange(0, 11).Draw(t, "what happened") {
			case 0:
				add("")
			case 1:
				add(strings.Repeat(delim, columns-1))
			case 2:
				raw += strings.Repeat(delim, rapid.IntRange(1, 3).Draw(t, "empty ones more"))
			case 3:
				raw, r.Fault = raw+delim+"more", records.TooManyColumns
			case 4:
				raw, r.Fault = "k", records.TooFewColumns
			case 5:
				raw, r.Fault = `"k"x`+delim+raw, records.BadQuote
			}
			if r.Line, r.Raw = line, raw; r.Fault != "" {
				r.Values = nil
			}
			want = append(want, r)
			add(raw)
		}
		text := b.String()
		if rapid.Bool().Draw(t, "no line end at the end") {
			text = strings.TrimSuffix(text, end)
		}
		if len(want) > 0 && want[len(want)-1].Fault == "" && rapid.Bool().Draw(t, "an open quote at the end") {
			want = append(want, rec{Row: int64(len(want) + 1), Line: line, Raw: `k` + delim + `"open`, Fault: records.OpenQuote})
			text = b.String() + `k` + delim + `"open`
		}
		file, charset := []byte(text), "utf-8"
		switch rapid.IntRange(0, 5).Draw(t, "charset") {
		case 0:
			file = []byte("\uFEFF" + text)
		case 1:
			file, charset = inUTF16(text, binary.LittleEndian, true), "utf-16le"
		case 2:
			file, charset = inUTF16(text, binary.BigEndian, true), "utf-16be"
		case 3:
			if strings.ContainsAny(text, "ëéüß") {
				var err error
				if file, err = charmap.Windows1252.NewEncoder().Bytes([]byte(text)); err != nil {
					t.Fatal(err)
				}
				charset = "windows-1252"
			}
		}
		// The delimiter is found among records that are mostly whole.
		o := records.Options{Delimiter: delim[0]}
		info := checkFile(t, file, o, want)
		if info.Charset != charset || !info.Header || !slices.Equal(info.Columns, names) {
			t.Fatalf("%q: %+v, want %s", file, info, charset)
		}
	})
}

// Objects of any kind, and lines that are damaged, as encoding/json reads them.
func TestPropertyNDJSON(t *testing.T) {
	t.Parallel()
	text := rapid.StringOfN(rapid.RuneFrom([]rune("ab.\"\\/\n\té🎉 {}[]:,1")), 0, 8, -1)
	var value func(depth int) *rapid.Generator[any]
	value = func(depth int) *rapid.Generator[any] {
		kinds := []*rapid.Generator[any]{
			rapid.Custom(func(t *rapid.T) any { return text.Draw(t, "text") }),
			rapid.SampledFrom([]any{nil, true, false, json.Number("0"), json.Number("-1.50e+3"), json.Number("12345678901234567890")}),
		}
		if depth < 7 {
			kinds = append(kinds,
				rapid.Custom(func(t *rapid.T) any { return rapid.SliceOfN(value(depth+1), 0, 3).Draw(t, "array") }),
				rapid.Custom(func(t *rapid.T) any { return rapid.MapOfN(text, value(depth+1), 0, 3).Draw(t, "object") }))
		}
		return rapid.OneOf(kinds...)
	}
	rapid.Check(t, func(t *rapid.T) {
		var lines []string
		var want []rec
		for range rapid.IntRange(0, 8).Draw(t, "lines") {
			b, err := json.Marshal(rapid.MapOfN(text, value(2), 0, 4).Draw(t, "object"))
			if err != nil {
				t.Fatal(err)
			}
			if rapid.IntRange(0, 3).Draw(t, "damaged") == 0 && len(b) > 0 {
				b[rapid.IntRange(0, len(b)-1).Draw(t, "where")] = rapid.SampledFrom([]byte("{}[],:\"x1 \t")).Draw(t, "byte")
			}
			lines = append(lines, string(b))
			if strings.TrimSpace(string(b)) == "" {
				continue
			}
			r := rec{Row: int64(len(want) + 1), Line: int64(len(lines)), Raw: string(b)}
			r.Values, r.Fault = modelObject(b)
			want = append(want, r)
		}
		// Something that is there in any case, so that the file is not empty.
		lines = append(lines, "{}")
		want = append(want, rec{Row: int64(len(want) + 1), Line: int64(len(lines)), Raw: "{}"})
		checkFile(t, []byte(strings.Join(lines, "\n")), records.Options{Format: records.NDJSON, Charset: "utf-8"}, want)
		// The same as an array.
		if !slices.ContainsFunc(want, func(r rec) bool { return r.Fault != "" }) {
			array := "[" + strings.Join(lines, ",\n") + "]"
			checkFile(t, []byte(array), records.Options{Charset: "utf-8", Format: records.JSON}, want)
		}
	})
}

// modelObject reads an object by encoding/json.
func modelObject(line []byte) ([]string, records.Fault) {
	line = bytes.TrimSpace(line)
	if !utf8.Valid(line) {
		return nil, records.BadCharset
	}
	if !json.Valid(line) || line[0] != '{' {
		return nil, records.BadJSON
	}
	var names, values []string
	var walk func(prefix string, raw json.RawMessage, depth int)
	walk = func(prefix string, raw json.RawMessage, depth int) {
		d := json.NewDecoder(bytes.NewReader(raw))
		if _, err := d.Token(); err != nil {
			panic(err)
		}
		for d.More() {
			name, err := d.Token()
			if err != nil {
				panic(err)
			}
			var raw json.RawMessage
			if err := d.Decode(&raw); err != nil {
				panic(err)
			}
			full := prefix + name.(string)
			if raw[0] == '{' && depth < 4 {
				walk(full+".", raw, depth+1)
				continue
			}
			shown := full + "=" + string(raw)
			var s string
			switch {
			case string(raw) == "null":
				shown = full
			case raw[0] == '"' && json.Unmarshal(raw, &s) == nil:
				shown = full + "=" + s
			}
			if i := slices.Index(names, full); i >= 0 {
				values[i] = shown
				continue
			}
			names, values = append(names, full), append(values, shown)
		}
	}
	walk("", line, 1)
	return values, ""
}

// A source that fails is no damaged file: the reading may be tried again.
func TestSourceFails(t *testing.T) {
	t.Parallel()
	away := errors.New("the store is away")
	var text strings.Builder
	for i := range 100_000 {
		text.WriteString(strings.Repeat("x", i%13) + ",b\n")
	}
	for name, file := range map[string][]byte{
		"CSV": []byte("a,b\n" + text.String()), "gzip": gzipped(t, []byte("a,b\n"+text.String())), "Parquet": parquetFile(t, 5000), "JSON": []byte("[{\"a\":\"" + text.String()[:10] + "\"}]"),
	} {
		for _, at := range []int64{0, 3, int64(len(file)) / 2, int64(len(file)) - 1} {
			_, err := records.Prepare(t.Context(), &failingSource{bytes.NewReader(file), at, away}, records.Options{TempDir: t.TempDir()}, records.Plan{
				ChunkRows: 10,
				Begin:     func(records.Info) (io.Writer, error) { return io.Discard, nil },
				Chunk:     func(records.Chunk) error { return nil },
			})
			var file *records.FileError
			if !errors.Is(err, away) || errors.As(err, &file) {
				t.Errorf("%s at %d: %v", name, at, err)
			}
		}
	}
	for _, at := range []int64{0, 10} {
		_, err := records.Prepare(t.Context(), &failingSource{bytes.NewReader([]byte("a,b\n1,2\n3,4\n")), at, io.EOF}, records.Options{}, records.Plan{
			ChunkRows: 10,
			Begin:     func(records.Info) (io.Writer, error) { return io.Discard, nil },
			Chunk:     func(records.Chunk) error { return nil },
		})
		if !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("a source that ends at %d: %v", at, err)
		}
	}
}

// failingSource fails from a place on.
type failingSource struct {
	*bytes.Reader
	at  int64
	err error
}

func (f *failingSource) Read(p []byte) (int, error) {
	done := f.Size() - int64(f.Len())
	if done >= f.at {
		return 0, f.err
	}
	return f.Reader.Read(p[:min(int64(len(p)), f.at-done)])
}

func (f *failingSource) ReadAt(p []byte, off int64) (int, error) {
	if off+int64(len(p)) > f.at {
		return 0, f.err
	}
	return f.Reader.ReadAt(p, off)
}
