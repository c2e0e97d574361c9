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
	"strings"
)

// commands are those of cmd; a test says so.
var commands = []string{"api", "muster", "worker"}

const stamp = "github.com/musterhq/muster/cmd/internal/boot"

// buildFlags are those of `go build`. The Dockerfile has the same; a test says so.
func buildFlags(version, revision string) []string {
	return []string{
		"-trimpath", "-buildvcs=false",
		fmt.Sprintf("-ldflags=-s -w -X %[1]s.release=%[2]s -X %[1]s.revision=%[3]s", stamp, version, revision),
	}
}

// build puts the commands for a platform into dir.
func (r release) build(ctx context.Context, platform, dir string) error {
	system, arch, ok := strings.Cut(platform, "/")
	if !ok {
		return fmt.Errorf("%q is not a platform", platform)
	}
	into, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	args := append([]string{"build"}, buildFlags(r.version, r.revision)...)
	cmd := exec.CommandContext(ctx, "go", append(args, "-o", into+string(filepath.Separator), "./cmd/...")...)
	cmd.Dir = r.root
	// Settings of the machine must not change what is built: processor levels, experiments, flags.
	cmd.Env = append(os.Environ(), "GOOS="+system, "GOARCH="+arch, "CGO_ENABLED=0", "GOAMD64=v1", "GOARM64=v8.0", "GOEXPERIMENT=", "GOFLAGS=", "GOWORK=off")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("go build: %w\n%s", err, out)
	}
	return nil
}

// exe is how programs end there.
func exe(platform string) string {
	if strings.HasPrefix(platform, "windows/") {
		return ".exe"
	}
	return ""
}

// sbomEnding is the end of the name of a list of modules, in the form of CycloneDX.
const sbomEnding = ".cdx.json"

// modules lists in the file name what a program was built from, without anything that another run would write otherwise.
func (r release) modules(ctx context.Context, program, name string) error {
	cmd := exec.CommandContext(ctx, "go", "tool", "-modfile="+filepath.Join("tools", "release", "go.mod"), "cyclonedx-gomod",
		"bin", "-json", "-noserial", "-notimestamp", "-std", "-version", r.version, program)
	var problems bytes.Buffer
	cmd.Stderr = &problems
	text, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("cyclonedx-gomod: %w\n%s", err, &problems)
	}
	if text, err = withoutTool(text); err != nil {
		return fmt.Errorf("cyclonedx-gomod: %w", err)
	}
	return os.WriteFile(name, text, 0o644) //nolint:gosec // published
}

// withoutTool takes the checksums of the program that wrote a list out of it: it was compiled on another machine next time.
func withoutTool(text []byte) ([]byte, error) {
	var list map[string]any
	if err := json.Unmarshal(text, &list); err != nil {
		return nil, err
	}
	metadata, _ := list["metadata"].(map[string]any)
	tools, _ := metadata["tools"].([]any)
	if len(tools) == 0 {
		return nil, errors.New("the list does not say what wrote it")
	}
	for _, t := range tools {
		if tool, ok := t.(map[string]any); ok {
			delete(tool, "hashes")
		}
	}
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	err := e.Encode(list)
	return out.Bytes(), err
}
