package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/musterhq/muster/client"
	"github.com/musterhq/muster/cmd/internal/boot"
)

// shellBlock is what is to be typed into a shell.
var shellBlock = regexp.MustCompile("(?s)```sh\n(.*?)```")

// Every command of docs/loading-users.md works, one after the other, in a folder with the samples.
func TestLoadingUsers(t *testing.T) { // sets the environment, so it is not parallel
	page, err := os.ReadFile("../../docs/loading-users.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, program := range []string{"sh", "curl", "sed", "gzip"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skip("SKIPPED: ", err)
		}
	}
	from := filepath.Join(t.TempDir(), "2026")
	dir := folderOfSamples(t)
	if err := os.Mkdir(from, 0o750); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(from, "partner.csv.gz"), []byte(gzipped(t, "email\npartner@example.com\n")), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("MUSTER_IMPORT_FROM", "file://"+filepath.Dir(from))
	api := startDev(t, "--addr=127.0.0.1:0", "--admin-addr=", "--offline", "--data="+filepath.Join(t.TempDir(), "data"))

	// That rows were rejected is no failure; that the API refuses is one.
	script := runPage(t, string(page), dir, api, "muster() { command muster \"$@\" || [ $? -eq 3 ]; }\ncurl() { command curl -sS --fail-with-body \"$@\"; echo; }\n")
	if strings.Count(script, "muster import file") < 20 {
		t.Fatalf("not the commands of the page:\n%s", script)
	}
	loaded(t, api)
}

// runPage runs the commands of a page in dir, against the API, and returns them. The page names the API once.
func runPage(t *testing.T, page, dir, api, prelude string) string {
	t.Helper()
	script := "set -eu\n" + prelude
	for _, block := range shellBlock.FindAllStringSubmatch(page, -1) {
		script += block[1]
	}
	const address = "http://127.0.0.1:8080"
	if strings.Count(script, address) != 1 {
		t.Fatalf("not once %s in:\n%s", address, script)
	}
	script = strings.Replace(script, address, api, 1)
	cmd := exec.CommandContext(t.Context(), "sh", "-c", script) //nolint:gosec // our own page
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "PATH="+buildMuster(t)+string(os.PathListSeparator)+os.Getenv("PATH"))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return script
}

// Every command of docs/command-line.md works, one after the other, in a folder with the data of `muster dev`.
func TestCommandLinePage(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/command-line.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, program := range []string{"sh", "cut"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skip("SKIPPED: ", err)
		}
	}
	dir := folderOfSamples(t)
	api := startDev(t, "--addr=127.0.0.1:0", "--admin-addr=", "--offline", "--data="+filepath.Join(dir, "data"))
	within(t, "dev says that it uses the folder", func() bool {
		text, _ := os.ReadFile(filepath.Join(dir, "data", userFile))
		return strings.Contains(string(text), api)
	})
	runPage(t, string(page), dir, api, "")
	// All commands that there are, and no others.
	model, err := boot.Model("muster", &commands{})
	if err != nil {
		t.Fatal(err)
	}
	for _, leaf := range model.Leaves(true) {
		if name := strings.TrimSuffix(leaf.FullPath(), " users"); !strings.Contains(string(page), "`"+name) {
			t.Errorf("the page does not have %s", name)
		}
	}
}

// The checks of docs/operations.md are those that there are.
func TestDoctorPage(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, ok := strings.Cut(string(page), "\n## Doctor\n")
	section, _, _ = strings.Cut(section, "\n## ")
	var documented []string
	for _, row := range regexp.MustCompile("(?m)^\\| `([a-z-]+)` \\|").FindAllStringSubmatch(section, -1) {
		documented = append(documented, row[1])
	}
	var checks []string
	files, err := filepath.Glob("../../internal/doctor/*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		for _, call := range regexp.MustCompile(`r\.(?:add|ok|folder)\("([a-z-]+)"`).FindAllStringSubmatch(string(text), -1) {
			checks = append(checks, call[1])
		}
	}
	slices.Sort(documented)
	slices.Sort(checks)
	if diff := cmp.Diff(slices.Compact(checks), documented); !ok || diff != "" {
		t.Errorf("checks (-code +page):\n%s", diff)
	}
}

// loaded checks the jobs that the commands left.
func loaded(t *testing.T, api string) {
	t.Helper()
	c, err := client.Open(api)
	if err != nil {
		t.Fatal(err)
	}
	limit := 100
	r, err := c.ListJobsWithResponse(t.Context(), &client.ListJobsParams{UserID: "ann", Limit: &limit})
	if err != nil || r.JSON200 == nil || r.JSON200.HasNext {
		t.Fatalf("%v, %s", err, r.Body)
	}
	mended := 0
	for _, j := range r.JSON200.Content {
		// The one that is posted without waiting may still run, and the last command may still undo another.
		if j.Status == client.FAILED || j.Status == client.CANCELLED {
			t.Errorf("%s of %s: %s", j.JobID, nameOf(&j), j.Message)
		}
		if j.ParentJobID != nil && value(j.Outcome) == (client.Outcome{Inserted: 1}) {
			mended++
		}
		if name := nameOf(&j); name == "moved.csv" && value(j.Outcome).Updated == 0 {
			t.Errorf("%s: %+v", name, value(j.Outcome))
		}
	}
	if mended != 1 || len(r.JSON200.Content) < 30 {
		t.Errorf("%d jobs, %d of mended rows", len(r.JSON200.Content), mended)
	}
}

// folderOfSamples returns a folder with copies of the samples.
func folderOfSamples(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	files, err := filepath.Glob(filepath.Join(samples, "[a-z]*.*"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no samples: %v", err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, filepath.Base(file)), text, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// buildMuster returns a folder with the program.
func buildMuster(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	cmd := exec.CommandContext(t.Context(), "go", "build", "-o", filepath.Join(dir, "muster"), ".") //nolint:gosec // a folder of ours
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, bytes.TrimSpace(out))
	}
	return dir
}
