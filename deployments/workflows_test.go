package deployments_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// workflow is what these tests look at; actionlint, in make lint, looks at the rest.
type workflow struct {
	On          yaml.Node         `yaml:"on"`
	Permissions map[string]string `yaml:"permissions"`
	Concurrency struct {
		Group string `yaml:"group"`
	} `yaml:"concurrency"`
	Jobs map[string]struct {
		Uses    string `yaml:"uses"`
		Timeout int    `yaml:"timeout-minutes"`
		Steps   []step `yaml:"steps"`
	} `yaml:"jobs"`
}

type step struct {
	Uses            string         `yaml:"uses"`
	Run             string         `yaml:"run"`
	ContinueOnError any            `yaml:"continue-on-error"`
	With            map[string]any `yaml:"with"`
}

func workflows(t *testing.T) (parsed map[string]workflow, texts map[string]string) {
	t.Helper()
	names, err := filepath.Glob("../.github/workflows/*.yml")
	if err != nil || len(names) == 0 {
		t.Fatalf("no workflows: %v", err)
	}
	parsed, texts = map[string]workflow{}, map[string]string{}
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		var w workflow
		if err := yaml.Unmarshal(text, &w); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		parsed[filepath.Base(name)], texts[filepath.Base(name)] = w, string(text)
	}
	return parsed, texts
}

var (
	pinned   = regexp.MustCompile(`^\s*(?:- )?uses: ([\w.-]+/[\w./-]+)@([0-9a-f]{40}) # v\d+\.\d+\.\d+$`)
	local    = regexp.MustCompile(`^\s*uses: \./(\.github/workflows/[\w-]+\.yml)$`)
	makes    = regexp.MustCompile(`\bmake ([a-z][a-z/-]*)`)
	packages = regexp.MustCompile(`\bgo (?:run|vet|test)\b[^\n]*?((?: \./[\w/.]+)+)`)
	scripts  = regexp.MustCompile(`(?m)(?:^|\s)((?:tools|deployments|\.ci)/[\w./-]+)`)
)

// Nobody else's code but what was looked at, no right that is not needed, no job without an end, and nothing that a
// stranger writes in a shell.
func TestWorkflowsAreSafe(t *testing.T) {
	t.Parallel()
	parsed, texts := workflows(t)
	hashes := map[string]string{}
	for name, w := range parsed {
		if w.Concurrency.Group == "" {
			t.Errorf("%s has no concurrency group", name)
		}
		for _, trigger := range []string{"pull_request_target", "workflow_run", "issue_comment"} {
			if strings.Contains(texts[name], trigger) {
				t.Errorf("%s is started by %s, with rights that strangers must not have", name, trigger)
			}
		}
		if len(w.Permissions) != 1 || w.Permissions["contents"] != "read" {
			t.Errorf("%s has permissions %v for all its jobs, want contents: read", name, w.Permissions)
		}
		for line := range strings.Lines(texts[name]) {
			line = strings.TrimRight(line, "\n")
			if !strings.Contains(line, "uses:") {
				continue
			}
			m := pinned.FindStringSubmatch(line)
			if m == nil {
				if f := local.FindStringSubmatch(line); f == nil || !exists("../"+f[1]) {
					t.Errorf("%s: neither pinned to a commit with its version beside it, nor a workflow of ours:%s", name, line)
				}
				continue
			}
			if was := hashes[m[1]]; was != "" && was != m[2] {
				t.Errorf("%s: %s is taken at two commits", name, m[1])
			}
			hashes[m[1]] = m[2]
		}
		for id, j := range w.Jobs {
			if j.Uses == "" && j.Timeout == 0 {
				t.Errorf("%s: %s may run for ever", name, id)
			}
			for _, s := range j.Steps {
				checkStep(t, name+": "+id, s)
			}
		}
	}
	if len(hashes) == 0 {
		t.Error("no action was looked at")
	}
}

func checkStep(t *testing.T, where string, s step) {
	t.Helper()
	if strings.Contains(s.Run, "${{") {
		t.Errorf("%s: a script is made from values; give them as env:\n%s", where, s.Run)
	}
	if s.ContinueOnError != nil {
		t.Errorf("%s: a step cannot fail", where)
	}
	if keeps, set := s.With["persist-credentials"].(bool); strings.HasPrefix(s.Uses, "actions/checkout@") && (keeps || !set) {
		t.Errorf("%s: the token stays in the clone", where)
	}
}

func exists(name string) bool {
	_, err := os.Stat(name)
	return err == nil
}

// What the scripts call is there.
func TestWorkflowsCallWhatThereIs(t *testing.T) {
	t.Parallel()
	makefile, err := os.ReadFile("../Makefile")
	if err != nil {
		t.Fatal(err)
	}
	parsed, _ := workflows(t)
	targets, files := 0, 0
	for name, w := range parsed {
		for _, j := range w.Jobs {
			for _, s := range j.Steps {
				for _, m := range makes.FindAllStringSubmatch(s.Run, -1) {
					targets++
					if !regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(m[1]) + `:`).Match(makefile) {
						t.Errorf("%s calls make %s, which the Makefile does not have", name, m[1])
					}
				}
				var paths []string
				for _, m := range packages.FindAllStringSubmatch(s.Run, -1) {
					paths = append(paths, strings.Fields(m[1])...)
				}
				for _, m := range scripts.FindAllStringSubmatch(s.Run, -1) {
					paths = append(paths, m[1])
				}
				for _, p := range paths {
					files++
					if !exists("../" + strings.TrimSuffix(p, "/...")) {
						t.Errorf("%s names %s, which is not there", name, p)
					}
				}
			}
		}
	}
	if targets == 0 || files == 0 {
		t.Errorf("%d targets and %d paths were looked at", targets, files)
	}
}

// Tests, releases and images are built by one release of Go, that of go.mod.
func TestOneGo(t *testing.T) {
	t.Parallel()
	module, err := os.ReadFile("../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	want := regexp.MustCompile(`(?m)^go (\d+\.\d+)`).FindSubmatch(module)
	if want == nil {
		t.Fatal("go.mod names no Go")
	}
	_, texts := workflows(t)
	dockerfile, err := os.ReadFile("Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	texts["Dockerfile"] = string(dockerfile)
	found := 0
	for name, text := range texts {
		for _, m := range regexp.MustCompile(`(?:go-version: '|golang:)(\d+\.\d+)`).FindAllStringSubmatch(text, -1) {
			found++
			if m[1] != string(want[1]) {
				t.Errorf("%s uses Go %s, go.mod %s", name, m[1], want[1])
			}
		}
	}
	if found == 0 {
		t.Error("nothing was looked at")
	}
}
