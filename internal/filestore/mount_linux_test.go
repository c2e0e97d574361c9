package filestore_test

import (
	"bytes"
	"errors"
	"fmt"
	"syscall"
	"testing"

	"github.com/musterhq/muster/internal/filestore"
	"github.com/musterhq/muster/internal/job"
	"github.com/musterhq/muster/internal/testenv"
)

// mount mounts an empty file system in memory, which only root may.
func mount(t *testing.T, options string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	if err := syscall.Mount("none", dir, "tmpfs", 0, options); err != nil {
		testenv.Missing(t, "tmpfs") // or the right to mount one
		t.SkipNow()
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir
}

func TestFolderReadOnly(t *testing.T) {
	t.Parallel()
	dir := mount(t, "size=1m")
	s := prepared(t, place{t, "file://" + dir})
	if err := syscall.Mount("none", dir, "tmpfs", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
	for what, err := range everything(t, s) {
		reads := map[string]bool{"Growing": true, "Stat": true, "Open": true, "List": true, "Sweep": true}
		if reads[what] && err != nil || !reads[what] && !errors.Is(err, job.ErrFilesUnavailable) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if _, err := filestore.Open("file://" + dir + "/new"); err == nil {
		t.Error("a folder that cannot be made was opened")
	}
}

// On a full disk nothing is left half written, what is there can be read and deleted, and then it goes on.
func TestFolderFull(t *testing.T) {
	t.Parallel()
	s := prepared(t, place{t, "file://" + mount(t, "size=256k")})
	body := content(7, 300<<10)
	begin(t, s, "uploads/2", len(body))
	before := keys(t, s)
	w, err := s.Create(t.Context(), "jobs/3/text", 0)
	if err != nil {
		t.Fatal(err)
	}
	_, err = w.Write(body)
	if err = errors.Join(err, w.Close()); !errors.Is(err, job.ErrNoSpace) {
		t.Errorf("Create: %v", err)
	}
	w.Discard()
	if after := keys(t, s); fmt.Sprint(after) != fmt.Sprint(before) {
		t.Errorf("left on a full disk: %v, before %v", after, before)
	}

	g, err := s.Growing(t.Context(), "uploads/2")
	if err != nil {
		t.Fatal(err)
	}
	kept, err := g.Append(t.Context(), 0, bytes.NewReader(body))
	if !errors.Is(err, job.ErrNoSpace) || kept < 100<<10 {
		t.Errorf("Append kept %d: %v", kept, err)
	}
	w, err = s.Create(t.Context(), "jobs/4/text", 0)
	if err != nil {
		t.Fatal(err)
	}
	_, err = w.Write(content(1, 2*block))
	if err = errors.Join(err, w.Close()); !errors.Is(err, job.ErrNoSpace) {
		t.Errorf("Create on what is left: %v", err)
	}
	w.Discard()
	if got := read(t, s, "jobs/1/text"); !bytes.Equal(got, content(1, 2*block)) {
		t.Error("what was there is another")
	}
	g, err = s.Growing(t.Context(), "uploads/2")
	if err != nil || g.Offset() != kept {
		t.Errorf("the upload stands at %d instead of %d: %v", g.Offset(), kept, err)
	}
	if err := s.Delete(t.Context(), "uploads/2"); err != nil {
		t.Fatal(err)
	}
	for what, err := range everything(t, s) {
		if err != nil {
			t.Errorf("there is room again, %s: %v", what, err)
		}
	}
}
