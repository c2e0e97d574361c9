package config

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/musterhq/muster/internal/job"
)

func valid() Config {
	return Config{
		Database: "mysql://u:hunter2@h:3306/db", Redis: "redis://:hunter2@h:6379", RedisPrefix: job.DefaultPrefix, HTTPAddr: ":8080", AdminAddr: "127.0.0.1:9090",
		MaxExports: 4, MaxExportJobs: 2, ExportLinkLife: time.Hour, MaxQueueDepth: 10, Tiers: job.DefaultTiers, MaxCount: 10, WorkerConcurrency: 1, ChunkRows: 10, Window: 8, RandomUserURL: "https://x",
		Lease: 15 * time.Second, ReconcileInterval: time.Second, SlotReserveLease: time.Minute, SlotLease: time.Minute,
		DrainTimeout: time.Second, DBMaxConns: 4, MaxFileBytes: 1, RandomUserUsers: 20_000, RandomUserWindow: time.Minute, AdminPassword: "hunter2",
	}
}

// A chunk has to lie on one shard.
func TestChunksOnShards(t *testing.T) {
	t.Parallel()
	c := valid()
	c.Database, c.ChunkRows = "vitess://u@h/muster", 1<<17
	if err := c.Check(); err != nil {
		t.Error(err)
	}
	c.ChunkRows++
	if err := c.Check(); err == nil || !strings.Contains(err.Error(), "MUSTER_CHUNK_ROWS: ") {
		t.Error(err)
	}
	c.Database = "mysql://u@h/muster"
	if err := c.Check(); err != nil {
		t.Error(err)
	}
}

func TestCheckListsEverything(t *testing.T) {
	t.Parallel()
	c := valid()
	if err := c.Check(); err != nil {
		t.Fatalf("valid settings: %v", err)
	}
	c.RedisPrefix, c.CORSOrigins = "a:b", []string{"*"}
	c.Database, c.Redis, c.Tiers, c.AdminPassword, c.AdminAddr, c.Lease, c.Window = "pg://u:hunter2@h", "x", "A:1", "", "0.0.0.0:1", 0, 0
	c.SearchIndexes = "city,email"
	c.Files, c.MaxFileBytes, c.FileRetention = "gs://u:hunter2@h", 1<<40, -1
	err := c.Check()
	if err == nil {
		t.Fatal("bad settings passed")
	}
	for _, name := range []string{"DATABASE", "REDIS", "REDIS_PREFIX", "CORS_ORIGINS", "TIERS", "ADMIN_ADDR", "LEASE", "WINDOW", "FILES", "MAX_FILE_BYTES", "FILE_RETENTION", "SEARCH_INDEXES"} {
		if !strings.Contains(err.Error(), "MUSTER_"+name+": ") {
			t.Errorf("no line for MUSTER_%s in:\n%v", name, err)
		}
	}
	if strings.Contains(err.Error(), "hunter2") {
		t.Errorf("a password in:\n%v", err)
	}
}

// How the rest has to look like, internal/store says better.
func TestKindsOfDatabases(t *testing.T) {
	t.Parallel()
	c := valid()
	for address, ok := range map[string]bool{
		"mysql://u:p@h/db": true, "mariadb://u:p@h/db": true, "sqlite:///a.db": true, "mysql://u:p/#?@h/db": true,
		"": false, "mysql:u:p@h/db": false, "jdbc:mysql://h/db": false, "u:p@tcp(h)/db": false,
	} {
		c.Database = address
		if err := c.Check(); (err == nil) != ok || err != nil && !strings.Contains(err.Error(), "mariadb://") {
			t.Errorf("%q: %v", address, err)
		}
	}
}

func TestPrintedWithoutSecrets(t *testing.T) {
	t.Parallel()
	c := valid()
	c.Redis = "redis://a:hunter2@h:1,redis://:hunter2@h:2?password=hunter2"
	got := fmt.Sprint((&c).LogValue())
	if strings.Contains(got, "hunter2") || !strings.Contains(got, "u:***@h:3306/db") {
		t.Errorf("printed: %s", got)
	}
}

func TestSearchIndexes(t *testing.T) {
	t.Parallel()
	for text, ok := range map[string]bool{
		"": true, "all": true, "none": true, "name,city": true, "city, age": true,
		"all,city": false, "email": false, "first_name": false, "city;age": false, ",": false,
	} {
		c := valid()
		c.SearchIndexes = text
		if err := c.Check(); (err == nil) != ok || err != nil && !strings.Contains(err.Error(), "joined by commas") {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestFilesURL(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ database, files, want string }{
		{"mysql://h/db", "", ""},
		{"mysql://h/db", "file:///f", "file:///f"},
		{"sqlite://data/muster.db", "", "file://data/files"},
		{"sqlite:///var/lib/team%231/muster.db", "", "file:///var/lib/team%231/files"},
		{"sqlite://muster.db", "", "file://files"},
		{"sqlite:///var/lib/muster.db", "s3://k:s@b", "s3://k:s@b"},
	} {
		c := Config{Database: tt.database, Files: tt.files}
		if got := c.FilesURL(); got != tt.want {
			t.Errorf("%+v: %s", tt, got)
		}
	}
}

func TestSecretsFromFiles(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "s")
	if err := os.WriteFile(path, []byte("mysql://u:p@h/db\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	env := map[string]string{"MUSTER_DATABASE_FILE": path}
	c := valid()
	if err := c.LoadSecrets(func(k string) string { return env[k] }); err != nil || c.Database != "mysql://u:p@h/db" {
		t.Fatalf("%q, %v", c.Database, err)
	}
	env["MUSTER_DATABASE"] = "x"
	if err := c.LoadSecrets(func(k string) string { return env[k] }); err == nil {
		t.Fatal("set both ways, and no error")
	}
	env = map[string]string{"MUSTER_REDIS_FILE": path + ".none"}
	if err := c.LoadSecrets(func(k string) string { return env[k] }); err == nil {
		t.Fatal("a missing file, and no error")
	}
}

func TestRedisPrefix(t *testing.T) {
	t.Parallel()
	if f, _ := reflect.TypeFor[Config]().FieldByName("RedisPrefix"); f.Tag.Get("default") != job.DefaultPrefix {
		t.Errorf("the default is %q: keys of before an upgrade begin with %q", f.Tag.Get("default"), job.DefaultPrefix)
	}
	for prefix, good := range map[string]bool{
		"muster": true, "Team-A_1.x": true, strings.Repeat("x", 32): true,
		"": false, strings.Repeat("x", 33): false, "a:b": false, "{a}": false, "a b": false, "é": false, "a\n": false, "asynq": false,
	} {
		c := valid()
		c.RedisPrefix = prefix
		if err := c.Check(); (err == nil) != good {
			t.Errorf("prefix %q: %v", prefix, err)
		}
	}
}

func TestNormalize(t *testing.T) {
	t.Parallel()
	c := valid()
	c.AdminAddr, c.HealthAddr = " OFF ", "off"
	c.CORSOrigins = []string{" https://App.example.com/ ", "", "HTTP://localhost:80", "https://[::1]:443", "http://h:443", "https://[2001:DB8::1]:8443"}
	c.Normalize()
	if c.AdminAddr != "" || c.HealthAddr != "" {
		t.Errorf("off is taken for the addresses %q and %q", c.AdminAddr, c.HealthAddr)
	}
	want := []string{"https://app.example.com", "http://localhost", "https://[::1]", "http://h:443", "https://[2001:db8::1]:8443"}
	if diff := cmp.Diff(want, c.CORSOrigins); diff != "" {
		t.Errorf("origins (-want +got):\n%s", diff)
	}
	if err := c.Check(); err != nil {
		t.Error(err)
	}
	for _, none := range []string{
		"*", "null", "app.example.com", "https://*.example.com", "https://a/b", "https://a?", "https://a#b", "https://u:hunter2@a", "https://", "https://a:",
		"https://a:0", "https://a:99999", "https://a b", "https://bücher.example", "ftp://a", "//a", "https:a", "https://a,https://b",
	} {
		c := valid()
		c.CORSOrigins = []string{none}
		c.Normalize()
		if err := c.Check(); err == nil || !strings.Contains(err.Error(), "MUSTER_CORS_ORIGINS") || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("origin %q: %v", none, err)
		}
	}
}
