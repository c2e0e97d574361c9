package records

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"
)

// What a Parquet file may say about itself.
const (
	maxFooter     = 16 << 20
	maxStructures = 500_000 // of the footer; a column chunk has some four
	maxElements   = 4 * MaxColumns
	maxNesting    = 32
)

// parquetLines reads a Parquet file, a row a line: https://parquet.apache.org/docs/file-format/
// Groups in groups become dotted names, repeated columns arrays.
type parquetLines struct {
	file   io.ReaderAt
	size   int64
	groups []parquet.RowGroup
	chunks [][]chunkPlace // of each group, its columns
	leaves []*leaf
	open   bool  // a group is being read
	rows   int64 // that it should have still
	held   int64
	expand *expander
}

// chunkPlace is where a column chunk is, and how it is compressed.
type chunkPlace struct {
	codec   format.CompressionCodec
	at, end int64
}

func newParquet(file io.ReaderAt, size int64) (_ *parquetLines, err error) {
	defer recovered(&err)
	meta, err := readFooter(file, size)
	if err != nil {
		return nil, err
	}
	// Some writers leave groups without rows, whose pages are nowhere.
	meta.RowGroups = slices.DeleteFunc(meta.RowGroups, func(g format.RowGroup) bool { return g.NumRows == 0 })
	p := &parquetLines{file: file, size: size}
	for i := range meta.RowGroups {
		group := &meta.RowGroups[i]
		places := make([]chunkPlace, len(group.Columns))
		for j := range group.Columns {
			if places[j], err = place(&group.Columns[j]); err != nil {
				return nil, err
			}
		}
		group.SortingColumns = nil
		p.chunks = append(p.chunks, places)
	}
	// The library gets a file of nothing but the description, and the pages through pageFeed.
	meta.KeyValueMetadata, meta.ColumnOrders = nil, nil
	footer, err := thrift.Marshal(&thrift.CompactProtocol{}, meta)
	if err != nil {
		return nil, err
	}
	image := slices.Concat([]byte("PAR1"), footer, binary.LittleEndian.AppendUint32(nil, uint32(len(footer))), []byte("PAR1"))
	described, err := parquet.OpenFile(bytes.NewReader(image), int64(len(image)), parquet.SkipPageIndex(true), parquet.SkipBloomFilters(true))
	if err != nil {
		return nil, err
	}
	p.groups = described.RowGroups()
	p.addLeaves(described.Root())
	if len(p.leaves) > MaxColumns {
		return nil, tooManyColumns(len(p.leaves))
	}
	p.expand, err = newExpander()
	return p, err
}

// readFooter returns the file's description of itself, which has been looked at.
func readFooter(file io.ReaderAt, size int64) (*format.FileMetaData, error) {
	var tail [8]byte
	if size < 12 {
		return nil, unreadable("the file is too short for Parquet", nil)
	}
	if n, err := file.ReadAt(tail[:], size-8); n < len(tail) {
		return nil, err
	}
	length := int64(binary.LittleEndian.Uint32(tail[:]))
	switch {
	case string(tail[4:]) == "PARE":
		return nil, &FileError{Code: UnknownFormat, Message: "the Parquet file is encrypted"}
	case string(tail[4:]) != "PAR1" || length > size-12:
		return nil, unreadable("the file is no Parquet file, or its end is missing", nil)
	case length > maxFooter:
		return nil, &FileError{Code: TooLarge, Message: "the Parquet file describes too many columns and row groups"}
	}
	footer := make([]byte, length)
	if n, err := file.ReadAt(footer, size-8-length); n < len(footer) {
		return nil, err
	}
	n, err := checkThrift(footer, maxStructures)
	if err != nil {
		return nil, err
	}
	meta := new(format.FileMetaData)
	if err := thrift.Unmarshal(&thrift.CompactProtocol{}, footer[:n], meta); err != nil {
		return nil, err
	}
	if meta.EncryptionAlgorithm.Value != nil {
		return nil, &FileError{Code: UnknownFormat, Message: "the Parquet file is encrypted"}
	}
	return meta, checkSchema(meta.Schema)
}

// checkSchema looks at how deep and how wide the tree of columns is.
func checkSchema(elements []format.SchemaElement) error {
	if len(elements) > maxElements {
		return tooManyColumns(len(elements) - 1)
	}
	var open []int32 // of each group above an element, how many it has still
	for i := range elements {
		if n := elements[i].NumChildren; n.Valid && n.V > 0 {
			if open = append(open, n.V); len(open) > maxNesting {
				return &FileError{Code: TooLarge, Message: "the Parquet file has columns that are nested too deep"}
			}
			continue
		}
		for len(open) > 0 {
			if open[len(open)-1]--; open[len(open)-1] > 0 {
				break
			}
			open = open[:len(open)-1]
		}
	}
	return nil
}

// place takes out of a column chunk's description where it is, and leaves one of a chunk that pageFeed makes.
func place(c *format.ColumnChunk) (chunkPlace, error) {
	m := &c.MetaData
	p := chunkPlace{codec: m.Codec, at: m.DataPageOffset}
	if m.DictionaryPageOffset > 0 && m.DictionaryPageOffset < p.at {
		p.at = m.DictionaryPageOffset
	}
	if p.end = p.at + m.TotalCompressedSize; c.FilePath != "" || p.at < 4 || m.TotalCompressedSize < 0 || p.end < p.at {
		return p, errors.New("a column chunk is not in the file")
	}
	*c = format.ColumnChunk{MetaData: format.ColumnMetaData{
		Type: m.Type, Encoding: m.Encoding, PathInSchema: m.PathInSchema, NumValues: m.NumValues,
		TotalCompressedSize: 1 << 60, TotalUncompressedSize: 1 << 60,
	}}
	return p, nil
}

func (p *parquetLines) close() {
	for _, l := range p.leaves {
		l.close()
	}
	p.expand.zstd.Close()
}

func (p *parquetLines) columns() []string {
	names := make([]string, len(p.leaves))
	for i, l := range p.leaves {
		names[i] = l.name
	}
	return names
}

func (p *parquetLines) addLeaves(c *parquet.Column) {
	if !c.Leaf() {
		for _, child := range c.Columns() {
			p.addLeaves(child)
		}
		return
	}
	l := &leaf{column: c, value: valueWriter(c.Type()), repeated: c.MaxRepetitionLevel() > 0}
	l.name = leafName(c.Path(), l.repeated)
	l.quoted = quotedName(l.name)
	p.leaves = append(p.leaves, l)
}

// leafName returns the dotted name of a column, without the levels that lists have in Parquet.
func leafName(path []string, repeated bool) string {
	if repeated {
		for len(path) > 1 && slices.Contains([]string{"list", "element", "item", "bag", "array", "array_element"}, path[len(path)-1]) {
			path = path[:len(path)-1]
		}
	}
	return strings.Join(path, ".")
}

// appendLines implements lineWriter: it appends the next row.
func (p *parquetLines) appendLines(dst []byte) ([]byte, error) {
	for !p.open {
		if len(p.chunks) == 0 {
			return dst, io.EOF
		}
		if err := p.nextGroup(); err != nil {
			return dst, err
		}
	}
	p.rows--
	o := begin(dst)
	for _, l := range p.leaves {
		o.name(l.quoted)
		var err error
		if o.b, err = l.appendRow(o.b); err != nil {
			if errors.Is(err, io.EOF) {
				err = errors.New("a column has fewer rows than its row group")
			}
			return dst, err
		}
	}
	if p.open = p.rows > 0; !p.open {
		for _, l := range p.leaves {
			if err := l.peek(); !errors.Is(err, io.EOF) {
				return dst, errors.Join(errors.New("a column has more rows than its row group"), err)
			}
		}
	}
	return o.end(), nil
}

// nextGroup begins the next row group.
func (p *parquetLines) nextGroup() error {
	group, chunks := p.groups[0], p.chunks[0]
	p.groups, p.chunks = p.groups[1:], p.chunks[1:]
	columns := group.ColumnChunks()
	if len(columns) != len(p.leaves) || len(chunks) != len(p.leaves) {
		return errors.New("a row group has other columns than the file")
	}
	for i, l := range p.leaves {
		l.close()
		feed := &pageFeed{file: p.file, size: p.size, codec: chunks[i].codec, column: l.column, at: chunks[i].at, end: chunks[i].end, held: &p.held, expand: p.expand}
		l.start(columns[i].(*parquet.FileColumnChunk), feed)
	}
	p.rows = group.NumRows()
	p.open = p.rows > 0
	return nil
}

// leaf reads the values of a column.
type leaf struct {
	column   *parquet.Column
	name     string
	quoted   []byte
	value    func(dst []byte, v parquet.Value) []byte
	repeated bool

	feed   *pageFeed
	pages  *parquet.FilePages
	page   parquet.Page
	values parquet.ValueReader
	buf    [128]parquet.Value
	at, n  int // buf[at:n] are next
}

func (l *leaf) start(chunk *parquet.FileColumnChunk, feed *pageFeed) {
	l.feed, l.pages = feed, chunk.PagesFrom(feed)
}

func (l *leaf) close() {
	if l.pages != nil {
		parquet.Release(l.page)
		_ = l.pages.Close()
		l.feed.release()
	}
	l.feed, l.pages, l.page, l.values, l.at, l.n = nil, nil, nil, nil, 0, 0
}

// peek sees that there is a next value, or returns io.EOF.
func (l *leaf) peek() error {
	for l.at == l.n {
		if l.values == nil {
			parquet.Release(l.page)
			l.page = nil
			var err error
			if l.page, err = l.pages.ReadPage(); err != nil {
				return err
			}
			l.values = l.page.Values()
		}
		n, err := l.values.ReadValues(l.buf[:])
		if l.at, l.n = 0, n; errors.Is(err, io.EOF) {
			l.values = nil
		} else if err != nil {
			return err
		}
	}
	return nil
}

// appendRow appends what the next row has in the column.
func (l *leaf) appendRow(dst []byte) ([]byte, error) {
	if err := l.peek(); err != nil {
		return dst, err
	}
	v := l.buf[l.at]
	l.at++
	if !l.repeated {
		return l.append(dst, v), nil
	}
	dst = append(dst, '[')
	start := len(dst)
	for {
		if !v.IsNull() && len(dst)-start <= MaxRecord { // else the record is too long, whatever comes
			if len(dst) > start {
				dst = append(dst, ',')
			}
			dst = l.append(dst, v)
		}
		switch err := l.peek(); {
		case errors.Is(err, io.EOF):
			return append(dst, ']'), nil
		case err != nil:
			return dst, err
		case l.buf[l.at].RepetitionLevel() == 0:
			return append(dst, ']'), nil
		}
		v = l.buf[l.at]
		l.at++
	}
}

func (l *leaf) append(dst []byte, v parquet.Value) []byte {
	if v.IsNull() {
		return append(dst, "null"...)
	}
	return l.value(dst, v)
}

// valueWriter returns how values of a type are written as JSON: numbers exact, times as RFC 3339.
func valueWriter(t parquet.Type) func([]byte, parquet.Value) []byte {
	if logical := t.LogicalType(); logical != nil {
		switch lt := logical.Value.(type) {
		case *format.DecimalType:
			return func(dst []byte, v parquet.Value) []byte { return appendDecimal(dst, v, int(lt.Scale)) }
		case *format.DateType:
			return func(dst []byte, v parquet.Value) []byte {
				return appendTime(dst, time.Unix(int64(v.Int32())*24*60*60, 0))
			}
		case *format.TimestampType:
			unit := unitOf(&lt.Unit)
			return func(dst []byte, v parquet.Value) []byte { return appendTime(dst, instant(v.Int64(), unit)) }
		case *format.TimeType:
			unit := unitOf(&lt.Unit)
			return func(dst []byte, v parquet.Value) []byte {
				if v.Kind() == parquet.Int32 {
					return appendTimeOfDay(dst, time.Duration(v.Int32())*unit)
				}
				return appendTimeOfDay(dst, time.Duration(v.Int64())*unit)
			}
		case *format.IntType:
			if !lt.IsSigned {
				return func(dst []byte, v parquet.Value) []byte {
					if v.Kind() == parquet.Int32 {
						return strconv.AppendUint(dst, uint64(v.Uint32()), 10)
					}
					return strconv.AppendUint(dst, v.Uint64(), 10)
				}
			}
		case *format.UUIDType:
			return func(dst []byte, v parquet.Value) []byte {
				id, _ := uuid.FromBytes(v.ByteArray())
				return appendString(dst, []byte(id.String()))
			}
		}
	}
	switch t.Kind() {
	case parquet.Boolean:
		return func(dst []byte, v parquet.Value) []byte { return strconv.AppendBool(dst, v.Boolean()) }
	case parquet.Int32:
		return func(dst []byte, v parquet.Value) []byte { return strconv.AppendInt(dst, int64(v.Int32()), 10) }
	case parquet.Int64:
		return func(dst []byte, v parquet.Value) []byte { return strconv.AppendInt(dst, v.Int64(), 10) }
	case parquet.Int96:
		return func(dst []byte, v parquet.Value) []byte {
			i := v.Int96() // nanoseconds of the day, and the Julian day
			return appendTime(dst, time.Unix((int64(i[2])-2_440_588)*24*60*60, int64(uint64(i[1])<<32|uint64(i[0]))))
		}
	case parquet.Float:
		return func(dst []byte, v parquet.Value) []byte { return appendFloat(dst, float64(v.Float()), 32) }
	case parquet.Double:
		return func(dst []byte, v parquet.Value) []byte { return appendFloat(dst, v.Double(), 64) }
	}
	return func(dst []byte, v parquet.Value) []byte { return appendString(dst, v.ByteArray()) }
}

func unitOf(u *format.TimeUnit) time.Duration {
	if u.Value == nil {
		return time.Millisecond
	}
	return u.Value.Duration()
}

// instant returns the time that is n units after 1970, however many they are.
func instant(n int64, unit time.Duration) time.Time {
	perSecond := int64(time.Second / unit)
	return time.Unix(n/perSecond, n%perSecond*int64(unit))
}

func appendDecimal(dst []byte, v parquet.Value, scale int) []byte {
	n := new(big.Int)
	switch v.Kind() {
	case parquet.Int32:
		n.SetInt64(int64(v.Int32()))
	case parquet.Int64:
		n.SetInt64(v.Int64())
	default: // two's complement, big-endian
		b := v.ByteArray()
		if n.SetBytes(b); len(b) > 0 && b[0]&0x80 != 0 {
			n.Sub(n, new(big.Int).Lsh(big.NewInt(1), uint(8*len(b))))
		}
	}
	if n.Sign() < 0 {
		dst = append(dst, '-')
		n.Neg(n)
	}
	digits := n.String()
	scale = max(0, min(scale, 1000))
	if len(digits) <= scale {
		digits = strings.Repeat("0", scale-len(digits)+1) + digits
	}
	dst = append(dst, digits[:len(digits)-scale]...)
	if scale > 0 {
		dst = append(append(dst, '.'), digits[len(digits)-scale:]...)
	}
	return dst
}
