package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/musterhq/muster/internal/fileexport"
)

// An export as a job, from its submission to its files, against a whole stack.
func TestExports(t *testing.T) {
	t.Parallel()
	api := startDev(t, "--addr=127.0.0.1:0", "--admin-addr=", "--offline", "--data="+filepath.Join(t.TempDir(), "data"))
	call := func(args ...string) said { return muster(t, append(args, "--server="+api)...) }
	ok := func(args ...string) said {
		t.Helper()
		s := call(args...)
		if s.failure != nil {
			t.Fatalf("%q: %v", args, s.failure)
		}
		return s
	}
	ok("import", "2500", "--seed=1")
	s := ok("exports", "create", "--format=ndjson", "--fields=id", "--split-rows=1k", "--destination=nightly/full")
	job := strings.Fields(s.out)[0]
	if !strings.Contains(s.out, "Exported 2500 users. `muster exports download "+job+" --server "+api+"` fetches them.") {
		t.Errorf("created: %q", s.out)
	}
	if s := ok("exports", "files", job); strings.Count(s.out, "\n") != 4 || !strings.Contains(s.out, "  1000  ") || strings.Contains(s.out, "signature") {
		t.Errorf("files: %q", s.out)
	}
	if s := ok("exports", "files", job, "-o", "json"); len(s.objects(t)) != 1 || s.objects(t)[0]["rows"] != 2500.0 {
		t.Errorf("files: %q", s.out)
	}

	dir := filepath.Join(t.TempDir(), "new", "folder")
	if s := ok("exports", "download", job, "-d", dir); !strings.Contains(s.err, "Wrote 3 files, 2500 users,") || !strings.Contains(s.err, "; 0 of them") {
		t.Errorf("downloaded: %q", s.err)
	}
	var lines []string
	names := namesIn(t, dir)
	if len(names) != 4 || names[0] != fileexport.ManifestName {
		t.Fatalf("the folder has %q", names)
	}
	for _, name := range names[1:] {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, strings.Fields(string(text))...)
	}
	if len(lines) != 2500 || lines[0] != `{"id":1}` || lines[2499] != `{"id":2500}` {
		t.Errorf("%d lines, %.40q …", len(lines), lines)
	}

	// Once more, with one that is gone, one that was changed, and another export.
	if err := os.Remove(filepath.Join(dir, names[1])); err != nil {
		t.Fatal(err)
	}
	if s := ok("exports", "download", job, "-d", dir); !strings.Contains(s.err, "; 2 of them were there") || len(namesIn(t, dir)) != 4 {
		t.Errorf("downloaded again: %q", s.err)
	}
	if err := os.WriteFile(filepath.Join(dir, names[2]), []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	if s := call("exports", "download", job, "-d", dir); s.failure == nil || !strings.Contains(s.failure.Error(), names[2]+" exists") {
		t.Errorf("over another file: %v", s.failure)
	}
	if s := ok("exports", "download", job, "-d", dir, "--force"); !strings.Contains(s.err, "; 2 of them were there") {
		t.Errorf("by force: %q", s.err)
	}
	other := strings.TrimSpace(ok("exports", "create", "--name=nobody-has-this", "-d").out)
	ok("jobs", "watch", other)
	if s := call("exports", "download", other, "-d", dir); s.failure == nil || !strings.Contains(s.failure.Error(), fileexport.ManifestName+" exists") {
		t.Errorf("into the folder of another export: %v", s.failure)
	}
	refusedExports(t, call)
}

func refusedExports(t *testing.T, call func(...string) said) {
	t.Helper()
	for args, want := range map[string]string{
		"exports create --split-rows=10":           "splitRows must be a whole number from 1000",
		"exports create --destination=../x":        "destination must be",
		"exports create --fields=nick":             "fields",
		"exports create --max-age=0":               "maxAge must be",
		"exports create --job=" + newID():          "job not found",
		"exports files " + newID():                 "job not found",
		"exports download " + newID():              "job not found",
		"exports download --parallel=0 " + newID(): "--parallel",
	} {
		if s := call(strings.Fields(args)...); s.failure == nil || !strings.Contains(s.failure.Error(), want) {
			t.Errorf("%s: %v, want %q", args, s.failure, want)
		}
	}
}

// namesIn returns the names of all files of a folder, in their order.
func namesIn(t *testing.T, dir string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	slices.Sort(names)
	return names
}

// stubExport is an API with an export, whose files it serves as a test wants.
type stubExport struct {
	url, job string
	files    map[string]string // what they are to be
	manifest fileexport.Manifest

	// serve answers for a file, the nth time that it is asked for; false: as it should.
	serve func(name string, n int, w http.ResponseWriter, r *http.Request) bool

	mu    sync.Mutex
	asked map[string]int // how often for each file
	lists int            // how often for links
}

func newStubExport(t *testing.T, files map[string]string) *stubExport {
	t.Helper()
	s := &stubExport{job: newID(), files: files, asked: map[string]int{}, serve: func(string, int, http.ResponseWriter, *http.Request) bool { return false }}
	s.manifest = fileexport.Manifest{JobID: s.job, Format: "csv"}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		sum := sha256.Sum256([]byte(files[name]))
		f := fileexport.ManifestFile{Name: name, Rows: 1, Bytes: int64(len(files[name])), SHA256: hex.EncodeToString(sum[:])}
		s.manifest.Files = append(s.manifest.Files, f)
		s.manifest.Rows, s.manifest.Bytes = s.manifest.Rows+1, s.manifest.Bytes+f.Bytes
	}
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	s.url = server.URL + "/below"
	return s
}

func (s *stubExport) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	name, isFile := strings.CutPrefix(r.URL.Path, "/below/api/v1/exports/"+s.job+"/files/")
	switch {
	case r.URL.Path == "/below/api/v1/exports/"+s.job+"/files":
		s.lists++
		s.list(w)
	case !isFile:
		w.WriteHeader(http.StatusNotFound)
	case name == fileexport.ManifestName:
		_ = json.NewEncoder(w).Encode(&s.manifest)
	default:
		s.asked[name]++
		if !s.serve(name, s.asked[name], w, r) {
			http.ServeContent(w, r, "", s.manifest.CreatedAt, strings.NewReader(s.files[name]))
		}
	}
}

func (s *stubExport) list(w http.ResponseWriter) {
	link := func(name string) string {
		return fmt.Sprintf("/api/v1/exports/%s/files/%s?signature=%d", s.job, name, s.lists)
	}
	var files []map[string]any
	for _, f := range s.manifest.Files {
		files = append(files, map[string]any{"name": f.Name, "rows": f.Rows, "bytes": f.Bytes, "sha256": f.SHA256, "url": link(f.Name)})
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]any{
		"jobId": s.job, "rows": s.manifest.Rows, "bytes": s.manifest.Bytes, "expiresAt": "2026-02-16T10:05:30.123Z",
		"manifestUrl": link(fileexport.ManifestName), "files": files,
	})
}

func (s *stubExport) download(t *testing.T, dir string, args ...string) said {
	t.Helper()
	return muster(t, append([]string{"exports", "download", s.job, "-d", dir, "--server=" + s.url}, args...)...)
}

// Connections that break and links that expire are gone on from, at an API that lies below a path of its own.
func TestDownloadGoesOn(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("0123456789", 10_000)
	s := newStubExport(t, map[string]string{"part-0.csv": long, "part-1.csv": "id\n1\n", "part-2.csv": long + "2"})
	var ranges []string
	s.serve = func(name string, n int, w http.ResponseWriter, r *http.Request) bool {
		switch {
		case name == "part-0.csv" && n == 1: // breaks off
			w.Header().Set("Content-Length", fmt.Sprint(len(long)))
			_, _ = w.Write([]byte(long[:70_000]))
			return true
		case name == "part-0.csv":
			ranges = append(ranges, r.Header.Get("Range"))
		case name == "part-1.csv" && r.URL.Query().Get("signature") == "1": // has expired
			w.WriteHeader(http.StatusForbidden)
			return true
		case name == "part-2.csv" && n == 1:
			w.WriteHeader(http.StatusServiceUnavailable)
			return true
		}
		return false
	}
	dir := filepath.Join(t.TempDir(), "export")
	if said := s.download(t, dir); said.failure != nil {
		t.Fatal(said.failure)
	}
	got := map[string]string{}
	for _, name := range namesIn(t, dir) {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if name != fileexport.ManifestName {
			got[name] = string(text)
		}
	}
	if diff := cmp.Diff(s.files, got); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"bytes=70000-"}, ranges); diff != "" || s.lists != 2 {
		t.Errorf("%d lists, ranges (-want +got):\n%s", s.lists, diff)
	}
}

// A download that ends half-way leaves whole files only, and no manifest; the next one fetches the others.
func TestDownloadInterrupted(t *testing.T) {
	t.Parallel()
	s := newStubExport(t, map[string]string{"part-0.csv": "id\n1\n", "part-1.csv": "id\n2\n", "part-2.csv": "id\n3\n"})
	ctx, stop := withCancel(t)
	defer stop()
	s.serve = func(name string, n int, w http.ResponseWriter, r *http.Request) bool {
		if name != "part-1.csv" || n > 1 {
			return false
		}
		_, _ = w.Write([]byte("id\n"))
		_ = http.NewResponseController(w).Flush()
		stop()
		<-r.Context().Done()
		return true
	}
	dir := t.TempDir()
	err := execute([]string{"exports", "download", s.job, "-d", dir, "--parallel=1", "--server=" + s.url}, &process{ctx: ctx, stdout: t.Output(), stderr: t.Output()})
	if err == nil || !strings.HasPrefix(err.Error(), "interrupted: ") {
		t.Errorf("interrupted: %v", err)
	}
	if diff := cmp.Diff([]string{"part-0.csv"}, namesIn(t, dir)); diff != "" {
		t.Errorf("left (-want +got):\n%s", diff)
	}
	if said := s.download(t, dir); said.failure != nil || !strings.Contains(said.err, "Wrote 3 files, 3 users, 15 bytes,") {
		t.Errorf("the second time: %v, %q", said.failure, said.err)
	}
	if diff := cmp.Diff([]string{fileexport.ManifestName, "part-0.csv", "part-1.csv", "part-2.csv"}, namesIn(t, dir)); diff != "" || s.asked["part-0.csv"] != 1 {
		t.Errorf("the first file was asked for %d times, the folder has (-want +got):\n%s", s.asked["part-0.csv"], diff)
	}
}

// What is wrong is said, and nothing is left that looks like an export.
func TestDownloadThatCannotBe(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		change func(s *stubExport)
		want   string
	}{
		"other bytes": {func(s *stubExport) { s.files["part-0.csv"] = "id\n9\n" }, "not what the manifest says"},
		"too few":     {func(s *stubExport) { s.files["part-0.csv"] = "id\n" }, "3 bytes came, and it has 5"},
		"too many":    {func(s *stubExport) { s.files["part-0.csv"] = "id\n1\n2\n" }, "longer than it should be"},
		"a path":      {func(s *stubExport) { s.manifest.Files[0].Name = "../part-0.csv" }, `names a file "../part-0.csv"`},
		"a sum":       {func(s *stubExport) { s.manifest.Rows++ }, "does not add up"},
		"gone": {func(s *stubExport) {
			s.serve = func(_ string, _ int, w http.ResponseWriter, _ *http.Request) bool {
				w.WriteHeader(http.StatusNotFound)
				return true
			}
		}, "404"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStubExport(t, map[string]string{"part-0.csv": "id\n1\n"})
			test.change(s)
			dir := t.TempDir()
			said := s.download(t, dir)
			if said.failure == nil || !strings.Contains(said.failure.Error(), test.want) || strings.Contains(said.failure.Error(), "signature") {
				t.Errorf("%v, want %q", said.failure, test.want)
			}
			if names := namesIn(t, dir); len(names) != 0 {
				t.Errorf("left over: %q", names)
			}
		})
	}
}
