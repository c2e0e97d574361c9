// Package filestore keeps files: in a folder, which all processes of an installation share, or in a bucket of an
// S3-compatible store. Objects are written once and as a whole, and read in ranges. One that arrives over several
// requests is a Growing; it survives the process that wrote it.
package filestore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/musterhq/muster/internal/job"
)

const (
	// defaultBlock is how much of an object is written at once, and so how much memory writing one takes. A bucket wants
	// at least 5 MiB.
	defaultBlock = 8 << 20
	// MaxBytes is the size of the largest object: a bucket takes 10,000 blocks.
	MaxBytes = 10_000 * defaultBlock
)

// Store is a file store. All methods may be called at once, by many processes. Their errors are, or wrap,
// job.ErrFileNotFound, job.ErrNoSpace or job.ErrFilesUnavailable, or are that of the context.
//
// The name of an object is ours, never a client's: words of a-z, 0-9 and "-", joined by "/"; the last may have endings, such
// as ".csv.gz".
type Store struct {
	backend backend
	block   int       // size of blocks
	blocks  sync.Pool // of *[]byte
}

func newStore(b backend, block int) *Store {
	return &Store{backend: b, block: block, blocks: sync.Pool{New: func() any { return new(make([]byte, block)) }}}
}

// Info describes an object.
type Info struct {
	Name     string
	Size     int64 // bytes
	Modified time.Time
}

// backend keeps bytes under keys. A key is the name of an object, or that and after a "~" what else belongs to it. Each
// write is all or nothing, and on disk when it returns.
type backend interface {
	// put replaces what was there. putNew is errExists when there is something.
	put(ctx context.Context, key string, body []byte) error
	putNew(ctx context.Context, key string, body []byte) error
	open(ctx context.Context, key string) (*Object, error)
	// get is open for all of it, at one moment.
	get(ctx context.Context, key string) (body io.ReadCloser, size int64, err error)
	stat(ctx context.Context, key string) (Info, error)
	// remove is nil when there is nothing.
	remove(ctx context.Context, key string) error
	// list yields keys in alphabetical order, and those of parts (partKey) too if asked for.
	list(ctx context.Context, prefix string, parts bool) iter.Seq2[Info, error]

	// begin makes a part: blocks that become the object name when they are all there.
	begin(ctx context.Context, name string) (part string, err error)
	// write writes the block with this number, from 0, which begins at offset of the object. All blocks of an object are of
	// one size, except the last. The tag tells the block's content from others; "": the backend needs none.
	write(ctx context.Context, name, part string, number int, offset int64, block []byte) (tag string, err error)
	// commit makes the object of the blocks with these tags, all that there are. It is errConflict when one is another.
	commit(ctx context.Context, name, part string, tags []string) error

	// link returns an address at which anybody may read the object for a while, under this name; "": there is none.
	link(ctx context.Context, key, fileName string, life time.Duration) (string, error)

	// check writes something and removes it.
	check(ctx context.Context) error
}

var (
	errExists   = errors.New("exists already")
	errConflict = errors.New("blocks of two writers")
)

// Open returns the file store at a URL:
//
//	file:///path                                          a folder, made when it is not there
//	s3://bucket/prefix?region=…&endpoint=http://host:9000   a bucket; for Amazon no endpoint
//
// The keys of a bucket come as s3://key:secret@bucket (percent-encoded), or else from AWS_ACCESS_KEY_ID and the other
// places where Amazon's tools look. Nothing is asked of a bucket yet: Check does.
func Open(rawURL string) (*Store, error) {
	switch scheme, rest, _ := strings.Cut(rawURL, "://"); scheme {
	case "file":
		f, err := newFolder(rest)
		if err != nil {
			return nil, err
		}
		return newStore(f, defaultBlock), nil
	case "s3":
		b, err := newBucket(rawURL, patience)
		if err != nil {
			return nil, err
		}
		return newStore(b, defaultBlock), nil
	}
	return nil, errors.New("want file:///path, or s3://bucket/prefix?region=…&endpoint=…")
}

// Check returns why the store cannot be written.
func (s *Store) Check(ctx context.Context) error { return s.backend.check(ctx) }

// Open returns the object, to be read and closed. ctx has to live as long as it is read.
func (s *Store) Open(ctx context.Context, name string) (*Object, error) {
	if err := valid(name); err != nil {
		return nil, err
	}
	return s.backend.open(ctx, name)
}

// Stat describes the object.
func (s *Store) Stat(ctx context.Context, name string) (Info, error) {
	if err := valid(name); err != nil {
		return Info{}, err
	}
	return s.backend.stat(ctx, name)
}

// Link returns a signed address at which anybody may read the object, under this file name, for as long as life says, at most
// seven days. It is empty for a folder, which answers no requests.
func (s *Store) Link(ctx context.Context, name, fileName string, life time.Duration) (string, error) {
	if err := valid(name); err != nil {
		return "", err
	}
	return s.backend.link(ctx, name, fileName, life)
}

// Delete removes the object, whether it is whole or growing. It is nil when there is none.
func (s *Store) Delete(ctx context.Context, name string) error {
	if err := valid(name); err != nil {
		return err
	}
	var keys []string
	for info, err := range s.backend.list(ctx, name, true) {
		if err != nil {
			return err
		}
		if ownerOf(info.Name) == name {
			keys = append(keys, info.Name)
		}
	}
	// From behind: the object goes last, as long as something says that it is there.
	for _, key := range slices.Backward(keys) {
		if err := s.backend.remove(ctx, key); err != nil {
			return err
		}
	}
	return nil
}

// List yields the whole objects whose names begin with prefix, in alphabetical order. An error ends it.
func (s *Store) List(ctx context.Context, prefix string) iter.Seq2[Info, error] {
	return func(yield func(Info, error) bool) {
		for info, err := range s.backend.list(ctx, prefix, false) {
			if err != nil {
				yield(Info{}, err)
				return
			}
			if valid(info.Name) == nil && !yield(info, nil) {
				return
			}
		}
	}
}

// Sweep deletes the objects that keep does not want to keep, and counts them. Objects that are not whole, because they
// grow, or because a process died over them, are asked for too; modified is when anything of them was last written, so
// keep should say yes for as long as somebody may still be at it. What cannot be deleted is left to the next sweep; the
// error says why.
func (s *Store) Sweep(ctx context.Context, keep func(name string, modified time.Time) bool) (deleted int, err error) {
	return s.SweepBelow(ctx, "", keep)
}

// SweepBelow is Sweep for objects whose names begin with prefix.
func (s *Store) SweepBelow(
	ctx context.Context, prefix string, keep func(name string, modified time.Time) bool,
) (deleted int, err error) {
	modified := map[string]time.Time{}
	for info, err := range s.backend.list(ctx, prefix, true) {
		if err != nil {
			return 0, err
		}
		name := ownerOf(info.Name)
		if valid(name) == nil && info.Modified.After(modified[name]) {
			modified[name] = info.Modified
		}
	}
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(modified)) {
		if keep(name, modified[name]) {
			continue
		}
		if err := s.Delete(ctx, name); err != nil {
			errs = append(errs, err)
			continue
		}
		deleted++
	}
	return deleted, errors.Join(errs...)
}

// Object is an object that is being read. Its methods may be called at once.
type Object struct {
	Info
	body body
}

// body is where an Object reads from.
type body interface {
	io.ReaderAt
	io.Closer
	// reader reads from off up to, and without, end.
	reader(ctx context.Context, off, end int64) io.ReadCloser
}

// ReadAt is io.ReaderAt's.
func (o *Object) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 || off >= o.Size {
		return 0, io.EOF
	}
	short := o.Size-off < int64(len(p))
	if short {
		p = p[:o.Size-off]
	}
	n, err := o.body.ReadAt(p, off)
	switch {
	case n < len(p) && (err == nil || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)):
		return n, fmt.Errorf("%w: %s ends too early", job.ErrFilesUnavailable, o.Name)
	case n < len(p):
		return n, err
	case short:
		return n, io.EOF
	}
	return n, nil
}

// Range reads length bytes from offset on, or as many as there are; length < 0: all of them. Close it when done.
func (o *Object) Range(ctx context.Context, offset, length int64) io.ReadCloser {
	offset = min(max(offset, 0), o.Size)
	end := o.Size
	if length >= 0 && length < end-offset {
		end = offset + length
	}
	return o.body.reader(ctx, offset, end)
}

// Local reports whether the object is a file that ReadAt reads without a request for each call.
func (o *Object) Local() bool {
	_, ok := o.body.(openFile)
	return ok
}

// Close ends the reading.
func (o *Object) Close() error { return o.body.Close() }

var nameForm = regexp.MustCompile(`^[a-z0-9-]+(/[a-z0-9-]+)*(\.[a-z0-9]+)*$`)

// valid guards against names that are paths of their own, or a client's.
func valid(name string) error {
	if len(name) > 200 || !nameForm.MatchString(name) {
		return fmt.Errorf("%q is no name of an object", name)
	}
	return nil
}

// ownerOf is the name of the object that a key belongs to.
func ownerOf(key string) string {
	name, _, _ := strings.Cut(key, "~")
	return name
}

// partKey is the key under which list shows a part of the object.
func partKey(name, part string) string { return name + partMark + part }

const (
	partMark  = "~part~"
	stateMark = "~state~"
	tempMark  = "~temp~"
)
