package main

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
)

// demo measures S2: the import that `make demo` runs, in a folder of its own.
func demo(ctx context.Context, l *lab) (result, error) {
	n := l.size(1e6)
	cmd := exec.CommandContext(ctx, filepath.Join(l.binaries, "muster"), "demo", "--count", strconv.FormatInt(n, 10))
	cmd.Dir = l.dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		return result{}, fmt.Errorf("%w\n%s", err, out)
	}
	took, err := demoTime(string(out), n)
	return result{Values: []float64{took}}, err
}

var importedLine = regexp.MustCompile(`Imported (\d+) users in ([\d.]+) s\.`)

// demoTime reads from what the demo prints how many seconds its import of n users took.
func demoTime(out string, n int64) (float64, error) {
	m := importedLine.FindStringSubmatch(out)
	if m == nil || m[1] != strconv.FormatInt(n, 10) {
		return 0, fmt.Errorf("the demo does not say that it imported %d users:\n%s", n, out)
	}
	return strconv.ParseFloat(m[2], 64)
}
