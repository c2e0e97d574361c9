package docstest_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// The README's map has every folder with code, so that a stranger finds the place for a change; and docs/README.md every page.
func TestMaps(t *testing.T) {
	t.Parallel()
	for _, m := range []struct{ in, under, section, begin string }{
		{"README.md", "internal", "## Where is what", `(internal/|, )`},
		{"README.md", "cmd", "## Where is what", `(cmd/|, )`},
		{"docs/README.md", "docs", "# Documentation", `\(`},
	} {
		text, err := os.ReadFile(filepath.Join(root, m.in))
		if err != nil {
			t.Fatal(err)
		}
		_, section, ok := strings.Cut(string(text), m.section+"\n")
		if !ok {
			t.Fatalf("%s lacks %s", m.in, m.section)
		}
		entries, err := os.ReadDir(filepath.Join(root, m.under))
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			page := strings.HasSuffix(e.Name(), ".md") && e.Name() != "README.md"
			if !page && (!e.IsDir() || m.under == "docs") {
				continue
			}
			if !regexp.MustCompile(m.begin + regexp.QuoteMeta(e.Name()) + `\b`).MatchString(section) {
				t.Errorf("%s has no %s/%s", m.in, m.under, e.Name())
			}
		}
	}
}
