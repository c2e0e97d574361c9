package fileexport_test

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/musterhq/muster/internal/export"
	"github.com/musterhq/muster/internal/fileexport"
	"github.com/musterhq/muster/internal/filestore"
	"github.com/musterhq/muster/internal/job"
	"github.com/musterhq/muster/internal/store"
	"github.com/musterhq/muster/internal/store/storetest"
	"github.com/musterhq/muster/internal/testenv"
	"github.com/musterhq/muster/internal/user"
)

// lab is a database with users, and a place for files.
type lab struct {
	*testing.T
	store *store.Store
	files *fileexport.Files
}

func newLab(t *testing.T, database, files string) *lab {
	t.Helper()
	s := storetest.Open(t, database, store.Options{})
	place, err := filestore.Open(files)
	if err != nil {
		t.Fatal(err)
	}
	return &lab{t, s, &fileexport.Files{Store: place, Users: s, Encoder: export.Users{Pager: s}}}
}

func folderOf(t *testing.T) string { return "file://" + filepath.Join(t.TempDir(), "files") }

// onEach runs a test on each database, with a folder, and on SQLite with a bucket of a real server.
func onEach(t *testing.T, test func(l *lab)) {
	t.Helper()
	storetest.Each(t, func(t *testing.T, url string) { test(newLab(t, url, folderOf(t))) })
	t.Run("bucket", func(t *testing.T) {
		t.Parallel()
		files := testenv.S3(t)
		test(newLab(t, storetest.Engine{Name: "sqlite"}.New(t), files))
	})
}

// users stores n users as a job does, and returns the job.
func (l *lab) users(n int64) *job.Job {
	l.Helper()
	j := &job.Job{ID: uuid.Must(uuid.NewV7()).String(), Owner: "ann", Source: job.SourceFaker, Tier: "MEDIUM", Requested: n, RequestHash: "h"}
	l.must(storetest.CreateJob(l.Context(), l.store, j, n))
	c := l.claim(j.ID, 0)
	for c.Chunk.Left() > 0 {
		batch := make([]user.User, min(1000, c.Chunk.Left()))
		for i := range batch {
			id := j.FirstID + c.Chunk.Done + int64(i)
			batch[i] = user.User{ID: id, FirstName: "Ada", LastName: "Byron", Email: fmt.Sprintf("ada.%d@example.com", id), City: "London", Age: 36, Gender: user.Female}
		}
		l.must(l.store.CommitBatch(l.Context(), c, batch, 0))
	}
	return j
}

func (l *lab) must(err error) {
	l.Helper()
	if err != nil {
		l.Fatal(err)
	}
}

// export submits an export job with chunks of so many ids.
func (l *lab) export(spec user.ExportSpec, e job.Export, chunkRows int64) *job.Job {
	l.Helper()
	text, err := json.Marshal(spec)
	l.must(err)
	e.Users = text
	first, last, err := l.files.Span(l.Context(), &e)
	l.must(err)
	e.FirstID = first
	j := &job.Job{
		ID: uuid.Must(uuid.NewV7()).String(), Owner: "ann", Source: job.SourceExport, Tier: job.TierExport, Requested: max(1, last-first+1),
		RequestHash: "h", Export: &e,
	}
	l.must(storetest.CreateJob(l.Context(), l.store, j, chunkRows))
	return j
}

func (l *lab) claim(id string, no int) *job.Claim {
	l.Helper()
	c, err := l.store.ClaimChunk(l.Context(), id, no)
	l.must(err)
	if c == nil {
		l.Fatalf("chunk %d is not to be had", no)
	}
	return c
}

func alive() error { return nil }

func (l *lab) write(c *job.Claim) []job.ExportFile {
	l.Helper()
	files, err := l.files.Write(l.Context(), c, alive)
	l.must(err)
	return files
}

// run does all that is to be done of an export job, and returns its manifest.
func (l *lab) run(j *job.Job) fileexport.Manifest {
	l.Helper()
	for no := range j.Chunks {
		c := l.claim(j.ID, no)
		l.must(l.store.RenewExport(l.Context(), c))
		l.must(l.store.CommitExport(l.Context(), c, l.write(c)))
	}
	return l.publish(j)
}

func (l *lab) publish(j *job.Job) (m fileexport.Manifest) {
	l.Helper()
	l.must(l.files.Publish(l.Context(), j))
	l.must(json.Unmarshal(l.read(fileexport.Folder(j)+fileexport.ManifestName), &m))
	return m
}

func (l *lab) read(object string) []byte {
	l.Helper()
	o, err := l.files.Store.Open(l.Context(), object)
	l.must(err)
	defer o.Close()
	r := o.Range(l.Context(), 0, -1)
	defer r.Close()
	b, err := io.ReadAll(r)
	l.must(err)
	return b
}

// objects lists the names in the folder of a job.
func (l *lab) objects(j *job.Job) (names []string) {
	l.Helper()
	for info, err := range l.files.Store.List(l.Context(), fileexport.Folder(j)) {
		l.must(err)
		names = append(names, path.Base(info.Name))
	}
	return names
}

// ids returns the ids of the files in a manifest, in order, and checks what it says of each.
func (l *lab) ids(j *job.Job, m *fileexport.Manifest) (ids []int64) {
	l.Helper()
	var rows, size int64
	for _, f := range m.Files {
		b := l.read(fileexport.Folder(j) + f.Name)
		records, err := csv.NewReader(bytes.NewReader(b)).ReadAll()
		l.must(err)
		if records[0][0] != "id" || int64(len(records)-1) != f.Rows || int64(len(b)) != f.Bytes || sha(b) != f.SHA256 {
			l.Errorf("%s has %d records and %d bytes, the manifest says %+v", f.Name, len(records), len(b), f)
		}
		for _, r := range records[1:] {
			id, err := strconv.ParseInt(r[0], 10, 64)
			l.must(err)
			ids = append(ids, id)
		}
		rows, size = rows+f.Rows, size+f.Bytes
	}
	if m.Rows != rows || m.Bytes != size || m.JobID != j.ID {
		l.Errorf("the manifest says %d rows in %d bytes of %s, its files %d in %d", m.Rows, m.Bytes, m.JobID, rows, size)
	}
	return ids
}

func TestExportHasEachUserOnce(t *testing.T) {
	t.Parallel()
	onEach(t, func(l *lab) {
		first := l.users(2500)
		l.users(2500)
		for _, id := range []int64{1, 999, 2500, 5000} {
			l.must(l.store.DeleteUser(l.Context(), id, nil))
		}
		var want []int64
		for id := int64(1); id <= 5000; id++ {
			if !slices.Contains([]int64{1, 999, 2500, 5000}, id) {
				want = append(want, id)
			}
		}
		tests := map[string]struct {
			spec  user.ExportSpec
			e     job.Export
			want  []int64
			files int
		}{
			"all":         {user.ExportSpec{}, job.Export{}, want, 5},
			"split":       {user.ExportSpec{}, job.Export{SplitRows: 600, Destination: "nightly/full"}, want, 10},
			"of a job":    {user.ExportSpec{Filter: user.Filter{FirstID: first.FirstID, LastID: first.LastID()}}, job.Export{}, want[:2497], 3},
			"deleted":     {user.ExportSpec{Filter: user.Filter{Deleted: true}}, job.Export{}, []int64{1, 999, 2500, 5000}, 3},
			"one":         {user.ExportSpec{Filter: user.Filter{Email: "ada.1234@example.com"}}, job.Export{}, []int64{1234}, 1},
			"none":        {user.ExportSpec{Filter: user.Filter{City: "Paris"}}, job.Export{}, nil, 1},
			"of nobody":   {user.ExportSpec{Filter: user.Filter{FirstID: 1 << 62}}, job.Export{}, nil, 1},
			"some fields": {user.ExportSpec{Fields: []string{"id", "email"}}, job.Export{}, want, 5},
		}
		for name, test := range tests {
			j := l.export(test.spec, test.e, 1000)
			m := l.run(j)
			if diff := cmp.Diff(test.want, l.ids(j, &m)); diff != "" {
				l.Errorf("%s: users (-want +got):\n%s", name, diff)
			}
			if len(m.Files) != test.files {
				l.Errorf("%s: %d files, want %d", name, len(m.Files), test.files)
			}
			for _, f := range m.Files {
				if most := test.e.SplitRows; most > 0 && f.Rows > most {
					l.Errorf("%s: a file of %d rows", name, f.Rows)
				}
			}
			now, err := l.store.Job(l.Context(), j.ID)
			l.must(err)
			if now.Exported() != int64(len(test.want)) || now.Processed != j.Requested {
				l.Errorf("%s: %d exported, %d of %d looked at", name, now.Exported(), now.Processed, j.Requested)
			}
			if strings.Contains(string(l.read(fileexport.Folder(j)+fileexport.ManifestName)), "example.com") {
				l.Errorf("%s: the manifest tells what was searched for", name)
			}
		}
	})
}

// Of two workers at one chunk, of which one had lost its claim, one ends it, and the files of the other are no part of the
// export.
func TestExportByTwoWorkersAtOneChunk(t *testing.T) {
	t.Parallel()
	onEach(t, func(l *lab) {
		l.users(1500)
		for _, late := range []bool{false, true} { // does the one with the older claim commit last?
			j := l.export(user.ExportSpec{}, job.Export{}, 1000)
			older := l.claim(j.ID, 0)
			l.must(l.store.GiveBack(l.Context(), older, 0, ""))
			newer := l.claim(j.ID, 0)
			if err := l.store.RenewExport(l.Context(), older); !errors.Is(err, job.ErrFenced) {
				l.Errorf("renewing a lost claim: %v", err)
			}
			claims := []*job.Claim{older, newer}
			if late {
				slices.Reverse(claims)
			}
			var files [2][]job.ExportFile
			for i, c := range claims {
				files[i] = l.write(c)
			}
			l.must(l.store.CommitExport(l.Context(), claims[0], files[0]))
			if err := l.store.CommitExport(l.Context(), claims[1], files[1]); !errors.Is(err, job.ErrFenced) {
				l.Errorf("the second end of a chunk: %v", err)
			}
			c := l.claim(j.ID, 1)
			l.must(l.store.CommitExport(l.Context(), c, l.write(c)))
			if len(l.objects(j)) != 3 {
				l.Fatalf("objects %v", l.objects(j)) // that of the loser is still there, as if it had died
			}
			m := l.publish(j)
			if ids := l.ids(j, &m); len(ids) != 1500 || ids[0] != 1 || ids[1499] != 1500 {
				l.Errorf("%d users", len(ids))
			}
			want := []string{"manifest.json", path.Base(files[0][0].Object), m.Files[1].Name}
			if diff := cmp.Diff(want, l.objects(j)); diff != "" {
				l.Errorf("objects (-want +got):\n%s", diff)
			}
		}
	})
}

// Write leaves nothing when it is stopped, and when the file store fails.
func TestExportStopped(t *testing.T) {
	t.Parallel()
	l := newLab(t, storetest.Engine{Name: "sqlite"}.New(t), folderOf(t))
	l.users(5000)
	j := l.export(user.ExportSpec{}, job.Export{SplitRows: 1000}, 5000)
	c := l.claim(j.ID, 0)
	stop, calls := errors.New("the worker is stopping"), 0
	_, err := l.files.Write(l.Context(), c, func() error {
		if calls++; calls > 5 {
			return stop
		}
		return nil
	})
	if !errors.Is(err, stop) {
		l.Errorf("got %v", err)
	}
	if left := l.objects(j); len(left) > 0 {
		l.Errorf("left %v", left)
	}
}

// The manifest is the same, byte for byte, whoever writes it and when.
func TestManifestIsTheSame(t *testing.T) {
	t.Parallel()
	l := newLab(t, storetest.Engine{Name: "sqlite"}.New(t), folderOf(t))
	l.users(10)
	j := l.export(user.ExportSpec{Format: user.NDJSON, Compress: "gzip"}, job.Export{}, 10)
	m := l.run(j)
	if m.Format != "ndjson" || m.Compress != "gzip" || m.Rows != 10 {
		l.Errorf("manifest %+v", m)
	}
	before := l.read(fileexport.Folder(j) + fileexport.ManifestName)
	again, err := l.store.Job(l.Context(), j.ID)
	l.must(err)
	l.publish(&again)
	if after := l.read(fileexport.Folder(j) + fileexport.ManifestName); !bytes.Equal(before, after) {
		l.Errorf("first %s\nthen %s", before, after)
	}
}

func (l *lab) links(now func() time.Time) *fileexport.Links {
	return &fileexport.Links{Files: l.files, Key: l.store.LinkKey, Life: time.Hour, Now: now}
}

func TestLinksOfFolder(t *testing.T) {
	t.Parallel()
	l := newLab(t, storetest.Engine{Name: "sqlite"}.New(t), folderOf(t))
	l.users(10)
	j := l.export(user.ExportSpec{}, job.Export{Destination: "some/where"}, 5)
	l.run(j)
	now := time.Now()
	links := l.links(func() time.Time { return now })
	list, err := links.Of(l.Context(), j.ID)
	l.must(err)
	if len(list.Files) != 2 || list.Expires.Unix() != now.Add(time.Hour).Unix() {
		l.Fatalf("links %+v", list)
	}
	for _, link := range append([]string{list.Manifest}, list.Files[0].URL, list.Files[1].URL) {
		name, expires, signature := parts(t, link)
		f, err := links.Open(l.Context(), j.ID, name, expires, signature)
		l.must(err)
		b, err := io.ReadAll(f)
		l.must(err)
		l.must(f.Close())
		if name != fileexport.ManifestName && sha(b) != f.SHA256 || len(b) == 0 {
			l.Errorf("%s has %d bytes", name, len(b))
		}
		// Another process, with its own connection, takes it too; nobody takes a changed one.
		for why, bad := range map[string]func() error{
			"another name": func() error {
				_, err := links.Open(l.Context(), j.ID, "part-99999-000-1.csv", expires, signature)
				return err
			},
			"another job": func() error {
				_, err := links.Open(l.Context(), uuid.NewString(), name, expires, signature)
				return err
			},
			"a later end": func() error { _, err := links.Open(l.Context(), j.ID, name, expires+1, signature); return err },
			"another signature": func() error {
				_, err := links.Open(l.Context(), j.ID, name, expires, "A"+signature[1:]+"A")
				return err
			},
			"none": func() error { _, err := links.Open(l.Context(), j.ID, name, expires, ""); return err },
		} {
			if err := bad(); !errors.Is(err, job.ErrLink) {
				l.Errorf("%s: %v", why, err)
			}
		}
		late := l.links(func() time.Time { return now.Add(time.Hour) })
		if _, err := late.Open(l.Context(), j.ID, name, expires, signature); !errors.Is(err, job.ErrLink) {
			l.Errorf("after its end: %v", err)
		}
	}
	if _, err := links.Of(l.Context(), uuid.NewString()); !errors.Is(err, job.ErrFileNotFound) {
		l.Errorf("links of a job without files: %v", err)
	}
}

// A bucket signs its links itself, and a real server checks them.
func TestLinksOfBucket(t *testing.T) {
	t.Parallel()
	l := newLab(t, storetest.Engine{Name: "sqlite"}.New(t), testenv.S3(t))
	l.users(10)
	j := l.export(user.ExportSpec{}, job.Export{}, 10)
	l.run(j)
	list, err := l.links(time.Now).Of(l.Context(), j.ID)
	l.must(err)
	link := list.Files[0].URL
	got, disposition, body := get(t, link)
	if got != http.StatusOK || sha(body) != list.Files[0].SHA256 || !strings.Contains(disposition, list.Files[0].Name) {
		l.Errorf("%d, %s, %d bytes", got, disposition, len(body))
	}
	if got, _, body = get(t, list.Manifest); got != http.StatusOK || !bytes.Contains(body, []byte(j.ID)) {
		l.Errorf("manifest: %d, %s", got, body)
	}
	if got, _, _ = get(t, strings.Replace(link, "X-Amz-Expires=3600", "X-Amz-Expires=7200", 1)); got != http.StatusForbidden {
		l.Errorf("a changed link: %d", got)
	}
}

func get(t *testing.T, link string) (status int, disposition string, body []byte) {
	t.Helper()
	r, err := http.NewRequestWithContext(context.Background(), http.MethodGet, link, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err = io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, res.Header.Get("Content-Disposition"), body
}

// An export that FAILED, and whose files were swept, is written anew when it is retried: none is missing without a word.
func TestRetryAfterTheSweep(t *testing.T) {
	t.Parallel()
	onEach(t, func(l *lab) {
		l.users(30)
		j := l.export(user.ExportSpec{}, job.Export{}, 10)
		for _, no := range []int{0, 1} {
			c := l.claim(j.ID, no)
			l.must(l.store.CommitExport(l.Context(), c, l.write(c)))
		}
		_, err := l.store.FailOpen(l.Context(), *j, "deadline_exceeded")
		l.must(err)
		if moved, err := l.store.FinishJob(l.Context(), j.ID); err != nil || !moved {
			l.Fatalf("finish: %t, %v", moved, err)
		}
		if n, err := l.store.DeleteExports(l.Context(), time.Now().Add(time.Hour)); err != nil || n != 2 {
			l.Fatalf("forgot %d files, %v", n, err)
		}
		retried, err := l.store.MoveJob(l.Context(), "ann", j.ID, job.MoveRetry)
		l.must(err)
		_, err = l.store.AlignChunks(l.Context(), retried)
		l.must(err)
		m := l.run(j)
		if ids := l.ids(j, &m); len(ids) != 30 {
			l.Errorf("%d users, want 30", len(ids))
		}
	})
}

// An export whose destination is the folder of another one keeps its files.
func TestExportBelowAnother(t *testing.T) {
	t.Parallel()
	l := newLab(t, storetest.Engine{Name: "sqlite"}.New(t), folderOf(t))
	l.users(10)
	above := l.export(user.ExportSpec{}, job.Export{Destination: "nightly"}, 10)
	below := l.export(user.ExportSpec{}, job.Export{Destination: "nightly/" + above.ID}, 10)
	c := l.claim(below.ID, 0)
	l.must(l.store.CommitExport(l.Context(), c, l.write(c)))
	l.run(above)
	m := l.publish(below)
	if ids := l.ids(below, &m); len(ids) != 10 {
		l.Errorf("%d users, want 10", len(ids))
	}
}
