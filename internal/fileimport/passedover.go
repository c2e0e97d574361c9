package fileimport

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"io"
	"strconv"

	"github.com/musterhq/muster/internal/columns"
	"github.com/musterhq/muster/internal/job"
)

// keyHash returns 128 bits of SHA-256 of a row's key; false: the row has none. It appends the key to scratch, which is used
// again.
func keyHash(row *columns.Row, key string, scratch *[]byte) (hash [2]uint64, ok bool) {
	b := (*scratch)[:0]
	if key == columns.KeyID {
		if row.ID == 0 {
			return hash, false
		}
		b = strconv.AppendInt(b, row.ID, 10)
	} else {
		for _, c := range []byte(row.User.Email) { // ADR 23: collations take é for e, and differ in what upper case is
			if 'A' <= c && c <= 'Z' {
				c += 'a' - 'A'
			}
			b = append(b, c)
		}
	}
	*scratch = b
	sum := sha256.Sum256(b)
	return [2]uint64{binary.BigEndian.Uint64(sum[:]), binary.BigEndian.Uint64(sum[8:])}, len(b) > 0
}

// passOver calls fn with each row of keys that does not count, in no order.
func passOver(keys *sorter, inFile string, fn func(row int64) error) error {
	before := entry{row: -1}
	return keys.each(func(e entry) error {
		same := before.row >= 0 && before.key == e.key
		loser := e.row
		if inFile == job.LastRow {
			loser = before.row
		}
		before = e
		if same {
			return fn(loser)
		}
		return nil
	})
}

// bitWriter writes bits of rows that come in their order.
type bitWriter struct {
	w    io.Writer
	page []byte
	base int64 // byte of the bitmap with which the page begins
}

func newBitWriter(w io.Writer) *bitWriter { return &bitWriter{w: w, page: make([]byte, 64<<10)} }

func (b *bitWriter) set(row int64) error {
	if err := b.advance(row / 8); err != nil {
		return err
	}
	b.page[row/8-b.base] |= 1 << (row % 8)
	return nil
}

// advance writes pages up to the one that has the byte at.
func (b *bitWriter) advance(at int64) error {
	for at-b.base >= int64(len(b.page)) {
		if _, err := b.w.Write(b.page); err != nil {
			return err
		}
		clear(b.page)
		b.base += int64(len(b.page))
	}
	return nil
}

// end writes the rest of the bits of so many rows.
func (b *bitWriter) end(rows int64) error {
	size := (rows + 7) / 8
	if err := b.advance(max(size-1, 0)); err != nil {
		return err
	}
	_, err := b.w.Write(b.page[:size-b.base])
	return err
}

// bits are those of some rows; nil: none is set.
type bits struct {
	bytes []byte
	first int64 // row of the first bit
}

func (b *bits) has(row int64) bool {
	return b != nil && b.bytes[(row-b.first)/8]&(1<<(row%8)) != 0
}

// passedOver reads the bits of a chunk.
func (f *Files) passedOver(ctx context.Context, p *prepared, c *job.Chunk) (*bits, error) {
	if p.PassedOver == 0 || c.Rows == 0 {
		return nil, nil
	}
	o, err := f.Store.Open(ctx, passedOverName(p.jobID))
	if err != nil {
		return nil, err
	}
	defer func() { _ = o.Close() }()
	first, last := c.FirstRow/8, (c.FirstRow+c.Rows-1)/8
	b, err := readRange(o, first, last-first+1)
	if err != nil {
		return nil, err
	}
	return &bits{bytes: b, first: first * 8}, nil
}
