package kubernetes_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	apps "k8s.io/api/apps/v1"
	autoscaling "k8s.io/api/autoscaling/v2"
	batch "k8s.io/api/batch/v1"
	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	policy "k8s.io/api/policy/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
)

// pods returns what each Deployment, Job and Pod runs, by title.
func pods(objects []object) map[string]core.PodTemplateSpec {
	found := map[string]core.PodTemplateSpec{}
	for _, o := range objects {
		switch o := o.(type) {
		case *apps.Deployment:
			found[title(o)] = o.Spec.Template
		case *batch.Job:
			found[title(o)] = o.Spec.Template
		case *core.Pod:
			found[title(o)] = core.PodTemplateSpec{ObjectMeta: o.ObjectMeta, Spec: o.Spec}
		}
	}
	return found
}

// selected returns the titles of the pods that a selector matches.
func selected(t *testing.T, objects []object, s *meta.LabelSelector) []string {
	t.Helper()
	selector, err := meta.LabelSelectorAsSelector(s)
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for name, pod := range pods(objects) {
		if selector.Matches(labels.Set(pod.Labels)) {
			found = append(found, name)
		}
	}
	slices.Sort(found)
	return found
}

// only reports selectors that match other pods than those of one Deployment or Job.
func only(t *testing.T, objects []object, who object, s *meta.LabelSelector, want string) {
	t.Helper()
	if got := selected(t, objects, s); len(got) != 1 || !strings.HasSuffix(got[0], want) {
		t.Errorf("%s selects the pods of %v, want those of %s", title(who), got, want)
	}
}

// Each selector finds the pods that it is meant for, and no others; each name is that of an object.
func checkSelectors(t *testing.T, objects []object) {
	t.Helper()
	for _, o := range objects {
		switch o := o.(type) {
		case *apps.Deployment:
			only(t, objects, o, o.Spec.Selector, o.Name)
		case *policy.PodDisruptionBudget:
			only(t, objects, o, o.Spec.Selector, o.Name)
		case *networking.NetworkPolicy:
			only(t, objects, o, &o.Spec.PodSelector, o.Name)
		case *core.Service:
			checkService(t, objects, o)
		case *monitoring.ServiceMonitor:
			checkMonitor(t, objects, o)
		case *monitoring.PrometheusRule:
			if len(o.Spec.Groups) == 0 || len(o.Spec.Groups[0].Rules) < 10 {
				t.Errorf("%s has no alerts", title(o))
			}
		case *autoscaling.HorizontalPodAutoscaler:
			checkScaled(t, objects, o, o.Spec.ScaleTargetRef.Name, "-api")
		case *scaledObject:
			checkScaled(t, objects, o, o.Spec.ScaleTargetRef.Name, "-worker")
			for key := range o.Spec.Triggers[0].Metadata {
				if !slices.Contains(prometheusKeys, key) {
					t.Errorf("%s: KEDA does not read %s", title(o), key)
				}
			}
		case *networking.Ingress:
			for _, rule := range o.Spec.Rules {
				to := rule.HTTP.Paths[0].Backend.Service
				service := all[*core.Service](objects)[to.Name]
				if service == nil || service.Spec.Ports[0].Name != to.Port.Name || !strings.HasSuffix(to.Name, "-api") {
					t.Errorf("%s leads to %s, port %s", title(o), to.Name, to.Port.Name)
				}
			}
		}
	}
	for name, pod := range pods(objects) {
		for _, c := range pod.Spec.TopologySpreadConstraints {
			if got := selected(t, objects, c.LabelSelector); !slices.Contains(got, name) {
				t.Errorf("%s is spread by the pods of %v", name, got)
			}
		}
	}
}

func checkService(t *testing.T, objects []object, s *core.Service) {
	t.Helper()
	of := map[bool]string{true: "-worker", false: "-api"}[strings.HasSuffix(s.Name, "-worker")]
	only(t, objects, s, &meta.LabelSelector{MatchLabels: s.Spec.Selector}, of)
	for _, port := range s.Spec.Ports {
		for _, name := range selected(t, objects, &meta.LabelSelector{MatchLabels: s.Spec.Selector}) {
			if !slices.ContainsFunc(pods(objects)[name].Spec.Containers[0].Ports, func(p core.ContainerPort) bool { return p.Name == port.TargetPort.StrVal }) {
				t.Errorf("%s leads to port %s, which %s has not", title(s), port.TargetPort.StrVal, name)
			}
		}
		if port.TargetPort.StrVal == "admin" && (s.Spec.Type != "" && s.Spec.Type != core.ServiceTypeClusterIP) {
			t.Errorf("%s publishes the admin listener", title(s))
		}
	}
}

func checkMonitor(t *testing.T, objects []object, m *monitoring.ServiceMonitor) {
	t.Helper()
	var found []string
	for name, s := range all[*core.Service](objects) {
		if labels.SelectorFromSet(m.Spec.Selector.MatchLabels).Matches(labels.Set(s.Labels)) {
			found = append(found, name)
			if s.Spec.Ports[0].Name != m.Spec.Endpoints[0].Port {
				t.Errorf("%s scrapes port %s of %s, which has %s", title(m), m.Spec.Endpoints[0].Port, title(s), s.Spec.Ports[0].Name)
			}
		}
	}
	if !slices.Equal(found, []string{m.Name}) {
		t.Errorf("%s scrapes %v", title(m), found)
	}
	e := m.Spec.Endpoints[0]
	user := all[*core.Secret](objects)[e.BasicAuth.Username.Name]
	if user == nil || user.StringData[e.BasicAuth.Username.Key] != "admin" {
		t.Errorf("%s asks as another user than admin", title(m))
	}
	if e.BasicAuth.Password.Name == "" || e.BasicAuth.Password.Key == "" {
		t.Errorf("%s has no password", title(m))
	}
	// The alerts look for up{job=~"muster.*"}.
	if r := e.RelabelConfigs[0]; r.TargetLabel != "job" || r.Replacement == nil || !strings.HasPrefix(*r.Replacement, "muster") {
		t.Errorf("%s has another job than the alerts know", title(m))
	}
}

// Who scales a Deployment finds no number of replicas in it, which each upgrade would set anew.
func checkScaled(t *testing.T, objects []object, by object, target, suffix string) {
	t.Helper()
	d := all[*apps.Deployment](objects)[target]
	if d == nil || !strings.HasSuffix(target, suffix) {
		t.Errorf("%s scales %s", title(by), target)
	} else if d.Spec.Replicas != nil {
		t.Errorf("%s has %d replicas, and is scaled by %s", title(d), *d.Spec.Replicas, title(by))
	}
}

// A Deployment that nobody scales says how many replicas it has, and never none.
func checkReplicas(t *testing.T, objects []object) {
	t.Helper()
	scaled := map[string]bool{}
	for _, h := range all[*autoscaling.HorizontalPodAutoscaler](objects) {
		scaled[h.Spec.ScaleTargetRef.Name] = true
	}
	for _, s := range all[*scaledObject](objects) {
		scaled[s.Spec.ScaleTargetRef.Name] = true
		if s.Spec.MinReplicaCount == nil || *s.Spec.MinReplicaCount < 1 || s.Spec.IdleReplicaCount != nil {
			t.Errorf("%s may leave no worker, and so no reconciler", title(s))
		}
	}
	deployments := all[*apps.Deployment](objects)
	if len(deployments) != 2 {
		t.Errorf("deployments: %v", slices.Collect(maps.Keys(deployments)))
	}
	for name, d := range deployments {
		if !scaled[name] && (d.Spec.Replicas == nil || *d.Spec.Replicas < 1) {
			t.Errorf("%s has no replicas", name)
		}
	}
}

// A hook that runs before an install finds nothing of the chart's but other hooks.
func TestHooksNeedNothingOfTheChart(t *testing.T) {
	t.Parallel()
	for name, v := range cases(t) {
		r := mustRender(t, "muster", v)
		made := map[string]bool{}
		for _, o := range decodeAll(t, r.manifests) {
			made[title(o)] = true
		}
		for title, pod := range pods(decodeAll(t, r.hooks)) {
			if account := pod.Spec.ServiceAccountName; account != "" {
				t.Errorf("%s: %s needs the account %s", name, title, account)
			}
			for _, c := range pod.Spec.Containers {
				for _, from := range c.EnvFrom {
					t.Errorf("%s: %s needs %v", name, title, from)
				}
			}
			for _, s := range secretsOf(&pod.Spec) {
				if made["Secret "+s] {
					t.Errorf("%s: %s needs the secret %s, which comes later", name, title, s)
				}
			}
		}
		if n := len(all[*batch.Job](decodeAll(t, r.hooks))); n != 1 && name != "no migration" {
			t.Errorf("%s: %d migrations", name, n)
		}
	}
}

// secretsOf returns the names of the secrets that are mounted.
func secretsOf(spec *core.PodSpec) (found []string) {
	for _, v := range spec.Volumes {
		if v.Projected == nil {
			continue
		}
		for _, source := range v.Projected.Sources {
			found = append(found, source.Secret.Name)
		}
	}
	return found
}

// Whoever takes jobs with files, from callers or from schedules, knows the same places.
func TestAPIsAndWorkersReadTheSameSecrets(t *testing.T) {
	t.Parallel()
	for name, v := range cases(t) {
		read := map[string][]string{}
		for title, pod := range pods(decodeAll(t, mustRender(t, "muster", v).manifests)) {
			for _, e := range pod.Spec.Containers[0].Env {
				if strings.HasSuffix(e.Name, "_FILE") {
					read[title] = append(read[title], e.Name+"="+e.Value)
				}
			}
		}
		if len(read) != 2 || !slices.Equal(read["Deployment muster-api"], read["Deployment muster-worker"]) && name != "names" {
			t.Errorf("%s: %v", name, read)
		}
	}
}
