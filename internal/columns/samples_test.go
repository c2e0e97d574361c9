package columns_test

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/text/encoding/charmap"

	"github.com/musterhq/muster/internal/columns"
)

var update = flag.Bool("update", false, "write testdata/rows anew")

// sample is a file of testdata: its header and its records, in CSV by column and in JSON by name.
type sample struct {
	header  []string
	records [][][]byte
	names   [][][]byte // of JSON
}

// readSample reads a file as far as these tests need it: internal/records finds out by itself what is told here.
func readSample(t *testing.T, name string) sample {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	switch text := decode(t, raw); filepath.Ext(name) {
	case ".csv":
		return csvSample(t, text)
	default:
		return jsonSample(t, text)
	}
}

func decode(t *testing.T, raw []byte) string {
	t.Helper()
	if rest, ok := bytes.CutPrefix(raw, []byte("\xff\xfe")); ok {
		units := make([]uint16, len(rest)/2)
		for i := range units {
			units[i] = uint16(rest[2*i]) | uint16(rest[2*i+1])<<8
		}
		return string(utf16.Decode(units))
	}
	raw = bytes.TrimPrefix(raw, []byte("\xef\xbb\xbf"))
	if utf8.Valid(raw) {
		return string(raw)
	}
	text, err := charmap.Windows1252.NewDecoder().Bytes(raw)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func csvSample(t *testing.T, text string) (s sample) {
	t.Helper()
	for _, first := range []string{"sep=", "version:"} {
		if strings.HasPrefix(text, first) {
			_, text, _ = strings.Cut(text, "\n")
		}
	}
	r := csv.NewReader(strings.NewReader(text))
	if head, _, _ := strings.Cut(text, "\n"); strings.Contains(head, ";") {
		r.Comma = ';'
	}
	rows, err := r.ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	s.header = rows[0]
	for _, row := range rows[1:] {
		record := make([][]byte, len(row))
		for i, v := range row {
			record[i] = []byte(v)
		}
		s.records = append(s.records, record)
	}
	return s
}

func jsonSample(t *testing.T, text string) (s sample) {
	t.Helper()
	dec := json.NewDecoder(strings.NewReader(text))
	if strings.HasPrefix(text, "[") {
		if _, err := dec.Token(); err != nil {
			t.Fatal(err)
		}
	}
	seen := map[string]bool{}
	for dec.More() {
		var object json.RawMessage
		if err := dec.Decode(&object); err != nil {
			t.Fatal(err)
		}
		var names, values [][]byte
		flatten(t, "", object, func(name string, value []byte) {
			if !seen[name] {
				seen[name] = true
				s.header = append(s.header, name)
			}
			names, values = append(names, []byte(name)), append(values, value)
		})
		s.names, s.records = append(s.names, names), append(s.records, values)
	}
	return s
}

func flatten(t *testing.T, prefix string, object json.RawMessage, add func(name string, value []byte)) {
	t.Helper()
	dec := json.NewDecoder(bytes.NewReader(object))
	if _, err := dec.Token(); err != nil {
		t.Fatal(err)
	}
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			t.Fatal(err)
		}
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			t.Fatal(err)
		}
		name := prefix + key.(string)
		var text string
		switch {
		case value[0] == '{':
			flatten(t, name+".", value, add)
		case string(value) == "null":
			add(name, nil)
		case json.Unmarshal(value, &text) == nil:
			add(name, []byte(text))
		default:
			add(name, value)
		}
	}
}

// convert makes row i of a sample.
func (s sample) convert(c *columns.Converter, i int, row *columns.Row) []columns.Fault {
	if s.names != nil {
		return c.ConvertMembers(s.names[i], s.records[i], row)
	}
	return c.Convert(s.records[i], row)
}

// Each sample has the columns and the rows of testdata/rows, which people have looked through.
func TestSamples(t *testing.T) {
	t.Parallel()
	var files []string
	for _, pattern := range []string{"*.csv", "*.ndjson", "*.json"} {
		found, err := filepath.Glob(filepath.Join("testdata", pattern))
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, found...)
	}
	if len(files) < 19 {
		t.Fatalf("only %d samples", len(files))
	}
	readme, err := os.ReadFile(filepath.Join("testdata", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		name := filepath.Base(file)
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := readSample(t, name)
			plan, err := columns.NewPlan(s.header, columns.Options{Today: today, Quoted: name == "auth0.csv"})
			if err != nil {
				t.Fatal(err)
			}
			var got strings.Builder
			for _, c := range plan.Columns() {
				if c.Field != "" {
					fmt.Fprintf(&got, "%s: %s %d\n", c.Name, c.Field, c.Order)
				}
			}
			var row columns.Row
			c, stored, rejected := plan.Converter(), 0, 0
			for i := range s.records {
				if faults := s.convert(c, i, &row); faults != nil {
					rejected++
					fmt.Fprintf(&got, "%d rejected: %s\n", i+1, listed(faults))
				} else {
					stored++
					fmt.Fprintf(&got, "%d%s\n", i+1, shown(&row))
				}
			}
			golden := filepath.Join("testdata", "rows", name+".txt")
			if *update {
				if err := os.WriteFile(golden, []byte(got.String()), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got.String()); diff != "" {
				t.Errorf("rows (-want +got):\n%s", diff)
			}
			if line := fmt.Sprintf("| `%s` | %d | %d |", name, stored, rejected); !strings.Contains(string(readme), line) {
				t.Errorf("testdata/README.md lacks %s", line)
			}
		})
	}
}
