package records_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/musterhq/muster/internal/records"
)

// errCaller is an error of those who call Prepare.
var errCaller = errors.New("no more")

func TestErrorsOfCallersEndPrepare(t *testing.T) {
	t.Parallel()
	plan := func() records.Plan {
		return records.Plan{
			ChunkRows: 2,
			Begin:     func(records.Info) (io.Writer, error) { return io.Discard, nil },
			Chunk:     func(records.Chunk) error { return nil },
		}
	}
	file := gzipped(t, []byte("a,b\n"+strings.Repeat("1,2\n", 200_000)))
	for name, change := range map[string]func(*records.Plan){
		"Begin":  func(p *records.Plan) { p.Begin = func(records.Info) (io.Writer, error) { return nil, errCaller } },
		"Chunk":  func(p *records.Plan) { p.Chunk = func(records.Chunk) error { return errCaller } },
		"Record": func(p *records.Plan) { p.Record = func(*records.Record) error { return errCaller } },
		"writer": func(p *records.Plan) { p.Begin = func(records.Info) (io.Writer, error) { return badWriter{}, nil } },
	} {
		p := plan()
		change(&p)
		_, err := records.Prepare(t.Context(), bytes.NewReader(file), records.Options{}, p)
		var file *records.FileError
		if !errors.Is(err, errCaller) || errors.As(err, &file) {
			t.Errorf("%s: %v", name, err)
		}
	}
	p := plan()
	p.Begin = func(records.Info) (io.Writer, error) { return nil, nil }
	if _, err := records.Prepare(t.Context(), bytes.NewReader(file), records.Options{}, p); err == nil {
		t.Error("a file that is rewritten needs a writer")
	}
	if _, err := records.Prepare(t.Context(), strings.NewReader("a,b\n1,2\n"), records.Options{}, p); err != nil {
		t.Errorf("a plain file needs none: %v", err)
	}
}

type badWriter struct{}

func (badWriter) Write([]byte) (int, error) { return 0, errCaller }

func TestContextEndsPrepare(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	_, err := records.Prepare(ctx, &endless{head: []byte("a,b\n"), block: []byte("1,2\n"), times: 1 << 40}, records.Options{}, records.Plan{
		ChunkRows: 1000,
		Begin:     func(records.Info) (io.Writer, error) { return nil, nil },
		Chunk:     func(records.Chunk) error { cancel(); return nil },
	})
	if !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	// Of a file that is kept on this machine meanwhile, too.
	ctx, cancel = context.WithCancel(t.Context())
	_, err = records.Prepare(ctx, bytes.NewReader(gzipped(t, parquetFile(t, 5000))), records.Options{TempDir: t.TempDir()}, records.Plan{
		ChunkRows: 10,
		Begin:     func(records.Info) (io.Writer, error) { return io.Discard, nil },
		Chunk:     func(records.Chunk) error { cancel(); return nil },
	})
	var file *records.FileError
	if !errors.Is(err, context.Canceled) || errors.As(err, &file) {
		t.Error(err)
	}
}

// What is rewritten is written alike each time: a worker that begins again overwrites with the same.
func TestPrepareTwice(t *testing.T) {
	t.Parallel()
	for name, file := range map[string][]byte{
		"gzip": gzipped(t, users(5000, true)), "Parquet": parquetFile(t, 500), "JSON": []byte("[{\"a\":1},\n{\"a\":2},{\"a\":3}]"),
	} {
		first, err := prepare(t, file, records.Options{}, 100)
		if err != nil {
			t.Fatal(err)
		}
		// From a store that gives it in other pieces.
		second := &prepared{}
		var written bytes.Buffer
		second.Prepared, err = records.Prepare(t.Context(), &crumbs{Reader: bytes.NewReader(file), sizes: []int{1, 77, 4096, 13}}, records.Options{}, records.Plan{
			ChunkRows: 100,
			Begin:     func(records.Info) (io.Writer, error) { return &written, nil },
			Chunk:     func(c records.Chunk) error { second.chunks = append(second.chunks, c); return nil },
		})
		if err != nil {
			t.Fatal(err)
		}
		second.text = written.Bytes()
		if diff := cmp.Diff(first.Prepared, second.Prepared) + cmp.Diff(first.chunks, second.chunks); diff != "" || !bytes.Equal(first.text, second.text) {
			t.Errorf("%s: the second time is another (-first +second):\n%s", name, diff)
		}
		if first.Stored != int64(len(first.text)) {
			t.Errorf("%s: %d bytes were stored, not %d", name, len(first.text), first.Stored)
		}
	}
}

// A folder for temporary files that cannot be used is no fault of the file's.
func TestNoFolderForTemporaryFiles(t *testing.T) {
	t.Parallel()
	noise := make([]byte, 8<<20)
	for i := range noise {
		noise[i] = byte(rand.IntN(256))
	}
	o := records.Options{TempDir: filepath.Join(t.TempDir(), "missing")}
	_, err := records.Open(t.Context(), bytes.NewReader(gzipped(t, append([]byte("PAR1"), noise...))), o)
	var file *records.FileError
	if !errors.Is(err, fs.ErrNotExist) || errors.As(err, &file) {
		t.Error(err)
	}
}

// A preview reads no more of a large workbook than its first rows need.
func TestFirstRowsOfALargeWorkbook(t *testing.T) {
	t.Parallel()
	source := &countingSource{Source: largeXLSX(t, 30_000)}
	f, err := records.Open(t.Context(), source, records.Options{TempDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for range 20 {
		if _, err := f.Next(); err != nil {
			t.Fatal(err)
		}
	}
	if source.read > source.Size()/4 {
		t.Errorf("%d of %d bytes were read", source.read, source.Size())
	}
}

type countingSource struct {
	records.Source
	read int64
}

func (c *countingSource) ReadAt(p []byte, off int64) (int, error) {
	n, err := c.Source.ReadAt(p, off)
	c.read += int64(n)
	return n, err
}
