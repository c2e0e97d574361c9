package main

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestFormatOfAName(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		output, format, compress string // given
		wantFormat, wantCompress string
		bad                      bool
	}{
		"stdout":               {output: "-"},
		"no ending":            {output: "/tmp/a.json/users"},
		"device":               {output: "/dev/stdout", compress: "gzip", wantCompress: "gzip"},
		"ending":               {output: "a.b/users.NDJSON", wantFormat: "ndjson"},
		"another name of it":   {output: "users.jsonl", wantFormat: "ndjson"},
		"two endings":          {output: "users.csv.zst", wantFormat: "csv", wantCompress: "zstd"},
		"packed only":          {output: "users.gz", wantCompress: "gzip"},
		"asked for":            {output: "users.csv.gz", format: "json", compress: "zstd", wantFormat: "json", wantCompress: "zstd"},
		"packed outside":       {output: "users.parquet.gz", bad: true},
		"packed, asked for":    {output: "users.zst", format: "avro", bad: true},
		"packed inside":        {output: "users.avro", compress: "gzip", wantFormat: "avro", wantCompress: "gzip"},
		"packed twice":         {output: "users.csv.gz.zst", bad: true},
		"spreadsheet":          {output: "users.xlsx", bad: true},
		"tabs":                 {output: "users.tsv.gz", bad: true},
		"unknown, asked for":   {output: "users.txt", format: "csv", wantFormat: "csv"},
		"unknown, only packed": {output: "users.txt", compress: "gzip", bad: true},
		"nothing":              {output: "", bad: true},
	}
	for name, test := range tests {
		e := exportCommand{Output: test.output, Format: given(test.format), Compress: given(test.compress)}
		format, compress, err := e.formatOf()
		if format != test.wantFormat || compress != test.wantCompress || (err != nil) != test.bad {
			t.Errorf("%s: %q, %q, %v", name, format, compress, err)
		}
	}
}

// withCancel returns the test's context and what ends it, as Ctrl-C does.
func withCancel(t *testing.T) (ctx context.Context, stop func()) {
	t.Helper()
	return context.WithCancel(t.Context())
}

func TestOverwriting(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "users.csv")
	for answer, want := range map[string]bool{"y\n": true, "YES\r\n": true, "\n": false, "n\n": false, "": false, "yes, but\n": false} {
		var question strings.Builder
		d := download{to: file}
		err := d.mayReplace(&process{ctx: t.Context(), stdin: strings.NewReader(answer), stderr: &question, person: true})
		if (err == nil) != want || question.String() != file+" exists. Overwrite it? [y/N] " {
			t.Errorf("%q after %q: %v", answer, question.String(), err)
		}
	}
	d := download{to: file}
	if err := d.mayReplace(&process{ctx: t.Context()}); err == nil || !strings.Contains(err.Error(), "--force") {
		t.Errorf("nobody to ask: %v", err)
	}
	d.force = true
	if err := d.mayReplace(&process{ctx: t.Context()}); err != nil {
		t.Error(err)
	}

	// Ctrl-C at the question.
	if err := os.WriteFile(file, []byte("kept"), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, stop := withCancel(t)
	stdin, _ := io.Pipe()
	err := execute([]string{"export", "-o", file}, &process{ctx: ctx, stdin: stdin, stdout: io.Discard, stderr: stopper(stop), person: true})
	if err == nil || err.Error() != "interrupted: nothing was written to "+file {
		t.Errorf("interrupted: %v", err)
	}
	holds(t, file, "kept", 0o600, 1)
}

// stopper ends something when it is written to.
type stopper func()

func (s stopper) Write(p []byte) (int, error) {
	s()
	return len(p), nil
}
