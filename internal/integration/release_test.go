package integration

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/musterhq/muster/internal/integration/controls"
	"github.com/musterhq/muster/internal/testenv"
)

// release is the last release before this tree, as its tag has it.
type release struct {
	tag     string
	sources string
	bin     string // its commands, with the hooks of internal/crash
}

var lastRelease = sync.OnceValues(buildRelease)

// theRelease returns the last release; where git does not know it, as in a shallow clone, the test is skipped.
func theRelease(t testing.TB) release {
	t.Helper()
	r, err := lastRelease()
	if errors.Is(err, errNoRelease) {
		testenv.Missing(t, "release")
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	return r
}

var errNoRelease = errors.New("git knows no release before this tree: a shallow clone lacks tags (git fetch --tags --unshallow)")

// buildRelease builds the last release below bin/, by its commit: the go command's cache knows sources by where they lie, and the
// next run finds them built.
func buildRelease() (r release, err error) {
	if r.tag, err = releaseTag(); err != nil {
		return r, err
	}
	commit, err := git("rev-parse", "--short", r.tag+"^{commit}")
	if err != nil {
		return r, err
	}
	// The underscore keeps the go command's ./... out, which would take the sources of a control for packages of ours.
	dir, err := filepath.Abs(filepath.Join(root, "bin", "_release-"+commit))
	if err != nil {
		return r, err
	}
	r.sources, r.bin = filepath.Join(dir, "sources"), filepath.Join(dir, "commands")
	if _, err := os.Stat(r.sources); errors.Is(err, os.ErrNotExist) {
		if err := export(r.tag, r.sources); err != nil {
			return r, err
		}
	}
	return r, r.build(r.bin)
}

// export writes the sources of a tag into dir, all or nothing.
func export(tag, dir string) error {
	part := dir + "~"
	if err := errors.Join(os.RemoveAll(part), os.MkdirAll(part, 0o755)); err != nil {
		return err
	}
	archive := part + ".tar"
	if _, err := git("archive", "--format=tar", "--output="+archive, tag); err != nil {
		return err
	}
	if _, err := run(part, "tar", "-xf", archive); err != nil {
		return err
	}
	return errors.Join(os.Remove(archive), os.Rename(part, dir))
}

// releaseTag returns the tag of the last release among the ancestors of HEAD, and not of HEAD itself. Pre-releases do not count.
func releaseTag() (string, error) {
	here, err := git("tag", "--points-at", "HEAD")
	if err != nil {
		return "", fmt.Errorf("%w: %w", errNoRelease, err)
	}
	args := []string{"describe", "--tags", "--abbrev=0", "--match=v*", "--exclude=*-*"}
	for tag := range strings.FieldsSeq(here) {
		args = append(args, "--exclude="+tag)
	}
	tag, err := git(args...)
	if err != nil {
		return "", fmt.Errorf("%w: %w", errNoRelease, err)
	}
	return tag, nil
}

// build builds the release's commands into dir.
func (r release) build(dir string, flags ...string) error {
	args := append([]string{"build", "-buildvcs=false", "-tags=chaos", "-o", dir + string(filepath.Separator)}, flags...)
	_, err := run(r.sources, "go", append(args, "./cmd/...")...)
	return err
}

// without builds the release's commands so that they lack what the control takes away, and returns where they are.
func (r release) without(control string) (dir string, err error) {
	dir = filepath.Join(r.bin, control)
	overlay, err := controls.Overlay(r.sources, filepath.Join(dir, "sources"), control)
	if err != nil {
		return "", err
	}
	return dir, r.build(dir, "-overlay", overlay)
}

// git returns what git says of this tree, without the last line end.
func git(args ...string) (string, error) {
	out, err := run(root, "git", args...)
	return strings.TrimSpace(out), err
}

func run(dir, name string, args ...string) (string, error) {
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		err = fmt.Errorf("%s: %w: %s", cmd, err, out)
	}
	return string(out), err
}
