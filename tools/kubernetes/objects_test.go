package kubernetes_test

import (
	"errors"
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
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation"
	"sigs.k8s.io/json"
	"sigs.k8s.io/yaml"
)

// object is one of the cluster's.
type object interface {
	meta.Object
	runtime.Object
}

// kinds are all objects that the chart may make.
var kinds = map[string]func() object{
	"apps/v1 Deployment":                      func() object { return new(apps.Deployment) },
	"autoscaling/v2 HorizontalPodAutoscaler":  func() object { return new(autoscaling.HorizontalPodAutoscaler) },
	"batch/v1 Job":                            func() object { return new(batch.Job) },
	"keda.sh/v1alpha1 ScaledObject":           func() object { return new(scaledObject) },
	"monitoring.coreos.com/v1 PrometheusRule": func() object { return new(monitoring.PrometheusRule) },
	"monitoring.coreos.com/v1 ServiceMonitor": func() object { return new(monitoring.ServiceMonitor) },
	"networking.k8s.io/v1 Ingress":            func() object { return new(networking.Ingress) },
	"networking.k8s.io/v1 NetworkPolicy":      func() object { return new(networking.NetworkPolicy) },
	"policy/v1 PodDisruptionBudget":           func() object { return new(policy.PodDisruptionBudget) },
	"v1 ConfigMap":                            func() object { return new(core.ConfigMap) },
	"v1 Pod":                                  func() object { return new(core.Pod) },
	"v1 Secret":                               func() object { return new(core.Secret) },
	"v1 Service":                              func() object { return new(core.Service) },
	"v1 ServiceAccount":                       func() object { return new(core.ServiceAccount) },
}

// decode reads a manifest as an API server would that takes no field it does not know.
func decode(t *testing.T, manifest string) object {
	t.Helper()
	var head meta.TypeMeta
	if err := yaml.Unmarshal([]byte(manifest), &head); err != nil {
		t.Fatalf("%v in\n%s", err, manifest)
	}
	known := kinds[head.APIVersion+" "+head.Kind]
	if known == nil {
		t.Fatalf("no object that we know: %s %s", head.APIVersion, head.Kind)
	}
	o := known()
	// Not yaml.UnmarshalStrict, which makes texts of numbers and of false where texts are wanted. An API server does not.
	text, err := yaml.YAMLToJSONStrict([]byte(manifest))
	if err != nil {
		t.Fatalf("%s: %v in\n%s", head.Kind, err, manifest)
	}
	unknown, err := json.UnmarshalStrict(text, o)
	if err := errors.Join(append(unknown, err)...); err != nil {
		t.Fatalf("%s: %v in\n%s", head.Kind, err, manifest)
	}
	return o
}

func decodeAll(t *testing.T, manifests []string) (objects []object) {
	t.Helper()
	for _, m := range manifests {
		objects = append(objects, decode(t, m))
	}
	return objects
}

// all returns the objects of a type by their names.
func all[T any](objects []object) map[string]T {
	found := map[string]T{}
	for _, o := range objects {
		if typed, ok := o.(T); ok {
			found[o.GetName()] = typed
		}
	}
	return found
}

func title(o object) string { return o.GetObjectKind().GroupVersionKind().Kind + " " + o.GetName() }

// Names, labels and annotations are such as an API server takes, no object is there twice, and all are in the release's
// namespace.
func checkNames(t *testing.T, objects []object) {
	t.Helper()
	seen := map[string]bool{}
	for _, o := range objects {
		if seen[title(o)] {
			t.Errorf("%s is there twice", title(o))
		}
		seen[title(o)] = true
		if bad := validation.IsDNS1035Label(o.GetName()); bad != nil {
			t.Errorf("%s: %v", title(o), bad)
		}
		if o.GetNamespace() != "muster" {
			t.Errorf("%s is in %q", title(o), o.GetNamespace())
		}
		checkLabels(t, title(o), o.GetLabels())
		for key := range o.GetAnnotations() {
			if bad := validation.IsQualifiedName(key); bad != nil {
				t.Errorf("%s: annotation %s: %v", title(o), key, bad)
			}
		}
	}
	for name, spec := range pods(objects) {
		checkLabels(t, name, spec.Labels)
	}
}

func checkLabels(t *testing.T, where string, labels map[string]string) {
	t.Helper()
	for _, key := range []string{"app.kubernetes.io/name", "app.kubernetes.io/instance", "app.kubernetes.io/version"} {
		if labels[key] == "" {
			t.Errorf("%s has no label %s", where, key)
		}
	}
	for key, value := range labels {
		if bad := slices.Concat(validation.IsQualifiedName(key), validation.IsValidLabelValue(value)); bad != nil {
			t.Errorf("%s: label %s=%s: %v", where, key, value, bad)
		}
	}
}

// Every kind is looked at: one that no case renders is not checked at all.
func TestEveryKindIsRendered(t *testing.T) {
	t.Parallel()
	want := map[string]bool{}
	for kind := range kinds {
		want[kind[strings.LastIndex(kind, " ")+1:]] = true
	}
	for _, o := range decodeAll(t, mustRender(t, "muster", fullValues(t)).all()) {
		delete(want, o.GetObjectKind().GroupVersionKind().Kind)
	}
	if len(want) > 0 {
		t.Errorf("not rendered: %v", slices.Collect(maps.Keys(want)))
	}
}
