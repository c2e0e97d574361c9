package records

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/bits"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zstd"
	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/encoding/delta"
	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"
	"github.com/pierrec/lz4/v4"
)

// What pages may be. Writers make them of a megabyte; a page of a column that says the same in every row may have the
// million values of a row group.
const (
	maxPage       = 64 << 20 // bytes, compressed or not
	maxPageValues = 4 << 20
	maxHeld       = 256 << 20 // bytes of memory for the pages of all columns at once
	pageHead      = 16 << 10  // what is read of a page with its header
	maxPageHead   = 1 << 20

	// plainDictionary is what old writers call the encoding of dictionaries, and of indexes into them.
	plainDictionary format.Encoding = 2
)

// pageFeed is the io.ReaderAt through which the library reads the pages of a column chunk, in order. The library
// believes what pages say about themselves, and would make room for the 2,147,483,647 values that ten bytes claim. So
// each page is looked at, expanded within its limits, and handed on as one that is not compressed.
type pageFeed struct {
	file    io.ReaderAt
	size    int64 // of the file
	codec   format.CompressionCodec
	column  *parquet.Column
	at, end int64 // the pages that have not been read, in the file
	held    *int64
	holds   int64 // of held: this page and the dictionary
	dict    int64
	expand  *expander
	pos     int64  // what the library has read
	pending []byte // what it has not, of expand's memory: it reads a page whole before it asks for one of another column
}

// ReadAt is io.ReaderAt's for a reader that goes forward only, and never gets more than the rest of a page at once.
func (f *pageFeed) ReadAt(p []byte, off int64) (int, error) {
	if off != f.pos {
		return 0, errors.New("pages are read in their order")
	}
	for len(f.pending) == 0 {
		if f.at >= f.end {
			return 0, io.EOF
		}
		if err := f.load(); err != nil {
			return 0, err
		}
	}
	n := copy(p, f.pending)
	f.pending = f.pending[n:]
	f.pos += int64(n)
	return n, nil
}

// header reads the header of the next page.
func (f *pageFeed) header() (h format.PageHeader, err error) {
	for size := int64(pageHead); ; size = maxPageHead {
		size = min(size, f.end-f.at, f.size-f.at)
		if size <= 0 {
			return h, io.ErrUnexpectedEOF
		}
		f.expand.in = grown(f.expand.in, int(size))
		if n, err := f.file.ReadAt(f.expand.in, f.at); n < len(f.expand.in) {
			return h, fmt.Errorf("read a page's header: %w", err)
		}
		n, err := checkThrift(f.expand.in, 64)
		switch {
		case errors.Is(err, io.ErrUnexpectedEOF) && size == pageHead:
			continue
		case err != nil:
			return h, err
		}
		f.at += int64(n)
		return h, thrift.Unmarshal(&thrift.CompactProtocol{}, f.expand.in[:n], &h)
	}
}

// load makes the next page pending.
func (f *pageFeed) load() error {
	h, err := f.header()
	if err != nil {
		return err
	}
	packed, size := int64(h.CompressedPageSize), int(h.UncompressedPageSize)
	switch {
	case packed < 0 || packed > f.end-f.at || packed > f.size-f.at || size < 0:
		return errors.New("a page is larger than its column")
	case packed > maxPage || size > maxPage:
		return &FileError{Code: TooLarge, Message: "the Parquet file has a page of more than 64 MiB"}
	}
	f.expand.in = grown(f.expand.in, int(packed))
	if n, err := f.file.ReadAt(f.expand.in, f.at); n < len(f.expand.in) {
		return fmt.Errorf("read a page: %w", err)
	}
	f.at += packed
	h.CRC = 0
	var data []byte
	switch h.Type {
	case format.DataPage:
		h.DataPageHeader.V.Statistics = format.Statistics{}
		if data, err = f.expand.all(f.codec, f.expand.in, size); err == nil {
			err = f.checkV1(&h.DataPageHeader.V, data)
		}
		err = f.hold(len(data), int(h.DataPageHeader.V.NumValues), err)
	case format.DataPageV2:
		v2 := &h.DataPageHeaderV2.V
		v2.Statistics = format.Statistics{}
		if data, err = f.expandV2(v2, size); err == nil {
			err = f.checkV2(v2, data)
		}
		err = f.hold(len(data), int(v2.NumValues), err)
	case format.DictionaryPage:
		if data, err = f.expand.all(f.codec, f.expand.in, size); err == nil {
			err = f.checkDictionary(&h.DictionaryPageHeader.V, data)
		}
		f.dict = int64(len(data)) + 4*int64(h.DictionaryPageHeader.V.NumValues)
		err = f.hold(0, 0, err)
	default:
		return nil // an index: nobody needs it
	}
	if err != nil {
		return err
	}
	h.CompressedPageSize, h.UncompressedPageSize = int32(len(data)), int32(len(data))
	head, err := thrift.Marshal(&thrift.CompactProtocol{}, &h)
	if err != nil {
		return err
	}
	f.expand.page = append(append(f.expand.page[:0], head...), data...)
	f.pending = f.expand.page
	return nil
}

// hold counts the memory that a page takes: itself in this feed and in the library, and what it is decoded to.
func (f *pageFeed) hold(size, values int, err error) error {
	if err != nil {
		return err
	}
	*f.held -= f.holds
	f.holds = f.dict + 2*int64(size) + 8*int64(values)
	if *f.held += f.holds; *f.held > maxHeld {
		return &FileError{Code: TooLarge, Message: "the pages of the Parquet file's columns need more than 256 MiB of memory; write it with smaller pages"}
	}
	return nil
}

// release gives the memory back.
func (f *pageFeed) release() {
	*f.held -= f.holds
	f.holds = 0
}

// grown returns a slice of that length, in the memory of b if it has enough.
func grown(b []byte, n int) []byte {
	if cap(b) < n {
		return make([]byte, n)
	}
	return b[:n]
}

// expander expands pages to the size that they say, and to no other. All columns use one, in turn.
type expander struct {
	in   []byte // a page as it is in the file
	out  []byte // and expanded
	page []byte // and with its header
	gzip *gzip.Reader
	zstd *zstd.Decoder
}

func newExpander() (*expander, error) {
	z, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxMemory(maxPage))
	return &expander{zstd: z}, err
}

// all returns what the data expands to, valid until the next call.
func (e *expander) all(codec format.CompressionCodec, data []byte, size int) (_ []byte, err error) {
	if codec != format.Uncompressed {
		e.out = grown(e.out, size)
	}
	var n int
	switch codec {
	case format.Uncompressed:
		if len(data) != size {
			return nil, errors.New("a page that is not compressed has two sizes")
		}
		return data, nil
	case format.Snappy:
		if n, err = snappy.DecodedLen(data); err == nil && n == size {
			_, err = snappy.Decode(e.out, data)
		}
	case format.Gzip:
		n, err = e.gunzip(data)
	case format.Zstd:
		var out []byte
		out, err = e.zstd.DecodeAll(data, e.out[:0])
		if n = len(out); n == size {
			e.out = out
		}
	case format.Lz4Raw:
		to := e.out
		if size == 0 {
			to = make([]byte, 1) // the library crashes without memory to write to
		}
		n, err = lz4.UncompressBlock(data, to)
	default:
		return nil, &FileError{Code: UnknownFormat, Message: "the Parquet file is compressed with " + codec.String() + "; Snappy, Zstandard, gzip and LZ4_RAW are read"}
	}
	if err == nil && n != size {
		err = errors.New("a page expands to another size than it says")
	}
	return e.out, err
}

func (e *expander) gunzip(data []byte) (int, error) {
	if e.gzip == nil {
		e.gzip = new(gzip.Reader)
	}
	if err := e.gzip.Reset(bytes.NewReader(data)); err != nil {
		return 0, err
	}
	n, err := io.ReadFull(e.gzip, e.out)
	if err != nil {
		return n, err
	}
	if more, err := e.gzip.Read(make([]byte, 1)); more > 0 || !errors.Is(err, io.EOF) {
		return n, errors.New("a page expands to more than it says")
	}
	return n, nil
}

// expandV2 expands a page of version 2, whose levels are never compressed.
func (f *pageFeed) expandV2(h *format.DataPageHeaderV2, size int) ([]byte, error) {
	levels := int(h.RepetitionLevelsByteLength) + int(h.DefinitionLevelsByteLength)
	if h.RepetitionLevelsByteLength < 0 || h.DefinitionLevelsByteLength < 0 || levels > len(f.expand.in) || levels > size {
		return nil, errors.New("a page has more levels than bytes")
	}
	codec := f.codec
	if h.IsCompressed.Valid && !h.IsCompressed.V || levels == len(f.expand.in) && levels == size {
		codec = format.Uncompressed
	}
	values, err := f.expand.all(codec, f.expand.in[levels:], size-levels)
	if err != nil {
		return nil, err
	}
	h.IsCompressed = thrift.New(false)
	return append(append(make([]byte, 0, size), f.expand.in[:levels]...), values...), nil
}

var (
	errCount    = errors.New("a page holds another number of values than it says")
	errEncoding = errors.New("a page is encoded in a way that is not known")
)

// checkV1 looks whether the lists of a page have at most as many elements as it says values.
func (f *pageFeed) checkV1(h *format.DataPageHeader, data []byte) error {
	n := int(h.NumValues)
	if n < 0 || n > maxPageValues {
		return errCount
	}
	for _, level := range []struct {
		most     int
		encoding format.Encoding
	}{{f.column.MaxRepetitionLevel(), h.RepetitionLevelEncoding}, {f.column.MaxDefinitionLevel(), h.DefinitionLevelEncoding}} {
		if level.most == 0 {
			continue
		}
		if level.encoding != format.RLE {
			return errEncoding
		}
		if len(data) < 4 || uint64(binary.LittleEndian.Uint32(data)) > uint64(len(data)-4) {
			return io.ErrUnexpectedEOF
		}
		size := int(binary.LittleEndian.Uint32(data))
		if err := checkRuns(data[4:4+size], bits.Len(uint(level.most)), n); err != nil {
			return err
		}
		data = data[4+size:]
	}
	return f.checkValues(h.Encoding, data, n)
}

func (f *pageFeed) checkV2(h *format.DataPageHeaderV2, data []byte) error {
	n := int(h.NumValues)
	if n < 0 || n > maxPageValues || h.NumNulls < 0 || int(h.NumNulls) > n || h.NumRows < 0 || int(h.NumRows) > n {
		return errCount
	}
	repetition, definition := int(h.RepetitionLevelsByteLength), int(h.DefinitionLevelsByteLength)
	if err := checkRuns(data[:repetition], bits.Len(uint(f.column.MaxRepetitionLevel())), n); err != nil {
		return err
	}
	if err := checkRuns(data[repetition:repetition+definition], bits.Len(uint(f.column.MaxDefinitionLevel())), n); err != nil {
		return err
	}
	return f.checkValues(h.Encoding, data[repetition+definition:], n)
}

func (f *pageFeed) checkDictionary(h *format.DictionaryPageHeader, data []byte) error {
	n := int(h.NumValues)
	if n < 0 || n > len(data)+1 {
		return errCount
	}
	if h.Encoding != format.Plain && h.Encoding != plainDictionary {
		return errEncoding
	}
	return f.checkFixed(n, len(data))
}

// checkFixed looks whether n values of a fixed length, if they have one, fit into so many bytes.
func (f *pageFeed) checkFixed(n, size int) error {
	if t := f.column.Type(); t.Kind() == parquet.FixedLenByteArray && (t.Length() <= 0 || t.Length() > MaxValue || n*t.Length() > size) {
		return errCount
	}
	return nil
}

// checkValues looks at the values of a page with n of them, nulls included.
func (f *pageFeed) checkValues(encoding format.Encoding, data []byte, n int) error {
	switch encoding {
	case format.Plain, format.ByteStreamSplit:
		return f.checkFixed(0, 0)
	case plainDictionary, format.RLEDictionary:
		if len(data) == 0 {
			return nil
		}
		return checkRuns(data[1:], int(data[0]), n)
	case format.RLE:
		if len(data) < 4 {
			return nil
		}
		return checkRuns(data[4:], 1, n)
	case format.DeltaBinaryPacked, format.DeltaLengthByteArray:
		_, err := checkDelta(data, n)
		return err
	case format.DeltaByteArray:
		return f.checkPrefixes(data, n)
	}
	return errEncoding
}

// checkRuns looks whether a sequence of the hybrid encoding has at most n values, or as many more as fill a group of
// eight: https://parquet.apache.org/docs/file-format/data-pages/encodings/#RLE
func checkRuns(data []byte, width, n int) error {
	if width > 32 {
		return errEncoding
	}
	for most := uint64(n + 7); len(data) > 0; {
		head, size := binary.Uvarint(data)
		if size <= 0 {
			return io.ErrUnexpectedEOF
		}
		data = data[size:]
		count, bytes := head>>1, uint64(width+7)/8
		if head&1 == 1 {
			if count > most {
				return errCount
			}
			count, bytes = count*8, count*uint64(width)
		}
		if count > most {
			return errCount
		}
		most -= count
		data = data[min(bytes, uint64(len(data))):]
	}
	return nil
}

// checkDelta looks whether a sequence of DELTA_BINARY_PACKED has at most n values, and returns what follows it.
func checkDelta(data []byte, n int) ([]byte, error) {
	var head [4]uint64 // block size, miniblocks in one, values, first value
	for i := range head {
		var size int
		if head[i], size = binary.Uvarint(data); size <= 0 {
			return nil, io.ErrUnexpectedEOF
		}
		data = data[size:]
	}
	block, minis, values := head[0], head[1], head[2]
	if values > uint64(n) || block == 0 || block > 1<<16 || minis == 0 || minis > block/32 || block%minis != 0 {
		return nil, errCount
	}
	perMini := block / minis
	for left := int64(values) - 1; left > 0; {
		_, size := binary.Uvarint(data) // the least delta
		if size <= 0 || uint64(len(data)-size) < minis {
			return nil, io.ErrUnexpectedEOF
		}
		widths := data[size : size+int(minis)]
		data = data[size+int(minis):]
		for _, width := range widths {
			if left <= 0 {
				break
			}
			if width > 64 {
				return nil, errEncoding
			}
			bytes := perMini * uint64(width) / 8
			data = data[min(bytes, uint64(len(data))):]
			left -= int64(perMini)
		}
	}
	return data, nil
}

// checkPrefixes looks whether the values of DELTA_BYTE_ARRAY, each of which begins like the one before, come to what a
// page may have.
func (f *pageFeed) checkPrefixes(data []byte, n int) error {
	rest, err := checkDelta(data, n)
	if err != nil {
		return err
	}
	if _, err := checkDelta(rest, n); err != nil {
		return err
	}
	prefixes, err := new(delta.BinaryPackedEncoding).DecodeInt32(nil, data)
	if err != nil {
		return err
	}
	sum := int64(len(data))
	for _, p := range prefixes {
		if sum += int64(p); p < 0 || sum > maxPage {
			return &FileError{Code: TooLarge, Message: "the Parquet file has a page of more than 64 MiB"}
		}
	}
	return f.checkFixed(n, maxPage)
}
