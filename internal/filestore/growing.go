package filestore

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"strconv"
	"time"

	"github.com/musterhq/muster/internal/job"
)

// Growing is an object of known size that is written over several requests, by several processes, through crashes. It is
// no object until it has all its bytes.
//
// What counts is its newest state, a small object beside it that says how far it is. States are numbered, and number
// n+1 is only written where there is none: of two processes that continue state n one is told that it has lost the object.
// None holds a lock that a dead or frozen process could keep. Whole blocks lie in a part; the bytes that do not fill one
// yet follow the state.
//
// A process that has lost the object stops before its next block. One that freezes in just that moment writes the block
// when it wakes: no harm, as the same client sends the same bytes for the same place. If it does not, a bucket notices
// by the block's tag and the object is lost; in a folder the hash may then be another than that of the bytes.
type Growing struct {
	Info        // Size is what it will have; Modified is when the state was written
	Note []byte // as Begin was given it

	store  *Store
	state  state
	number int // of the state
}

// state is the first line of a state; the tail, bytes that fill no block yet, follows.
type state struct {
	Size   int64           `json:"size"`
	Offset int64           `json:"offset"` // bytes that are there, the tail among them
	Block  int             `json:"block"`  // size of a block
	Blocks int             `json:"blocks,omitempty"`
	Part   string          `json:"part,omitempty"` // where they are; "": an object of one block needs none
	Tags   []string        `json:"tags,omitempty"` // of the blocks
	Hash   []byte          `json:"hash,omitempty"` // SHA-256 after Offset bytes, to go on with
	SHA256 string          `json:"sha256,omitempty"`
	Done   bool            `json:"done,omitempty"` // it is an object
	Note   json.RawMessage `json:"note,omitempty"`
	Token  string          `json:"token"` // tells this state from any other
}

const (
	// tailEvery is how often bytes that fill no block are saved. A client on a thin line that breaks without a word gets
	// further than that with each try; more often would write its tail over and over.
	tailEvery = 10 * time.Second
	// maxNote is the largest note.
	maxNote = 64 << 10
)

// Begin begins an object of size bytes. The note, JSON of at most 64 KiB, is kept with it.
func (s *Store) Begin(ctx context.Context, name string, size int64, note []byte) (*Growing, error) {
	switch err := valid(name); {
	case err != nil:
		return nil, err
	case size < 0 || size > MaxBytes:
		return nil, &job.FileTooLargeError{Max: MaxBytes}
	case len(note) > maxNote:
		return nil, fmt.Errorf("the note of %s has %d bytes", name, len(note))
	}
	g := &Growing{Info: Info{Name: name, Size: size, Modified: time.Now()}, Note: note, store: s, state: state{Size: size, Block: s.block, Note: note}}
	var err error
	if size > int64(s.block) {
		if g.state.Part, err = s.backend.begin(ctx, name); err != nil {
			return nil, err
		}
	}
	if err := g.save(ctx, sha256.New(), nil); err != nil {
		return nil, err // a part may be left, and is swept
	}
	if size == 0 {
		return g, g.finish(ctx, nil)
	}
	return g, nil
}

// Growing returns an object that was begun, whether it is finished or not. Its Offset is where to go on.
func (s *Store) Growing(ctx context.Context, name string) (*Growing, error) {
	if err := valid(name); err != nil {
		return nil, err
	}
	g, _, err := s.load(ctx, name, false)
	if err != nil || !g.complete() {
		return g, err
	}
	// All bytes are there, but the process that had them died before it could say so.
	g, tail, err := s.load(ctx, name, true)
	if err != nil || !g.complete() {
		return g, err
	}
	return g, g.finish(ctx, tail)
}

// complete reports whether it has all its bytes, and is no object yet.
func (g *Growing) complete() bool { return g.state.Offset == g.state.Size && !g.state.Done }

// Offset returns how many bytes are there.
func (g *Growing) Offset() int64 { return g.state.Offset }

// Done reports whether it is an object.
func (g *Growing) Done() bool { return g.state.Done }

// SHA256 returns the hash of the finished object, in hexadecimal.
func (g *Growing) SHA256() string { return g.state.SHA256 }

// Append writes what r has from offset on, up to the object's size, and returns how many bytes are there to stay, which
// may be fewer than were read. It takes the object from whoever else is writing it. Bytes that were read before an error
// of r are kept. With the last byte the object is finished. Errors: job.ErrUploadConflict when offset is not where the object
// stands, or another process has taken it; that of r; the store's.
func (g *Growing) Append(ctx context.Context, offset int64, r io.Reader) (int64, error) {
	now, tail, err := g.store.load(ctx, g.Name, true)
	if err != nil {
		return 0, err
	}
	*g = *now
	if offset != g.state.Offset {
		return 0, job.ErrUploadConflict
	}
	if g.state.Done {
		return 0, nil
	}
	block := g.store.takeBlock(g.state.Block)
	defer g.store.giveBlock(block)
	a := &appending{Growing: g, block: block, n: copy(block, tail), hash: sha256.New(), kept: offset}
	if err := a.hash.(encoding.BinaryUnmarshaler).UnmarshalBinary(g.state.Hash); err != nil {
		return 0, fmt.Errorf("state of %s: %w", g.Name, err)
	}
	if err := a.save(ctx); err != nil { // whoever has an older state cannot save any more
		return 0, err
	}
	err = a.copy(ctx, r)
	return a.kept - offset, err
}

// appending is an Append.
type appending struct {
	*Growing
	block []byte
	n     int // bytes in the block
	hash  hash.Hash
	kept  int64     // the offset of the last state
	saved time.Time // when that was
}

func (a *appending) copy(ctx context.Context, r io.Reader) error {
	for a.state.Offset < a.state.Size {
		room := a.block[a.n:]
		if left := a.state.Size - a.state.Offset; left < int64(len(room)) {
			room = room[:left]
		}
		n, readErr := r.Read(room)
		_, _ = a.hash.Write(room[:n]) // never an error
		a.n += n
		a.state.Offset += int64(n)
		if err := a.keep(ctx, readErr != nil); err != nil {
			return err
		}
		if readErr != nil && a.state.Offset < a.state.Size {
			return noEnd(readErr)
		}
	}
	if err := a.owned(ctx); err != nil {
		return err
	}
	return a.finish(ctx, a.block[:a.n])
}

// owned is job.ErrUploadConflict when another process has taken the object.
func (a *appending) owned(ctx context.Context) error {
	newest, err := a.store.newestState(ctx, a.Name)
	if err != nil {
		return conflict(err)
	}
	if newest.Name != stateKey(a.Name, a.number) {
		return job.ErrUploadConflict
	}
	return nil
}

// noEnd: the end of what was to be appended is no error.
func noEnd(err error) error {
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

// keep writes the block when it is full, and saves the state when that is due, or when it is the last chance.
func (a *appending) keep(ctx context.Context, last bool) error {
	full := a.n == len(a.block) || a.state.Offset == a.state.Size
	if a.state.Offset == a.kept || !full && !last && time.Since(a.saved) < tailEvery {
		return nil
	}
	if err := a.owned(ctx); err != nil {
		return err
	}
	if full && a.state.Part != "" {
		if err := a.write(ctx); err != nil {
			return err
		}
	}
	return a.save(ctx)
}

// write writes the block.
func (a *appending) write(ctx context.Context) error {
	offset := int64(a.state.Blocks) * int64(a.state.Block)
	tag, err := a.store.backend.write(ctx, a.Name, a.state.Part, a.state.Blocks, offset, a.block[:a.n])
	if errors.Is(err, job.ErrFileNotFound) {
		if err := a.owned(ctx); err != nil {
			return err // another one has finished it
		}
		return a.lost(err)
	}
	if err != nil {
		return err
	}
	if a.state.Blocks++; tag != "" {
		a.state.Tags = append(a.state.Tags, tag)
	}
	a.n = 0
	return nil
}

// lost: the object cannot be finished any more, so that for the client there is none. What is left of it is swept; were it
// deleted here, a store that only seems to lack a block would lose the others too.
func (g *Growing) lost(err error) error {
	return fmt.Errorf("%w: %s cannot be finished: %w", job.ErrFileNotFound, g.Name, err)
}

func (a *appending) save(ctx context.Context) error {
	if err := a.Growing.save(ctx, a.hash, a.block[:a.n]); err != nil {
		return conflict(err)
	}
	a.kept, a.saved = a.state.Offset, time.Now()
	return nil
}

// conflict translates what one process meets whose object another has taken.
func conflict(err error) error {
	if errors.Is(err, errExists) || errors.Is(err, job.ErrFileNotFound) {
		return fmt.Errorf("%w: %w", job.ErrUploadConflict, err)
	}
	return err
}

// finish makes the object, of which all is written.
func (g *Growing) finish(ctx context.Context, tail []byte) (err error) {
	if g.state.Part == "" {
		err = g.store.backend.put(ctx, g.Name, tail)
	} else {
		err = commit(ctx, g.store.backend, g.Name, g.state.Part, g.state.Tags, g.state.Size)
	}
	switch {
	case errors.Is(err, errConflict), errors.Is(err, job.ErrFileNotFound):
		return g.lost(err)
	case err != nil:
		return err
	}
	h := sha256.New()
	if err := h.(encoding.BinaryUnmarshaler).UnmarshalBinary(g.state.Hash); err != nil {
		return fmt.Errorf("state of %s: %w", g.Name, err)
	}
	done := *g
	done.state = state{Size: g.state.Size, Offset: g.state.Size, Block: g.state.Block, Done: true, SHA256: hex.EncodeToString(h.Sum(nil)), Note: g.state.Note}
	switch err := done.save(ctx, nil, nil); {
	case errors.Is(err, errExists): // another process came to the same end
		now, _, err := g.store.load(ctx, g.Name, false)
		if err != nil || !now.state.Done {
			return errors.Join(job.ErrUploadConflict, err)
		}
		*g = *now
		return nil
	case err != nil:
		return err
	}
	*g = done
	return nil
}

// save writes the next state. It is errExists when another process has done so.
func (g *Growing) save(ctx context.Context, h hash.Hash, tail []byte) (err error) {
	if h != nil {
		if g.state.Hash, err = h.(encoding.BinaryMarshaler).MarshalBinary(); err != nil {
			return err
		}
	}
	g.state.Token = token()
	line, err := json.Marshal(&g.state)
	if err != nil {
		return err
	}
	body := append(append(line, '\n'), tail...)
	next := stateKey(g.Name, g.number+1)
	switch err := g.store.backend.putNew(ctx, next, body); {
	case errors.Is(err, errExists):
		// It may be this one: an answer was lost, and the request repeated.
		there := &Growing{Info: g.Info, store: g.store}
		if _, readErr := there.read(ctx, next, false); readErr != nil || there.state.Token != g.state.Token {
			return err
		}
	case err != nil:
		return err
	}
	if g.number > 0 {
		_ = g.store.backend.remove(ctx, stateKey(g.Name, g.number)) // what is left of it goes with the object
	}
	g.number++
	g.Modified = time.Now()
	return nil
}

// stateKey numbers states so that they sort.
func stateKey(name string, number int) string {
	return fmt.Sprintf("%s%s%09d", name, stateMark, number)
}

// load returns the newest state, and if asked for the bytes that follow it.
func (s *Store) load(ctx context.Context, name string, withTail bool) (*Growing, []byte, error) {
	for {
		newest, err := s.newestState(ctx, name)
		if err != nil {
			return nil, nil, err
		}
		number, err := strconv.Atoi(newest.Name[len(name)+len(stateMark):])
		if err != nil {
			return nil, nil, fmt.Errorf("state of %s: %w", name, err)
		}
		g := &Growing{Info: Info{Name: name, Modified: newest.Modified}, store: s, number: number}
		tail, err := g.read(ctx, newest.Name, withTail)
		switch {
		case errors.Is(err, job.ErrFileNotFound):
			continue // a newer one has replaced it
		case err != nil:
			return nil, nil, err
		}
		g.Size, g.Note = g.state.Size, g.state.Note
		return g, tail, nil
	}
}

func (s *Store) newestState(ctx context.Context, name string) (newest Info, err error) {
	for info, err := range s.backend.list(ctx, name+stateMark, false) {
		if err != nil {
			return Info{}, err
		}
		if info.Name > newest.Name {
			newest = info
		}
	}
	if newest.Name == "" {
		return Info{}, fmt.Errorf("%w: %s", job.ErrFileNotFound, name)
	}
	return newest, nil
}

// read fills the state from a state object, and returns the tail if asked for.
func (g *Growing) read(ctx context.Context, key string, withTail bool) ([]byte, error) {
	r, size, err := g.store.backend.get(ctx, key)
	if err != nil {
		return nil, err
	}
	defer func() { _ = r.Close() }()
	buffered := bufio.NewReaderSize(r, 64<<10)
	line, err := buffered.ReadBytes('\n')
	if err != nil {
		return nil, fmt.Errorf("state of %s: %w", g.Name, err)
	}
	if err := json.Unmarshal(line, &g.state); err != nil {
		return nil, fmt.Errorf("state of %s: %w", g.Name, err)
	}
	left := size - int64(len(line))
	if want := g.state.Offset - min(int64(g.state.Blocks)*int64(g.state.Block), g.state.Size); left != want && !g.state.Done {
		return nil, fmt.Errorf("state of %s: %d bytes follow it instead of %d", g.Name, left, want)
	}
	if !withTail || left == 0 {
		return nil, nil
	}
	tail := make([]byte, left)
	_, err = io.ReadFull(buffered, tail)
	return tail, err
}
