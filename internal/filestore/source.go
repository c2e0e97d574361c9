package filestore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"syscall"

	"github.com/musterhq/muster/internal/job"
)

// Source is a folder, or a bucket, of files that others put there, under names of theirs. It is only read.
type Source struct{ files sourceFiles }

// maxKey is the longest key of a bucket, in bytes.
const maxKey = 1024

// sourceFiles opens the file under a key that fs.ValidPath takes.
type sourceFiles interface {
	openFile(ctx context.Context, key string) (io.ReadCloser, int64, error)
}

// OpenSource returns the source at a URL of the form that Open takes. Nothing is asked of the folder or the bucket yet.
func OpenSource(rawURL string) (*Source, error) {
	switch scheme, rest, _ := strings.Cut(rawURL, "://"); {
	case scheme == "file" && rest != "":
		return &Source{sourceFolder{folder{rest}}}, nil
	case scheme == "s3":
		b, err := newBucket(rawURL, patience)
		if err != nil {
			return nil, err
		}
		return &Source{sourceBucket{b}}, nil
	}
	return nil, errors.New("want file:///path, or s3://bucket/prefix?region=…&endpoint=…")
}

// Open reads the file under a path of names joined by "/", and returns its size in bytes. Close it when done; ctx has to live
// as long as it is read. No key leads outside of the source. Errors: job.ErrFileNotFound, also for a folder and for what
// can be no key; job.ErrFilesUnavailable; that of ctx.
func (s *Source) Open(ctx context.Context, key string) (io.ReadCloser, int64, error) {
	if !fs.ValidPath(key) || key == "." || len(key) > maxKey || strings.ContainsRune(key, 0) {
		return nil, 0, fmt.Errorf("%w: no such path can be", job.ErrFileNotFound)
	}
	return s.files.openFile(ctx, key)
}

type sourceFolder struct{ folder }

func (s sourceFolder) openFile(ctx context.Context, key string) (file io.ReadCloser, size int64, err error) {
	err = s.in(ctx, func(r *os.Root) error {
		info, err := r.Stat(key)
		if err != nil {
			return outside(err)
		}
		if !info.Mode().IsRegular() { // a folder; or a pipe, which would be waited for
			return fs.ErrNotExist
		}
		file, err = r.Open(key)
		size = info.Size()
		return outside(err)
	})
	if err != nil {
		return nil, 0, err
	}
	return file, size, nil
}

// outside: what is wrong with a path, and not with the disk, is that it has no file. os.Root says so of a link that leads
// outside, by an error without a name.
func outside(err error) error {
	switch number, ok := errors.AsType[syscall.Errno](err); {
	case err == nil:
		return nil
	case ok && number != syscall.ENAMETOOLONG && number != syscall.ELOOP && number != syscall.EINVAL:
		return err
	}
	return fmt.Errorf("%w: %w", job.ErrFileNotFound, err)
}

type sourceBucket struct{ *bucket }

func (s sourceBucket) openFile(ctx context.Context, key string) (io.ReadCloser, int64, error) {
	o, err := s.open(ctx, key)
	if err != nil {
		return nil, 0, err
	}
	return o.Range(ctx, 0, -1), o.Size, nil
}
