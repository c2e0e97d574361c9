package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const measured = `# Measured on mariadb 11

By ` + "`make bench`" + ` on 2026-11-24, 2 cores, linux/amd64, go1.26.8, at scale 0.1. Servers, Muster and yardsticks shared the machine.

| | figure | against | goal | measured | |
|---|---|---|---|---|---|
| P1 | import of 1,000,000 users | LOAD DATA LOCAL of the same rows, 2 connections | ≥ 1.0 | 0.64 · 0.80 · 1.03 | met in 1 of 3 |
| P4 | admission: reserve a slot | a bare EVALSHA on as many connections | ≥ 0.7, p99 < 5 ms | 0.69, p99 5.2 ms · 0.73, p99 4.2 ms · 0.69, p99 4.5 ms | met in 1 of 3 |
| P5 | peak memory, 5,000,000 users in and out |  | < 100 MiB each | 97 MiB · 95 MiB · 96 MiB | met |
| P7 | generation alone, one core |  | ≥ 2,000,000 users/s | 10,778,845 users/s · 11,402,637 users/s | met |
| P9 | workers over a database 20 ms away, 1, 2, 4 | one worker | ≥ 1.9, ≥ 3.6 | 1.91, 3.55 · 1.93, 3.51 · 1.96, 3.48 | missed |
`

func TestParse(t *testing.T) {
	t.Parallel()
	got, err := parse(measured)
	if err != nil {
		t.Fatal(err)
	}
	want := table{scale: "0.1", figures: []string{"P1", "P4", "P9"}, medians: map[string][]float64{"P1": {0.80}, "P4": {0.69}, "P9": {1.93, 3.51}}}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(table{})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for _, c := range []struct{ text, want string }{
		{"", "at which scale"},
		{"at scale 1. Servers\n", "no ratios"},
		{"at scale 1. Servers\n| P1 | a | b | c | soon | met |\n", "has not 1 figures"},
		{"at scale 1. Servers\n| P1 | a |\n", "has no figures"},
	} {
		if _, err := parse(c.text); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: error %v, want %q", c.text, err, c.want)
		}
	}
}

// The tables that are committed can be compared with.
func TestCommitted(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"mariadb.md", "mysql.md"} {
		if err := run([]string{"-before", "../../../docs/benchmarks/" + name, "-after", "../../../docs/benchmarks/" + name}, t.Output()); err != nil {
			t.Error(err)
		}
	}
}

func TestCompare(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, from, to, fall, want string }{
		{"the same", "", "", "0.3", ""},
		{"a bit less", "0.64 · 0.80 · 1.03", "0.57", "0.3", ""},
		{"much less", "0.64 · 0.80 · 1.03", "0.55", "0.3", "P1 fell from 0.8 to 0.55"},
		{"a bit less, and nothing is allowed", "0.64 · 0.80 · 1.03", "0.79", "0", "P1 fell"},
		{"more", "0.64 · 0.80 · 1.03", "8.00", "0", ""},
		{"the second figure", "1.91, 3.55 · 1.93, 3.51 · 1.96, 3.48", "1.93, 1.93", "0.3", "P9 fell from 3.51 to 1.93"},
		{"a slower machine", "10,778,845 users/s · 11,402,637 users/s", "10 users/s", "0", ""},
		{"not measured", "| P1 |", "| P2 |", "0.3", "P1 was not measured"},
		{"another scale", "at scale 0.1", "at scale 1", "0.3", "at scale"},
		{"no limit", "", "", "1", "-fall"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			before, after := filepath.Join(dir, "before.md"), filepath.Join(dir, "after.md")
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
