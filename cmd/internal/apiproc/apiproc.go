// Package apiproc is an API process: what cmd/api runs alone and `muster dev` runs beside a worker.
package apiproc

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net"
	"net/http"
	"runtime/debug"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/musterhq/muster/cmd/internal/boot"
	"github.com/musterhq/muster/internal/apikey"
	"github.com/musterhq/muster/internal/dashboard"
	"github.com/musterhq/muster/internal/export"
	"github.com/musterhq/muster/internal/fileexport"
	"github.com/musterhq/muster/internal/httpapi"
	"github.com/musterhq/muster/internal/progress"
	"github.com/musterhq/muster/internal/records"
	"github.com/musterhq/muster/internal/tasks"
	"github.com/musterhq/muster/internal/upload"
)

// API is an API process that listens, and does not serve yet.
type API struct {
	stack         *boot.Stack
	server        *httpapi.Server
	auth          *apikey.Authenticator // nil: nobody is asked for a key
	public, admin net.Listener
}

// Run serves until ctx ends.
func Run(ctx context.Context, s *boot.Stack) error {
	a, err := New(ctx, s)
	if err != nil {
		return err
	}
	return a.Serve(ctx)
}

// New opens the listeners; Serve serves them.
func New(ctx context.Context, s *boot.Stack) (*API, error) {
	c := s.Config
	config := httpapi.Config{
		Jobs: s.Jobs(), Users: s.Store, UserStore: s.Store, Duplicates: s.Store, Rejects: s.Store, Webhooks: s.Store, Log: s.Log,
		Export: export.Users{Pager: s.Store}, Schedules: s.Schedules(),
		Checks: []httpapi.Check{
			{Name: "database", Ping: s.Store.Ready}, {Name: "schema", Ping: s.Store.SchemaCurrent}, {Name: "redis", Ping: s.CheckRedis},
			// Were it not minor, a few large exports at once would take the whole API off its load balancer.
			{Name: "temp_dir", Ping: func(context.Context) error { return httpapi.CheckTempDir(c.TempDir) }, Minor: true},
		},
		Upstream: c.Upstream(), BatchRows: c.EffectiveBatchRows(), MaxExports: c.MaxExports, TempDir: c.TempDir,
		CORSOrigins: c.CORSOrigins, AdminPassword: c.AdminPassword,
		Monitoring: &httpapi.Monitoring{Redis: tasks.SharedRedis(s.Redis), Writable: !c.MonitoringReadOnly, Prometheus: c.PrometheusURL},
		Metrics:    httpapi.NewMetrics(s.Metrics), MetricsPage: s.MetricsPage(), Traces: s.Traces,
		KnownCharset: records.KnownCharset, MaxFileBytes: c.MaxFileBytes,
	}
	var err error
	if config.WebhookGuard, err = s.WebhookGuard(); err != nil {
		return nil, err
	}
	var auth *apikey.Authenticator
	if c.Auth == "key" {
		auth = apikey.NewAuthenticator(s.Store, s.Log)
		config.Auth, config.Keys = auth, s.Store
	}
	if err := takeFiles(s, &config); err != nil {
		return nil, err
	}
	server, err := httpapi.New(config)
	if err != nil {
		return nil, err
	}
	addDashboards(s, server, auth)
	if err := checkTempDir(s); err != nil {
		return nil, err
	}
	a := &API{stack: s, server: server, auth: auth}
	var listen net.ListenConfig
	if a.public, err = listen.Listen(ctx, "tcp", c.HTTPAddr); err != nil {
		return nil, fmt.Errorf("MUSTER_HTTP_ADDR: %w", err)
	}
	if c.AdminAddr != "" {
		if a.admin, err = listen.Listen(ctx, "tcp", c.AdminAddr); err != nil {
			return nil, errors.Join(fmt.Errorf("MUSTER_ADMIN_ADDR: %w", err), a.public.Close())
		}
	}
	// Reading the contract leaves garbage of some 15 MiB, which an idle process would keep.
	debug.FreeOSMemory()
	return a, nil
}

// addDashboards makes the pages of callers and of operators, which show what the server's API does.
func addDashboards(s *boot.Stack, server *httpapi.Server, auth *apikey.Authenticator) {
	c := dashboard.Config{
		Jobs: s.Jobs(), Store: s.Store, Fleet: tasks.NewClient(s.Redis, s.Config.RedisPrefix, 0), Stored: progress.New(s.Redis, s.Config.RedisPrefix),
		Step: progress.StoredStep, Tiers: s.Tiers, Message: server.Message, Upstream: s.Config.Upstream(), Live: httpapi.Live, Log: s.Log,
	}
	operators := c
	operators.Everybody = true
	server.AdminDashboard = dashboard.New(operators)
	if auth != nil {
		c.Sessions = auth
	}
	c.API = server.Public() // which has no dashboard yet
	server.Dashboard = dashboard.New(c)
}

// uploadExpiry is how long an upload may stand unfinished.
const uploadExpiry = 24 * time.Hour

// takeFiles lets the API take files, if there is a place for them.
func takeFiles(s *boot.Stack, c *httpapi.Config) error {
	source, err := s.ImportSource()
	if err != nil {
		return err
	}
	if source != nil {
		c.Source = source
	}
	if s.Files == nil {
		return nil
	}
	uploads, err := upload.New(upload.Config{
		Files: s.Files, Max: s.Config.MaxFileBytes, Expiry: uploadExpiry, Owner: httpapi.UploadOwner, Fail: httpapi.UploadFailed,
		InUse: func(ctx context.Context, id string) (bool, error) {
			never := time.UnixMilli(math.MaxInt64) // a job that is over needs it no more
			return s.Store.UploadInUse(ctx, id, never)
		},
	})
	if err != nil {
		return err
	}
	c.Uploads, c.Files = uploads, s.FileImport()
	c.ExportLinks = &fileexport.Links{Files: s.FileExport(), Key: s.Store.LinkKey, Life: s.Config.ExportLinkLife, Now: time.Now}
	// Minor, as all else goes on without.
	c.Checks = append(c.Checks, httpapi.Check{Name: "files", Ping: s.CheckFiles, Minor: true})
	return nil
}

// checkTempDir returns an error when the folder for exports is not there or not ours to write to. One that is full is
// only logged: it need not stay so, and all but GET /export/csv do without it.
func checkTempDir(s *boot.Stack) error {
	switch err := httpapi.CheckTempDir(s.Config.TempDir); {
	case err == nil:
		return nil
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		s.Log.Warn("no room for the files of /export/csv", "err", err)
		return nil
	default:
		return fmt.Errorf("MUSTER_TEMP_DIR, for the files of /export/csv: %w", err)
	}
}

// RefuseOtherNames makes an API on loopback refuse requests for another host than this machine, so that no page can
// read it by DNS rebinding. It is not for an API behind a proxy, which may pass on the name under which it is known
// itself. Call it before Serve.
func (a *API) RefuseOtherNames() {
	if addr, ok := a.public.Addr().(*net.TCPAddr); ok {
		a.server.LoopbackNames = addr.IP.IsLoopback()
	}
}

// Addr returns where the API listens.
func (a *API) Addr() net.Addr { return a.public.Addr() }

// AdminAddr returns where the admin pages listen; nil: nowhere.
func (a *API) AdminAddr() net.Addr {
	if a.admin == nil {
		return nil
	}
	return a.admin.Addr()
}

// Serve answers requests until ctx ends, then finishes those that it has begun, at most for the drain timeout.
func (a *API) Serve(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return a.serve(ctx, a.public, a.server.Public()) })
	if a.admin != nil {
		g.Go(func() error { return a.serve(ctx, a.admin, a.server.Admin()) })
	}
	if a.auth != nil {
		defer a.auth.Close()
	}
	a.stack.Log.Info("API listens", "addr", a.public.Addr().String())
	return g.Wait()
}

func (a *API) serve(ctx context.Context, l net.Listener, h http.Handler) error {
	srv := httpapi.NewHTTPServer(h, a.stack.Log)
	stopped := make(chan error, 1)
	go func() {
		<-ctx.Done()
		drain, cancel := context.WithTimeout(context.Background(), a.stack.Config.DrainTimeout)
		defer cancel()
		if err := srv.Shutdown(drain); err != nil {
			stopped <- errors.Join(fmt.Errorf("requests cut at shutdown: %w", err), srv.Close())
			return
		}
		stopped <- nil
	}()
	if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return <-stopped
}
