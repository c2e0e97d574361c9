package integration

import (
	"bytes"
	"crypto/sha256"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/gzip"
	"github.com/parquet-go/parquet-go"

	"github.com/musterhq/muster/internal/fileexport"
	"github.com/musterhq/muster/internal/testenv"
)

// E-R1: workers and APIs killed while export jobs run, at named points and at random. The files that the manifest lists hold each
// user once, and whoever sees a manifest sees all files that it lists.
func TestChaosER1KillStorm(t *testing.T) {
	eachServer(t, func(t *testing.T, s *stack) {
		chaos(t, "E-R1", "kill -9 of workers and APIs over exports", s, func(s *stack) string {
			return exportKills(s, rounds(6, 20), exportDeaths, rounds(30_000, 3_000_000), rounds(100, 25_000))
		})
		if !long() {
			return
		}
		control(t, "E-R1", s, "manifest-before-parts", `the manifest is there before`, func(s *stack) string { return exportKills(s, 2, nil, 10_000, 50) })
	})
}

// exportDeaths are points at which workers die one after the other.
var exportDeaths = []string{"export.writing:2", "export.written:1", "batch.inserted:1", "export.committed:1"}

// exportKills exports all users twice at once, as CSV and as Parquet, in chunks of ten times chunkRows ids, and kills.
func exportKills(s *stack, kills int, deaths []string, rows, chunkRows int) string {
	t := s.t
	random := chaosSeed(t)
	s.hooks = true
	s.env = append(s.env, noCooldown)
	api := s.api()
	w := s.start("worker")
	load := api.submit("ann", rows)
	api.follow(load.JobID, "ann", 10*time.Minute)
	w.kill()

	s.env = append(s.env, "MUSTER_LEASE=1s", fmt.Sprintf("MUSTER_CHUNK_ROWS=%d", chunkRows))
	api.kill()
	api = s.api()
	var jobs []string
	for _, query := range []string{"format=csv&compress=gzip&destination=under/fire", "format=parquet"} {
		jobs = append(jobs, api.must(http.MethodPost, "/exports?"+query, "ann", http.StatusAccepted).JobID)
	}
	tooEarly := s.watchManifests(jobs, int64(rows))
	for _, at := range deaths {
		s.start("worker", "MUSTER_WORKER_CONCURRENCY=1", "MUSTER_CHAOS_CRASH="+at).waitExit(time.Minute)
	}
	done := func() (ids int64) {
		if tooEarly.Load() { // the rest would take minutes
			t.FailNow()
		}
		for _, id := range jobs {
			ids += api.must(http.MethodGet, "/jobs/"+id, "ann", http.StatusOK).Processed
		}
		return ids
	}
	workers, from := s.workers(3), done()
	for kill := range kills {
		target := from + (2*int64(rows)-from)*int64(kill)/int64(kills+1)
		eventually(t, 2*time.Minute, fmt.Sprintf("progress up to kill %d", kill+1), func() bool { return done() >= target })
		if kill%5 == 4 {
			api.kill()
			api = s.api()
		}
		i := random.IntN(len(workers))
		workers[i].kill()
		workers[i] = s.start("worker")
	}
	for _, w := range workers {
		w.kill()
	}
	s.start("worker", "MUSTER_CHAOS_CRASH=export.published:1") // whether it is reached depends on what the others left
	s.workers(1)
	var readers []string
	for _, id := range jobs {
		v := api.follow(id, "ann", 5*time.Minute)
		if v.Status != "COMPLETED" {
			t.Fatalf("export %s is %s: %s", id, v.Status, v.RawResponse)
		}
		readers = append(readers, s.auditExport(id, int64(rows)))
	}
	return fmt.Sprintf("%d kills, %d users twice, each once; read by %s", kills+len(deaths), rows, strings.Join(readers, " and "))
}

// folderOfExport returns where the files of an export lie; empty: nowhere yet.
func (s *stack) folderOfExport(id string) string {
	for _, pattern := range []string{id, "*/*/" + id} {
		if found, _ := filepath.Glob(filepath.Join(s.files, "exports", pattern)); len(found) == 1 {
			return found[0]
		}
	}
	return ""
}

// manifestOf reads the manifest of an export, as its readers would, without asking Muster.
func (s *stack) manifestOf(id string) (m *fileexport.Manifest, err error) {
	text, err := os.ReadFile(filepath.Join(s.folderOfExport(id), fileexport.ManifestName))
	if err != nil {
		return nil, err
	}
	m = &fileexport.Manifest{}
	return m, json.Unmarshal(text, m)
}

// watchManifests looks for the manifests of exports until the test is over: one that is there lists all users. It
// reports at once when there is one that does not.
func (s *stack) watchManifests(jobs []string, rows int64) (tooEarly *atomic.Bool) {
	tooEarly = &atomic.Bool{}
	end, ended := make(chan struct{}), make(chan struct{})
	s.t.Cleanup(func() { close(end); <-ended })
	go func() {
		defer close(ended)
		for {
			for _, id := range jobs {
				switch m, err := s.manifestOf(id); {
				case errors.Is(err, fs.ErrNotExist):
				case err != nil:
					s.t.Errorf("manifest of %s: %v", id, err)
					return
				case m.Rows != rows:
					s.t.Errorf("the manifest is there before the files: it has %d of %d users", m.Rows, rows)
					tooEarly.Store(true)
					return
				}
			}
			select {
			case <-end:
				return
			case <-time.After(2 * time.Millisecond):
			}
		}
	}()
	return tooEarly
}

// auditExport reads the files of an export that is COMPLETED, and returns which readers agree that each of the users from 1
// to rows is there once.
func (s *stack) auditExport(id string, rows int64) (readers string) {
	s.t.Helper()
	m, err := s.manifestOf(id)
	if err != nil {
		s.t.Fatal(err)
	}
	folder := s.folderOfExport(id)
	want := []string{fileexport.ManifestName}
	seen := make([]bool, rows+1)
	var sum, users int64
	for _, f := range m.Files {
		want = append(want, f.Name)
		body, err := os.ReadFile(filepath.Join(folder, f.Name))
		if err != nil {
			s.t.Fatal(err)
		}
		ids := idsIn(s.t, f.Name, body)
		if int64(len(ids)) != f.Rows || int64(len(body)) != f.Bytes || fmt.Sprintf("%x", sha256.Sum256(body)) != f.SHA256 {
			s.t.Errorf("%s has %d users in %d bytes, the manifest says %+v", f.Name, len(ids), len(body), f)
		}
		for _, id := range ids {
			if id < 1 || id > rows || seen[id] {
				s.t.Fatalf("user %d of export %s is there twice, or not one of those that were imported", id, m.JobID)
			}
			seen[id] = true
			sum += id
			users++
		}
	}
	if users != rows || sum != rows*(rows+1)/2 {
		s.t.Errorf("export %s has %d users, want %d", id, users, rows)
	}
	slices.Sort(want)
	if diff := cmp.Diff(want, namesIn(s.t, folder)); diff != "" {
		s.t.Errorf("the folder of export %s (-listed +there):\n%s", id, diff)
	}
	return "Go" + s.readByPyarrow(folder, rows)
}

func namesIn(t testing.TB, folder string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), fileexport.ManifestName+"~") { // one that a dead process wrote; it is swept
			names = append(names, e.Name())
		}
	}
	return names
}

// idsIn returns the ids in a file of an export.
func idsIn(t testing.TB, name string, body []byte) (ids []int64) {
	t.Helper()
	if strings.HasSuffix(name, ".parquet") {
		users, err := parquet.Read[struct {
			ID int64 `parquet:"id"`
		}](bytes.NewReader(body), int64(len(body)))
		if err != nil {
			t.Fatal(err)
		}
		for _, u := range users {
			ids = append(ids, u.ID)
		}
		return ids
	}
	z, err := gzip.NewReader(bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	records, err := csv.NewReader(z).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range records[1:] {
		id, err := strconv.ParseInt(r[0], 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, id)
	}
	return ids
}

// pyarrowReads prints how many users the files of a manifest have, how many of them differ, and the sum of their ids.
const pyarrowReads = `
import json, os, sys
import pyarrow as pa, pyarrow.compute as pc, pyarrow.csv, pyarrow.parquet
folder = sys.argv[1]
ids = []
for f in json.load(open(os.path.join(folder, "manifest.json")))["files"]:
    path = os.path.join(folder, f["name"])
    t = pa.parquet.read_table(path, columns=["id"]) if path.endswith(".parquet") else pa.csv.read_csv(path)
    ids.append(t["id"].cast(pa.int64()))
ids = pa.chunked_array([c for i in ids for c in i.chunks])
print(len(ids), pc.count_distinct(ids).as_py(), pc.sum(ids).as_py())
`

// readByPyarrow lets another implementation read the files, and returns its name for the table.
func (s *stack) readByPyarrow(folder string, rows int64) string {
	s.t.Helper()
	if exec.Command("python3", "-c", "import pyarrow").Run() != nil {
		testenv.Missing(s.t, "pyarrow")
		return ""
	}
	out, err := exec.Command("python3", "-c", pyarrowReads, folder).CombinedOutput()
	if err != nil {
		s.t.Fatalf("pyarrow: %v: %s", err, out)
	}
	if want := fmt.Sprintf("%d %d %d", rows, rows, rows*(rows+1)/2); strings.TrimSpace(string(out)) != want {
		s.t.Errorf("pyarrow reads %s, want %s", out, want)
	}
	return ", pyarrow"
}
