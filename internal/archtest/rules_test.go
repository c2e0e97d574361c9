package archtest_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/musterhq/muster/internal/archtest"
)

// The negative control: a checker that never complains would pass the real test too.
func TestCheckReportsTheChain(t *testing.T) {
	t.Parallel()
	rules := archtest.Rules{
		Module: "example.org/m",
		May: map[string][]string{
			"cmd":                      {archtest.Any},
			"internal/web":             {"internal/noun"},
			"internal/store":           {"internal/noun"},
			"internal/store/storetest": {archtest.Any},
			"internal/queue":           {"internal/noun"},
			"internal/noun":            {},
		},
		StandardOnly: map[string][]string{"internal/noun": {"lib.org/tables"}},
		Homes:        map[string][]string{"lib.org/web": {"internal/web"}},
		NotLinked:    map[string][]string{"cmd/worker": {"lib.org/web", "internal/store/storetest"}},
		Untested:     map[string]string{"internal/queue": "reason"},
	}
	tests := []struct {
		name    string
		imports map[string][]string // more of them, by the name of the package
		want    []string
	}{
		{name: "as it should be"},
		{
			name:    "a part of the same package, or a helper of tests, is free",
			imports: map[string][]string{"internal/store/storetest": {"example.org/m/internal/store", "example.org/m/internal/web"}},
		},
		{
			name:    "an adapter imports another",
			imports: map[string][]string{"internal/store": {"example.org/m/internal/queue"}},
			want:    []string{"internal/store may import of ours only [internal/noun]: internal/store -> internal/queue"},
		},
		{
			name:    "leave for a package is none for its test helpers",
			imports: map[string][]string{"internal/web": {"example.org/m/internal/store/storetest"}},
			want:    []string{"internal/web may import of ours only [internal/noun]: internal/web -> internal/store/storetest"},
		},
		{
			name:    "a noun imports a library",
			imports: map[string][]string{"internal/noun": {"fmt", "lib.org/small"}},
			want:    []string{"internal/noun may import only the standard library: internal/noun -> lib.org/small"},
		},
		{
			name:    "a noun imports the library that it may",
			imports: map[string][]string{"internal/noun": {"lib.org/tables/sub"}},
		},
		{
			name:    "a library away from home, by a later major version",
			imports: map[string][]string{"internal/queue": {"lib.org/web/v4"}},
			want: []string{
				"cmd/worker must not link lib.org/web: cmd/worker -> internal/queue -> lib.org/web/v4",
				"lib.org/web is for [internal/web] only: internal/queue -> lib.org/web/v4",
			},
		},
		{
			name:    "a name that only begins alike is another library",
			imports: map[string][]string{"internal/queue": {"lib.org/website"}},
		},
		{
			name:    "a command links what it must not, at a distance",
			imports: map[string][]string{"cmd/worker": {"example.org/m/internal/noun", "example.org/m/internal/web"}},
			want:    []string{"cmd/worker must not link lib.org/web: cmd/worker -> internal/web -> lib.org/web/v4"},
		},
		{
			name:    "a package without a place, and without tests",
			imports: map[string][]string{"internal/util": nil},
			want: []string{
				"internal/util has no place in the import rule: add it to the table",
				"internal/util has no test file",
			},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			graph := sound()
			for name, imports := range tt.imports {
				p := graph["example.org/m/"+name]
				if p == nil {
					p = &archtest.Package{ImportPath: "example.org/m/" + name}
					graph[p.ImportPath] = p
				}
				p.Imports = slices.Concat(p.Imports, imports)
			}
			if diff := cmp.Diff(tt.want, rules.Check(graph)); diff != "" {
				t.Errorf("Check (-want +got):\n%s", diff)
			}
		})
	}
}

// What nothing uses is no rule any more.
func TestCheckReportsWhatNothingUses(t *testing.T) {
	t.Parallel()
	rules := archtest.Rules{
		Module: "example.org/m",
		May: map[string][]string{
			"cmd":            {archtest.Any},
			"internal":       {archtest.Any},
			"internal/gone":  {"internal/noun"},
			"internal/noun":  {},
			"internal/queue": {"internal/noun", "internal/store"},
			"internal/web":   {"internal/noun"},
		},
		StandardOnly: map[string][]string{"internal/noun": {"lib.org/small", "lib.org/tables"}},
		Homes:        map[string][]string{"lib.org/web": {"internal/web", "internal/queue"}},
	}
	want := []string{
		"internal/gone is in the import rule, but there is no such package",
		"internal/noun may import lib.org/small, and does not: take it off the table",
		"internal/queue may import internal/store, and does not: take it off the table",
		"internal/queue may import lib.org/web, and does not: take it off the table",
	}
	var got []string
	for _, found := range rules.Check(sound()) {
		if !strings.HasSuffix(found, "has no test file") {
			got = append(got, found)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("Check (-want +got):\n%s", diff)
	}
}

func TestCheckReportsAnOutdatedExemption(t *testing.T) {
	t.Parallel()
	rules := archtest.Rules{
		Module:   "example.org/m",
		May:      map[string][]string{"internal": {archtest.Any}},
		Untested: map[string]string{"internal/noun": "reason", "internal/queue": "reason"},
	}
	want := []string{"internal/noun has tests now: take it off the list of exemptions"}
	graph := archtest.Graph{}
	for _, name := range []string{"internal/noun", "internal/queue"} {
		graph["example.org/m/"+name] = sound()["example.org/m/"+name]
	}
	if diff := cmp.Diff(want, rules.Check(graph)); diff != "" {
		t.Errorf("Check (-want +got):\n%s", diff)
	}
}

// sound is a made-up graph that breaks no rule.
func sound() archtest.Graph {
	tests := []string{"a_test.go"}
	graph := archtest.Graph{}
	for _, p := range []*archtest.Package{
		{ImportPath: "fmt", Standard: true},
		{ImportPath: "lib.org/small"},
		{ImportPath: "lib.org/tables"},
		{ImportPath: "lib.org/web/v4"},
		{ImportPath: "lib.org/website"},
		{ImportPath: "example.org/m/cmd/api", Imports: []string{"example.org/m/internal/web"}},
		{ImportPath: "example.org/m/cmd/worker", Imports: []string{"example.org/m/internal/queue", "example.org/m/internal/store"}},
		{ImportPath: "example.org/m/internal/noun", Imports: []string{"fmt", "lib.org/tables"}, XTestGoFiles: tests},
		{ImportPath: "example.org/m/internal/queue", Imports: []string{"example.org/m/internal/noun"}},
		{ImportPath: "example.org/m/internal/store", Imports: []string{"example.org/m/internal/noun"}, TestGoFiles: tests},
		{ImportPath: "example.org/m/internal/store/storetest", Imports: []string{"example.org/m/internal/store"}, TestGoFiles: tests},
		{ImportPath: "example.org/m/internal/web", Imports: []string{"example.org/m/internal/noun", "lib.org/web/v4"}, TestGoFiles: tests},
	} {
		graph[p.ImportPath] = p
	}
	return graph
}
