package records

import (
	"archive/zip"
	"bufio"
	"encoding/xml"
	"errors"
	"io"
	"math"
	"path"
	"strconv"
	"strings"

	"github.com/klauspost/compress/flate"
)

// What a workbook may have: Excel's own limits, and parts of a size that a program could have written.
const (
	xlsxRows      = 1 << 20
	xlsxColumns   = 1 << 14
	xlsxDirectory = 8 << 20 // bytes of the list of its parts
	xlsxToken     = 4 << 20 // bytes of a text, or of an element with its attributes
	xlsxStyles    = 1 << 16
)

// xlsxLines reads the first sheet that can be seen of an Excel workbook, ECMA-376: a zip archive of XML parts. Line n
// of its text is row n of the sheet, and empty for the header and for rows without a value. Formulas are what they came
// to when the workbook was saved. Nothing outside of the file is ever looked at.
type xlsxLines struct {
	header   bool // row one names the columns
	option   *bool
	maxPart  int64 // what a part may expand to; 0: only in proportion to its size
	parts    map[string]*zip.File
	sheet    *xmlReader
	shared   *xmlReader // the texts that have not been read; nil: all have
	strings  *sharedStrings
	kinds    []cellKind // by style
	from1904 bool
	names    []string
	quoted   [][]byte // names, for the text
	lines    int      // that were written
	cells    [][]byte // of the row that is read; nil: none
	scratch  []byte   // what cells hold
	text     []byte   // of the cell that is read, as it stands
	closers  []func()
}

func newXLSX(at io.ReaderAt, size int64, o Options) (_ *xlsxLines, err error) {
	defer recovered(&err)
	x := &xlsxLines{option: o.Header, maxPart: o.MaxBytes, parts: map[string]*zip.File{}}
	defer func() {
		if err != nil {
			x.close()
		}
	}()
	directory := &limitedAt{ReaderAt: at, left: xlsxDirectory}
	archive, err := zip.NewReader(directory, size)
	if err != nil {
		return nil, unreadable("the file is not an Excel workbook (.xlsx), or damaged", err)
	}
	directory.left = math.MaxInt64
	archive.RegisterDecompressor(zip.Deflate, flate.NewReader)
	for _, part := range archive.File {
		x.parts[strings.ToLower(strings.TrimPrefix(part.Name, "/"))] = part
	}
	sheet, err := x.workbook()
	if err != nil {
		return nil, err
	}
	if err := x.styles(); err != nil {
		return nil, err
	}
	x.strings = &sharedStrings{spool: spool{dir: o.TempDir}}
	x.closers = append(x.closers, x.strings.spool.close)
	if x.shared, err = x.part("xl/sharedStrings.xml"); err != nil {
		return nil, err
	}
	if x.sheet, err = x.part(sheet); err != nil {
		return nil, err
	}
	if x.sheet == nil {
		return nil, unreadable("the workbook lacks its first sheet", nil)
	}
	// Its first row of all tells the header.
	return x, nil
}

func (x *xlsxLines) close() {
	for _, c := range x.closers {
		c()
	}
	x.closers = nil
}

// limitedAt reads no more than so many bytes.
type limitedAt struct {
	io.ReaderAt
	left int64
}

func (l *limitedAt) ReadAt(p []byte, off int64) (int, error) {
	if l.left -= int64(len(p)); l.left < 0 {
		return 0, &FileError{Code: TooLarge, Message: "the archive has too many parts"}
	}
	return l.ReaderAt.ReadAt(p, off)
}

// xmlReader reads the tokens of a part, in memory that does not grow with it.
type xmlReader struct {
	*xml.Decoder
	in *tokenReader
}

// tokenReader gives a decoder no more bytes for one token than it may have.
type tokenReader struct {
	*bufio.Reader
	left int
}

func (t *tokenReader) ReadByte() (byte, error) {
	if t.left--; t.left < 0 {
		return 0, &FileError{Code: TooLarge, Message: "a text in the workbook is longer than 4 MiB"}
	}
	return t.Reader.ReadByte()
}

func (x *xmlReader) next() (xml.Token, error) {
	x.in.left = xlsxToken
	return x.RawToken()
}

// part opens a part; nil: there is none of that name.
func (x *xlsxLines) part(name string) (*xmlReader, error) {
	part := x.parts[strings.ToLower(strings.TrimPrefix(name, "/"))]
	if part == nil {
		return nil, nil
	}
	r, err := part.Open()
	if err != nil {
		return nil, err
	}
	x.closers = append(x.closers, func() { _ = r.Close() })
	compressed := int64(min(part.CompressedSize64, math.MaxInt64))
	in := &tokenReader{Reader: bufio.NewReaderSize(&measured{r: r, in: func() int64 { return compressed }, max: x.maxPart}, 32<<10)}
	return &xmlReader{xml.NewDecoder(in), in}, nil
}

// each calls start with every element of a part, and ends with its error.
func (x *xlsxLines) each(name string, start func(xml.StartElement) error) error {
	part, err := x.part(name)
	if part == nil || err != nil {
		return err
	}
	for {
		switch token, err := part.next(); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		default:
			if e, ok := token.(xml.StartElement); ok {
				if err := start(e); err != nil {
					return err
				}
			}
		}
	}
}

// attr returns an attribute, whatever its name space.
func attr(e xml.StartElement, name string) string {
	for _, a := range e.Attr {
		if a.Name.Local == name {
			return a.Value
		}
	}
	return ""
}

// workbook returns the part of the first sheet that is not hidden.
func (x *xlsxLines) workbook() (string, error) {
	book := "xl/workbook.xml"
	err := x.each("_rels/.rels", func(e xml.StartElement) error {
		if e.Name.Local == "Relationship" && strings.HasSuffix(attr(e, "Type"), "/officeDocument") {
			book = strings.TrimPrefix(attr(e, "Target"), "/")
		}
		return nil
	})
	if err != nil {
		return "", err
	}
	dir, file := path.Split(book)
	sheets := map[string]string{} // by id
	err = x.each(dir+"_rels/"+file+".rels", func(e xml.StartElement) error {
		if e.Name.Local == "Relationship" && strings.HasSuffix(attr(e, "Type"), "/worksheet") && attr(e, "TargetMode") != "External" && len(sheets) < 1<<12 {
			target := attr(e, "Target")
			if !strings.HasPrefix(target, "/") {
				target = path.Join(dir, target)
			}
			sheets[attr(e, "Id")] = target
		}
		return nil
	})
	if err != nil {
		return "", err
	}
	first := ""
	err = x.each(book, func(e xml.StartElement) error {
		switch e.Name.Local {
		case "workbookPr":
			d := attr(e, "date1904")
			x.from1904 = d == "1" || d == "true"
		case "sheet":
			for _, a := range e.Attr {
				if state := attr(e, "state"); a.Name.Local == "id" && first == "" && (state == "" || state == "visible") {
					first = sheets[a.Value]
				}
			}
		}
		return nil
	})
	if err == nil && first == "" {
		err = unreadable("the archive is not an Excel workbook with a sheet that can be read", nil)
	}
	return first, err
}

// appendLines implements lineWriter: it appends the lines to the next row of the sheet.
func (x *xlsxLines) appendLines(dst []byte) ([]byte, error) {
	row, err := x.row()
	if err != nil {
		return dst, err
	}
	if row <= x.lines {
		row = x.lines + 1 // it is not said, or wrong
	}
	if row > xlsxRows {
		return dst, unreadable("the sheet has more rows than Excel allows", nil)
	}
	for ; x.lines < row-1; x.lines++ {
		dst = append(dst, '\n')
	}
	x.lines++
	for len(x.cells) > 0 && len(x.cells[len(x.cells)-1]) == 0 {
		x.cells = x.cells[:len(x.cells)-1]
	}
	if len(x.cells) == 0 {
		return append(dst, '\n'), nil
	}
	if x.names == nil {
		if x.header = !looksLikeData(x.cells); x.option != nil {
			x.header = *x.option
		}
		if err := x.name(); err != nil || x.header {
			return append(dst, '\n'), err
		}
	}
	o := begin(dst)
	for i := range max(len(x.names), len(x.cells)) {
		switch {
		case i < len(x.names):
			o.name(x.quoted[i])
		case len(x.cells[i]) == 0:
			continue
		default:
			o.name(quotedName(columnName(i)))
		}
		if i < len(x.cells) && len(x.cells[i]) > 0 {
			o.b = appendString(o.b, x.cells[i])
		} else {
			o.b = append(o.b, "null"...)
		}
	}
	return o.end(), nil
}

// name names the columns by the first row that has values, or by their places.
func (x *xlsxLines) name() (err error) {
	if len(x.cells) > MaxColumns {
		return tooManyColumns(len(x.cells))
	}
	if x.names, err = columnNames(x.cells); err != nil {
		return err
	}
	seen := map[string]bool{}
	for i, name := range x.names {
		if !x.header {
			name = columnName(i)
		}
		// A member of an object can be there once only; the first column keeps the name.
		for n := 2; seen[name]; n++ {
			name = x.names[i] + " " + strconv.Itoa(n)
		}
		seen[name] = true
		x.names[i] = name
		x.quoted = append(x.quoted, quotedName(name))
	}
	return nil
}

// row reads the next row into cells and returns its number, 0 if it has none; io.EOF behind the last one.
func (x *xlsxLines) row() (n int, err error) {
	var c cell
	x.cells, x.scratch = x.cells[:0], x.scratch[:0]
	for {
		token, err := x.sheet.next()
		if err != nil {
			if errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return 0, err
		}
		switch t := token.(type) {
		case xml.StartElement:
			if err := x.start(t, &n, &c); err != nil {
				return 0, err
			}
		case xml.EndElement:
			switch t.Name.Local {
			case "sheetData":
				return 0, io.EOF
			case "row":
				return n, nil
			case "c":
				if err := x.set(c); err != nil {
					return 0, err
				}
				c = cell{}
			case "rPh":
				c.phonetic = false
			case "v", "t":
				c.reading = false
			}
		case xml.CharData:
			if c.reading && len(x.text) <= MaxValue {
				x.text = append(x.text, t...)
			}
		}
	}
}

// start takes an element's start, which may be that of row n or of cell c.
func (x *xlsxLines) start(e xml.StartElement, n *int, c *cell) (err error) {
	switch e.Name.Local {
	case "row":
		*n, _ = strconv.Atoi(attr(e, "r"))
		x.cells, x.scratch = x.cells[:0], x.scratch[:0]
	case "c":
		*c, err = x.newCell(e)
	case "rPh":
		c.phonetic = true
	case "v", "t":
		c.reading = c.open && !c.phonetic
	}
	return err
}

func (x *xlsxLines) columns() []string { return x.names }
