package main

import (
	"archive/zip"
	"bytes"
	"cmp"
	"compress/gzip"
	"context"
	"encoding/binary"
	"fmt"
	"html"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"text/tabwriter"
	"unicode/utf16"

	"github.com/google/uuid"
	"github.com/klauspost/compress/zstd"

	"github.com/musterhq/muster/client"
)

// samples are the exports of other systems, with a table of what each has to become.
const samples = "../../internal/columns/testdata"

// fileTest is a file, and what becomes of it.
type fileTest struct {
	name string // of the file
	text string // what is in it
	args string
	want client.Outcome
	code string // of the failure of the job; empty: it completes
}

// filesOn imports files into a running stack, and keeps what became of them.
type filesOn struct {
	api  string
	call *client.ClientWithResponses
	dir  string

	report bytes.Buffer
	table  *tabwriter.Writer
	files  int
}

func newFilesOn(t *testing.T) *filesOn {
	t.Helper()
	s := &filesOn{api: startDev(t, "--addr=127.0.0.1:0", "--admin-addr=", "--offline", "--data="+filepath.Join(t.TempDir(), "data")), dir: t.TempDir()}
	c, err := client.Open(s.api)
	if err != nil {
		t.Fatal(err)
	}
	s.call = c
	s.table = tabwriter.NewWriter(&s.report, 0, 0, 2, ' ', 0)
	fmt.Fprintln(s.table, "FILE\tROWS\tFORMAT\tINSERTED\tUPDATED\tUNCHANGED\tSKIPPED\tREJECTED\tSTATUS")
	t.Cleanup(func() {
		_ = s.table.Flush()
		t.Logf("%d files:\n%s", s.files, s.report.String())
	})
	return s
}

// check imports a file by the command line, and compares what became of it.
func (s *filesOn) check(t *testing.T, test *fileTest) {
	t.Helper()
	file := filepath.Join(s.dir, test.name)
	if err := os.WriteFile(file, []byte(test.text), 0o600); err != nil {
		t.Fatal(err)
	}
	said := muster(t, append([]string{"import", "file", file, "--yes", "--server=" + s.api}, strings.Fields(test.args)...)...)
	first, _, _ := strings.Cut(said.out, "\n")
	id, err := uuid.Parse(first)
	if err != nil {
		t.Errorf("%s: no job: %v", test.name, said.failure)
		return
	}
	j := s.job(t, id)
	o := value(j.Outcome)
	s.files++
	fmt.Fprintf(s.table, "%s\t%d\t%s\t%d\t%d\t%d\t%d\t%d\t%s\n", test.name, value(j.File.Rows),
		dialect(value(j.File.Format), value(j.File.Compression), value(j.File.Charset), value(j.File.Delimiter)),
		o.Inserted, o.Updated, o.Unchanged, o.Skipped, o.Rejected, cmp.Or(value(j.ErrorCode), string(j.Status)))
	if o != test.want || value(j.ErrorCode) != test.code {
		t.Errorf("%s: %+v, want %+v; %s %q; %v", test.name, o, test.want, value(j.ErrorCode), j.Message, said.failure)
	}
	if rows := rowsOf(&o); test.code == "" && value(j.File.Rows) != rows {
		t.Errorf("%s has %d rows, and the outcome is of %d", test.name, value(j.File.Rows), rows)
	}
	if o.Rejected > 0 {
		s.rejected(t, test.name, j)
	}
}

func (s *filesOn) job(t *testing.T, id uuid.UUID) *client.Job {
	t.Helper()
	r, err := s.call.GetJobWithResponse(context.WithoutCancel(t.Context()), id, &client.GetJobParams{UserID: defaultUser})
	if err != nil || r.JSON200 == nil {
		t.Fatalf("job %s: %v, %s", id, err, r.Body)
	}
	return r.JSON200
}

// rejected fetches the rejected rows: as many as the job says, each with what is wrong with it.
func (s *filesOn) rejected(t *testing.T, name string, j *client.Job) {
	t.Helper()
	file := filepath.Join(s.dir, "rejected-"+j.JobID+".ndjson")
	said := muster(t, "jobs", "rejected", j.JobID, "-o", file, "--server="+s.api)
	text, err := os.ReadFile(file)
	lines := bytes.Count(text, []byte("\n"))
	if want := value(j.Outcome).Rejected; said.failure != nil || err != nil || int64(lines) != want || bytes.Count(text, []byte(`"_code":"`)) != lines ||
		!strings.Contains(said.err, fmt.Sprintf("Wrote %d rows", want)) {
		t.Errorf("%s: the rejected rows: %v, %v, %q, %d lines, want %d", name, said.failure, err, said.err, lines, want)
	}
}

// Every sample becomes what the table of samples says.
func TestSamples(t *testing.T) {
	t.Parallel()
	s := newFilesOn(t)
	readme, err := os.ReadFile(filepath.Join(samples, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	var tested []string
	for line := range strings.Lines(string(readme)) {
		cells := strings.Split(line, "|")
		if len(cells) < 5 || !strings.HasPrefix(line, "| `") {
			continue
		}
		name := strings.Trim(cells[1], " `")
		text, err := os.ReadFile(filepath.Join(samples, name))
		if err != nil {
			t.Fatal(err)
		}
		tested = append(tested, name)
		s.check(t, &fileTest{name: name, text: string(text), want: client.Outcome{Inserted: number(t, cells[2]), Rejected: number(t, cells[3])}})
	}
	there, err := filepath.Glob(filepath.Join(samples, "[a-z]*.*"))
	if err != nil || len(there) != len(tested) || len(tested) < 20 {
		t.Errorf("%d samples are in the table, %d in the folder, %v", len(tested), len(there), err)
	}
}

func number(t *testing.T, cell string) int64 {
	t.Helper()
	n, err := strconv.ParseInt(strings.TrimSpace(cell), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// Files as they should not be, and are.
func TestOddFiles(t *testing.T) {
	t.Parallel()
	s := newFilesOn(t)
	const two = "email;first name\nada@example.com;Ada\nbo@example.com;Bo\n"
	twoInserted := client.Outcome{Inserted: 2}
	for _, test := range []fileTest{
		{name: "utf16le-mark.csv", text: "\xff\xfe" + utf16Of("email,first name\nada@example.com,Zoë\nbo@example.com,李\n", binary.LittleEndian), want: twoInserted},
		{name: "utf16be.csv", text: utf16Of(two, binary.BigEndian), want: twoInserted},
		{name: "windows-1252.csv", text: "email;first name\nada@example.com;Zo\xeb\nbo@example.com;J\xfcrgen\n", want: twoInserted},
		{name: "latin9-said.csv", text: "email;first name\nada@example.com;Zo\xeb\n", args: "--charset=iso-8859-15", want: client.Outcome{Inserted: 1}},
		{name: "sep.csv", text: "sep=;\r\n" + strings.ReplaceAll(two, "\n", "\r\n"), want: twoInserted},
		{name: "tabs.tsv", text: strings.ReplaceAll(two, ";", "\t"), want: twoInserted},
		{name: "pipes.txt", text: strings.ReplaceAll(two, ";", "|"), want: twoInserted},
		{name: "colons-said.csv", text: strings.ReplaceAll(two, ";", ":"), args: "--delimiter=:", want: twoInserted},
		{name: "cr-only.csv", text: strings.ReplaceAll(two, "\n", "\r"), want: twoInserted},
		{name: "mixed-line-ends.csv", text: "email,name\r\nada@example.com,Ada\nbo@example.com,Bo\rcy@example.com,Cy\r\n", want: client.Outcome{Inserted: 3}},
		{name: "mark.csv", text: "\xef\xbb\xbf" + two, want: twoInserted},
		{name: "entra-version.csv", text: "version:v1.0,,\nName [displayName] Required,User name [userPrincipalName] Required,\nAda Byron,ada@example.com,\n", want: client.Outcome{Inserted: 1}},
		{name: "trailing-commas.csv", text: "email,name,,,\nada@example.com,Ada,,,\nbo@example.com,Bo,,,\n", want: twoInserted},
		{name: "blank-lines.csv", text: "email,name\n\nada@example.com,Ada\n\n\nbo@example.com,Bo\n\n", want: twoInserted},
		{name: "quoted-newlines.csv", text: "email,name,notes\nada@example.com,Ada,\"one\ntwo\n\"\nbo@example.com,Bo,\"\"\"x\"\"\n\"\n", want: twoInserted},
		{name: "no-header.csv", text: "ada@example.com,Ada\nbo@example.com,Bo\n", args: "--no-header --map=email:column1 --map=firstName:column2", want: twoInserted},
		{name: "one-column.csv", text: "email\nada@example.com\nbo@example.com\n", want: twoInserted},
		{name: "no-last-newline.csv", text: "email\nada@example.com\nbo@example.com", want: twoInserted},
		{name: "open-quote.csv", text: "email,name\nada@example.com,Ada\nbo@example.com,\"Bo\ncy@example.com,Cy\n", want: client.Outcome{Inserted: 2, Rejected: 1}}, // only the line on which it opens
		{name: "too-many-and-too-few.csv", text: "email,name\nada@example.com\nbo@example.com,Bo,x\ncy@example.com,Cy\n", want: client.Outcome{Inserted: 1, Rejected: 2}},
		{name: "nul.csv", text: "email,name\nada@example.com,A\x00da\nbo@example.com,Bo\n", want: client.Outcome{Inserted: 1, Rejected: 1}},
		{name: "twice.csv", text: "email,name\nADA@twice.example.com,Ada\nada@twice.example.com,Ada\n", args: "--on-duplicate=skip", want: client.Outcome{Inserted: 1, Skipped: 1}},
		{name: "users.csv.gz", text: gzipped(t, two), want: twoInserted},
		{name: "users.csv.zst", text: zstandard(t, two), want: twoInserted},
		{name: "array.json", text: `[{"email":"ada@example.com","name":"Ada"},` + "\n" + ` {"name":"Bo","email":"bo@example.com","x":[1,{"y":null}]}]`, want: twoInserted},
		{name: "lines.ndjson", text: `{"email":"ada@example.com"}` + "\n\n" + `{"email":"bo@example.com"` + "\n" + `{"email":"cy@example.com"}`, want: client.Outcome{Inserted: 2, Rejected: 1}},
		{name: "workbook.xlsx", text: workbook(t, [][]string{{"E-Mail", "Vorname"}, {"ada@example.com", "Ada & Co"}, {"bo@", "Bo"}}), want: client.Outcome{Inserted: 1, Rejected: 1}},
		{name: "only-a-header.csv", text: "email,name\n", want: client.Outcome{}},
		{name: "most-are-wrong.csv", text: "email\na\nb\nada@example.com\n", args: "--max-rejected=1", want: client.Outcome{Inserted: 1, Rejected: 2}, code: "too_many_rejected"},
		{name: "dry-run.csv", text: two, args: "--dry-run --max-rejected=0", want: twoInserted},
	} {
		s.check(t, &test)
	}
	s.ownExports(t)
}

// ownExports posts back what was exported, in every format: it says nothing new.
func (s *filesOn) ownExports(t *testing.T) {
	t.Helper()
	users := s.users(t)
	for _, name := range []string{"own.csv", "own.ndjson", "own.json", "own.parquet", "own.avro", "own.csv.gz", "own.ndjson.zst"} {
		file := filepath.Join(s.dir, name)
		if said := muster(t, "export", "-o", file, "--server="+s.api); said.failure != nil {
			t.Fatal(said.failure)
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		s.check(t, &fileTest{name: name, text: string(text), args: "--on-duplicate=update --key=id", want: client.Outcome{Unchanged: users}})
	}
	if after := s.users(t); after != users {
		t.Errorf("%d users became %d", users, after)
	}
}

func (s *filesOn) users(t *testing.T) int64 {
	t.Helper()
	said := muster(t, "users", "--all", "--server="+s.api)
	if said.failure != nil {
		t.Fatal(said.failure)
	}
	return int64(strings.Count(said.out, "\n") - 1)
}

func utf16Of(text string, order binary.AppendByteOrder) string {
	var out []byte
	for _, unit := range utf16.Encode([]rune(text)) {
		out = order.AppendUint16(out, unit)
	}
	return string(out)
}

func gzipped(t *testing.T, text string) string {
	t.Helper()
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	if _, err := w.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func zstandard(t *testing.T, text string) string {
	t.Helper()
	w, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	return string(w.EncodeAll([]byte(text), nil))
}

// workbook is a spreadsheet of one sheet, as programs write it that keep texts in their cells.
func workbook(t *testing.T, rows [][]string) string {
	t.Helper()
	var sheet strings.Builder
	for r, row := range rows {
		fmt.Fprintf(&sheet, `<row r="%d">`, r+1)
		for c, cell := range row {
			fmt.Fprintf(&sheet, `<c r="%c%d" t="inlineStr"><is><t>%s</t></is></c>`, 'A'+c, r+1, html.EscapeString(cell))
		}
		sheet.WriteString("</row>")
	}
	const main, packageTypes = "http://schemas.openxmlformats.org/spreadsheetml/2006/main", "http://schemas.openxmlformats.org/package/2006/"
	const relation = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
	var out bytes.Buffer
	z := zip.NewWriter(&out)
	for _, part := range [][2]string{
		{"[Content_Types].xml", `<Types xmlns="` + packageTypes + `content-types"><Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>` +
			`<Override PartName="/xl/workbook.xml" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"/>` +
			`<Override PartName="/xl/worksheets/sheet1.xml" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.worksheet+xml"/></Types>`},
		{"_rels/.rels", `<Relationships xmlns="` + packageTypes + `relationships"><Relationship Id="rId1" Type="` + relation + `/officeDocument" Target="xl/workbook.xml"/></Relationships>`},
		{"xl/workbook.xml", `<workbook xmlns="` + main + `" xmlns:r="` + relation + `"><sheets><sheet name="Users" sheetId="1" r:id="rId1"/></sheets></workbook>`},
		{"xl/_rels/workbook.xml.rels", `<Relationships xmlns="` + packageTypes + `relationships"><Relationship Id="rId1" Type="` + relation + `/worksheet" Target="worksheets/sheet1.xml"/></Relationships>`},
		{"xl/worksheets/sheet1.xml", `<worksheet xmlns="` + main + `"><sheetData>` + sheet.String() + `</sheetData></worksheet>`},
	} {
		w, err := z.Create(part[0])
		if err == nil {
			_, err = w.Write([]byte(`<?xml version="1.0" encoding="UTF-8" standalone="yes"?>` + "\n" + part[1]))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return out.String()
}
