package kubernetes_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"helm.sh/helm/v3/pkg/chartutil"
)

// shadowed are values that the full ones take no notice of, since others stand in their place.
var shadowed = []string{"api.replicas", "worker.replicas", "image.tag", "global"}

// A value that no template reads is a promise that is not kept.
func TestEveryValueIsRead(t *testing.T) {
	t.Parallel()
	c := load(t)
	all, err := chartutil.CoalesceValues(c, fullValues(t))
	if err != nil {
		t.Fatal(err)
	}
	before := mustRender(t, "prod", all).all()
	checked := 0
	for _, at := range leaves(nil, all.AsMap()) {
		if name := strings.Join(at, "."); slices.Contains(shadowed, name) {
			continue
		}
		checked++
		after, err := renderChart(c, "prod", with(all.AsMap(), at), true)
		if err == nil && slices.Equal(before, after.all()) { // an error has read it, too
			t.Errorf("%s changes nothing", strings.Join(at, "."))
		}
	}
	if checked < 80 {
		t.Errorf("only %d values were checked", checked)
	}
}

// leaves returns the paths to all values that are no maps with something in them.
func leaves(at []string, v values) (paths [][]string) {
	for key, value := range v {
		here := slices.Concat(at, []string{key})
		if below, ok := value.(values); ok && len(below) > 0 {
			paths = append(paths, leaves(here, below)...)
		} else {
			paths = append(paths, here)
		}
	}
	return paths
}

// with returns v with another value at a path.
func with(v values, at []string) values {
	v = maps.Clone(v)
	if len(at) > 1 {
		v[at[0]] = with(v[at[0]].(values), at[1:])
		return v
	}
	switch old := v[at[0]].(type) {
	case bool:
		v[at[0]] = !old
	case string:
		v[at[0]] = old + "x"
	case []any:
		v[at[0]] = []any{values{"key": "other", "host": "other", "name": "other"}}
	case values:
		v[at[0]] = values{"other": "other"}
	default:
		v[at[0]] = 77
	}
	return v
}

func TestSchemaRefuses(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`replicas: 3`:                                                      "additional properties 'replicas' not allowed",
		`api: {replica: 3}`:                                                "additional properties 'replica' not allowed",
		`api: {replicas: 0}`:                                               "/api/replicas': minimum: got 0, want 1",
		`api: {replicas: "3"}`:                                             "/api/replicas': got string, want integer",
		`api: {drainSeconds: 8s}`:                                          "/api/drainSeconds': got string, want integer",
		`api: {drainSeconds: 301}`:                                         "/api/drainSeconds': maximum: got 301, want 300",
		`api: {service: {type: ExternalName}}`:                             "/api/service/type': value must be one of",
		`api: {service: {port: 70000}}`:                                    "/api/service/port': maximum",
		`api: {temp: {sizeLimit: 4GB}}`:                                    "/api/temp/sizeLimit': '4GB' does not match",
		`api: {resources: {limits: {memory: 512mb}}}`:                      "/api/resources/limits/memory'",
		`api: {resources: {memory: 512Mi}}`:                                "additional properties 'memory' not allowed",
		`api: {podDisruptionBudget: {maxUnavailable: 0}}`:                  "/api/podDisruptionBudget/maxUnavailable'", // would hold up every drain
		`api: {podAnnotations: {a: 1}}`:                                    "/api/podAnnotations/a': got number, want string",
		`api: {extraEnv: [{name: MUSTER_LEASE, value: 1s}]}`:               "/api/extraEnv/0/name'",
		`api: {extraEnv: [{value: x}]}`:                                    "missing property 'name'",
		`worker: {replicas: 0}`:                                            "/worker/replicas': minimum",
		`worker: {concurrency: 0}`:                                         "/worker/concurrency': minimum",
		`worker: {keda: {minReplicas: 0}}`:                                 "/worker/keda/minReplicas': minimum",
		`worker: {keda: {prometheusAddress: "prometheus:9090"}}`:           "/worker/keda/prometheusAddress'",
		`worker: {keda: {prometheusAddress: "http://me:secret@p:9090"}}`:   "/worker/keda/prometheusAddress'",
		`worker: {autoscaling: {enabled: true}}`:                           "additional properties 'autoscaling' not allowed",
		`auth: none`:                                                       "/auth': value must be one of 'key', 'header'",
		`image: {digest: abc}`:                                             "/image/digest': 'abc' does not match",
		`image: {repository: ""}`:                                          "/image/repository'",
		`image: {repository: "a/b@sha256:1"}`:                              "/image/repository'",
		`image: {tag: 1.0}`:                                                "/image/tag': got number, want string",
		`image: {pullPolicy: Sometimes}`:                                   "/image/pullPolicy'",
		`secrets: {existingSecret: ""}`:                                    "/secrets/existingSecret'",
		`secrets: {database: "mysql://u:p@h/db"}`:                          "/secrets/database': got string, want object",
		`secrets: {database: {value: "mysql://u:p@h/db"}}`:                 "additional properties 'value' not allowed",
		`secrets: {database: {key: ""}}`:                                   "/secrets/database/key'",
		`secrets: {password: x}`:                                           "additional properties 'password' not allowed",
		`settings: {MUSTER_MAX_COUNT: 5000000}`:                            "/settings/MUSTER_MAX_COUNT': got number, want string",
		`settings: {MUSTER_MAX_CUONT: "1"}`:                                "additional properties 'MUSTER_MAX_CUONT' not allowed",
		`settings: {MUSTER_DATABASE: "mysql://u:p@h/db"}`:                  "additional properties 'MUSTER_DATABASE' not allowed",
		`settings: {MUSTER_HTTP_ADDR: ":80"}`:                              "additional properties 'MUSTER_HTTP_ADDR' not allowed",
		`files: {url: "s3://key:secret@bucket"}`:                           "/files/url'",
		`files: {url: "/files"}`:                                           "/files/url'",
		`ingress: {hosts: [a.example.com]}`:                                "/ingress/hosts/0': got string, want object",
		`ingress: {hosts: [{host: "https://a"}]}`:                          "/ingress/hosts/0/host'",
		`podSecurityContext: {runAsNonRoot: false}`:                        "/podSecurityContext/runAsNonRoot'",
		`podSecurityContext: {runAsUser: 0}`:                               "/podSecurityContext/runAsUser'",
		`networkPolicy: {egress: {database: {ports: []}}}`:                 "/networkPolicy/egress/database/ports'",
		`networkPolicy: {egress: {database: {ports: [mysql]}}}`:            "/networkPolicy/egress/database/ports/0'",
		`metrics: {serviceMonitor: {interval: 4s}}`:                        "/metrics/serviceMonitor/interval'", // scrapes may take 5 s
		`metrics: {serviceMonitor: {interval: 15}}`:                        "/metrics/serviceMonitor/interval'",
		`fullnameOverride: My_Muster`:                                      "/fullnameOverride'",
		`{files: {existingClaim: a, url: "s3://b"}}`:                       "keep one",
		`{files: {existingClaim: a}, secrets: {files: {key: b}}}`:          "keep one",
		`api: {autoscaling: {minReplicas: 5, maxReplicas: 4}}`:             "api.autoscaling: minReplicas is above",
		`worker: {keda: {minReplicas: 50}}`:                                "worker.keda: minReplicas is above",
		`worker: {keda: {enabled: true}}`:                                  "worker.keda.prometheusAddress is needed",
		`worker: {keda: {enabled: true, prometheusAddress: "http://p:1"}}`: "set metrics.serviceMonitor.enabled",
		`ingress: {enabled: true}`:                                         "ingress.hosts is needed",
	} {
		_, err := render(t, "muster", parse(t, text))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v; want %q", text, err, want)
		}
	}
}

func TestOldClusters(t *testing.T) {
	t.Parallel()
	want := load(t).Metadata.KubeVersion
	for version, good := range map[string]bool{"v1.29.9": false, "v1.30.0": true, "v1.30.4-eks-a18cd3a": true, "v1.34.1-gke.100": true} {
		if got := chartutil.IsCompatibleRange(want, version); got != good {
			t.Errorf("%s: %t", version, got)
		}
	}
}
