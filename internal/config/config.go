// Package config is every setting of Muster's commands, from flags and the environment. The struct tags are read by
// kong in cmd/internal/boot; this package says what they mean, checks them as a whole and prints them without secrets.
package config

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"time"

	"github.com/musterhq/muster/internal/job"
	"github.com/musterhq/muster/internal/searchindex"
)

// Config is the settings that cmd/api and cmd/worker share. Every field has a flag, an environment variable and a
// default; secrets can also be read from the file that NAME_FILE names.
type Config struct {
	Database string `env:"MUSTER_DATABASE" default:"sqlite://data/muster.db" secret:"url" help:"mysql://user:password@host:3306/db or mariadb://…, user and password percent-encoded, for TLS with ?ssl-mode=REQUIRED or VERIFY_IDENTITY; vitess://… for a sharded one; or sqlite:///path/to/file."`
	Redis    string `env:"MUSTER_REDIS" default:"redis://127.0.0.1:6379/0" secret:"url" help:"redis://, rediss:// (TLS), several addresses joined by commas (a cluster), or redis-sentinel://host:port,host:port/name."`

	SearchIndexes string        `env:"MUSTER_SEARCH_INDEXES" help:"By which fields lists can be searched and sorted fast: all, none, or some of name,city,state,age,deleted; the fewer, the faster are imports. muster migrate builds and drops indexes. Empty: they stay as they are, all in a new database."`
	RedisPrefix   string        `env:"MUSTER_REDIS_PREFIX" default:"muster" help:"What every key in Redis begins with: deployments that share a database of Redis need one each."`
	Files         string        `env:"MUSTER_FILES" secret:"url" help:"Where files that are imported lie: file:///path, a folder that APIs and workers share, or s3://key:secret@bucket/prefix?region=…&endpoint=https://host (without key: as Amazon's tools find it; without endpoint: Amazon). Empty: beside a SQLite file, otherwise files cannot be imported."`
	MaxFileBytes  int64         `env:"MUSTER_MAX_FILE_BYTES" default:"20000000000" help:"Bytes of the largest file that is taken."`
	FileRetention time.Duration `env:"MUSTER_FILE_RETENTION" default:"168h" help:"How long a file stays when its job is over."`

	ImportFrom string `env:"MUSTER_IMPORT_FROM" secret:"url" help:"A folder or bucket, in the form of MUSTER_FILES, from whose files every caller may import by from=<path>; it is only read. Empty: nowhere."`

	Auth               string        `env:"MUSTER_AUTH" default:"header" enum:"header,key" help:"Who a caller of the API is: header takes the word of X-USER-ID, which a proxy has to set; key asks for an API key, see docs/api-keys.md."`
	HTTPAddr           string        `name:"http-addr" env:"MUSTER_HTTP_ADDR" default:":8080" help:"Where the API listens."`
	AdminAddr          string        `env:"MUSTER_ADMIN_ADDR" default:"127.0.0.1:9090" help:"Where /monitoring and /healthz for operators listen; off: nowhere."`
	AdminPassword      string        `env:"MUSTER_ADMIN_PASSWORD" secret:"whole" help:"Password of the user admin on the admin listener; needed to listen beyond loopback."`
	HealthAddr         string        `env:"MUSTER_HEALTH_ADDR" help:"Where a worker answers /healthz and /readyz; off, the default: nowhere."`
	MonitoringReadOnly bool          `env:"MUSTER_MONITORING_READ_ONLY" default:"true" negatable:"" help:"Whether /monitoring only shows the queue, and cannot change it."`
	PrometheusURL      string        `name:"prometheus-url" env:"MUSTER_PROMETHEUS_URL" help:"Prometheus that scrapes this installation, for the plots of /monitoring; the API asks it. Empty: no plots."`
	CORSOrigins        []string      `name:"cors-origins" env:"MUSTER_CORS_ORIGINS" help:"Origins whose pages may call the API, joined by commas, such as https://app.example.com; * is none."`
	MaxExports         int           `env:"MUSTER_MAX_EXPORTS" default:"4" help:"Exports at once in one API process."`
	WebhookNetworks    []string      `name:"webhook-allowed-networks" env:"MUSTER_WEBHOOK_ALLOWED_NETWORKS" help:"Networks that webhooks may be sent to though they are not public, joined by commas, such as 10.1.0.0/16."`
	MaxExportJobs      int           `env:"MUSTER_MAX_EXPORT_JOBS" default:"2" help:"Export jobs that one caller may have at once."`
	ExportLinkLife     time.Duration `env:"MUSTER_EXPORT_LINK_LIFE" default:"1h" help:"How long a link to a file of an export job is good for."`
	TempDir            string        `env:"MUSTER_TEMP_DIR" help:"The folder for the files of /export/csv, each there while it is sent; empty: the system's for temporary files."`

	Tiers    string `env:"MUSTER_TIERS" default:"${tiers}" help:"The tier table: NAME:max users:concurrent jobs[:cooldown], …"`
	MaxCount int64  `env:"MUSTER_MAX_COUNT" default:"10000000" help:"Most users that one job may ask for."`

	WorkerConcurrency int    `env:"MUSTER_WORKER_CONCURRENCY" default:"2" help:"Chunks that one worker process imports at once."`
	BatchRows         int    `env:"MUSTER_BATCH_ROWS" default:"0" help:"Users in one transaction; 0: 1000, SQLite 25000."`
	ChunkRows         int64  `env:"MUSTER_CHUNK_ROWS" default:"25000" help:"Users in one chunk, the unit that one worker claims; a chunk of an export has ten times as many ids."`
	Window            int    `env:"MUSTER_WINDOW" default:"8" help:"Chunks of one job that may be in the queue at once."`
	MaxQueueDepth     int64  `env:"MUSTER_MAX_QUEUE_DEPTH" default:"20000" help:"Chunks that may wait in the queue when a job is accepted; beyond it 503 queue_full."`
	RandomUserURL     string `name:"randomuser-url" env:"MUSTER_RANDOMUSER_URL" default:"https://randomuser.me" help:"Where RandomUser.me or its stand-in answers."`

	RandomUserUsers  int64         `name:"randomuser-users" env:"MUSTER_RANDOMUSER_USERS" default:"20000" help:"Users that the upstream allows the whole fleet per window; RandomUser.me's published allowance."`
	RandomUserWindow time.Duration `name:"randomuser-window" env:"MUSTER_RANDOMUSER_WINDOW" default:"5m" help:"The window of that allowance."`

	Lease             time.Duration `env:"MUSTER_LEASE" default:"15s" help:"How long a chunk stays its worker's without a committed batch."`
	JobDeadline       time.Duration `env:"MUSTER_JOB_DEADLINE" default:"24h" help:"How long a job may take, pauses aside, before it fails; 0: as long as it takes."`
	ReconcileInterval time.Duration `env:"MUSTER_RECONCILE_INTERVAL" default:"2s" help:"How often each worker looks for what was left undone."`
	SlotReserveLease  time.Duration `env:"MUSTER_SLOT_RESERVE_LEASE" default:"60s" help:"How long a slot lives that is taken or put back, until it is renewed."`
	SlotLease         time.Duration `env:"MUSTER_SLOT_LEASE" default:"15m" help:"How long a slot lives when the whole fleet is dead."`
	DrainTimeout      time.Duration `env:"MUSTER_DRAIN_TIMEOUT" default:"8s" help:"How long a stopping process finishes what it has in hand."`
	DBMaxConns        int           `name:"db-max-conns" env:"MUSTER_DB_MAX_CONNS" default:"16" help:"Connections to the database, per process."`

	LogFormat string `env:"MUSTER_LOG_FORMAT" default:"auto" enum:"auto,text,json" help:"auto is text on a terminal, JSON elsewhere."`
	LogLevel  string `env:"MUSTER_LOG_LEVEL" default:"info" enum:"debug,info,warn,error" help:"The least level that is logged."`
}

// EffectiveBatchRows is BatchRows, or what suits the engine: each SQLite transaction rewrites index pages into its
// log, so it gets fewer, larger ones.
func (c *Config) EffectiveBatchRows() int {
	switch {
	case c.BatchRows > 0:
		return c.BatchRows
	case strings.HasPrefix(c.Database, "sqlite:"):
		return 25_000
	}
	return 1000
}

// FilesURL is Files, or the folder beside a SQLite file. Empty: there is none, and files cannot be imported.
func (c *Config) FilesURL() string {
	file, sqlite := strings.CutPrefix(c.Database, "sqlite://")
	if c.Files != "" || !sqlite {
		return c.Files
	}
	return "file://" + filepath.Join(filepath.Dir(file), "files")
}

// Upstream is what RandomUser.me allows the fleet.
func (c *Config) Upstream() job.Allowance {
	return job.Allowance{Users: c.RandomUserUsers, Window: c.RandomUserWindow}
}

// LoadSecrets fills each secret whose NAME_FILE is set in the environment from that file. Setting a secret both ways
// is an error.
func (c *Config) LoadSecrets(getenv func(string) string) error {
	var errs []error
	c.each(func(name string, f reflect.StructField, v reflect.Value) {
		if f.Tag.Get("secret") == "" {
			return
		}
		path := getenv(name + "_FILE")
		switch {
		case path == "":
			return
		case getenv(name) != "":
			errs = append(errs, fmt.Errorf("%s and %s_FILE are both set: keep one", name, name))
			return
		}
		b, err := os.ReadFile(path)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s_FILE: %w", name, err))
			return
		}
		v.SetString(strings.TrimSpace(string(b)))
	})
	return errors.Join(errs...)
}

func (c *Config) each(fn func(name string, f reflect.StructField, v reflect.Value)) {
	v := reflect.ValueOf(c).Elem()
	for i := range v.NumField() {
		f := v.Type().Field(i)
		fn(f.Tag.Get("env"), f, v.Field(i))
	}
}

// redisPrefix leaves out braces, which would move keys to other nodes of a cluster, and the colon that ends the prefix.
var redisPrefix = regexp.MustCompile(`^[A-Za-z0-9._-]{1,32}$`)

// off is the address of a listener that there is not to be.
const off = "off"

// Normalize puts settings that may be written in several ways into one: an address that is off becomes empty, origins
// become what browsers send. Call it before Check, which reports those that cannot be.
func (c *Config) Normalize() {
	for _, addr := range []*string{&c.AdminAddr, &c.HealthAddr} {
		if strings.EqualFold(strings.TrimSpace(*addr), off) {
			*addr = ""
		}
	}
	var origins []string
	for _, text := range c.CORSOrigins {
		if text = strings.TrimSpace(text); text == "" {
			continue
		}
		if o, err := origin(text); err == nil {
			text = o
		}
		origins = append(origins, text)
	}
	c.CORSOrigins = origins
}

// Check looks at all settings at once; the error says of each bad one how to mend it, and holds no secret.
func (c *Config) Check() error {
	var errs []error
	bad := func(name, format string, args ...any) {
		errs = append(errs, fmt.Errorf(name+": "+format, args...))
	}
	c.checkURLs(bad)
	if _, err := job.ParseTiers(c.Tiers); err != nil {
		bad("MUSTER_TIERS", "%w; the default is %s", err, job.DefaultTiers)
	}
	c.checkAddrs(bad)
	if _, _, err := searchindex.Parse(c.SearchIndexes); err != nil {
		bad("MUSTER_SEARCH_INDEXES", "%w", err)
	}
	for _, n := range []struct {
		name         string
		v, low, high int64
	}{
		{"MUSTER_MAX_COUNT", c.MaxCount, 1, 1_000_000_000},
		{"MUSTER_MAX_FILE_BYTES", c.MaxFileBytes, 1, 80_000_000_000}, // a bucket takes 10,000 blocks of 8 MiB
		{"MUSTER_WORKER_CONCURRENCY", int64(c.WorkerConcurrency), 1, 1000},
		{"MUSTER_RANDOMUSER_USERS", c.RandomUserUsers, job.RandomUserPage, 1 << 40}, // a page is taken whole
		{"MUSTER_BATCH_ROWS", int64(c.BatchRows), 0, 100_000},
		{"MUSTER_CHUNK_ROWS", c.ChunkRows, 1, 10_000_000},
		{"MUSTER_WINDOW", int64(c.Window), 1, 1000},
		{"MUSTER_MAX_QUEUE_DEPTH", c.MaxQueueDepth, 1, 10_000_000},
		{"MUSTER_MAX_EXPORTS", int64(c.MaxExports), 1, 1000},
		{"MUSTER_MAX_EXPORT_JOBS", int64(c.MaxExportJobs), 1, 1000},
		{"MUSTER_DB_MAX_CONNS", int64(c.DBMaxConns), 2, 10_000},
	} {
		if n.v < n.low || n.v > n.high {
			bad(n.name, "%d is not between %d and %d", n.v, n.low, n.high)
		}
	}
	for _, d := range []struct {
		name         string
		v, low, high time.Duration
	}{
		{"MUSTER_LEASE", c.Lease, time.Second, time.Hour},
		{"MUSTER_RANDOMUSER_WINDOW", c.RandomUserWindow, time.Second, 24 * time.Hour},
		{"MUSTER_EXPORT_LINK_LIFE", c.ExportLinkLife, time.Minute, 7 * 24 * time.Hour}, // Amazon signs for no longer
		{"MUSTER_FILE_RETENTION", c.FileRetention, 0, 365 * 24 * time.Hour},
		{"MUSTER_JOB_DEADLINE", c.JobDeadline, 0, 365 * 24 * time.Hour},
		{"MUSTER_RECONCILE_INTERVAL", c.ReconcileInterval, 50 * time.Millisecond, time.Minute},
		{"MUSTER_SLOT_RESERVE_LEASE", c.SlotReserveLease, time.Second, time.Hour},
		{"MUSTER_SLOT_LEASE", c.SlotLease, 2 * c.ReconcileInterval, 24 * time.Hour},
		{"MUSTER_DRAIN_TIMEOUT", c.DrainTimeout, time.Second, 5 * time.Minute},
	} {
		if d.v < d.low || d.v > d.high {
			bad(d.name, "%s is not between %s and %s", d.v, d.low, d.high)
		}
	}
	return errors.Join(errs...)
}

func (c *Config) checkURLs(bad func(name, format string, args ...any)) {
	if strings.HasPrefix(c.Database, "vitess://") && c.ChunkRows > 1<<job.BlockBits {
		bad("MUSTER_CHUNK_ROWS", "%d is above %d, the most on a sharded database", c.ChunkRows, 1<<job.BlockBits)
	}
	switch scheme, _, _ := strings.Cut(c.Database, "://"); scheme {
	case "mysql", "mariadb", "vitess", "sqlite": // internal/store says what is wrong with the rest
	default:
		bad("MUSTER_DATABASE", "want mysql://user:password@host:3306/db, mariadb://…, vitess://… or sqlite:///path/to/file")
	}
	for _, place := range [][2]string{{"MUSTER_FILES", c.Files}, {"MUSTER_IMPORT_FROM", c.ImportFrom}} {
		if scheme, where, _ := strings.Cut(place[1], "://"); place[1] != "" && (scheme != "file" && scheme != "s3" || where == "") {
			bad(place[0], "want file:///path or s3://key:secret@bucket/prefix?region=…&endpoint=…")
		}
	}
	if _, err := ParseRedis(c.Redis); err != nil {
		bad("MUSTER_REDIS", "%w", err)
	}
	if !redisPrefix.MatchString(c.RedisPrefix) || c.RedisPrefix == "asynq" {
		bad("MUSTER_REDIS_PREFIX", "want 1 to 32 of the characters A-Z a-z 0-9 . _ -, and not asynq, which is the queue's own")
	}
	for _, text := range c.CORSOrigins {
		if _, err := origin(text); err != nil {
			bad("MUSTER_CORS_ORIGINS", "%w", err)
		}
	}
	if c.PrometheusURL != "" && (!isHTTP(c.PrometheusURL) || strings.Contains(c.PrometheusURL, "@")) {
		bad("MUSTER_PROMETHEUS_URL", "want http://host:port or https://host, without a password: /monitoring shows it")
	}
	if !isHTTP(c.RandomUserURL) {
		bad("MUSTER_RANDOMUSER_URL", "want http://host or https://host")
	}
}

func isHTTP(text string) bool {
	u, err := url.Parse(text)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != ""
}

func (c *Config) checkAddrs(bad func(name, format string, args ...any)) {
	if _, _, err := net.SplitHostPort(c.HTTPAddr); err != nil {
		bad("MUSTER_HTTP_ADDR", "want host:port or :port")
	}
	if _, _, err := net.SplitHostPort(c.HealthAddr); c.HealthAddr != "" && err != nil {
		bad("MUSTER_HEALTH_ADDR", "want host:port, or off for no health listener")
	}
	if c.AdminAddr == "" {
		return
	}
	host, _, err := net.SplitHostPort(c.AdminAddr)
	if err != nil {
		bad("MUSTER_ADMIN_ADDR", "want host:port, or off for no admin listener")
		return
	}
	if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) && c.AdminPassword == "" {
		bad("MUSTER_ADMIN_ADDR", "%s is reachable from elsewhere: set MUSTER_ADMIN_PASSWORD, or listen on 127.0.0.1", c.AdminAddr)
	}
}

// LogValue is the configuration for a log line: everything, without secrets.
func (c *Config) LogValue() slog.Value {
	var attrs []slog.Attr
	c.each(func(_ string, f reflect.StructField, v reflect.Value) {
		value := v.Interface()
		switch f.Tag.Get("secret") {
		case "url":
			value = Redact(v.String())
		case "whole":
			if v.String() != "" {
				value = "***"
			}
		}
		attrs = append(attrs, slog.Any(f.Name, value))
	})
	return slog.GroupValue(attrs...)
}
