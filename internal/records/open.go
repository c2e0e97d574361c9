package records

import (
	"bytes"
	"context"
	"errors"
	"io"
	"slices"
)

// How much of a file, and of a text that is made of one, is looked at to find out what it is. A text takes time to
// make.
const (
	headBytes = 1 << 20
	madeBytes = 128 << 10
)

// File is a file that is being read from its beginning.
type File struct {
	Info    Info
	header  []byte // of CSV, as it stands
	source  *source
	scanner *Scanner
	closers []func()
	lines   lineWriter // of a binary format, else nil
}

// Open looks at a file and returns it with the first record to be read next. The error is a *FileError if it is the
// file's; else that of the Source or of ctx, which ends the reading too. A file that was opened has to be closed.
func Open(ctx context.Context, src Source, o Options) (*File, error) {
	f := &File{source: &source{Source: src, ctx: ctx}}
	if err := f.open(o); err != nil {
		f.Close()
		return nil, f.source.explain(err)
	}
	return f, nil
}

// Next returns the next record, or io.EOF behind the last one. Other errors are those of Open.
func (f *File) Next() (*Record, error) {
	r, err := f.scanner.Next()
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, f.source.explain(err)
	}
	return r, err
}

// Close releases what the file holds; the Source is the caller's.
func (f *File) Close() {
	for _, c := range slices.Backward(f.closers) {
		c()
	}
	f.closers = nil
}

// open finds out what the file is, layer by layer.
func (f *File) open(o Options) error {
	charset, header := contentType(o.ContentType)
	if _, _, err := charsetNamed(charset); o.Charset == "" && err == nil {
		o.Charset = charset
	}
	if o.Header == nil {
		o.Header = header
	}
	r, head, err := f.decompressed(o)
	if err != nil {
		return err
	}
	if f.Info.Format = o.Format; o.Format == "" {
		if f.Info.Format, err = binaryFormat(head); err != nil {
			return err
		}
	}
	switch f.Info.Format {
	case Parquet, Avro, XLSX:
		r, err = f.rewritten(r, o)
	default:
		r, err = f.asText(r, o)
	}
	if err != nil {
		return err
	}
	if f.Info.Rewritten {
		r = untilDone{f.source.ctx, r}
		r = &measured{r: r, in: f.expanded, max: o.MaxBytes}
	}
	if o.Head {
		r = cutOff{r}
	}
	split := newSplitter(r, 0, 1)
	split.head = o.Head
	if f.Info.text() == CSV {
		err = f.csv(split, o)
	} else {
		err = f.ndjson(split)
	}
	if err != nil {
		return err
	}
	f.scanner = newScanner(split, &f.Info)
	return nil
}

// expanded returns the bytes of which what has been read of the text was made.
func (f *File) expanded() int64 { return f.source.n }

// decompressed returns the file without its compression, and how it begins.
func (f *File) decompressed(o Options) (io.Reader, []byte, error) {
	head, r, _ := peek(f.source, 8)
	if len(head) == 0 {
		if f.source.err != nil {
			return nil, nil, f.source.err
		}
		return nil, nil, &FileError{Code: EmptyFile, Message: "the file is empty"}
	}
	if f.Info.Compression = o.Compression; o.Compression == "" {
		f.Info.Compression = compressionOf(head)
	}
	if f.Info.Compression == None {
		return r, head, nil
	}
	r, closing, err := decompress(r, f.Info.Compression)
	if err != nil {
		return nil, nil, err
	}
	f.closers = append(f.closers, closing)
	f.Info.Rewritten = true
	r = &measured{r: r, in: f.expanded, max: o.MaxBytes}
	if o.Head {
		r = cutOff{r}
	}
	head, r, _ = peek(r, 8)
	return r, head, nil
}

// binaryFormat returns the format of a file that begins like this, nothing for one that may be a text.
func binaryFormat(head []byte) (string, error) {
	for _, magic := range []struct{ bytes, format, text string }{
		{"PAR1", Parquet, ""},
		{"PARE", "", "the Parquet file is encrypted"},
		{"Obj\x01", Avro, ""},
		{"PK\x03\x04", XLSX, ""},
		{"\xD0\xCF\x11\xE0", "", "the file is an old Excel workbook (.xls) or one with a password; save it as .xlsx without, or as CSV"},
		{"%PDF", "", "the file is a PDF"},
		{"BZh", "", "the file is compressed with bzip2; use gzip or zstd"},
		{"\xFD7zXZ", "", "the file is compressed with xz; use gzip or zstd"},
		{"7z\xBC\xAF", "", "the file is a 7z archive; send the file in it"},
		{"\x1F\x8B", "", "the file is compressed twice"},
		{"ORC", "", "ORC files are not read; Parquet and Avro are"},
	} {
		if bytes.HasPrefix(head, []byte(magic.bytes)) {
			if magic.format == "" {
				return "", &FileError{Code: UnknownFormat, Message: magic.text}
			}
			return magic.format, nil
		}
	}
	return "", nil
}

// rewritten returns the text of a file in a binary format.
func (f *File) rewritten(r io.Reader, o Options) (io.Reader, error) {
	f.Info.Rewritten = true
	var w lineWriter
	var err error
	if f.Info.Format == Avro {
		w, err = newAvro(r)
	} else {
		if o.Head {
			return nil, &FileError{Code: NeedsWholeFile, Message: "a file in this format is read from its end, so that a part of it says nothing"}
		}
		var at io.ReaderAt = f.source
		size := f.source.Size()
		if f.Info.Compression != None {
			all := &spool{dir: o.TempDir}
			f.closers = append(f.closers, all.close)
			if _, err := io.Copy(all, r); err != nil {
				return nil, err
			}
			at, size = all, all.size
		}
		if f.Info.Format == Parquet {
			w, err = newParquet(at, size)
		} else {
			w, err = newXLSX(at, size, o)
		}
	}
	if err != nil {
		return nil, err
	}
	f.closers = append(f.closers, w.close)
	f.lines = w
	return &lineReader{w: w}, nil
}

// asText returns the text of a file that is one, in UTF-8, and decides which.
func (f *File) asText(r io.Reader, o Options) (io.Reader, error) {
	head, r, _ := peek(r, headBytes)
	name := o.Charset
	if found := findCharset(head); name == "" || bytes.HasPrefix(head, []byte(utf8BOM)) {
		name = found
	}
	charset, name, err := charsetNamed(name)
	if err != nil {
		return nil, err
	}
	if f.Info.Charset = name; charset != nil {
		f.Info.Rewritten = true
		r = transcoded(r, charset)
		head, r, _ = peek(r, headBytes)
	}
	if f.Info.Format == "" {
		if f.Info.Format, err = textFormat(head); err != nil {
			return nil, err
		}
	}
	switch f.Info.Format {
	case JSON:
		f.Info.Rewritten = true
		return newJSONArray(withoutBOM(r)), nil
	case CSV, NDJSON:
		return r, nil
	}
	return nil, &FileError{Code: UnknownFormat, Message: "there is no such format"}
}

// textFormat returns the format of a text that begins like this.
func textFormat(head []byte) (string, error) {
	text := bytes.TrimPrefix(head, []byte(utf8BOM))
	if looksBinary(text[:min(len(text), 4096)]) {
		return "", &FileError{Code: UnknownFormat, Message: "the file is neither a text nor in one of the formats CSV, NDJSON, JSON, Parquet, Avro and XLSX"}
	}
	text = bytes.TrimLeft(text, " \t\r\n")
	if len(text) == 0 {
		return CSV, nil
	}
	inner := bytes.TrimLeft(text[1:], " \t\r\n")
	switch {
	case text[0] == '[' && (len(inner) == 0 || inner[0] == '{' || inner[0] == ']'):
		return JSON, nil
	case text[0] != '{' || len(inner) > 0 && inner[0] != '"' && inner[0] != '}':
		return CSV, nil
	}
	// One object a line, or one for all?
	line, _, more := bytes.Cut(text, []byte{'\n'})
	if _, _, fault := newObjectReader().read(line); more && fault == BadJSON && len(bytes.TrimRight(line, " \t\r{")) == 0 {
		return "", &FileError{Code: UnknownFormat, Message: "the file is one JSON object; an array of objects is read, or an object on each line"}
	}
	return NDJSON, nil
}

// looksBinary reports whether there are more bytes than a damaged text has that no text has.
func looksBinary(head []byte) bool {
	n := 0
	for _, b := range head {
		if b < ' ' && b != '\t' && b != '\n' && b != '\r' {
			n++
		}
	}
	return n > len(head)/8
}

// csv finds out how the CSV text is written, and passes what comes before its first record.
func (f *File) csv(split *splitter, o Options) error {
	head, whole := split.peek(headBytes)
	n := 0
	if bytes.HasPrefix(head, []byte(utf8BOM)) {
		n = len(utf8BOM)
	}
	before, lines, delim := preamble(head[n:])
	n += before
	head = head[n:]
	switch {
	case o.Delimiter != 0 && !canDelimit(o.Delimiter):
		return &FileError{Code: UnknownFormat, Message: "the delimiter cannot be one: it must be one character of ASCII, and no quote or line end"}
	case o.Delimiter != 0:
		delim = o.Delimiter
	case delim == 0:
		delim = findDelimiter(head, whole)
	}
	f.Info.Delimiter = string(rune(delim))
	first := newSplitter(bytes.NewReader(head), delim, 1)
	first.head = !whole
	header := o.Header == nil || *o.Header
	var values [][]byte
	for {
		if !first.next() {
			return f.noRecord(split, whole)
		}
		fault := first.fault
		if fault == "" {
			fault = textFault(first.raw)
		}
		if fault == "" {
			values, _, fault = csvValues(nil, nil, first.raw, delim, first.plain)
		}
		if fault == "" {
			break
		}
		if header {
			return &FileError{Code: BadHeader, Message: "the header cannot be read: " + fault.Message()}
		}
	}
	f.Info.Quoted = quotedCSV(head, delim, !whole)
	split.dialect(delim)
	split.skip(n)
	split.line += lines
	if o.Header == nil {
		header = !looksLikeData(values)
	}
	var err error
	if f.Info.Header = header; header {
		split.next()
		f.header = bytes.Clone(split.raw)
		f.Info.Columns, err = columnNames(values)
		return err
	}
	if len(values) > MaxColumns {
		return tooManyColumns(len(values))
	}
	for i := range values {
		f.Info.Columns = append(f.Info.Columns, columnName(i))
	}
	return nil
}

// ndjson finds the columns of a text of NDJSON.
func (f *File) ndjson(split *splitter) error {
	n := headBytes
	if f.lines != nil {
		n = madeBytes
	}
	head, whole := split.peek(n)
	if bytes.HasPrefix(head, []byte(utf8BOM)) {
		head = head[len(utf8BOM):]
		split.skip(len(utf8BOM))
	}
	first := newSplitter(bytes.NewReader(head), 0, 1)
	first.head = !whole
	objects := newObjectReader()
	quotes := &quotes{}
	f.Info.Columns = []string{}
	seen := map[string]bool{}
	records := 0
	for ; records < lookedAt && first.next(); records++ {
		if first.fault != "" || textFault(first.raw) != "" {
			continue
		}
		names, values, _ := objects.read(first.raw)
		quotes.look(values)
		for _, name := range names {
			if len(f.Info.Columns) < MaxColumns && !seen[string(name)] {
				seen[string(name)] = true
				f.Info.Columns = append(f.Info.Columns, string(name))
			}
		}
	}
	f.Info.Quoted = quotes.all()
	if x, ok := f.lines.(*xlsxLines); ok {
		f.Info.Header = x.header
	}
	if records > 0 {
		return nil
	}
	if f.lines != nil && split.failed() == nil {
		f.Info.Columns = f.lines.columns() // it only says which columns it has
	}
	if len(f.Info.Columns) > 0 {
		return nil
	}
	return f.noRecord(split, whole)
}

// noRecord returns the error of a file in whose beginning no record was found.
func (f *File) noRecord(split *splitter, whole bool) error {
	switch {
	case split.failed() != nil:
		return split.failed()
	case !whole && f.Info.text() == NDJSON:
		return nil // the first record is larger than what was looked at
	case f.Info.Format == JSON: // an array, since what is none has failed
		f.Info.Empty = true
		return nil
	case !whole:
		return &FileError{Code: BadHeader, Message: "the first record has no end within 1 MiB"}
	}
	return &FileError{Code: EmptyFile, Message: "there is no record in the file"}
}

// withoutBOM reads r without the mark with which a text may begin.
func withoutBOM(r io.Reader) io.Reader {
	head, r, _ := peek(r, len(utf8BOM))
	if string(head) == utf8BOM {
		_, _ = io.CopyN(io.Discard, r, int64(len(utf8BOM)))
	}
	return r
}
