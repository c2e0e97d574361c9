package fileimport_test

import (
	"archive/zip"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/musterhq/muster/internal/columns"
	"github.com/musterhq/muster/internal/fileimport"
	"github.com/musterhq/muster/internal/job"
	"github.com/musterhq/muster/internal/user"
)

func TestPreview(t *testing.T) {
	t.Parallel()
	head := "email,name,notes\nada@example.com,Ada Byron," + strings.Repeat("é", 200) + "\n,Grace Hopper,\nnone,,x\n\"quote\"s,a,b\nzoe@example.com,Zoë,cut in the mid"
	got, err := new(fileimport.Files).Preview(t.Context(), []byte(head), true, "", job.FileOptions{}, today)
	if err != nil {
		t.Fatal(err)
	}
	want := &columns.Preview{
		Found: job.FileFound{
			Format: "csv", Compression: "none", Charset: "utf-8", Delimiter: ",", Header: true, ColumnCount: 3,
			Columns: []job.FileColumn{{Name: "email", Field: "email"}, {Name: "name", Field: "name"}, {Name: "notes"}},
		},
		Samples: [][]string{{"ada@example.com", "none"}, {"Ada Byron", "Grace Hopper"}, {strings.Repeat("é", 100), "x"}},
		Rows: []columns.PreviewRow{
			{Row: 1, Line: 2, User: user.User{Email: "ada@example.com", FirstName: "Ada", LastName: "Byron"}},
			{Row: 2, Line: 3, User: user.User{FirstName: "Grace", LastName: "Hopper"}},
			{Row: 3, Line: 4, Faults: []columns.Fault{{Code: "bad_email", Field: "email", Message: "must be an e-mail address"}}},
			{Row: 4, Line: 5, Faults: []columns.Fault{{Code: "bad_quote", Message: "a quoted value is followed by something other than a delimiter; a quote inside it must be doubled"}}},
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// Samples are found by name where records have names, and only of the columns that are shown.
func TestPreviewOfObjects(t *testing.T) {
	t.Parallel()
	var head strings.Builder
	for i := range 30 {
		fmt.Fprintf(&head, `{"email":"a%d@example.com","n":{"a":%d}`, i, i)
		for c := range 120 {
			fmt.Fprintf(&head, `,"c%d":"v"`, c)
		}
		head.WriteString("}\n")
	}
	got, err := new(fileimport.Files).Preview(t.Context(), []byte(head.String()), false, "", job.FileOptions{}, today)
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Rows) != 20 || len(got.Samples) != job.MaxColumnsShown || got.Found.ColumnCount != 122 {
		t.Errorf("%d rows, %d samples, %+v", len(got.Rows), len(got.Samples), got.Found)
	}
	if diff := cmp.Diff([][]string{{"a0@example.com", "a1@example.com", "a2@example.com"}, {"0", "1", "2"}}, got.Samples[:2]); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// What is wrong with the file as a whole is a fault, as it is when it is prepared, with what was understood.
func TestFaultsOfFiles(t *testing.T) {
	t.Parallel()
	yes := map[string]string{"email": "mail"}
	for name, c := range map[string]struct {
		file    string
		cut     bool
		options job.FileOptions
		code    string
		columns []job.FileColumn
	}{
		"empty":                 {code: "empty_file"},
		"no known column":       {file: "a,b\n1,2\n", code: "no_known_column", columns: []job.FileColumn{{Name: "a"}, {Name: "b"}}},
		"no key":                {file: "name,b\n1,2\n", options: job.FileOptions{OnDuplicate: job.DuplicateSkip, Key: "email"}, code: "no_key_column", columns: []job.FileColumn{{Name: "name", Field: "name"}, {Name: "b"}}},
		"no key, and not asked": {file: "name,b\n1,2\n", options: job.FileOptions{OnDuplicate: job.DuplicateSkip}, code: "no_key_column", columns: []job.FileColumn{{Name: "name", Field: "name"}, {Name: "b"}}},
		"mapping":               {file: "email,b\n1,2\n", options: job.FileOptions{Map: yes}, code: "bad_map", columns: []job.FileColumn{{Name: "email", Field: "email"}, {Name: "b"}}},
		"delimiter":             {file: "email,b\n1,2\n", options: job.FileOptions{Delimiter: "::"}, code: "unknown_format"},
		"charset":               {file: "email,b\n1,2\n", options: job.FileOptions{Charset: "klingon"}, code: "unknown_charset"},
		"header":                {file: "email,\"b\n1,2\n", code: "bad_header"},
		"gzip":                  {file: "\x1f\x8b\x08 this is none", code: "unreadable"},
		"workbook":              {file: "PK\x03\x04", cut: true, code: "needs_whole_file"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFiles(t, 10)
			_, err := f.Preview(t.Context(), []byte(c.file), c.cut, "", c.options, today)
			checkFault(t, err, c.code, c.columns)
			if !c.cut {
				_, err := f.Prepare(t.Context(), newJob(t, f, "j1", []byte(c.file), c.options), noProgress)
				checkFault(t, err, c.code, c.columns)
			}
		})
	}
}

// checkFault sees that an error is a fault with this code, which has seen these columns, and shows no value.
func checkFault(t *testing.T, err error, code string, columns []job.FileColumn) {
	t.Helper()
	fault, ok := errors.AsType[*job.FileError](err)
	if !ok {
		t.Fatalf("%v, want %s", err, code)
	}
	var got []job.FileColumn
	if fault.Found != nil {
		got = fault.Found.Columns
	}
	if diff := cmp.Diff(columns, got); diff != "" || fault.Code != code || fault.Message == "" || strings.HasSuffix(fault.Message, ".") {
		t.Errorf("%v, want %s (-want +got):\n%s", err, code, diff)
	}
}

// The samples of other systems' exports are previewed as they are imported.
func TestPreviewOfSamples(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("../columns/testdata/*.*")
	if err != nil || len(files) < 20 {
		t.Fatalf("%d samples: %v", len(files), err)
	}
	for _, name := range files {
		if strings.HasSuffix(name, ".md") || strings.HasPrefix(filepath.Base(name), ".") {
			continue
		}
		t.Run(filepath.Base(name), func(t *testing.T) {
			t.Parallel()
			file, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			f := newFiles(t, 4)
			p, err := f.Preview(t.Context(), file, false, "", job.FileOptions{}, today)
			if err != nil {
				t.Fatal(err)
			}
			got := importAll(t, f, newJob(t, f, "j1", file, job.FileOptions{}), 3)
			found := *got.Prepared.Found
			found.Rows = 0
			if diff := cmp.Diff(found, p.Found); diff != "" {
				t.Errorf("found (-imported +previewed):\n%s", diff)
			}
			var users []user.User
			rejected := 0
			for _, row := range p.Rows {
				if row.Faults == nil {
					users = append(users, row.User)
				} else {
					rejected++
				}
			}
			var stored []user.User
			for _, row := range got.Rows {
				stored = append(stored, row.User)
			}
			if diff := cmp.Diff(stored, users); diff != "" || rejected != len(got.Rejects) {
				t.Errorf("%d are rejected, and %d in the import (-imported +previewed):\n%s", rejected, len(got.Rejects), diff)
			}
			readme, err := os.ReadFile("../columns/testdata/README.md")
			if err != nil {
				t.Fatal(err)
			}
			if line := fmt.Sprintf("| `%s` | %d | %d |", filepath.Base(name), len(stored), rejected); !strings.Contains(string(readme), line) {
				t.Errorf("testdata/README.md lacks %s", line)
			}
		})
	}
}

// What a preview costs, also of files that were made to cost as much as they can.
func BenchmarkPreview(b *testing.B) {
	for name, c := range map[string]struct {
		file []byte
		cut  bool
	}{
		"CSV":              {[]byte("email,name,age\n" + strings.Repeat("ada@example.com,Ada Byron,36\n", 36_000)), true},
		"quotes":           {[]byte("email\n" + strings.Repeat("\"a\"\"b\n", 170_000)), true},
		"open quotes":      {[]byte("email\n" + strings.Repeat("\"a\n", 340_000)), true},
		"one column":       {[]byte("email\n" + strings.Repeat("a\n", 500_000)), true},
		"1,000 columns":    {[]byte("email" + strings.Repeat(",x", 999) + "\n" + strings.Repeat(strings.Repeat("1,", 999)+"1\n", 520)), true},
		"columns":          {[]byte("email" + strings.Repeat(",x", 520_000)), true},
		"Windows-1252":     {[]byte("email,name,age\n" + strings.Repeat("ada@example.com,Zo\xeb Byron,36\n", 36_000)), true},
		"NDJSON":           {[]byte(strings.Repeat("{\"email\":\"ada@example.com\",\"name\":\"Ada Byron\",\"address\":{\"city\":\"London\"}}\n", 13_000)), true},
		"an array":         {[]byte("[" + strings.Repeat("{\"email\":\"ada@example.com\"},", 37_000)), true},
		"nested":           {[]byte(strings.Repeat("{\"email\":", 110_000)), true},
		"bomb of gzip":     {bomb(b, "email\n"+strings.Repeat("a", 1<<20)), true},
		"lines of gzip":    {bomb(b, strings.Repeat("email,name\n", 1<<16)), true},
		"bomb in workbook": {workbook(b), false},
	} {
		b.Run(name, func(b *testing.B) {
			f := &fileimport.Files{TempDir: b.TempDir()}
			for b.Loop() {
				_, err := f.Preview(b.Context(), c.file, c.cut, "", job.FileOptions{}, today)
				if _, ok := errors.AsType[*job.FileError](err); err != nil && !ok {
					b.Fatal(err)
				}
			}
		})
	}
}

// bomb is a text, many times, as the first mebibyte of a gzip.
func bomb(tb testing.TB, text string) []byte {
	tb.Helper()
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	for out.Len() < 1<<20 {
		if _, err := z.Write([]byte(text)); err != nil {
			tb.Fatal(err)
		}
	}
	return out.Bytes()[:1<<20]
}

// workbook is one of a mebibyte whose texts are as many as it can hold, and the last of them the one that is asked for.
func workbook(tb testing.TB) []byte {
	tb.Helper()
	const texts = 4_000_000
	var out bytes.Buffer
	z := zip.NewWriter(&out)
	for name, part := range map[string]func(add func(string)){
		"xl/workbook.xml": func(add func(string)) {
			add(`<workbook xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"><sheets><sheet name="a" sheetId="1" r:id="rId1"/></sheets></workbook>`)
		},
		"xl/_rels/workbook.xml.rels": func(add func(string)) {
			add(`<Relationships><Relationship Id="rId1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/worksheet" Target="worksheets/sheet1.xml"/></Relationships>`)
		},
		"xl/sharedStrings.xml": func(add func(string)) {
			add("<sst>")
			for range texts / 1000 {
				add(strings.Repeat("<si><t>e</t></si>", 1000))
			}
			add("</sst>")
		},
		"xl/worksheets/sheet1.xml": func(add func(string)) {
			add(fmt.Sprintf(`<worksheet><sheetData><row r="1"><c r="A1" t="inlineStr"><is><t>email</t></is></c></row><row r="2"><c r="A2" t="s"><v>%d</v></c></row></sheetData></worksheet>`, texts-1))
		},
	} {
		w, err := z.Create(name)
		if err != nil {
			tb.Fatal(err)
		}
		part(func(s string) {
			if _, err := w.Write([]byte(s)); err != nil {
				tb.Fatal(err)
			}
		})
	}
	if err := z.Close(); err != nil {
		tb.Fatal(err)
	}
	return out.Bytes()
}
