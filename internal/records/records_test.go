package records_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/musterhq/muster/internal/records"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// rec is a record as tests compare it.
type rec struct {
	Row, Line int64
	Raw       string
	Fault     records.Fault
	Values    []string // of JSON name=value; null is without the sign
}

func recOf(r *records.Record) rec {
	out := rec{Row: r.Row, Line: r.Line, Raw: string(r.Raw), Fault: r.Fault}
	for i, v := range r.Values {
		switch {
		case r.Names == nil:
			out.Values = append(out.Values, string(v))
		case v == nil:
			out.Values = append(out.Values, string(r.Names[i]))
		default:
			out.Values = append(out.Values, string(r.Names[i])+"="+string(v))
		}
	}
	return out
}

// scanner is a *records.File or *records.Scanner.
type scanner interface {
	Next() (*records.Record, error)
}

func drain(s scanner) (out []rec, err error) {
	for {
		r, err := s.Next()
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return out, err
		}
		out = append(out, recOf(r))
	}
}

// read reads a file from its beginning.
func read(tb testing.TB, file []byte, o records.Options) (records.Info, []rec, error) {
	tb.Helper()
	o.TempDir = tb.TempDir()
	f, err := records.Open(tb.Context(), bytes.NewReader(file), o)
	if err != nil {
		return records.Info{}, nil, err
	}
	defer f.Close()
	out, err := drain(f)
	return f.Info, out, err
}

// prepared is a file after Prepare.
type prepared struct {
	*records.Prepared
	text   []byte // what the chunks are ranges of
	chunks []records.Chunk
	seen   []rec
}

func prepare(tb testing.TB, file []byte, o records.Options, rows int64) (*prepared, error) {
	tb.Helper()
	o.TempDir = tb.TempDir()
	p := &prepared{text: file}
	var written bytes.Buffer
	var err error
	p.Prepared, err = records.Prepare(tb.Context(), bytes.NewReader(file), o, records.Plan{
		ChunkRows: rows,
		Begin:     func(records.Info) (io.Writer, error) { return &written, nil },
		Chunk:     func(c records.Chunk) error { p.chunks = append(p.chunks, c); return nil },
		Record:    func(r *records.Record) error { p.seen = append(p.seen, recOf(r)); return nil },
	})
	if err == nil && p.Info.Rewritten {
		p.text = written.Bytes()
	}
	return p, err
}

// readChunk reads a chunk alone.
func (p *prepared) readChunk(tb testing.TB, c records.Chunk) []rec {
	tb.Helper()
	s, err := records.NewScanner(bytes.NewReader(p.text[c.Offset:c.Offset+c.Size]), p.Info, c)
	if err != nil {
		tb.Fatal(err)
	}
	defer s.Close()
	out, err := drain(s)
	if err != nil {
		tb.Fatalf("chunk %+v: %v", c, err)
	}
	return out
}

// mustRead reads a file whole, by Prepare, and chunk by chunk, sees that each of them finds the same, and returns that.
func mustRead(tb testing.TB, file []byte, o records.Options) (records.Info, []rec) {
	tb.Helper()
	info, want, err := read(tb, file, o)
	if err != nil {
		tb.Fatal(err)
	}
	for _, rows := range []int64{1, 2, 3, 1000} {
		p, err := prepare(tb, file, o, rows)
		if err != nil {
			tb.Fatal(err)
		}
		if diff := cmp.Diff(info, p.Info) + cmp.Diff(want, p.seen); diff != "" || p.Rows != int64(len(want)) {
			tb.Fatalf("Prepare finds %d records (-Open +Prepare):\n%s", p.Rows, diff)
		}
		var got []rec
		for _, c := range p.chunks {
			if c.Rows > rows || c.Row != int64(len(got))+1 {
				tb.Fatalf("chunk %+v of %d rows behind row %d", c, rows, len(got))
			}
			got = append(got, p.readChunk(tb, c)...)
		}
		if diff := cmp.Diff(want, got); diff != "" || p.Chunks != int64(len(p.chunks)) {
			tb.Fatalf("by chunks of %d rows (-whole +chunks):\n%s", rows, diff)
		}
	}
	return info, want
}

// shown returns records as lines of text: row, line, fault or values.
func shown(recs []rec) string {
	var b strings.Builder
	for _, r := range recs {
		fmt.Fprintf(&b, "%d@%d ", r.Row, r.Line)
		if r.Fault != "" {
			fmt.Fprintf(&b, "%s %q\n", string(r.Fault), r.Raw)
			continue
		}
		fmt.Fprintf(&b, "%q\n", r.Values)
	}
	return b.String()
}

// fileCode returns the code of a *records.FileError, whose text is for people.
func fileCode(tb testing.TB, err error) records.FileCode {
	tb.Helper()
	var file *records.FileError
	if !errors.As(err, &file) {
		tb.Fatalf("%v is no FileError", err)
	}
	if file.Message == "" {
		tb.Errorf("%v says nothing to people", err)
	}
	return file.Code
}
