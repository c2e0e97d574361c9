package fileimport

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/musterhq/muster/internal/filestore"
)

// pace tells a caller now and then how far the reading of a file is.
type pace struct {
	progress   func(bytes int64) error
	read, size int64 // bytes of the file
	told       time.Time
	calls      int
}

const tellEvery = 500 * time.Millisecond

// tick tells, if that was long ago.
func (p *pace) tick() error {
	if time.Since(p.told) < tellEvery {
		return nil
	}
	return p.tell()
}

// often is tick for what is done a million times a second.
func (p *pace) often() error {
	if p.calls++; p.calls%1024 != 0 {
		return nil
	}
	return p.tick()
}

func (p *pace) tell() error {
	p.told = time.Now()
	return p.progress(min(p.read, p.size))
}

// source is the file as records reads it.
type source struct {
	pace *pace
	r    io.Reader
	at   io.ReaderAt
	// copied: all of the file has been read already, into a temporary file.
	copied bool
}

func (s *source) Size() int64 { return s.pace.size }

func (s *source) Read(p []byte) (int, error) { return s.count(s.r.Read(p)) }

func (s *source) ReadAt(p []byte, off int64) (int, error) { return s.count(s.at.ReadAt(p, off)) }

func (s *source) count(n int, err error) (int, error) {
	if !s.copied {
		s.pace.read += int64(n)
	}
	if told := s.pace.tick(); told != nil {
		return n, told
	}
	return n, err
}

// openSource returns the file as records reads it. A bucket's file that is read here and there is copied first. It is
// closed by closing, also after an error.
func openSource(ctx context.Context, o *filestore.Object, p *pace, tempDir string) (_ *source, closing func(), err error) {
	body := o.Range(ctx, 0, -1)
	closing = func() { _ = body.Close() }
	src := &source{pace: p, r: body, at: o}
	if o.Local() {
		return src, closing, nil
	}
	var magic [4]byte
	if _, err := o.ReadAt(magic[:], 0); err != nil && !errors.Is(err, io.EOF) {
		return nil, closing, err
	}
	if m := string(magic[:]); m != "PAR1" && m != "PK\x03\x04" {
		return src, closing, nil
	}
	temp, err := tempFile(tempDir)
	if err != nil {
		return nil, closing, err
	}
	closing = func() {
		_ = body.Close()
		_ = temp.Close()
	}
	if _, err := io.Copy(temp, struct{ io.Reader }{src}); err != nil {
		return nil, closing, fmt.Errorf("copy the file: %w", err)
	}
	return &source{pace: p, r: io.NewSectionReader(temp, 0, p.size), at: temp, copied: true}, closing, nil
}

// tempFile returns a file that is gone when it is closed, or the process is killed.
func tempFile(dir string) (*os.File, error) {
	file, err := os.CreateTemp(dir, "muster-*")
	if err != nil {
		return nil, err
	}
	_ = os.Remove(file.Name()) // where the system does not let open files go, it stays
	return file, nil
}
