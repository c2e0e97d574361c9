package filestore_test

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/musterhq/muster/internal/filestore"
	"github.com/musterhq/muster/internal/job"
)

// badKeys are no files of a source, however they are read.
var badKeys = []string{
	"", ".", "..", "/", "/etc/passwd", "../secret.csv", "in/../../secret.csv", "in/..", "in//users.csv", "./in/users.csv", "in/users.csv/", "in/users.csv/x",
	"a\x00b", "\x00", "in/users.csv\x00", "\xff", `..\secret.csv`, "in", "gone.csv", strings.Repeat("x", 5000), "file:///etc/passwd", "~root", strings.Repeat("x", 300),
}

func checkSource(t *testing.T, url string) {
	t.Helper()
	s, err := filestore.OpenSource(url)
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"in/users.csv", "in/großer Name (2).csv"} {
		r, size, err := s.Open(t.Context(), key)
		if err != nil {
			t.Fatalf("%s: %v", key, err)
		}
		got, err := io.ReadAll(r)
		if err != nil || string(got) != "of "+key || size != int64(len(got)) {
			t.Errorf("%s: %q, %d bytes, %v", key, got, size, err)
		}
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	}
	for _, key := range badKeys {
		if _, _, err := s.Open(t.Context(), key); !errors.Is(err, job.ErrFileNotFound) {
			t.Errorf("%.40q: %v, want %v", key, err, job.ErrFileNotFound)
		}
	}
}

func TestSourceIsAFolder(t *testing.T) {
	t.Parallel()
	dir := tempDir(t)
	root := filepath.Join(dir, "source")
	for _, key := range []string{"in/users.csv", "in/großer Name (2).csv"} {
		write(t, filepath.Join(root, key), "of "+key)
	}
	write(t, filepath.Join(dir, "secret.csv"), "secret")
	// Whoever may write there is not whoever may read all of this machine.
	for name, to := range map[string]string{"link.csv": "../secret.csv", "up": "..", "absolute.csv": filepath.Join(dir, "secret.csv"), "within.csv": "in/users.csv", "dangling.csv": "gone"} {
		if err := os.Symlink(to, filepath.Join(root, name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := syscall.Mkfifo(filepath.Join(root, "pipe.csv"), 0o600); err != nil {
		t.Fatal(err)
	}
	checkSource(t, "file://"+root)
	s, err := filestore.OpenSource("file://" + root)
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"link.csv", "up/secret.csv", "absolute.csv", "dangling.csv", "pipe.csv", "up"} {
		if _, _, err := s.Open(t.Context(), key); !errors.Is(err, job.ErrFileNotFound) {
			t.Errorf("%s: %v", key, err)
		}
	}
	r, _, err := s.Open(t.Context(), "within.csv")
	if err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(r); err != nil || string(got) != "of in/users.csv" {
		t.Errorf("a link within: %q, %v", got, err)
	}
	_ = r.Close()

	gone, err := filestore.OpenSource("file://" + filepath.Join(dir, "not mounted"))
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := gone.Open(t.Context(), "users.csv"); !errors.Is(err, job.ErrFilesUnavailable) {
		t.Errorf("without the folder: %v", err)
	}
	if _, err := os.Stat(filepath.Join(dir, "not mounted")); err == nil {
		t.Error("the folder was made")
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestSourceIsABucket(t *testing.T) {
	t.Parallel()
	p := newS3(t, nil)
	for _, key := range []string{"in/users.csv", "in/großer Name (2).csv"} {
		if err := filestore.PutForTest(t.Context(), p.url, key, "of "+key); err != nil {
			t.Fatal(err)
		}
	}
	if err := filestore.PutForTest(t.Context(), strings.Replace(p.url, "some/where", "some", 1), "secret.csv", "secret"); err != nil {
		t.Fatal(err)
	}
	checkSource(t, p.url)
}

func TestSourcesThatAreNone(t *testing.T) {
	t.Parallel()
	for _, url := range []string{"", "file://", "/tmp", "http://x", "s3://", "s3://b?x=1"} {
		if _, err := filestore.OpenSource(url); err == nil {
			t.Errorf("%q is a source", url)
		}
	}
}
