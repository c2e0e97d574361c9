package docstest_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/musterhq/muster/internal/testenv"
)

// Every command of every page works, one after the other, in one shell of the page, in a folder with the samples of
// internal/columns, beside the stack of the page; and prints what the page shows.
func TestPages(t *testing.T) {
	t.Parallel()
	bin := build(t)
	for _, p := range pages(t) {
		if len(p.run()) == 0 {
			continue
		}
		t.Run(path.Base(p.name), func(t *testing.T) {
			t.Parallel()
			needs(t, p.run())
			ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
			defer cancel()
			s := startStack(ctx, t, bin, p.with)
			runPage(ctx, t, &p, s)
			if check := afterwards[p.name]; check != nil {
				check(t, s.api)
			}
		})
	}
}

// prelude makes what a page leaves out: that rows were rejected is no failure, that the API refuses is one.
const prelude = `set -eu
muster() { command muster "$@" || [ $? -eq 3 ]; }
trap 'code=$?; [ $code = 0 ] || echo "$at" >"$DOCS_OUT/failed"; for pid in $(jobs -p); do kill $pid 2>/dev/null || :; done; exit $code' EXIT
trap 'exit 1' TERM
`

func runPage(ctx context.Context, t *testing.T, p *page, s *stack) {
	t.Helper()
	out := t.TempDir()
	script := prelude
	for _, c := range p.run() {
		// What a page shows is compared, an error too; where it shows nothing, nothing may go wrong.
		mayFail, curl := "", `curl() { case " $* " in *" --fail "*) command curl -sS "$@";; *) command curl -sS --fail-with-body "$@";; esac; }`
		if c.shown != "" {
			mayFail, curl = " || :", `curl() { command curl -s "$@"; }`
		}
		script += fmt.Sprintf("%s\nat=%d; {\n%s\n} >\"$DOCS_OUT/%[2]d\" 2>&1%[4]s\n", curl, c.line, s.here(c.text), mayFail)
	}
	cmd := exec.CommandContext(ctx, "sh", "-c", script) //nolint:gosec // our own page
	cmd.Dir = s.dir
	cmd.Env = append(s.env, "DOCS_OUT="+out)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 10 * time.Second
	stderr, err := os.Create(filepath.Join(out, "stderr"))
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = stderr
	err = cmd.Run()
	_ = stderr.Close()
	printed := func(name string) string {
		text, err := os.ReadFile(filepath.Join(out, name))
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Fatal(err)
		}
		return s.there(string(text))
	}
	if err != nil {
		line := strings.TrimSpace(printed("failed"))
		t.Fatalf("%s:%s: %v\n%s%s", p.name, line, err, printed(line), printed("stderr"))
	}
	for _, c := range p.run() {
		if got := printed(fmt.Sprint(c.line)); c.shown != "" && !matches(c.shown, got) {
			t.Errorf("%s:%d: %s\nprints\n%s\nand the page shows\n%s", p.name, c.line, c.text, got, c.shown)
		}
	}
}

// needs skips the test where a program is missing that the commands call.
func needs(t *testing.T, commands []command) {
	t.Helper()
	for _, program := range []string{"sh", "curl", "sed", "gzip", "jq", "python3"} {
		_, err := exec.LookPath(program)
		if err != nil && slices.ContainsFunc(commands, func(c command) bool { return program == "sh" || strings.Contains(c.text, program) }) {
			testenv.Missing(t, program)
			t.SkipNow()
		}
	}
}

// build compiles the commands, once for all tests, and returns the folder.
func build(t *testing.T) string {
	t.Helper()
	built.once.Do(func() {
		built.dir, built.err = os.MkdirTemp("", "muster-docs-") //nolint:usetesting // for all tests, not for the first
		if built.err != nil {
			return
		}
		cmd := exec.Command("go", "build", "-ldflags=-s -w", "-o", built.dir, "./cmd/...") //nolint:gosec // a folder of ours
		cmd.Dir = root
		if out, err := cmd.CombinedOutput(); err != nil {
			built.err = fmt.Errorf("%w: %s", err, out)
		}
	})
	if built.err != nil {
		t.Fatal(built.err)
	}
	// Go caches a passing result until a file changes that the test itself has looked at; what the go command reads does not count.
	for _, from := range []string{"cmd", "internal", "client", "go.mod"} {
		err := filepath.WalkDir(filepath.Join(root, from), func(path string, _ fs.DirEntry, err error) error {
			if err == nil {
				_, err = os.Stat(path)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return built.dir
}

var built struct {
	once sync.Once
	dir  string
	err  error
}

func TestMain(m *testing.M) {
	code := m.Run()
	if built.dir != "" {
		_ = os.RemoveAll(built.dir)
	}
	os.Exit(code)
}
