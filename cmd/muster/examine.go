package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/musterhq/muster/cmd/internal/boot"
	"github.com/musterhq/muster/internal/config"
	"github.com/musterhq/muster/internal/doctor"
	"github.com/musterhq/muster/internal/filestore"
	"github.com/musterhq/muster/internal/httpapi"
	"github.com/musterhq/muster/internal/store"
)

// examineWithin is how long each part of a stack is waited for.
const examineWithin = 4 * time.Second

// mostJobs is how many jobs are looked at.
const mostJobs = 1000

// examine collects the facts about the stack of c, all parts at once. redisGiven tells whether somebody said where Redis is.
func examine(ctx context.Context, c *config.Config, quiet time.Duration, redisGiven bool) *doctor.Facts {
	f := &doctor.Facts{Settings: &doctor.Settings{Config: c, Unread: config.Unread(os.Environ())}}
	if err := boot.Check(c); err != nil {
		f.Settings.Err = err
	}
	var parts sync.WaitGroup
	parts.Go(func() { f.Database, f.Jobs = examineDatabase(ctx, c, quiet) })
	parts.Go(func() { f.Redis, f.Fleet = boot.InspectRedis(ctx, c, examineWithin) })
	parts.Go(func() { f.Files = examineFiles(ctx, c) })
	parts.Go(func() {
		dir := cmp.Or(c.TempDir, os.TempDir())
		f.TempDir = &doctor.Folder{Address: dir, Free: free(dir)}
		f.TempDir.Err = bounded(ctx, func(context.Context) error { return httpapi.CheckTempDir(c.TempDir) })
	})
	parts.Wait()
	if file, ok := sqliteFile(c); ok && !redisGiven {
		// The Redis at the default address may be anybody's, while a `muster dev` has its own.
		if dev := examineDev(ctx, filepath.Dir(file)); dev.Who != "" || f.Redis.Err != nil {
			f.Redis, f.Fleet, f.Dev = nil, nil, dev
		}
		if f.Database.Missing {
			f.Dev = nil
		}
	}
	if f.Redis != nil && f.Redis.Holder != "" && f.Database.Err == nil && f.Database.Ready == nil && !f.Database.Missing {
		f.Redis.Ours = deploymentOf(ctx, c)
	}
	return f
}

// bounded runs what may hang, on a disk of the network for one.
func bounded(ctx context.Context, look func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, examineWithin)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- look(ctx) }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return fmt.Errorf("no answer within %s", examineWithin)
	}
}

// sqliteFile returns the path of the database's file, if it has one.
func sqliteFile(c *config.Config) (path string, ok bool) {
	u, err := url.Parse(c.Database)
	if err != nil || u.Scheme != "sqlite" {
		return "", false
	}
	return u.Host + u.Path, true
}

func openStore(c *config.Config) (*store.Store, error) {
	return store.Open(c.Database, store.Options{MaxConns: 4, Lease: c.Lease})
}

func examineDatabase(ctx context.Context, c *config.Config, quiet time.Duration) (*doctor.Database, *doctor.Jobs) {
	d := &doctor.Database{Address: config.Redact(c.Database)}
	file, isFile := sqliteFile(c)
	if isFile { // to open one would make it
		d.Address = file
		if _, err := os.Stat(file); err != nil {
			d.Missing, d.Err = true, err
			return d, nil
		}
		d.Free = free(filepath.Dir(file))
	}
	s, err := openStore(c)
	if err != nil {
		d.Err = err
		return d, nil
	}
	defer func() { _ = s.Close() }()
	asking, cancel := context.WithTimeout(ctx, examineWithin)
	defer cancel()
	d.Facts, d.Err = s.Facts(asking)
	if d.Err != nil {
		d.Ready = d.Err
		return d, nil
	}
	if !isFile && local(c.Database) {
		d.Free = free(d.Facts.DataDir)
	}
	if c.Auth == "key" {
		if n, err := s.LiveKeys(asking); err == nil { // without the table, the schema is old, which is judged
			d.LiveKeys = &n
		}
	}
	j := &doctor.Jobs{Quiet: quiet}
	j.Open, j.Err = s.OpenJobs(asking, mostJobs)
	if d.Ready = s.Ready(asking); d.Ready != nil && isFile && asking.Err() != nil {
		d.Ready, d.Busy = nil, true
	}
	return d, j
}

// local reports whether the server of an address is on this machine.
func local(address string) bool {
	u, err := url.Parse(address)
	if err != nil {
		return false
	}
	ip := net.ParseIP(u.Hostname())
	return u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()
}

// deploymentOf returns the id of the database's deployment, or nothing.
func deploymentOf(ctx context.Context, c *config.Config) string {
	s, err := openStore(c)
	if err != nil {
		return ""
	}
	defer func() { _ = s.Close() }()
	ctx, cancel := context.WithTimeout(ctx, examineWithin)
	defer cancel()
	id, err := s.Deployment(ctx)
	if err != nil {
		return ""
	}
	return id
}

func examineFiles(ctx context.Context, c *config.Config) *doctor.Folder {
	place := c.FilesURL()
	if place == "" {
		return &doctor.Folder{}
	}
	d := &doctor.Folder{Address: config.Redact(place)}
	if dir, ok := strings.CutPrefix(place, "file://"); ok { // to open one would make it
		if _, err := os.Stat(dir); errors.Is(err, os.ErrNotExist) && c.Files == "" {
			return nil // beside an SQLite file, of which no process has run yet
		} else if err != nil {
			d.Err = err
			return d
		}
		d.Free = free(dir)
	}
	d.Err = bounded(ctx, func(ctx context.Context) error {
		files, err := filestore.Open(place)
		if err != nil {
			return err
		}
		return files.Check(ctx)
	})
	return d
}

// examineDev asks the `muster dev` that says it uses the folder, if it runs.
func examineDev(ctx context.Context, dir string) *doctor.Dev {
	d := &doctor.Dev{Folder: dir}
	said, err := os.ReadFile(filepath.Join(dir, userFile))
	if err != nil {
		return d
	}
	who := plain(strings.TrimSpace(string(said)))
	_, api, ok := strings.Cut(who, " at ")
	if !ok {
		return d
	}
	d.Ready = bounded(ctx, func(ctx context.Context) error {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, api+"/readyz", nil)
		if err != nil {
			return err
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			return err
		}
		defer func() { _ = resp.Body.Close() }()
		d.Who = "`muster dev`, " + who + "," // it answers: a process that was killed leaves the file
		text, err := io.ReadAll(io.LimitReader(resp.Body, 4096))
		if err == nil && resp.StatusCode != http.StatusOK {
			err = errors.New(plain(strings.ReplaceAll(strings.TrimSpace(string(text)), "\n", "; ")))
		}
		return err
	})
	return d
}
