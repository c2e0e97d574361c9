package main

import (
	"bufio"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/musterhq/muster/cmd/internal/boot"
)

// The addresses of `muster dev` are flags, else the variables that every command reads, else loopback.
func TestDevAddresses(t *testing.T) { // sets the environment, so it is not parallel
	addresses := func(args ...string) [2]string {
		t.Helper()
		var c commands
		if _, err := boot.Parse("muster", "", &c, append([]string{"dev"}, args...), io.Discard); err != nil {
			t.Fatal(err)
		}
		return [2]string{c.Dev.Addr, c.Dev.AdminAddr}
	}
	if got, want := addresses(), [2]string{"127.0.0.1:8080", "127.0.0.1:9090"}; got != want {
		t.Errorf("by default: %q, want %q", got, want)
	}
	t.Setenv("MUSTER_HTTP_ADDR", "127.0.0.1:1")
	t.Setenv("MUSTER_ADMIN_ADDR", "") // as if it were not set
	if got, want := addresses(), [2]string{"127.0.0.1:1", "127.0.0.1:9090"}; got != want {
		t.Errorf("from the environment: %q, want %q", got, want)
	}
	if got, want := addresses("--addr=127.0.0.1:2", "--admin-addr=127.0.0.1:3"), [2]string{"127.0.0.1:2", "127.0.0.1:3"}; got != want {
		t.Errorf("flags: %q, want %q", got, want)
	}
}

// The variables that a message about a taken port names are those that move it, and no variable leads to another database.
func TestDevHeedsTheEnvironment(t *testing.T) { // sets the environment, so it is not parallel
	dir := t.TempDir()
	secret := filepath.Join(dir, "database")
	if err := os.WriteFile(secret, []byte("mysql://muster:secret@127.0.0.1:1/production"), 0o600); err != nil {
		t.Fatal(err)
	}
	var listen net.ListenConfig
	l, err := listen.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	taken := l.Addr().String()
	t.Setenv("MUSTER_DATABASE_FILE", secret)
	t.Setenv("MUSTER_HTTP_ADDR", taken)
	t.Setenv("MUSTER_ADMIN_ADDR", "")
	data := "--data=" + filepath.Join(dir, "data")
	if s := muster(t, "dev", data); s.failure == nil || !strings.Contains(s.failure.Error(), "MUSTER_HTTP_ADDR") || !strings.Contains(s.failure.Error(), taken) {
		t.Errorf("a taken port: %v", s.failure)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	t.Setenv("MUSTER_HTTP_ADDR", "127.0.0.1:0")
	api := startDev(t, data)
	if !strings.HasPrefix(api, "http://127.0.0.1:") || strings.HasSuffix(api, ":8080") {
		t.Errorf("the API is at %s", api)
	}
	if s := muster(t, "health", strings.TrimPrefix(api, "http://")+"/readyz"); s.failure != nil {
		t.Error(s.failure)
	}
	if _, err := os.Stat(filepath.Join(dir, "data", "muster.db")); err != nil {
		t.Error(err)
	}
	// A second one on the folder.
	s := muster(t, "dev", data)
	if s.failure == nil || !strings.Contains(s.failure.Error(), "process "+strconv.Itoa(os.Getpid())+" at "+api) || !strings.Contains(s.failure.Error(), "--data") {
		t.Errorf("a second one: %v", s.failure)
	}
}

func TestOrigin(t *testing.T) {
	t.Parallel()
	for addr, want := range map[string]string{
		"127.0.0.1:8080": "http://127.0.0.1:8080", "0.0.0.0:80": "http://127.0.0.1:80", "[::]:80": "http://127.0.0.1:80", "[::1]:80": "http://[::1]:80",
	} {
		a, err := net.ResolveTCPAddr("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		if got := origin(a); got != want {
			t.Errorf("%s is at %s, want %s", addr, got, want)
		}
	}
}

// holdFolder in the environment makes this test's process take that folder, say so and wait.
const holdFolder = "MUSTER_TEST_HOLD_FOLDER"

// The folder is free again when its process is gone, though it could not say so.
func TestFolderOfADeadProcess(t *testing.T) {
	if dir := os.Getenv(holdFolder); dir != "" {
		if _, err := takeFolder(dir); err != nil {
			t.Fatal(err)
		}
		_, _ = os.Stdout.WriteString("taken\n")
		_, _ = io.Copy(io.Discard, os.Stdin)
		return
	}
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "data")
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$") //nolint:gosec // this test
	cmd.Env = append(os.Environ(), holdFolder+"="+dir)
	stdin, err := cmd.StdinPipe() // open until it is killed
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = stdin.Close() }()
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(stdout).ReadString('\n'); line != "taken\n" {
		t.Fatalf("the other process says %q, %v", line, err)
	}
	if _, err := takeFolder(dir); err == nil || !strings.Contains(err.Error(), "process "+strconv.Itoa(cmd.Process.Pid)) {
		t.Errorf("taken twice: %v", err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	f, err := takeFolder(dir)
	if err != nil {
		t.Fatalf("after its end: %v", err)
	}
	if _, err := takeFolder(filepath.Join(dir, "..", "data", ".")); err == nil || !strings.Contains(err.Error(), strconv.Itoa(os.Getpid())) {
		t.Errorf("by another path: %v", err)
	}
	if err := f.close(); err != nil {
		t.Error(err)
	}
}
