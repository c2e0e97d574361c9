package filestore

import (
	"context"
	"errors"
	"io"
	"iter"
	"strings"
	"sync/atomic"
	"time"
)

// TestBlock is the size of blocks in tests: small, so that an object has many.
const TestBlock = 4 << 10

// OpenTest opens a store with small blocks. A connection may stand still for as long as patience says.
func OpenTest(rawURL string, patience time.Duration) (*Store, error) {
	if dir, ok := strings.CutPrefix(rawURL, "file://"); ok {
		f, err := newFolder(dir)
		if err != nil {
			return nil, err
		}
		return newStore(f, TestBlock), nil
	}
	b, err := newBucket(rawURL, patience)
	if err != nil {
		return nil, err
	}
	return newStore(b, TestBlock), nil
}

// WithBlock returns the store with blocks of another size.
func (s *Store) WithBlock(size int) *Store { return newStore(s.backend, size) }

// Keys lists everything that the store holds, parts and states too.
func (s *Store) Keys(ctx context.Context) (keys []string, err error) {
	for info, err := range s.backend.list(ctx, "", true) {
		if err != nil {
			return nil, err
		}
		keys = append(keys, info.Name)
	}
	return keys, nil
}

// ErrDead is what a store answers whose process has died.
var ErrDead = errors.New("this process is dead")

// Mortal returns the store as seen by a process that dies at its step-th step, from 1, before or after it is done. Steps
// count how many there were.
func (s *Store) Mortal(step int64, done bool) (store *Store, steps *atomic.Int64) {
	m := &mortal{backend: s.backend, last: step, done: done}
	return newStore(m, s.block), &m.steps
}

// mortal is a backend whose steps come to an end.
type mortal struct {
	backend
	steps atomic.Int64
	last  int64
	done  bool
}

func (m *mortal) step(fn func() error) error {
	n := m.steps.Add(1)
	switch {
	case n < m.last:
		return fn()
	case n == m.last && m.done:
		return errors.Join(ErrDead, fn())
	}
	return ErrDead
}

func (m *mortal) put(ctx context.Context, key string, body []byte) error {
	return m.step(func() error { return m.backend.put(ctx, key, body) })
}

func (m *mortal) putNew(ctx context.Context, key string, body []byte) error {
	return m.step(func() error { return m.backend.putNew(ctx, key, body) })
}

func (m *mortal) open(ctx context.Context, key string) (o *Object, err error) {
	err = m.step(func() error { o, err = m.backend.open(ctx, key); return err })
	return o, err
}

func (m *mortal) stat(ctx context.Context, key string) (info Info, err error) {
	err = m.step(func() error { info, err = m.backend.stat(ctx, key); return err })
	return info, err
}

func (m *mortal) remove(ctx context.Context, key string) error {
	return m.step(func() error { return m.backend.remove(ctx, key) })
}

func (m *mortal) list(ctx context.Context, prefix string, parts bool) iter.Seq2[Info, error] {
	if err := m.step(func() error { return nil }); err != nil {
		return func(yield func(Info, error) bool) { yield(Info{}, err) }
	}
	return m.backend.list(ctx, prefix, parts)
}

func (m *mortal) begin(ctx context.Context, name string) (part string, err error) {
	err = m.step(func() error { part, err = m.backend.begin(ctx, name); return err })
	return part, err
}

func (m *mortal) get(ctx context.Context, key string) (body io.ReadCloser, size int64, err error) {
	err = m.step(func() error { body, size, err = m.backend.get(ctx, key); return err })
	return body, size, err
}

func (m *mortal) write(ctx context.Context, name, part string, number int, offset int64, block []byte) (tag string, err error) {
	err = m.step(func() error { tag, err = m.backend.write(ctx, name, part, number, offset, block); return err })
	return tag, err
}

func (m *mortal) commit(ctx context.Context, name, part string, tags []string) error {
	return m.step(func() error { return m.backend.commit(ctx, name, part, tags) })
}

// PutForTest writes a file under any key.
func PutForTest(ctx context.Context, rawURL, key, body string) error {
	b, err := newBucket(rawURL, patience)
	if err != nil {
		return err
	}
	return b.put(ctx, key, []byte(body))
}
