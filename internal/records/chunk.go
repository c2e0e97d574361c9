package records

import (
	"encoding/binary"
	"errors"
)

// Chunk is a range of a text that begins and ends with a record, or rather of what the text is kept in: the file
// itself, or what Prepare wrote.
type Chunk struct {
	Offset, Size int64 // the range, in bytes
	Row, Rows    int64 // the first record's Row, and how many there are
	Line         int64 // the line at which the range begins
}

// ChunkBytes is the size of a chunk's binary form: chunk n of a manifest begins at n × ChunkBytes.
const ChunkBytes = 5 * 8

// AppendBinary appends the chunk's binary form, five big-endian integers. It implements encoding.BinaryAppender.
func (c Chunk) AppendBinary(b []byte) ([]byte, error) {
	for _, n := range []int64{c.Offset, c.Size, c.Row, c.Rows, c.Line} {
		b = binary.BigEndian.AppendUint64(b, uint64(n))
	}
	return b, nil
}

// UnmarshalBinary reads what AppendBinary made. It implements encoding.BinaryUnmarshaler.
func (c *Chunk) UnmarshalBinary(b []byte) error {
	if len(b) != ChunkBytes {
		return errors.New("a chunk of a manifest has another size")
	}
	for i, n := range []*int64{&c.Offset, &c.Size, &c.Row, &c.Rows, &c.Line} {
		*n = int64(binary.BigEndian.Uint64(b[8*i:]))
	}
	return nil
}
