package fileimport_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/parquet-go/parquet-go"

	"github.com/musterhq/muster/internal/columns"
	"github.com/musterhq/muster/internal/fileimport"
	"github.com/musterhq/muster/internal/job"
)

// people returns a CSV of so many users, of whom each comes a second time at the end.
func people(n int) []byte {
	var b bytes.Buffer
	b.WriteString("email,firstName,lastName,city,age\n")
	for i := range 2 * n {
		fmt.Fprintf(&b, "ada.byron.%d@example.com,Ada,Byron,London,36\n", i%n)
	}
	return b.Bytes()
}

func parquetFile(t testing.TB, rows int) []byte {
	t.Helper()
	type user struct {
		Email string `parquet:"email"`
		Age   int32  `parquet:"age"`
	}
	list := make([]user, rows)
	for i := range list {
		list[i] = user{fmt.Sprintf("ada.%d@example.com", rand.Uint64()), 36}
	}
	var b bytes.Buffer
	if err := parquet.Write(&b, list); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// isStore sees that an error is the file store's, which says nothing of the file.
func isStore(t *testing.T, err error) {
	t.Helper()
	if _, fault := errors.AsType[*job.FileError](err); fault || !errors.Is(err, job.ErrFilesUnavailable) {
		t.Errorf("%v, want job.ErrFilesUnavailable", err)
	}
}

// A store that refuses any one of its requests is no fault of the file, and leaves nothing that is taken for prepared.
func TestStoreFails(t *testing.T) {
	t.Parallel()
	for name, file := range map[string][]byte{
		"CSV":     people(50),
		"Parquet": parquetFile(t, 200),
		"UTF-16":  []byte("\xff\xfee\x00m\x00a\x00i\x00l\x00\n\x00a\x00@\x00b\x00.\x00d\x00e\x00\n\x00a\x00@\x00b\x00.\x00d\x00e\x00\n\x00"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var left atomic.Int64 // requests until the one that is refused
			left.Store(1 << 40)
			f := newBucket(t, 40, func(next http.Handler) http.Handler {
				return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					if left.Add(-1) == 0 {
						http.Error(w, "<Error><Code>AccessDenied</Code></Error>", http.StatusForbidden)
						return
					}
					next.ServeHTTP(w, r)
				})
			})
			j := newJob(t, f, "j1", file, job.FileOptions{OnDuplicate: job.DuplicateSkip, Key: columns.KeyEmail, InFile: job.FirstRow})
			var got *fileimport.Prepared
			n := int64(0)
			for err := errors.New("not tried"); err != nil; {
				n++
				left.Store(n)
				if got, err = again(f).Prepare(t.Context(), j, noProgress); err != nil {
					isStore(t, err)
				}
			}
			if n < 4 {
				t.Errorf("prepared after %d requests", n)
			}
			left.Store(1 << 40)
			want := importAll(t, again(f), j, 7)
			for n = 1; ; n++ {
				left.Store(n)
				chunk, err := again(f).Open(t.Context(), claim(j, got, 0, 1))
				if err == nil {
					err = chunk.Next(t.Context(), new(columns.Batch), 1000)
					chunk.Close()
				}
				if left.Load() > 0 {
					break // no request was refused
				}
				isStore(t, err)
			}
			left.Store(1 << 40)
			if after := importAll(t, again(f), j, 7); n < 4 || after.shown() != want.shown() || len(want.Rows) < 1 {
				t.Errorf("%d requests, and then %s, before that %s", n, after.shown(), want.shown())
			}
		})
	}
}

// What is gone from the store will not come back.
func TestFileMissing(t *testing.T) {
	t.Parallel()
	f := newFiles(t, 10)
	j := newJob(t, f, "j1", people(20), job.FileOptions{OnDuplicate: job.DuplicateSkip, Key: columns.KeyEmail, InFile: job.FirstRow})
	got := importAll(t, f, j, 10).Prepared
	for _, name := range []string{"jobs/j1/passed-over", j.File.Object, "jobs/j1/chunks"} {
		if err := f.Store.Delete(t.Context(), name); err != nil {
			t.Fatal(err)
		}
		_, err := again(f).Open(t.Context(), claim(j, got, 1, 0))
		checkFault(t, err, job.CodeFileMissing, nil)
	}
	_, err := again(f).Prepare(t.Context(), j, noProgress)
	checkFault(t, err, job.CodeFileMissing, nil)
}

func TestTooManyRows(t *testing.T) {
	t.Parallel()
	f := newFiles(t, 10)
	f.MaxRows = 39
	o := job.FileOptions{}
	_, err := f.Prepare(t.Context(), newJob(t, f, "j1", people(20), o), noProgress)
	checkFault(t, err, job.CodeTooManyRows, []job.FileColumn{
		{Name: "email", Field: "email"}, {Name: "firstName", Field: "firstName"}, {Name: "lastName", Field: "lastName"}, {Name: "city", Field: "city"}, {Name: "age", Field: "age"},
	})
	f.MaxRows = 40
	if got := importAll(t, f, newJob(t, f, "j2", people(20), o), 10); len(got.Rows) != 40 {
		t.Errorf("%d rows", len(got.Rows))
	}
}

// A file of nothing but a header has no rows and no chunks.
func TestNoRows(t *testing.T) {
	t.Parallel()
	f := newFiles(t, 10)
	got, err := f.Prepare(t.Context(), newJob(t, f, "j1", []byte("email,name\n"), job.FileOptions{OnDuplicate: job.DuplicateSkip, Key: columns.KeyEmail}), noProgress)
	if err != nil || got.Chunks != 0 || got.Found.Rows != 0 || got.Found.ColumnCount != 2 {
		t.Errorf("%+v: %v", got, err)
	}
}

// A manifest that cannot be read, and a claim that does not fit, are found out.
func TestManifestDamaged(t *testing.T) {
	t.Parallel()
	f := newFiles(t, 10)
	j := newJob(t, f, "j1", people(20), job.FileOptions{})
	got := importAll(t, f, j, 10).Prepared
	refused := func(c *job.Claim) {
		t.Helper()
		chunk, err := again(f).Open(t.Context(), c)
		if _, fault := errors.AsType[*job.FileError](err); err == nil || fault {
			t.Errorf("%+v opens %+v: %v", c.Chunk, chunk, err)
		}
	}
	other := *got
	other.ChunkRows = 9
	refused(claim(j, &other, 1, 0))
	refused(claim(j, got, 4, 0))
	refused(claim(j, got, -1, 0))
	for _, body := range []string{"", "abc", "\xff\xff\xff\xff{}", "\x00\x00\x00\x02{}", "\x00\x00\x00\x05{}", "\x00\x00\x00\x2a" + `{"version":1,"rows":10,"chunkRows":10}     `} {
		put(t, f, "jobs/j1/chunks", []byte(body))
		refused(claim(j, got, 0, 0))
		if _, err := again(f).Prepare(t.Context(), j, noProgress); err == nil {
			t.Errorf("%q is a manifest", body)
		}
	}
}

// Progress only grows, ends with the whole file, and its error ends Prepare before the outcome can be seen.
func TestProgress(t *testing.T) {
	t.Parallel()
	for name, file := range map[string][]byte{"CSV": people(50_000), "Parquet": parquetFile(t, 50_000)} {
		for kind, f := range map[string]*fileimport.Files{"folder": newFiles(t, 1000), "bucket": newBucket(t, 1000, nil)} {
			j := newJob(t, f, strings.ToLower(name), file, job.FileOptions{OnDuplicate: job.DuplicateSkip, Key: columns.KeyEmail})
			fenced := errors.New("fenced")
			for calls := 1; ; calls++ {
				n, last := 0, int64(0)
				_, err := f.Prepare(t.Context(), j, func(bytes int64) error {
					if bytes < last || bytes > int64(len(file)) {
						t.Errorf("%s in a %s: %d bytes after %d", name, kind, bytes, last)
					}
					if n, last = n+1, bytes; n == calls {
						return fenced
					}
					return nil
				})
				if err == nil {
					if n < 1 || last != int64(len(file)) {
						t.Errorf("%s in a %s: %d of %d bytes after %d calls", name, kind, last, len(file), n)
					}
					break
				}
				if !errors.Is(err, fenced) {
					t.Fatal(err)
				}
				if _, err := f.Store.Stat(t.Context(), "jobs/"+j.ID+"/chunks"); !errors.Is(err, job.ErrFileNotFound) {
					t.Fatalf("the manifest is there: %v", err)
				}
			}
		}
	}
}

// Two workers at once do no harm.
func TestPrepareAtOnce(t *testing.T) {
	t.Parallel()
	f := newFiles(t, 100)
	file := []byte("\xFE\xFF" + strings.Repeat("\x00e\x00m\x00a\x00i\x00l\x00\n", 1) + strings.Repeat("\x00a\x00@\x00b\x00.\x00d\x00e\x00\n\x00c\x00@\x00b\x00.\x00d\x00e\x00\n", 2000))
	j := newJob(t, f, "j1", file, job.FileOptions{OnDuplicate: job.DuplicateReject, Key: columns.KeyEmail, InFile: job.LastRow})
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			if _, err := again(f).Prepare(t.Context(), j, noProgress); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	got := importAll(t, f, j, 70)
	if len(got.Rows) != 2 || len(got.Rejects) != 3998 || got.Rows[1].Index != 3999 {
		t.Errorf("%d rows, %d rejects", len(got.Rows), len(got.Rejects))
	}
}

// A batch has some 8 MiB at most, and rows of it that are kept stay as they are while it grows.
func TestBatchBytes(t *testing.T) {
	t.Parallel()
	var file bytes.Buffer
	file.WriteString("email,notes\n")
	for i := range 40 {
		fmt.Fprintf(&file, "a%d@example.com,%s\n", i, strings.Repeat(fmt.Sprint(i%10), 1<<20-100))
	}
	f := newFiles(t, 1000)
	j := newJob(t, f, "j1", file.Bytes(), job.FileOptions{OnDuplicate: job.DuplicateSkip, Key: columns.KeyEmail})
	p, err := f.Prepare(t.Context(), j, noProgress)
	if err != nil {
		t.Fatal(err)
	}
	chunk, err := f.Open(t.Context(), claim(j, p, 0, 0))
	if err != nil {
		t.Fatal(err)
	}
	defer chunk.Close()
	rows := 0
	for b := new(columns.Batch); ; {
		if err := chunk.Next(t.Context(), b, 1000); err != nil {
			t.Fatal(err)
		}
		if b.Len() == 0 {
			break
		}
		if b.Len() > 9 {
			t.Errorf("%d rows in a batch", b.Len())
		}
		for _, row := range b.Rows {
			if want := fmt.Sprintf("a%d@example.com,%d", row.Index, row.Index%10); !bytes.HasPrefix(row.Raw, []byte(want)) || row.User.Email != want[:len(want)-2] {
				t.Errorf("row %d is %.30s", row.Index, row.Raw)
			}
			rows++
		}
	}
	if rows != 40 {
		t.Errorf("%d rows", rows)
	}
}

// A folder for temporary files that is not there is no fault of the file.
func TestNoTempDir(t *testing.T) {
	t.Parallel()
	f := newFiles(t, 10)
	f.TempDir += "/none"
	f.SetRun(5)
	_, err := f.Prepare(t.Context(), newJob(t, f, "j1", people(20), job.FileOptions{OnDuplicate: job.DuplicateSkip, Key: columns.KeyEmail}), noProgress)
	if _, fault := errors.AsType[*job.FileError](err); err == nil || fault {
		t.Errorf("%v, want that of the folder", err)
	}
}

// What is sorted outside of memory comes as what is sorted in it.
func TestSorter(t *testing.T) {
	t.Parallel()
	hashes := make([]uint64, 1000)
	for i := range hashes {
		hashes[i] = rand.Uint64N(300)
	}
	want, runs, err := fileimport.Sorted(t.TempDir(), 0, hashes)
	if err != nil || runs != 0 || len(want) != len(hashes) {
		t.Fatalf("%d runs, %d entries: %v", runs, len(want), err)
	}
	for _, most := range []int{1, 7, 500, 999, 1000} {
		got, runs, err := fileimport.Sorted(t.TempDir(), most, hashes)
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("runs of %d: %v (-want +got):\n%s", most, err, diff)
		}
		if most < 1000 && runs != (len(hashes)+most-1)/most {
			t.Errorf("runs of %d: %d of them", most, runs)
		}
	}
	if !slices.IsSortedFunc(want, func(a, b string) int {
		var x, y [2]uint64
		_, _ = fmt.Sscanf(a, "[%d %d]", &x[0], &x[1])
		_, _ = fmt.Sscanf(b, "[%d %d]", &y[0], &y[1])
		return slices.Compare(x[:], y[:])
	}) {
		t.Error("not sorted")
	}
}
