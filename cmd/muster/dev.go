package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/musterhq/muster/cmd/internal/apiproc"
	"github.com/musterhq/muster/cmd/internal/boot"
	"github.com/musterhq/muster/cmd/internal/workerproc"
	"github.com/musterhq/muster/internal/config"
	"github.com/musterhq/muster/internal/embedded"
	"github.com/musterhq/muster/internal/source/sourcetest"
	"github.com/musterhq/muster/internal/store"
)

type devCommand struct {
	Addr      string `env:"MUSTER_HTTP_ADDR" default:"127.0.0.1:8080" help:"Where the API listens."`
	AdminAddr string `env:"MUSTER_ADMIN_ADDR" default:"127.0.0.1:9090" help:"Where /monitoring listens; off: nowhere."`
	Data      string `default:"data" type:"path" help:"The folder of the SQLite file, which one muster uses at a time."`
	Offline   bool   `help:"Take RandomUser users from a built-in stand-in, without network."`
}

// Help tells what the flags leave out.
func (*devCommand) Help() string {
	return "The other settings are variables, as of the API and the workers: `api --help` lists them."
}

// Run runs the stack until it is told to stop.
func (d *devCommand) Run(p *process) error {
	if d.Data == "" {
		return errors.New("--data wants a folder; . is the one that you are in")
	}
	var c config.Config // the other settings come from the environment
	if _, err := boot.Parse("muster dev", "", &c, nil, io.Discard); err != nil {
		return err
	}
	c.HTTPAddr, c.AdminAddr = d.Addr, d.AdminAddr
	log := boot.Log(&c, p.stderr)
	return runEmbedded(p.ctx, &c, d.Data, d.Offline, log, func(_ context.Context, a *apiproc.API) error {
		who, key := "X-USER-ID: ann", ""
		if c.Auth == "key" {
			who = "Authorization: Bearer muster_…"
			key = fmt.Sprintf("  a key       MUSTER_DATABASE=sqlite://%s muster keys create --owner ann --name first --scopes read,write,export\n", filepath.Join(d.Data, "muster.db"))
		}
		_, err := fmt.Fprintf(p.stdout, "Muster runs.\n  dashboard   %[1]s/dashboard\n  API         %[1]s/docs\n  queue       %[2]s\n  data        %[3]s\n%[5]s  try         curl -X POST -H '%[4]s' '%[1]s/api/v1/users/import/async?count=100000'\n",
			origin(a.Addr()), monitoring(a), d.Data, who, key)
		return err
	})
}

func monitoring(a *apiproc.API) string {
	if a.AdminAddr() == nil {
		return "off"
	}
	return origin(a.AdminAddr()) + "/monitoring"
}

// origin is the address of a listener for browsers on this machine.
func origin(a net.Addr) string {
	host, port, err := net.SplitHostPort(a.String())
	if err != nil {
		return "http://" + a.String()
	}
	if net.ParseIP(host).IsUnspecified() { // it listens everywhere
		host = "127.0.0.1"
	}
	return "http://" + net.JoinHostPort(host, port)
}

// runEmbedded runs API and worker, the very packages of the real commands, on SQLite and an in-process Redis. It
// calls up once the API listens, and ends when ctx does, or up fails.
func runEmbedded(ctx context.Context, c *config.Config, dir string, offline bool, log *slog.Logger, up func(ctx context.Context, a *apiproc.API) error) (err error) {
	held, err := takeFolder(dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, held.close()) }()
	// Before the database is set: what a secret's file holds would take its place.
	if err := boot.Check(c); err != nil {
		return err
	}
	for _, name := range []string{"MUSTER_DATABASE", "MUSTER_DATABASE_FILE", "MUSTER_REDIS", "MUSTER_REDIS_FILE"} {
		if os.Getenv(name) != "" {
			log.Warn("a setting is not used: this stack has an SQLite file and a Redis of its own", "setting", name)
		}
	}
	redis, err := embedded.StartRedis()
	if err != nil {
		return err
	}
	defer redis.Close()
	c.Redis = redis.URL()
	if c.Database, err = store.SQLiteURL(filepath.Join(dir, "muster.db")); err != nil {
		return err
	}
	if offline {
		stub, err := serveStub(ctx)
		if err != nil {
			return err
		}
		defer stub.stop()
		c.RandomUserURL, c.RandomUserUsers = stub.url, 1<<40 // the stand-in serves as fast as it can
	}
	done, err := boot.Migrate(ctx, c)
	if err != nil {
		return err
	}
	if done.Built != 0 || done.Dropped != 0 {
		log.Info("search indexes changed", "built", done.Built.String(), "dropped", done.Dropped.String())
	}
	s, err := boot.Open(ctx, c, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	a, err := apiproc.New(ctx, s)
	if err != nil {
		return err
	}
	a.RefuseOtherNames()
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return a.Serve(ctx) })
	g.Go(func() error { return workerproc.Run(ctx, s) })
	g.Go(func() error {
		if err := held.usedBy(fmt.Sprintf("process %d at %s", os.Getpid(), origin(a.Addr()))); err != nil {
			return err
		}
		return up(ctx, a)
	})
	return g.Wait()
}

type stub struct {
	url  string
	stop func()
}

// serveStub serves the stand-in for RandomUser.me.
func serveStub(ctx context.Context) (*stub, error) {
	var listen net.ListenConfig
	l, err := listen.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	srv := &http.Server{Handler: sourcetest.New(sourcetest.Config{}), ReadHeaderTimeout: 5 * time.Second}
	go func() { _ = srv.Serve(l) }()
	return &stub{url: "http://" + l.Addr().String(), stop: func() { _ = srv.Close() }}, nil
}
