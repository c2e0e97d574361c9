package main

import "testing"

func TestFormatOfAName(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		e        exportCommand
		format   string
		compress string
		bad      bool
	}{
		"stdout":            {e: exportCommand{Output: "-"}},
		"no ending":         {e: exportCommand{Output: "/tmp/a.json/users"}},
		"ending":            {e: exportCommand{Output: "a.b/users.NDJSON"}, format: "ndjson"},
		"two endings":       {e: exportCommand{Output: "users.csv.zst"}, format: "csv", compress: "zstd"},
		"asked for":         {e: exportCommand{Output: "users.csv.gz", Format: "json", Compress: "zstd"}, format: "json", compress: "zstd"},
		"packed outside":    {e: exportCommand{Output: "users.parquet.gz"}, bad: true},
		"packed, asked for": {e: exportCommand{Output: "users.zst", Format: "avro"}, bad: true},
		"packed inside":     {e: exportCommand{Output: "users.avro", Compress: "gzip"}, format: "avro", compress: "gzip"},
	}
	for name, test := range tests {
		format, compress, err := test.e.formatOf()
		if format != test.format || compress != test.compress || (err != nil) != test.bad {
			t.Errorf("%s: %q, %q, %v", name, format, compress, err)
		}
	}
}
