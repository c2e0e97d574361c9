package kubernetes_test

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// same compares what a file has with what it should have, or writes it with -update.
func same(t *testing.T, file string, want []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, want, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	got, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s is out of date, `make generate` writes it (-have +want):\n%s", file, cmp.Diff(string(got), string(want)))
	}
}

// Helm packs only what lies below the chart, so that it has copies of alerts and dashboards. Not parallel: with -update it writes
// what the others render.
func TestCopies(t *testing.T) {
	sources, err := filepath.Glob(deployments + "grafana/*.json")
	if err != nil || len(sources) == 0 {
		t.Fatalf("no dashboards: %v", err)
	}
	names := map[string]bool{}
	for _, source := range append(sources, deployments+"prometheus/alerts.yml") {
		b, err := os.ReadFile(source)
		if err != nil {
			t.Fatal(err)
		}
		names[filepath.Base(source)] = true
		same(t, filepath.Join(chartDir, "files", filepath.Base(source)), b)
	}
	copies, err := os.ReadDir(chartDir + "/files")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range copies {
		if !names[f.Name()] {
			t.Errorf("the chart's file %s is a copy of nothing", f.Name())
		}
	}
}

func joined(head string, manifests []string) []byte {
	var b strings.Builder
	b.WriteString(head)
	for _, m := range manifests {
		b.WriteString("---\n" + strings.TrimSpace(m) + "\n")
	}
	return []byte(b.String())
}

// The plain manifests are what the chart makes of its defaults.
func TestManifests(t *testing.T) {
	t.Parallel()
	r := mustRender(t, "muster", nil)
	const by = "# Rendered from deployments/chart/muster by `make generate`. docs/kubernetes.md says how to use it.\n"
	same(t, deployments+"kubernetes/migration.yaml", joined(by, r.hooks))
	same(t, deployments+"kubernetes/muster.yaml", joined(by, r.manifests))
}

// What a change of a template comes to can be seen in a review.
func TestGolden(t *testing.T) {
	t.Parallel()
	r := mustRender(t, "prod", fullValues(t))
	var short []string
	for _, m := range r.all() {
		if cut := strings.Index(m, "  muster-operations.json: |-"); cut >= 0 {
			m = m[:cut] + "  # …"
		}
		if cut := strings.Index(m, "  muster-overview.json: |-"); cut >= 0 {
			m = m[:cut] + "  # …"
		}
		short = append(short, m)
	}
	same(t, "testdata/full.golden.yaml", joined("# testdata/full.yaml as the release prod, without the text of the dashboards.\n", short))
	same(t, "testdata/full.notes.golden.txt", []byte(r.notes))
	same(t, "testdata/default.notes.golden.txt", []byte(mustRender(t, "muster", nil).notes))
}

// The chart installs the last version that was released.
func TestVersion(t *testing.T) {
	t.Parallel()
	log, err := os.ReadFile("../../CHANGELOG.md")
	if err != nil {
		t.Fatal(err)
	}
	released := regexp.MustCompile(`(?m)^## \[(\d+\.\d+\.\d+)\]`).FindSubmatch(log)
	if released == nil || load(t).AppVersion() != string(released[1]) {
		t.Errorf("the chart is of version %s, CHANGELOG.md of %s", load(t).AppVersion(), released[1])
	}
}
