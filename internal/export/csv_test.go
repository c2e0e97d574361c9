package export_test

import (
	"bytes"
	"encoding/csv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/musterhq/muster/internal/export"
	"github.com/musterhq/muster/internal/formula"
	"github.com/musterhq/muster/internal/user"
)

// columns builds a record in the order of user.Columns; a field that is not named is NULL.
func columns(fields map[string]string) [][]byte {
	cols := make([][]byte, len(user.Columns))
	for i, name := range user.Columns {
		if v, ok := fields[name]; ok {
			cols[i] = []byte(v)
		}
	}
	return cols
}

func ada(changes ...string) [][]byte {
	fields := map[string]string{
		"id": "1", "first_name": "Ada", "last_name": "Byron", "email": "ada@example.com", "city": "London",
		"state": "England", "age": "36", "mobile_number": "+442079460000", "gender": "Female", "deleted": "0",
	}
	for i := 0; i < len(changes); i += 2 {
		fields[changes[i]] = changes[i+1]
	}
	return columns(fields)
}

func TestAppendCSV(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		cols [][]byte
		raw  bool
		want string
	}{
		{"plain", ada(), false, "1,Ada Byron,36,Female,London,England,ada@example.com,'+442079460000\r\n"},
		{"unknown", ada("age", "", "gender", ""), true, "1,Ada Byron,,,London,England,ada@example.com,+442079460000\r\n"},
		{"raw", ada(), true, "1,Ada Byron,36,Female,London,England,ada@example.com,+442079460000\r\n"},
		{"null", columns(map[string]string{"id": "7"}), false, "7,,,,,,,\r\n"},
		{"no last name", ada("last_name", ""), true, "1,Ada,36,Female,London,England,ada@example.com,+442079460000\r\n"},
		{"no first name", ada("first_name", ""), true, "1,Byron,36,Female,London,England,ada@example.com,+442079460000\r\n"},
		{"quote in last name", ada("last_name", `By"ron`), true, `1,"Ada By""ron",36,Female,London,England,ada@example.com,+442079460000` + "\r\n"},
		{"comma and line", ada("city", "Lon,don", "state", "a\r\nb"), true, "1,Ada Byron,36,Female,\"Lon,don\",\"a\r\nb\",ada@example.com,+442079460000\r\n"},
		{"formula name", ada("first_name", "=1+1"), false, "1,'=1+1 Byron,36,Female,London,England,ada@example.com,'+442079460000\r\n"},
		{"formula in quotes", ada("first_name", `=A("x")`), false, `1,"'=A(""x"") Byron",36,Female,London,England,ada@example.com,'+442079460000` + "\r\n"},
		{"at, tab", ada("city", "@SUM", "state", "\tx"), false, "1,Ada Byron,36,Female,'@SUM,'\tx,ada@example.com,'+442079460000\r\n"},
		{"cr, lf, minus", ada("city", "\rx", "state", "\nx", "mobile_number", "-1"), false, "1,Ada Byron,36,Female,\"'\rx\",\"'\nx\",ada@example.com,'-1\r\n"},
		{"full-width, behind a space", ada("city", "＝1", "state", " =1"), false, "1,Ada Byron,36,Female,'＝1,' =1,ada@example.com,'+442079460000\r\n"},
		{"formula over both names", ada("first_name", " ", "last_name", "=1"), false, "1,'  =1,36,Female,London,England,ada@example.com,'+442079460000\r\n"},
		{"the same in quotes", ada("first_name", "'", "last_name", "=A(1,2)"), false, "1,\"'' =A(1,2)\",36,Female,London,England,ada@example.com,'+442079460000\r\n"},
		{"a guard of its own", ada("city", "'=1", "state", "'s-Hertogenbosch"), false, "1,Ada Byron,36,Female,''=1,'s-Hertogenbosch,ada@example.com,'+442079460000\r\n"},
		{"formula inside", ada("city", "a=b"), false, "1,Ada Byron,36,Female,a=b,England,ada@example.com,'+442079460000\r\n"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got := appendCSV(t, []byte("x"), test.cols, user.ExportSpec{Raw: test.raw})
			if diff := cmp.Diff("x"+test.want, string(got)); diff != "" {
				t.Errorf("AppendCSV (-want +got):\n%s", diff)
			}
		})
	}
}

func appendCSV(tb testing.TB, dst []byte, cols [][]byte, s user.ExportSpec) []byte {
	tb.Helper()
	dst, err := export.Appender(s)(dst, cols)
	if err != nil {
		tb.Fatal(err)
	}
	return dst
}

func TestCSVFields(t *testing.T) {
	t.Parallel()
	s := user.ExportSpec{Fields: []string{"deletedAt", "lastName", "deleted", "id", "firstName"}}
	for _, test := range []struct {
		cols [][]byte
		want string
	}{
		{ada(), ",Byron,false,1,Ada\r\n"},
		{ada("deleted", "1", "deleted_at", "1234567890120"), "2009-02-13T23:31:30.120Z,Byron,true,1,Ada\r\n"},
	} {
		if got := string(appendCSV(t, nil, test.cols, s)); got != test.want {
			t.Errorf("%q, want %q", got, test.want)
		}
	}
	// Readers pass over empty lines.
	if got := string(appendCSV(t, nil, ada("last_name", ""), user.ExportSpec{Fields: []string{"lastName"}})); got != "\"\"\r\n" {
		t.Errorf("a lone empty cell: %q", got)
	}
}

// FuzzAppendCSV checks that encoding/csv reads back what was written, cell by cell, and that without the guard each cell is
// the text again.
func FuzzAppendCSV(f *testing.F) {
	f.Add("Ada", "Byron", "London", "ada@example.com", "+44", false)
	f.Add(`=1"`, ",", "\r\n", "\n", "\t", false)
	f.Add("", "\r", " x ", `""`, "@", true)
	f.Fuzz(func(t *testing.T, first, last, city, email, mobile string, raw bool) {
		cols := ada("first_name", first, "last_name", last, "city", city, "email", email, "mobile_number", mobile)
		line := appendCSV(t, nil, cols, user.ExportSpec{Raw: raw})
		got, err := csv.NewReader(bytes.NewReader(line)).ReadAll()
		if err != nil {
			t.Fatalf("encoding/csv cannot read %q: %v", line, err)
		}
		name := first + " " + last
		if first == "" || last == "" {
			name = first + last
		}
		want := [][]string{{"1", name, "36", "Female", city, "England", email, mobile}}
		for i, cell := range want[0] {
			// encoding/csv reads CR LF within quotes as LF.
			want[0][i] = strings.ReplaceAll(cell, "\r\n", "\n")
			if !raw {
				got[0][i] = string(formula.Unguard([]byte(got[0][i])))
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("read back (-want +got):\n%s", diff)
		}
	})
}
