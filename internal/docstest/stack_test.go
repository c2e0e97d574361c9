package docstest_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/musterhq/muster/internal/testenv"
)

// stack is what the commands of a page work with: a folder of their own, an environment, and servers at other addresses than
// the page says.
type stack struct {
	dir string
	env []string
	api string // http://host:port

	toHere, toThere *strings.Replacer
}

func (s *stack) here(text string) string  { return s.toHere.Replace(text) }
func (s *stack) there(text string) string { return s.toThere.Replace(text) }

// at says where the addresses that pages name are in truth.
func (s *stack) at(addresses map[string]string) {
	var there []string
	var here []string
	for page, truth := range addresses {
		here, there = append(here, page, truth), append(there, truth, page)
	}
	s.toHere, s.toThere = strings.NewReplacer(here...), strings.NewReplacer(there...)
}

// startStack starts what a page needs. with is what it says of that: `servers` are a MariaDB and a Redis, beside which the page
// starts its own processes; otherwise there is a `muster dev`, for which NAME=value are settings.
func startStack(ctx context.Context, t *testing.T, bin string, with []string) *stack {
	t.Helper()
	s := &stack{dir: t.TempDir()}
	samples(t, s.dir)
	home := t.TempDir()
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "MUSTER_") && !strings.HasPrefix(v, "PATH=") && !strings.HasPrefix(v, "HOME=") {
			s.env = append(s.env, v)
		}
	}
	s.env = append(s.env, "PATH="+bin+string(os.PathListSeparator)+os.Getenv("PATH"), "HOME="+home)
	if err := os.Symlink(bin, filepath.Join(s.dir, "bin")); err != nil {
		t.Fatal(err)
	}
	if slices.Contains(with, "servers") {
		s.startServers(t, home)
	} else {
		s.startDev(ctx, t, filepath.Join(bin, "muster"), with)
	}
	return s
}

// startServers starts a MariaDB and a Redis for one page: it makes the database and the account that it likes.
func (s *stack) startServers(t *testing.T, home string) {
	t.Helper()
	servers := map[string]func(string, ...string) (*testenv.Process, error){"mariadb": testenv.StartMariaDB, "redis": testenv.StartRedis}
	addr := map[string]string{}
	for name, start := range servers {
		if !testenv.Installed(name) {
			testenv.Missing(t, name)
			t.SkipNow()
		}
		p, err := start(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = p.Kill() })
		addr[name] = p.Addr
	}
	ports := map[string]string{"127.0.0.1:3306": addr["mariadb"], "127.0.0.1:6379": addr["redis"]}
	for _, page := range []string{"127.0.0.1:8080", "127.0.0.1:9090", "127.0.0.1:9091"} {
		port, err := testenv.FreePort()
		if err != nil {
			t.Fatal(err)
		}
		ports[page] = fmt.Sprintf("127.0.0.1:%d", port)
	}
	s.at(ports)
	s.api = "http://" + ports["127.0.0.1:8080"]
	// What a process takes when a page does not say where it listens.
	s.env = append(s.env, "MUSTER_HTTP_ADDR="+ports["127.0.0.1:8080"], "MUSTER_ADMIN_ADDR="+ports["127.0.0.1:9090"], "MUSTER_URL="+s.api)
	host, port, err := net.SplitHostPort(addr["mariadb"])
	if err != nil {
		t.Fatal(err)
	}
	// For `mariadb`, `mariadb-dump` and the like.
	settings := fmt.Sprintf("[client]\nhost=%s\nport=%s\nprotocol=tcp\n", host, port)
	if err := os.WriteFile(filepath.Join(home, ".my.cnf"), []byte(settings), 0o600); err != nil {
		t.Fatal(err)
	}
}

// startDev starts `muster dev` in the folder of the page.
func (s *stack) startDev(ctx context.Context, t *testing.T, muster string, with []string) {
	t.Helper()
	incoming := filepath.Join(s.dir, "incoming")
	if err := os.MkdirAll(incoming, 0o750); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(ctx, muster, "dev", "--offline", "--addr=127.0.0.1:0", "--admin-addr=127.0.0.1:0") //nolint:gosec // built by this test
	cmd.Dir, cmd.Stderr = s.dir, t.Output()
	cmd.Env = append(append(s.env, "MUSTER_IMPORT_FROM=file://"+incoming), with...)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 20 * time.Second
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
	})
	admin := ""
	for lines := bufio.NewScanner(stdout); admin == "" && lines.Scan(); {
		switch words := strings.Fields(lines.Text()); {
		case len(words) == 2 && words[0] == "API":
			s.api = strings.TrimSuffix(words[1], "/docs")
		case len(words) == 2 && words[0] == "queue":
			admin = strings.TrimSuffix(words[1], "/monitoring")
		}
	}
	if admin == "" {
		t.Fatal("muster dev does not say where it listens")
	}
	go func() { _, _ = io.Copy(io.Discard, stdout) }()
	port, err := testenv.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	s.env = append(s.env, "MUSTER_URL="+s.api)
	receiver := fmt.Sprintf("127.0.0.1:%d", port) // of webhooks, in the page itself
	s.at(map[string]string{"127.0.0.1:9000": receiver, `"127.0.0.1", 9000`: fmt.Sprintf(`"127.0.0.1", %d`, port), "127.0.0.1:8080": strings.TrimPrefix(s.api, "http://"), "127.0.0.1:9090": strings.TrimPrefix(admin, "http://")})
}

// samples copies the exports of other systems into dir.
func samples(t *testing.T, dir string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(root, "internal/columns/testdata/[a-z]*.*"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no samples: %v", err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, filepath.Base(file)), text, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}
