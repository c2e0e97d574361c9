package records

import (
	"encoding/binary"
	"slices"
)

// sharedStrings keeps the texts of a workbook, which may be millions, and finds them by their number. Excel numbers
// them by their first appearance, so that one is mostly near those that were asked for before.
type sharedStrings struct {
	spool   spool
	pending []byte  // not in the spool yet
	starts  []int64 // in the spool, of each block
	n       int64
	cache   [1 << 10]struct {
		block int64 // plus 1; 0: nothing
		data  []byte
	}
}

const (
	blockStrings = 16
	cachedBlock  = 8 << 10 // of larger blocks only the string that is asked for is read
	pendingBytes = 64 << 10
)

// add adds the next string.
func (s *sharedStrings) add(text []byte) error {
	if s.n%blockStrings == 0 {
		s.starts = append(s.starts, s.spool.size+int64(len(s.pending)))
	}
	s.n++
	s.pending = binary.AppendUvarint(s.pending, uint64(len(text)))
	if s.pending = append(s.pending, text...); len(s.pending) < pendingBytes {
		return nil
	}
	return s.flush()
}

// flush has to be called before get.
func (s *sharedStrings) flush() error {
	_, err := s.spool.Write(s.pending)
	s.pending = s.pending[:0]
	return err
}

// get appends string i to dst, or nothing for one that there is not.
func (s *sharedStrings) get(dst []byte, i int64) ([]byte, error) {
	if i < 0 || i >= s.n {
		return dst, nil
	}
	block, in := i/blockStrings, i%blockStrings
	end := s.spool.size
	if block+1 < int64(len(s.starts)) {
		end = s.starts[block+1]
	}
	if size := int(end - s.starts[block]); size <= cachedBlock {
		data, err := s.block(block, size)
		for ; err == nil; in-- {
			length, n := binary.Uvarint(data)
			if data = data[n:]; in == 0 {
				return append(dst, data[:length]...), nil
			}
			data = data[length:]
		}
		return dst, err
	}
	for at := s.starts[block]; ; in-- {
		var head [binary.MaxVarintLen64]byte
		m, err := s.spool.ReadAt(head[:min(int64(len(head)), end-at)], at)
		length, n := binary.Uvarint(head[:m])
		if n <= 0 {
			return dst, err
		}
		if at += int64(n); in == 0 {
			dst = slices.Grow(dst, int(length))
			to := dst[len(dst) : len(dst)+int(length)]
			if m, err = s.spool.ReadAt(to, at); m < len(to) {
				return dst, err
			}
			return dst[:len(dst)+m], nil
		}
		at += int64(length)
	}
}

// block returns a small block.
func (s *sharedStrings) block(b int64, size int) ([]byte, error) {
	slot := &s.cache[b%int64(len(s.cache))]
	if slot.block == b+1 {
		return slot.data, nil
	}
	slot.block = 0
	slot.data = slices.Grow(slot.data[:0], size)[:size]
	if n, err := s.spool.ReadAt(slot.data, s.starts[b]); n < size {
		return nil, err
	}
	slot.block = b + 1
	return slot.data, nil
}
