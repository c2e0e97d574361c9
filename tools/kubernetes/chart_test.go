// Package kubernetes_test checks the Helm chart, the manifests that are rendered from it and the Terraform example, with the
// libraries of Helm and Kubernetes: no cluster and no network is needed. `make generate` is these tests with -update.
package kubernetes_test

import (
	"flag"
	"os"
	"path"
	"slices"
	"strings"
	"testing"

	"helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/engine"
	"helm.sh/helm/v3/pkg/lint"
	"helm.sh/helm/v3/pkg/lint/support"
	"helm.sh/helm/v3/pkg/release"
	"helm.sh/helm/v3/pkg/releaseutil"
	"sigs.k8s.io/yaml"
)

const (
	deployments = "../../deployments/"
	chartDir    = deployments + "chart/muster"
)

var update = flag.Bool("update", false, "write the files that are generated")

// values are a chart's, as YAML gives them.
type values = map[string]any

func parse(t *testing.T, text string) values {
	t.Helper()
	var v values
	if err := yaml.Unmarshal([]byte(text), &v); err != nil {
		t.Fatal(err)
	}
	return v
}

func fullValues(t *testing.T) values {
	t.Helper()
	b, err := os.ReadFile("testdata/full.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return parse(t, string(b))
}

func load(t *testing.T) *chart.Chart {
	t.Helper()
	c, err := loader.LoadDir(chartDir)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// rendered is what Helm would send to a cluster, in its order, and the notes.
type rendered struct {
	hooks, manifests, tests []string
	notes                   string
}

func (r *rendered) all() []string { return slices.Concat(r.hooks, r.manifests, r.tests) }

// render returns what `helm install` would, into the namespace muster.
func render(t *testing.T, name string, v values) (*rendered, error) {
	t.Helper()
	return renderChart(load(t), name, v, false)
}

func renderChart(c *chart.Chart, release string, v values, anyValues bool) (*rendered, error) {
	options := chartutil.ReleaseOptions{Name: release, Namespace: "muster", IsInstall: true, Revision: 1}
	renderValues, err := chartutil.ToRenderValuesWithSchemaValidation(c, v, options, chartutil.DefaultCapabilities, anyValues)
	if err != nil {
		return nil, err
	}
	files, err := engine.Engine{Strict: true}.Render(c, renderValues)
	if err != nil {
		return nil, err
	}
	var r rendered
	for name, text := range files {
		if path.Base(name) == "NOTES.txt" {
			r.notes = text
		}
		if strings.HasSuffix(name, ".tpl") || strings.HasSuffix(name, ".txt") || strings.TrimSpace(text) == "" {
			delete(files, name)
		}
	}
	hooks, manifests, err := releaseutil.SortManifests(files, chartutil.DefaultVersionSet, releaseutil.InstallOrder)
	if err != nil {
		return nil, err
	}
	slices.SortStableFunc(hooks, byWeight)
	for _, h := range hooks {
		if strings.Contains(h.Path, "/tests/") {
			r.tests = append(r.tests, h.Manifest)
		} else {
			r.hooks = append(r.hooks, h.Manifest)
		}
	}
	for _, m := range manifests {
		r.manifests = append(r.manifests, m.Content)
	}
	return &r, nil
}

func byWeight(a, b *release.Hook) int { return a.Weight - b.Weight }

func mustRender(t *testing.T, release string, v values) *rendered {
	t.Helper()
	r, err := render(t, release, v)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// cases are the values that every check of rendered objects looks at: the defaults, all switches, and each by itself.
func cases(t *testing.T) map[string]values {
	t.Helper()
	all := map[string]values{"default": {}, "full": fullValues(t)}
	for name, text := range map[string]string{
		"header":             `auth: header`,
		"tag":                `image: {tag: v1.2.3}`,
		"names":              `{nameOverride: users, fullnameOverride: people}`,
		"own files":          `files: {existingClaim: files}`,
		"role":               `{files: {url: "s3://users/muster?region=eu-central-1"}, serviceAccount: {annotations: {a: b}}}`,
		"import from":        `secrets: {importFrom: {key: from}}`,
		"other account":      `secrets: {migrationDatabase: {key: owner}}`,
		"no account":         `serviceAccount: {create: false}`,
		"given account":      `serviceAccount: {create: false, name: mine}`,
		"hpa":                `api: {autoscaling: {enabled: true}}`,
		"keda":               `{worker: {keda: {enabled: true, prometheusAddress: "http://p:9090"}}, metrics: {serviceMonitor: {enabled: true}}}`,
		"keda's own query":   `worker: {keda: {enabled: true, prometheusAddress: "http://p:9090", query: 'sum(x{y="z"})'}}`,
		"no budgets":         `{api: {podDisruptionBudget: {enabled: false}}, worker: {podDisruptionBudget: {enabled: false}}}`,
		"no sleep":           `api: {preStopSeconds: 0}`,
		"no migration":       `{migration: {enabled: false}, networkPolicy: {enabled: true}}`,
		"ingress":            `ingress: {enabled: true, hosts: [{host: a.example.com}]}`,
		"policies":           `networkPolicy: {enabled: true}`,
		"closed policies":    `networkPolicy: {enabled: true, metricsFrom: [], egress: {internet: {enabled: false}}}`,
		"policies and files": `{networkPolicy: {enabled: true}, secrets: {files: {key: files}}}`,
		"monitors":           `metrics: {serviceMonitor: {enabled: true}}`,
		"rules":              `metrics: {prometheusRule: {enabled: true}}`,
		"dashboards":         `metrics: {dashboards: {enabled: true}}`,
		"random users":       `podSecurityContext: {runAsUser: null, runAsGroup: null, fsGroup: null}`,
		"settings":           `settings: {MUSTER_MAX_COUNT: "5000000", MUSTER_MONITORING_READ_ONLY: "false"}`,
		"global":             `global: {imageRegistry: x}`,
	} {
		all[name] = parse(t, text)
	}
	return all
}

// What must hold whatever the values are, and whatever the release is called.
func TestObjects(t *testing.T) {
	t.Parallel()
	for name, v := range cases(t) {
		for _, release := range []string{"muster", "prod", "a-release-with-a-name-as-long-as-helm-lets-one-be-12345"} {
			t.Run(name+"/"+release, func(t *testing.T) {
				t.Parallel()
				objects := decodeAll(t, mustRender(t, release, v).all())
				checkNames(t, objects)
				checkSelectors(t, objects)
				checkReplicas(t, objects)
				checkPods(t, objects)
				checkProbes(t, objects)
			})
		}
	}
}

func TestLint(t *testing.T) {
	t.Parallel()
	for name, v := range cases(t) {
		for _, m := range lint.All(chartDir, v, "muster", true).Messages {
			// An icon is a matter of catalogues.
			if m.Severity > support.InfoSev || !strings.Contains(m.Err.Error(), "icon is recommended") {
				t.Errorf("%s: %v", name, m)
			}
		}
	}
}
