package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const (
	p1       = `[0.64]}, {"values": [0.8]}, {"values": [1.03]`
	p7       = `[10778845]}, {"values": [11402637]`
	p9       = `[1.91, 3.55]}, {"values": [1.93, 3.51]}, {"values": [1.96, 3.48]`
	measured = `{"server": "10.11", "scale": 0.1, "figures": {
 "P1": [{"values": ` + p1 + `}],
 "P4": [{"values": [0.69, 5.2]}, {"values": [0.73, 4.2]}, {"values": [0.69, 4.5], "details": ["calls"]}],
 "P5": [{"values": [97, 39]}],
 "P7": [{"values": ` + p7 + `}],
 "P9": [{"values": ` + p9 + `}]
}}`
)

func TestParse(t *testing.T) {
	t.Parallel()
	got, err := parse([]byte(measured))
	if err != nil {
		t.Fatal(err)
	}
	want := table{scale: 0.1, medians: map[string][]float64{"P1": {0.80}, "P4": {0.69}, "P9": {1.93, 3.51}}}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(table{})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for _, c := range []struct{ text, want string }{
		{"", "unexpected end"},
		{`{"scale": 1}`, "no ratios"},
		{`{"scale": 1, "figures": {"P9": [{"values": [1]}]}}`, "has 1 numbers, not 2"},
	} {
		if _, err := parse([]byte(c.text)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: error %v, want %q", c.text, err, c.want)
		}
	}
}

// The files that are committed can be compared with.
func TestCommitted(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"mariadb.json", "mysql.json"} {
		if err := run([]string{"-before", "../../../docs/benchmarks/" + name, "-after", "../../../docs/benchmarks/" + name}, t.Output()); err != nil {
			t.Error(err)
		}
	}
}

func TestCompare(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, from, to, fall, want string }{
		{"the same", "", "", "0.3", ""},
		{"a bit less", p1, "[0.57]", "0.3", ""},
		{"much less", p1, "[0.55]", "0.3", "P1 fell from 0.8 to 0.55"},
		{"a bit less, and nothing is allowed", p1, "[0.79]", "0", "P1 fell"},
		{"more", p1, "[8]", "0", ""},
		{"the second figure", p9, "[1.93, 1.93]", "0.3", "P9 fell from 3.51 to 1.93"},
		{"a slower machine", p7, "[10]", "0", ""},
		{"not measured", `"P1"`, `"P2"`, "0.3", "P1 was not measured"},
		{"another scale", "0.1,", "1,", "0.3", "at scale"},
		{"no limit", "", "", "1", "-fall"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			before, after := filepath.Join(dir, "before.json"), filepath.Join(dir, "after.json")
			for name, text := range map[string]string{before: measured, after: strings.Replace(measured, c.from, c.to, 1)} {
				if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			var out bytes.Buffer
			err := run([]string{"-before", before, "-after", after, "-fall", c.fall}, &out)
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("error %v, want %q\n%s", err, c.want, out.String())
			}
		})
	}
}
