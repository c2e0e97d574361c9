package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/musterhq/muster/client"
	"github.com/musterhq/muster/cmd/internal/boot"
)

// Every command that calls the API, against a real one: what was meant, and what the API refuses, in its words.
func TestCommands(t *testing.T) {
	t.Parallel()
	api := startDev(t, "--addr=127.0.0.1:0", "--admin-addr=", "--offline", "--data="+filepath.Join(t.TempDir(), "team #1"))
	call := func(args ...string) said { return muster(t, append(args, "--server="+api)...) }
	ok := func(args ...string) said {
		t.Helper()
		s := call(args...)
		if s.failure != nil {
			t.Fatalf("%q: %v", args, s.failure)
		}
		return s
	}
	if s := ok("import", "0100", "--seed=010"); !strings.Contains(s.out, "Imported 100 users, ids 1 to 100,") {
		t.Errorf("imported: %q", s.out)
	}
	if s := ok("import", "1_0", "--source=RandomUser", "--nat=US", "--nat=gb"); !strings.Contains(s.out, "Imported 10 users, ids 101 to 110,") {
		t.Errorf("imported: %q", s.out)
	}
	job := strings.TrimSpace(ok("import", "0.005k", "--detach").out)
	if s := ok("jobs", "watch", job); !strings.Contains(s.out, "Imported 5 users, ids 111 to 115,") {
		t.Errorf("watched: %q", s.out)
	}

	rows := func(s said) int { return strings.Count(s.out, "\n") - 1 } // below the heading
	if s := ok("jobs", "--status=completed", "-n", "02"); rows(s) != 2 || strings.Count(s.out, "COMPLETED") != 2 || !strings.Contains(s.err, "--after ") {
		t.Errorf("jobs: %q, %q", s.out, s.err)
	} else if s := ok("jobs", strings.Fields(s.err)[4], strings.Fields(s.err)[5]); rows(s) != 1 || s.err != "" {
		t.Errorf("older jobs: %q, %q", s.out, s.err)
	}
	for args, want := range map[string]int{"users": 20, "users -n 007": 7, "users search -n 115": 115, "users --all": 115} {
		s := ok(strings.Split(args, " ")...)
		if rows(s) != want || (want < 115) != strings.Contains(s.err, "--all") {
			t.Errorf("%s: %d users, %q", args, rows(s), s.err)
		}
	}
	if m, f := ok("users", "--all", "--gender=male"), ok("users", "--all", "--gender=FEMALE", "--sort=LASTNAME"); rows(m)+rows(f) != 115 || rows(m) == 0 || rows(f) == 0 {
		t.Errorf("%d are male, %d female", rows(m), rows(f))
	}
	if s := ok("users", "show", "010"); !strings.Contains(s.out, "\n10\t") {
		t.Errorf("user 10: %q", s.out)
	}
	if s := ok("export", "--format=NDJSON", "--fields=id,email", "--fields=age"); strings.Count(s.out, "\n") != 115 || !strings.HasPrefix(s.out, `{"id":1,"email":`) {
		t.Errorf("exported: %.100q", s.out)
	}
	// What the API is given and refuses.
	for args, want := range map[string]string{
		"import 0":              "count must be a whole number from 1",
		"import 5 --key=":       "Idempotency-Key must be",
		"import 5 --nat=":       "nat must be",
		"import 5 --nat=fr":     "nat",
		"jobs --limit 0":        "limit must be a whole number from 1 to 100",
		"jobs --limit=-1":       "limit must be a whole number from 1 to 100",
		"users -n 0":            "size must be a whole number from 1 to 1000",
		"users --limit=-1":      "size must be a whole number from 1 to 1000",
		"users --age 0":         "age must be a whole number from 1 to 150",
		"users --min-age 0":     "minAge must be a whole number from 1 to 150",
		"users show 0":          "id must be a whole number from 1",
		"users show 0999":       "user not found",
		"export --max-age 0":    "maxAge must be a whole number from 1 to 150",
		"export --fields=":      "not among id, name",
		"export --fields=nick":  "fields",
		"jobs --user=":          "X-USER-ID",
		"jobs watch " + newID(): "job not found",
	} {
		if s := call(strings.Fields(args)...); s.failure == nil || !strings.Contains(s.failure.Error(), want) || strings.Contains(s.failure.Error(), "goes on") {
			t.Errorf("%s: %v, want %q; printed %q", args, s.failure, want, s.out)
		}
	}
	for _, server := range []string{strings.TrimPrefix(api, "http://"), api + "/", api + "/api", api + "/api/v1/"} {
		if s := muster(t, "users", "--server="+server); s.failure != nil {
			t.Errorf("%s: %v", server, s.failure)
		}
	}
	exportToFiles(t, call)
}

func newID() string { return uuid.Must(uuid.NewV7()).String() }

func exportToFiles(t *testing.T, call func(...string) said) {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, "users.jsonl")
	if s := call("export", "-o", file); s.failure != nil || !strings.Contains(s.err, "Wrote 115 users") {
		t.Errorf("%v, %q", s.failure, s.err)
	}
	if s := call("export", "-o", file, "--gender=male"); s.failure == nil || !strings.Contains(s.failure.Error(), "--force") {
		t.Errorf("over a file: %v", s.failure)
	}
	text, err := os.ReadFile(file)
	if err != nil || strings.Count(string(text), "\n") != 115 || text[0] != '{' {
		t.Errorf("%.100q, %v", text, err)
	}
	if s := call("export", "-o", file, "--format=csv", "--force"); s.failure != nil {
		t.Error(s.failure)
	}
	if text, err := os.ReadFile(file); err != nil || !strings.HasPrefix(string(text), "id,name,") {
		t.Errorf("%.100q, %v", text, err)
	}
	for args, want := range map[string][2]string{
		"export -o " + filepath.Join(dir, "none", "users.csv"):             {filepath.Join(dir, "none"), "no such file or directory"},
		"export -o " + filepath.Join(file, "users.csv"):                    {"not a directory", file},
		"export -o " + dir + " --format=csv":                               {dir, "is a directory"},
		"export -o " + filepath.Join(dir, "users.xlsx"):                    {".xlsx", ".json, .parquet or .avro"},
		"export -o " + filepath.Join(dir, "bad.csv") + " --max-age 0":      {"maxAge", "150"},
		"export -o " + filepath.Join(dir, "bad.csv") + " --job=" + newID(): {"job not found", "job"},
	} {
		s := call(strings.Fields(args)...)
		if s.failure == nil || !strings.Contains(s.failure.Error(), want[0]) || !strings.Contains(s.failure.Error(), want[1]) || strings.Contains(s.failure.Error(), ".muster") {
			t.Errorf("%s: %v, want %q", args, s.failure, want)
		}
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 1 {
		t.Errorf("left over: %v, %v", left, err)
	}
}

// What is wrong before anything is sent.
func TestWrongCommandLines(t *testing.T) {
	t.Parallel()
	for args, want := range map[string]string{
		"import":                              "<count>",
		"import --count 5k":                   "give the number as: muster import 5k",
		"import --count=many":                 "give the number as: muster import 100000",
		"import 7 --count":                    "give the number as: muster import 100000",
		"import 0x10":                         "100k",
		"import 1,000":                        "1_000_000",
		"import 5 --seed=0x10":                "whole number",
		"import 5 --source=excel":             `"faker","randomuser"`,
		"users show 0x10":                     "whole number",
		"users --gender=m":                    `"Male","Female"`,
		"users --gender=":                     `"Male","Female"`,
		"users --sort=nick":                   "lastName",
		"users --all -n 5":                    "can't be used together",
		"jobs --status=done":                  "COMPLETED",
		"export -o users.xls":                 "--format",
		"export -o users.csv.gz.zip":          "--format",
		"export --output=":                    "--output",
		"export --format=xlsx":                "parquet",
		"jobs --server=ftp://u:secret@h":      "MUSTER_URL or --server",
		"jobs --server=http://u:secret@[bad/": "http://host:port",
		"dev --data=":                         "--data",
	} {
		s := muster(t, strings.Fields(args)...)
		if s.failure == nil || !strings.Contains(s.failure.Error(), want) || strings.Contains(s.failure.Error(), "secret") {
			t.Errorf("%s: %v, want %q", args, s.failure, want)
		}
	}
	for _, args := range [][]string{nil, {"--help"}} {
		if s := muster(t, args...); s.failure != nil || !strings.HasPrefix(s.out, "Usage: muster <command>") || !strings.Contains(s.out, "jobs watch") {
			t.Errorf("%q: %v, %q", args, s.failure, s.out)
		}
	}
	for _, args := range [][]string{{"--version"}, {"import", "--version"}} {
		if s := muster(t, args...); s.failure != nil || !strings.HasPrefix(s.out, "muster ") {
			t.Errorf("%q: %v, %q", args, s.failure, s.out)
		}
	}
}

// An API that nobody runs, at an address that a search would tell.
func TestNoAPI(t *testing.T) {
	t.Parallel()
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	s := muster(t, "users", "--email=ada@example.com", "--server="+gone.URL)
	if s.failure == nil || !strings.HasPrefix(s.failure.Error(), gone.URL+" does not answer: ") || !strings.Contains(s.failure.Error(), "MUSTER_URL") ||
		strings.Contains(s.failure.Error(), "ada") {
		t.Errorf("error %v", s.failure)
	}
}

// A variable that is set to nothing, as docker compose passes it, is not set.
func TestEmptyServer(t *testing.T) { // sets the environment, so it is not parallel
	t.Setenv("MUSTER_URL", "")
	var c commands
	if _, err := boot.Parse("muster", "", &c, []string{"jobs"}, t.Output()); err != nil {
		t.Fatal(err)
	}
	api, err := c.Jobs.List.open()
	if err != nil {
		t.Fatal(err)
	}
	if got := api.ClientInterface.(*client.Client).Server; got != "http://127.0.0.1:8080/api/v1/" {
		t.Errorf("the API is at %s", got)
	}
}

// fakeJob serves a job that is never over, and calls polled with each look at it.
func fakeJob(t *testing.T, polled func(n int, w http.ResponseWriter)) (url, id string) {
	t.Helper()
	id = newID()
	n := 0
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if r.Method == http.MethodPost {
			w.WriteHeader(http.StatusAccepted)
			_ = json.NewEncoder(w).Encode(map[string]any{"jobId": id, "status": "PENDING", "message": ""})
			return
		}
		n++
		polled(n, w)
	}))
	t.Cleanup(api.Close)
	return api.URL, id
}

// An import that nobody watches any more goes on, and the command says so.
func TestImportLeftAlone(t *testing.T) {
	t.Parallel()
	for _, command := range []string{"import 1k", "jobs watch"} {
		t.Run(command, func(t *testing.T) {
			t.Parallel()
			ctx, stop := withCancel(t)
			url, id := fakeJob(t, func(n int, w http.ResponseWriter) {
				_, _ = fmt.Fprint(w, `{"status":"IN_PROGRESS","requestedCount":1000}`)
				if n == 2 {
					stop()
				}
			})
			args := append(strings.Fields(command), "--server="+url, "--user=bob")
			if command == "jobs watch" {
				args = append(args, id)
			}
			err := execute(args, &process{ctx: ctx, stdout: t.Output(), stderr: t.Output()})
			flags := " --server " + url + " --user bob"
			if err == nil || !strings.Contains(err.Error(), "`muster jobs watch "+id+flags+"`") ||
				!strings.Contains(err.Error(), "`muster jobs cancel "+id+flags+"`") || strings.Contains(err.Error(), "context") {
				t.Errorf("interrupted: %v", err)
			}
		})
	}
}

// The same for one whose progress cannot be seen for the moment.
func TestImportOutOfSight(t *testing.T) {
	t.Parallel()
	url, id := fakeJob(t, func(_ int, w http.ResponseWriter) {
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = fmt.Fprint(w, `{"message":"the database is away"}`)
	})
	if s := muster(t, "import", "5", "--server="+url); s.failure == nil || !strings.HasPrefix(s.failure.Error(), "the database is away\n") ||
		!strings.Contains(s.failure.Error(), "muster jobs watch "+id) {
		t.Errorf("without an answer: %v", s.failure)
	}
}

// A job that stands still says why, once.
func TestWatchSaysWhatAJobWaitsFor(t *testing.T) {
	t.Parallel()
	url, id := fakeJob(t, func(n int, w http.ResponseWriter) {
		status := "IN_PROGRESS"
		if n > 2*standstill {
			status = "COMPLETED"
		}
		_, _ = fmt.Fprintf(w, `{"status":%q,"requestedCount":10,"message":"Waiting for RandomUser.me."}`, status)
	})
	s := muster(t, "jobs", "watch", id, "--server="+url)
	if s.failure != nil || strings.Count(s.out, "Waiting for RandomUser.me.") != 1 {
		t.Errorf("%v, %q", s.failure, s.out)
	}
}
