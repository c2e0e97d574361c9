package deployments_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/alecthomas/kong"
	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"

	"github.com/musterhq/muster/internal/config"
	"github.com/musterhq/muster/internal/job"
	"github.com/musterhq/muster/internal/testenv"
)

// What the Helm chart renders, as tools/kubernetes has checked and kept it: by default, and with everything on.
var rendered = map[string][]string{
	"default": {"kubernetes/migration.yaml", "kubernetes/muster.yaml"},
	"full":    {"../tools/kubernetes/testdata/full.golden.yaml"},
}

// manifest is what these tests look at of an object.
type manifest struct {
	Kind     string
	Metadata struct{ Name string }
	Data     map[string]string // of a ConfigMap
	Spec     struct {
		Template struct {
			Spec struct {
				TerminationGracePeriodSeconds int `yaml:"terminationGracePeriodSeconds"`
				Containers                    []container
			}
		}
		Triggers []struct{ Metadata map[string]string } // of a ScaledObject
	}
}

type container struct {
	Command []string
	Env     []struct{ Name, Value string }
	EnvFrom []struct {
		ConfigMapRef struct{ Name string } `yaml:"configMapRef"`
	} `yaml:"envFrom"`
	Ports []struct {
		Name          string
		ContainerPort int `yaml:"containerPort"`
	}
	Lifecycle struct {
		PreStop struct{ Sleep struct{ Seconds int } } `yaml:"preStop"`
	}
}

func manifests(t *testing.T, files []string) (found []manifest) {
	t.Helper()
	for _, file := range files {
		f, err := os.Open(file)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		for d := yaml.NewDecoder(f); ; {
			var m manifest
			if err := d.Decode(&m); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatalf("%s: %v", file, err)
			}
			found = append(found, m)
		}
	}
	return found
}

// environment returns what a container's process finds, of its settings.
func (c *container) environment(all []manifest) map[string]string {
	env := map[string]string{}
	for _, from := range c.EnvFrom {
		for _, m := range all {
			if m.Kind == "ConfigMap" && m.Metadata.Name == from.ConfigMapRef.Name {
				maps.Copy(env, m.Data)
			}
		}
	}
	for _, e := range c.Env {
		env[e.Name] = e.Value
	}
	return env
}

// Each process in the cluster accepts its settings, listens where it is asked, and is given the time that it takes to stop.
func TestKubernetesSettings(t *testing.T) {
	for name, files := range rendered {
		all := manifests(t, files)
		processes := 0
		for _, m := range all {
			if m.Kind == "Deployment" || m.Kind == "Job" {
				processes++
				t.Run(name+" "+m.Metadata.Name, func(t *testing.T) { checkProcess(t, &m, all) })
			}
		}
		if processes != 3 {
			t.Errorf("%s: %d processes", name, processes)
		}
	}
}

// secretTexts are texts of the form that the secrets have, by file.
var secretTexts = map[string]string{
	"database": "mysql://muster:secret@mysql:3306/muster", "redis": "redis://redis:6379/0", "admin_password": "secret",
	"files": "s3://key:secret@bucket/files?region=eu-central-1", "import_from": "s3://key:secret@bucket/partners",
}

func checkProcess(t *testing.T, m *manifest, all []manifest) {
	spec := m.Spec.Template.Spec
	c := &spec.Containers[0]
	if _, err := os.Stat("../cmd" + c.Command[0]); err != nil {
		t.Errorf("it runs %s, which no command builds", c.Command[0])
	}
	dir := t.TempDir()
	for name, value := range c.environment(all) {
		if strings.HasPrefix(name, "MUSTER_") && !slices.Contains(config.EnvNames(), name) {
			t.Errorf("it sets %s, which the program does not read", name)
		}
		if file, ok := strings.CutPrefix(value, "/run/secrets/muster/"); ok {
			value = filepath.Join(dir, file)
			if secretTexts[file] == "" {
				t.Errorf("%s is a file of a secret that the test does not know", file)
			}
			if err := os.WriteFile(value, []byte(secretTexts[file]+"\n"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		t.Setenv(name, value)
	}
	var s config.Config
	parser, err := kong.New(&s, kong.Vars{"tiers": job.DefaultTiers})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := parser.Parse(nil); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(s.LoadSecrets(os.Getenv), s.Check()); err != nil {
		t.Errorf("the settings are refused:\n%v", err)
	}
	if s.Database != secretTexts["database"] {
		t.Errorf("the database is %s", config.Redact(s.Database))
	}
	grace := time.Duration(spec.TerminationGracePeriodSeconds) * time.Second
	needs := time.Duration(c.Lifecycle.PreStop.Sleep.Seconds)*time.Second + s.DrainTimeout + 5*time.Second
	listens := map[string]string{}
	switch c.Command[0] {
	case "/api":
		listens["http"], listens["admin"] = s.HTTPAddr, s.AdminAddr
		if s.Auth != "key" || s.AdminPassword == "" {
			t.Error("the API asks for no keys, or its admin listener for no password")
		}
		if c.Lifecycle.PreStop.Sleep.Seconds == 0 {
			t.Error("the API closes its listener while others still send requests there")
		}
	case "/worker":
		listens["health"] = s.HealthAddr
		needs += s.DrainTimeout // webhooks first, then chunks
	default:
		return // the migration
	}
	if grace < needs {
		t.Errorf("it is killed after %s, and may take %s", grace, needs)
	}
	checkPorts(t, c, listens)
}

// checkPorts compares the ports of a container with where its process listens.
func checkPorts(t *testing.T, c *container, listens map[string]string) {
	t.Helper()
	want, got := map[string]string{}, map[string]string{}
	for name, addr := range listens {
		host, port, err := net.SplitHostPort(addr)
		if err != nil || host != "" {
			t.Errorf("%s listens at %q, where no other pod reaches it", name, addr)
		}
		want[name] = port
	}
	for _, p := range c.Ports {
		got[p.Name] = strconv.Itoa(p.ContainerPort)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("ports (-listens +declared):\n%s", diff)
	}
}

// The chart's settings are all of Muster's but those that it sets itself, and secrets.
func TestKubernetesSchemaHasAllSettings(t *testing.T) {
	t.Parallel()
	b, err := os.ReadFile("chart/muster/values.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	var schema struct {
		Properties struct {
			Settings struct{ Properties map[string]any }
		}
	}
	if err := json.Unmarshal(b, &schema); err != nil {
		t.Fatal(err)
	}
	own := []string{
		"MUSTER_AUTH", "MUSTER_HTTP_ADDR", "MUSTER_ADMIN_ADDR", "MUSTER_HEALTH_ADDR", "MUSTER_DRAIN_TIMEOUT", "MUSTER_WORKER_CONCURRENCY", "MUSTER_LOG_FORMAT",
		"MUSTER_TEMP_DIR",
	}
	names := config.EnvNames()
	want := slices.DeleteFunc(slices.Clone(names), func(name string) bool {
		return strings.HasSuffix(name, "_FILE") || slices.Contains(names, name+"_FILE") || slices.Contains(own, name)
	})
	slices.Sort(want)
	if diff := cmp.Diff(want, slices.Sorted(maps.Keys(schema.Properties.Settings.Properties))); diff != "" {
		t.Errorf("settings in values.schema.json (-want +got):\n%s", diff)
	}
}

// Prometheus itself is asked what KEDA scales workers by.
func TestKubernetesScaling(t *testing.T) {
	t.Parallel()
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		testenv.Missing(t, "prometheus")
		t.Skip("promtool is not installed (Debian: prometheus)")
	}
	var query string
	for _, m := range manifests(t, rendered["full"]) {
		if m.Kind == "ScaledObject" {
			query = m.Spec.Triggers[0].Metadata["query"]
		}
	}
	if query == "" {
		t.Fatal("no query was found")
	}
	series := func(instance, service, queue, state, values string) string {
		return fmt.Sprintf("      - series: 'asynq_tasks_enqueued_total{namespace=\"muster\",service=\"prod-muster-%s\",instance=\"%s\",queue=\"%s\",state=\"%s\"}'\n        values: '%s'\n",
			service, instance, queue, state, values)
	}
	other := strings.ReplaceAll(series("a", "admin", "xl", "pending", "900x10"), "prod-muster", "staging-muster")
	fleet := func(pending, active string) string {
		var b strings.Builder
		for _, process := range [][2]string{{"a", "admin"}, {"w", "worker"}} { // both tell of the same queues
			b.WriteString(series(process[0], process[1], "small", "pending", "1x10") + series(process[0], process[1], "xl", "pending", pending) +
				series(process[0], process[1], "xl", "active", active) + series(process[0], process[1], "xl", "archived", "500x10"))
		}
		return b.String()
	}
	dir := t.TempDir()
	var tests strings.Builder
	fmt.Fprintf(&tests, "tests:\n")
	for _, tt := range []struct{ series, want string }{
		{fleet("7x10", "8x10") + other, "16"},
		{fleet("0x10", "8x10") + other, "9"}, // all is taken up: who works on it stays
		{fleet("0x10", "0x10"), "1"},
	} {
		fmt.Fprintf(&tests, "  - interval: 1m\n    input_series:\n%s    promql_expr_test:\n      - expr: '%s'\n        eval_time: 5m\n        exp_samples: [{value: %s}]\n", tt.series, query, tt.want)
	}
	// No figures are no answer, and not 0.
	fmt.Fprintf(&tests, "  - interval: 1m\n    input_series:\n%s    promql_expr_test:\n      - expr: '%s'\n        eval_time: 5m\n        exp_samples: []\n", other, query)
	if err := os.WriteFile(filepath.Join(dir, "test.yml"), []byte(tests.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.CommandContext(t.Context(), promtool, "test", "rules", filepath.Join(dir, "test.yml")).CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
