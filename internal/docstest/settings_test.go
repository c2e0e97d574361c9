package docstest_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/musterhq/muster/internal/config"
)

var variable = regexp.MustCompile(`\bMUSTER_[A-Z0-9_]*[A-Z0-9]`)

// docs/settings.md has all settings.
func TestSettingsPage(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join(root, "docs", "settings.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range config.EnvNames() {
		if !strings.Contains(string(text), "`"+strings.TrimSuffix(name, "_FILE")+"`") {
			t.Errorf("the page lacks %s", name)
		}
	}
}

// No page names a variable that nothing reads.
func TestVariablesExist(t *testing.T) {
	t.Parallel()
	ours := map[string]bool{}
	for _, from := range []string{"internal", "cmd", "docker-compose.yml"} {
		sources(t, filepath.Join(root, from), func(text string) {
			for _, name := range variable.FindAllString(text, -1) {
				ours[name] = true
			}
		})
	}
	for _, p := range pages(t) {
		text, err := os.ReadFile(filepath.Join(root, p.name))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range variable.FindAllString(string(text), -1) {
			if !config.KnownName(name) && !ours[name] {
				t.Errorf("%s: nothing reads %s", p.name, name)
			}
		}
	}
}

// sources calls fn with each file at or below a place that reads variables.
func sources(t *testing.T, from string, fn func(text string)) {
	t.Helper()
	err := filepath.WalkDir(from, func(path string, _ os.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".go") && !strings.HasSuffix(path, ".yml") {
			return err
		}
		text, err := os.ReadFile(path) //nolint:gosec // our own source
		if err == nil {
			fn(string(text))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
