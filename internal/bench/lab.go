package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/redis/go-redis/v9"

	"github.com/musterhq/muster/internal/store"
	"github.com/musterhq/muster/internal/testenv"
)

// engine is a server to measure on.
type engine struct {
	name     string
	dsn      string
	version  string
	settings string // of the server, that matter for imports
}

// engines returns the servers that internal/testenv/cmd/testenv started, or that the environment names.
func engines(ctx context.Context) (list []engine, err error) {
	for _, e := range []engine{{name: "mariadb", dsn: os.Getenv("MUSTER_TEST_MARIADB")}, {name: "mysql", dsn: os.Getenv("MUSTER_TEST_MYSQL")}} {
		if e.dsn == "" {
			continue
		}
		db, err := sql.Open("mysql", e.dsn)
		if err != nil {
			return nil, err
		}
		err = db.QueryRowContext(ctx, "SELECT VERSION()").Scan(&e.version)
		if err == nil {
			e.settings, err = settingsOf(ctx, db)
		}
		if err := errors.Join(err, db.Close()); err != nil {
			return nil, fmt.Errorf("%s: %w", e.name, err)
		}
		list = append(list, e)
	}
	if len(list) == 0 {
		return nil, errors.New("no server to measure on: make bench starts one, or MUSTER_TEST_MARIADB names one")
	}
	return list, nil
}

// settingsOf returns the settings of a server on which imports depend.
func settingsOf(ctx context.Context, db *sql.DB) (text string, err error) {
	var list []string
	for _, name := range []string{
		"innodb_buffer_pool_size", "innodb_log_file_size", "innodb_redo_log_capacity", "innodb_flush_log_at_trx_commit", "log_bin", "sync_binlog",
	} {
		var value string
		switch err := db.QueryRowContext(ctx, "SHOW GLOBAL VARIABLES LIKE '"+name+"'").Scan(&name, &value); {
		case errors.Is(err, sql.ErrNoRows): // one server has it, the other not
			continue
		case err != nil:
			return "", err
		}
		if n, err := strconv.ParseInt(value, 10, 64); err == nil && n >= 1<<20 {
			value = strconv.FormatInt(n>>20, 10) + " MiB"
		}
		list = append(list, name+" "+value)
	}
	return strings.Join(list, ", "), nil
}

// build compiles the commands as they are deployed, and returns the folder of the binaries.
func build(ctx context.Context) (dir string, cleanup func(), err error) {
	if dir, err = os.MkdirTemp("", "muster-bench-"); err != nil {
		return "", nil, err
	}
	cleanup = func() { _ = os.RemoveAll(dir) }
	out, err := exec.CommandContext(ctx, "go", "build", "-o", dir, "github.com/musterhq/muster/cmd/...").CombinedOutput()
	if err != nil {
		cleanup()
		return "", nil, fmt.Errorf("build the commands: %w\n%s", err, out)
	}
	return dir, cleanup, nil
}

// lab is a private database and Redis for one figure, and the processes on them.
type lab struct {
	engine   engine
	scale    float64
	fileGB   float64
	binaries string
	dir      string
	name     string // of the database
	url      string
	dsn      string  // the same for the driver, as root
	db       *sql.DB // on the database, as root
	redis    *testenv.Process
	rdb      *redis.Client
	procs    []*process
}

func newLab(ctx context.Context, e engine, scale float64, binaries string) (l *lab, err error) {
	l = &lab{engine: e, scale: scale, binaries: binaries, name: fmt.Sprintf("bench_%d", time.Now().UnixNano())}
	defer func() {
		if err != nil {
			err = errors.Join(err, l.close())
		}
	}()
	if l.dir, err = os.MkdirTemp("", "muster-lab-"); err != nil {
		return l, err
	}
	cfg, err := mysql.ParseDSN(e.dsn)
	if err != nil {
		return l, err
	}
	admin, err := sql.Open("mysql", e.dsn)
	if err != nil {
		return l, err
	}
	defer func() { _ = admin.Close() }()
	if _, err := admin.ExecContext(ctx, "CREATE DATABASE "+l.name); err != nil {
		return l, err
	}
	// For the yardstick's LOAD DATA LOCAL; Muster does not use it.
	if _, err := admin.ExecContext(ctx, "SET GLOBAL local_infile = 1"); err != nil {
		return l, err
	}
	u := url.URL{Scheme: "mysql", User: url.UserPassword(cfg.User, cfg.Passwd), Host: cfg.Addr, Path: "/" + l.name}
	l.url = u.String()
	cfg.DBName = l.name
	// As the store has it: the server plans a statement with its values in it.
	cfg.InterpolateParams = true
	l.dsn = cfg.FormatDSN()
	if l.db, err = sql.Open("mysql", l.dsn); err != nil {
		return l, err
	}
	if _, err := store.Migrate(ctx, l.url); err != nil {
		return l, err
	}
	if l.redis, err = testenv.StartRedis(l.dir, "--appendonly", "yes"); err != nil {
		return l, err
	}
	l.rdb = redis.NewClient(&redis.Options{Addr: l.redis.Addr})
	return l, nil
}

func (l *lab) close() error {
	var errs []error
	for _, p := range l.procs {
		p.stop()
	}
	if l.rdb != nil {
		errs = append(errs, l.rdb.Close())
	}
	if l.redis != nil {
		_ = l.redis.Kill()
	}
	if l.db != nil {
		_, err := l.db.ExecContext(context.Background(), "DROP DATABASE "+l.name)
		errs = append(errs, err, l.db.Close())
	}
	return errors.Join(append(errs, os.RemoveAll(l.dir))...)
}

// size returns n at the lab's scale.
func (l *lab) size(n int64) int64 { return max(int64(float64(n)*l.scale), 1000) }

// empty removes all users and jobs.
func (l *lab) empty(ctx context.Context) error {
	for _, table := range []string{"users", "jobs", "job_chunks"} {
		if _, err := l.db.ExecContext(ctx, "TRUNCATE TABLE "+table); err != nil {
			return err
		}
	}
	return l.rdb.FlushDB(ctx).Err()
}

// process is one of Muster's processes.
type process struct {
	cmd  *exec.Cmd
	base string // where it answers
	done chan struct{}
}

// start runs a command on the lab's servers.
func (l *lab) start(binary string, env ...string) (*process, error) {
	p := &process{cmd: exec.CommandContext(context.Background(), filepath.Join(l.binaries, binary)), done: make(chan struct{})}
	p.cmd.Env = append(append(os.Environ(),
		"MUSTER_DATABASE="+l.url, "MUSTER_REDIS=redis://"+l.redis.Addr, "MUSTER_FILES=file://"+filepath.Join(l.dir, "files"), "MUSTER_ADMIN_ADDR=off", "MUSTER_LOG_LEVEL=warn"), env...)
	p.cmd.Dir, p.cmd.Stderr = l.dir, os.Stderr
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	l.procs = append(l.procs, p)
	go func() { _ = p.cmd.Wait(); close(p.done) }()
	return p, nil
}

func (p *process) stop() {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.done:
	case <-time.After(15 * time.Second):
		_ = p.cmd.Process.Kill()
		<-p.done
	}
}

// peak returns the most memory that the process has had, in MiB.
func (p *process) peak() (float64, error) { return p.memory("VmHWM") }

// memory returns what the kernel says of the process's memory under that name, in MiB.
func (p *process) memory(name string) (float64, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(status)) {
		var kb float64
		if n, _ := fmt.Sscanf(line, name+": %f kB", &kb); n == 1 {
			return kb / 1024, nil
		}
	}
	return 0, errors.New("the kernel does not say what the process used")
}

// serve starts an API and waits until it is ready.
func (l *lab) serve(ctx context.Context, env ...string) (*process, error) {
	return l.startReady(ctx, "api", "MUSTER_HTTP_ADDR", env)
}

// work starts a worker and waits until it is ready.
func (l *lab) work(ctx context.Context, env ...string) (*process, error) {
	return l.startReady(ctx, "worker", "MUSTER_HEALTH_ADDR", env)
}

func (l *lab) startReady(ctx context.Context, binary, variable string, env []string) (*process, error) {
	port, err := testenv.FreePort()
	if err != nil {
		return nil, err
	}
	addr := fmt.Sprintf("127.0.0.1:%d", port)
	p, err := l.start(binary, append([]string{variable + "=" + addr}, env...)...)
	if err != nil {
		return nil, err
	}
	p.base = "http://" + addr
	for range 300 {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.base+"/readyz", nil)
		if err != nil {
			return nil, err
		}
		if resp, err := http.DefaultClient.Do(req); err == nil {
			_ = resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return p, nil
			}
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
	return nil, fmt.Errorf("the %s was not ready within 15 s", binary)
}
