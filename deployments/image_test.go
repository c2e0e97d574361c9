package deployments_test

import (
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// The image is built from what Dockerfile.dockerignore lets through: every folder that the commands import from must be
// in it.
func TestImageHasItsSources(t *testing.T) {
	t.Parallel()
	file, err := os.ReadFile("Dockerfile.dockerignore")
	if err != nil {
		t.Fatal(err)
	}
	allowed := strings.Split(string(file), "\n")
	const module = "github.com/musterhq/muster/"
	cmd := exec.CommandContext(t.Context(), "go", "list", "-deps", "./cmd/...")
	cmd.Dir = ".."
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	checked := 0
	for path := range strings.Lines(string(out)) {
		name, ours := strings.CutPrefix(strings.TrimSpace(path), module)
		if !ours {
			continue
		}
		checked++
		if top, _, _ := strings.Cut(name, "/"); !slices.Contains(allowed, "!"+top) {
			t.Errorf("the image is built without %s, which a command imports", name)
		}
	}
	if checked == 0 {
		t.Fatal("no package of the module was checked")
	}
}
