package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const changelog = `# Changelog

## [Unreleased]

### Added
- What nobody has yet.

## [0.2.0-rc.1] - 2026-12-01

### Added
- Candidates.

## [0.1.0] - 2026-11-28

### Added
- Everything.

### Fixed
- Nothing.

## [0.0.2]

- No date.

## [0.0.1] - 2026-01-01

`

func TestNotes(t *testing.T) {
	t.Parallel()
	if got := newest(changelog); got != "v0.2.0-rc.1" {
		t.Errorf("newest is %q", got)
	}
	if got := newest("# Changelog\n\n## [Unreleased]\n"); got != "" {
		t.Errorf("newest is %q where nothing was released", got)
	}
	for _, c := range []struct{ version, want, fails string }{
		{"v0.1.0", "### Added\n- Everything.\n\n### Fixed\n- Nothing.\n", ""},
		{"v0.2.0-rc.1", "### Added\n- Candidates.\n", ""},
		{"v0.2.0", "", "no section 0.2.0"},
		{"v0.0.2", "", "no date"},
		{"v0.0.1", "", "empty"},
		{"0.1.0", "", "not a version"},
		{"v0.1", "", "not a version"},
		{"v0.1.0 -X evil=1", "", "not a version"},
		{"", "", "not a version"},
	} {
		got, err := notes(changelog, c.version)
		if c.fails == "" && err != nil || c.fails != "" && (err == nil || !strings.Contains(err.Error(), c.fails)) {
			t.Errorf("%q: error %v, want %q", c.version, err, c.fails)
		}
		if got != c.want {
			t.Errorf("%q (-want +got):\n%s", c.version, cmp.Diff(c.want, got))
		}
	}
}

// The next tag has what it needs.
func TestOwnChangelog(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../CHANGELOG.md")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := notes(string(text), newest(string(text))); err != nil {
		t.Error(err)
	}
}

func TestCommands(t *testing.T) {
	t.Parallel()
	found, err := filepath.Glob("../../cmd/*/main.go")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, name := range found {
		got = append(got, filepath.Base(filepath.Dir(name)))
	}
	if diff := cmp.Diff(got, commands); diff != "" {
		t.Errorf("commands of cmd, and of a release (-cmd +release):\n%s", diff)
	}
}

// An image holds what an archive holds.
func TestImageIsBuiltTheSameWay(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../deployments/Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	flags := buildFlags("$VERSION", "$REVISION")
	for i, f := range flags {
		if name, value, ok := strings.Cut(f, "="); ok && strings.Contains(value, " ") {
			flags[i] = name + `="` + value + `"`
		}
	}
	want := "RUN CGO_ENABLED=0 GOOS=$TARGETOS GOARCH=$TARGETARCH go build " + strings.Join(flags, " ") + " -o /out/ ./cmd/...\n"
	if !strings.Contains(string(text), want) {
		t.Errorf("the Dockerfile lacks the line\n%s", want)
	}
}

// The list of modules does not depend on the machine that its writer was compiled on.
func TestListsOfModulesAreTheSameEverywhere(t *testing.T) {
	t.Parallel()
	list := func(hash string) string {
		return `{"metadata":{"tools":[{"name":"x","hashes":[{"content":"` + hash + `"}]}]},"components":[{"purl":"a?b=1&c","hashes":[{"content":"kept"}]}]}`
	}
	one, err := withoutTool([]byte(list("1")))
	if err != nil {
		t.Fatal(err)
	}
	other, err := withoutTool([]byte(list("2")))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(one), string(other)); diff != "" {
		t.Error(diff)
	}
	if !strings.Contains(string(one), "kept") || !strings.Contains(string(one), "a?b=1&c") {
		t.Errorf("more was changed: %s", one)
	}
	for _, text := range []string{"", "{}"} {
		if _, err := withoutTool([]byte(text)); err == nil {
			t.Errorf("%q was taken for a list", text)
		}
	}
}

// begins is how programs begin.
var begins = map[string]string{"linux/amd64": "\x7fELF", "windows/amd64": "MZ", "windows/arm64": "MZ"}

// programs are files with that text, by the names of the commands.
func programs(t *testing.T, platform, text string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	for _, c := range commands {
		overwrite(t, filepath.Join(dir, c+exe(platform)), text)
	}
	return dir
}

// stub is a release with the platforms given, built of programs that are none.
func stub(t *testing.T, platforms ...string) (r release, dir string) {
	t.Helper()
	r = release{root: "../..", version: "v0.1.0", time: time.Date(2026, 11, 28, 1, 2, 4, 0, time.UTC), platforms: platforms}
	dir = t.TempDir()
	for _, p := range platforms {
		bin := programs(t, p, begins[p]+"… v0.1.0 …")
		archive := filepath.Join(dir, r.archive(p))
		list := `{"metadata":{"component":{"version":"v0.1.0"}},"components":[` + strings.Repeat("{},", 10) + `{}]}`
		if err := os.WriteFile(archive+sbomEnding, []byte(list), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := r.pack(archive, p, bin); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.checksums(dir); err != nil {
		t.Fatal(err)
	}
	return r, dir
}

func TestArchives(t *testing.T) {
	t.Parallel()
	r, dir := stub(t, "linux/amd64", "windows/arm64")
	_, other := stub(t, "linux/amd64", "windows/arm64")
	for _, name := range []string{"muster_0.1.0_linux_amd64.tar.gz", "muster_0.1.0_windows_arm64.zip", "muster_0.1.0_checksums.txt"} {
		one, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		two, err := os.ReadFile(filepath.Join(other, name))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(one, two) {
			t.Errorf("%s has other bytes the second time", name)
		}
	}
	for _, p := range r.platforms {
		if err := r.inspect(dir, p); err != nil {
			t.Errorf("%s: %v", p, err)
		}
	}
	if err := r.sumsMatch(dir); err != nil {
		t.Error(err)
	}
}

// What the check is for.
func TestFaultsAreFound(t *testing.T) {
	t.Parallel()
	const archive = "muster_0.1.0_linux_amd64.tar.gz"
	packs := func(text string) func(*testing.T, *release, string) {
		return func(t *testing.T, r *release, dir string) {
			if err := r.pack(filepath.Join(dir, archive), "linux/amd64", programs(t, "linux/amd64", text)); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, c := range []struct {
		name, want string
		spoil      func(t *testing.T, r *release, dir string)
	}{
		{"another version", "does not know its version", packs(begins["linux/amd64"] + "v0.0.9")},
		{"a program of another platform", "is not a program", packs(begins["windows/amd64"] + "v0.1.0")},
		{"a platform that was not built", "no such file", func(_ *testing.T, r *release, _ string) { r.platforms = []string{"linux/arm64"} }},
		{"no modules", "lists 0 modules", func(t *testing.T, _ *release, dir string) {
			overwrite(t, filepath.Join(dir, archive+sbomEnding), `{"metadata":{"component":{"version":"v0.1.0"}}}`)
		}},
		{"cut short", "unexpected EOF", func(t *testing.T, _ *release, dir string) {
			if err := os.Truncate(filepath.Join(dir, archive), 100); err != nil {
				t.Fatal(err)
			}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r, dir := stub(t, "linux/amd64")
			c.spoil(t, &r, dir)
			err := r.inspect(dir, r.platforms[0])
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want %q", err, c.want)
			}
		})
	}
	r, dir := stub(t, "linux/amd64")
	overwrite(t, filepath.Join(dir, archive), "something else")
	if err := r.sumsMatch(dir); err == nil || !strings.Contains(err.Error(), "another checksum") {
		t.Errorf("a file that was changed: %v", err)
	}
}

func overwrite(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}
