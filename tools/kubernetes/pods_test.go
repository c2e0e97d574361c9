package kubernetes_test

import (
	"path"
	"slices"
	"strings"
	"testing"

	batch "k8s.io/api/batch/v1"
	core "k8s.io/api/core/v1"
)

// Whatever is switched on, containers are as locked up as they can be, and have what they need all the same.
func checkPods(t *testing.T, objects []object) {
	t.Helper()
	configs := all[*core.ConfigMap](objects)
	accounts := all[*core.ServiceAccount](objects)
	for name, pod := range pods(objects) {
		checkLockedUp(t, name, &pod.Spec)
		checkMounts(t, name, &pod.Spec)
		for _, from := range pod.Spec.Containers[0].EnvFrom {
			if configs[from.ConfigMapRef.Name] == nil {
				t.Errorf("%s reads the settings %s, which nobody makes", name, from.ConfigMapRef.Name)
			}
		}
		if account := pod.Spec.ServiceAccountName; account != "" && account != "default" && account != "mine" && accounts[account] == nil {
			t.Errorf("%s has the account %s, which nobody makes", name, account)
		}
	}
}

func checkLockedUp(t *testing.T, name string, pod *core.PodSpec) {
	t.Helper()
	p := pod.SecurityContext
	if p.RunAsNonRoot == nil || !*p.RunAsNonRoot || p.SeccompProfile == nil || p.SeccompProfile.Type != core.SeccompProfileTypeRuntimeDefault {
		t.Errorf("%s may run as root, or without seccomp: %+v", name, p)
	}
	if pod.AutomountServiceAccountToken == nil || *pod.AutomountServiceAccountToken {
		t.Errorf("%s gets a token", name)
	}
	if pod.EnableServiceLinks == nil || *pod.EnableServiceLinks {
		t.Errorf("%s gets variables of services, which may look like settings", name)
	}
	for _, c := range pod.Containers {
		s := c.SecurityContext
		if *s.AllowPrivilegeEscalation || !*s.ReadOnlyRootFilesystem || !slices.Equal(s.Capabilities.Drop, []core.Capability{"ALL"}) || s.Capabilities.Add != nil {
			t.Errorf("%s: %+v", name, s)
		}
		if c.Resources.Limits.Memory().IsZero() || c.Resources.Requests.Cpu().IsZero() || c.Resources.Requests.Memory().IsZero() {
			t.Errorf("%s has no limit of memory, or asks for nothing", name)
		}
		if !c.Resources.Limits.Cpu().IsZero() {
			t.Errorf("%s is held back while CPUs are idle", name)
		}
		image := c.Image
		if !strings.Contains(image, ":") || strings.HasSuffix(image, ":latest") {
			t.Errorf("%s runs %s, which may be another tomorrow", name, image)
		}
	}
}

// Each mount has its volume and each volume its mount; each secret file that a variable names is there.
func checkMounts(t *testing.T, name string, pod *core.PodSpec) {
	t.Helper()
	c := pod.Containers[0]
	var mounted, volumes []string
	for _, m := range c.VolumeMounts {
		mounted = append(mounted, m.Name)
	}
	files := map[string]bool{}
	for _, v := range pod.Volumes {
		volumes = append(volumes, v.Name)
		if v.Projected != nil {
			for _, source := range v.Projected.Sources {
				for _, item := range source.Secret.Items {
					if files[path.Join("/run/secrets/muster", item.Path)] || source.Secret.Name == "" || item.Key == "" {
						t.Errorf("%s: secret file %q from key %q of %q", name, item.Path, item.Key, source.Secret.Name)
					}
					files[path.Join("/run/secrets/muster", item.Path)] = true
				}
			}
		}
		if v.Projected != nil && *v.Projected.DefaultMode != 0o440 {
			t.Errorf("%s: others read the secrets, or nobody: %o", name, *v.Projected.DefaultMode)
		}
		if v.EmptyDir != nil && v.EmptyDir.SizeLimit == nil {
			t.Errorf("%s: %s may fill the node's disk", name, v.Name)
		}
	}
	slices.Sort(mounted)
	slices.Sort(volumes)
	if !slices.Equal(mounted, volumes) {
		t.Errorf("%s mounts %v of the volumes %v", name, mounted, volumes)
	}
	seen := map[string]bool{}
	for _, e := range c.Env {
		if seen[e.Name] {
			t.Errorf("%s sets %s twice", name, e.Name)
		}
		seen[e.Name] = true
		if strings.HasSuffix(e.Name, "_FILE") {
			if !files[e.Value] {
				t.Errorf("%s: %s is %s, which is not mounted", name, e.Name, e.Value)
			}
			delete(files, e.Value)
		}
	}
	if len(files) > 0 {
		t.Errorf("%s has secret files that it does not read: %v", name, files)
	}
}

// Each probe asks a port that is there, for a path of Muster's.
func checkProbes(t *testing.T, objects []object) {
	t.Helper()
	checked := 0
	for name, pod := range pods(objects) {
		c := pod.Spec.Containers[0]
		if len(c.Ports) == 0 {
			continue // it ends by itself
		}
		checked++
		for path, probe := range map[string]*core.Probe{"/healthz": c.LivenessProbe, "/readyz": c.ReadinessProbe} {
			if probe == nil || probe.HTTPGet.Path != path || probe.HTTPGet.Port.StrVal != c.Ports[0].Name {
				t.Errorf("%s: %s is asked by %+v", name, path, probe)
			}
		}
		// What needs others must not be restarted for them.
		if p := c.StartupProbe; p == nil || p.HTTPGet.Path != "/healthz" {
			t.Errorf("%s is given no time to start: %+v", name, p)
		}
	}
	if checked != 2 {
		t.Errorf("%d probed pods", checked)
	}
}

// The job that migrates builds and drops indexes as the settings say, and has no variable that would say anything else.
func TestMigrationGetsTheIndexes(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{`{}`: "", `settings: {MUSTER_SEARCH_INDEXES: "city,age", MUSTER_MAX_COUNT: "5"}`: "city,age"} {
		found := false
		for name, job := range all[*batch.Job](decodeAll(t, mustRender(t, "muster", parse(t, text)).all())) {
			found = true
			got := ""
			for _, v := range job.Spec.Template.Spec.Containers[0].Env {
				if v.Name == "MUSTER_SEARCH_INDEXES" {
					got = v.Value
				}
			}
			if got != want {
				t.Errorf("%s with %s: %q", name, text, got)
			}
		}
		if !found {
			t.Error("no job migrates")
		}
	}
}
