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
		"a\xffb\xe2\x80":       "\"a\uFFFDb\uFFFD\uFFFD\"",
		"\uFFFD\xed\xa0\x80":   "\"\uFFFD\uFFFD\uFFFD\uFFFD\"",
	} {
		if got := string(export.AppendString(nil, []byte(in))); got != want {
			t.Errorf("%q: %s, want %s", in, got, want)
		}
	}
}

// FuzzAppendString checks that encoding/json reads back what was written.
func FuzzAppendString(f *testing.F) {
	f.Add([]byte("Ada \"the\" first\\\n\u2028"))
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
		if !utf8.Valid(got) || bytes.ContainsAny(got, "\n\r\u2028\u2029") {
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
