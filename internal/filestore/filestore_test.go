package filestore_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/musterhq/muster/internal/filestore"
	"github.com/musterhq/muster/internal/job"
)

func TestObjects(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, p place) {
		s := p.open()
		if err := s.Check(t.Context()); err != nil {
			t.Fatalf("Check: %v", err)
		}
		if k := keys(t, s); len(k) > 0 {
			t.Errorf("Check left %v", k)
		}
		for _, size := range []int{0, 1, block - 1, block, block + 1, 3 * block, 5*block + 17} {
			name := fmt.Sprintf("jobs/%d/text", size)
			body := content(1, size)
			create(t, s, name, body)
			other := p.open() // what one process writes, another reads
			info, err := other.Stat(t.Context(), name)
			if err != nil || info.Name != name || info.Size != int64(size) || time.Since(info.Modified).Abs() > time.Hour {
				t.Errorf("Stat of %s: %+v, %v", name, info, err)
			}
			o, err := other.Open(t.Context(), name)
			if err != nil {
				t.Fatal(err)
			}
			if err := iotest.TestReader(o.Range(t.Context(), 0, -1), body); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			checkRanges(t, o, body)
			if err := o.Close(); err != nil {
				t.Error(err)
			}
			// Again, with another content.
			create(t, other, name, content(2, size/2))
			if got := read(t, s, name); !bytes.Equal(got, content(2, size/2)) {
				t.Errorf("%s was replaced, and has %d other bytes", name, len(got))
			}
		}
	})
}

// checkRanges reads ranges, and the same as an io.ReaderAt.
func checkRanges(t *testing.T, o *filestore.Object, body []byte) {
	t.Helper()
	size := len(body)
	for range 30 {
		off, n := rand.IntN(size+2), rand.IntN(size+3)
		want := body[min(off, size):min(off+n, size)]
		r := o.Range(t.Context(), int64(off), int64(n))
		got, err := io.ReadAll(r)
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%d bytes from %d of %d: got %d, %v", n, off, size, len(got), err)
		}
		if err := r.Close(); err != nil {
			t.Error(err)
		}
		p := make([]byte, n)
		k, err := o.ReadAt(p, int64(off))
		if wantErr := n > len(want) || off >= size; !bytes.Equal(p[:k], want) || errors.Is(err, io.EOF) != wantErr || !wantErr && err != nil {
			t.Errorf("ReadAt(%d bytes, %d) of %d: %d, %v", n, off, size, k, err)
		}
	}
}

func TestMissing(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, p place) {
		s := p.open()
		create(t, s, "jobs/1/text", []byte("x"))
		for _, name := range []string{"jobs/2/text", "jobs/1", "jobs/1/tex", "jobs/1/text-2"} {
			if _, err := s.Open(t.Context(), name); !errors.Is(err, job.ErrFileNotFound) {
				t.Errorf("Open %s: %v", name, err)
			}
			if _, err := s.Stat(t.Context(), name); !errors.Is(err, job.ErrFileNotFound) {
				t.Errorf("Stat %s: %v", name, err)
			}
			if _, err := s.Growing(t.Context(), name); !errors.Is(err, job.ErrFileNotFound) {
				t.Errorf("Growing %s: %v", name, err)
			}
			if err := s.Delete(t.Context(), name); err != nil {
				t.Errorf("Delete %s: %v", name, err)
			}
		}
		if got := keys(t, s); !slices.Equal(got, []string{"jobs/1/text"}) {
			t.Errorf("keys %v", got)
		}
	})
}

// A name is never a path of its own.
func TestNames(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, p place) {
		s := p.open()
		for _, name := range []string{
			"", ".", "..", "../x", "/x", "x/", "a//b", "a/../b", "a/./b", `a\b`, "A", "a b", "ä", ".a", "a.", "a..b", "a.b/c", "a.B", "a~b", "a\x00b", strings.Repeat("a", 201),
		} {
			if _, err := s.Create(t.Context(), name, 0); err == nil {
				t.Errorf("Create %q", name)
			}
			if _, err := s.Begin(t.Context(), name, 1, nil); err == nil {
				t.Errorf("Begin %q", name)
			}
			if _, err := s.Open(t.Context(), name); err == nil {
				t.Errorf("Open %q", name)
			}
			if _, err := s.Stat(t.Context(), name); err == nil {
				t.Errorf("Stat %q", name)
			}
			if err := s.Delete(t.Context(), name); err == nil {
				t.Errorf("Delete %q", name)
			}
		}
		if got := keys(t, s); len(got) > 0 {
			t.Errorf("keys %v", got)
		}
	})
}

func TestListAndDelete(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, p place) {
		s := p.open()
		names := []string{"a", "jobs-x/1", "jobs/1/losers", "jobs/1/text", "jobs/10/text", "jobs/2/text", "uploads/1"}
		for _, name := range names {
			create(t, s, name, content(1, 2*block))
		}
		if _, err := s.Begin(t.Context(), "jobs/1/growing", 3*block, nil); err != nil {
			t.Fatal(err)
		}
		for prefix, want := range map[string][]string{
			"": names, "jobs/": names[2:6], "jobs": names[1:6], "jobs/1": names[2:5], "jobs/1/": names[2:4], "jobs/1/t": names[3:4], "x": nil, "x/y": nil, "uploads/1/": nil,
		} {
			var got []string
			for info, err := range s.List(t.Context(), prefix) {
				if err != nil {
					t.Fatal(err)
				}
				if info.Size != 2*block {
					t.Errorf("%s has %d bytes", info.Name, info.Size)
				}
				got = append(got, info.Name)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("List(%q) (-want +got):\n%s", prefix, diff)
			}
			for range s.List(t.Context(), prefix) {
				break // who has seen enough
			}
		}
		for _, name := range append(names, "jobs/1/growing") {
			for range 2 {
				if err := s.Delete(t.Context(), name); err != nil {
					t.Error(err)
				}
			}
			if _, err := s.Stat(t.Context(), name); !errors.Is(err, job.ErrFileNotFound) {
				t.Errorf("%s is still there: %v", name, err)
			}
		}
		if got := keys(t, s); len(got) > 0 {
			t.Errorf("left: %v", got)
		}
		if dir, ok := strings.CutPrefix(p.url, "file://"); ok {
			if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
				t.Errorf("empty folders are left: %v, %v", left, err)
			}
		}
	})
}

// Nobody sees an object before it is whole, and nothing is left of one that never is.
func TestDiscard(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, p place) {
		s := p.open()
		for _, size := range []int{0, 1, block, block + 1, 5 * block} {
			w, err := s.Create(t.Context(), "jobs/1/text", 0)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := w.Write(content(1, size)); err != nil {
				t.Fatal(err)
			}
			if _, err := s.Stat(t.Context(), "jobs/1/text"); !errors.Is(err, job.ErrFileNotFound) {
				t.Errorf("seen before it was whole: %v", err)
			}
			w.Discard()
			w.Discard()
			if _, err := w.Write([]byte("x")); err == nil {
				t.Error("written after Discard")
			}
			if err := w.Close(); err == nil {
				t.Error("closed after Discard")
			}
			if left := keys(t, s); len(left) > 0 {
				t.Errorf("left of %d bytes: %v", size, left)
			}
		}
		// A request that ended is the usual reason.
		ctx, cancel := context.WithCancel(t.Context())
		w, err := s.Create(ctx, "jobs/1/text", 0)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(content(1, 3*block)); err != nil {
			t.Fatal(err)
		}
		cancel()
		if _, err := w.Write(content(1, 3*block)); !errors.Is(err, context.Canceled) {
			t.Errorf("written after the request: %v", err)
		}
		if err := w.Close(); !errors.Is(err, context.Canceled) {
			t.Errorf("closed after the request: %v", err)
		}
		w.Discard()
		if left := keys(t, s); len(left) > 0 {
			t.Errorf("left of a request that ended: %v", left)
		}
	})
}

func TestLimit(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, p place) {
		s := p.open()
		for _, limit := range []int{1, block - 1, block, 2 * block, 2*block + 5} {
			for _, more := range []int{0, 1, 3 * block} {
				w, err := s.Create(t.Context(), "jobs/1/text", int64(limit))
				if err != nil {
					t.Fatal(err)
				}
				_, err = io.Copy(w, bytes.NewReader(content(1, limit+more)))
				var large *job.FileTooLargeError
				switch {
				case more == 0 && (err != nil || w.Close() != nil):
					t.Errorf("%d of %d bytes: %v", limit, limit, err)
				case more > 0 && (!errors.As(err, &large) || large.Max != int64(limit) || w.Close() == nil):
					t.Errorf("%d of %d bytes: %v", limit+more, limit, err)
				}
				w.Discard()
				if err := s.Delete(t.Context(), "jobs/1/text"); err != nil {
					t.Fatal(err)
				}
				if left := keys(t, s); len(left) > 0 {
					t.Errorf("left: %v", left)
				}
			}
		}
	})
}

// Two processes that write one object leave one of the two whole.
func TestTwoWriters(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, p place) {
		bodies := [][]byte{content(1, 3*block), content(2, 5*block+1), content(3, 10), content(4, block)}
		for range 5 {
			var wg sync.WaitGroup
			for _, body := range bodies {
				wg.Go(func() {
					s := p.open()
					w, err := s.Create(t.Context(), "jobs/1/text", 0)
					if err != nil {
						t.Error(err)
						return
					}
					defer w.Discard()
					_, err = w.Write(body)
					if err := errors.Join(err, w.Close()); err != nil {
						t.Error(err)
					}
				})
			}
			wg.Wait()
			s := p.open()
			got := read(t, s, "jobs/1/text")
			if !slices.ContainsFunc(bodies, func(b []byte) bool { return bytes.Equal(b, got) }) {
				t.Errorf("%d bytes of nobody", len(got))
			}
			if left := keys(t, s); len(left) != 1 {
				t.Errorf("left: %v", left)
			}
		}
	})
}

// A process writes while another deletes what else is in the same folder.
func TestCreateBesideDelete(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, p place) {
		s := p.open()
		var wg sync.WaitGroup
		for i := range 4 {
			wg.Go(func() {
				name := fmt.Sprintf("jobs/1/part-%d", i)
				for range 25 {
					create(t, s, name, []byte("x"))
					if err := s.Delete(t.Context(), name); err != nil {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
		if left := keys(t, s); len(left) > 0 {
			t.Errorf("left: %v", left)
		}
	})
}

func TestSweep(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, p place) {
		s := p.open()
		begun := time.Now()
		create(t, s, "jobs/1/text", content(1, 2*block))
		create(t, s, "jobs/2/text", content(1, 10))
		// One process died in an object, one in an upload.
		w, err := s.Create(t.Context(), "jobs/3/text", 0)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(content(1, 3*block)); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"uploads/1", "uploads/2", "uploads/3"} {
			g, err := s.Begin(t.Context(), name, 3*block, nil)
			if err != nil {
				t.Fatal(err)
			}
			size := 2*block + 5
			if name == "uploads/3" {
				size = 3 * block
			}
			if _, err := g.Append(t.Context(), 0, bytes.NewReader(content(1, size))); err != nil {
				t.Fatal(err)
			}
		}
		asked := map[string]bool{}
		n, err := s.Sweep(t.Context(), func(name string, modified time.Time) bool {
			asked[name] = true
			if modified.Before(begun.Add(-2*time.Second)) || modified.After(time.Now().Add(2*time.Second)) {
				t.Errorf("%s was modified at %s", name, modified)
			}
			return true
		})
		if err != nil || n != 0 || len(asked) != 6 {
			t.Errorf("swept %d, %v, asked for %v", n, err, asked)
		}
		n, err = s.Sweep(t.Context(), func(name string, _ time.Time) bool { return name == "jobs/1/text" || name == "uploads/1" })
		if err != nil || n != 4 {
			t.Errorf("swept %d, %v", n, err)
		}
		for _, key := range keys(t, s) {
			if name, _, _ := strings.Cut(key, "~"); name != "jobs/1/text" && name != "uploads/1" {
				t.Errorf("left: %s", key)
			}
		}
		if got := read(t, s, "jobs/1/text"); !bytes.Equal(got, content(1, 2*block)) {
			t.Error("what was kept is another")
		}
		g, err := s.Growing(t.Context(), "uploads/1")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := g.Append(t.Context(), g.Offset(), bytes.NewReader(content(1, 3*block)[g.Offset():])); err != nil || !g.Done() {
			t.Errorf("an upload that was kept does not go on: %v", err)
		}
	})
}

// What is not ours is neither listed nor swept.
func TestForeignFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := place{t, "file://" + dir}.open()
	for _, name := range []string{"lost+found/x", ".nfs0001", "README.md"} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("/etc/passwd", filepath.Join(dir, "passwd")); err != nil {
		t.Fatal(err)
	}
	for info, err := range s.List(t.Context(), "") {
		t.Errorf("listed: %v, %v", info, err)
	}
	n, err := s.Sweep(t.Context(), func(string, time.Time) bool { return false })
	if n != 0 || err != nil {
		t.Errorf("swept %d, %v", n, err)
	}
	if o, err := s.Open(t.Context(), "passwd"); err == nil {
		t.Errorf("a link out of the folder was opened: %+v", o.Info)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 4 {
		t.Errorf("left: %v, %v", left, err)
	}
}

func TestOpen(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, good := range []string{
		"file://" + dir, "file://" + dir + "/a/b", "s3://muster", "s3://muster/a/b/", "s3://key:s%2Fe%2Bcret@muster?region=eu-central-1",
		"s3://muster?endpoint=http://127.0.0.1:9000", "s3://muster?endpoint=https://minio.example.com/&region=x",
	} {
		if _, err := filestore.Open(good); err != nil {
			t.Errorf("%s: %v", good, err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{
		"", "x", "/tmp", "file://", "file://" + dir + "/file", "s3://", "s3:///prefix", "gs://muster", "s3://muster?endpoint=minio:9000",
		"s3://muster?endpoint=http://minio/path", "s3://muster?Region=x", "s3://key:hunter2/x@muster", "s3://key:hunter2@muster?endpoint=:", "s3://key:hunter2@MU_STER:x",
	} {
		_, err := filestore.Open(bad)
		if err == nil {
			t.Errorf("%q was taken", bad)
		} else if strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%q: the error shows the secret: %v", bad, err)
		}
	}
}
