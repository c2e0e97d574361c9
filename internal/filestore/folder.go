package filestore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/musterhq/muster/internal/job"
)

// folder is a backend: a key is a path below dir. What is written is flushed to the disk, and appears by a rename.
type folder struct{ dir string }

func newFolder(dir string) (*folder, error) {
	if dir == "" {
		return nil, errors.New("want a folder: file:///path")
	}
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return nil, err
	}
	return &folder{dir: dir}, nil
}

// root opens the folder anew each time: one that is gone must not be made again under the mount point of a disk that is
// away, and an open one would keep that disk from being unmounted. os.Root keeps keys and links inside.
func (f *folder) root() (*os.Root, error) {
	r, err := os.OpenRoot(f.dir)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", job.ErrFilesUnavailable, err)
	}
	return r, nil
}

// in runs fn in the folder and translates its error.
func (f *folder) in(ctx context.Context, fn func(r *os.Root) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	r, err := f.root()
	if err != nil {
		return err
	}
	defer func() { _ = r.Close() }()
	return diskError(fn(r))
}

// diskError translates an error of the file system.
func diskError(err error) error {
	switch {
	case err == nil, errors.Is(err, errExists), errors.Is(err, job.ErrFilesUnavailable), errors.Is(err, job.ErrFileNotFound), errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENOTDIR): // below an object is nothing
		return fmt.Errorf("%w: %w", job.ErrFileNotFound, err)
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return fmt.Errorf("%w: %w", job.ErrNoSpace, err)
	}
	return fmt.Errorf("%w: %w", job.ErrFilesUnavailable, err)
}

func (f *folder) put(ctx context.Context, key string, body []byte) error {
	return f.in(ctx, func(r *os.Root) error {
		return writeFile(r, key, body, func(temp string) error { return r.Rename(temp, key) })
	})
}

func (f *folder) putNew(ctx context.Context, key string, body []byte) error {
	return f.in(ctx, func(r *os.Root) error {
		return writeFile(r, key, body, func(temp string) error { return link(r, temp, key) })
	})
}

// link gives temp the name key, unless there is such a file.
func link(r *os.Root, temp, key string) error {
	err := r.Link(temp, key)
	switch {
	case errors.Is(err, fs.ErrExist):
		return errExists
	case err == nil:
		return r.Remove(temp)
	case !errors.Is(err, errors.ErrUnsupported) && !errors.Is(err, fs.ErrPermission):
		return err
	}
	// A file system without hard links: of two processes at this place at once the later one wins, and Growing bears it.
	if _, err := r.Lstat(key); err == nil {
		return errExists
	}
	return r.Rename(temp, key)
}

// writeFile writes body to a temporary file, and flushes it and the name that publish gives it.
func writeFile(r *os.Root, key string, body []byte, publish func(temp string) error) (err error) {
	temp := key + tempMark + token()
	file, err := create(r, temp)
	if err != nil {
		return err
	}
	_, err = file.Write(body)
	if err == nil {
		err = file.Sync()
	}
	if err := errors.Join(err, file.Close()); err != nil {
		return errors.Join(err, r.Remove(temp))
	}
	if err := publish(temp); err != nil {
		return errors.Join(err, r.Remove(temp))
	}
	return flushNames(r, key)
}

// create makes a file, and the folders to it.
func create(r *os.Root, key string) (file *os.File, err error) {
	for range 20 { // a folder that became empty may be removed in between, by another process
		if err = r.MkdirAll(path.Dir(key), 0o750); err == nil {
			file, err = r.OpenFile(key, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o640)
		}
		if !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrExist) {
			return file, err
		}
	}
	return nil, fmt.Errorf("%w: the folder of %s does not stay", job.ErrFilesUnavailable, key)
}

// flushNames writes to disk what the folders on the way to key hold.
func flushNames(r *os.Root, key string) error {
	for dir := path.Dir(key); ; dir = path.Dir(dir) {
		if err := syncDir(r, dir); err != nil || dir == "." {
			return err
		}
	}
}

func syncDir(r *os.Root, dir string) error {
	d, err := r.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

func (f *folder) open(ctx context.Context, key string) (o *Object, err error) {
	err = f.in(ctx, func(r *os.Root) error {
		file, err := r.Open(key)
		if err != nil {
			return err
		}
		info, err := file.Stat()
		if err == nil && !info.Mode().IsRegular() {
			err = fs.ErrNotExist // the folder of other objects
		}
		if err != nil {
			return errors.Join(err, file.Close())
		}
		o = &Object{Info: Info{Name: key, Size: info.Size(), Modified: info.ModTime()}, body: openFile{file}}
		return nil
	})
	return o, err
}

func (f *folder) get(ctx context.Context, key string) (io.ReadCloser, int64, error) {
	o, err := f.open(ctx, key)
	if err != nil {
		return nil, 0, err
	}
	return o.body.(openFile), o.Size, nil
}

// openFile is the body of an Object.
type openFile struct{ *os.File }

func (o openFile) ReadAt(p []byte, off int64) (int, error) {
	n, err := o.File.ReadAt(p, off)
	if err != nil && !errors.Is(err, io.EOF) {
		err = diskError(err)
	}
	return n, err
}

func (o openFile) reader(ctx context.Context, off, end int64) io.ReadCloser {
	return &section{ctx: ctx, SectionReader: io.NewSectionReader(o, off, end-off), left: end - off}
}

// section is a range of a file.
type section struct {
	ctx context.Context
	*io.SectionReader
	left int64
}

func (s *section) Read(p []byte) (int, error) {
	if err := s.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := s.SectionReader.Read(p)
	if s.left -= int64(n); errors.Is(err, io.EOF) && s.left > 0 {
		err = fmt.Errorf("%w: a file ends too early", job.ErrFilesUnavailable)
	}
	return n, err
}

func (*section) Close() error { return nil }

func (f *folder) stat(ctx context.Context, key string) (info Info, err error) {
	err = f.in(ctx, func(r *os.Root) error {
		got, err := r.Stat(key)
		if err == nil && !got.Mode().IsRegular() {
			err = fs.ErrNotExist
		}
		if err == nil {
			info = Info{Name: key, Size: got.Size(), Modified: got.ModTime()}
		}
		return err
	})
	return info, err
}

func (f *folder) remove(ctx context.Context, key string) error {
	return f.in(ctx, func(r *os.Root) error {
		err := r.Remove(key)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		for dir := path.Dir(key); err == nil && dir != "."; dir = path.Dir(dir) {
			if r.Remove(dir) != nil {
				break // it holds something else
			}
		}
		return err
	})
}

func (f *folder) list(ctx context.Context, prefix string, parts bool) iter.Seq2[Info, error] {
	return func(yield func(Info, error) bool) {
		err := f.in(ctx, func(r *os.Root) error {
			dir := "."
			if i := strings.LastIndexByte(prefix, '/'); i >= 0 {
				dir = prefix[:i]
			}
			_, err := walk(ctx, r, dir, func(key string) bool {
				return strings.HasPrefix(key, prefix) && (parts || !strings.Contains(key, partMark) && !strings.Contains(key, tempMark))
			}, func(info Info) bool { return yield(info, nil) })
			return err
		})
		if err != nil {
			yield(Info{}, err)
		}
	}
}

// walk yields the files below dir that want accepts, in alphabetical order of their keys, until yield says no. Files that
// go while it walks are passed over.
func walk(ctx context.Context, r *os.Root, dir string, want func(key string) bool, yield func(Info) bool) (goOn bool, err error) {
	if err := ctx.Err(); err != nil {
		return false, err
	}
	entries, err := fs.ReadDir(r.FS(), dir)
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENOTDIR):
		return true, nil
	case err != nil:
		return false, err
	}
	name := func(e fs.DirEntry) string {
		if e.IsDir() {
			return e.Name() + "/"
		}
		return e.Name()
	}
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return strings.Compare(name(a), name(b)) })
	for _, e := range entries {
		key := path.Join(dir, e.Name())
		if e.IsDir() {
			if goOn, err := walk(ctx, r, key, want, yield); !goOn {
				return false, err
			}
			continue
		}
		if !e.Type().IsRegular() || !want(key) {
			continue
		}
		info, err := e.Info()
		switch {
		case errors.Is(err, fs.ErrNotExist):
			continue
		case err != nil:
			return false, err
		}
		if !yield(Info{Name: key, Size: info.Size(), Modified: info.ModTime()}) {
			return false, nil
		}
	}
	return true, nil
}

// A part is one file.

func (f *folder) begin(ctx context.Context, name string) (part string, err error) {
	part = token()
	err = f.in(ctx, func(r *os.Root) error {
		file, err := create(r, partKey(name, part))
		if err != nil {
			return err
		}
		return errors.Join(file.Close(), flushNames(r, name))
	})
	return part, err
}

func (f *folder) write(ctx context.Context, name, part string, _ int, offset int64, block []byte) (string, error) {
	return "", f.in(ctx, func(r *os.Root) error {
		file, err := r.OpenFile(partKey(name, part), os.O_WRONLY, 0)
		if err != nil {
			return err
		}
		_, err = file.WriteAt(block, offset)
		if err == nil {
			err = file.Sync()
		}
		return errors.Join(err, file.Close())
	})
}

func (f *folder) commit(ctx context.Context, name, part string, _ []string) error {
	return f.in(ctx, func(r *os.Root) error {
		if err := r.Rename(partKey(name, part), name); err != nil {
			return err
		}
		return flushNames(r, name)
	})
}

// check does not wait for a network disk that hangs, which no context can interrupt.
func (f *folder) check(ctx context.Context) error {
	done := make(chan error, 1)
	go func() {
		done <- f.in(ctx, func(r *os.Root) error {
			key := "check" + tempMark + token()
			file, err := create(r, key)
			if err != nil {
				return err
			}
			_, err = file.WriteString("Muster can write here.\n")
			return errors.Join(err, file.Sync(), file.Close(), r.Remove(key))
		})
	}()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (f *folder) link(context.Context, string, string, time.Duration) (string, error) { return "", nil }
