package boot

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/alecthomas/kong"
	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"

	"github.com/musterhq/muster/internal/config"
	"github.com/musterhq/muster/internal/job"
	"github.com/musterhq/muster/internal/store"
	"github.com/musterhq/muster/internal/testenv"
)

// settings are the defaults, with a new SQLite file and the given Redis.
func settings(t *testing.T, address string) *config.Config {
	t.Helper()
	c := &config.Config{}
	k, err := kong.New(c, kong.Vars{"tiers": job.DefaultTiers})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := k.Parse(nil); err != nil {
		t.Fatal(err)
	}
	c.Database, c.Redis, c.RedisPrefix = "sqlite://"+filepath.Join(t.TempDir(), "muster.db"), address, job.DefaultPrefix
	if _, err := store.Migrate(t.Context(), c.Database); err != nil {
		t.Fatal(err)
	}
	return c
}

func open(t *testing.T, c *config.Config) (*Stack, error) {
	t.Helper()
	s, err := Open(t.Context(), c, slog.New(slog.DiscardHandler))
	if err == nil {
		t.Cleanup(func() { _ = s.Close() })
	}
	return s, err
}

// server is a private Redis, and a client of it with all rights.
func server(t *testing.T, args ...string) (*testenv.Process, *redis.Client) {
	t.Helper()
	testenv.Redis(t) // skips, or fails, where there is none
	p, err := testenv.StartRedis(t.TempDir(), args...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Kill() })
	rdb := redis.NewClient(&redis.Options{Addr: p.Addr})
	t.Cleanup(func() { _ = rdb.Close() })
	return p, rdb
}

// do runs a command that is written as in redis-cli.
func do(t *testing.T, rdb *redis.Client, command string) {
	t.Helper()
	var args []any
	for _, arg := range strings.Fields(command) {
		args = append(args, arg)
	}
	if err := rdb.Do(t.Context(), args...).Err(); err != nil {
		t.Fatalf("%s: %v", command, err)
	}
}

// submit submits a job, as the API does.
func submit(t *testing.T, s *Stack) error {
	t.Helper()
	_, _, err := s.Jobs().Submit(t.Context(), job.Spec{Owner: uuid.NewString(), Source: job.SourceFaker, Count: 10})
	return err
}

// A Redis that answers and takes no job is told from one that does, with the reason, by the same as keeps a submission from
// it.
func TestRedisThatTakesNoJobs(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		spoil, mend []string
		reason      string
	}{
		"replica":           {[]string{"REPLICAOF 127.0.0.1 1"}, []string{"REPLICAOF NO ONE"}, "is a read-only replica"},
		"out of memory":     {[]string{"CONFIG SET maxmemory 1"}, []string{"CONFIG SET maxmemory 0"}, "is out of memory: maxmemory is reached"},
		"too few replicas":  {[]string{"CONFIG SET min-replicas-to-write 1"}, []string{"CONFIG SET min-replicas-to-write 0"}, "takes no writes, because too few replicas follow it"},
		"no scripts":        {[]string{"ACL SETUSER muster -@scripting"}, []string{"ACL SETUSER muster +@all"}, "denies its user a command or a key"},
		"no slots":          {[]string{"ACL SETUSER muster -zadd"}, []string{"ACL SETUSER muster +@all"}, "denies its user a command or a key"},
		"only our keys":     {[]string{"ACL SETUSER muster resetkeys ~muster:*"}, []string{"ACL SETUSER muster ~*"}, "denies its user a command or a key"},
		"only the queue's":  {[]string{"ACL SETUSER muster resetkeys ~asynq:*"}, []string{"ACL SETUSER muster ~*"}, "denies its user a command or a key"},
		"only to read":      {[]string{"ACL SETUSER muster resetkeys %R~*"}, []string{"ACL SETUSER muster ~*"}, "denies its user a command or a key"},
		"password replaced": {[]string{"ACL SETUSER muster resetpass >another", "CLIENT KILL USER muster"}, []string{"ACL SETUSER muster >secret"}, "refuses the user or the password"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, rdb := server(t)
			do(t, rdb, "ACL SETUSER muster on >secret ~* &* +@all")
			s, err := open(t, settings(t, "redis://muster:secret@"+p.Addr))
			if err != nil {
				t.Fatal(err)
			}
			if err := submit(t, s); err != nil {
				t.Fatal(err)
			}
			for _, command := range c.spoil {
				do(t, rdb, command)
			}
			err = s.checkRedis(t.Context())
			if unready, ok := errors.AsType[*job.UnreadyError](err); !ok || unready.Reason != c.reason {
				t.Errorf("the check says %v, want that it %s", err, c.reason)
			}
			if err := submit(t, s); !errors.Is(err, job.ErrQueueUnavailable) {
				t.Errorf("a job is submitted: %v", err)
			}
			for _, command := range c.mend {
				do(t, rdb, command)
			}
			if err := s.checkRedis(t.Context()); err != nil {
				t.Errorf("mended: %v", err)
			}
			if err := submit(t, s); err != nil {
				t.Errorf("mended: %v", err)
			}
		})
	}
}

// A Redis that cannot save what it has is told to refuse writes.
func TestRedisThatCannotSave(t *testing.T) {
	t.Parallel()
	p, rdb := server(t, "--save", "3600 1")
	s, err := open(t, settings(t, "redis://"+p.Addr))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(p.Dir); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		_ = rdb.BgSave(t.Context())
		unready, ok := errors.AsType[*job.UnreadyError](s.checkRedis(t.Context()))
		if ok && unready.Reason == "takes no writes, because it cannot save its data" {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("not within a minute")
		}
	}
}

// What keeps a process from Redis at its start is said, and no password is.
func TestOpenSaysWhatRedisRefuses(t *testing.T) {
	t.Parallel()
	p, rdb := server(t)
	do(t, rdb, "ACL SETUSER muster on >secret ~* &* +@all")
	for address, says := range map[string]string{
		"redis://muster:hunter2@" + p.Addr:           "refuses the user or the password",
		"redis://muster:secret@" + p.Addr + "/99":    "has no database of that number",
		"redis://muster:secret@" + p.Addr + "?db=99": "has no database of that number",
	} {
		_, err := open(t, settings(t, address))
		if err == nil || !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v, want that it %s", config.Redact(address), err, says)
		}
	}
	do(t, rdb, "ACL SETUSER muster >s/#?@%:e")
	s, err := open(t, settings(t, "redis://muster:s%2F%23%3F%40%25%3Ae@"+p.Addr+"/3"))
	if err != nil {
		t.Fatal(err)
	}
	if err := submit(t, s); err != nil {
		t.Error(err)
	}
	third := redis.NewClient(&redis.Options{Addr: p.Addr, DB: 3})
	t.Cleanup(func() { _ = third.Close() })
	if n := third.Exists(t.Context(), "muster:deployment").Val(); n != 1 {
		t.Error("the keys are not in the database that the address names")
	}
}

// Two deployments that would take one another's tasks and slots do not both start.
func TestForeignDeployment(t *testing.T) {
	t.Parallel()
	p, rdb := server(t)
	ours := settings(t, "redis://"+p.Addr)
	s, err := open(t, ours)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := open(t, ours); err != nil {
		t.Errorf("another process of the same deployment: %v", err)
	}
	theirs := settings(t, "redis://"+p.Addr)
	_, err = open(t, theirs)
	if _, ok := errors.AsType[*job.UnreadyError](err); !ok || !strings.Contains(err.Error(), ours.Database) || !strings.Contains(err.Error(), "MUSTER_REDIS_PREFIX") {
		t.Errorf("another deployment: %v", err)
	}
	theirs.RedisPrefix = "theirs"
	if _, err := open(t, theirs); err != nil {
		t.Errorf("with a prefix of its own: %v", err)
	}
	theirs.RedisPrefix, theirs.Redis = job.DefaultPrefix, "redis://"+p.Addr+"/1"
	if _, err := open(t, theirs); err != nil {
		t.Errorf("with a database of Redis of its own: %v", err)
	}

	// Whoever comes first after a flush has the prefix; the others say so as long as they run beside it.
	do(t, rdb, "FLUSHALL")
	theirs.Redis = "redis://" + p.Addr
	if _, err := open(t, theirs); err != nil {
		t.Errorf("after a flush: %v", err)
	}
	if _, ok := errors.AsType[*job.UnreadyError](s.checkRedis(t.Context())); !ok {
		t.Error("a running process does not see that another deployment has its prefix")
	}
	do(t, rdb, "DEL muster:deployment") // as when the other has been gone for a minute

	// A database that is replaced while processes run on it.
	if err := s.checkRedis(t.Context()); err != nil {
		t.Fatal(err)
	}
	old := *s.deployment.Load()
	s.deployment.Store(new("the new database's"))
	if _, ok := errors.AsType[*job.UnreadyError](s.checkRedis(t.Context())); !ok {
		t.Error("the prefix is taken from a deployment that may still run")
	}
	if err := s.readDeployment(t.Context()); err != nil || *s.deployment.Load() != old {
		t.Errorf("the database's id is read as %q, %v, want %q", *s.deployment.Load(), err, old)
	}
}

// Where nobody asks, the prefix is held all the same.
func TestWatchHoldsThePrefix(t *testing.T) {
	t.Parallel()
	p, rdb := server(t)
	if _, err := open(t, settings(t, "redis://"+p.Addr)); err != nil {
		t.Fatal(err)
	}
	do(t, rdb, "DEL muster:deployment")
	for deadline := time.Now().Add(time.Minute); rdb.Exists(t.Context(), "muster:deployment").Val() == 0; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("not held within a minute")
		}
	}
}
