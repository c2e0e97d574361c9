package main

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/musterhq/muster/cmd/internal/boot"
	"github.com/musterhq/muster/cmd/internal/workerproc"
	"github.com/musterhq/muster/internal/config"
	"github.com/musterhq/muster/internal/doctor"
	"github.com/musterhq/muster/internal/job"
	"github.com/musterhq/muster/internal/store/storetest"
	"github.com/musterhq/muster/internal/tasks"
	"github.com/musterhq/muster/internal/testenv"
)

// sickStack is a stack on real servers that a test may spoil. It begins healthy, without workers.
type sickStack struct {
	flags []string // of muster doctor
	files string
	temp  string
	rdb   *redis.Client
	c     *config.Config
	stack *boot.Stack
	admin *sql.DB // of the database's server; nil for SQLite
	name  string  // the database's, of a server
}

func newSickStack(t *testing.T, e storetest.Engine, address string) *sickStack {
	t.Helper()
	testenv.Redis(t) // skips, or fails, where there is none
	p, err := testenv.StartRedis(t.TempDir(), "--appendonly", "yes")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Kill() })
	return newStack(t, e, address, p.Addr)
}

func newStack(t *testing.T, e storetest.Engine, address, redisAt string) *sickStack {
	t.Helper()
	s := &sickStack{rdb: redis.NewClient(&redis.Options{Addr: redisAt}), files: t.TempDir(), temp: t.TempDir()}
	t.Cleanup(func() { _ = s.rdb.Close() })
	s.flags = []string{
		"--database=" + address, "--redis=redis://" + redisAt, "--files=file://" + s.files, "--temp-dir=" + s.temp, "--db-max-conns=4",
		"--http-addr=127.0.0.1:0", "--admin-addr=off", "--reconcile-interval=100ms",
	}
	var d struct{ config.Config }
	if _, err := boot.Parse("test", "", &d, s.flags, t.Output()); err != nil {
		t.Fatal(err)
	}
	s.c = &d.Config
	if err := boot.Check(s.c); err != nil {
		t.Fatal(err)
	}
	var err error
	if s.stack, err = boot.Open(t.Context(), s.c, slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.stack.Close() })
	if u, err := url.Parse(address); err == nil && e.Name != "sqlite" {
		s.name = strings.Trim(u.Path, "/")
		if s.admin, err = sql.Open("mysql", u.User.String()+"@tcp("+u.Host+")/"); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = s.admin.Close() })
	}
	return s
}

// work runs a worker until the test ends, and waits until it is seen.
func (s *sickStack) work(t *testing.T) {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- workerproc.Run(ctx, s.stack) }()
	t.Cleanup(func() {
		stop()
		<-done // what it says of a stack that is broken does not matter
	})
	s.seen(t)
}

func (s *sickStack) seen(t *testing.T) {
	t.Helper()
	queue := tasks.NewClient(s.rdb, job.DefaultPrefix, 0)
	within(t, "a worker is seen", func() bool {
		f, err := queue.Fleet()
		return err == nil && len(f.Workers) == 1
	})
}

func within(t *testing.T, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !is(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("not within a minute: ", what)
		}
	}
}

// submit submits a job of a hundred users, and fails the test when it is not taken.
func (s *sickStack) submit(t *testing.T) {
	t.Helper()
	if _, _, err := s.stack.Jobs().Submit(t.Context(), job.Spec{Owner: "ann", Source: job.SourceFaker, Count: 100}); err != nil {
		t.Fatal(err)
	}
}

func (s *sickStack) redis(t *testing.T, command ...any) {
	t.Helper()
	if err := s.rdb.Do(t.Context(), command...).Err(); err != nil {
		t.Fatalf("%v: %v", command, err)
	}
}

func (s *sickStack) sql(t *testing.T, statements ...string) {
	t.Helper()
	for _, statement := range statements {
		if _, err := s.admin.ExecContext(t.Context(), strings.ReplaceAll(statement, "DB", s.name)); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
}

// flag returns the flags with another value of one.
func (s *sickStack) with(flag string) {
	name, _, _ := strings.Cut(flag, "=")
	s.flags = append(slices.DeleteFunc(s.flags, func(f string) bool { return strings.HasPrefix(f, name+"=") }), flag)
}

// account makes an account with these rights on the database, and examines by it.
func (s *sickStack) account(t *testing.T, rights string) {
	t.Helper()
	u, err := url.Parse(s.c.Database)
	if err != nil {
		t.Fatal(err)
	}
	s.sql(t, "CREATE USER DB@'%' IDENTIFIED BY 'sesame'", "GRANT "+rights+" ON DB.* TO DB@'%'")
	t.Cleanup(func() { _, _ = s.admin.Exec("DROP USER " + s.name) })
	u.User = url.UserPassword(s.name, "sesame")
	s.with("--database=" + u.String())
}

// examined is what muster doctor says.
type examined struct {
	Level    doctor.Level
	Findings []doctor.Finding
	code     int
}

func (s *sickStack) examine(t *testing.T) examined {
	t.Helper()
	said := muster(t, append([]string{"doctor", "-o", "json"}, s.flags...)...)
	var x examined
	if err := json.Unmarshal([]byte(said.out), &x); err != nil {
		t.Fatalf("%v: %q, %v", err, said.out, said.failure)
	}
	if e, ok := errors.AsType[*boot.ExitError](said.failure); ok {
		x.code = e.Code
	} else if said.failure != nil {
		t.Fatal(said.failure)
	}
	if strings.Contains(said.out, "sesame") || strings.Contains(said.out, `"ann"`) {
		t.Errorf("a secret or an owner in %s", said.out)
	}
	return x
}

// bad returns the findings that are not ok, as check and level.
func (x *examined) bad() (list []string) {
	for _, f := range x.Findings {
		if f.Level != doctor.OK {
			list = append(list, fmt.Sprintf("%s %s", f.Check, f.Level))
		}
	}
	return list
}
