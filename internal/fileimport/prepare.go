package fileimport

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/musterhq/muster/internal/columns"
	"github.com/musterhq/muster/internal/filestore"
	"github.com/musterhq/muster/internal/job"
	"github.com/musterhq/muster/internal/records"
)

// Prepared is what preparing a file has found.
type Prepared struct {
	Found     *job.FileFound
	Chunks    int
	ChunkRows int64 // rows of each chunk but the last, which may have fewer
}

// Prepare reads the job's file once and writes what its chunks are read from. That follows from the file, its options, the
// time at which the job was made and f.ChunkRows, so Prepare may run again, and twice at once; when it has been done, it
// only returns what was found. progress is told the bytes of the file that were read, some times a second while there is
// something to do, and once before Prepare makes its outcome visible; its error ends it. The errors are
//   - a *job.FileError: the file can never be imported,
//   - those of the file store, or job.ErrNoSpace when TempDir is full: later it may succeed,
//   - those of progress and of ctx.
func (f *Files) Prepare(ctx context.Context, j *job.Job, progress func(bytes int64) error) (*Prepared, error) {
	p, err := f.prepared(ctx, j)
	if errors.Is(err, job.ErrFileNotFound) {
		w := &preparation{files: f, job: j, pace: &pace{progress: progress}, options: columnOptions(&j.File.Options, j.CreatedAt)}
		defer w.close()
		p, err = w.all(ctx)
		err = faultOf(err, w.found())
	}
	if err != nil {
		return nil, err
	}
	return &Prepared{Found: foundOf(&p.Info, p.plan, p.Rows), Chunks: int(p.chunks()), ChunkRows: p.ChunkRows}, nil
}

// preparation is one reading of a file.
type preparation struct {
	files   *Files
	job     *job.Job
	pace    *pace
	options columns.Options

	info      *records.Info // nil: not known yet
	plan      *columns.Plan
	converter *columns.Converter
	row       columns.Row
	keys      *sorter
	scratch   []byte
	text      *output
	chunks    []byte
}

func (w *preparation) close() {
	if w.text != nil {
		w.text.Discard()
	}
	if w.keys != nil {
		w.keys.close()
	}
}

// found returns what is known of the file so far.
func (w *preparation) found() *job.FileFound {
	if w.info == nil {
		return nil
	}
	return foundOf(w.info, w.plan, 0)
}

func (w *preparation) all(ctx context.Context) (*prepared, error) {
	got, err := w.read(ctx)
	if err != nil {
		return nil, err
	}
	h := head{Version: version, Info: got.Info, Header: got.Header, Rows: got.Rows, ChunkRows: w.files.ChunkRows}
	if w.options.Key != "" {
		if h.PassedOver, err = w.writePassedOver(ctx, got.Rows); err != nil {
			return nil, err
		}
	}
	// Whoever lost its claim stops here. What it might have written over is the same, unless another version of this program
	// wrote it.
	if err := w.pace.tell(); err != nil {
		return nil, err
	}
	if p, err := w.files.prepared(ctx, w.job); !errors.Is(err, job.ErrFileNotFound) {
		return p, err
	}
	if w.text != nil {
		if err := w.text.Close(); err != nil {
			return nil, err
		}
	}
	if err := w.writeManifest(ctx, &h); err != nil {
		return nil, err
	}
	return w.files.prepared(ctx, w.job)
}

// read reads the file.
func (w *preparation) read(ctx context.Context) (*records.Prepared, error) {
	o, err := w.files.Store.Open(ctx, w.job.File.Object)
	if err != nil {
		return nil, err
	}
	defer func() { _ = o.Close() }()
	w.pace.size = o.Size
	options, err := w.files.recordOptions(&w.job.File.Options, w.job.File.ContentType)
	if err != nil {
		return nil, err
	}
	src, closing, err := openSource(ctx, o, w.pace, w.files.TempDir)
	defer closing()
	if err != nil {
		return nil, err
	}
	plan := records.Plan{
		ChunkRows: w.files.ChunkRows,
		Begin:     func(info records.Info) (io.Writer, error) { return w.begin(ctx, &info) },
		Chunk:     w.chunk,
	}
	if w.options.Key != "" {
		plan.Record = w.record
		w.keys = newSorter(w.files.TempDir, w.files.runEntries)
	}
	return records.Prepare(ctx, src, options, plan)
}

// begin is called when it is known what the file is.
func (w *preparation) begin(ctx context.Context, info *records.Info) (_ io.Writer, err error) {
	w.info = info
	if w.plan, err = newPlan(info, w.options); err != nil {
		return nil, err
	}
	w.converter = w.plan.Converter()
	if !info.Rewritten {
		return nil, nil
	}
	text, err := w.files.create(ctx, textName(w.job.ID))
	if err != nil {
		return nil, err
	}
	w.text = text
	return text, nil
}

func (w *preparation) chunk(c records.Chunk) (err error) {
	if most := w.files.MaxRows; most > 0 && c.Row+c.Rows-1 > most {
		return tooManyRows(most, w.found())
	}
	if w.chunks, err = c.AppendBinary(w.chunks); err != nil {
		return err
	}
	return w.pace.tick()
}

func tooManyRows(most int64, found *job.FileFound) error {
	return &job.FileError{Code: job.CodeTooManyRows, Message: fmt.Sprintf("the file has more than %d rows", most), Found: found}
}

// record takes down the key of a record that is a row.
func (w *preparation) record(r *records.Record) error {
	if r.Fault == "" && convert(w.converter, r, &w.row) == nil {
		if hash, ok := keyHash(&w.row, w.options.Key, &w.scratch); ok {
			if err := w.keys.add(entry{key: hash, row: r.Row - 1}); err != nil {
				return err
			}
		}
	}
	return w.pace.often()
}

// writePassedOver writes the bits of the rows that do not count, and returns how many these are.
func (w *preparation) writePassedOver(ctx context.Context, rows int64) (n int64, err error) {
	losers := newSorter(w.files.TempDir, w.files.runEntries)
	defer losers.close()
	err = passOver(w.keys, w.job.File.Options.InFile, func(row int64) error {
		n++
		if err := w.pace.often(); err != nil {
			return err
		}
		return losers.add(entry{row: row})
	})
	if err != nil || n == 0 {
		return 0, err
	}
	w.keys.close()
	out, err := w.files.create(ctx, passedOverName(w.job.ID))
	if err != nil {
		return 0, err
	}
	defer out.Discard()
	b := newBitWriter(out)
	if err := losers.each(func(e entry) error { return errors.Join(b.set(e.row), w.pace.often()) }); err != nil {
		return 0, err
	}
	if err := b.end(rows); err != nil {
		return 0, err
	}
	return n, out.Close()
}

// writeManifest says that the file is prepared.
func (w *preparation) writeManifest(ctx context.Context, h *head) error {
	b, err := h.append(nil)
	if err != nil {
		return err
	}
	out, err := w.files.create(ctx, manifestName(w.job.ID))
	if err != nil {
		return err
	}
	defer out.Discard()
	if _, err := out.Write(b); err != nil {
		return err
	}
	if _, err := out.Write(w.chunks); err != nil {
		return err
	}
	return out.Close()
}

// output is an object that is being written.
type output struct{ *filestore.Writer }

func (f *Files) create(ctx context.Context, name string) (*output, error) {
	w, err := f.Store.Create(ctx, name, 0)
	return &output{w}, lost(err)
}

func (o *output) Write(p []byte) (int, error) {
	n, err := o.Writer.Write(p)
	return n, lost(err)
}

func (o *output) Close() error { return lost(o.Writer.Close()) }

// lost: what is being written may be swept by others, which says nothing of the file that is read.
func lost(err error) error {
	if errors.Is(err, job.ErrFileNotFound) {
		return fmt.Errorf("%w: what was being written is gone: %s", job.ErrFilesUnavailable, err) //nolint:errorlint // it is to be no job.ErrFileNotFound
	}
	return err
}
