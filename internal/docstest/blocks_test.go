// Package docstest_test runs what the documentation says: every block of shell commands of README.md, CONTRIBUTING.md and
// docs/*.md, page by page, and compares the output that a page shows. CONTRIBUTING.md says how blocks are marked.
package docstest_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const root = "../.."

// page is a file of the documentation.
type page struct {
	name   string // relative to the root of the repository
	blocks []block
	with   []string // of the line `<!-- test with: … -->`
}

// elsewhere are programs for which this test has nothing that they could work with.
var elsewhere = []string{"docker", "kubectl", "helm", "terraform", "systemctl", "sudo", "make", "git", "gh"}

// block is a fenced block of a page.
type block struct {
	line  int    // of its first line, from 1
	lang  string // the first word behind the fence
	norun string // why its commands are not run; empty: they are
	lines []string
}

// command is what is typed at once: a whole block `sh`, or a line `$ …` of a block `console`.
type command struct {
	line  int
	text  string
	shown string // the output that the page shows, if any
}

var testWith = regexp.MustCompile(`(?m)^<!-- test with: (.*) -->$`)

// pages returns all pages, also those that have no commands.
func pages(t *testing.T) []page {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(root, "docs", "*.md"))
	if err != nil || len(names) < 10 {
		t.Fatalf("%d pages, %v", len(names), err)
	}
	var all []page
	for _, name := range append(names, filepath.Join(root, "README.md"), filepath.Join(root, "CONTRIBUTING.md")) {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		rel, err := filepath.Rel(root, name)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, parse(filepath.ToSlash(rel), string(text)))
	}
	return all
}

func parse(name, text string) page {
	p := page{name: name}
	if m := testWith.FindStringSubmatch(text); m != nil {
		p.with = strings.Fields(m[1])
	}
	var open *block
	fence := ""
	for i, line := range strings.Split(text, "\n") {
		trimmed := strings.TrimSpace(line)
		switch {
		case open != nil && trimmed == fence:
			if open.shell() && open.norun == "" {
				open.norun = open.needs()
			}
			p.blocks = append(p.blocks, *open)
			open = nil
		case open != nil:
			open.lines = append(open.lines, line)
		case strings.HasPrefix(trimmed, "```") && !strings.Contains(strings.TrimLeft(trimmed, "`"), "`"): // else it is code in a line
			info := strings.TrimLeft(trimmed, "`")
			fence = trimmed[:len(trimmed)-len(info)]
			lang, rest, _ := strings.Cut(info, " ")
			open = &block{line: i + 2, lang: lang}
			if why, ok := strings.CutPrefix(strings.TrimSpace(rest), "norun:"); ok {
				open.norun = strings.TrimSpace(why)
				if open.norun == "" {
					open.norun = "no reason is given"
				}
			}
		}
	}
	return p
}

// needs says what the block cannot be run without, though the page does not say that it is not run.
func (b *block) needs() string {
	for _, c := range b.commands() {
		for _, words := range simple(c.text) {
			if slices.Contains(elsewhere, words[0]) {
				return "needs " + words[0]
			}
		}
	}
	return ""
}

func (b *block) shell() bool { return b.lang == "sh" || b.lang == "console" }

// run returns the commands of a page that are run.
func (p *page) run() []command {
	var all []command
	for _, b := range p.blocks {
		if b.shell() && b.norun == "" {
			all = append(all, b.commands()...)
		}
	}
	return all
}

// commands returns what a block of shell commands says is to be typed.
func (b *block) commands() []command {
	if b.lang == "sh" {
		return []command{{line: b.line, text: strings.Join(b.lines, "\n")}}
	}
	var all []command
	goesOn := false
	for i, line := range b.lines {
		typed, isTyped := strings.CutPrefix(line, "$ ")
		switch {
		case goesOn:
			all[len(all)-1].text += "\n" + line
			goesOn = strings.HasSuffix(line, `\`)
		case isTyped:
			all = append(all, command{line: b.line + i, text: typed})
			goesOn = strings.HasSuffix(line, `\`)
		case len(all) > 0:
			all[len(all)-1].shown += line + "\n"
		}
	}
	return all
}

func TestParse(t *testing.T) {
	t.Parallel()
	p := parse("x.md", strings.Join([]string{
		"<!-- test with: servers A=b -->", "```sh", "one", "two", "```", "```` ```sh ```` is code", "- a list", "  ```console", "$ three \\", "  more", "shown", "$ four", "  ```",
		"```sh norun: why not", "five", "```", "```sh", "sudo six", "```", "```json", "{}", "```",
	}, "\n"))
	want := []command{{line: 3, text: "one\ntwo"}, {line: 9, text: "three \\\n  more", shown: "shown\n"}, {line: 12, text: "four"}}
	if diff := cmp.Diff(want, p.run(), cmp.AllowUnexported(command{})); diff != "" {
		t.Errorf("commands (-want +got):\n%s", diff)
	}
	if len(p.blocks) != 5 || p.blocks[2].norun != "why not" || p.blocks[3].norun != "needs sudo" || !slices.Equal(p.with, []string{"servers", "A=b"}) {
		t.Errorf("%+v", p)
	}
}

// What is not marked as sh or console must not look as if it were typed into a shell, or nobody would run it.
func TestEveryBlockSaysWhatItIs(t *testing.T) {
	t.Parallel()
	looksTyped := regexp.MustCompile(`^(\$ |(\./)?bin/\w+|(sudo |export |muster |make |curl |docker |kubectl |helm |git |go run |redis-cli |mariadb )\S)`)
	for _, p := range pages(t) {
		for _, b := range p.blocks {
			if slices.Contains([]string{"bash", "shell", "shell-session", "zsh"}, b.lang) {
				t.Errorf("%s:%d: %s: commands are marked as sh, or with their output as console", p.name, b.line, b.lang)
			}
			if b.norun == "no reason is given" {
				t.Errorf("%s:%d: norun wants a reason", p.name, b.line)
			}
			if b.lang == "console" && len(b.commands()) == 0 {
				t.Errorf("%s:%d: no line begins with `$ `", p.name, b.line)
			}
			if b.lang != "" && b.lang != "text" {
				continue
			}
			for i, line := range b.lines {
				if looksTyped.MatchString(line) {
					t.Errorf("%s:%d: a command in a block that is neither sh nor console: %s", p.name, b.line+i, line)
				}
			}
		}
	}
}
