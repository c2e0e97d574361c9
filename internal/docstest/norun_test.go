package docstest_test

import (
	"context"
	"os"
	"os/exec"
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
	c := checker{bin: build(t), targets: targets(t), services: services(t)}
	for _, p := range pages(t) {
		for _, b := range p.blocks {
			if !b.shell() || b.norun == "" {
				continue
			}
			t.Logf("not run: %s:%d: %s", p.name, b.line, b.norun)
			for _, typed := range b.commands() {
				for _, line := range simple(typed.text) {
					c.check(t, p.name, line)
				}
			}
		}
		for _, span := range spans(t, p.name) {
			for _, line := range simple(span) {
				c.check(t, p.name, line)
			}
		}
	}
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
			for len(words) > 0 && (setting.MatchString(words[0]) || slices.Contains([]string{"sudo", "export", "exec", "then", "do", "if", "!", "time", "nohup"}, words[0])) {
				words = words[1:]
			}
			if len(words) > 0 {
				all = append(all, words)
			}
		}
	}
	return all
}

type checker struct {
	bin      string
	targets  []string
	services []string

	mu   sync.Mutex
	help map[string]string
}

var placeholder = regexp.MustCompile(`^[A-Z$"'<\-…]|…`)

func (c *checker) check(t *testing.T, page string, words []string) {
	t.Helper()
	name, args := words[0], words[1:]
	switch base := name[strings.LastIndex(name, "/")+1:]; {
	case name == "make":
		for _, target := range args {
			if !setting.MatchString(target) && !strings.HasPrefix(target, "-") && !slices.Contains(c.targets, target) {
				t.Errorf("%s: make has no target %s", page, target)
			}
		}
	case name == "docker" && len(args) > 0 && args[0] == "compose":
		c.checkCompose(t, page, args[1:])
	case base == "muster" || strings.HasSuffix(name, "bin/api") || strings.HasSuffix(name, "bin/worker"):
		c.checkMuster(t, page, base, args)
	}
}

// checkMuster looks for the command in its own help, and for its flags there.
func (c *checker) checkMuster(t *testing.T, page, program string, args []string) {
	t.Helper()
	help, ok := c.helpOf(t.Context(), program)
	if !ok {
		t.Fatalf("%s --help fails", program)
	}
	path := []string{program}
	for len(args) > 0 && !strings.HasPrefix(args[0], "-") {
		words := strings.Split(args[0], "|") // cancel|pause: each
		longer, exists := "", true
		for _, word := range words {
			var h string
			h, ok := c.helpOf(t.Context(), append(slices.Clone(path), word)...)
			longer, exists = h, exists && ok
		}
		if !exists {
			break
		}
		help, path, args = longer, append(path, words[len(words)-1]), args[1:]
	}
	if len(args) > 0 && program == "muster" && (len(path) == 1 || !strings.Contains(help, "Arguments:")) && !strings.HasPrefix(args[0], "-") && !placeholder.MatchString(args[0]) {
		// `muster import 100k` and `muster jobs ID` are short for commands that the help lists.
		if len(path) == 1 || !strings.Contains(help, "Commands:") {
			t.Errorf("%s: there is no command %s %s", page, strings.Join(path, " "), args[0])
		}
	}
	for _, arg := range args {
		flag, _, _ := strings.Cut(arg, "=")
		flag = strings.TrimRight(flag, ".,")
		if !strings.HasPrefix(flag, "--") || flag == "--" {
			continue
		}
		known := strings.Contains(help, flag) || strings.Contains(help, strings.Replace(flag, "--no-", "--[no-]", 1)) || strings.Contains(help, strings.Replace(flag, "--", "--[no-]", 1))
		if !known && strings.Contains(help, "Commands:") {
			users, _ := c.helpOf(t.Context(), append(slices.Clone(path), "users")...)
			list, _ := c.helpOf(t.Context(), append(slices.Clone(path), "list")...)
			search, _ := c.helpOf(t.Context(), append(slices.Clone(path), "search")...)
			known = strings.Contains(users+list+search, flag)
		}
		if !known {
			t.Errorf("%s: %s has no flag %s", page, strings.Join(path, " "), flag)
		}
	}
}

// helpOf returns the help of a command, and whether there is such a command.
func (c *checker) helpOf(ctx context.Context, path ...string) (string, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	key := strings.Join(path, " ")
	if help, ok := c.help[key]; ok {
		return help, help != ""
	}
	out, err := exec.CommandContext(ctx, filepath.Join(c.bin, path[0]), append(path[1:], "--help")...).Output() //nolint:gosec // built by this test
	help := string(out)
	// What is no command of its own is an argument to the one before.
	if err != nil || !strings.HasPrefix(help, "Usage: "+key) {
		help = ""
	}
	if c.help == nil {
		c.help = map[string]string{}
	}
	c.help[key] = help
	return help, help != ""
}

func (c *checker) checkCompose(t *testing.T, page string, args []string) {
	t.Helper()
	withValue := []string{"--profile", "-f", "--file", "--scale", "--user", "-u", "--tail", "--env-file", "-p", "-e", "-T"}
	var words []string
	for i := 0; i < len(args); i++ {
		switch {
		case args[i] == "--scale" && i+1 < len(args):
			service, _, _ := strings.Cut(args[i+1], "=")
			c.checkService(t, page, service)
			i++
		case slices.Contains(withValue, args[i]) && args[i] != "-T":
			i++
		case !strings.HasPrefix(args[i], "-"):
			words = append(words, args[i])
		case len(words) >= 2 && slices.Contains([]string{"exec", "run"}, words[0]):
			words = append(words, args[i])
		}
	}
	if len(words) == 0 {
		return
	}
	known := []string{"up", "down", "build", "config", "cp", "exec", "images", "kill", "logs", "ls", "ps", "pull", "push", "restart", "rm", "run", "start", "stop", "top", "wait"}
	switch {
	case !slices.Contains(known, words[0]):
		t.Errorf("%s: docker compose has no %s", page, words[0])
	case slices.Contains([]string{"exec", "run"}, words[0]) && len(words) > 1:
		c.checkService(t, page, words[1])
		if len(words) > 2 {
			c.check(t, page, words[2:])
		}
	case slices.Contains([]string{"up", "logs", "restart", "start", "stop", "pull", "build"}, words[0]):
		for _, service := range words[1:] {
			c.checkService(t, page, service)
		}
	}
}

func (c *checker) checkService(t *testing.T, page, service string) {
	t.Helper()
	if !slices.Contains(c.services, service) {
		t.Errorf("%s: docker-compose.yml has no service %s", page, service)
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
