package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"github.com/musterhq/muster/cmd/internal/workerproc"
	"github.com/musterhq/muster/internal/config"
	"github.com/musterhq/muster/internal/doctor"
	"github.com/musterhq/muster/internal/embedded"
	"github.com/musterhq/muster/internal/job"
	"github.com/musterhq/muster/internal/store/storetest"
	"github.com/musterhq/muster/internal/tasks"
	"github.com/musterhq/muster/internal/testenv"
)

// A healthy stack has no fault, on each engine.
func TestDoctorOfTheHealthy(t *testing.T) {
	t.Parallel()
	for _, e := range storetest.Engines(t) {
		t.Run(e.Name, func(t *testing.T) {
			t.Parallel()
			s := newSickStack(t, e, e.New(t))
			s.work(t)
			s.submit(t)
			x := s.examine(t)
			if x.code != 0 || x.Level != doctor.OK || len(x.Findings) < 12 {
				t.Errorf("%d: %v of %+v", x.code, x.bad(), x.Findings)
			}
			text := muster(t, append([]string{"doctor"}, s.flags...)...)
			if text.failure != nil || !strings.Contains(text.out, "ok       redis-memory") || strings.Contains(text.out, "\x1b") {
				t.Errorf("%v, %s", text.failure, text.out)
			}
		})
	}
}

// The same of the stack without servers, whose Redis tells little of itself.
func TestDoctorOfTheEmbedded(t *testing.T) {
	t.Parallel()
	r, err := embedded.StartRedis()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	e := storetest.Engines(t)[0]
	s := newStack(t, e, e.New(t), strings.TrimSuffix(strings.TrimPrefix(r.URL(), "redis://"), "/0"))
	s.work(t)
	s.submit(t)
	if x := s.examine(t); e.Name != "sqlite" || x.code != 0 || len(x.Findings) < 10 {
		t.Errorf("%d: %v of %+v", x.code, x.bad(), x.Findings)
	}
}

// Of a cluster all masters are looked at.
func TestDoctorOfACluster(t *testing.T) {
	t.Parallel()
	testenv.Redis(t) // skips, or fails, where there is none
	addrs, err := testenv.StartRedisCluster(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	e := storetest.Engines(t)[0]
	s := newStack(t, e, e.New(t), strings.Join(addrs, ","))
	_ = s.rdb.Close()
	s.rdb = redis.NewClient(&redis.Options{Addr: addrs[0]})
	t.Cleanup(func() { _ = s.rdb.Close() })
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- workerproc.Run(ctx, s.stack) }()
	t.Cleanup(func() {
		stop()
		<-done
	})
	within(t, "a worker is seen, and nothing is wrong", func() bool { x := s.examine(t); return x.code == 0 })
	s.redis(t, "CONFIG", "SET", "maxmemory-policy", "allkeys-lfu")
	x := s.examine(t)
	if got := strings.Join(x.bad(), ", "); got != "redis-memory warning" || !strings.Contains(fmt.Sprint(x.Findings), "3 masters") ||
		!strings.Contains(fmt.Sprint(x.Findings), addrs[0]+": maxmemory-policy is allkeys-lfu") {
		t.Errorf("%q of %+v", got, x.Findings)
	}
}

// Each fault of real servers is found, alone, and ends with its exit code.
func TestDoctorOfTheSick(t *testing.T) {
	t.Parallel()
	const idle = "idle" // without a worker
	for name, c := range map[string]struct {
		spoil func(t *testing.T, s *sickStack)
		want  string
		code  int
		mode  string
	}{
		"Redis evicts":  {func(t *testing.T, s *sickStack) { s.redis(t, "CONFIG", "SET", "maxmemory-policy", "allkeys-lru") }, "redis-memory warning", 1, ""},
		"Redis is full": {func(t *testing.T, s *sickStack) { s.redis(t, "CONFIG", "SET", "maxmemory", "1") }, "redis broken", 2, ""},
		"Redis replica": {func(t *testing.T, s *sickStack) { s.redis(t, "REPLICAOF", "127.0.0.1", "1") }, "redis broken", 2, ""},
		"Redis denies": {func(t *testing.T, s *sickStack) {
			s.redis(t, "ACL", "SETUSER", "muster", "on", ">sesame", "~*", "&*", "+@all", "-zadd")
			s.with("--redis=redis://muster:sesame@" + s.rdb.Options().Addr)
		}, "redis broken", 2, ""},
		"another's prefix": {func(t *testing.T, s *sickStack) {
			s.redis(t, "HSET", "muster:deployment", "id", "another", "address", "elsewhere")
		}, "redis-prefix broken", 2, ""},
		"queue paused": {func(t *testing.T, s *sickStack) {
			if err := asynq.NewInspectorFromRedisClient(s.rdb).PauseQueue("small"); err != nil {
				t.Fatal(err)
			}
			s.submit(t)
			s.with("--stuck-after=1ms")
		}, "queues warning", 1, ""},
		"no workers":           {func(t *testing.T, s *sickStack) {}, "workers warning", 1, idle},
		"jobs without workers": {func(t *testing.T, s *sickStack) { s.submit(t) }, "workers broken", 2, idle},
		"job without progress": {func(t *testing.T, s *sickStack) {
			// A worker that takes tasks and does nothing, as one of another version might.
			srv := tasks.NewServer(s.rdb, asynq.Config{Concurrency: 2, Queues: tasks.Queues(job.DefaultPrefix), LogLevel: asynq.FatalLevel})
			if err := srv.Start(asynq.HandlerFunc(func(context.Context, *asynq.Task) error { return nil })); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(srv.Shutdown)
			s.seen(t)
			s.submit(t)
			within(t, "the tasks are taken", func() bool {
				depth, err := tasks.NewClient(s.rdb, job.DefaultPrefix, 0).Depth(t.Context())
				return err == nil && depth == 0
			})
			s.with("--stuck-after=1ms")
		}, "jobs warning", 1, idle},
		"old schema": {func(t *testing.T, s *sickStack) {
			s.sql(t, "DELETE FROM DB.schema_version WHERE version_id > 12")
		}, "schema broken", 2, ""},
		"no right to delete": {func(t *testing.T, s *sickStack) { s.account(t, "SELECT, INSERT, UPDATE") }, "database broken", 2, ""},
		"wrong password": {func(t *testing.T, s *sickStack) {
			s.account(t, "SELECT, INSERT, UPDATE, DELETE")
			s.sql(t, "ALTER USER DB@'%' IDENTIFIED BY 'another'")
		}, "database broken", 2, ""},
		"no database": {func(t *testing.T, s *sickStack) { s.sql(t, "DROP DATABASE DB") }, "database broken", 2, ""},
		"files gone": {func(t *testing.T, s *sickStack) {
			if err := os.RemoveAll(s.files); err != nil {
				t.Fatal(err)
			}
		}, "files broken", 2, ""},
		"temporary files gone": {func(t *testing.T, s *sickStack) {
			if err := os.RemoveAll(s.temp); err != nil {
				t.Fatal(err)
			}
		}, "temp-dir broken", 2, ""},
		"settings": {func(t *testing.T, s *sickStack) { s.with("--reconcile-interval=30s") }, "settings warning", 1, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, e := range storetest.Engines(t) {
				if e.Name != "mariadb" {
					continue
				}
				s := newSickStack(t, e, e.New(t))
				if c.mode != idle {
					s.work(t)
				}
				c.spoil(t, s)
				if x := s.examine(t); len(x.bad()) != 1 || x.bad()[0] != c.want || x.code != c.code {
					t.Errorf("%d, %q, want %q; %+v", x.code, x.bad(), c.want, x.Findings)
				}
			}
		})
	}
}

// What only an administrator of the server can set.
func TestDoctorOfASickServer(t *testing.T) {
	t.Parallel()
	if !testenv.Installed("mariadb") {
		testenv.Missing(t, "mariadb")
		t.SkipNow()
	}
	p, err := testenv.StartMariaDB(t.TempDir(), "--innodb-buffer-pool-size=64M", "--innodb-log-file-size=16M", "--log-bin=log", "--binlog-format=MIXED")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Kill() })
	e := storetest.Server("mariadb", "root@tcp("+p.Addr+")/")
	s := newSickStack(t, e, e.New(t))
	s.work(t)
	s.account(t, "SELECT, INSERT, UPDATE, DELETE")
	s.with("--db-max-conns=16")
	for _, c := range []struct{ spoil, mend, want string }{
		{"SET @x = 1", "SET @x = 1", ""},
		{"SET GLOBAL max_allowed_packet = 1048576", "SET GLOBAL max_allowed_packet = 16777216", "database broken"},
		{"SET GLOBAL read_only = 1", "SET GLOBAL read_only = 0", "database broken"},
		{"SET GLOBAL binlog_format = STATEMENT", "SET GLOBAL binlog_format = ROW", "binary-log broken"},
		{"CHANGE MASTER TO MASTER_HOST = '127.0.0.1', MASTER_PORT = 1", "SET @x = 1", ""}, // not for every account to see
		{"GRANT REPLICA MONITOR ON *.* TO DB@'%'", "RESET REPLICA ALL", "replication warning"},
		{"GRANT READ_ONLY ADMIN ON *.* TO DB@'%'", "SET GLOBAL read_only = 1", ""},
		{"SET @x = 1", "SET GLOBAL read_only = 0", "replication warning"},
		{"SET GLOBAL max_connections = 10", "SET GLOBAL max_connections = 500", "connections warning"},
	} {
		s.sql(t, c.spoil)
		x := s.examine(t)
		if got := strings.Join(x.bad(), ", "); got != c.want {
			t.Errorf("%s: %q, want %q; %+v", c.spoil, got, c.want, x.Findings)
		}
		s.sql(t, c.mend)
	}
	if err := p.Kill(); err != nil {
		t.Fatal(err)
	}
	if x := s.examine(t); len(x.bad()) != 1 || x.bad()[0] != "database broken" || x.code != 2 {
		t.Errorf("a server that is down: %q of %+v", x.bad(), x.Findings)
	}
}

// Servers that take connections and never answer keep nobody: the rest is looked at.
func TestDoctorOfTheSilent(t *testing.T) {
	t.Parallel()
	var listen net.ListenConfig
	l, err := listen.Listen(t.Context(), "tcp", "127.0.0.1:0") // the system accepts for it
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	s := sickStack{flags: []string{"--database=mysql://muster:sesame@" + l.Addr().String() + "/muster", "--redis=redis://:sesame@" + l.Addr().String()}}
	x := s.examine(t)
	if got := strings.Join(x.bad(), ", "); got != "database broken, redis broken" || x.code != 2 || len(x.Findings) < 5 {
		t.Errorf("%d, %q of %+v", x.code, got, x.Findings)
	}
}

// A stack without settings: what is not there is not made, and a dev that runs is asked.
func TestDoctorOfADev(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "data")
	s := sickStack{flags: []string{"--database=sqlite://" + dir + "/muster.db"}}
	if x := s.examine(t); len(x.bad()) != 1 || x.bad()[0] != "database broken" {
		t.Errorf("without a database: %+v", x.Findings)
	}
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a look makes the folder: %v", err)
	}
	api := startDev(t, "--addr=127.0.0.1:0", "--admin-addr=", "--offline", "--data="+dir)
	within(t, "it says that it uses the folder", func() bool {
		text, _ := os.ReadFile(filepath.Join(dir, userFile))
		return strings.Contains(string(text), api)
	})
	x := s.examine(t)
	i := slices.IndexFunc(x.Findings, func(f doctor.Finding) bool { return f.Check == "dev" })
	if x.code != 0 || i < 0 || !strings.Contains(x.Findings[i].Found, api) || !strings.Contains(x.Findings[i].Means, "cannot be looked at") {
		t.Errorf("%d: %+v", x.code, x.Findings)
	}
}

// Without a place for files none is said to take any.
func TestDoctorWithoutFiles(t *testing.T) {
	t.Parallel()
	if d := examineFiles(t.Context(), &config.Config{Database: "mysql://u:p@h/db"}); d.Address != "" || d.Err != nil {
		t.Errorf("%+v", d)
	}
}
