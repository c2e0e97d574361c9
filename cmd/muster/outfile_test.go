package main

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
)

func write(t *testing.T, name, text string, commit bool) {
	t.Helper()
	f, err := create(name, func() error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(f, text); err != nil {
		t.Fatal(err)
	}
	if commit {
		if err := f.commit(); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

// holds checks the text and the permissions of a regular file, and how many files are in its folder.
func holds(t *testing.T, name, text string, perm os.FileMode, files int) {
	t.Helper()
	info, err := os.Lstat(name)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(name); err != nil || string(got) != text || info.Mode() != perm {
		t.Errorf("%s %s holds %q, %v; want %q", info.Mode(), name, got, err, text)
	}
	if all, err := os.ReadDir(filepath.Dir(name)); err != nil || len(all) != files {
		t.Errorf("files %v, %v", all, err)
	}
}

func TestOutFileAppearsWhole(t *testing.T) {
	t.Parallel()
	name := filepath.Join(t.TempDir(), "users.csv")
	probe, err := os.OpenFile(name, os.O_CREATE|os.O_WRONLY, 0o666)
	if err != nil {
		t.Fatal(err)
	}
	_ = probe.Close()
	info, err := os.Stat(name) // what the umask leaves
	if err != nil || os.Remove(name) != nil {
		t.Fatal(err)
	}
	write(t, name, "broken", false)
	if _, err := os.Stat(name); !os.IsNotExist(err) {
		t.Errorf("an export that broke is there: %v", err)
	}
	write(t, name, "users", true)
	holds(t, name, "users", info.Mode(), 1)
	if err := os.Chmod(name, 0o640); err != nil {
		t.Fatal(err)
	}
	write(t, name, "broken", false)
	holds(t, name, "users", 0o640, 1)
	write(t, name, "more users", true)
	holds(t, name, "more users", 0o640, 1)
}

// A file that is there, or comes while another is written, stays when it may not be replaced. An empty one has nothing to lose.
func TestOutFileReplaces(t *testing.T) {
	t.Parallel()
	name := filepath.Join(t.TempDir(), "users.csv")
	keep := errors.New("kept")
	no := func() error { return keep }
	if err := os.WriteFile(name, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := create(name, no)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(f.commit(), f.Close(), os.Remove(name)); err != nil {
		t.Fatal(err)
	}

	if f, err = create(name, no); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte("another's"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := f.commit(); !errors.Is(err, keep) {
		t.Errorf("commit over another's: %v", err)
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
	holds(t, name, "another's", 0o600, 1)

	if _, err := create(name, no); !errors.Is(err, keep) {
		t.Errorf("create over another's: %v", err)
	}
	holds(t, name, "another's", 0o600, 1)
	write(t, name, "asked", true)
	holds(t, name, "asked", 0o600, 1)
}

// Errors are about the file that was asked for, and its folder.
func TestOutFileErrors(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if _, err := create(filepath.Join(dir, "none", "users.csv"), nil); err == nil || err.Error() != "the folder "+dir+"/none/: no such file or directory" {
		t.Errorf("without a folder: %v", err)
	}
	f, err := create(filepath.Join(dir, "users.csv"), nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if err := f.commit(); err == nil || err.Error() != "no such file or directory" {
		t.Errorf("commit without a folder: %v", err)
	}
	if _, err := f.Write([]byte("x")); err == nil || err.Error() != "file already closed" {
		t.Errorf("write after the end: %v", err)
	}
}

func TestOutFileFollowsLinks(t *testing.T) {
	t.Parallel()
	dir, links := t.TempDir(), t.TempDir()
	file, link := filepath.Join(dir, "users.csv"), filepath.Join(links, "link")
	if err := os.Symlink(file, filepath.Join(links, "next")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("next", link); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"users", "more"} {
		write(t, link, text, true)
		holds(t, file, text, 0o600, 1)
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	write(t, link, "anew", true) // the link leads nowhere before
	if got, err := os.ReadFile(file); err != nil || string(got) != "anew" {
		t.Errorf("behind the link: %q, %v", got, err)
	}
	if target, err := os.Readlink(link); err != nil || target != "next" {
		t.Errorf("the link leads to %q, %v", target, err)
	}
}

func TestOutFileThatIsNoRegularFile(t *testing.T) {
	t.Parallel()
	write(t, os.DevNull, "users", true)
	if info, err := os.Stat(os.DevNull); err != nil || info.Mode().IsRegular() {
		t.Errorf("%s is %v, %v", os.DevNull, info.Mode(), err)
	}
	fifo := filepath.Join(t.TempDir(), "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Skip("SKIPPED: no FIFO here: ", err)
	}
	read := make(chan string)
	go func() {
		text, _ := os.ReadFile(fifo)
		read <- string(text)
	}()
	write(t, fifo, "users", true)
	if got := <-read; got != "users" {
		t.Errorf("through the FIFO came %q", got)
	}
	if info, err := os.Stat(fifo); err != nil || info.Mode()&os.ModeNamedPipe == 0 {
		t.Errorf("the FIFO is %v, %v", info.Mode(), err)
	}
	if f, err := create(t.TempDir(), nil); err == nil {
		t.Errorf("a folder was opened: %v", f.Name())
	}
}

// A file that the shell has opened, for example to append to it, is written to as it is.
func TestOutFileIntoADescriptor(t *testing.T) {
	t.Parallel()
	name := filepath.Join(t.TempDir(), "all.csv")
	if err := os.WriteFile(name, []byte("kept,"), 0o600); err != nil {
		t.Fatal(err)
	}
	fd, err := syscall.Open(name, syscall.O_WRONLY|syscall.O_APPEND, 0)
	if err != nil {
		t.Fatal(err)
	}
	write(t, "/dev/fd/"+strconv.Itoa(fd), "new", true) // closes it
	holds(t, name, "kept,new", 0o600, 1)
}

// The folder behind a link is not the one that the path seems to name.
func TestOutFileBehindALinkedFolder(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "data", "inner"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("data/inner", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("real.csv", filepath.Join(dir, "data", "cur")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "data", "real.csv"), []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	write(t, dir+"/link/../cur", "new", true)
	holds(t, filepath.Join(dir, "data", "real.csv"), "new", 0o600, 3)
}
