package testenv

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

// isMariaDB reports whether a mysqld is MariaDB's, which has a command of that name, too.
func isMariaDB(mysqld string) bool {
	out, err := exec.Command(mysqld, "--no-defaults", "--version").Output()
	return err != nil || strings.Contains(string(out), "MariaDB")
}

// StartMySQL starts a MySQL server with its data in dir, made first when it is empty, which takes 20 s. root has no password, and
// the socket is s.sock in dir.
func StartMySQL(dir string, args ...string) (*Process, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	data := filepath.Join(dir, "data")
	if _, err := os.Stat(data); errors.Is(err, os.ErrNotExist) {
		mysqld, err := find("mysqld")
		if err != nil {
			return nil, err
		}
		cmd := exec.Command(mysqld, "--no-defaults", "--user="+user(), "--datadir="+data, "--initialize-insecure")
		cmd.Env = environ(dir)
		if out, err := cmd.CombinedOutput(); err != nil {
			return nil, fmt.Errorf("mysqld --initialize-insecure: %w: %s", err, out)
		}
	}
	port, err := FreePort()
	if err != nil {
		return nil, err
	}
	return startMySQLAt(dir, port, args...)
}

// RestartMySQL starts a server again on the port and data of p, which has ended.
func RestartMySQL(p *Process, args ...string) (*Process, error) {
	port, err := p.port()
	if err != nil {
		return nil, err
	}
	return startMySQLAt(p.Dir, port, args...)
}

func startMySQLAt(dir string, port int, args ...string) (*Process, error) {
	args = append([]string{
		"--no-defaults", "--user=" + user(), "--datadir=" + filepath.Join(dir, "data"), "--port=" + strconv.Itoa(port), "--bind-address=127.0.0.1",
		"--socket=" + filepath.Join(dir, "s.sock"), "--pid-file=" + filepath.Join(dir, "pid"), "--mysqlx=OFF",
		"--secure-file-priv=NULL", "--gtid-mode=ON", "--enforce-gtid-consistency", // Vitess asks for these
		"--innodb-buffer-pool-size=256M", "--max-allowed-packet=64M", "--max-connections=1000",
	}, args...)
	return start("mysqld", dir, port, args...)
}
