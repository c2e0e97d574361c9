package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
)

// check makes the release in a temporary folder and looks at each file; then one platform again from a copy of the sources
// elsewhere, which must give the same bytes.
func (r release) check(ctx context.Context) (err error) {
	dir, err := os.MkdirTemp("", "muster-release-check-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	first := filepath.Join(dir, "first")
	if err := r.write(ctx, first); err != nil {
		return err
	}
	for _, p := range r.platforms {
		if err := r.inspect(first, p); err != nil {
			return fmt.Errorf("%s: %w", r.archive(p), err)
		}
	}
	if err := r.sumsMatch(first); err != nil {
		return err
	}
	here := runtime.GOOS + "/" + runtime.GOARCH
	if !slices.Contains(r.platforms, here) {
		return fmt.Errorf("%s is not among the platforms: nothing could be run", here)
	}
	if err := r.runs(ctx, filepath.Join(first, r.archive(here)), here, filepath.Join(dir, "unpacked")); err != nil {
		return err
	}
	if err := r.again(ctx, dir, here); err != nil {
		return err
	}
	fmt.Printf("%s: %d platforms, checksums and lists of modules are right; %s runs, and is the same when built elsewhere\n", r.version, len(r.platforms), here)
	return nil
}

// inspect looks whether an archive and its list of modules hold what they should.
func (r release) inspect(dir, platform string) error {
	archive := filepath.Join(dir, r.archive(platform))
	got, err := contents(archive)
	if err != nil {
		return err
	}
	for _, f := range r.files(platform, "") {
		text, ok := got[r.name(platform)+"/"+f.name]
		switch {
		case !ok:
			return fmt.Errorf("%s is missing", f.name)
		case f.mode == 0o755 && !isProgram(text, platform):
			return fmt.Errorf("%s is not a program of %s", f.name, platform)
		case f.mode == 0o755 && !bytes.Contains(text, []byte(r.version)):
			return fmt.Errorf("%s does not know its version", f.name)
		case len(text) == 0:
			return fmt.Errorf("%s is empty", f.name)
		}
		delete(got, r.name(platform)+"/"+f.name)
	}
	for name := range got {
		return fmt.Errorf("%s does not belong there", name)
	}
	return r.inspectModules(archive + sbomEnding)
}

func (r release) inspectModules(name string) error {
	text, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	var list struct {
		Metadata   struct{ Component struct{ Version string } }
		Components []struct{ Name, Version string }
	}
	if err := json.Unmarshal(text, &list); err != nil {
		return fmt.Errorf("%s: %w", filepath.Base(name), err)
	}
	if list.Metadata.Component.Version != r.version || len(list.Components) < 10 {
		return fmt.Errorf("%s is of version %q, and lists %d modules", filepath.Base(name), list.Metadata.Component.Version, len(list.Components))
	}
	return nil
}

// isProgram knows programs by their first bytes.
func isProgram(text []byte, platform string) bool {
	system, _, _ := strings.Cut(platform, "/")
	begin := map[string]string{"linux": "\x7fELF", "darwin": "\xcf\xfa\xed\xfe", "windows": "MZ"}[system]
	return begin != "" && bytes.HasPrefix(text, []byte(begin))
}

// sumsMatch reads the checksums as somebody does who downloaded everything.
func (r release) sumsMatch(dir string) error {
	list, err := os.ReadFile(filepath.Join(dir, r.checksumsFile()))
	if err != nil {
		return err
	}
	named := 0
	for line := range strings.Lines(string(list)) {
		want, name, _ := strings.Cut(strings.TrimSpace(line), "  ")
		sum, err := sha256Of(filepath.Join(dir, name))
		if err != nil {
			return err
		}
		if fmt.Sprintf("%x", sum) != want {
			return fmt.Errorf("%s has another checksum than the list says", name)
		}
		named++
	}
	if named != 2*len(r.platforms) {
		return fmt.Errorf("the list of checksums names %d files of %d platforms", named, len(r.platforms))
	}
	return nil
}

// runs asks each command of an archive for its version.
func (r release) runs(ctx context.Context, archive, platform, dir string) error {
	files, err := contents(archive)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil { //nolint:gosec // temporary
		return err
	}
	for _, c := range commands {
		program := filepath.Join(dir, c+exe(platform))
		if err := os.WriteFile(program, files[r.name(platform)+"/"+c+exe(platform)], 0o755); err != nil { //nolint:gosec // a program
			return err
		}
		out, err := exec.CommandContext(ctx, program, "--version").Output()
		if err != nil {
			return fmt.Errorf("%s --version: %w", c, err)
		}
		want := fmt.Sprintf("%s %s (%s %s)\n", c, r.version, runtime.Version(), platform)
		if string(out) != want {
			return fmt.Errorf("%s --version says %q, want %q", c, out, want)
		}
	}
	return nil
}

// again packs one platform once more, from a copy of the commit's sources in another folder. The go command may take what it
// compiled from its cache; it links anew.
func (r release) again(ctx context.Context, dir, platform string) error {
	second := r
	second.root = filepath.Join(dir, "sources")
	if err := os.MkdirAll(second.root, 0o755); err != nil { //nolint:gosec // temporary
		return err
	}
	sources := exec.CommandContext(ctx, "git", "archive", "--format=tar", "--output="+filepath.Join(dir, "sources.tar"), r.revision)
	if out, err := sources.CombinedOutput(); err != nil {
		return fmt.Errorf("git archive: %w\n%s", err, out)
	}
	if out, err := exec.CommandContext(ctx, "tar", "xf", filepath.Join(dir, "sources.tar"), "-C", second.root).CombinedOutput(); err != nil { //nolint:gosec // our own
		return fmt.Errorf("tar: %w\n%s", err, out)
	}
	into := filepath.Join(dir, "second")
	second.platforms = []string{platform}
	if err := second.write(ctx, into); err != nil {
		return err
	}
	for _, name := range []string{r.archive(platform), r.archive(platform) + sbomEnding} {
		one, err := os.ReadFile(filepath.Join(dir, "first", name))
		if err != nil {
			return err
		}
		other, err := os.ReadFile(filepath.Join(into, name))
		if err != nil {
			return err
		}
		if !bytes.Equal(one, other) {
			return fmt.Errorf("%s is another when it is built from a copy of the commit (with changes that are not committed it would be)", name)
		}
	}
	return nil
}
