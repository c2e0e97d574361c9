package main

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/musterhq/muster/cmd/internal/boot"
)

// A person sees what becomes of the columns, with samples, and is asked.
func TestImportFileAsksAPerson(t *testing.T) {
	t.Parallel()
	file := writeFile(t, "users.csv", "Mail;Shoe size\nada@example.com;38\nbob@;\n")
	for line, want := range map[string]int{"\n": 1, "y\n": 1, "n\n": 0, "": 0} {
		f := newFakeFiles(t)
		var out, progress strings.Builder
		err := execute([]string{"import", "file", file, "--server=" + f.url}, &process{ctx: t.Context(), stdin: strings.NewReader(line), stdout: &out, stderr: &progress, person: true})
		if len(f.requests) != want || (err == nil) != (want == 1) {
			t.Errorf("%q: %d imports, %v", line, len(f.requests), err)
		}
		for _, text := range []string{
			file + ": csv, utf-8, separated by semicolons\n", "  Mail  → email  ada@example.com, \uFFFD[31mbob@\n", "Not used: Shoe size and 1 more.\n",
			"Of the first 2 rows 1 would be rejected:\n    line 3: email must be an e-mail address\n", "Import it? [Y/n] ",
		} {
			if !strings.Contains(progress.String(), text) {
				t.Errorf("%q does not show %q", progress.String(), text)
			}
		}
		if want == 1 && !strings.Contains(out.String(), f.job+"\n") || want == 1 && !strings.Contains(out.String(), "Imported users.csv: 2 inserted.\n") {
			t.Errorf("%q: %q", line, out.String())
		}
	}
}

// A script is asked nothing, and its log gets no data. Everything of the command line goes to the API.
func TestImportFileOfAScript(t *testing.T) {
	t.Parallel()
	f := newFakeFiles(t)
	f.outcome = map[string]int{"inserted": 1, "rejected": 1}
	parent := newID()
	s := muster(t, "import", "file", writeFile(t, "users.csv", "text"), "--server="+f.url, "--on-duplicate=UPDATE", "--key=id", "--in-file=last", "--empty-means=clear", "--max-rejected=10%",
		"--dry-run", "--map=email:Mail, private", "--map=name:", "--format=csv", "--delimiter=;", "--charset=utf-8", "--no-header", "--parent="+parent, "--idempotency-key=k1", "--user=ann")
	e, ok := errors.AsType[*boot.ExitError](s.failure)
	if !ok || e.Code != 3 || !strings.HasPrefix(e.Error(), "1 of 2 rows were rejected\n") ||
		!strings.Contains(e.Error(), "  muster jobs rejected "+f.job+" -o rejected.csv --server "+f.url+" --user ann\n  muster import file rejected.csv --parent "+f.job) {
		t.Errorf("failed with %v", s.failure)
	}
	if strings.Contains(s.err, "ada@") || strings.Contains(s.err, "?") || !strings.Contains(s.err, "  Mail  → email\n") {
		t.Errorf("it says %q", s.err)
	}
	if len(f.requests) != 1 {
		t.Fatalf("%d imports", len(f.requests))
	}
	q := f.requests[0].URL.Query()
	got := f.bodies[0] + " " + q.Get("uploadId")
	q.Del("uploadId")
	if want := "charset=utf-8&delimiter=%3B&dryRun=true&emptyMeans=clear&format=csv&header=false&inFile=last&key=id&map=email%3AMail%2C+private&map=name%3A&maxRejected=10%25&onDuplicate=update&parentJobId=" + parent; q.Encode() != want {
		t.Errorf("sent %s\nwant %s", q.Encode(), want)
	}
	if h := f.requests[0].Header; h.Get("Idempotency-Key") != "k1" || h.Get("X-USER-ID") != "ann" || !strings.HasPrefix(got, "text ") || len(f.uploads) != 1 {
		t.Errorf("sent %v, %q", h, got)
	}
	for _, u := range f.uploads {
		if u.name != "users.csv" {
			t.Errorf("the upload is called %q", u.name)
		}
	}
}

// Standard input, however long, goes through as it comes.
func TestImportFileFromAStream(t *testing.T) {
	t.Parallel()
	for _, size := range []int{5, previewBytes, previewBytes + 7} {
		f := newFakeFiles(t)
		seen := 0
		f.preview = func(body string) (int, any) {
			seen = len(body)
			return http.StatusBadRequest, map[string]any{"status": 400, "code": "needs_whole_file", "message": "more is needed"}
		}
		text := strings.Repeat("x", size)
		var out, progress strings.Builder
		err := execute([]string{"import", "file", "-", "-d", "--server=" + f.url}, &process{ctx: t.Context(), stdin: strings.NewReader(text), stdout: &out, stderr: &progress})
		if err != nil || len(f.bodies) != 1 || f.bodies[0] != text || seen != min(size, previewBytes) || len(f.uploads) != 0 || out.String() != f.job+"\n" {
			t.Errorf("%d bytes: %v, %d imports, %d bytes seen, %q", size, err, len(f.bodies), seen, out.String())
		}
	}
}

// A file without a column that is known, or with one that is missing, is not sent; the message says which there are.
func TestImportFileWithoutAKnownColumn(t *testing.T) {
	t.Parallel()
	f := newFakeFiles(t)
	f.preview = func(string) (int, any) {
		return http.StatusBadRequest, map[string]any{"status": 400, "code": "no_known_column", "message": "none of the 2 columns is known", "details": map[string]any{
			"file": map[string]any{"columns": []any{map[string]any{"name": "Foo"}, map[string]any{"name": "Bar\x1b"}}},
		}}
	}
	file := writeFile(t, "users.csv", "Foo,Bar\n1,2\n")
	s := muster(t, "import", "file", file, file, "--server="+f.url)
	if s.failure == nil || !strings.HasPrefix(s.failure.Error(), file+": none of the 2 columns is known\nColumns of unknown names: Foo, Bar\uFFFD\n") ||
		!strings.Contains(s.failure.Error(), "--map 'email:Foo'") || len(f.uploads)+len(f.requests) != 0 {
		t.Errorf("%v, %d uploads", s.failure, len(f.uploads))
	}
}

// After Ctrl-C the same command goes on where the upload stands, unless the file is another by then.
func TestImportFileGoesOn(t *testing.T) {
	t.Parallel()
	f := newFakeFiles(t)
	ctx, stop := withCancel(t)
	f.sent = func(int) { stop() }
	file := writeFile(t, "users.csv", "0123456789")
	args := []string{"import", "file", file, "--server=" + f.url}
	err := execute(args, &process{ctx: ctx, stdin: strings.NewReader(""), stdout: t.Output(), stderr: t.Output()})
	if err == nil || !strings.HasPrefix(err.Error(), "interrupted\n") {
		t.Fatalf("interrupted: %v", err)
	}
	_, rest, _ := strings.Cut(err.Error(), "--resume ")
	at, _, _ := strings.Cut(rest, "`")
	f.sent = nil
	if s := muster(t, append(args, "--resume="+at)...); s.failure != nil || len(f.uploads) != 1 || len(f.bodies) != 1 || f.bodies[0] != "0123456789" {
		t.Errorf("gone on: %v, %d uploads, %q", s.failure, len(f.uploads), f.bodies)
	}
	gone := newID() + at[strings.Index(at, ":"):]
	if s := muster(t, append(args, "--resume="+gone)...); s.failure == nil || !strings.Contains(s.failure.Error(), "without --resume") {
		t.Errorf("gone on with what is not there: %v", s.failure)
	}
	if err := os.Chtimes(file, time.Time{}, time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	if s := muster(t, append(args, "--resume="+at)...); s.failure == nil || !strings.Contains(s.failure.Error(), "not as it was") {
		t.Errorf("gone on with another file: %v", s.failure)
	}
	if len(f.requests) != 1 {
		t.Errorf("%d imports", len(f.requests))
	}
}

// A file that changes while it is sent is not imported.
func TestImportFileThatChanges(t *testing.T) {
	t.Parallel()
	f := newFakeFiles(t)
	file := writeFile(t, "users.csv", "0123456789")
	f.preview = func(string) (int, any) {
		if err := os.WriteFile(file, []byte("01234567890123456789"), 0o600); err != nil {
			t.Error(err)
		}
		return http.StatusBadRequest, map[string]any{"status": 400, "code": "needs_whole_file", "message": "more is needed"}
	}
	if s := muster(t, "import", "file", file, "--server="+f.url); s.failure == nil || !strings.Contains(s.failure.Error(), "changed while it was sent") || len(f.requests) != 0 {
		t.Errorf("%v, %d imports", s.failure, len(f.requests))
	}
}

// A job that cannot be taken now does not cost the upload.
func TestImportFileRefused(t *testing.T) {
	t.Parallel()
	f := newFakeFiles(t)
	f.refuse = func(int) (int, string) { return http.StatusTooManyRequests, "tier_limit_reached" }
	file := writeFile(t, "users.csv", "text")
	s := muster(t, "import", "file", file, "--server="+f.url)
	if s.failure == nil || !strings.Contains(s.failure.Error(), "`--upload "+f.job+"` in place of "+file) {
		t.Errorf("refused: %v", s.failure)
	}
	if s := muster(t, "import", "file", "--upload="+f.job, "--server="+f.url); s.failure == nil || !strings.Contains(s.failure.Error(), "run the command again") {
		t.Errorf("refused again: %v", s.failure)
	}
	f.refuse = nil
	if s := muster(t, "import", "file", "--upload="+f.job, "--server="+f.url); s.failure != nil || f.requests[2].URL.Query().Get("uploadId") != f.job || len(f.uploads) != 1 {
		t.Errorf("by the upload: %v", s.failure)
	}
	if s := muster(t, "import", "file", "--from=2026/a.csv", "--server="+f.url); s.failure != nil || f.requests[3].URL.Query().Get("from") != "2026/a.csv" {
		t.Errorf("by the server's own: %v", s.failure)
	}
	f.refuse = func(int) (int, string) { return http.StatusBadRequest, "validation_failed" }
	if s := muster(t, "import", "file", file, "--server="+f.url); s.failure == nil || strings.Contains(s.failure.Error(), "--upload") {
		t.Errorf("what is wrong: %v", s.failure)
	}
}

// Of several files the first that fails stops it. Rejected rows do not, and the exit code tells of them.
func TestImportSeveralFiles(t *testing.T) {
	t.Parallel()
	f := newFakeFiles(t)
	a, b, c := writeFile(t, "a.csv", "a"), writeFile(t, "b.csv", "b"), writeFile(t, "c.csv", "c")
	f.refuse = func(n int) (int, string) {
		if n == 2 {
			return http.StatusServiceUnavailable, "queue_full"
		}
		return 0, ""
	}
	s := muster(t, "import", "file", a, b, c, "--server="+f.url)
	if s.failure == nil || !strings.HasPrefix(s.failure.Error(), b+": refused: queue_full\n") || !strings.HasSuffix(s.failure.Error(), "\nDone before: "+a+"\nNot begun: "+c) || len(f.requests) != 2 {
		t.Errorf("%d imports, %v", len(f.requests), s.failure)
	}
	// The cooldown after the first is waited for, and the file is not sent again.
	f.requests, f.uploads = nil, map[string]*fakeUpload{}
	f.refuse = func(n int) (int, string) {
		if n == 2 {
			return http.StatusTooManyRequests, "cooldown_active"
		}
		return 0, ""
	}
	s = muster(t, "import", "file", a, b, "--server="+f.url)
	if s.failure != nil || len(f.requests) != 3 || len(f.uploads) != 2 || f.requests[2].URL.Query().Get("uploadId") != f.job || !strings.Contains(s.err, b+" waits: ") {
		t.Errorf("%d imports, %d uploads, %v, %q", len(f.requests), len(f.uploads), s.failure, s.err)
	}
	f.requests = nil
	f.refuse, f.outcome = nil, map[string]int{"inserted": 1, "rejected": 2}
	s = muster(t, "import", "file", a, b, "--server="+f.url)
	e, ok := errors.AsType[*boot.ExitError](s.failure)
	if !ok || e.Code != 3 || !strings.Contains(e.Error(), a+", "+b) || strings.Count(s.err, "2 of 3 rows were rejected") != 2 || len(f.requests) != 2 {
		t.Errorf("%d imports, %v, %q", len(f.requests), s.failure, s.err)
	}
}

// What is wrong with the command line, and with files, before anything is asked of the API.
func TestWrongFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := writeFile(t, "users.csv", "text")
	for args, want := range map[string]string{
		"import file":                                           "muster import file users.csv",
		"import file " + dir:                                    dir + ": it is a folder",
		"import file " + dir + "/none.csv":                      dir + "/none.csv: no such file or directory",
		"import file - --resume=" + newID():                     "--resume wants the file",
		"import file --upload=" + newID() + " --resume=x":       "--resume wants the file",
		"import file " + file + " --resume=x":                   "--resume wants the id",
		"import file " + file + " - --idempotency-key=x":        "--idempotency-key is for one file",
		"import file " + file + " --on-duplicate=merge":         `"insert","skip"`,
		"import file " + file + " --parent=x":                   "--parent",
		"import " + file:                                        "muster import file " + file,
		"import users.csv.gz":                                   "muster import file users.csv.gz",
		"import --detach file " + file:                          "--detach",
		"jobs rejected " + newID() + " -o rejected.xlsx":        "--format",
		"jobs rejected " + newID() + " -o rejected.json":        "--format",
		"jobs rejected " + newID() + " -o " + dir + "/no/r.csv": dir + "/no/: no such file",
	} {
		if s := muster(t, strings.Fields(args)...); s.failure == nil || !strings.Contains(s.failure.Error(), want) {
			t.Errorf("%s: %v, want %q", args, s.failure, want)
		}
	}
}

func TestRejectedRowsAndFileJobs(t *testing.T) {
	t.Parallel()
	f := newFakeFiles(t)
	dir := t.TempDir()
	for name, want := range map[string]string{"r.csv": "csv\n", "r.jsonl": "ndjson\n", "r": "\n"} {
		file := filepath.Join(dir, name)
		s := muster(t, "jobs", "rejected", f.job, "-o", file, "--server="+f.url)
		if got, err := os.ReadFile(file); err != nil || string(got) != want || s.failure != nil || !strings.Contains(s.err, fmt.Sprintf("Wrote 1 rows, %d bytes, to %s.\n", len(want), file)) {
			t.Errorf("%s: %q, %v, %v, %q", name, got, err, s.failure, s.err)
		}
	}
	if s := muster(t, "jobs", "rejected", f.job, "--format=NDJSON", "--server="+f.url); s.failure != nil || s.out != "ndjson\n" {
		t.Errorf("to standard output: %v, %q", s.failure, s.out)
	}
	s := muster(t, "jobs", "show", f.job, "--server="+f.url)
	for _, want := range []string{"file  ", "users.csv\n", "phase     IMPORTING\n", "file      users.csv, 4.9 KiB, csv\n", "columns   Mail → email\n", "not used  Shoe size\n", "outcome   2 inserted\n"} {
		if s.failure != nil || !strings.Contains(s.out, want) {
			t.Errorf("%v, %q does not show %q", s.failure, s.out, want)
		}
	}
	if s := muster(t, "jobs", "watch", f.job, "--server="+f.url); s.failure != nil || !strings.Contains(s.out, "Imported users.csv: 2 inserted.") {
		t.Errorf("watched: %v, %q", s.failure, s.out)
	}
}
