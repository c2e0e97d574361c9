// Package controls keeps broken variants of Muster, each the program without one of its protections. The chaos tests
// run against them to show that they fail when a protection is missing.
//
// A control is a file NAME.patch. It begins with what it takes away, what must go wrong then, and which tests use it.
// A unified diff follows, which is meant to be written by hand: "Index:" names the file, and a hunk is found by its
// text, not by line numbers, so what follows "@@" is for the reader only. The lines of a hunk that are to be there must
// be in the file exactly as they stand, once. Neither patch(1) nor git is needed, and a test of this package says at
// once when a control no longer fits the code.
package controls

import (
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

//go:embed *.patch
var patches embed.FS

// Overlay applies a control to copies of the sources of the module at root, and returns the path of a file that has
// go build -overlay take the copies. All is written to dir, where it stays. The error says what of the patch did not
// match the code.
func Overlay(root, dir, control string) (string, error) {
	text, err := patches.ReadFile(control + ".patch")
	if err != nil {
		return "", fmt.Errorf("there is no control %s: %w", control, err)
	}
	overlay := struct{ Replace map[string]string }{map[string]string{}} // of absolute paths, by original
	hunks, err := parse(string(text))
	if err != nil {
		return "", fmt.Errorf("control %s: %w", control, err)
	}
	for _, h := range hunks {
		original, err := filepath.Abs(filepath.Join(root, h.file))
		if err != nil {
			return "", err
		}
		from := original
		if patched, ok := overlay.Replace[original]; ok {
			from = patched
		}
		content, err := os.ReadFile(from)
		if err != nil {
			return "", fmt.Errorf("control %s: %w", control, err)
		}
		patched, err := h.apply(string(content))
		if err != nil {
			return "", fmt.Errorf("control %s does not fit %s: %w", control, h.file, err)
		}
		if overlay.Replace[original], err = write(dir, h.file, patched); err != nil {
			return "", err
		}
	}
	list, err := json.Marshal(overlay)
	if err != nil {
		return "", err
	}
	return write(dir, "overlay.json", string(list))
}

// write returns the absolute path of the file it wrote below dir.
func write(dir, name, content string) (string, error) {
	path, err := filepath.Abs(filepath.Join(dir, name))
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return "", err
	}
	return path, os.WriteFile(path, []byte(content), 0o644)
}

// hunk replaces whole lines of a file.
type hunk struct{ file, old, new string }

// parse reads the hunks of a patch, in order.
func parse(patch string) ([]hunk, error) {
	var hunks []hunk
	file := ""
	for line := range strings.Lines(patch) {
		name, isFile := strings.CutPrefix(line, "Index: ")
		last := len(hunks) - 1
		switch {
		case isFile:
			file = strings.TrimSpace(name)
		case file == "": // before the first file, there is text
		case strings.HasPrefix(line, "@@"):
			hunks = append(hunks, hunk{file: file})
		case strings.TrimSpace(line) == "": // editors take the space away from empty lines that stay
			if last >= 0 {
				hunks[last].add(" \n")
			}
		case last < 0 || hunks[last].file != file || !strings.ContainsAny(line[:1], " +-"):
			return nil, fmt.Errorf("line belongs to no hunk: %s", line)
		default:
			hunks[last].add(line)
		}
	}
	for i := range hunks {
		h := &hunks[i]
		for strings.HasSuffix(h.old, "\n\n") && strings.HasSuffix(h.new, "\n\n") { // before the next hunk or file
			h.old, h.new = h.old[:len(h.old)-1], h.new[:len(h.new)-1]
		}
		if strings.TrimSpace(h.old) == "" || h.old == h.new {
			return nil, fmt.Errorf("a hunk of %s has nothing to find, or changes nothing", h.file)
		}
	}
	if len(hunks) == 0 {
		return nil, errors.New("there is no hunk")
	}
	return hunks, nil
}

// add takes a line with its sign.
func (h *hunk) add(line string) {
	if line[0] != '+' {
		h.old += line[1:]
	}
	if line[0] != '-' {
		h.new += line[1:]
	}
}

// apply returns the file's content with the lines replaced. They must be there once.
func (h *hunk) apply(content string) (string, error) {
	content = "\n" + content // every line is between two of them
	switch n := strings.Count(content, "\n"+h.old); n {
	case 1:
		return strings.Replace(content, "\n"+h.old, "\n"+h.new, 1)[1:], nil
	case 0:
		lines := slices.Collect(strings.Lines(content))
		for line := range strings.Lines(h.old) {
			if !slices.Contains(lines, line) {
				return "", fmt.Errorf("it has no line\n%sof\n%s", line, h.old)
			}
		}
		return "", fmt.Errorf("it has these lines, but not in this order:\n%s", h.old)
	default:
		return "", fmt.Errorf("it has this %d times, want once:\n%s", n, h.old)
	}
}
