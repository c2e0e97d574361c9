package main

import (
	"cmp"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// outFile is written beside its place and gets its name by commit, so that it appears only when it is whole. What is
// no regular file, such as a device or a FIFO, is written to as it is. Errors do not name the temporary file.
type outFile struct {
	*os.File
	name    string       // to get; empty: none
	replace func() error // asks whether a file of that name may be overwritten; nil: it was asked
}

// create makes the file for name, following symbolic links. It overwrites one that exists and is not empty when replace
// returns nil, and keeps its permissions; replace may be called again by commit, when such a file has come meanwhile.
// Close it when done.
func create(name string, replace func() error) (*outFile, error) {
	if fd, ok := descriptor(name); ok { // not replaced by a new file: others may write to the open one as well
		return &outFile{File: os.NewFile(fd, name)}, nil
	}
	perm, exists := os.FileMode(0o666), false // less the umask
	switch info, err := os.Stat(name); {
	case err == nil && !info.Mode().IsRegular():
		f, err := os.OpenFile(name, os.O_WRONLY, 0)
		return &outFile{File: f}, cause(err)
	case err == nil:
		perm, exists = info.Mode().Perm(), true
		if info.Size() > 0 { // as mktemp makes it, it holds nothing to lose
			if err := replace(); err != nil {
				return nil, err
			}
		}
	case !errors.Is(err, os.ErrNotExist):
		return nil, cause(err)
	}
	name, err := behindLinks(name)
	if err != nil {
		return nil, err
	}
	dir, _ := filepath.Split(name) // not Dir: what .. means depends on links before it
	temp := dir + ".muster-export-" + rand.Text()
	f, err := os.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, perm)
	if err != nil {
		return nil, fmt.Errorf("the folder %s: %w", cmp.Or(dir, "."), cause(err))
	}
	out := &outFile{File: f, name: name, replace: replace}
	if exists {
		out.replace = nil
		if err := f.Chmod(perm); err != nil {
			return nil, errors.Join(cause(err), out.Close())
		}
	}
	return out, nil
}

// cause returns err without the name of the file that it is about.
func cause(err error) error {
	if e, ok := errors.AsType[*os.PathError](err); ok {
		return e.Err
	}
	if e, ok := errors.AsType[*os.LinkError](err); ok {
		return e.Err
	}
	return err
}

// descriptor returns the open file that a name such as /dev/stdout or /dev/fd/3 stands for.
func descriptor(name string) (fd uintptr, ok bool) {
	switch name {
	case "/dev/stdout":
		return 1, true
	case "/dev/stderr":
		return 2, true
	}
	for _, dir := range []string{"/dev/fd/", "/proc/self/fd/"} {
		if number, found := strings.CutPrefix(name, dir); found {
			n, err := strconv.ParseUint(number, 10, 16)
			return uintptr(n), err == nil
		}
	}
	return 0, false
}

// behindLinks returns what a chain of symbolic links leads to, whether that exists or not.
func behindLinks(name string) (string, error) {
	for range 40 { // as many as Linux follows
		target, err := os.Readlink(name)
		if err != nil {
			return name, nil //nolint:nilerr // no link
		}
		if !filepath.IsAbs(target) {
			dir, _ := filepath.Split(name)
			target = dir + target
		}
		name = target
	}
	return "", errors.New("too many symbolic links")
}

// Write writes to the file.
func (f *outFile) Write(p []byte) (int, error) {
	n, err := f.File.Write(p)
	return n, cause(err)
}

// commit closes the file and gives it its name.
func (f *outFile) commit() error {
	if err := f.File.Close(); err != nil || f.name == "" {
		return cause(err)
	}
	if info, err := os.Lstat(f.name); err == nil && info.Size() > 0 && f.replace != nil {
		if err := f.replace(); err != nil {
			return err
		}
	}
	if err := os.Rename(f.Name(), f.name); err != nil {
		return cause(err)
	}
	f.name = ""
	return nil
}

// Close removes a file that was not committed.
func (f *outFile) Close() error {
	_ = f.File.Close() // twice after commit
	if f.name == "" {
		return nil
	}
	return cause(os.Remove(f.Name()))
}
