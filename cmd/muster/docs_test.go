package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/musterhq/muster/cmd/internal/boot"
)

// docs/command-line.md names all commands that there are. internal/docstest runs those of the page.
func TestCommandLinePage(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/command-line.md")
	if err != nil {
		t.Fatal(err)
	}
	model, err := boot.Model("muster", &commands{})
	if err != nil {
		t.Fatal(err)
	}
	for _, leaf := range model.Leaves(true) {
		if name := strings.TrimSuffix(leaf.FullPath(), " users"); !strings.Contains(string(page), "`"+name) {
			t.Errorf("the page does not have %s", name)
		}
	}
}

// The checks of docs/operations.md are those that there are.
func TestDoctorPage(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, ok := strings.Cut(string(page), "\n## Doctor\n")
	section, _, _ = strings.Cut(section, "\n## ")
	var documented []string
	for _, row := range regexp.MustCompile("(?m)^\\| `([a-z-]+)` \\|").FindAllStringSubmatch(section, -1) {
		documented = append(documented, row[1])
	}
	var checks []string
	files, err := filepath.Glob("../../internal/doctor/*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		for _, call := range regexp.MustCompile(`r\.(?:add|ok|folder)\("([a-z-]+)"`).FindAllStringSubmatch(string(text), -1) {
			checks = append(checks, call[1])
		}
	}
	slices.Sort(documented)
	slices.Sort(checks)
	if diff := cmp.Diff(slices.Compact(checks), documented); !ok || diff != "" {
		t.Errorf("checks (-code +page):\n%s", diff)
	}
}

// folderOfSamples returns a folder with copies of the samples.
func folderOfSamples(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	files, err := filepath.Glob(filepath.Join(samples, "[a-z]*.*"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no samples: %v", err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, filepath.Base(file)), text, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// buildMuster returns a folder with the program.
func buildMuster(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	cmd := exec.CommandContext(t.Context(), "go", "build", "-o", filepath.Join(dir, "muster"), ".") //nolint:gosec // a folder of ours
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, bytes.TrimSpace(out))
	}
	return dir
}
