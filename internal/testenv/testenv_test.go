package testenv

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// A killed server comes back on the same port with the data it had flushed.
func TestKillAndRestartRedis(t *testing.T) {
	t.Parallel()
	Redis(t) // skips, or fails, where there is none
	aof := []string{"--appendonly", "yes", "--appendfsync", "always"}
	p, err := StartRedis(t.TempDir(), aof...)
	if err != nil {
		t.Fatal(err)
	}
	if got := command(t, p.Addr, "SET k v"); got != "+OK" {
		t.Fatalf("SET answers %q", got)
	}
	if err := p.Kill(); err != nil {
		t.Fatal(err)
	}
	if c, err := net.Dial("tcp", p.Addr); err == nil {
		_ = c.Close()
		t.Fatal("a killed server still listens")
	}
	if p, err = RestartRedis(p, aof...); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = p.Kill() }()
	if got := command(t, p.Addr, "STRLEN k"); got != ":1" {
		t.Fatalf("after the restart STRLEN answers %q", got)
	}
}

func command(t *testing.T, addr, line string) string {
	t.Helper()
	c, err := net.DialTimeout("tcp", addr, time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	_ = c.SetDeadline(time.Now().Add(5 * time.Second))
	fmt.Fprintf(c, "%s\r\n", line)
	answer, _, err := bufio.NewReader(c).ReadLine()
	if err != nil {
		t.Fatal(err)
	}
	return string(answer)
}

// What a test binary left behind goes when the next one starts; what one that lives uses stays.
func TestFoldersOfTheDeadAreRemoved(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	used, err := folder("muster-x-")
	if err != nil {
		t.Fatal(err)
	}
	left, err := folder("muster-x-")
	if err != nil {
		t.Fatal(err)
	}
	lock, _ := locks.LoadAndDelete(left)
	_ = lock.(*os.File).Close() // as the end of its process would
	hourAgo := time.Now().Add(-time.Hour)
	for _, dir := range []string{used, left} {
		if err := os.Chtimes(filepath.Join(dir, "lock"), hourAgo, hourAgo); err != nil {
			t.Fatal(err)
		}
	}
	sweep("muster-x-")
	if _, err := os.Stat(used); err != nil {
		t.Errorf("the folder in use: %v", err)
	}
	if _, err := os.Stat(left); !os.IsNotExist(err) {
		t.Errorf("the folder that was left: %v", err)
	}
}

func TestRequired(t *testing.T) {
	t.Setenv("MUSTER_TEST_REQUIRE", "mariadb,redis")
	if !Required("redis") || Required("mysql") {
		t.Fatal("MUSTER_TEST_REQUIRE is read wrongly")
	}
}
