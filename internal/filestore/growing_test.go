package filestore_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"pgregory.net/rapid"

	"github.com/musterhq/muster/internal/filestore"
	"github.com/musterhq/muster/internal/job"
)

// begin begins an object, as one process does.
func begin(t testing.TB, s *filestore.Store, name string, size int) {
	t.Helper()
	g, err := s.Begin(t.Context(), name, int64(size), []byte(`{"owner":"ann"}`))
	if err != nil {
		t.Fatal(err)
	}
	if g.Offset() != 0 || g.Size != int64(size) || g.Done() != (size == 0) {
		t.Errorf("begun: %+v", g)
	}
}

// grown checks a finished object.
func grown(t testing.TB, s *filestore.Store, name string, body []byte) {
	t.Helper()
	g, err := s.Growing(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	if !g.Done() || g.Offset() != int64(len(body)) || g.SHA256() != sha(body) || string(g.Note) != `{"owner":"ann"}` {
		t.Errorf("%s: done %t at %d of %d, hash %s instead of %s, note %s", name, g.Done(), g.Offset(), len(body), g.SHA256(), sha(body), g.Note)
	}
	if got := read(t, s, name); !bytes.Equal(got, body) {
		t.Errorf("%s has %d other bytes", name, len(got))
	}
}

var errCut = errors.New("the connection broke")

// However the bytes arrive, and from however many processes, the object is what the client sent.
func TestGrowingProperty(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, p place) {
		n := 0
		rapid.Check(t, func(rt *rapid.T) {
			n++
			name := fmt.Sprintf("uploads/%d", n)
			size := rapid.OneOf(rapid.SampledFrom([]int{0, 1, block - 1, block, block + 1, 2 * block}), rapid.IntRange(0, 6*block)).Draw(rt, "size")
			body := content(uint64(n), size)
			begin(t, p.open(), name, size)
			for {
				s := p.open()
				g, err := s.Growing(t.Context(), name)
				if err != nil {
					rt.Fatal(err)
				}
				off := int(g.Offset())
				if off == size {
					break
				}
				end := rapid.IntRange(off, size).Draw(rt, "end")
				wantErr := rapid.SampledFrom([]error{nil, errCut}).Draw(rt, "err")
				var r io.Reader = bytes.NewReader(body[off:end])
				if wantErr != nil {
					r = io.MultiReader(r, iotest.ErrReader(wantErr))
				}
				if rapid.Bool().Draw(rt, "odd reader") {
					r = iotest.DataErrReader(iotest.HalfReader(r))
				}
				if end == size {
					wantErr = nil // it is over before the error
				}
				k, err := g.Append(t.Context(), int64(off), r)
				if !errors.Is(err, wantErr) || int(k) != end-off || g.Offset() != int64(end) || g.Done() != (end == size) {
					rt.Fatalf("%d bytes from %d of %d: got %d, %v; at %d, done %t", end-off, off, size, k, err, g.Offset(), g.Done())
				}
			}
			s := p.open()
			grown(t, s, name, body)
			g, err := s.Growing(t.Context(), name)
			if err != nil {
				rt.Fatal(err)
			}
			if k, err := g.Append(t.Context(), int64(size), strings.NewReader("more")); k != 0 || err != nil {
				rt.Fatalf("after the end: %d, %v", k, err)
			}
			if _, err := g.Append(t.Context(), 0, strings.NewReader("x")); size > 0 && !errors.Is(err, job.ErrUploadConflict) {
				rt.Fatalf("from elsewhere: %v", err)
			}
			if err := s.Delete(t.Context(), name); err != nil {
				rt.Fatal(err)
			}
			if left := keys(t, s); len(left) > 0 {
				rt.Fatalf("left: %v", left)
			}
		})
	})
}

// A process may die at any step, with the step done or not: the next one goes on, and nothing of the object is lost but
// what was not saved.
func TestGrowingAfterDeath(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, p place) {
		for _, size := range []int{0, 100, block, 3*block + 100} {
			body := content(9, size)
			for step := int64(1); ; step++ {
				var whole bool
				for _, done := range []bool{false, true} {
					name := fmt.Sprintf("uploads/%d-%d-%t", size, step, done)
					s, steps := p.open().Mortal(step, done)
					dies(t, s, name, body)
					whole = steps.Load() < step // it did not live that long
					survive(t, p.open(), name, body)
				}
				if whole {
					break
				}
			}
		}
	})
}

// dies uploads two halves, as a process that may die.
func dies(t *testing.T, s *filestore.Store, name string, body []byte) {
	t.Helper()
	g, err := s.Begin(t.Context(), name, int64(len(body)), []byte(`{"owner":"ann"}`))
	for _, end := range []int{len(body) / 2, len(body)} {
		if err == nil {
			_, err = g.Append(t.Context(), g.Offset(), bytes.NewReader(body[g.Offset():end]))
		}
	}
	if err != nil && !errors.Is(err, filestore.ErrDead) {
		t.Errorf("%s: %v", name, err)
	}
}

// survive goes on with what a dead process left, as one that lives.
func survive(t *testing.T, s *filestore.Store, name string, body []byte) {
	t.Helper()
	g, err := s.Growing(t.Context(), name)
	if errors.Is(err, job.ErrFileNotFound) { // it died before the client knew of it
		begin(t, s, name, len(body))
		g, err = s.Growing(t.Context(), name)
	}
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	if _, err := g.Append(t.Context(), g.Offset(), bytes.NewReader(body[g.Offset():])); err != nil {
		t.Fatalf("%s goes not on from %d: %v", name, g.Offset(), err)
	}
	got, err := s.Growing(t.Context(), name)
	if err != nil || !got.Done() || got.SHA256() != sha(body) || !bytes.Equal(read(t, s, name), body) {
		t.Fatalf("%s is another: %v", name, err)
	}
	if err := s.Delete(t.Context(), name); err != nil {
		t.Fatal(err)
	}
	if left := keys(t, s); len(left) > 0 {
		t.Fatalf("%s left %v", name, left)
	}
}

// A request that waits on a dead connection loses the object to the next one, at whatever process, and cannot harm it
// when it wakes.
func TestGrowingTakenOver(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, p place) {
		body := content(2, 5*block)
		for _, sent := range []int{0, 10, block, block + 10} {
			name := fmt.Sprintf("uploads/%d", sent)
			begin(t, p.open(), name, len(body))
			first, err := p.open().Growing(t.Context(), name)
			if err != nil {
				t.Fatal(err)
			}
			r, w := io.Pipe()
			var wg sync.WaitGroup
			wg.Go(func() {
				_, err := first.Append(t.Context(), 0, r)
				if !errors.Is(err, job.ErrUploadConflict) {
					t.Errorf("%s: the first one ended with %v", name, err)
				}
				_ = r.CloseWithError(err)
			})
			if _, err := w.Write(body[:max(sent, 1)]); err != nil { // returns when it was read
				t.Fatal(err)
			}
			waitFor(t, p.open(), name, sent/block*block)
			second, err := p.open().Growing(t.Context(), name)
			if err != nil {
				t.Fatal(err)
			}
			at := second.Offset()
			if _, err := second.Append(t.Context(), at, bytes.NewReader(body[at:3*block])); err != nil {
				t.Errorf("%s: the second one: %v", name, err)
			}
			_, _ = w.Write(body[max(sent, 1):]) // it wakes
			_ = w.Close()
			wg.Wait()
			third, err := p.open().Growing(t.Context(), name)
			if err != nil || third.Offset() != 3*block {
				t.Fatalf("%s: %v, at %d", name, err, third.Offset())
			}
			if _, err := third.Append(t.Context(), 3*block, bytes.NewReader(body[3*block:])); err != nil {
				t.Fatal(err)
			}
			grown(t, p.open(), name, body)
		}
	})
}

// waitFor waits until so many bytes are saved.
func waitFor(t *testing.T, s *filestore.Store, name string, offset int) {
	t.Helper()
	eventually(t, func() bool {
		g, err := s.Growing(t.Context(), name)
		return err == nil && g.Offset() >= int64(offset)
	})
}

// Clients that send different bytes for one object at once spoil it for themselves only. It ends all the same, made of
// their bytes; in a bucket its hash is that of its bytes, or it cannot be finished.
func TestGrowingByMany(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, p place) {
		for round := range 15 {
			name := fmt.Sprintf("uploads/%d", round)
			const size = 6*block + 99
			begin(t, p.open(), name, size)
			var wg sync.WaitGroup
			bodies := [][]byte{content(1, size), content(2, size), content(3, size)}
			for _, body := range bodies {
				wg.Go(func() { contend(t, p.open(), name, body) })
			}
			wg.Wait()
			s := p.open()
			g, err := s.Growing(t.Context(), name)
			bucket := strings.HasPrefix(p.url, "s3://")
			if bucket && errors.Is(err, job.ErrFileNotFound) {
				continue
			}
			if err != nil {
				t.Fatal(err)
			}
			got := read(t, s, name)
			if !g.Done() || len(got) != size || bucket && sha(got) != g.SHA256() {
				t.Errorf("%s: done %t, %d bytes with the hash %s, not %s", name, g.Done(), len(got), sha(got), g.SHA256())
			}
			for i, b := range got {
				if !slices.ContainsFunc(bodies, func(body []byte) bool { return body[i] == b }) {
					t.Fatalf("%s: byte %d is nobody's", name, i)
				}
			}
		}
	})
}

// contend uploads a body against others.
func contend(t *testing.T, s *filestore.Store, name string, body []byte) {
	t.Helper()
	r := rand.New(rand.NewPCG(1, uint64(len(name))))
	for try := range 1000 {
		g, err := s.Growing(t.Context(), name)
		if err == nil && g.Done() || errors.Is(err, job.ErrFileNotFound) {
			return
		}
		if err == nil {
			end := min(int(g.Offset())+r.IntN(2*block), len(body))
			_, err = g.Append(t.Context(), g.Offset(), bytes.NewReader(body[g.Offset():end]))
		}
		if err != nil && !errors.Is(err, job.ErrUploadConflict) && !errors.Is(err, job.ErrFileNotFound) {
			t.Errorf("%s: %v", name, err)
			return
		}
		if err != nil { // as clients do
			time.Sleep(time.Duration(r.IntN(1+min(try, 50))) * time.Millisecond)
		}
	}
	t.Errorf("%s: nobody comes to an end", name)
}

// The same bytes from several connections at once, as of a client that tries again too soon, are one object.
func TestGrowingByRetries(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, p place) {
		for round := range 10 {
			name := fmt.Sprintf("uploads/%d", round)
			body := content(uint64(round), 6*block+99)
			begin(t, p.open(), name, len(body))
			var wg sync.WaitGroup
			for range 4 {
				wg.Go(func() { contend(t, p.open(), name, body) })
			}
			wg.Wait()
			grown(t, p.open(), name, body)
		}
	})
}

// An object that another version of the program began, with blocks of another size, goes on.
func TestGrowingOtherBlocks(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, p place) {
		body := content(1, 5*block)
		begin(t, p.open(), "uploads/1", len(body))
		for _, size := range []int{block / 2, block * 2, 1000, block} {
			g, err := p.open().WithBlock(size).Growing(t.Context(), "uploads/1")
			if err != nil {
				t.Fatal(err)
			}
			off := g.Offset()
			if _, err := g.Append(t.Context(), off, bytes.NewReader(body[off:off+block+5])); err != nil {
				t.Fatal(err)
			}
		}
		g, err := p.open().Growing(t.Context(), "uploads/1")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := g.Append(t.Context(), g.Offset(), bytes.NewReader(body[g.Offset():])); err != nil {
			t.Fatal(err)
		}
		grown(t, p.open(), "uploads/1", body)
	})
}

func TestGrowingRefused(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, p place) {
		s := p.open()
		var large *job.FileTooLargeError
		for _, size := range []int64{-1, filestore.MaxBytes + 1, 1<<63 - 1} {
			if _, err := s.Begin(t.Context(), "uploads/1", size, nil); !errors.As(err, &large) {
				t.Errorf("%d bytes: %v", size, err)
			}
		}
		if _, err := s.Begin(t.Context(), "uploads/1", 1, bytes.Repeat([]byte(" "), 1<<20)); err == nil {
			t.Error("a note of a MiB was taken")
		}
		begin(t, s, "uploads/1", 10)
		if _, err := s.Begin(t.Context(), "uploads/1", 10, nil); err == nil {
			t.Error("begun twice")
		}
		g, err := s.Growing(t.Context(), "uploads/1")
		if err != nil {
			t.Fatal(err)
		}
		for _, off := range []int64{-1, 1, 10, 1 << 62} {
			if _, err := g.Append(t.Context(), off, strings.NewReader("x")); !errors.Is(err, job.ErrUploadConflict) {
				t.Errorf("from %d: %v", off, err)
			}
		}
		if n, err := g.Append(t.Context(), 0, strings.NewReader("0123456789 and more")); n != 10 || err != nil || !g.Done() {
			t.Errorf("more than there may be: %d, %v", n, err)
		}
		if err := s.Delete(t.Context(), "uploads/1"); err != nil {
			t.Fatal(err)
		}
		if _, err := g.Append(t.Context(), 10, strings.NewReader("x")); !errors.Is(err, job.ErrFileNotFound) {
			t.Errorf("after Delete: %v", err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := s.Begin(ctx, "uploads/2", 10, nil); !errors.Is(err, context.Canceled) {
			t.Errorf("in a request that ended: %v", err)
		}
	})
}

// A state that is damaged is an error, and not another object.
func TestGrowingDamaged(t *testing.T) {
	t.Parallel()
	p := place{t, "file://" + t.TempDir()}
	s := p.open()
	begin(t, s, "uploads/1", 3*block)
	g, err := s.Growing(t.Context(), "uploads/1")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := g.Append(t.Context(), 0, bytes.NewReader(content(1, block+50))); err != nil {
		t.Fatal(err)
	}
	var state string
	for _, key := range keys(t, s) {
		if strings.Contains(key, "~state~") {
			state = strings.TrimPrefix(p.url, "file://") + "/" + key
		}
	}
	whole, err := os.ReadFile(state)
	if err != nil {
		t.Fatal(err)
	}
	for _, damaged := range [][]byte{nil, []byte("{}"), whole[:20], whole[:len(whole)-1], append(bytes.Clone(whole), 'x'), bytes.Replace(whole, []byte(`"size":1`), []byte(`"size":x`), 1)} {
		if err := os.WriteFile(state, damaged, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Growing(t.Context(), "uploads/1"); err == nil {
			t.Errorf("a state of %d bytes was taken", len(damaged))
		}
	}
}
