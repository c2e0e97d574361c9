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
	"syscall"
	"time"

	"github.com/alecthomas/kong"
	"github.com/lmittmann/tint"
	"github.com/redis/go-redis/v9"
	"golang.org/x/term"

	"github.com/musterhq/muster/internal/config"
	"github.com/musterhq/muster/internal/job"
	"github.com/musterhq/muster/internal/store"
)

// Main runs a command until it ends or the process is told to stop, and returns the exit code: 0, or 1 after an error,
// which it prints in one line.
func Main(name string, run func(ctx context.Context, args []string, stdout io.Writer) error) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", name, err)
		return 1
	}
	return 0
}

// errHelp ends a command that only showed its help.
var errHelp = errors.New("help was shown")

// IsHelp reports whether an error of Parse means that the help was asked for and shown: not a failure.
func IsHelp(err error) bool { return errors.Is(err, errHelp) }

// Parse fills the kong struct target from args and the environment.
func Parse(name, description string, target any, args []string, stdout io.Writer) (*kong.Context, error) {
	helped := false
	p, err := kong.New(target, kong.Name(name), kong.Description(description), kong.Writers(stdout, stdout),
		kong.Exit(func(int) { helped = true }), kong.Vars{"tiers": job.DefaultTiers}, kong.UsageOnError())
	if err != nil {
		return nil, err
	}
	ctx, err := p.Parse(args)
	if helped {
		return nil, errHelp
	}
	return ctx, err
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
	return func(ctx context.Context, args []string, stdout io.Writer) (err error) {
		c, err := Load(name, description, args, stdout)
		if err != nil {
			if IsHelp(err) {
				return nil
			}
			return err
		}
		log := Log(c, os.Stderr)
		log.Info("process starts", "process", name, "config", c)
		s, err := Open(ctx, c, log)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, s.Close()) }()
		return serve(ctx, s)
	}
}

// Check reads the secrets and checks the settings.
func Check(c *config.Config) error {
	if err := c.LoadSecrets(os.Getenv); err != nil {
		return err
	}
	if err := c.Check(); err != nil {
		return fmt.Errorf("settings:\n%w", err)
	}
	return nil
}

// Log returns the process's logger: text on a terminal, JSON elsewhere, unless the settings say which.
func Log(c *config.Config, w io.Writer) *slog.Logger {
	var level slog.Level
	_ = level.UnmarshalText([]byte(c.LogLevel)) // one of the four, by the setting's enum
	f, isFile := w.(*os.File)
	terminal := isFile && term.IsTerminal(int(f.Fd()))
	if c.LogFormat == "json" || c.LogFormat == "auto" && !terminal {
		return slog.New(slog.NewJSONHandler(w, &slog.HandlerOptions{Level: level}))
	}
	return slog.New(tint.NewTextHandler(w, &tint.Options{
		Level: level, TimeFormat: time.TimeOnly, NoColor: !terminal || os.Getenv("NO_COLOR") != "",
	}))
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

// Open opens the database and Redis and checks that both can serve and the schema is current.
func Open(ctx context.Context, c *config.Config, log *slog.Logger) (*Stack, error) {
	tiers, err := job.ParseTiers(c.Tiers)
	if err != nil {
		return nil, err
	}
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

// Ready returns why the stack cannot serve: the database cannot, its schema is not current, or Redis does not answer. It
// takes two seconds at most.
func (s *Stack) Ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	if err := s.Store.Ready(ctx); err != nil {
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
