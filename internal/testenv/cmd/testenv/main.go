// Testenv runs a command, such as go test ./..., beside one private MariaDB and one private Redis, and lists at its end
// what was skipped because a server is not installed.
package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"sort"
	"strings"
	"syscall"

	"github.com/musterhq/muster/internal/testenv"
)

func main() {
	args := os.Args[1:]
	if len(args) > 0 && args[0] == "--" {
		args = args[1:]
	}
	if len(args) == 0 {
		fmt.Fprintln(os.Stderr, "usage: testenv -- command [arg ...]")
		os.Exit(2)
	}
	code, err := run(args)
	if err != nil {
		fmt.Fprintln(os.Stderr, "testenv:", err)
	}
	os.Exit(code)
}

func run(args []string) (code int, err error) {
	dir, err := os.MkdirTemp("", "muster-testenv-")
	if err != nil {
		return 1, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	skips := filepath.Join(dir, "skips")
	env := append(os.Environ(), "MUSTER_TEST_SKIPS="+skips)
	for _, s := range []struct {
		name, variable, form string
		start                func(dir string, args ...string) (*testenv.Process, error)
	}{
		{"redis", "MUSTER_TEST_REDIS", "%s", testenv.StartRedis},
		{"mariadb", "MUSTER_TEST_MARIADB", "root@tcp(%s)/", testenv.StartMariaDB},
	} {
		if os.Getenv(s.variable) != "" || !testenv.Installed(s.name) {
			continue
		}
		sub := filepath.Join(dir, s.name)
		if err := os.Mkdir(sub, 0o755); err != nil {
			return 1, err
		}
		p, err := s.start(sub, strings.Fields(os.Getenv(s.variable+"_ARGS"))...)
		if err != nil {
			return 1, err
		}
		defer func() { _ = p.Kill() }()
		env = append(env, s.variable+"="+fmt.Sprintf(s.form, p.Addr))
	}
	err = command(args, env)
	report(skips)
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return max(exit.ExitCode(), 1), nil
	}
	if err != nil {
		return 1, err
	}
	return 0, nil
}

// command runs to its end even when this process is told to stop, so that the servers are stopped after it.
func command(args, env []string) error {
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Env, cmd.Stdin, cmd.Stdout, cmd.Stderr = env, os.Stdin, os.Stdout, os.Stderr
	// Caught, not ignored: the command would inherit that and be deaf to Ctrl-C, which a terminal sends to both.
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(signals)
	if err := cmd.Start(); err != nil {
		return err
	}
	ended := make(chan struct{})
	defer close(ended)
	go func() {
		for {
			select {
			case s := <-signals:
				if s == syscall.SIGTERM {
					_ = cmd.Process.Signal(s)
				}
			case <-ended:
				return
			}
		}
	}()
	return cmd.Wait()
}

// report prints the tests that did not run against every server.
func report(path string) {
	text, err := os.ReadFile(path)
	if err != nil {
		return
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	sort.Strings(lines)
	fmt.Printf("\n%d tests did not run against every server:\n", len(lines))
	for _, l := range lines {
		fmt.Println("  " + l)
	}
}
