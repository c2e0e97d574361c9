// Command release builds what a release consists of, without a network: for each platform an archive of the three commands and
// the list of their modules, the checksums of all that, and the release's notes. The same commit gives the same bytes.
// docs/releasing.md says how a release is made.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "release:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("release", flag.ContinueOnError)
	version := flags.String("version", "", "a tag, such as v0.1.0; by default that of the newest section of CHANGELOG.md")
	out := flags.String("out", "dist", "the folder to write, which must not hold anything")
	only := flags.String("platforms", "", "what to build, as GOOS/GOARCH with commas between; by default all")
	checked := flags.Bool("check", false, "build twice, into a temporary folder, and look whether everything is right")
	if err := flags.Parse(args); err != nil {
		return err
	}
	r, err := describe(ctx, *version)
	if err != nil {
		return err
	}
	if r.platforms = platforms; *only != "" {
		r.platforms = strings.Split(*only, ",")
	}
	if *checked {
		return r.check(ctx)
	}
	if there, err := os.ReadDir(*out); err == nil && len(there) > 0 {
		return fmt.Errorf("%s is not empty: what lies there would be released, too", *out)
	}
	return r.write(ctx, *out)
}

// platforms are those of a release, as GOOS/GOARCH.
var platforms = []string{"linux/amd64", "linux/arm64", "darwin/amd64", "darwin/arm64", "windows/amd64", "windows/arm64"}

// release is one version, built from the sources in root.
type release struct {
	root      string
	version   string // v0.1.0
	revision  string // the commit
	time      time.Time
	platforms []string
	notes     string
}

// describe finds out what is released, from the current folder: the root of the repository.
func describe(ctx context.Context, version string) (release, error) {
	changelog, err := os.ReadFile("CHANGELOG.md")
	if err != nil {
		return release{}, err
	}
	if version == "" {
		version = newest(string(changelog))
	}
	r := release{root: ".", version: version}
	if r.notes, err = notes(string(changelog), version); err != nil {
		return release{}, err
	}
	out, err := exec.CommandContext(ctx, "git", "log", "-1", "--format=%H %ct").Output()
	if err != nil {
		return release{}, fmt.Errorf("the commit is not known: %w", err)
	}
	commit, at, _ := strings.Cut(strings.TrimSpace(string(out)), " ")
	seconds, err := strconv.ParseInt(at, 10, 64)
	if err != nil {
		return release{}, err
	}
	r.revision, r.time = commit, time.Unix(seconds, 0).UTC()
	return r, nil
}

// write makes all files of the release in dir.
func (r release) write(ctx context.Context, dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil { //nolint:gosec // what is in it is published
		return err
	}
	for _, p := range r.platforms {
		began := time.Now()
		if err := r.platform(ctx, dir, p); err != nil {
			return fmt.Errorf("%s: %w", p, err)
		}
		fmt.Fprintf(os.Stderr, "%s in %.0f s\n", r.archive(p), time.Since(began).Seconds())
	}
	if err := r.checksums(dir); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, notesFile), []byte(r.notes), 0o644) //nolint:gosec // published
}

// notesFile is for the release's page, and not one of its files.
const notesFile = "notes.md"

// platform makes the archive of one platform, and the list of its modules.
func (r release) platform(ctx context.Context, dir, platform string) (err error) {
	bin, err := os.MkdirTemp("", "muster-release-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(bin)) }()
	if err := r.build(ctx, platform, bin); err != nil {
		return err
	}
	archive := filepath.Join(dir, r.archive(platform))
	if err := r.modules(ctx, filepath.Join(bin, "muster"+exe(platform)), archive+sbomEnding); err != nil {
		return err
	}
	return r.pack(archive, platform, bin)
}
