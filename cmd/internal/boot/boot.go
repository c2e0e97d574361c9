// Package boot opens what Muster's commands share, settings, log, database and Redis, and closes it in reverse order.
package boot

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"runtime"
	"slices"
	"syscall"
	"time"

	"github.com/alecthomas/kong"
	"github.com/redis/go-redis/v9"

	"github.com/musterhq/muster/internal/config"
	"github.com/musterhq/muster/internal/job"
	"github.com/musterhq/muster/internal/store"
)

// Main runs a command until it ends or the process is told to stop, and returns the exit code: 0, or 1 after an error,
// which it prints in one line, unless it was logged.
func Main(name string, run func(ctx context.Context, args []string, stdout io.Writer) error) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := run(ctx, os.Args[1:], os.Stdout)
	switch {
	case err == nil:
		return 0
	case !errors.Is(err, errLogged):
		fmt.Fprintf(os.Stderr, "%s: %v\n", name, err)
	}
	return 1
}

// errLogged ends a command whose error is in its log already.
var errLogged = errors.New("the error was logged")

// errHelp ends a command that only showed its help.
var errHelp = errors.New("help was shown")

// IsHelp reports whether an error of Parse means that the help was asked for and shown: not a failure.
func IsHelp(err error) bool { return errors.Is(err, errHelp) }

// Parse fills the kong struct target from args and the environment. An empty variable counts as one that is not set: docker
// compose passes such.
func Parse(name, description string, target any, args []string, stdout io.Writer) (*kong.Context, error) {
	helped := false
	p, err := kong.New(target, kong.Name(name), kong.Description(description), kong.Writers(stdout, stdout),
		kong.Exit(func(int) { helped = true }), kong.Vars{"tiers": job.DefaultTiers}, kong.UsageOnError())
	if err != nil {
		return nil, err
	}
	err = kong.Visit(p.Model, func(node kong.Visitable, next kong.Next) error {
		if v, ok := node.(*kong.Value); ok {
			v.Tag.Envs = slices.DeleteFunc(v.Tag.Envs, isEmpty)
		}
		return next(nil)
	})
	if err != nil {
		return nil, err
	}
	ctx, err := p.Parse(args)
	if helped {
		return nil, errHelp
	}
	return ctx, err
}

func isEmpty(variable string) bool {
	value, set := os.LookupEnv(variable)
	return set && value == ""
}

// WarnUnread writes a line for each MUSTER_ variable that no command reads.
func WarnUnread(name string, w io.Writer) {
	for _, warning := range config.Unread(os.Environ()) {
		fmt.Fprintf(w, "%s: warning: %s\n", name, warning)
	}
}

// Load reads a command that has no settings but Config's.
func Load(name, description string, args []string, stdout io.Writer) (*config.Config, error) {
	var c config.Config
	if _, err := Parse(name, description, &c, args, stdout); err != nil {
		return nil, err
	}
	return &c, Check(&c)
}

// Service is the run of a command that opens the stack and serves until it is told to stop.
func Service(name, description string, serve func(ctx context.Context, s *Stack) error) func(context.Context, []string, io.Writer) error {
	return func(ctx context.Context, args []string, stdout io.Writer) error {
		c, err := Load(name, description, args, stdout)
		if err != nil {
			if IsHelp(err) {
				return nil
			}
			WarnUnread(name, os.Stderr)
			return err
		}
		log := Log(c, os.Stderr)
		log.Info("process starts", "process", name, "config", c)
		for _, warning := range config.Unread(os.Environ()) {
			log.Warn("unknown setting", "says", warning)
		}
		if err := openAndServe(ctx, c, log, serve); err != nil {
			log.Error("process failed", "process", name, "err", err)
			return errLogged
		}
		return nil
	}
}

func openAndServe(ctx context.Context, c *config.Config, log *slog.Logger, serve func(ctx context.Context, s *Stack) error) (err error) {
	s, err := Open(ctx, c, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	return serve(ctx, s)
}

// Check reads the secrets, puts settings that may be written in several ways into one, and checks all.
func Check(c *config.Config) error {
	if err := c.LoadSecrets(os.Getenv); err != nil {
		return err
	}
	c.Normalize()
	if err := c.Check(); err != nil {
		return fmt.Errorf("settings:\n%w", err)
	}
	return nil
}

// Stack is what every process works with. Close it when done.
type Stack struct {
	Config *config.Config
	Log    *slog.Logger
	Store  *store.Store
	Redis  redis.UniversalClient
	Tiers  job.Tiers

	// ballast makes the garbage collector run less often. It runs when the heap is twice what is in use, a few megabytes
	// here, which came to a hundred times a second. Unlike GOGC this adds the same to a large heap as to a small one, and
	// unlike GOMEMLIMIT it has no limit near which the collector never rests. Nobody touches the bytes, so that they take
	// addresses and no memory.
	ballast []byte
}

// Open opens the database and Redis and checks that both answer and the schema is current.
func Open(ctx context.Context, c *config.Config, log *slog.Logger) (*Stack, error) {
	tiers, err := job.ParseTiers(c.Tiers)
	if err != nil {
		return nil, err
	}
	logLibraries(log)
	s := &Stack{Config: c, Log: log, Tiers: tiers, ballast: make([]byte, 8<<20)}
	if s.Store, err = store.Open(c.Database, store.Options{MaxConns: c.DBMaxConns, Lease: c.Lease, Deadline: c.JobDeadline}); err != nil {
		return nil, fmt.Errorf("MUSTER_DATABASE: %w", err)
	}
	if s.Redis, err = openRedis(c.Redis); err != nil {
		return nil, errors.Join(fmt.Errorf("MUSTER_REDIS: %w", err), s.Store.Close())
	}
	if err := s.Ready(ctx); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// Ready returns why the stack cannot serve: the database or Redis does not answer, or the schema is not current. It
// takes two seconds at most.
func (s *Stack) Ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	if err := s.Store.Ping(ctx); err != nil {
		return fmt.Errorf("MUSTER_DATABASE %s: %w", config.Redact(s.Config.Database), err)
	}
	if err := s.Store.SchemaCurrent(ctx); err != nil {
		return err
	}
	if err := s.PingRedis(ctx); err != nil {
		return fmt.Errorf("MUSTER_REDIS %s: %w", config.Redact(s.Config.Redis), err)
	}
	return nil
}

// PingRedis returns an error when Redis does not answer.
func (s *Stack) PingRedis(ctx context.Context) error { return s.Redis.Ping(ctx).Err() }

// Close closes Redis and the database.
func (s *Stack) Close() error {
	runtime.KeepAlive(s.ballast)
	return errors.Join(s.Redis.Close(), s.Store.Close())
}
