package main

import (
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
)

// scrape returns the metrics of a stack that has imported, refused and exported.
func scrape(t *testing.T) string {
	t.Helper()
	api, admin := startDevAndAdmin(t, "--addr=127.0.0.1:0", "--admin-addr=127.0.0.1:0", "--data="+t.TempDir(), "--offline")
	file := filepath.Join(t.TempDir(), "users.csv")
	if err := os.WriteFile(file, []byte("email,name\nada@example.com,Ada\nnobody,Nobody\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"import", "300"}, {"import", "100", "--source=randomuser"}, {"import", "file", file}, {"export", "-o", file + ".csv"},
	} {
		_ = muster(t, append(args, "--server="+api, "--user=ann")...) // the file has a row that is rejected
	}
	res, err := http.Get(admin + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("%d %s, %v", res.StatusCode, text, err)
	}
	return string(text)
}

// What was done is counted, under names by Prometheus's rules, and every name that the alerts and the dashboards use is there.
func TestMetrics(t *testing.T) {
	t.Parallel()
	text := scrape(t)
	for _, line := range []string{
		`muster_users_stored_total{source="faker"} 300`,
		`muster_users_stored_total{source="randomuser"} 100`,
		`muster_users_stored_total{source="file"} 1`,
		`muster_rows_total{outcome="rejected",source="file"} 1`,
		`muster_submissions_total{outcome="accepted",source="faker",tier="MEDIUM"} 1`,
		`muster_exports_total{format="csv",outcome="done"} 1`,
		`muster_export_users_total{format="csv"} 401`,
		`muster_http_requests_total{method="POST",route="/api/v1/users/import/async",status="202"} 2`,
		`muster_chunks_in_hand 0`,
		`muster_workers 1`,
		`asynq_queue_size{queue="xl"} 0`,
	} {
		if !strings.Contains(text, "\n"+line+"\n") {
			name, _, _ := strings.Cut(line, "{")
			t.Errorf("no line %s, but\n%s", line, strings.Join(regexp.MustCompile(`(?m)^`+name+`[{ ].*`).FindAllString(text, -1), "\n"))
		}
	}
	if strings.Contains(text, "ann") && regexp.MustCompile(`\bann\b`).MatchString(text) {
		t.Error("a metric names an owner")
	}
	problems, err := promlint.New(strings.NewReader(text)).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		if !strings.HasPrefix(p.Metric, "asynq_") && !strings.HasPrefix(p.Metric, "go_") { // others' names
			t.Errorf("%s: %s", p.Metric, p.Text)
		}
	}
	for file, names := range used(t) {
		for _, name := range names {
			if !regexp.MustCompile(`(?m)^` + name + `[{ ]`).MatchString(text) {
				t.Errorf("%s uses %s, which no process has", file, name)
			}
		}
	}
}

var (
	ofMetric = regexp.MustCompile(`\b(?:muster|asynq|go|process)_[a-z0-9_]+`)
	quotes   = regexp.MustCompile(`"[^"]*"`)
)

// used returns the metrics that alerts and dashboards ask for, by file.
func used(t *testing.T) map[string][]string {
	t.Helper()
	found := map[string][]string{}
	add := func(file, query string) {
		found[file] = append(found[file], ofMetric.FindAllString(quotes.ReplaceAllString(query, ""), -1)...)
	}
	rules := read(t, "prometheus/alerts.yml")
	for _, query := range regexp.MustCompile(`(?m)expr: >-\n\s*(.*)$`).FindAllStringSubmatch(rules, -1) {
		add("alerts.yml", query[1])
	}
	for _, file := range []string{"overview.json", "operations.json"} {
		var board struct {
			Panels []struct{ Targets []struct{ Expr string } }
		}
		if err := json.Unmarshal([]byte(read(t, "grafana/"+file)), &board); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		for _, p := range board.Panels {
			for _, target := range p.Targets {
				add(file, target.Expr)
			}
		}
	}
	for _, file := range []string{"alerts.yml", "overview.json", "operations.json"} {
		if len(found[file]) < 10 {
			t.Fatalf("%s: only %d metrics were found", file, len(found[file]))
		}
	}
	return found
}

func read(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "deployments", file))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// Each alert has a paragraph in docs/operations.md, and each paragraph its alert.
func TestAlertsAreDescribed(t *testing.T) {
	t.Parallel()
	docs := read(t, "../docs/operations.md")
	alerts := map[string]bool{}
	for _, m := range regexp.MustCompile(`- alert: (\w+)`).FindAllStringSubmatch(read(t, "prometheus/alerts.yml"), -1) {
		alerts[m[1]] = true
		if !strings.Contains(docs, "\n#### "+m[1]+"\n") {
			t.Errorf("docs/operations.md does not describe %s", m[1])
		}
	}
	for _, m := range regexp.MustCompile(`(?m)^#### (Muster\w+)$`).FindAllStringSubmatch(docs, -1) {
		if !alerts[m[1]] {
			t.Errorf("docs/operations.md describes %s, which there is not", m[1])
		}
	}
}

// Prometheus itself takes the rules, and each alert fires when it is to, and only then.
func TestAlertRules(t *testing.T) {
	t.Parallel()
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		if strings.Contains(os.Getenv("MUSTER_TEST_REQUIRE"), "prometheus") {
			t.Fatal("promtool is not installed (Debian: prometheus)")
		}
		t.Skip("promtool is not installed (Debian: prometheus): the alert rules are not tested")
	}
	for _, args := range [][]string{{"check", "rules", "alerts.yml"}, {"test", "rules", "alerts_test.yml"}} {
		cmd := exec.CommandContext(t.Context(), promtool, args...)
		cmd.Dir = filepath.Join("..", "..", "deployments", "prometheus")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
	tests := read(t, "prometheus/alerts_test.yml")
	for _, m := range regexp.MustCompile(`- alert: (\w+)`).FindAllStringSubmatch(read(t, "prometheus/alerts.yml"), -1) {
		for _, name := range []string{m[1] + " fires", m[1] + " does not"} {
			if !strings.Contains(tests, "- name: "+name+"\n") {
				t.Errorf("no test %q", name)
			}
		}
	}
}
