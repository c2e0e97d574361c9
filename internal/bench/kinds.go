package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strconv"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/parquet-go/parquet-go"
	"github.com/twmb/avro"
	"github.com/twmb/avro/ocf"
	"golang.org/x/text/encoding/unicode"
)

// fileKind is a form in which people bring files.
type fileKind struct {
	name  string // of the file
	write func(w io.Writer, rows people) error
}

var (
	plainCSV  = fileKind{"users.csv", writeCSV}
	fileKinds = []fileKind{
		plainCSV,
		{"utf-16.csv", through(writeCSV, inUTF16)},
		{"users.csv.gz", through(writeCSV, inGzip)},
		{"users.ndjson", func(w io.Writer, rows people) error { return writeJSON(w, rows, "", "\n", "\n") }},
		{"users.ndjson.zst", through(func(w io.Writer, rows people) error { return writeJSON(w, rows, "", "\n", "\n") }, inZstd)},
		{"users.json", func(w io.Writer, rows people) error { return writeJSON(w, rows, "[\n", ",\n", "\n]\n") }},
		{"users.parquet", writeParquet},
		{"users.avro", writeAvro},
		{"users.xlsx", writeXLSX},
	}
)

func writeCSV(w io.Writer, rows people) error {
	if _, err := io.WriteString(w, personHeader+"\n"); err != nil {
		return err
	}
	var b []byte
	for p := range rows {
		b = appendCSV(b[:0], p)
		if _, err := w.Write(b); err != nil {
			return err
		}
	}
	return nil
}

// appendCSV appends a row. No value of faker's needs quotes.
func appendCSV(b []byte, p *person) []byte {
	b = strconv.AppendInt(b, p.ID, 10)
	for _, text := range []string{p.FirstName, p.LastName, p.Email, p.City, p.State, strconv.FormatInt(p.Age, 10), p.Mobile, p.Gender, p.Notes} {
		b = append(append(b, ','), text...)
	}
	return append(b, '\n')
}

// through returns what writes a text through an encoder.
func through(text func(io.Writer, people) error, encoder func(io.Writer) (io.WriteCloser, error)) func(io.Writer, people) error {
	return func(w io.Writer, rows people) error {
		e, err := encoder(w)
		if err != nil {
			return err
		}
		return errors.Join(text(e, rows), e.Close())
	}
}

func inGzip(w io.Writer) (io.WriteCloser, error) { return gzip.NewWriterLevel(w, gzip.BestSpeed) }
func inZstd(w io.Writer) (io.WriteCloser, error) {
	return zstd.NewWriter(w, zstd.WithEncoderConcurrency(1))
}

func inUTF16(w io.Writer) (io.WriteCloser, error) {
	return unicode.UTF16(unicode.LittleEndian, unicode.UseBOM).NewEncoder().Writer(w).(io.WriteCloser), nil
}

func writeJSON(w io.Writer, rows people, head, between, foot string) error {
	if _, err := io.WriteString(w, head); err != nil {
		return err
	}
	var b bytes.Buffer
	e, first := json.NewEncoder(&b), true
	for p := range rows {
		b.Reset()
		if !first {
			b.WriteString(between)
		}
		first = false
		if err := e.Encode(p); err != nil {
			return err
		}
		if _, err := w.Write(bytes.TrimSuffix(b.Bytes(), []byte("\n"))); err != nil {
			return err
		}
	}
	_, err := io.WriteString(w, foot)
	return err
}

func writeParquet(w io.Writer, rows people) error {
	out := parquet.NewGenericWriter[person](w, parquet.Compression(&parquet.Snappy), parquet.MaxRowsPerRowGroup(100_000))
	page := make([]person, 0, 1000)
	flush := func() error {
		_, err := out.Write(page)
		page = page[:0]
		return err
	}
	for p := range rows {
		if page = append(page, *p); len(page) == cap(page) {
			if err := flush(); err != nil {
				return err
			}
		}
	}
	return errors.Join(flush(), out.Close())
}

func writeAvro(w io.Writer, rows people) error {
	schema, err := avro.SchemaFor[person]()
	if err != nil {
		return err
	}
	out, err := ocf.NewWriter(w, schema, ocf.WithCodec(ocf.SnappyCodec()))
	if err != nil {
		return err
	}
	for p := range rows {
		if err := out.Encode(p); err != nil {
			return err
		}
	}
	return out.Close()
}
