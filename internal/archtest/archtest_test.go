package archtest_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/musterhq/muster/internal/archtest"
)

// muster is the import rule of docs/architecture.md: imports point down only.
var muster = archtest.Rules{
	Module: "github.com/musterhq/muster",
	May: map[string][]string{
		// Commands take everything and join it.
		"cmd":               {archtest.Any},
		"internal/embedded": {archtest.Any},

		// The edges reach adapters through interfaces of their own.
		"internal/httpapi":   {"internal/apikey", "internal/columns", "internal/invalid", "internal/job", "internal/logging", "internal/tracing", "internal/user", "internal/webhook"},
		"internal/worker":    {"internal/columns", "internal/crash", "internal/jobs", "internal/tasks", "internal/job", "internal/tracing", "internal/user", "internal/webhook"},
		"internal/dashboard": {"internal/apikey", "internal/job"},
		"internal/jobs":      {"internal/crash", "internal/invalid", "internal/job", "internal/tracing"},

		// Adapters never import one another.
		"internal/store":      {"internal/apikey", "internal/columns", "internal/crash", "internal/job", "internal/scrape", "internal/searchindex", "internal/tracing", "internal/user", "internal/webhook"},
		"internal/deployment": {"internal/job"},
		"internal/ratelimit":  {"internal/job"},
		"internal/progress":   {"internal/job"},
		"internal/tasks":      {"internal/job", "internal/scrape", "internal/tracing"},
		"internal/source":     {"internal/job", "internal/tracing", "internal/user"},
		"internal/export":     {"internal/formula", "internal/invalid", "internal/user"},
		"internal/filestore":  {"internal/job"},
		"internal/records":    {},

		// What webhooks say, and how it is sent: no SQL, no queue.
		"internal/webhook": {"internal/job"},

		// Figures that are read when they are asked for.
		"internal/scrape": {},

		// Spans below the one that a context has, and what log lines say of it.
		"internal/tracing": {},
		"internal/logging": {},

		// An edge that is nothing but a protocol before the file store.
		"internal/upload": {"internal/filestore", "internal/job", "internal/upload/whole"},

		// Its part that workers link, too: whole files, without the protocol.
		"internal/upload/whole": {"internal/filestore", "internal/job"},

		// A part of the store, which imports it.
		"internal/store/search": {"internal/invalid", "internal/searchindex", "internal/user"},

		// Files, seen as users. It is pure.
		"internal/columns": {"internal/formula", "internal/invalid", "internal/job", "internal/user"},

		// Files of jobs, from the file store to rows: what joins the three.
		"internal/fileexport": {"internal/filestore", "internal/job", "internal/user"},
		"internal/fileimport": {"internal/columns", "internal/filestore", "internal/formula", "internal/invalid", "internal/job", "internal/records"},

		// When a schedule fires. It is pure.
		"internal/cron": {"internal/invalid"},

		// What fires them, and submits their jobs.
		"internal/schedules": {"internal/crash", "internal/cron", "internal/invalid", "internal/job"},

		// What is wrong with a stack, from facts that others collect.
		"internal/doctor": {"internal/config", "internal/job", "internal/searchindex", "internal/store"},

		// Who a caller is, by a key.
		"internal/apikey": {},

		// Nouns and settings.
		"internal/config":      {"internal/job", "internal/searchindex"},
		"internal/job":         {},
		"internal/searchindex": {},
		"internal/user":        {"internal/invalid"},
		"internal/invalid":     {},
		"internal/formula":     {},
		"internal/crash":       {},

		// What others import: nothing of the inside.
		"client": {},

		// Helpers of tests and measurements.
		"internal/bench":                {archtest.Any},
		"internal/bench/compare":        {},
		"internal/release":              {},
		"deployments":                   {},
		"internal/archtest":             {},
		"internal/docstest":             {},
		"internal/integration":          {archtest.Any},
		"internal/integration/controls": {},
		"internal/source/sourcetest":    {archtest.Any},
		"internal/store/storetest":      {archtest.Any},
		"internal/testenv":              {},
	},
	StandardOnly: map[string][]string{
		"internal/config": nil, "internal/crash": nil, "internal/formula": nil, "internal/invalid": nil, "internal/job": nil, "internal/searchindex": nil,
		"internal/columns": {"golang.org/x/text/unicode/norm"}, "internal/user": {"golang.org/x/text/unicode/norm"},
	},
	Homes: map[string][]string{
		"github.com/labstack/echo":  {"internal/httpapi", "internal/bench"},
		"github.com/hibiken/asynq":  {"internal/tasks", "internal/worker", "internal/httpapi"},
		"github.com/redis/go-redis": {"internal/deployment", "internal/ratelimit", "internal/progress", "internal/tasks", "cmd/internal/boot", "internal/bench"},

		"database/sql":                       {"internal/store", "internal/bench", "internal/testenv"},
		"github.com/go-sql-driver":           {"internal/store", "internal/bench", "internal/testenv"},
		"github.com/jmoiron/sqlx":            {"internal/store"},
		"github.com/pressly/goose":           {"internal/store"},
		"modernc.org/sqlite":                 {"internal/store"},
		"github.com/go-faker/faker":          {"internal/source"},
		"github.com/alicebob/miniredis":      {"internal/embedded"},
		"github.com/minio":                   {"internal/filestore"},
		"github.com/tus":                     {"internal/upload"},
		"github.com/hashicorp/cronexpr":      {"internal/cron"},
		"go.opentelemetry.io/otel/sdk":       {"cmd/internal/boot"},
		"go.opentelemetry.io/otel/exporters": {"cmd/internal/boot"},
		"github.com/XSAM/otelsql":            {"internal/store"},
		"github.com/prometheus/client_golang": {
			"internal/scrape", "internal/httpapi", "internal/worker", "internal/jobs", "internal/schedules", "internal/source", "internal/store", "internal/tasks",
			"cmd/internal/boot",
		},
	},
	NotLinked: map[string][]string{
		// Helpers of tests start servers and drop databases.
		"cmd/api":    {"github.com/go-faker/faker", "internal/testenv", "internal/store/storetest", "internal/integration"},
		"cmd/worker": {"github.com/labstack/echo", "github.com/tus", "internal/testenv", "internal/store/storetest", "internal/integration"},
		"cmd/muster": {"internal/testenv", "internal/store/storetest", "internal/integration"},
	},
	Untested: map[string]string{
		"internal/store/storetest":     "runs in every test of internal/store",
		"internal/testenv/cmd/testenv": "runs every test under make test; what it starts is tested in internal/testenv",
	},
}

func TestImportRule(t *testing.T) {
	t.Parallel()
	root := filepath.Join("..", "..")
	watch(t, root)
	graph, err := archtest.Load(t.Context(), root, "./...")
	if err != nil {
		t.Fatal(err)
	}
	if graph[muster.Module+"/internal/job"] == nil {
		t.Fatal("the graph lacks internal/job: nothing was checked")
	}
	for _, broken := range muster.Check(graph) {
		t.Error(broken)
	}
}

// watch touches every Go file in the test's own process. Go caches a passing result until a file that the test itself
// looked at changes; what the go command reads for it does not count.
func watch(t *testing.T, root string) {
	t.Helper()
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && strings.HasPrefix(d.Name(), ".") && path != root:
			return filepath.SkipDir
		case strings.HasSuffix(path, ".go") || d.Name() == "go.mod":
			_, err := os.Stat(path)
			return err
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
