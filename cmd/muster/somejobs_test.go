package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/musterhq/muster/cmd/internal/boot"
)

// musterReading runs a command line that reads stdin.
func musterReading(t *testing.T, stdin string, args ...string) said {
	t.Helper()
	var out, err bytes.Buffer
	failure := execute(args, &process{ctx: t.Context(), stdin: strings.NewReader(stdin), stdout: &out, stderr: &err})
	return said{out: out.String(), err: err.String(), failure: failure}
}

// objects returns the lines of an output as JSON objects.
func (s *said) objects(t *testing.T) (list []map[string]any) {
	t.Helper()
	for line := range strings.Lines(s.out) {
		var o map[string]any
		if err := json.Unmarshal([]byte(line), &o); err != nil {
			t.Fatalf("%v: %q", err, line)
		}
		list = append(list, o)
	}
	return list
}

func exitCodeOf(err error) int {
	e, ok := errors.AsType[*boot.ExitError](err)
	switch {
	case err == nil:
		return 0
	case ok:
		return e.Code
	}
	return 1
}

// Several jobs at once, by their ids, by a list on standard input, and as JSON.
func TestSomeJobs(t *testing.T) {
	t.Parallel()
	api := startDev(t, "--addr=127.0.0.1:0", "--admin-addr=", "--offline", "--data="+filepath.Join(t.TempDir(), "data"))
	call := func(stdin, line string) said {
		return musterReading(t, stdin, append(strings.Fields(line), "--server="+api)...)
	}
	var ids []string
	for range 3 {
		s := call("", "import 5 --detach")
		if s.failure != nil {
			t.Fatal(s.failure)
		}
		ids = append(ids, strings.TrimSpace(s.out))
	}
	all := strings.Join(ids, " ")
	if s := call("", "jobs watch "+all); s.failure != nil || strings.Count(s.out, "Imported 5 users") != 3 || !strings.Contains(s.out, ids[1]+"\n") {
		t.Errorf("watched: %v, %q", s.failure, s.out)
	}
	if s := call("", "jobs get "+all); s.failure != nil || strings.Count(s.out, "COMPLETED") != 3 || strings.Count(s.out, "\n") != 4 {
		t.Errorf("got: %v, %q", s.failure, s.out)
	}
	one, former := call("", "jobs get "+ids[0]), call("", "jobs show "+ids[0])
	if one.failure != nil || one.out != former.out || !strings.Contains(one.out, "Completed: 5 users stored.") {
		t.Errorf("got: %q, by its former name %q", one.out, former.out)
	}

	// A list is what the moves read.
	list := call("", "jobs list --status completed")
	if s := call(list.out, "jobs get - -o json"); s.failure != nil || len(s.objects(t)) != 3 {
		t.Errorf("from a list: %v, %q", s.failure, s.out)
	}
	if s := call(ids[2]+"\n\n"+ids[1]+"\n", "jobs get "+ids[0]+" - -o json"); s.failure != nil || len(s.objects(t)) != 3 || s.objects(t)[1]["jobId"] != ids[2] {
		t.Errorf("from ids: %v, %q", s.failure, s.out)
	}
	if s := call("", "jobs cancel -"); s.failure != nil || s.out != "" {
		t.Errorf("of no ids: %v, %q", s.failure, s.out)
	}
	if s := call(ids[0]+"\nnonsense\n", "jobs undo -"); s.failure == nil || !strings.Contains(s.failure.Error(), `"nonsense"`) {
		t.Errorf("of nonsense: %v", s.failure)
	}

	// A job that is refused does not keep the others.
	missing := newID()
	s := call("", "jobs undo "+missing+" "+ids[0]+" "+ids[1])
	if s.failure == nil || s.failure.Error() != "1 of 3 jobs were not undone" || exitCodeOf(s.failure) != 1 || strings.Count(s.out, "\n") != 3 ||
		!strings.Contains(s.err, missing+": job not found") {
		t.Errorf("undone: %v, %q, %q", s.failure, s.out, s.err)
	}
	if s := call("", "jobs cancel "+ids[0]); exitCodeOf(s.failure) != 1 || s.out != "" || !strings.Contains(s.failure.Error(), "COMPLETED") {
		t.Errorf("of one that is over: %v, %q", s.failure, s.out)
	}
	if s := call("", "jobs watch "+missing+" "+ids[2]); exitCodeOf(s.failure) != 1 || !strings.Contains(s.out, "Imported 5 users") || !strings.Contains(s.err, "job not found") {
		t.Errorf("watched: %v, %q, %q", s.failure, s.out, s.err)
	}
	if s := call("", "jobs cancel 7"); exitCodeOf(s.failure) != 1 || !strings.Contains(s.failure.Error(), `"7" is no id`) {
		t.Errorf("of a number: %v", s.failure)
	}
	outputs(t, call, ids[2])
}

// Every command that prints something prints the API's own objects on request, one a line.
func outputs(t *testing.T, call func(stdin, line string) said, id string) {
	t.Helper()
	for _, c := range []struct {
		stdin, line string
		objects     int
		key         string
		want        any
		code        int
	}{
		{"", "jobs list -n 2 -o json", 2, "tier", "SMALL", 0},
		{"", "jobs get -o json " + id, 1, "jobId", id, 0},
		{"", "jobs watch -o json " + id, 1, "status", "COMPLETED", 0},
		{"", "import 7 -o json", 1, "processedCount", 7.0, 0},
		{"", "import 7 -d -o json", 1, "message", "Import started. Use jobId to check status.", 0},
		{"email\nada@example.com\nbad\n", "import file - -o json", 1, "rejectedCount", 1.0, exitRejected},
		{"", "users -n 3 -o json", 3, "deleted", false, 0},
		{"", "users -n 3 --json", 3, "deleted", false, 0},
		{"", "users show 11 -o json", 1, "id", 11.0, 0},
	} {
		s := call(c.stdin, c.line)
		objects := s.objects(t)
		if exitCodeOf(s.failure) != c.code || len(objects) != c.objects || objects[0][c.key] != c.want {
			t.Errorf("%s: %v, %q, want %s %v", c.line, s.failure, s.out, c.key, c.want)
		}
	}
}

// What cannot be understood ends with a code of its own, before anything is asked.
func TestExitCodes(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]int{
		"nonsense": exitUsage, "jobs get": exitUsage, "import 1.5": exitUsage, "jobs list -o yaml": exitUsage, "jobs list --nonsense": exitUsage,
		"completion tcsh": exitUsage, "--version": 0, "jobs list --server=http://[bad": 1, "export -o users.xls": 1,
	} {
		if s := muster(t, strings.Fields(line)...); exitCodeOf(s.failure) != want {
			t.Errorf("%s: %v, want %d", line, s.failure, want)
		}
	}
}

func TestMigrateAsJSON(t *testing.T) {
	t.Parallel()
	address := "--database=sqlite://" + t.TempDir() + "/muster.db"
	first, again := muster(t, "migrate", "-o", "json", address), muster(t, "migrate", "-o", "json", address)
	if first.failure != nil || first.objects(t)[0]["applied"] == 0.0 || again.out != `{"applied":0}`+"\n" {
		t.Errorf("%v, %q, then %q", first.failure, first.out, again.out)
	}
}

// What is set is applied, said, and left alone by a migration to which nothing is said.
func TestMigrateIndexes(t *testing.T) {
	t.Parallel()
	address := "--database=sqlite://" + t.TempDir() + "/muster.db"
	for _, c := range []struct{ flag, want string }{
		{"--search-indexes=city,age", "built: none, dropped: name,state,deleted.\n"},
		{"--search-indexes=", "0 migrations were applied.\n"},
		{"--search-indexes=city,age", "built: none, dropped: none.\n"},
		{"--search-indexes=all", "built: name,state,deleted, dropped: none.\n"},
	} {
		if s := muster(t, "migrate", address, c.flag); s.failure != nil || !strings.HasSuffix(s.out, c.want) {
			t.Errorf("%s: %v, %q", c.flag, s.failure, s.out)
		}
	}
	s := muster(t, "migrate", "-o", "json", address, "--search-indexes=name")
	if want := `{"applied":0,"indexesBuilt":[],"indexesDropped":["city","state","age","deleted"]}` + "\n"; s.failure != nil || s.out != want {
		t.Errorf("%v, %q", s.failure, s.out)
	}
	if s := muster(t, "migrate", address, "--search-indexes=email"); s.failure == nil || !strings.Contains(s.failure.Error(), "MUSTER_SEARCH_INDEXES: ") {
		t.Errorf("an index that cannot be left out: %v", s.failure)
	}
}
