package records

import (
	"context"
	"fmt"
	"io"

	"github.com/klauspost/compress/zstd"
)

// Plan is what is done with a file while Prepare walks over it.
type Plan struct {
	// ChunkRows is how many records a chunk has, but for the last one; at least 1.
	ChunkRows int64
	// Begin is called once it is known what the file is, before anything else. When Info says that the file is rewritten,
	// it returns the writer for what chunks are ranges of then; else the writer is not used. Its error ends Prepare.
	Begin func(Info) (io.Writer, error)
	// Chunk is called with each chunk, in order, after its range has been written. Its error ends Prepare.
	Chunk func(Chunk) error
	// Record is called with each record, in order; nil: the records are only counted, which is much faster. The record is
	// valid during the call. Its error ends Prepare.
	Record func(*Record) error
}

// Prepared is what Prepare found.
type Prepared struct {
	Info   Info
	Header []byte // the header of a CSV file as it stands in the text, without its line end; nil: it has none
	Rows   int64  // records
	Chunks int64
	Text   int64 // bytes of the text
	Stored int64 // bytes that were written
}

// chunkWindow is the window of a compressed chunk, and what its reader holds back.
const chunkWindow = 1 << 20

// Prepare reads a file once, from its beginning to its end. It is a pure function of the file and the options: doing it
// again makes the same chunks and writes the same bytes. The errors are those of Open, and those of p's functions as
// they are.
func Prepare(ctx context.Context, src Source, o Options, p Plan) (*Prepared, error) {
	f, err := Open(ctx, src, o)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	w, err := p.Begin(f.Info)
	if err != nil {
		return nil, err
	}
	if err := f.scanner.split.flush(); err != nil { // of what comes before the first record
		return nil, err
	}
	walk := &walk{Plan: p, file: f, split: f.scanner.split, out: Prepared{Info: f.Info, Header: f.header}}
	if f.Info.Rewritten {
		if walk.frames, err = newFrames(w); err != nil {
			return nil, err
		}
		walk.split.sink = walk.frames
	}
	begin := walk.split.offset()
	if err := walk.all(); err != nil {
		return nil, err
	}
	walk.out.Text = walk.split.offset() - begin
	return &walk.out, nil
}

// walk is one over a whole text.
type walk struct {
	Plan
	file   *File
	split  *splitter
	frames *frames // nil: the text is the file itself
	chunk  Chunk
	out    Prepared
}

// Quotes that are not closed cost a second look at what follows. A file may have some, not so many that reading it
// takes for ever.
const (
	freeWaste     = 64 << 20
	wasteOfOffset = 4
)

func (w *walk) all() error {
	w.next()
	for w.split.next() {
		w.out.Rows++
		w.chunk.Rows++
		if w.Record != nil {
			w.file.scanner.parse()
			if err := w.Record(&w.file.scanner.record); err != nil {
				return err
			}
		}
		if w.split.wasted > freeWaste && w.split.wasted/wasteOfOffset > w.split.offset() {
			return &FileError{Code: Unreadable, Message: "the file has too many quotes that are not closed"}
		}
		if w.chunk.Rows == w.ChunkRows {
			if err := w.end(); err != nil {
				return err
			}
		}
	}
	switch err := w.split.failed(); {
	case w.frames != nil && w.frames.err != nil:
		return w.frames.err
	case err != nil:
		return w.file.source.explain(err)
	case w.chunk.Rows == 0:
		return nil
	}
	return w.end()
}

// next begins a chunk.
func (w *walk) next() {
	w.chunk = Chunk{Offset: w.offset(), Row: w.out.Rows + 1, Line: w.split.line}
}

// end ends a chunk behind the record that was read last.
func (w *walk) end() error {
	if w.frames != nil {
		if err := w.split.flush(); err != nil {
			return err
		}
		if err := w.frames.end(); err != nil {
			return err
		}
		w.out.Stored = w.frames.written
	}
	w.chunk.Size = w.offset() - w.chunk.Offset
	if err := w.Chunk(w.chunk); err != nil {
		return err
	}
	w.out.Chunks++
	w.next()
	return nil
}

// offset is the place in what chunks are ranges of.
func (w *walk) offset() int64 {
	if w.frames != nil {
		return w.frames.written
	}
	return w.split.offset()
}

// frames compresses each chunk on its own.
type frames struct {
	w       io.Writer
	z       *zstd.Encoder
	written int64
	err     error
}

func newFrames(w io.Writer) (*frames, error) {
	if w == nil {
		return nil, fmt.Errorf("records: Plan.Begin returned no writer for a file that is rewritten")
	}
	f := &frames{w: w}
	var err error
	f.z, err = zstd.NewWriter(counter{f}, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(chunkWindow))
	return f, err
}

// counter writes to a frames' writer.
type counter struct{ *frames }

func (c counter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.written += int64(n)
	return n, err
}

// Write adds to the present chunk.
func (f *frames) Write(p []byte) (int, error) {
	n, err := f.z.Write(p)
	f.err = err
	return n, err
}

// end ends the present chunk.
func (f *frames) end() error {
	if f.err = f.z.Close(); f.err == nil {
		f.z.Reset(counter{f})
	}
	return f.err
}
