package fileimport_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/musterhq/muster/internal/fileimport"
	"github.com/musterhq/muster/internal/job"
	"github.com/musterhq/muster/internal/records"
)

// A head that is read is written as one that is read alike.
func FuzzHead(f *testing.F) {
	f.Add([]byte(`{"version":1,"info":{"format":"csv","compression":"none","charset":"utf-8","delimiter":",","header":true,"columns":["email"]},"header":"ZW1haWw=","rows":3,"chunkRows":2,"passedOver":1}`))
	f.Add([]byte(`{"version":1,"chunkRows":1}`))
	f.Add([]byte(`{"version":2}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		once, err := fileimport.ParseHead(text)
		if err != nil {
			return
		}
		twice, err := fileimport.ParseHead(once)
		if err != nil || !bytes.Equal(once, twice) {
			t.Errorf("%s, then %s: %v", once, twice, err)
		}
	})
}

// Whatever is rejected, for whatever, the file is whole: CSV with as many values in each row, or objects.
func FuzzWriteRejected(f *testing.F) {
	f.Add("email,name", "none,Ada", "bad_email", "email")
	f.Add("email;\"na\"\"me\";_row;;", "none;\"A\nda\";7;;;", "bad_email", "email")
	f.Add("email\tname", "a\"b\t\"c", "bad_quote", "")
	f.Add(`{"email":"x","_row":1}`, `{"email":"none","n":{"a":"\n"}}`, "bad_email", "email")
	f.Add(`{"email":"x"}`, `{"email":`, "bad_json", "")
	f.Add(`{"email":"x"}`, "\xff\x00", "bad_charset", "")
	f.Fuzz(func(t *testing.T, first, raw, code, field string) {
		if len(first)+len(raw) > 1<<16 || !utf8.ValidString(first) || !utf8.ValidString(code+field) || strings.ContainsAny(code+field, "\r\x00") {
			return
		}
		files := newFiles(t, 4)
		j := newJob(t, files, "j1", []byte(first+"\n"), job.FileOptions{})
		got, err := files.Prepare(t.Context(), j, noProgress)
		if err != nil {
			return
		}
		rejects := []job.Reject{{Row: 1, Line: 2, Code: code, Field: field, Message: "a, \"b\"; c|d\te", Raw: []byte(raw)}}
		for _, format := range []string{records.CSV, records.NDJSON} {
			var out bytes.Buffer
			if err := files.WriteRejected(t.Context(), &out, j, format, pages(rejects)); err != nil {
				t.Fatal(err)
			}
			if format == records.NDJSON {
				var object map[string]any
				if err := json.Unmarshal(out.Bytes(), &object); err != nil || object["_code"] != code || object["_row"] != 2.0 {
					t.Fatalf("%q of %q: %v", out.Bytes(), raw, err)
				}
				continue
			}
			checkLines(t, out.Bytes(), got.Found, rejects[0])
		}
	})
}

// checkLines reads a CSV of one rejected row as records does.
func checkLines(t *testing.T, file []byte, found *job.FileFound, want job.Reject) {
	t.Helper()
	o := records.Options{Format: records.CSV, Charset: "utf-8", Delimiter: ',', Header: &found.Header}
	if found.Format == records.CSV {
		o.Delimiter = found.Delimiter[0]
	} else {
		yes := true
		o.Header = &yes
	}
	in, err := records.Open(t.Context(), bytes.NewReader(file), o)
	if err != nil {
		t.Fatalf("%q: %v", file, err)
	}
	defer in.Close()
	r, err := in.Next()
	if err != nil {
		t.Fatalf("%q: %v", file, err)
	}
	switch {
	case r.Fault == records.NUL || r.Fault == records.BadCharset || r.Fault == records.ValueTooLong:
	case r.Fault != "":
		t.Fatalf("%q: %s", file, r.Fault)
	default:
		if code := r.Values[len(r.Values)-3]; string(code) != want.Code {
			t.Fatalf("%q: the code is %q", file, code)
		}
	}
}
