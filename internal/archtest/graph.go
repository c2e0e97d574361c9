// Package archtest checks who imports whom. The compiler forbids cycles only; the rules that keep SQL, queue and HTTP
// apart are written as a table in this package's test, which prints the offending chain.
package archtest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"slices"
)

// Package is a node of the import graph.
type Package struct {
	ImportPath   string
	Imports      []string // of its files without tests
	Standard     bool     // part of the standard library
	GoFiles      []string
	TestGoFiles  []string // in the package itself
	XTestGoFiles []string // in its _test package
}

// Graph holds packages by import path.
type Graph map[string]*Package

// Load asks the go command for the packages that match the patterns in dir and all that they depend on.
// Packages that do not compile are fine; imports are read from the files.
func Load(ctx context.Context, dir string, patterns ...string) (Graph, error) {
	args := []string{"list", "-e", "-deps", "-json=ImportPath,Imports,Standard,GoFiles,TestGoFiles,XTestGoFiles", "--"}
	cmd := exec.CommandContext(ctx, "go", append(args, patterns...)...)
	var stderr bytes.Buffer
	cmd.Dir, cmd.Stderr = dir, &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go list: %w: %s", err, stderr.Bytes())
	}
	g := Graph{}
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p Package
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return g, nil
		} else if err != nil {
			return nil, fmt.Errorf("go list: %w", err)
		}
		if len(p.GoFiles)+len(p.TestGoFiles)+len(p.XTestGoFiles) > 0 { // else it is imported but does not exist
			g[p.ImportPath] = &p
		}
	}
}

// Chain is a shortest chain of imports that leads from a package to one that match accepts, both ends included. It is
// nil where there is none. Among equally short chains the alphabet decides.
func (g Graph) Chain(from string, match func(path string) bool) []string {
	cameFrom := map[string]string{from: ""}
	for queue := []string{from}; len(queue) > 0; queue = queue[1:] {
		path := queue[0]
		if match(path) {
			var chain []string
			for p := path; p != ""; p = cameFrom[p] {
				chain = append(chain, p)
			}
			slices.Reverse(chain)
			return chain
		}
		p := g[path]
		if p == nil {
			continue // it does not exist: the compiler says so better
		}
		for _, next := range slices.Sorted(slices.Values(p.Imports)) {
			if _, seen := cameFrom[next]; !seen {
				cameFrom[next] = path
				queue = append(queue, next)
			}
		}
	}
	return nil
}
