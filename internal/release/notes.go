package main

import (
	"fmt"
	"regexp"
	"strings"
)

var (
	section = regexp.MustCompile(`(?m)^## \[(\d+\.\d+\.\d+[^\]\n]*)\]( - \d{4}-\d\d-\d\d)?$`)
	tag     = regexp.MustCompile(`^v(\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?)$`)
)

// newest is the tag of the first version of a changelog, or nothing.
func newest(changelog string) string {
	if m := section.FindStringSubmatch(changelog); m != nil {
		return "v" + m[1]
	}
	return ""
}

// notes is what a changelog says of a version, without its heading.
func notes(changelog, version string) (string, error) {
	number := tag.FindStringSubmatch(version)
	if number == nil {
		return "", fmt.Errorf("%q is not a version such as v0.1.0", version)
	}
	for _, at := range section.FindAllStringSubmatchIndex(changelog, -1) {
		if changelog[at[2]:at[3]] != number[1] {
			continue
		}
		if at[4] < 0 {
			return "", fmt.Errorf("the section %s of CHANGELOG.md has no date", number[1])
		}
		text := changelog[at[1]:]
		if end := strings.Index(text, "\n## "); end >= 0 {
			text = text[:end]
		}
		if text = strings.TrimSpace(text); text == "" {
			return "", fmt.Errorf("the section %s of CHANGELOG.md is empty", number[1])
		}
		return text + "\n", nil
	}
	return "", fmt.Errorf("CHANGELOG.md has no section %s", number[1])
}
