package controls

import (
	"encoding/json"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var root = filepath.Join("..", "..", "..")

// Every control fits the code as it is now, and what it makes of it compiles: whoever changes the code learns here that
// a control has to follow, and not first in make chaos.
func TestControlsFitTheCode(t *testing.T) {
	t.Parallel()
	watch(t)
	files, err := fs.Glob(patches, "*.patch")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(file, ".patch"), func(t *testing.T) {
			t.Parallel()
			overlay, err := Overlay(root, t.TempDir(), strings.TrimSuffix(file, ".patch"))
			if err != nil {
				t.Fatal(err)
			}
			if testing.Short() {
				t.Skip("compiling the patched packages takes a while")
			}
			args := append([]string{"build", "-tags", "chaos", "-overlay", overlay}, patchedPackages(t, overlay)...)
			if out, err := exec.CommandContext(t.Context(), "go", args...).CombinedOutput(); err != nil {
				t.Errorf("the patched packages do not compile: %v\n%s", err, out)
			}
		})
	}
}

// patchedPackages are the folders of the overlay's files. An embedded file may lie in one below its package's.
func patchedPackages(t *testing.T, overlay string) (dirs []string) {
	t.Helper()
	content, err := os.ReadFile(overlay)
	if err != nil {
		t.Fatal(err)
	}
	var list struct{ Replace map[string]string }
	if err := json.Unmarshal(content, &list); err != nil {
		t.Fatal(err)
	}
	for original := range list.Replace {
		dir := filepath.Dir(original)
		for sources(t, dir) == 0 {
			dir = filepath.Dir(dir)
		}
		dirs = append(dirs, dir)
	}
	return dirs
}

func sources(t *testing.T, dir string) int {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	return len(found)
}

// watch touches every Go file in the test's own process. Go caches a passing result until a file that the test itself
// looked at changes; what the go command reads for it does not count.
func watch(t *testing.T) {
	t.Helper()
	err := filepath.WalkDir(root, func(path string, _ fs.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(path, ".go") {
			_, err = os.Stat(path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

var header = regexp.MustCompile(`(?s)\ATakes away: .+\nGoes wrong: .+\nUsed by: ([\w, ]+)\n\nIndex: `)

// A control says what it is for, and the tests that it names use it.
func TestControlsAreUsed(t *testing.T) {
	t.Parallel()
	files, err := fs.Glob(patches, "*.patch")
	if err != nil {
		t.Fatal(err)
	}
	tests := testFiles(t)
	for _, file := range files {
		text, err := patches.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		m := header.FindSubmatch(text)
		if m == nil {
			t.Errorf("%s does not begin with %s", file, header)
			continue
		}
		for name := range strings.SplitSeq(string(m[1]), ", ") {
			used := false
			for _, source := range tests {
				used = used || strings.Contains(source, "func "+name+"(") && strings.Contains(source, `"`+strings.TrimSuffix(file, ".patch")+`"`)
			}
			if !used {
				t.Errorf("%s: %s does not use it", file, name)
			}
		}
	}
}

func testFiles(t *testing.T) (sources []string) {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join("..", "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range paths {
		source, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		sources = append(sources, string(source))
	}
	return sources
}

const code = "package x\n\nfunc f() {\n\tguard()\n\n\tgo on()\n}\n\nfunc g() {\n\tgo on()\n}\n"

func TestPatch(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ name, patch, want, wantErr string }{
		{
			name:  "a line less",
			patch: "Takes away: a guard\n\nIndex: x.go\n@@ f\n func f() {\n-\tguard()\n\n \tgo on()\n",
			want:  "package x\n\nfunc f() {\n\n\tgo on()\n}\n\nfunc g() {\n\tgo on()\n}\n",
		}, {
			name:  "two hunks with a blank line between them",
			patch: "Index: x.go\n@@ f\n-\tguard()\n\n@@ g\n func g() {\n-\tgo on()\n+\tstop()\n",
			want:  "package x\n\nfunc f() {\n\n\tgo on()\n}\n\nfunc g() {\n\tstop()\n}\n",
		}, {
			name:    "a line that is gone",
			patch:   "Index: x.go\n@@\n func f() {\n-\tguard(1)\n",
			wantErr: "it has no line\n\tguard(1)\nof\nfunc f() {\n\tguard(1)\n",
		}, {
			name:    "no more in this order",
			patch:   "Index: x.go\n@@\n \tgo on()\n-\tguard()\n",
			wantErr: "it has these lines, but not in this order:\n\tgo on()\n\tguard()\n",
		}, {
			name:    "more than one place",
			patch:   "Index: x.go\n@@\n-\tgo on()\n",
			wantErr: "it has this 2 times, want once:\n\tgo on()\n",
		}, {
			name:    "part of a line",
			patch:   "Index: x.go\n@@\n-guard()\n",
			wantErr: "it has no line\nguard()\nof\nguard()\n",
		},
		{name: "no place", patch: "Index: x.go\n@@\n+\tstop()\n", wantErr: "a hunk of x.go has nothing to find, or changes nothing"},
		{name: "no change", patch: "Index: x.go\n@@\n \tguard()\n", wantErr: "a hunk of x.go has nothing to find, or changes nothing"},
		{name: "no hunk", patch: "Takes away: nothing\n", wantErr: "there is no hunk"},
		{name: "a line between the hunks", patch: "Index: x.go\n-\tguard()\n", wantErr: "line belongs to no hunk: -\tguard()\n"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			hunks, err := parse(test.patch)
			got := code
			for _, h := range hunks {
				if got, err = h.apply(got); err != nil {
					break
				}
			}
			if err != nil {
				got = ""
			}
			if gotErr := errorText(err); gotErr != test.wantErr {
				t.Errorf("error (-want +got):\n%s", cmp.Diff(test.wantErr, gotErr))
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("patched (-want +got):\n%s", diff)
			}
		})
	}
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
