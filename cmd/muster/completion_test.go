package main

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/musterhq/muster/cmd/internal/boot"
)

func TestComplete(t *testing.T) {
	t.Parallel()
	model, err := boot.Model("muster", &commands{})
	if err != nil {
		t.Fatal(err)
	}
	for line, want := range map[string]string{ // words are parted by |
		"":                                "dev|demo|import|jobs|users|export|exports|schedules|webhooks|keys|doctor|migrate|completion|health",
		"jo":                              "jobs",
		"jobs|":                           "list|get|watch|cancel|pause|resume|retry|undo|rejected",
		"jobs|re":                         "resume|retry|rejected",
		"jobs|--st":                       "--status", // of jobs list
		"jobs|list|--status|":             "PENDING|IN_PROGRESS|PAUSED|COMPLETED|FAILED|CANCELLED",
		"jobs|list|--status|c":            "COMPLETED|CANCELLED",
		"jobs|list|--status=F":            "--status=FAILED",
		"jobs|list|--status|=|F":          "FAILED", // as bash parts them
		"jobs|list|--status|=":            "PENDING|IN_PROGRESS|PAUSED|COMPLETED|FAILED|CANCELLED",
		"jobs|list|-o|":                   "table|json",
		"jobs|--status=FAILED|-o|j":       "json",
		"jobs|--server|=|http://h|-o|j":   "json",
		"exports|":                        "create|files|download",
		"exports|create|--format|p":       "parquet",
		"webhooks|":                       "list|get|create|secret|rotate|disable|enable|delete|test|deliveries|delivery|replay",
		"webhooks|deliveries|--state|":    "PENDING|DELIVERED|FAILED",
		"webhooks|replay|--s":             "--server|--since",
		"import|5|--call":                 "--callback-url",
		"jobs|get|--user|ann|--out":       "--output",
		"import|--det":                    "--detach", // of import users
		"import|file|--on-duplicate|u":    "update",
		"import|file|--no-":               "--no-header",
		"import|file|us":                  "", // a file
		"export|--nothing=":               "",
		"completion|":                     "bash|zsh|fish",
		"completion|bash|":                "",
		"doctor|--log-level|":             "debug|info|warn|error",
		"users|search|--gender|m":         "Male",
		"jobs|cancel|018f|--|--something": "",
	} {
		got := strings.Join(complete(model, strings.Split(line, "|")), "|")
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", line, diff)
		}
	}
}

// The scripts are such that their shells take them, where they are installed.
func TestCompletionScripts(t *testing.T) {
	t.Parallel()
	for _, shell := range []string{"bash", "zsh", "fish"} {
		t.Run(shell, func(t *testing.T) {
			t.Parallel()
			s := muster(t, "completion", shell)
			if s.failure != nil || !strings.Contains(s.out, completeWord) {
				t.Fatalf("%v, %q", s.failure, s.out)
			}
			if _, err := exec.LookPath(shell); err != nil {
				t.Skip("SKIPPED: ", err)
			}
			cmd := exec.CommandContext(t.Context(), shell, "-n") //nolint:gosec // one of three
			cmd.Stdin = strings.NewReader(s.out)
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}
