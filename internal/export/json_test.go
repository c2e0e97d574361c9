package export_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/musterhq/muster/internal/export"
	"github.com/musterhq/muster/internal/user"
)

func TestAppendJSON(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		cols   [][]byte
		fields []string
		want   string
	}{
		{
			"all", ada(), nil, `{"id":1,"firstName":"Ada","lastName":"Byron","email":"ada@example.com","city":"London","state":"England",` +
				`"age":36,"mobileNumber":"+442079460000","gender":"Female","deleted":false,"deletedAt":null}`,
		},
		{
			"deleted", ada("deleted", "1", "deleted_at", "1234567890001"), []string{"deletedAt", "deleted", "id"},
			`{"deletedAt":"2009-02-13T23:31:30.001Z","deleted":true,"id":1}`,
		},
		{"null", columns(nil), []string{"id", "city"}, `{"id":null,"city":null}`},
		{"unknown", ada("age", "", "gender", "", "city", ""), []string{"age", "id", "gender", "city"}, `{"id":1,"city":""}`},
		{"nothing known", columns(nil), []string{"age", "gender"}, `{}`},
	} {
		got, err := export.Appender(user.ExportSpec{Format: user.JSON, Fields: test.fields})([]byte("x"), test.cols)
		if diff := cmp.Diff("x"+test.want, string(got)); diff != "" || err != nil {
			t.Errorf("%s: %v (-want +got):\n%s", test.name, err, diff)
		}
	}
}

func TestAppendString(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"":                     `""`,
		"Zoë 🎉 שלום":           `"Zoë 🎉 שלום"`,
		`"\/<&>`:               `"\"\\/<&>"`,
		"\x00\x1f\b\n\r\t\x7f": `"\u0000\u001f\u0008\n\r\t` + "\x7f" + `"`,
		"a\u2028b\u2029":       `"a\u2028b\u2029"`,
		"a\u0085b\u0086ÿ":      `"a\u0085b` + "\u0086ÿ" + `"`,
		"a\xffb\xe2\x80":       "\"a\uFFFDb\uFFFD\uFFFD\"",
		"\uFFFD\xed\xa0\x80":   "\"\uFFFD\uFFFD\uFFFD\uFFFD\"",
	} {
		if got := string(export.AppendString(nil, []byte(in))); got != want {
			t.Errorf("%q: %s, want %s", in, got, want)
		}
	}
}

// pythonsLineEnds are what str.splitlines takes for the end of a line, more than any other reader of lines does.
const pythonsLineEnds = "\n\r\v\f\x1c\x1d\x1e\u0085\u2028\u2029"

// A user is one line of an NDJSON file for every reader, whatever the names have in them.
func TestNDJSONLines(t *testing.T) {
	t.Parallel()
	add := export.Appender(user.ExportSpec{Format: user.NDJSON})
	var file []byte
	for range 3 {
		var err error
		if file, err = add(file, ada("first_name", "a"+pythonsLineEnds+"b", "city", pythonsLineEnds)); err != nil {
			t.Fatal(err)
		}
		file = append(file, '\n')
	}
	lines := strings.FieldsFunc(string(file), func(r rune) bool { return strings.ContainsRune(pythonsLineEnds, r) })
	if len(lines) != 3 {
		t.Fatalf("%d lines of 3 users: %q", len(lines), lines)
	}
	for _, line := range lines {
		var u struct{ FirstName, City string }
		if err := json.Unmarshal([]byte(line), &u); err != nil || u.FirstName != "a"+pythonsLineEnds+"b" || u.City != pythonsLineEnds {
			t.Errorf("%q: %+v, %v", line, u, err)
		}
	}
}

// FuzzAppendString checks that encoding/json reads back what was written.
func FuzzAppendString(f *testing.F) {
	f.Add([]byte("Ada \"the\" first\\\n\u2028"))
	f.Add([]byte("\u0084\u0085\u0086\xc2"))
	f.Add([]byte{0xff, 0xe2, 0x80, 0xa8, 0xe2, 0x80, 0, 0x1f, 0x7f})
	f.Fuzz(func(t *testing.T, s []byte) {
		got := export.AppendString(nil, s)
		var back string
		if err := json.Unmarshal(got, &back); err != nil {
			t.Fatalf("encoding/json cannot read %q: %v", got, err)
		}
		if want := string([]rune(string(s))); back != want { // []rune makes each bad byte a U+FFFD
			t.Errorf("%q became %q", want, back)
		}
		if !utf8.Valid(got) || bytes.ContainsAny(got, pythonsLineEnds) {
			t.Errorf("%q breaks a line or is not UTF-8", got)
		}
	})
}

func TestAppendersAllocateNothing(t *testing.T) {
	cols := ada("first_name", "=Ada \"the\tfirst\"\xff", "deleted", "1", "deleted_at", "1234567890123")
	for _, s := range []user.ExportSpec{
		{}, {Fields: []string{"deletedAt", "deleted", "name"}}, {Format: user.NDJSON}, {Format: user.JSON}, {Format: user.Avro},
	} {
		add := export.Appender(s)
		buf := make([]byte, 0, 1024)
		if n := testing.AllocsPerRun(100, func() { buf, _ = add(buf[:0], cols) }); n != 0 {
			t.Errorf("%s %v: %v allocations a row, want 0", s.Format, s.Fields, n)
		}
	}
}

// A number that is none must fail the export: it would make a broken file.
func TestAppendersRefuseBadNumbers(t *testing.T) {
	t.Parallel()
	for _, bad := range []string{"", "seven", "1q", "-", "1234567890123456789012"} {
		for _, s := range []user.ExportSpec{{Fields: []string{"deletedAt"}}, {Format: user.NDJSON}, {Format: user.Avro}} {
			if _, err := export.Appender(s)(nil, ada("deleted_at", bad)); err == nil || (bad != "" && bad != "-" && strings.Contains(err.Error(), bad)) {
				t.Errorf("%s, deleted_at %q: %v", s.Format, bad, err)
			}
		}
	}
}
