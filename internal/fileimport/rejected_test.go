package fileimport_test

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/musterhq/muster/internal/fileimport"
	"github.com/musterhq/muster/internal/job"
	"github.com/musterhq/muster/internal/records"
)

// pages returns rejects two at a time.
func pages(rejects []job.Reject) func(after int64) ([]job.Reject, error) {
	return func(after int64) ([]job.Reject, error) {
		i := slices.IndexFunc(rejects, func(r job.Reject) bool { return r.Row > after })
		if i < 0 {
			return nil, nil
		}
		return rejects[i:min(i+2, len(rejects))], nil
	}
}

// rejected returns the rejected rows of a file as a file, and what became of it.
func rejected(t testing.TB, f *fileimport.Files, id string, file []byte, format string) ([]byte, imported) {
	t.Helper()
	j := newJob(t, f, id, file, job.FileOptions{})
	got := importAll(t, f, j, 5)
	var out bytes.Buffer
	if err := f.WriteRejected(t.Context(), &out, j, format, pages(got.Rejects)); err != nil {
		t.Fatal(err)
	}
	return out.Bytes(), got
}

// mends are what is put into the field of a fault.
var mends = map[string]string{
	"email": "mended@example.com", "age": "36", "birthdate": "1990-12-31", "gender": "Female", "mobileNumber": "+442079460101", "firstName": "Ada", "deleted": "false",
}

// mend changes nothing of a rejected row but what its fault is about. raw is a record that could not be split.
func mend(t *testing.T, row map[string]string, raw string) {
	t.Helper()
	switch {
	case row["_field"] != "":
		if mends[row["_field"]] == "" {
			t.Fatalf("%q cannot be mended", row)
		}
		row[row["_field"]] = mends[row["_field"]]
	case row["_code"] == "too_few_columns":
	case row["_code"] == "bad_charset" && row["x"] != "":
		row["x"] = "y"
	default:
		if raw == "" {
			t.Fatalf("%s without the record", row["_code"])
		}
		row["email"], row["firstName"] = "mended@example.com", "Ada"
	}
}

// mendCSV mends a file as a script does.
func mendCSV(t *testing.T, file []byte, delim rune) []byte {
	t.Helper()
	r := csv.NewReader(bytes.NewReader(bytes.TrimPrefix(file, []byte("\uFEFF"))))
	r.Comma = delim
	rows, err := r.ReadAll() // all rows have as many values as the header
	if err != nil {
		t.Fatalf("%v in %q", err, file)
	}
	var out bytes.Buffer
	w := csv.NewWriter(&out)
	w.Comma = delim
	for i, values := range rows {
		if i > 0 {
			row := map[string]string{}
			for c, name := range rows[0] {
				row[name] = values[c]
			}
			mend(t, row, row["email"])
			for c, name := range rows[0] {
				values[c] = row[name]
			}
		}
		if err := w.Write(values); err != nil {
			t.Fatal(err)
		}
	}
	w.Flush()
	return out.Bytes()
}

func mendNDJSON(t *testing.T, file []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	for line := range bytes.Lines(file) {
		var object map[string]any
		if err := json.Unmarshal(line, &object); err != nil {
			t.Fatalf("%v in %q", err, line)
		}
		row := map[string]string{}
		for name, v := range object {
			row[name] = fmt.Sprint(v)
		}
		before := maps.Clone(row)
		mend(t, row, row["_raw"])
		for name, v := range row {
			if before[name] != v {
				object[name] = v
			}
		}
		b, err := json.Marshal(object)
		if err != nil {
			t.Fatal(err)
		}
		out.Write(append(b, '\n'))
	}
	return out.Bytes()
}

// faultyCSV has a row for each kind of fault that a record of CSV may have, among rows without.
func faultyCSV() []byte {
	long := strings.Repeat("x", 1<<20+1)
	return []byte("email;firstName;age;birthdate;gender;mobileNumber;notes;deleted;;\r\n" +
		"ok@example.com;Ada;;;;;;;;\r\n" +
		"bad address;Ada;36;;;;\"a \"\"note\"\"; with\r\nlines\";\r\n" +
		";;36;;;;required;\r\n" +
		"a@example.com;A\tda;36;;;;;\r\n" +
		"b@example.com;" + strings.Repeat("é", 101) + ";36;;;;;\r\n" +
		"c@example.com;Ada;old;;;;;\r\n" +
		"d@example.com;Ada;;31.31.1990;;;;\r\n" +
		"e@example.com;Ada;;;robot;;;;;;;\r\n" +
		"f@example.com;Ada;;;;4.477E+11;;\r\n" +
		"g@example.com;Ada;;;;;;yes\r\n" +
		"h@example.com;Ada\r\n" +
		"i@example.com;Ada;36;;;;;false;;;more\r\n" +
		"j@example.com;\"A\"da;36;;;;;\r\n" +
		"k@example.com;A\x00da;36;;;;;\r\n" +
		"l@example.com;A\xFFda;36;;;;;\r\n" +
		"m@example.com;Ada;36;;;;" + long + ";\r\n" +
		"n@example.com;Zoë;\"open;;;;;\r\n")
}

func codes(rejects []job.Reject) []string {
	var out []string
	for _, r := range rejects {
		out = append(out, r.Code)
	}
	return out
}

// Rows that were rejected, for whatever, are mended where they were wrong, sent again, and stored.
func TestRoundTripOfCSV(t *testing.T) {
	t.Parallel()
	want := []string{
		"bad_email", "required", "control_character", "too_long", "bad_age", "bad_birthdate", "bad_gender", "digits_lost", "is_deleted",
		"too_few_columns", "too_many_columns", "bad_quote", "nul", "bad_charset", "value_too_long", "open_quote",
	}
	f := newFiles(t, 4)
	for _, format := range []string{"", "csv", "ndjson"} {
		out, got := rejected(t, f, "first"+format, faultyCSV(), format)
		if diff := cmp.Diff(want, codes(got.Rejects)); diff != "" {
			t.Fatalf("faults (-want +got):\n%s", diff)
		}
		var mended []byte
		if format == "ndjson" {
			mended = mendNDJSON(t, out)
		} else {
			header, _, _ := strings.Cut(string(out), "\n")
			if header != "email;firstName;age;birthdate;gender;mobileNumber;notes;deleted;;;_row;_line;_code;_field;_message" {
				t.Errorf("header %q", header)
			}
			if row := "bad address;Ada;36;;;;\"a \"\"note\"\"; with\r\nlines\";;;;2;3;bad_email;email;"; !strings.Contains(string(out), row) {
				t.Errorf("there is no %q", row)
			}
			mended = mendCSV(t, out, ';')
		}
		second, again := rejected(t, f, "mended"+format, mended, "csv")
		if len(again.Rejects) > 0 || len(again.Rows) != len(want) {
			t.Errorf("%q: %d rows are stored, and still rejected are %s", format, len(again.Rows), second)
		}
	}
}

// What is sent again as it was comes back as it was, with no column twice. A record that cannot be split is no name.
func TestRejectedTwice(t *testing.T) {
	t.Parallel()
	const file = "name,email,_note\n\"Ada, B\",none,x\n,\"a,b\",\"y\"\n\"q\"uote,a,b\n"
	const mail = "bad_email,email,email must be an e-mail address\n"
	for format, want := range map[string]string{
		"csv": "name,email,_note,_row,_line,_code,_field,_message\n" +
			"\"Ada, B\",none,x,1,2," + mail + ",\"a,b\",\"y\",2,3," + mail +
			",\"\"\"q\"\"uote,a,b\",,3,4,bad_quote,,a quoted value is followed by something other than a delimiter; a quote inside it must be doubled\n",
		"ndjson": `{"_row":1,"_line":2,"_code":"bad_email","_field":"email","_message":"email must be an e-mail address","name":"Ada, B","email":"none","_note":"x"}
{"_row":2,"_line":3,"_code":"bad_email","_field":"email","_message":"email must be an e-mail address","name":"","email":"a,b","_note":"y"}
{"_row":3,"_line":4,"_code":"bad_quote","_field":"","_message":"a quoted value is followed by something other than a delimiter; a quote inside it must be doubled","_raw":"\"q\"uote,a,b"}
`,
	} {
		f := newFiles(t, 4)
		first, _ := rejected(t, f, "first", []byte(file), format)
		if diff := cmp.Diff(want, string(first)); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
		second, again := rejected(t, f, "second", first, format)
		if len(again.Rejects) != 3 {
			t.Errorf("%s are rejected again", codes(again.Rejects))
		}
		third, _ := rejected(t, f, "third", second, format)
		if diff := cmp.Diff(string(second), string(third)); diff != "" {
			t.Errorf("-second +third:\n%s", diff)
		}
		if format == "csv" {
			want = strings.Replace(want, `"y"`, "y", 1) // written anew
			want, _, _ = strings.Cut(want, "3,4,bad")
			if !strings.HasPrefix(string(second), want) {
				t.Errorf("second:\n%s", second)
			}
		}
	}
}

// The same for objects, whose members stay as they are.
func TestRoundTripOfObjects(t *testing.T) {
	t.Parallel()
	const file = `{"email":"ok@example.com"}
{"email":"none", "firstName" : "Ada", "n":{"a":[1, 2.50,null]},"_row":7}
{"firstName":null,"note":"=1+1"}
{"email":"a@example.com","age":"old"}
{"email":"b@example.com","birthdate":"31.31.1990"}
{"email":"c@example.com","gender":"robot","firstName":"Zoë"}
{"email":"d@example.com","mobileNumber":4.477E+11}
{"email":"e@example.com","deleted":true}
{"email":"f@example.com"
["email","g@example.com"]
{"email":"h@example.com","x":"\ud800"}
`
	want := []string{"bad_email", "required", "bad_age", "bad_birthdate", "bad_gender", "digits_lost", "is_deleted", "bad_json", "bad_json", "bad_charset"}
	f := newFiles(t, 4)
	for _, format := range []string{"", "ndjson", "csv"} {
		out, got := rejected(t, f, "first"+format, []byte(file+"{\"email\":\"\xff\"}\n"), format)
		if diff := cmp.Diff(append(slices.Clone(want), "bad_charset"), codes(got.Rejects)); diff != "" {
			t.Fatalf("faults (-want +got):\n%s", diff)
		}
		var mended []byte
		if format == "csv" {
			if row := ",'=1+1,,,,,,true,3,3,required,email,email or a name must be given\n"; !strings.Contains(string(out), row) {
				t.Errorf("there is no %q in %s", row, out)
			}
			mended = mendCSV(t, out, ',')
		} else {
			if row := `"email":"none","firstName":"Ada","n":{"a":[1, 2.50,null]}}` + "\n"; !strings.Contains(string(out), row) {
				t.Errorf("there is no %s in %s", row, out)
			}
			mended = mendNDJSON(t, out)
		}
		second, again := rejected(t, f, "mended"+format, mended, "")
		if len(again.Rejects) > 0 || len(again.Rows) != len(want)+1 {
			t.Errorf("%q: %d rows are stored, and still rejected are %s", format, len(again.Rows), second)
		}
	}
}

// Texts come back as they were, whatever a spreadsheet would make of them, by way of any format, and however often.
func TestRoundTripOfGuards(t *testing.T) {
	t.Parallel()
	texts := []string{"=1+1", "+1", "-1", "@x", "'=1", "''@", "'s-Hertogenbosch", "'t", "\u3000=1", "＝1", "x"}
	var objects, table strings.Builder
	table.WriteString("email,firstName,city,note\n")
	for _, s := range texts {
		quoted, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&objects, `{"email":"none","firstName":%s,"city":%s,"note":"n"}`+"\n", quoted, quoted)
		fmt.Fprintf(&table, "none,%s,%s,n\n", s, s)
	}
	quoted := "'" + strings.ReplaceAll(strings.ReplaceAll(strings.TrimSuffix(table.String(), "\n"), ",", ",'"), "\n", "\n'") + "\n'ok@example.com,'Ada,'London,'n\n"
	quoted = strings.Replace(quoted, "'email,'firstName,'city,'note", "email,firstName,city,note", 1)
	ours := strings.ReplaceAll(objects.String(), `,"note":"n"`, "") // columns of our own export, which is no sign of guards here
	f := newFiles(t, 4)
	for name, file := range map[string]string{"objects": objects.String(), "table": table.String(), "quoted": quoted, "ours": ours} {
		for _, way := range [][]string{{"csv"}, {"csv", "csv"}, {"csv", "ndjson"}, {"csv", "ndjson", "csv"}, {"ndjson"}, {"ndjson", "csv"}} {
			id, sent := name+strings.Join(way, ""), []byte(file)
			for i, format := range way {
				sent, _ = rejected(t, f, fmt.Sprint(id, i), sent, format)
			}
			var mended []byte
			if way[len(way)-1] == "csv" {
				mended = mendCSV(t, sent, ',')
			} else {
				mended = mendNDJSON(t, sent)
			}
			_, got := rejected(t, f, id+"mended", mended, "")
			var stored []string
			for _, r := range got.Rows {
				if r.User.FirstName+r.User.LastName != r.User.City || r.User.Email != "mended@example.com" {
					t.Errorf("%s by %s: %+v", name, way, r.User)
				}
				stored = append(stored, r.User.City)
			}
			want := slices.Clone(texts)
			want[8] = "=1" // white space at the ends of texts is not stored
			if diff := cmp.Diff(want, stored); diff != "" {
				t.Errorf("%s by %s (-want +got):\n%s", name, way, diff)
			}
		}
	}
}

// Records none of which could be split are mended and sent again, and as they are they are rejected again.
func TestRoundTripOfRawAlone(t *testing.T) {
	t.Parallel()
	f := newFiles(t, 4)
	for name, file := range map[string]string{
		"csv":    "email,firstName\n\"q\"uote,a\n\"r\"uote,b\n",
		"ndjson": "{\"email\":\"ok@example.com\"}\n{\"email\":\"f@example.com\"\n{\"email\":\"g@example.com\"\n",
	} {
		first, _ := rejected(t, f, name, []byte(file+file), records.NDJSON)
		for _, strategy := range []string{job.DuplicateInsert, job.DuplicateSkip} {
			o := job.FileOptions{OnDuplicate: strategy}
			same := importAll(t, f, newJob(t, f, name+strategy, first, o), 5)
			if len(same.Rows) > 0 || len(same.Rejects) == 0 {
				t.Errorf("%s as it is: %d rows, rejected %s", name, len(same.Rows), codes(same.Rejects))
			}
			lines := strings.SplitAfter(string(first), "\n")
			lines[len(lines)-2] = string(mendNDJSON(t, []byte(lines[len(lines)-2])))
			mended := importAll(t, f, newJob(t, f, name+"mended"+strategy, []byte(strings.Join(lines, "")), o), 5)
			if len(mended.Rows) != 1 || mended.Rows[0].User.Email != "mended@example.com" || len(mended.Rejects) != len(same.Rejects)-1 {
				t.Errorf("%s mended: %d rows, rejected %s", name, len(mended.Rows), codes(mended.Rejects))
			}
		}
	}
}

// An array without an element is a file without rows, as a header alone is.
func TestEmptyArray(t *testing.T) {
	t.Parallel()
	f := newFiles(t, 4)
	for i, o := range []job.FileOptions{{}, {OnDuplicate: job.DuplicateUpdate, Map: map[string]string{"email": "mail"}}} {
		got := importAll(t, f, newJob(t, f, fmt.Sprint("j", i), []byte(" [\n] "), o), 5)
		if got.Prepared.Chunks != 0 || got.Prepared.Found.Rows != 0 || got.Prepared.Found.Format != records.JSON {
			t.Errorf("%+v", got.Prepared)
		}
		if seen, err := f.Preview(t.Context(), []byte("[]"), false, "", o, today); err != nil || len(seen.Rows) > 0 {
			t.Errorf("preview %+v, %v", seen, err)
		}
	}
}

// A file without a header, one in another charset, columns of one name, and one whose manifest is gone.
func TestWriteRejected(t *testing.T) {
	t.Parallel()
	no := false
	const five = ",1,%d,bad_email,email,email must be an e-mail address\n"
	for name, c := range map[string]struct {
		file, format string
		options      job.FileOptions
		forgotten    bool // the manifest is gone
		want         string
	}{
		"no header":      {file: "none,Ada\n", options: job.FileOptions{Header: &no, Map: map[string]string{"email": "column1"}}, want: "none,Ada" + fmt.Sprintf(five, 1)},
		"Windows-1252":   {file: "email,name\nnone,Zo\xeb\n", want: "\uFEFFemail,name,_row,_line,_code,_field,_message\nnone,Zoë" + fmt.Sprintf(five, 2)},
		"a key to quote": {file: "sep=_\nemail_name\nnone_Ada\n", want: "email_name_\"_row\"_\"_line\"_\"_code\"_\"_field\"_\"_message\"\nnone_Ada_1_3_\"bad_email\"_email_email must be an e-mail address\n"},
		"twins": {
			file: "email,note,note,note\nnone,,b,c\n", format: "ndjson",
			want: `{"_row":1,"_line":2,"_code":"bad_email","_field":"email","_message":"email must be an e-mail address","email":"none","note":"b"}` + "\n",
		},
		"forgotten": {file: "email;\"na;me\"\nnone;Zoë\n", forgotten: true, want: "email;\"na;me\";_row;_line;_code;_field;_message\nnone;Zoë" + strings.ReplaceAll(fmt.Sprintf(five, 2), ",", ";")},
		"none":      {file: "email\nok@example.com\n", want: "email,_row,_line,_code,_field,_message\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFiles(t, 4)
			j := newJob(t, f, "j1", []byte(c.file), c.options)
			got := importAll(t, f, j, 5)
			if c.forgotten {
				j.File.Found = got.Prepared.Found
				if err := f.Store.Delete(t.Context(), "jobs/j1/chunks"); err != nil {
					t.Fatal(err)
				}
				f = again(f)
			}
			var out bytes.Buffer
			if err := f.WriteRejected(t.Context(), &out, j, c.format, pages(got.Rejects)); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, out.String()); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestWriteRejectedFails(t *testing.T) {
	t.Parallel()
	f := newFiles(t, 4)
	j := newJob(t, f, "j1", []byte("email\nnone\n"), job.FileOptions{})
	checkFault(t, f.WriteRejected(t.Context(), &bytes.Buffer{}, j, "", pages(nil)), job.CodeFileMissing, nil)
	got := importAll(t, f, j, 5)
	away := errors.New("the store is away")
	page := func(int64) ([]job.Reject, error) { return nil, away }
	if err := f.WriteRejected(t.Context(), &bytes.Buffer{}, j, "", page); !errors.Is(err, away) {
		t.Errorf("%v, want that of page", err)
	}
	if err := f.WriteRejected(t.Context(), &bytes.Buffer{}, j, "xml", pages(got.Rejects)); err == nil {
		t.Error("xml is written")
	}
}
