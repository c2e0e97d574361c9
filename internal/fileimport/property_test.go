package fileimport_test

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"unicode/utf16"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"
	"golang.org/x/text/encoding/charmap"
	"pgregory.net/rapid"

	"github.com/musterhq/muster/internal/columns"
	"github.com/musterhq/muster/internal/fileimport"
	"github.com/musterhq/muster/internal/job"
)

// person is a record as its writer knows it.
type person struct {
	id, email, name, age, notes string
	damage                      string // done to the record as a whole, as the code of its fault; empty: none
}

var persons = rapid.Custom(func(t *rapid.T) person {
	p := person{
		id:    rapid.SampledFrom([]string{"1", "2", "3", "4", "5", "6", "x", ""}).Draw(t, "id"),
		email: rapid.SampledFrom([]string{"a@example.com", "A@Example.com", "b@example.com", "B@example.com", "é@example.com", "É@example.com", "e@example.com", "none", ""}).Draw(t, "email"),
		name:  rapid.SampledFrom([]string{"Ada", "Zoë", "O\"Neil; Jr, 3|4", ""}).Draw(t, "name"),
		age:   rapid.SampledFrom([]string{"36", "", "", "old"}).Draw(t, "age"),
		notes: rapid.SampledFrom([]string{"", "x", "two\nlines", "Ł not"}).Draw(t, "notes"),
	}
	if rapid.IntRange(0, 7).Draw(t, "damaged") == 0 {
		p.damage = rapid.SampledFrom([]string{"too_few_columns", "too_many_columns", "bad_quote", "nul", "bad_charset"}).Draw(t, "damage")
	}
	return p
})

// outcome is what has to become of a record: the code of its fault, or nothing.
func (p *person) outcome(key string) (code, field string) {
	switch {
	case p.damage != "":
		return p.damage, ""
	case key == columns.KeyID && p.id == "x":
		return "bad_id", "id"
	case p.email == "none":
		return "bad_email", "email"
	case p.age == "old":
		return "bad_age", "age"
	case key == columns.KeyEmail && p.email == "":
		return "missing_key", "email"
	case key == columns.KeyID && p.id == "":
		return "missing_key", "id"
	case key != columns.KeyID && p.email == "" && p.name == "":
		return "required", "email"
	}
	return "", ""
}

func (p *person) key(key string) string {
	if key == columns.KeyID {
		return p.id
	}
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, p.email)
}

// written is a file of persons.
type written struct {
	text  strings.Builder
	end   string // of lines
	line  int64
	lines []int64 // on which the records begin
	raws  []string
}

func (w *written) add(s string) {
	w.text.WriteString(s + w.end)
	s = strings.ReplaceAll(s+w.end, "\r\n", "\n")
	w.line += int64(strings.Count(s, "\n") + strings.Count(s, "\r"))
}

func (w *written) record(raw string) {
	w.lines, w.raws = append(w.lines, w.line), append(w.raws, raw)
	w.add(raw)
}

// writeCSV writes a CSV in any dialect.
func writeCSV(t *rapid.T, list []person, o *job.FileOptions) *written {
	delim := rapid.SampledFrom([]string{",", ";", "\t", "|"}).Draw(t, "delimiter")
	always := rapid.Bool().Draw(t, "quotes everything")
	w := &written{line: 1, end: rapid.SampledFrom([]string{"\n", "\r\n", "\r"}).Draw(t, "line end")}
	write := func(values []string) string {
		out := make([]string, len(values))
		for i, v := range values {
			if out[i] = v; always || strings.ContainsAny(v, delim+"\"\r\n") || rapid.IntRange(0, 3).Draw(t, "quoted") == 0 {
				out[i] = `"` + strings.ReplaceAll(v, `"`, `""`) + `"`
			}
		}
		return strings.Join(out, delim)
	}
	fields := rapid.Permutation([]string{"id", "email", "firstName", "age", "notes"}).Draw(t, "order")
	o.Delimiter, o.Format = delim, "csv"
	switch rapid.IntRange(0, 2).Draw(t, "header") {
	case 0:
		no := false
		o.Header, o.Map = &no, map[string]string{}
		for i, field := range fields {
			if field != "notes" && (field != "id" || o.Key == columns.KeyID) {
				o.Map[field] = fmt.Sprintf("column%d", i+1)
			}
		}
	case 1:
		w.add(write(fields) + strings.Repeat(delim, rapid.IntRange(0, 2).Draw(t, "empty columns")))
	default:
		german := map[string]string{"id": "ID", "email": "E-Mail-Adresse", "firstName": "Vorname", "age": "Alter", "notes": "Notizen"}
		names := make([]string, len(fields))
		for i, field := range fields {
			names[i] = german[field]
		}
		w.add(write(names))
	}
	for _, p := range list {
		values := make([]string, len(fields))
		for i, field := range fields {
			values[i] = map[string]string{"id": p.id, "email": p.email, "firstName": p.name, "age": p.age, "notes": p.notes}[field]
		}
		if rapid.IntRange(0, 5).Draw(t, "blank line") == 0 {
			w.add("")
		}
		raw := write(values)
		switch p.damage {
		case "too_few_columns":
			raw = "few"
		case "too_many_columns":
			raw += delim + "more"
		case "bad_quote":
			raw = `"k"x` + delim + raw
		case "nul":
			raw = "\x00" + delim + "x"
		case "bad_charset":
			raw = "x\xFF" + delim + "x"
		}
		w.record(raw)
	}
	return w
}

// writeObjects writes NDJSON, or an array.
func writeObjects(t *rapid.T, list []person, array bool) *written {
	w := &written{line: 1, end: "\n"}
	if array {
		w.end = ",\n"
		w.text.WriteString("[")
	}
	for i, p := range list {
		o := map[string]any{"email": p.email, "firstName": p.name, "notes": map[string]string{"a": p.notes}}
		if p.age != "" || rapid.Bool().Draw(t, "null") {
			o["age"] = map[string]any{"36": 36, "": nil, "old": "old"}[p.age]
		}
		if o["id"] = p.id; p.id > "0" && p.id < "9" && rapid.Bool().Draw(t, "number") {
			o["id"] = json.Number(p.id)
		}
		b, err := json.Marshal(o)
		if err != nil {
			t.Fatal(err)
		}
		if p.damage != "" {
			b = map[string][]byte{"bad_json": b[:len(b)-1], "nul": []byte("{\"email\":\"\x00\"}"), "bad_charset": []byte("{\"email\":\"\xFF\"}")}[p.damage]
		}
		if i == len(list)-1 && array {
			w.end = "]"
		}
		w.record(string(b))
	}
	return w
}

// encoded returns a text in some charset and compression.
func encoded(t *rapid.T, text string, plain bool, o *job.FileOptions) []byte {
	file := []byte(text)
	if plain {
		o.Charset = "utf-8" // it may be the smaller part that is valid
	} else {
		switch rapid.IntRange(0, 4).Draw(t, "charset") {
		case 0:
			file = []byte("\uFEFF" + text)
		case 1:
			file = []byte{0xFF, 0xFE}
			for _, u := range utf16.Encode([]rune(text)) {
				file = binary.LittleEndian.AppendUint16(file, u)
			}
		case 2:
			if b, err := charmap.Windows1252.NewEncoder().Bytes(file); err == nil {
				file, o.Charset = b, "windows-1252"
			}
		}
	}
	var out bytes.Buffer
	switch rapid.IntRange(0, 4).Draw(t, "compression") {
	case 0:
		z := gzip.NewWriter(&out)
		_, _ = z.Write(file)
		_ = z.Close()
		return out.Bytes()
	case 1:
		z, _ := zstd.NewWriter(&out)
		_, _ = z.Write(file)
		_ = z.Close()
		return out.Bytes()
	}
	return file
}

// What has to become of a file, as text.
func modelled(list []person, w *written, o *job.FileOptions, lines bool) string {
	var b strings.Builder
	counts := map[string]int{} // of each key, the row that does
	for i := range list {
		if code, _ := list[i].outcome(o.Key); code == "" {
			if _, known := counts[list[i].key(o.Key)]; !known || o.InFile == job.LastRow {
				counts[list[i].key(o.Key)] = i
			}
		}
	}
	skipped := 0
	for i := range list {
		p := &list[i]
		code, field := p.outcome(o.Key)
		if code == "" && o.Key != "" && counts[p.key(o.Key)] != i {
			if o.OnDuplicate != job.DuplicateReject {
				skipped++
				continue
			}
			code, field = "duplicate_in_file", o.Key
		}
		line, raw := int64(0), ""
		if lines {
			line, raw = w.lines[i], w.raws[i]
		}
		switch {
		case code != "":
			fmt.Fprintf(&b, "%d line %d: %s %s %q\n", i, line, code, field, raw)
		case o.Key == "":
			fmt.Fprintf(&b, "%d line %d: %q %q %q\n", i, line, p.email, p.name, p.age)
		case o.Key == columns.KeyID:
			fmt.Fprintf(&b, "%d line %d: %s %q %q %q %q\n", i, line, p.id, p.email, p.name, p.age, raw)
		default:
			fmt.Fprintf(&b, "%d line %d: 0 %q %q %q %q\n", i, line, p.email, p.name, p.age, raw)
		}
	}
	return b.String() + fmt.Sprint("skipped ", skipped)
}

// listed is an import in the form of modelled.
func (out *imported) listed(o *job.FileOptions, lines bool) string {
	all := make([]string, len(out.Rows)+len(out.Rejects)+out.Skipped)
	shown := func(line int64, raw []byte) (int64, []byte) {
		if !lines {
			return 0, nil
		}
		return line, raw
	}
	for _, r := range out.Rows {
		line, raw := shown(r.Line, r.Raw)
		age := ""
		if r.User.Age > 0 {
			age = fmt.Sprint(r.User.Age)
		}
		s := fmt.Sprintf("%d line %d: %q %q %q\n", r.Index, line, r.User.Email, r.User.FirstName, age)
		if o.Key != "" {
			s = fmt.Sprintf("%d line %d: %d %q %q %q %q\n", r.Index, line, r.ID, r.User.Email, r.User.FirstName, age, raw)
		}
		all[r.Index] += s
	}
	for _, r := range out.Rejects {
		line, raw := shown(r.Line, r.Raw)
		all[r.Row] += fmt.Sprintf("%d line %d: %s %s %q\n", r.Row, line, r.Code, r.Field, raw)
	}
	return strings.Join(all, "") + fmt.Sprint("skipped ", out.Skipped)
}

// Whatever file people are written to, they come out of it, each row once, as the model says.
func TestPropertyImport(t *testing.T) {
	t.Parallel()
	base := newFiles(t, 1)
	var n atomic.Int64
	rapid.Check(t, func(t *rapid.T) {
		list := rapid.SliceOfN(persons, 1, 30).Draw(t, "people")
		o := job.FileOptions{OnDuplicate: rapid.SampledFrom([]string{job.DuplicateInsert, job.DuplicateSkip, job.DuplicateUpdate, job.DuplicateReject}).Draw(t, "strategy")}
		if o.OnDuplicate != job.DuplicateInsert {
			o.Key = rapid.SampledFrom([]string{columns.KeyEmail, columns.KeyID}).Draw(t, "key")
			o.InFile = rapid.SampledFrom([]string{job.FirstRow, job.LastRow}).Draw(t, "in file")
		}
		kind := rapid.SampledFrom([]string{"csv", "csv", "ndjson", "json"}).Draw(t, "kind")
		for i := range list {
			switch p := &list[i]; {
			case p.damage == "" || kind == "csv":
			case kind == "json":
				p.damage = ""
			case p.damage != "nul" && p.damage != "bad_charset":
				p.damage = "bad_json"
			}
		}
		// The first record is whole, since by it others are told; no record is blank.
		list[0] = person{id: "9", email: "first@example.com", name: "First", age: "36", notes: "x"}
		for i := range list {
			if list[i].id+list[i].email+list[i].name+list[i].age+list[i].notes == "" {
				list[i].notes = "x"
			}
		}
		var w *written
		if kind == "csv" {
			w = writeCSV(t, list, &o)
		} else {
			w = writeObjects(t, list, kind == "json")
		}
		plain := slices.ContainsFunc(list, func(p person) bool { return p.damage == "nul" || p.damage == "bad_charset" })
		file := encoded(t, w.text.String(), plain, &o)

		f := again(base)
		f.ChunkRows = rapid.Int64Range(1, 9).Draw(t, "rows of a chunk")
		f.SetRun(rapid.IntRange(1, 6).Draw(t, "entries of a run"))
		got := importPieces(t, f, newJob(t, f, fmt.Sprintf("p%d", n.Add(1)), file, o))
		if diff := cmp.Diff(modelled(list, w, &o, kind != "json"), got.listed(&o, kind != "json")); diff != "" || got.Prepared.Found.Rows != int64(len(list)) {
			t.Fatalf("%+v\n%q (-want +got):\n%s", got.Prepared.Found, file, diff)
		}
	})
}

// importPieces is importAll in batches of all sizes, with a new claim here and there.
func importPieces(t *rapid.T, f *fileimport.Files, j *job.Job) (out imported) {
	var err error
	if out.Prepared, err = f.Prepare(t.Context(), j, noProgress); err != nil {
		t.Fatal(err)
	}
	for no := range out.Prepared.Chunks {
		c := claim(j, out.Prepared, no, 0)
		for c.Chunk.Left() > 0 {
			chunk, err := again(f).Open(t.Context(), c)
			if err != nil {
				t.Fatal(err)
			}
			for range rapid.IntRange(1, 3).Draw(t, "batches of a claim") {
				if c.Chunk.Done += out.readBatch(t, chunk, rapid.IntRange(1, 5).Draw(t, "batch")); c.Chunk.Left() == 0 {
					break
				}
			}
			chunk.Close()
		}
	}
	return out
}
