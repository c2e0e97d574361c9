// Package boot opens what Muster's commands share, settings, log, database and Redis, and closes it in reverse order.
package boot

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/signal"
	"runtime"
	"slices"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/alecthomas/kong"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"
	"go.opentelemetry.io/otel/trace"

	"github.com/musterhq/muster/internal/config"
	"github.com/musterhq/muster/internal/deployment"
	"github.com/musterhq/muster/internal/filestore"
	"github.com/musterhq/muster/internal/job"
	"github.com/musterhq/muster/internal/jobs"
	"github.com/musterhq/muster/internal/ratelimit"
	"github.com/musterhq/muster/internal/store"
	"github.com/musterhq/muster/internal/tasks"
)

// Main runs a command until it ends or the process is told to stop, and returns the exit code: 0, or after an error, which
// it prints unless it was logged, that of an *ExitError, else 1.
func Main(name string, run func(ctx context.Context, args []string, stdout io.Writer) error) int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	ctx, stopInterrupts := withInterrupts(ctx)
	defer stopInterrupts()
	err := run(ctx, os.Args[1:], os.Stdout)
	if err != nil && !errors.Is(err, errLogged) {
		fmt.Fprintf(os.Stderr, "%s: %v\n", name, err)
	}
	return exitCode(err)
}

func exitCode(err error) int {
	if err == nil {
		return 0
	}
	if e, ok := errors.AsType[*ExitError](err); ok {
		return e.Code
	}
	return 1
}

// ExitError ends a command with another exit code than 1.
type ExitError struct {
	Code int
	Err  error
}

func (e *ExitError) Error() string { return e.Err.Error() }

func (e *ExitError) Unwrap() error { return e.Err }

// errLogged ends a command whose error is in its log already.
var errLogged = errors.New("the error was logged")

// errHelp ends a command that only showed its help or its version.
var errHelp = errors.New("help was shown")

// IsHelp reports whether an error of Parse means that the help or the version was asked for and shown: not a failure.
func IsHelp(err error) bool { return errors.Is(err, errHelp) }

// Parse fills the kong struct target from args and the environment. An empty variable counts as one that is not set: docker
// compose passes such.
func Parse(name, description string, target any, args []string, stdout io.Writer) (*kong.Context, error) {
	helped := false
	p, err := parser(name, description, target, kong.Writers(stdout, stdout), kong.Exit(func(int) { helped = true }))
	if err != nil {
		return nil, err
	}
	ctx, err := p.Parse(args)
	if helped {
		return nil, errHelp
	}
	return ctx, err
}

// Model describes the commands and flags of the kong struct target.
func Model(name string, target any) (*kong.Application, error) {
	p, err := parser(name, "", target)
	if err != nil {
		return nil, err
	}
	return p.Model, nil
}

func parser(name, description string, target any, more ...kong.Option) (*kong.Kong, error) {
	rules := append(flagRules(name), kong.Name(name), kong.Description(description), kong.Vars{"tiers": job.DefaultTiers})
	p, err := kong.New(target, append(rules, more...)...)
	if err != nil {
		return nil, err
	}
	return p, kong.Visit(p.Model, func(node kong.Visitable, next kong.Next) error {
		if v, ok := node.(*kong.Value); ok {
			v.Tag.Envs = slices.DeleteFunc(v.Tag.Envs, isEmpty)
		}
		return next(nil)
	})
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
	Files  *filestore.Store // nil: there is no place for files
	Tiers  job.Tiers

	Metrics    *prometheus.Registry // of this process
	jobMetrics *jobs.Metrics

	Traces trace.TracerProvider // nil: nothing is traced
	traces *traces

	// What checkRedis works with.
	prefix     *deployment.Prefix
	slots      *ratelimit.Slots
	queue      *tasks.Client
	deployment atomic.Pointer[string] // the database's id; nil: not read yet
	address    string                 // where the database is, for people
	redisCheck recent
	filesCheck recent

	stopWatch context.CancelFunc // nil: nobody watches
	watched   chan struct{}      // closed when nobody watches any more

	// ballast makes the garbage collector run less often. It runs when the heap is twice what is in use, a few megabytes
	// here, which came to a hundred times a second. Unlike GOGC this adds the same to a large heap as to a small one, and
	// unlike GOMEMLIMIT it has no limit near which the collector never rests. Nobody touches the bytes, so that they take
	// addresses and no memory.
	ballast []byte
}

const (
	openWithin  = 5 * time.Second // how long a process that starts waits for the database and Redis
	readyWithin = 2 * time.Second // how long one that runs does
	// redisKept is how long the result of a check of Redis is given out, so that it costs Redis nothing to be asked for often.
	redisKept = 3 * time.Second
	// filesKept is the same of the file store, where a check writes a file.
	filesKept = 10 * time.Second
	// renewEvery is how often each process holds the deployment's prefix anew.
	renewEvery = deployment.HeldFor / 6
)

// Open opens the database and Redis and checks that both do what they are needed for, that the schema is current, and that
// no other deployment uses the same keys in Redis.
func Open(ctx context.Context, c *config.Config, log *slog.Logger) (*Stack, error) {
	tiers, err := job.ParseTiers(c.Tiers)
	if err != nil {
		return nil, err
	}
	logLibraries(log)
	tiers = append(tiers, job.TierLimit{Tier: job.TierExport, Concurrent: c.MaxExportJobs})
	s := &Stack{Config: c, Log: log, Tiers: tiers, ballast: make([]byte, 8<<20)}
	if place := c.FilesURL(); place != "" {
		if s.Files, err = filestore.Open(place); err != nil {
			return nil, fmt.Errorf("MUSTER_FILES: %w", err)
		}
		s.filesCheck = recent{check: s.Files.Check, keep: filesKept, within: readyWithin}
	}
	if s.traces, err = openTraces(ctx, log); err != nil {
		return nil, err
	}
	s.Traces = s.traces.Provider()
	options := store.Options{MaxConns: c.DBMaxConns, Lease: c.Lease, Deadline: c.JobDeadline, Traces: s.Traces}
	if s.Store, err = store.Open(c.Database, options); err != nil {
		return nil, fmt.Errorf("MUSTER_DATABASE: %w", err)
	}
	if s.Redis, err = openRedis(c.Redis); err != nil {
		return nil, errors.Join(fmt.Errorf("MUSTER_REDIS: %w", err), s.Store.Close())
	}
	s.prefix = deployment.NewPrefix(s.Redis, c.RedisPrefix)
	s.slots = ratelimit.NewSlots(s.Redis, ratelimit.Options{Prefix: c.RedisPrefix})
	s.queue = tasks.NewClient(s.Redis, c.RedisPrefix, 0)
	s.measure()
	host, _ := os.Hostname()
	s.address = fmt.Sprintf("%s, seen from %s", config.Redact(c.Database), host)
	s.redisCheck = recent{check: s.checkRedis, keep: redisKept, within: readyWithin}
	if err := s.ready(ctx, openWithin); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	watch, stop := context.WithCancel(context.WithoutCancel(ctx))
	s.stopWatch, s.watched = stop, make(chan struct{})
	go s.watchRedis(watch)
	return s, nil
}

// Ready returns why the stack cannot serve: the database or Redis does not answer or cannot do its work, the schema is not
// current, or another deployment uses the same keys in Redis. It takes two seconds at most.
func (s *Stack) Ready(ctx context.Context) error { return s.ready(ctx, readyWithin) }

func (s *Stack) ready(ctx context.Context, within time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	if err := s.Store.Ready(ctx); err != nil {
		return fmt.Errorf("MUSTER_DATABASE %s: %w", config.Redact(s.Config.Database), err)
	}
	if err := s.Store.SchemaCurrent(ctx); err != nil {
		return err
	}
	if s.deployment.Load() == nil {
		if err := s.readDeployment(ctx); err != nil {
			return fmt.Errorf("MUSTER_DATABASE %s: %w", config.Redact(s.Config.Database), err)
		}
	}
	if err := s.CheckRedis(ctx); err != nil {
		return fmt.Errorf("MUSTER_REDIS %s: %w", config.Redact(s.Config.Redis), err)
	}
	return nil
}

// CheckRedis returns why Redis cannot take a job, as it was at most three seconds ago. Errors: *job.UnreadyError when it
// answers.
func (s *Stack) CheckRedis(ctx context.Context) error { return s.redisCheck.result(ctx) }

// CheckFiles returns why the file store cannot be written, as it was at most ten seconds ago.
func (s *Stack) CheckFiles(ctx context.Context) error { return s.filesCheck.result(ctx) }

func (s *Stack) readDeployment(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readyWithin)
	defer cancel()
	id, err := s.Store.Deployment(ctx)
	if err == nil {
		s.deployment.Store(&id)
	}
	return err
}

// watchRedis checks Redis until ctx ends, which holds the deployment's prefix, and logs when it ceases to take jobs, and when
// it takes them again.
func (s *Stack) watchRedis(ctx context.Context) {
	defer close(s.watched)
	failed := false
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(renewEvery*3/4 + rand.N(renewEvery/2)):
		}
		// Anew, since the database may have been replaced under this process. One that does not answer says so elsewhere.
		_ = s.readDeployment(ctx)
		err := s.CheckRedis(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil && !failed:
			s.Log.Warn("Redis takes no jobs", "err", err)
		case err == nil && failed:
			s.Log.Info("Redis takes jobs again")
		}
		failed = err != nil
	}
}

// Close closes Redis and the database.
func (s *Stack) Close() error {
	runtime.KeepAlive(s.ballast)
	if s.stopWatch != nil {
		s.stopWatch()
		<-s.watched
	}
	s.traces.Close(s.Log)
	return errors.Join(s.Redis.Close(), s.Store.Close())
}
