package testenv

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Process is a server that this package started. On Linux it dies with the process that started it.
type Process struct {
	Addr string // host:port
	Dir  string // its data folder

	cmd  *exec.Cmd
	done chan struct{} // closed when it ended
}

// Installed reports whether a server's binaries can be found: those of "redis", "mariadb", "s3" or "vitess".
func Installed(name string) bool {
	binaries := map[string][]string{
		"redis": {"redis-server"}, "mariadb": {"mariadbd", "mariadb-install-db"}, "s3": {"versitygw"}, "vitess": {"mysqld", "vitess/vtcombo", "vitess/vtgate", "vitess/vttablet", "vitess/vtctldclient", "vitess/vtctld", "etcd"},
	}[name]
	for _, b := range binaries {
		path, err := find(b)
		if err != nil || b == "mysqld" && isMariaDB(path) {
			return false
		}
	}
	return len(binaries) > 0
}

// find looks also where Debian puts servers, which is not on every user's PATH, and where make builds them.
func find(binary string) (string, error) {
	if p, err := exec.LookPath(binary); err == nil {
		return p, nil
	}
	if _, here, _, ok := runtime.Caller(0); ok {
		if p, err := exec.LookPath(filepath.Join(filepath.Dir(here), "../../bin", binary)); err == nil {
			return p, nil
		}
	}
	return exec.LookPath(filepath.Join("/usr/sbin", binary))
}

// FreePort returns a TCP port on loopback that was free a moment ago.
func FreePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer func() { _ = l.Close() }()
	return l.Addr().(*net.TCPAddr).Port, nil
}

// StartRedis starts a Redis server with its data in dir; args add to or override its settings.
func StartRedis(dir string, args ...string) (*Process, error) {
	port, err := FreePort()
	if err != nil {
		return nil, err
	}
	return startRedisAt(dir, port, args...)
}

func startRedisAt(dir string, port int, args ...string) (*Process, error) {
	args = append([]string{
		"--port", strconv.Itoa(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", dir, "--daemonize", "no",
	}, args...)
	p, err := start("redis-server", dir, port, args...)
	if err != nil {
		return nil, err
	}
	if err := p.poll(loaded); err != nil {
		return nil, errors.Join(err, p.Kill())
	}
	return p, nil
}

// loaded reports whether the Redis at addr has read its append-only file; it listens before that.
func loaded(addr string) bool {
	c, err := net.DialTimeout("tcp", addr, time.Second)
	if err != nil {
		return false
	}
	defer func() { _ = c.Close() }()
	_ = c.SetDeadline(time.Now().Add(time.Second))
	fmt.Fprint(c, "PING\r\n")
	answer, err := bufio.NewReader(c).ReadString('\n')
	return err == nil && !strings.HasPrefix(answer, "-LOADING")
}

// RestartRedis starts a server again on the port and data of p, which has ended.
func RestartRedis(p *Process, args ...string) (*Process, error) {
	port, err := p.port()
	if err != nil {
		return nil, err
	}
	return startRedisAt(p.Dir, port, args...)
}

func (p *Process) port() (int, error) {
	_, port, err := net.SplitHostPort(p.Addr)
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(port)
}

// StartMariaDB starts a MariaDB server with its data in dir, made first when it is empty. root has no password and
// every commit is flushed, as in production.
func StartMariaDB(dir string, args ...string) (*Process, error) {
	data := filepath.Join(dir, "data")
	if _, err := os.Stat(data); errors.Is(err, os.ErrNotExist) {
		install, err := find("mariadb-install-db")
		if err != nil {
			return nil, err
		}
		cmd := exec.Command(install, "--no-defaults", "--auth-root-authentication-method=normal", "--skip-test-db",
			"--user="+user(), "--datadir="+data)
		cmd.Env = environ(dir)
		out, err := cmd.CombinedOutput()
		if err != nil {
			return nil, fmt.Errorf("mariadb-install-db: %w: %s", err, out)
		}
	}
	port, err := FreePort()
	if err != nil {
		return nil, err
	}
	return startMariaDBAt(dir, port, args...)
}

// RestartMariaDB starts a server again on the port and data of p, which has ended.
func RestartMariaDB(p *Process, args ...string) (*Process, error) {
	port, err := p.port()
	if err != nil {
		return nil, err
	}
	return startMariaDBAt(p.Dir, port, args...)
}

func startMariaDBAt(dir string, port int, args ...string) (*Process, error) {
	args = append([]string{
		"--no-defaults", "--user=" + user(), "--datadir=" + filepath.Join(dir, "data"), "--port=" + strconv.Itoa(port), "--bind-address=127.0.0.1",
		"--socket=" + filepath.Join(dir, "s.sock"), "--pid-file=" + filepath.Join(dir, "pid"), "--skip-name-resolve",
		"--innodb-flush-log-at-trx-commit=1", "--innodb-buffer-pool-size=512M", "--innodb-log-file-size=256M",
		"--max-allowed-packet=64M", "--local-infile=1", "--max-connections=500",
	}, args...)
	return start("mariadbd", dir, port, args...)
}

// environ is the environment of a server: its temporary files lie in a folder of its own. A MariaDB that starts removes
// the tables that others before it left in TMPDIR, and those of a server that still runs with them.
func environ(dir string) []string { return append(os.Environ(), "TMPDIR="+dir) }

func user() string {
	if os.Getuid() == 0 {
		return "root"
	}
	return os.Getenv("USER")
}

func start(binary, dir string, port int, args ...string) (*Process, error) {
	return startAs(nil, binary, dir, port, args...)
}

// account is who a server runs as.
type account struct{ uid, gid uint32 }

// startAs is start for a server that runs as somebody else; nil: as this process does.
func startAs(who *account, binary, dir string, port int, args ...string) (*Process, error) {
	path, err := find(binary)
	if err != nil {
		return nil, err
	}
	logName := filepath.Join(dir, filepath.Base(binary)+".log")
	log, err := os.Create(logName)
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(path, args...)
	cmd.Stdout, cmd.Stderr, cmd.Env = log, log, environ(dir)
	cmd.SysProcAttr = attributes(who)
	p := &Process{Addr: net.JoinHostPort("127.0.0.1", strconv.Itoa(port)), Dir: dir, cmd: cmd, done: make(chan struct{})}
	err = p.run()
	_ = log.Close() // the child has its own handle
	if err != nil {
		return nil, err
	}
	if err := p.poll(listens); err != nil {
		_ = p.Kill()
		text, _ := os.ReadFile(logName)
		return nil, fmt.Errorf("%s: %w: %s", binary, err, lastLines(string(text), 5))
	}
	return p, nil
}

func lastLines(text string, n int) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "; ")
}

// run starts the command on a thread that stays alive until it ends: Pdeathsig follows the thread that forked.
func (p *Process) run() error {
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := p.cmd.Start()
		started <- err
		if err != nil {
			return
		}
		_ = p.cmd.Wait()
		close(p.done)
	}()
	return <-started
}

func listens(addr string) bool {
	c, err := net.DialTimeout("tcp", addr, time.Second)
	return err == nil && c.Close() == nil
}

// poll waits until the server at p.Addr is ready.
func (p *Process) poll(ready func(addr string) bool) error {
	deadline := time.After(30 * time.Second)
	for {
		if ready(p.Addr) {
			return nil
		}
		select {
		case <-p.done:
			return errors.New("it ended at once")
		case <-deadline:
			return errors.New("it is not ready after 30 s")
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// PID is the process's id.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Stop asks the server to end and waits for it.
func (p *Process) Stop() error { return p.end(syscall.SIGTERM) }

// Kill ends the server at once, as a crash would, and waits for it.
func (p *Process) Kill() error { return p.end(syscall.SIGKILL) }

func (p *Process) end(sig syscall.Signal) error {
	if err := p.cmd.Process.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	select {
	case <-p.done:
		return nil
	case <-time.After(30 * time.Second):
		return fmt.Errorf("process %d does not end", p.cmd.Process.Pid)
	}
}
