package export_test

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/musterhq/muster/internal/export"
	"github.com/musterhq/muster/internal/testenv"
	"github.com/musterhq/muster/internal/user"
)

// Python's csv module is what many read the file with.
func TestCSVReadByPython(t *testing.T) {
	t.Parallel()
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("SKIPPED: no python3 to read the CSV with")
	}
	values := []string{
		"plain", "", " ", `"`, `""`, ",", "a,b", "line\nline", "line\r\nline", "\r", "=1+1", "+44", "-1", "@x", "\t", "'", "بايرون", "👩\u200d💻", `a"b,c` + "\n",
	}
	r := rand.New(rand.NewPCG(7, 8))
	for range 60 {
		letters := []rune("a=+-@'\",;\r\n\t \\é👩\u200d\u0301ب")
		value := make([]rune, r.IntN(12))
		for i := range value {
			value[i] = letters[r.IntN(len(letters))]
			if r.IntN(4) == 0 {
				value[i] = 1 + r.Int32N(0xD7FF) // any character below the surrogates but NUL
			}
		}
		values = append(values, string(value))
	}
	fields := []string{"id", "city", "state"}
	for _, raw := range []bool{true, false} {
		add := export.Appender(user.ExportSpec{Fields: fields, Raw: raw})
		var file []byte
		var want [][]string
		for _, a := range values {
			for _, b := range values {
				if file, err = add(file, ada("city", a, "state", b)); err != nil {
					t.Fatal(err)
				}
				want = append(want, []string{"1", a, b})
			}
		}
		cmd := exec.CommandContext(t.Context(), python, "-c",
			`import csv,io,json,sys; print(json.dumps(list(csv.reader(io.TextIOWrapper(sys.stdin.buffer, "utf-8", newline="")))))`)
		cmd.Stdin = bytes.NewReader(file)
		out, err := cmd.Output()
		if err != nil {
			t.Fatal(err)
		}
		var got [][]string
		if err := json.Unmarshal(out, &got); err != nil || len(got) != len(want) {
			t.Fatalf("%d records of %d, %v", len(got), len(want), err)
		}
		for i := range got {
			if raw && !slices.Equal(got[i], want[i]) {
				t.Errorf("record %d is %q, want %q", i, got[i], want[i])
			}
			for _, cell := range got[i][1:] {
				if !raw && cell != "" && bytes.ContainsRune([]byte("=+-@\t\r\n"), rune(cell[0])) {
					t.Errorf("record %d has a cell that a spreadsheet would run: %q", i, cell)
				}
			}
		}
	}
}

// fastavroReader prints the schema of an Avro file and then each user, a line of JSON each.
const fastavroReader = `
import datetime, fastavro, json, sys
def text(v):
    if isinstance(v, datetime.datetime):
        return v.isoformat()
    raise TypeError(type(v))
r = fastavro.reader(sys.stdin.buffer)
print(json.dumps(r.metadata["avro.schema"]))
for user in r:
    print(json.dumps(user, default=text))
`

// fastavro shares no code with the library that writes the files. `pip install 'fastavro[zstandard]'` installs it.
func TestAvroReadByFastavro(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err == nil {
		const probe = `import fastavro, io; fastavro.writer(io.BytesIO(), "string", [""], codec="zstandard")`
		err = exec.CommandContext(t.Context(), python, "-c", probe).Run()
	}
	if err != nil {
		testenv.Missing(t, "fastavro")
		t.SkipNow()
	}
	eachFile(t, user.Avro, func(t *testing.T, data []byte, rows int64, fields []string) {
		cmd := exec.CommandContext(t.Context(), python, "-c", fastavroReader)
		cmd.Stdin, cmd.Stderr = bytes.NewReader(data), os.Stderr
		out, err := cmd.Output()
		if err != nil {
			t.Fatal(err)
		}
		lines := json.NewDecoder(bytes.NewReader(out))
		lines.UseNumber()
		var schema string
		if err := lines.Decode(&schema); err != nil || !strings.Contains(schema, `"name":"User"`) {
			t.Fatalf("schema %s, %v", schema, err)
		}
		id := int64(0)
		for ; lines.More(); id++ {
			var got map[string]any
			if err := lines.Decode(&got); err != nil {
				t.Fatal(err)
			}
			if at, ok := got["deletedAt"].(string); ok {
				if got["deletedAt"], err = time.Parse(time.RFC3339Nano, at); err != nil {
					t.Fatal(err)
				}
			}
			compareAvro(t, id+1, fields, got)
		}
		if id != rows {
			t.Fatalf("%d users, want %d", id, rows)
		}
	})
}
