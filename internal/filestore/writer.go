package filestore

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io/fs"
	"time"

	"github.com/musterhq/muster/internal/job"
)

// Writer writes an object that nobody sees before Close has returned nil. It takes 8 MiB of memory.
type Writer struct {
	ctx   context.Context
	store *Store
	name  string
	limit int64

	block []byte   // nil: closed
	n     int      // bytes in the block
	part  string   // "": nothing is written yet
	tags  []string // of the blocks that are written
	size  int64
	hash  hash.Hash
	err   error // of a write: what follows is not written either
}

// Create begins an object of at most limit bytes, 0: MaxBytes. It replaces one of this name in the end. Call Discard when
// done, which does nothing after a Close without error.
func (s *Store) Create(ctx context.Context, name string, limit int64) (*Writer, error) {
	if err := valid(name); err != nil {
		return nil, err
	}
	if limit <= 0 || limit > MaxBytes {
		limit = MaxBytes
	}
	return &Writer{ctx: ctx, store: s, name: name, limit: limit, block: s.takeBlock(s.block), hash: sha256.New()}, nil
}

// Write is io.Writer's. Beyond the limit it is a *job.FileTooLargeError.
func (w *Writer) Write(p []byte) (int, error) {
	if w.block == nil {
		return 0, fs.ErrClosed
	}
	written := 0
	for w.err == nil && len(p) > 0 {
		if w.n == len(w.block) { // only when more comes, since an object of one block needs no part
			w.err = w.flush()
			continue
		}
		n := copy(w.block[w.n:], p)
		if w.size+int64(n) > w.limit {
			w.err = &job.FileTooLargeError{Max: w.limit}
			break
		}
		_, _ = w.hash.Write(p[:n]) // never an error
		w.n += n
		w.size += int64(n)
		p = p[n:]
		written += n
	}
	return written, w.err
}

// flush writes the block.
func (w *Writer) flush() (err error) {
	if w.part == "" {
		if w.part, err = w.store.backend.begin(w.ctx, w.name); err != nil {
			return err
		}
	}
	offset := int64(len(w.tags)) * int64(len(w.block))
	tag, err := w.store.backend.write(w.ctx, w.name, w.part, len(w.tags), offset, w.block[:w.n])
	w.tags, w.n = append(w.tags, tag), 0
	return err
}

// Close makes the object visible. After an error nothing is there, unless one of this name was before.
func (w *Writer) Close() error {
	switch {
	case w.block == nil:
		return fs.ErrClosed
	case w.err != nil:
		return w.err
	case w.part == "":
		w.err = w.store.backend.put(w.ctx, w.name, w.block[:w.n])
	default:
		if w.err = w.flush(); w.err == nil {
			w.err = commit(w.ctx, w.store.backend, w.name, w.part, w.tags, w.size)
		}
	}
	if w.err == nil {
		w.release()
	}
	return w.err
}

// CloseWithNote is Close for an object that Growing then finds as one that is finished, with the note, JSON of at most 64
// KiB.
func (w *Writer) CloseWithNote(note []byte) error {
	if len(note) > maxNote {
		return fmt.Errorf("the note of %s has %d bytes", w.name, len(note))
	}
	if err := w.Close(); err != nil {
		return err
	}
	g := &Growing{Info: Info{Name: w.name}, store: w.store, state: state{
		Size: w.size, Offset: w.size, Block: w.store.block, Done: true, SHA256: w.SHA256(), Note: note,
	}}
	// After the object: a state without its object would promise what is not there.
	err := g.save(w.ctx, nil, nil)
	if err != nil {
		w.remove(w.name)
	}
	return err
}

// Discard drops the object, unless Close made it visible.
func (w *Writer) Discard() {
	if w.block == nil {
		return
	}
	w.release()
	if w.part != "" {
		w.remove(partKey(w.name, w.part))
	}
}

// remove takes back what was written. The usual reason is that ctx has ended. What is left after an error is swept.
func (w *Writer) remove(key string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(w.ctx), 10*time.Second)
	defer cancel()
	_ = w.store.backend.remove(ctx, key)
}

func (w *Writer) release() {
	w.store.giveBlock(w.block)
	w.block = nil
}

// Size returns the bytes that were written.
func (w *Writer) Size() int64 { return w.size }

// SHA256 returns the hash of what was written, in hexadecimal.
func (w *Writer) SHA256() string { return hex.EncodeToString(w.hash.Sum(nil)) }

// commit makes the object of its blocks. An answer may have been lost, and the part be gone because it is the object.
func commit(ctx context.Context, b backend, name, part string, tags []string, size int64) error {
	err := b.commit(ctx, name, part, tags)
	if !errors.Is(err, job.ErrFileNotFound) {
		return err
	}
	if info, statErr := b.stat(ctx, name); statErr != nil || info.Size != size {
		return errors.Join(err, statErr)
	}
	return nil
}

// takeBlock returns memory for a block, which giveBlock takes back.
func (s *Store) takeBlock(size int) []byte {
	if size != s.block { // of an object that another version of this program began
		return make([]byte, size)
	}
	return *s.blocks.Get().(*[]byte)
}

func (s *Store) giveBlock(b []byte) {
	if len(b) == s.block {
		s.blocks.Put(&b)
	}
}

// token returns a name that nobody else has.
func token() string { return rand.Text() }
