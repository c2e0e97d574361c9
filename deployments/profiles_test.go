package deployments_test

import (
	"encoding/json"
	"maps"
	"net/url"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"

	"github.com/musterhq/muster/internal/testenv"
)

func TestProfiles(t *testing.T) {
	t.Parallel()
	always := slices.Sorted(maps.Keys(project(t).Services))
	for profile, want := range map[string][]string{
		"observability": {"grafana", "prometheus"},
		"s3":            {"s3"},
		"doctor":        {"doctor"},
	} {
		p := projectOf(t, nil, profile)
		got := slices.DeleteFunc(slices.Sorted(maps.Keys(p.Services)), func(name string) bool { return slices.Contains(always, name) })
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s adds (-want +got):\n%s", profile, diff)
		}
	}
	for name, s := range everything(t).Services {
		if once := s.Restart == "no"; once == (s.HealthCheck != nil) {
			t.Errorf("%s runs once: %v, and has a health check: %v", name, once, s.HealthCheck != nil)
		}
		if s.Image == "" || strings.HasSuffix(s.Image, ":latest") || !strings.Contains(path.Base(s.Image), ":") {
			t.Errorf("%s runs whatever %q is that day", name, s.Image)
		}
	}
}

// The API and the workers wait for the bucket, where there is one.
func TestBucket(t *testing.T) {
	t.Parallel()
	p := projectOf(t, types.Mapping{"MUSTER_FILES_IN": "s3"}, "s3")
	where, err := url.Parse(strings.TrimSpace(filesURL(t, p)))
	if err != nil {
		t.Fatal(err)
	}
	endpoint, err := url.Parse(where.Query().Get("endpoint"))
	if err != nil {
		t.Fatal(err)
	}
	s, ok := p.Services[endpoint.Hostname()]
	if !ok {
		t.Fatalf("files are at %s, which is no service", endpoint)
	}
	script := strings.Join(s.Command, "\n")
	for _, want := range []string{"--port :" + endpoint.Port() + " ", "mkdir -p /data/buckets/" + where.Host + " ", "ROOT_ACCESS_KEY_ID=" + where.User.Username() + " "} {
		if !strings.Contains(script, want) {
			t.Errorf("the S3 server's script lacks %q:\n%s", want, script)
		}
	}
	for _, name := range []string{"api", "worker"} {
		if d := p.Services[name].DependsOn["s3"]; d.Condition != "service_healthy" || d.Required {
			t.Errorf("%s depends on the bucket by %+v", name, d)
		}
	}
}

// mounted returns what is mounted from the repository into a service, by its path in the container.
func mounted(t *testing.T, s types.ServiceConfig) map[string]string {
	t.Helper()
	files := map[string]string{}
	for _, v := range s.Volumes {
		if v.Type != types.VolumeTypeBind {
			continue
		}
		if !v.ReadOnly {
			t.Errorf("%s may write %s", s.Name, v.Source)
		}
		if info, err := os.Stat(v.Source); err != nil || !info.Mode().IsRegular() { // Docker would make a folder
			t.Errorf("%s mounts %s, which is no file: %v", s.Name, v.Source, err)
		}
		files[v.Target] = v.Source
	}
	return files
}

func decode(t *testing.T, file string, into any) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(text, into); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
}

// Prometheus finds its rules and its password, and asks services that there are.
func TestPrometheus(t *testing.T) {
	t.Parallel()
	p := everything(t)
	s := p.Services["prometheus"]
	files := mounted(t, s)
	const at = "/etc/prometheus/prometheus.yml"
	if !slices.Contains(s.Command, "--config.file="+at) || files[at] == "" {
		t.Fatalf("%s is not what Prometheus reads: %v", at, s.Command)
	}
	var c struct {
		RuleFiles []string `yaml:"rule_files"`
		Scrape    []struct {
			Job       string `yaml:"job_name"`
			BasicAuth struct {
				PasswordFile string `yaml:"password_file"`
			} `yaml:"basic_auth"`
			Static []struct{ Targets []string } `yaml:"static_configs"`
			DNS    []struct {
				Names []string
				Port  string
			} `yaml:"dns_sd_configs"`
		} `yaml:"scrape_configs"`
	}
	decode(t, files[at], &c)
	for _, rules := range c.RuleFiles {
		if files[path.Join(path.Dir(at), rules)] == "" {
			t.Errorf("%s is not mounted", rules)
		}
	}
	asked := map[string]string{} // service -> port
	for _, j := range c.Scrape {
		if name, _ := strings.CutPrefix(j.BasicAuth.PasswordFile, "/run/secrets/"); !slices.ContainsFunc(s.Secrets, func(x types.ServiceSecretConfig) bool { return x.Source == name }) {
			t.Errorf("%s reads %s, which is not granted", j.Job, j.BasicAuth.PasswordFile)
		}
		for _, group := range j.Static {
			for _, target := range group.Targets {
				host, port, _ := strings.Cut(target, ":")
				asked[host] = port
			}
		}
		for _, d := range j.DNS {
			for _, host := range d.Names {
				asked[host] = d.Port
			}
		}
	}
	want := map[string]string{}
	for name, variable := range map[string]string{"api": "MUSTER_ADMIN_ADDR", "worker": "MUSTER_HEALTH_ADDR"} {
		_, want[name], _ = strings.Cut(*p.Services[name].Environment[variable], ":")
	}
	if diff := cmp.Diff(want, asked); diff != "" {
		t.Errorf("services and ports that are asked (-want +got):\n%s", diff)
	}

	promtool, err := exec.LookPath("promtool")
	if err != nil {
		testenv.Missing(t, "prometheus")
		t.SkipNow()
	}
	// Without what only the container has: the password.
	if out, err := exec.CommandContext(t.Context(), promtool, "check", "config", "--syntax-only", files[at]).CombinedOutput(); err != nil {
		t.Errorf("promtool: %v\n%s", err, out)
	}
}

// Grafana finds its dashboards, and Prometheus.
func TestGrafana(t *testing.T) {
	t.Parallel()
	p := everything(t)
	files := mounted(t, p.Services["grafana"])
	var sources struct {
		Datasources []struct{ URL string }
	}
	decode(t, files["/etc/grafana/provisioning/datasources/muster.yml"], &sources)
	for _, d := range sources.Datasources {
		u, err := url.Parse(d.URL)
		if err != nil {
			t.Fatal(err)
		}
		if _, ok := p.Services[u.Hostname()]; !ok {
			t.Errorf("figures come from %s, which is no service", u)
		}
	}
	var dashboards struct {
		Providers []struct{ Options struct{ Path string } }
	}
	decode(t, files["/etc/grafana/provisioning/dashboards/muster.yml"], &dashboards)
	if len(sources.Datasources) == 0 || len(dashboards.Providers) == 0 {
		t.Fatal("nothing is provisioned")
	}
	all, err := filepath.Glob("grafana/*.json")
	if err != nil || len(all) == 0 {
		t.Fatalf("no dashboards: %v", err)
	}
	for _, provider := range dashboards.Providers {
		for _, name := range all {
			source := files[path.Join(provider.Options.Path, filepath.Base(name))]
			text, err := os.ReadFile(source)
			if err != nil || !json.Valid(text) {
				t.Errorf("%s is not provisioned: %v", name, err)
			}
		}
	}
}
