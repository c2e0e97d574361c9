package main

import (
	_ "embed" // for the scripts
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/musterhq/muster/cmd/internal/boot"
)

type completionCommand struct {
	Shell string `arg:"" enum:"bash,zsh,fish" help:"bash, zsh or fish."`
}

// Help says what to do with the script.
func (*completionCommand) Help() string {
	return `bash: source <(muster completion bash)
zsh: source <(muster completion zsh), after compinit
fish: muster completion fish | source
Put the line into the shell's start-up file.`
}

// The scripts ask this program what may follow, by completeWord, so that they never grow old.
var (
	//go:embed completion.bash
	bashScript string
	//go:embed completion.zsh
	zshScript string
	//go:embed completion.fish
	fishScript string
)

// Run prints the script.
func (c *completionCommand) Run(p *process) error {
	_, err := io.WriteString(p.stdout, map[string]string{"bash": bashScript, "zsh": zshScript, "fish": fishScript}[c.Shell])
	return err
}

// completeWord is the first argument by which the scripts ask; the words of the command line follow, of which the last is to be
// completed.
const completeWord = "__complete"

// printCompletions prints what may stand in place of the last word, one a line; nothing: a file, or nobody knows.
func printCompletions(out io.Writer, words []string) error {
	model, err := boot.Model("muster", &commands{})
	if err != nil {
		return err
	}
	for _, word := range complete(model, words) {
		if _, err := fmt.Fprintln(out, word); err != nil {
			return err
		}
	}
	return nil
}

func complete(model *kong.Application, words []string) []string {
	if len(words) == 0 {
		words = []string{""}
	}
	words, split := joinAssignments(words)
	last := words[len(words)-1]
	at := place{node: model.Node}
	for _, word := range words[:len(words)-1] {
		at.pass(word)
	}
	var all []string
	name, _, assigned := strings.Cut(last, "=")
	switch {
	case at.wants != nil:
		all = at.wants.EnumSlice()
	case assigned && strings.HasPrefix(last, "--"):
		flag := at.flag(name)
		if flag == nil {
			return nil
		}
		for _, value := range flag.EnumSlice() {
			if split { // the shell replaces what is behind the =
				last = strings.TrimPrefix(last, name+"=")
				all = append(all, value)
			} else {
				all = append(all, name+"="+value)
			}
		}
	case strings.HasPrefix(last, "-"):
		all = at.flagNames()
	default:
		all = at.words()
	}
	return slices.DeleteFunc(all, func(word string) bool { // words of enums are taken in any case
		return word == "" || len(word) < len(last) || !strings.EqualFold(word[:len(last)], last)
	})
}

// joinAssignments joins --flag, = and value, which bash gives as three words. split reports whether the last word is so made.
func joinAssignments(words []string) (joined []string, split bool) {
	for i, word := range words {
		n := len(joined)
		afterFlag := n > 0 && strings.HasPrefix(joined[n-1], "--")
		switch {
		case word == "=" && afterFlag && !strings.Contains(joined[n-1], "="):
			joined[n-1] += "="
		case i > 0 && words[i-1] == "=" && afterFlag && strings.HasSuffix(joined[n-1], "="):
			joined[n-1] += word
		default:
			joined = append(joined, word)
			split = false
			continue
		}
		split = true
	}
	return joined, split
}

// place is how far a command line has been read.
type place struct {
	node      *kong.Node
	arguments int         // that were given to it
	wants     *kong.Value // the flag whose value comes next; nil: none
	noFlags   bool        // after --
}

// pass reads a word.
func (p *place) pass(word string) {
	switch {
	case p.wants != nil:
		p.wants = nil
	case word == "--":
		p.noFlags = true
	case strings.HasPrefix(word, "-") && word != "-" && !p.noFlags:
		if flag := p.flag(word); flag != nil && !flag.IsBool() && !flag.IsCounter() {
			p.wants = flag.Value
		}
	default:
		for _, child := range p.node.Children {
			if child.Name == word {
				p.node, p.arguments = child, 0
				return
			}
		}
		p.arguments++
	}
}

// nodes are the command with those that it is part of, and its default.
func (p *place) nodes() (list []*kong.Node) {
	for n := p.node; n != nil; n = n.Parent {
		list = append(list, n)
	}
	if p.node.DefaultCmd != nil {
		list = append(list, p.node.DefaultCmd)
	}
	return list
}

// flag returns the flag of that name, with its dashes; nil: there is none.
func (p *place) flag(name string) *kong.Flag {
	for _, n := range p.nodes() {
		for _, f := range n.Flags {
			if name == "--"+f.Name || f.Short != 0 && name == "-"+string(f.Short) {
				return f
			}
		}
	}
	return nil
}

func (p *place) flagNames() (names []string) {
	for _, n := range p.nodes() {
		for _, f := range n.Flags {
			if f.Hidden {
				continue
			}
			names = append(names, "--"+f.Name)
			if f.Tag.Negatable != "" {
				names = append(names, "--no-"+f.Name)
			}
		}
	}
	slices.Sort(names)
	return names
}

// words are the commands that may follow, and the values of an argument.
func (p *place) words() (list []string) {
	if p.arguments == 0 {
		for _, child := range p.node.Children {
			if !child.Hidden {
				list = append(list, child.Name)
			}
		}
	}
	n := p.node
	if len(n.Children) > 0 && n.DefaultCmd != nil {
		n = n.DefaultCmd
	}
	if p.arguments < len(n.Positional) {
		list = append(list, n.Positional[p.arguments].EnumSlice()...)
	}
	return list
}
