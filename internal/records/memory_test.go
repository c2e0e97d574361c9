package records_test

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"runtime"
	"slices"
	"testing"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/format"
	"github.com/twmb/avro/ocf"

	"github.com/musterhq/muster/internal/records"
)

// endless is a Source of a head, a block many times, and a tail, none of which is in memory more than once.
type endless struct {
	head, block, tail []byte
	times, at         int64
}

func (e *endless) Size() int64 {
	return int64(len(e.head)+len(e.tail)) + e.times*int64(len(e.block))
}

func (e *endless) Read(p []byte) (int, error) {
	n, err := e.ReadAt(p, e.at)
	e.at += int64(n)
	return n, err
}

func (e *endless) ReadAt(p []byte, off int64) (n int, err error) {
	middle := e.times * int64(len(e.block))
	for n < len(p) {
		at := off + int64(n) - int64(len(e.head))
		switch {
		case at < 0:
			n += copy(p[n:], e.head[int64(len(e.head))+at:])
		case at < middle:
			n += copy(p[n:], e.block[at%int64(len(e.block)):])
		case at-middle < int64(len(e.tail)):
			n += copy(p[n:], e.tail[at-middle:])
		default:
			return n, io.EOF
		}
	}
	return n, nil
}

// large is a file of some hundred megabytes, and how many records it has.
type large struct {
	source records.Source
	rows   int64
}

func largeFiles(tb testing.TB) map[string]large {
	tb.Helper()
	total, gigabyte, groups := 300<<20, int64(1<<10), 14
	if raceDetector { // it takes ten times as long, and the memory is the same
		total, gigabyte, groups = total/30, gigabyte/30, 1
	}
	csv := users(10_000, false)
	head, block, _ := bytes.Cut(csv, []byte("\n"))
	head = append(head, '\n')
	times := int64(total / len(block))
	var objects bytes.Buffer
	for i := range 10_000 {
		fmt.Fprintf(&objects, "{\"id\":%d,\"email\":\"ada.byron.%d@example.com\",\"address\":{\"city\":\"London\"},\"note\":\"a \\\"b\\\" c\"}\n", i, i)
	}
	objectTimes := int64(total / objects.Len())
	array := bytes.ReplaceAll(objects.Bytes(), []byte("\n"), []byte(",\n"))
	// Random enough that it does not look like a bomb.
	var noise []byte
	for i := range uint64(20_000) {
		noise = fmt.Appendf(noise, "%d,%d,%d\n", i, i*i*0x9E3779B97F4A7C15, i*0xBF58476D1CE4E5B9)
	}
	noiseTimes := int64(total / len(noise))
	schema := `{"type":"record","name":"r","fields":[{"name":"id","type":"long"},{"name":"email","type":"string"}]}`
	var data []any
	for i := range 20_000 {
		data = append(data, map[string]any{"id": int64(i), "email": fmt.Sprintf("ada.byron.%d@example.com", i)})
	}
	avroHead := avroFile(tb, schema, []ocf.WriterOpt{ocf.WithSyncMarker([16]byte{1})})
	avroBlocks := avroFile(tb, schema, []ocf.WriterOpt{ocf.WithSyncMarker([16]byte{1})}, data...)[len(avroHead):]
	avroTimes := int64(total >> 20)
	return map[string]large{
		"CSV":                    {&endless{head: head, block: block, times: times}, times * 10_000},
		"UTF-16":                 {&endless{head: inUTF16(string(head), binary.LittleEndian, true), block: inUTF16(string(block), binary.LittleEndian, false), times: times / 2}, times / 2 * 10_000},
		"gzip":                   {&endless{head: gzipped(tb, []byte("a,b,c\n")), block: gzipped(tb, noise), times: noiseTimes}, noiseTimes * 20_000},
		"zstd":                   {&endless{head: zstandard(tb, []byte("a,b,c\n")), block: zstandard(tb, noise), times: noiseTimes}, noiseTimes * 20_000},
		"NDJSON":                 {&endless{block: objects.Bytes(), times: objectTimes}, objectTimes * 10_000},
		"JSON array":             {&endless{head: []byte("["), block: array, tail: []byte("{}]"), times: objectTimes}, objectTimes*10_000 + 1},
		"Avro":                   {&endless{head: avroHead, block: avroBlocks, times: avroTimes}, avroTimes * 20_000},
		"Parquet":                {largeParquet(tb, groups), int64(groups) * 30_000},
		"XLSX":                   {largeXLSX(tb, total/800), int64(total / 800)},
		"a value of 2 GB":        {&endless{head: []byte("a,b\n1,2\n3,"), block: bytes.Repeat([]byte("x"), 1<<20), times: 2 * gigabyte, tail: []byte("\n5,6\n")}, 3},
		"a quoted value of 2 GB": {&endless{head: []byte("a,b\n1,2\n3,\""), block: bytes.Repeat([]byte("x"), 1<<20), times: 2 * gigabyte, tail: []byte("\"\n5,6\n")}, 3},
		"a JSON string of 1 GB":  {&endless{head: []byte("[{\"a\":1},\n{\"a\":\""), block: bytes.Repeat([]byte("x"), 1<<20), times: gigabyte, tail: []byte("\"},{\"a\":3}]")}, 3},
	}
}

// largeParquet returns a file whose row groups are all the same one.
func largeParquet(tb testing.TB, times int) records.Source {
	tb.Helper()
	one := parquetOf(tb, 30_000, func(id int64) person {
		p := somebody(id)
		p.Unsigned = uint64(id) * 0x9E3779B97F4A7C15 // random enough that it does not look like a bomb
		binary.BigEndian.PutUint64(p.Key[:], p.Unsigned)
		return p
	}, parquet.Compression(&parquet.Snappy))
	return bytes.NewReader(redescribed(tb, one, func(meta *format.FileMetaData) {
		meta.RowGroups = slices.Repeat(meta.RowGroups, times)
	}))
}

// largeXLSX returns a workbook with a shared string for each row.
func largeXLSX(tb testing.TB, rows int) records.Source {
	tb.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	part := func(name string, write func(w io.Writer)) {
		w, err := z.Create(name)
		if err != nil {
			tb.Fatal(err)
		}
		write(w)
	}
	small := workbook(tb, map[string]string{})
	r, err := zip.NewReader(bytes.NewReader(small), int64(len(small)))
	if err != nil {
		tb.Fatal(err)
	}
	for _, f := range r.File {
		if err := z.Copy(f); err != nil {
			tb.Fatal(err)
		}
	}
	part("xl/sharedStrings.xml", func(w io.Writer) {
		fmt.Fprint(w, `<sst><si><t>email</t></si><si><t>city</t></si>`)
		for i := range rows {
			fmt.Fprintf(w, "<si><t>ada.byron.%d@example.com</t></si>", i*0x9E3779B9)
		}
		fmt.Fprint(w, "</sst>")
	})
	part("xl/worksheets/sheet1.xml", func(w io.Writer) {
		fmt.Fprint(w, `<worksheet><sheetData><row r="1"><c r="A1" t="s"><v>0</v></c><c r="B1" t="s"><v>1</v></c></row>`)
		for i := range rows {
			fmt.Fprintf(w, `<row r="%[1]d"><c r="A%[1]d" t="s"><v>%[2]d</v></c><c r="B%[1]d"><v>%[3]d</v></c></row>`, i+2, i+2, i*0x85EBCA6B)
		}
		fmt.Fprint(w, "</sheetData></worksheet>")
	})
	if err := z.Close(); err != nil {
		tb.Fatal(err)
	}
	return bytes.NewReader(b.Bytes())
}

// peak returns the most memory that the heap takes above what it took before, looked at by every look.
type peak struct{ before, most uint64 }

func (p *peak) look() {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	p.most = max(p.most, m.HeapInuse)
}

// TestMemoryIsFlat does not run beside other tests: it looks at the memory of the process.
func TestMemoryIsFlat(t *testing.T) { //nolint:paralleltest // it measures the process
	if testing.Short() || raceDetector { // which makes it ten times slower, and finds nothing in one goroutine
		t.Skip("reads some gigabytes")
	}
	const most = 100 << 20
	for name, file := range largeFiles(t) {
		t.Run(name, func(t *testing.T) {
			runtime.GC()
			var p peak
			p.look()
			p.before = p.most
			got, err := records.Prepare(t.Context(), file.source, records.Options{TempDir: t.TempDir()}, records.Plan{
				ChunkRows: 25_000,
				Begin:     func(records.Info) (io.Writer, error) { return io.Discard, nil },
				Chunk:     func(records.Chunk) error { p.look(); return nil },
			})
			p.look()
			if err != nil {
				t.Fatal(err)
			}
			if got.Rows != file.rows {
				t.Errorf("%d records, want %d", got.Rows, file.rows)
			}
			t.Logf("%d MB of text, %d rows, %d MB more memory", got.Text>>20, got.Rows, (p.most-p.before)>>20)
			if p.most > p.before+most {
				t.Errorf("%d MB more memory at most, want less than %d", (p.most-p.before)>>20, most>>20)
			}
		})
	}
}
