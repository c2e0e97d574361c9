package records

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// source reads a Source, and remembers its error: what a decoder makes of it says that the file is damaged, when it is
// the store that does not answer.
type source struct {
	Source
	ctx context.Context
	n   int64 // how far it was read; all of it, if it is read here and there
	err error
}

func (s *source) Read(p []byte) (int, error) {
	if err := s.ctx.Err(); err != nil {
		s.err = err
		return 0, err
	}
	n, err := s.Source.Read(p)
	if s.n += int64(n); errors.Is(err, io.EOF) && s.n < s.Size() {
		err = fmt.Errorf("the source ends after %d of %d bytes: %w", s.n, s.Size(), io.ErrUnexpectedEOF)
	}
	if err != nil && !errors.Is(err, io.EOF) {
		s.err = err
	}
	return n, err
}

func (s *source) ReadAt(p []byte, off int64) (int, error) {
	if err := s.ctx.Err(); err != nil {
		s.err = err
		return 0, err
	}
	if off < 0 || off > s.Size() {
		return 0, io.EOF // a place that a damaged file names
	}
	s.n = s.Size()
	n, err := s.Source.ReadAt(p, off)
	if err != nil && !errors.Is(err, io.EOF) {
		s.err = err
	}
	return n, err
}

// explain makes of an error of reading the file that which callers get.
func (s *source) explain(err error) error {
	var file *FileError
	switch {
	case s.err != nil:
		return fmt.Errorf("read the file: %w", s.err)
	case s.ctx.Err() != nil:
		return fmt.Errorf("read the file: %w", s.ctx.Err())
	case errors.As(err, &file), errors.As(err, new(*tempError)):
		return err
	}
	return unreadable("the file is damaged or cut off", err)
}

// untilDone reads until its context ends: of what is in memory, or on this machine, the source is not asked.
type untilDone struct {
	ctx context.Context
	r   io.Reader
}

func (u untilDone) Read(p []byte) (int, error) {
	if err := u.ctx.Err(); err != nil {
		return 0, err
	}
	return u.r.Read(p)
}

// What a file may expand to: some mebibytes whatever its size, and no more than so many times its size. Gzip makes at
// most 1,032 bytes of one, of files that hold data some ten.
const (
	freeBytes = 64 << 20
	maxRatio  = 500
)

// measured passes on what a part of a file expands to, until it is beyond all measure.
type measured struct {
	r   io.Reader
	in  func() int64 // of how many bytes it is made
	out int64
	max int64 // 0: only in is the measure
}

func (m *measured) Read(p []byte) (int, error) {
	n, err := m.r.Read(p)
	if m.out += int64(n); m.out > freeBytes && m.out/maxRatio > m.in() || m.max > 0 && m.out > m.max {
		return 0, &FileError{Code: Bomb, Message: "the file expands to far more than its size"}
	}
	return n, err
}

// compressionOf returns the compression of what begins with these bytes.
func compressionOf(head []byte) string {
	switch {
	case bytes.HasPrefix(head, []byte{0x1F, 0x8B, 8}):
		return Gzip
	case bytes.HasPrefix(head, []byte{0x28, 0xB5, 0x2F, 0xFD}):
		return Zstd
	}
	return None
}

// zstdWindow is the most that a decoder holds back. zstd up to level 19 needs 8 MiB.
const zstdWindow = 32 << 20

// decompress returns what r expands to.
func decompress(r io.Reader, compression string) (_ io.Reader, closing func(), err error) {
	switch compression {
	case Gzip:
		z, err := gzip.NewReader(r)
		if err != nil {
			return nil, nil, unreadable("the file is not compressed with gzip, or damaged", err)
		}
		return z, func() {}, nil
	case Zstd:
		z, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(zstdWindow))
		if err != nil {
			return nil, nil, unreadable("the file is not compressed with zstd, or damaged", err)
		}
		return zstdErrors{z}, z.Close, nil
	}
	return nil, nil, &FileError{Code: UnknownFormat, Message: "there is no such compression"}
}

// zstdErrors says what can be done about a window that is too large.
type zstdErrors struct{ r io.Reader }

func (z zstdErrors) Read(p []byte) (int, error) {
	n, err := z.r.Read(p)
	if errors.Is(err, zstd.ErrWindowSizeExceeded) {
		err = &FileError{Code: TooLarge, Message: "the file was compressed with a window over 32 MiB; compress it without --ultra and --long", Err: err}
	}
	return n, err
}

// peek returns the first bytes of r, n of them unless r ends before, and a reader that begins with them. whole: r ends
// with them.
func peek(r io.Reader, n int) (head []byte, again io.Reader, whole bool) {
	head = make([]byte, 0, min(n, 64<<10))
	for len(head) < n {
		if len(head) == cap(head) {
			head = append(head, 0)[:len(head)]
		}
		m, err := r.Read(head[len(head):min(n, cap(head))])
		head = head[:len(head)+m]
		if err != nil {
			return head, io.MultiReader(bytes.NewReader(head), failing{err}), errors.Is(err, io.EOF)
		}
	}
	return head, io.MultiReader(bytes.NewReader(head), r), false
}

// failing is a reader that has nothing but an error.
type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

// cutOff is a reader that takes every error for its end: what it reads was cut off.
type cutOff struct{ r io.Reader }

func (c cutOff) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	if err != nil {
		err = io.EOF
	}
	return n, err
}

// spool keeps bytes that are written once and then read anywhere: in memory while they are few, then in a file.
type spool struct {
	dir    string
	memory []byte
	file   *os.File
	size   int64
}

// spoolMemory is how much a spool keeps in memory.
const spoolMemory = 4 << 20

// tempError: a temporary file cannot be used, which is not the fault of the file that is read.
type tempError struct{ error }

func (e *tempError) Unwrap() error { return e.error }

func (s *spool) Write(p []byte) (int, error) {
	s.size += int64(len(p))
	if s.file == nil && len(s.memory)+len(p) <= spoolMemory {
		s.memory = append(s.memory, p...)
		return len(p), nil
	}
	if s.file == nil {
		file, err := os.CreateTemp(s.dir, "muster-*")
		if err != nil {
			return 0, &tempError{err}
		}
		// A process that is killed leaves nothing behind, where the system lets open files go.
		_ = os.Remove(file.Name())
		s.file = file
		if _, err := file.Write(s.memory); err != nil {
			return 0, &tempError{err}
		}
		s.memory = nil
	}
	n, err := s.file.Write(p)
	if err != nil {
		err = &tempError{err}
	}
	return n, err
}

func (s *spool) ReadAt(p []byte, off int64) (int, error) {
	if s.file == nil {
		return bytes.NewReader(s.memory).ReadAt(p, off)
	}
	n, err := s.file.ReadAt(p, off)
	if err != nil && !errors.Is(err, io.EOF) {
		err = &tempError{err}
	}
	return n, err
}

// close removes the file.
func (s *spool) close() {
	if s.file != nil {
		_ = s.file.Close()
		_ = os.Remove(s.file.Name())
	}
}
