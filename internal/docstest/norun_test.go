package docstest_test

import (
	"context"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/compose-spec/compose-go/v2/loader"
	"github.com/compose-spec/compose-go/v2/types"
)

// What is not run must exist at least: commands and flags of muster, targets of make, services of docker compose. The same goes
// for commands in the text and in tables. The test's log lists what is not run, and why.
func TestCommandsExist(t *testing.T) {
	t.Parallel()
	c := newChecker(t)
	for _, p := range pages(t) {
		scripts := spans(t, p.name)
		for _, b := range p.blocks {
			if !b.shell() || b.norun == "" {
				continue
			}
			t.Logf("not run: %s:%d: %s", p.name, b.line, b.norun)
			for _, typed := range b.commands() {
				scripts = append(scripts, typed.text)
			}
		}
		for _, script := range scripts {
			for _, words := range simple(script) {
				if problem := c.check(t.Context(), words); problem != "" {
					t.Errorf("%s: %s", p.name, problem)
				}
			}
		}
	}
}

func newChecker(t *testing.T) *checker {
	t.Helper()
	c := &checker{bin: build(t), targets: targets(t), services: services(t), commands: map[string]string{}, help: map[string]string{}}
	for _, m := range regexp.MustCompile(`(?m)^  ([a-z]+(?: [a-z]+)*) (.*)$`).FindAllStringSubmatch(c.helpOf(t.Context(), "muster"), -1) {
		c.commands[m[1]] = m[2]
	}
	if len(c.commands) < 20 {
		t.Fatalf("only %d commands: %v", len(c.commands), c.commands)
	}
	return c
}

// spans returns the commands in the text of a page.
func spans(t *testing.T, name string) []string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, name))
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, m := range regexp.MustCompile("`((?:muster|make|docker compose) [^`\n]*)`").FindAllStringSubmatch(outsideOfFences(string(text)), -1) {
		all = append(all, strings.ReplaceAll(m[1], `\|`, "|"))
	}
	return all
}

var (
	comment   = regexp.MustCompile(`(^|\s)#.*`)
	separator = regexp.MustCompile("[|;&()`]+|\\$\\(|\n")
	setting   = regexp.MustCompile(`^[A-Za-z_]+=`)
)

// simple returns the simple commands of a script, roughly: it knows no quotes, and cuts at what may separate two commands.
func simple(script string) [][]string {
	script = strings.ReplaceAll(script, "\\\n", " ")
	var all [][]string
	for _, line := range strings.Split(script, "\n") {
		for _, part := range separator.Split(comment.ReplaceAllString(line, ""), -1) {
			words := strings.Fields(part)
			if len(words) > 1 && words[0] == "sudo" {
				all = append(all, words[:1]) // of which the rest is a command as well
				words = words[1:]
			}
			for len(words) > 0 && (setting.MatchString(words[0]) || slices.Contains([]string{"export", "exec", "then", "do", "if", "!", "time", "nohup"}, words[0])) {
				words = words[1:]
			}
			if len(words) > 0 {
				all = append(all, words)
			}
		}
	}
	return all
}

// checker says what commands name that there is not.
type checker struct {
	bin      string
	targets  []string
	services []string
	commands map[string]string // those of muster, and what follows each in its help

	mu   sync.Mutex
	help map[string]string // by command
}

// placeholder is a word that stands for a value: ID, $job, 100k, users.csv, ….
var placeholder = regexp.MustCompile(`^[A-Z$"'<\-\d]|[….]`)

func (c *checker) check(ctx context.Context, words []string) (problem string) {
	name, args := words[0], words[1:]
	switch base := path.Base(name); {
	case name == "make":
		for _, target := range args {
			if !setting.MatchString(target) && !strings.HasPrefix(target, "-") && !slices.Contains(c.targets, target) {
				return "make has no target " + target
			}
		}
	case name == "docker" && len(args) > 0 && args[0] == "compose":
		return c.checkCompose(ctx, args[1:])
	case name == "kubectl", name == "systemd-run": // what they start, if it is ours
		if i := slices.IndexFunc(args, func(a string) bool { return strings.HasSuffix(a, "/muster") }); i >= 0 {
			return c.check(ctx, args[i:])
		}
	case base == "muster", strings.HasSuffix(name, "bin/api"), strings.HasSuffix(name, "bin/worker"):
		return c.checkOurs(ctx, base, args)
	}
	return ""
}

// checkOurs looks for a command of ours in the list of commands, and for its flags in its own help.
func (c *checker) checkOurs(ctx context.Context, program string, args []string) (problem string) {
	full := program
	if program == "muster" {
		var path string
		for len(args) > 0 && c.isCommand(path+args[0]) {
			path, args = path+args[0]+" ", args[1:]
		}
		leaf := strings.TrimSpace(path)
		for _, of := range []string{" users", " list", " search"} { // `muster import 100k` is short for `muster import users 100k`
			if _, ok := c.commands[leaf]; !ok && leaf != "" && c.isCommand(leaf+of) {
				leaf += of
			}
		}
		full += " " + leaf
		takes := strings.Contains(c.commands[leaf], "<")
		if len(args) > 0 && !strings.HasPrefix(args[0], "-") && (!takes || full != "muster "+strings.TrimSpace(path) && !placeholder.MatchString(args[0])) {
			return "there is no muster " + path + args[0]
		}
	}
	for _, arg := range args {
		flag, _, _ := strings.Cut(arg, "=")
		if !strings.HasPrefix(flag, "--") {
			continue
		}
		known := regexp.MustCompile(`--(?:\[no-\])?[a-z][a-z-]*`).FindAllString(c.helpOf(ctx, strings.TrimSpace(full)), -1)
		no := strings.Replace(flag, "--no-", "--", 1)
		if !slices.Contains(known, flag) && !slices.Contains(known, "--[no-]"+no[2:]) {
			return strings.TrimSpace(full) + " has no flag " + flag
		}
	}
	return ""
}

// isCommand reports whether there is a command of that name, or some that begin with it.
func (c *checker) isCommand(name string) bool {
	for command := range c.commands {
		if command == name || strings.HasPrefix(command, name+" ") {
			return true
		}
	}
	return false
}

// helpOf returns the help of a command.
func (c *checker) helpOf(ctx context.Context, command string) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if help, ok := c.help[command]; ok {
		return help
	}
	words := strings.Fields(command)
	out, _ := exec.CommandContext(ctx, filepath.Join(c.bin, words[0]), append(words[1:], "--help")...).Output() //nolint:gosec // built by this test
	c.help[command] = string(out)
	return c.help[command]
}

func (c *checker) checkCompose(ctx context.Context, args []string) (problem string) {
	withValue := []string{"--profile", "-f", "--file", "--user", "-u", "--tail", "--env-file", "-p", "-e"}
	var words, named []string
	for i := 0; i < len(args); i++ {
		within := len(words) >= 2 && (words[0] == "exec" || words[0] == "run") // flags of the command in the container
		switch {
		case within || !strings.HasPrefix(args[i], "-"):
			words = append(words, args[i])
		case args[i] == "--scale" && i+1 < len(args):
			i++
			service, _, _ := strings.Cut(args[i], "=")
			named = append(named, service)
		case slices.Contains(withValue, args[i]):
			i++
		}
	}
	if len(words) == 0 {
		return ""
	}
	var inside []string
	switch words[0] {
	case "exec", "run":
		named, inside = append(named, words[1:min(2, len(words))]...), words[min(2, len(words)):]
	case "up", "logs", "restart", "start", "stop", "pull", "build", "rm", "ps":
		named = append(named, words[1:]...)
	case "down", "config", "cp", "images", "kill", "ls", "push", "top", "wait":
	default:
		return "docker compose has no " + words[0]
	}
	for _, service := range named {
		if !slices.Contains(c.services, service) {
			return "docker-compose.yml has no service " + service
		}
	}
	if len(inside) > 0 {
		return c.check(ctx, inside)
	}
	return ""
}

func TestChecker(t *testing.T) {
	t.Parallel()
	c := newChecker(t)
	for script, want := range map[string]string{
		"make demo test":                          "",
		"make tea":                                "make has no target tea",
		"muster import 5m --seed 1 --detach":      "",
		"muster import file users.csv --from x":   "",
		"muster --version":                        "",
		"muster jobs --status FAILED":             "",
		"muster import file --form x":             "muster import file has no flag --form",
		"muster imports 5m":                       "there is no muster imports",
		"muster jobs stop ID":                     "there is no muster jobs stop",
		"muster doctor --no-such":                 "muster doctor has no flag --no-such",
		"MUSTER_AUTH=key bin/api --http-addr=:1":  "",
		"bin/api --http-address=:1":               "api has no flag --http-address",
		"sudo docker compose up -d --scale api=2": "",
		"docker compose up --scale apis=2":        "docker-compose.yml has no service apis",
		"docker compose exec api /muster keys create --owner a --name b --scopes read": "",
		"docker compose exec api /muster keys make":                                    "there is no muster keys make",
		"docker compose exec web /muster doctor":                                       "docker-compose.yml has no service web",
		"docker compose upp":                                                           "docker compose has no upp",
		"true && id=$(muster job list) # muster":                                       "there is no muster job",
		"muster import \\\n  5m --sed 1":                                               "muster import users has no flag --sed",
		"kubectl exec deploy/api -- /muster keys make":                                 "there is no muster keys make",
		"kubectl get pods; helm install x y":                                           "",
	} {
		got := ""
		for _, words := range simple(script) {
			got += c.check(t.Context(), words)
		}
		if got != want {
			t.Errorf("%s: %q, want %q", script, got, want)
		}
	}
}

// services returns those of docker-compose.yml, whatever their profile.
func services(t *testing.T) []string {
	t.Helper()
	dir, err := filepath.Abs(root)
	if err != nil {
		t.Fatal(err)
	}
	p, err := loader.LoadWithContext(t.Context(), types.ConfigDetails{
		WorkingDir:  dir,
		ConfigFiles: []types.ConfigFile{{Filename: filepath.Join(dir, "docker-compose.yml")}},
		Environment: types.Mapping{},
	}, func(o *loader.Options) { o.SetProjectName("muster", true); o.Profiles = []string{"*"} })
	if err != nil {
		t.Fatal(err)
	}
	return p.ServiceNames()
}

// targets returns those of the Makefile.
func targets(t *testing.T) []string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, "Makefile"))
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, m := range regexp.MustCompile(`(?m)^([A-Za-z0-9_/.-]+):([^=]|$)`).FindAllStringSubmatch(string(text), -1) {
		all = append(all, m[1])
	}
	return all
}
