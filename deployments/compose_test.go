// Package deployments_test checks docker-compose.yml with Compose's own loader: no engine is needed.
package deployments_test

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/loader"
	"github.com/compose-spec/compose-go/v2/types"
	"github.com/google/go-cmp/cmp"

	"github.com/musterhq/muster/internal/config"
)

// project is what starts without profiles.
func project(t *testing.T) *types.Project { return projectOf(t, nil) }

// everything is what starts with all profiles.
func everything(t *testing.T) *types.Project { return projectOf(t, nil, "*") }

func projectOf(t *testing.T, env types.Mapping, profiles ...string) *types.Project {
	t.Helper()
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	p, err := loader.LoadWithContext(t.Context(), types.ConfigDetails{
		WorkingDir:  root,
		ConfigFiles: []types.ConfigFile{{Filename: filepath.Join(root, "docker-compose.yml")}},
		Environment: env,
	}, loader.WithProfiles(profiles), func(o *loader.Options) { o.SetProjectName("muster", true) })
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestServices(t *testing.T) {
	t.Parallel()
	p := project(t)
	want := []string{"api", "migrate", "mysql", "redis", "worker"}
	if diff := cmp.Diff(want, slices.Sorted(maps.Keys(p.Services))); diff != "" {
		t.Fatalf("services (-want +got):\n%s", diff)
	}
	for name, s := range p.Services {
		if name != "migrate" && (s.HealthCheck == nil || len(s.HealthCheck.Test) < 2) {
			t.Errorf("%s has no health check", name)
		}
		if s.Build != nil && (!s.ReadOnly || !slices.Contains(s.CapDrop, "ALL")) {
			t.Errorf("%s runs with a writable root or capabilities", name)
		}
	}
	// Port 8080 is published, so nobody's word is taken for who they are.
	if auth := p.Services["api"].Environment["MUSTER_AUTH"]; auth == nil || *auth != "key" {
		t.Error("the API asks for no keys")
	}
	// Its root is not writable, and exports are files for a while.
	if !slices.ContainsFunc(p.Services["api"].Volumes, func(v types.ServiceVolumeConfig) bool { return v.Target == "/tmp" && !v.ReadOnly }) {
		t.Error("the API has no folder for /export/csv")
	}
	// What the API takes in, every worker reads.
	at := filesURL(t, p)
	at, _ = strings.CutPrefix(strings.TrimSpace(at), "file://")
	for _, name := range []string{"api", "worker"} {
		s := p.Services[name]
		if !slices.ContainsFunc(s.Volumes, func(v types.ServiceVolumeConfig) bool {
			return v.Target == at && v.Type == types.VolumeTypeVolume && v.Source == "files" && !v.ReadOnly
		}) {
			t.Errorf("%s has no volume at %s: %+v", name, at, s.Volumes)
		}
	}
	if r := p.Services["worker"].Deploy.Replicas; r == nil || *r != 3 {
		t.Errorf("worker has %v replicas, want 3", r)
	}
	for _, flag := range []string{"--appendonly yes", "--maxmemory-policy noeviction"} {
		if !strings.Contains(strings.Join(p.Services["redis"].Command, " "), flag) {
			t.Errorf("redis runs without %s", flag)
		}
	}
}

// filesURL is the example of the secret that says where files are.
func filesURL(t *testing.T, p *types.Project) string {
	t.Helper()
	text, err := os.ReadFile(p.Secrets["files_url"].File + ".example")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestDependencies(t *testing.T) {
	t.Parallel()
	p := project(t)
	want := map[string]string{"mysql": "service_healthy", "redis": "service_healthy", "migrate": "service_completed_successfully", "s3": "service_healthy"}
	for _, name := range []string{"api", "worker"} {
		got := map[string]string{}
		for on, d := range p.Services[name].DependsOn {
			got[on] = d.Condition
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s depends on (-want +got):\n%s", name, diff)
		}
		if g := p.Services[name].StopGracePeriod; g == nil || g.String() != "15s" {
			t.Errorf("%s is given %v to stop; the drain takes up to 10 s", name, g)
		}
	}
	if p.Services["migrate"].DependsOn["mysql"].Condition != "service_healthy" {
		t.Error("migrate does not wait for mysql")
	}
}

// Only the API is published beyond loopback.
func TestPorts(t *testing.T) {
	t.Parallel()
	for name, s := range everything(t).Services {
		for _, port := range s.Ports {
			if port.HostIP != "127.0.0.1" && (name != "api" || port.Target != 8080) {
				t.Errorf("%s publishes port %d to %q", name, port.Target, port.HostIP)
			}
		}
	}
}

// Every MUSTER_ variable that is set is one that the program reads, and every path in /run/secrets is granted.
func TestEnvironmentAndSecrets(t *testing.T) {
	t.Parallel()
	p := everything(t)
	known := config.EnvNames()
	set := 0
	for name, s := range p.Services {
		granted := map[string]bool{}
		for _, secret := range s.Secrets {
			granted["/run/secrets/"+secret.Source] = true
			file := p.Secrets[secret.Source].File
			if _, err := os.Stat(file + ".example"); err != nil {
				t.Errorf("%s has no example beside it: %v", secret.Source, err)
			}
		}
		for key, value := range s.Environment {
			if strings.HasPrefix(key, "MUSTER_") {
				set++
				if !slices.Contains(known, key) {
					t.Errorf("%s sets %s, which the program does not read", name, key)
				}
			}
			if value != nil && strings.HasPrefix(*value, "/run/secrets/") && !granted[*value] {
				t.Errorf("%s reads %s, which it is not granted", name, *value)
			}
			if value != nil && strings.Contains(strings.ToUpper(key), "PASSWORD") && !strings.HasSuffix(key, "_FILE") && *value != "yes" {
				t.Errorf("%s has a password in its environment: %s", name, key)
			}
		}
	}
	if set == 0 {
		t.Error("no MUSTER_ variable was checked")
	}
}

// The image holds the commands that compose runs, and is not run by root.
func TestDockerfile(t *testing.T) {
	t.Parallel()
	b, err := os.ReadFile("Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	text := string(b)
	if !regexp.MustCompile(`(?m)^USER nonroot`).MatchString(text) || !strings.Contains(text, "CGO_ENABLED=0") {
		t.Error("the image runs as root, or needs a C library that its base lacks")
	}
	for name, s := range everything(t).Services {
		if s.Build == nil {
			continue
		}
		if _, err := os.Stat("../cmd" + s.Entrypoint[0]); err != nil {
			t.Errorf("%s runs %s, which no command builds", name, s.Entrypoint[0])
		}
	}
}
