package main

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"io"
	"math/rand/v2"
	"slices"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// repeats returns a reader of so many bytes, the same text over and over.
func repeats(text string, size int64) io.Reader {
	return io.LimitReader(&loop{text: text}, size)
}

type loop struct {
	text string
	at   int
}

func (l *loop) Read(p []byte) (n int, err error) {
	for n < len(p) {
		m := copy(p[n:], l.text[l.at:])
		n, l.at = n+m, (l.at+m)%len(l.text)
	}
	return n, nil
}

// hostile returns files that were made to cost their reader time or memory, or are none at all.
func hostile() (list []sample, err error) {
	text := func(head, text string) []byte {
		b, _ := io.ReadAll(io.MultiReader(bytes.NewReader([]byte(head)), repeats(text, previewBytes-int64(len(head)))))
		return b
	}
	noise := make([]byte, previewBytes)
	_, _ = rand.NewChaCha8([32]byte{seed}).Read(noise)
	list = []sample{
		{"noise", noise},
		{"NULs", text("", "\x00")},
		{"a quote that never ends", text("email,name\n\"", "a")},
		{"quotes", text("email,name\n", `"`)},
		{"a value of a MiB", text("email,name\n", "a")},
		{"empty lines", text("email\n", "\n")},
		{"rows of nothing", text("email,name\n", ",\n")},
		{"a header of 500,000 columns", text("", "a,")},
		{"each row faulty", text("email,age\n", "a@b@c,x\n")},
		{"half a UTF-16 file", text("\xff\xfee\x00", "\x00\xd8")},
		{"JSON, arrays in arrays", text("", "[")},
		{"JSON, objects in objects", text("[", `{"a":`)},
		{"NDJSON, an object of 100,000 members", text("{", `"a":"b",`)},
		{"NDJSON, empty objects", text("", "{}\n")},
		{"Avro, a schema of arrays in arrays", slices.Concat(avroHead(200_000), bytes.Repeat([]byte("["), 200_000), []byte{0}, noise[:16])},
		{"Avro, a block of 2⁶² rows", slices.Concat(avroHead(6), []byte(`"long"`), []byte{0}, noise[:16], binary.AppendVarint(nil, 1<<61), binary.AppendVarint(nil, 1<<61), noise[:1000], noise[:16])},
		{"Parquet, a footer of noise", slices.Concat([]byte("PAR1"), noise[:100_000], binary.LittleEndian.AppendUint32(nil, 90_000), []byte("PAR1"))},
		{"Parquet, a footer longer than the file", slices.Concat([]byte("PAR1"), noise[:1000], binary.LittleEndian.AppendUint32(nil, 1<<31-1), []byte("PAR1"))},
	}
	bombs, err := bombs()
	return append(list, bombs...), err
}

// avroHead is the beginning of an Avro file, before a schema of so many bytes.
func avroHead(schema int64) []byte {
	b := binary.AppendVarint([]byte("Obj\x01"), 1)
	b = binary.AppendVarint(b, int64(len("avro.schema")))
	return binary.AppendVarint(append(b, "avro.schema"...), schema)
}

// bombs are files that expand to 256 MiB.
func bombs() (list []sample, err error) {
	const size = 1 << 28
	pack := func(name string, encoder func(io.Writer) (io.WriteCloser, error), content io.Reader) {
		var b bytes.Buffer
		if err != nil {
			return
		}
		var w io.WriteCloser
		if w, err = encoder(&b); err != nil {
			return
		}
		if _, err = io.Copy(w, content); err == nil {
			err = w.Close()
		}
		list = append(list, sample{name, b.Bytes()[:min(b.Len(), previewBytes)]})
	}
	tight := func(w io.Writer) (io.WriteCloser, error) { return gzip.NewWriterLevel(w, gzip.BestCompression) }
	loose := func(w io.Writer) (io.WriteCloser, error) { return zstd.NewWriter(w) }
	pack("gzip of NULs", tight, repeats("\x00", size))
	pack("gzip of one value", tight, io.MultiReader(bytes.NewReader([]byte("email,name\n")), repeats("a", size)))
	pack("gzip of rows that are alike", tight, io.MultiReader(bytes.NewReader([]byte("email,name\n")), repeats("ada@example.com,Ada\n", size)))
	pack("zstd of a quote that never ends", loose, io.MultiReader(bytes.NewReader([]byte("email,name\n\"")), repeats("a", size)))
	pack("zstd of zstd's empty frames", func(w io.Writer) (io.WriteCloser, error) { return nopCloser{w}, nil }, repeats("\x28\xb5\x2f\xfd\x20\x00\x01\x00\x00", previewBytes))
	for _, part := range []string{"xl/sharedStrings.xml", "xl/worksheets/sheet1.xml"} {
		for _, text := range []string{"<si><t>a</t></si>", "<row><c><v>1</v></c></row>", " ", "<a>"} {
			pack("XLSX, "+part+" of "+text, func(w io.Writer) (io.WriteCloser, error) { return workbookOf(w, part) }, repeats(text, size))
		}
	}
	return list, err
}

type nopCloser struct{ io.Writer }

func (nopCloser) Close() error { return nil }

// workbookOf returns a writer of one part of a workbook; its end is the workbook's.
func workbookOf(w io.Writer, part string) (io.WriteCloser, error) {
	const sheet = "xl/worksheets/sheet1.xml"
	z := zip.NewWriter(w)
	parts, head := workbookParts, "<worksheet><sheetData>"
	if part != sheet {
		parts = append(slices.Clip(parts), [2]string{sheet, head + `<row><c t="s"><v>1000000</v></c></row></sheetData></worksheet>`})
		head = "<sst>"
	}
	for _, p := range parts {
		if err := writePart(z, p[0], p[1]); err != nil {
			return nil, err
		}
	}
	out, err := z.Create(part)
	if err != nil {
		return nil, err
	}
	_, err = io.WriteString(out, head)
	return struct {
		io.Writer
		io.Closer
	}{out, z}, err
}
