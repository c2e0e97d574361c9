package config

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/musterhq/muster/internal/job"
)

func valid() Config {
	return Config{
		Database: "mysql://u:hunter2@h:3306/db", Redis: "redis://:hunter2@h:6379", HTTPAddr: ":8080", AdminAddr: "127.0.0.1:9090",
		MaxExports: 4, MaxQueueDepth: 10, Tiers: job.DefaultTiers, MaxCount: 10, WorkerConcurrency: 1, ChunkRows: 10, Window: 8, RandomUserURL: "https://x",
		Lease: 15 * time.Second, ReconcileInterval: time.Second, SlotReserveLease: time.Minute, SlotLease: time.Minute,
		DrainTimeout: time.Second, DBMaxConns: 4, MaxFileBytes: 1, RandomUserUsers: 20_000, RandomUserWindow: time.Minute, AdminPassword: "hunter2",
	}
}

func TestCheckListsEverything(t *testing.T) {
	t.Parallel()
	c := valid()
	if err := c.Check(); err != nil {
		t.Fatalf("valid settings: %v", err)
	}
	c.Database, c.Redis, c.Tiers, c.AdminPassword, c.AdminAddr, c.Lease, c.Window = "pg://u:hunter2@h", "x", "A:1", "", "0.0.0.0:1", 0, 0
	c.Files, c.MaxFileBytes, c.FileRetention = "gs://u:hunter2@h", 1<<40, -1
	err := c.Check()
	if err == nil {
		t.Fatal("bad settings passed")
	}
	for _, name := range []string{"DATABASE", "REDIS", "TIERS", "ADMIN_ADDR", "LEASE", "WINDOW", "FILES", "MAX_FILE_BYTES", "FILE_RETENTION"} {
		if !strings.Contains(err.Error(), "MUSTER_"+name+": ") {
			t.Errorf("no line for MUSTER_%s in:\n%v", name, err)
		}
	}
	if strings.Contains(err.Error(), "hunter2") {
		t.Errorf("a password in:\n%v", err)
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

func TestFilesURL(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ database, files, want string }{
		{"mysql://h/db", "", ""},
		{"mysql://h/db", "file:///f", "file:///f"},
		{"sqlite://data/muster.db", "", "file://data/files"},
		{"sqlite:///var/lib/muster.db?_pragma=x", "", "file:///var/lib/files"},
		{"sqlite://muster.db", "", "file://files"},
		{"sqlite:///var/lib/muster.db", "s3://k:s@b", "s3://k:s@b"},
	} {
		c := Config{Database: tt.database, Files: tt.files}
		if got := c.FilesURL(); got != tt.want {
			t.Errorf("%+v: %s", tt, got)
		}
	}
}

func TestRedact(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"sqlite:///var/lib/muster.db":                    "sqlite:///var/lib/muster.db",
		"redis://h:6379/0":                               "redis://h:6379/0",
		"mysql://u:secret@h:3306/db?tls=secret":          "mysql://u:***@h:3306/db",
		"mysql://u:sec,ret@h:3306/db":                    "mysql://u:***@h:3306/db",
		"mysql://u:se@c/ret@h:3306/db":                   "mysql://u:***@h:3306/db",
		"mysql://u:sec?ret@h:3306/db":                    "mysql://***",
		"redis://h?password=sec@ret":                     "redis://***",
		"redis://a:secret@h:1,rediss://:secret@h:2":      "redis://a:***@h:1,rediss://:***@h:2",
		"redis-sentinel://u:secret@h:1,h:2/master?x=sec": "redis-sentinel://u:***@h:1,h:2/master",
		"s3://key:sec%2Fret@bucket/a?endpoint=x":         "s3://key:***@bucket/a",
		"u:secret@tcp(h:3306)/db":                        "***",
	} {
		if got := Redact(in); got != want {
			t.Errorf("Redact(%q) = %q, want %q", in, got, want)
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

func TestEnvNames(t *testing.T) {
	t.Parallel()
	names := EnvNames()
	for _, want := range []string{"MUSTER_DATABASE", "MUSTER_DATABASE_FILE", "MUSTER_TIERS", "MUSTER_ADMIN_PASSWORD_FILE"} {
		if !slices.Contains(names, want) {
			t.Errorf("%s is missing", want)
		}
	}
	if slices.Contains(names, "") || slices.Contains(names, "MUSTER_TIERS_FILE") {
		t.Errorf("names: %v", names)
	}
}
