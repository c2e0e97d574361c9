package docstest_test

import (
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode"
)

// Every relative link of every page leads to a file, and to a heading of it where the link names one.
func TestLinks(t *testing.T) {
	t.Parallel()
	link := regexp.MustCompile(`\]\(([^)\s]+)\)`)
	checked := 0
	for _, name := range markdown(t) {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range link.FindAllStringSubmatch(withoutCode(string(text)), -1) {
			u, err := url.Parse(m[1])
			if err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			if u.Scheme != "" {
				continue
			}
			checked++
			to := name
			if u.Path != "" {
				to = filepath.Join(filepath.Dir(name), filepath.FromSlash(u.Path))
			}
			if _, err := os.Stat(to); err != nil {
				t.Errorf("%s: %s leads nowhere", name, m[1])
				continue
			}
			if u.Fragment != "" && !anchors(t, to)[u.Fragment] {
				t.Errorf("%s: %s: there is no such heading", name, m[1])
			}
		}
	}
	if checked < 100 {
		t.Errorf("only %d links were checked", checked)
	}
}

// markdown returns the pages of the repository, but for those that are samples.
func markdown(t *testing.T) []string {
	t.Helper()
	var names []string
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == "bin" || d.Name() == "data" || d.Name() == "node_modules" || strings.HasPrefix(d.Name(), ".") && d.Name() != "..") && path != root:
			return filepath.SkipDir
		case strings.HasSuffix(path, ".md"):
			names = append(names, path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

var fenced = regexp.MustCompile("(?ms)^ *```[^`\n]*$.*?^ *```[ \t]*$")

func outsideOfFences(text string) string { return fenced.ReplaceAllString(text, "") }

func withoutCode(text string) string {
	return regexp.MustCompile("`[^`\n]*`").ReplaceAllString(outsideOfFences(text), "")
}

// anchors returns what a page's headings are called in links, as GitHub makes it.
func anchors(t *testing.T, name string) map[string]bool {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]int{}
	all := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^#{1,6} +(.*)$`).FindAllStringSubmatch(outsideOfFences(string(text)), -1) {
		slug := slugOf(m[1])
		if n := seen[slug]; n > 0 {
			all[fmt.Sprintf("%s-%d", slug, n)] = true
		} else {
			all[slug] = true
		}
		seen[slug]++
	}
	return all
}

func slugOf(heading string) string {
	heading = regexp.MustCompile(`\[([^\]]*)\]\([^)]*\)`).ReplaceAllString(heading, "$1")
	return strings.Map(func(r rune) rune {
		switch {
		case r == ' ':
			return '-'
		case r == '-' || r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r):
			return unicode.ToLower(r)
		}
		return -1
	}, strings.TrimSpace(heading))
}

func TestSlugOf(t *testing.T) {
	t.Parallel()
	for heading, want := range map[string]string{
		"Several deployments on one Redis": "several-deployments-on-one-redis",
		"The `users` table, and more":      "the-users-table-and-more",
		"A [link](to.md) here":             "a-link-here",
		"API-keys: 1/2":                    "api-keys-12",
	} {
		if got := slugOf(heading); got != want {
			t.Errorf("%s: %s, want %s", heading, got, want)
		}
	}
}
