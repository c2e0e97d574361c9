package fileimport

import (
	"bufio"
	"cmp"
	"container/heap"
	"encoding/binary"
	"io"
	"os"
	"slices"
)

// entry is a row and the hash of its key.
type entry struct {
	key [2]uint64
	row int64
}

const entryBytes = 3 * 8

func (e entry) compare(f entry) int {
	switch { // cmp.Or would compare all three, which takes twice the time
	case e.key[0] != f.key[0]:
		return cmp.Compare(e.key[0], f.key[0])
	case e.key[1] != f.key[1]:
		return cmp.Compare(e.key[1], f.key[1])
	}
	return cmp.Compare(e.row, f.row)
}

// What a sorter keeps in memory: a run while it grows, and buffers of all runs while they are merged.
const (
	runEntries  = 32 << 20 / entryBytes
	mergeMemory = 32 << 20
)

// sorter sorts entries, outside of memory when they are many: they are written to a temporary file in sorted runs, which
// are merged.
type sorter struct {
	dir  string
	most int // entries of a run
	run  []entry
	file *os.File
	ends []int64 // of the runs in the file
}

// newSorter returns a sorter whose runs have so many entries; 0: runEntries.
func newSorter(dir string, most int) *sorter {
	return &sorter{dir: dir, most: cmp.Or(most, runEntries)}
}

func (s *sorter) add(e entry) error {
	if len(s.run) == s.most {
		if err := s.spill(); err != nil {
			return err
		}
	}
	s.run = append(s.run, e)
	return nil
}

// spill writes the run to the file.
func (s *sorter) spill() (err error) {
	slices.SortFunc(s.run, entry.compare)
	if s.file == nil {
		if s.file, err = tempFile(s.dir); err != nil {
			return err
		}
	}
	w := bufio.NewWriterSize(s.file, 256<<10)
	var b [entryBytes]byte
	for _, e := range s.run {
		binary.BigEndian.PutUint64(b[:], e.key[0])
		binary.BigEndian.PutUint64(b[8:], e.key[1])
		binary.BigEndian.PutUint64(b[16:], uint64(e.row))
		_, _ = w.Write(b[:]) // Flush says it
	}
	if err := w.Flush(); err != nil {
		return err
	}
	end, err := s.file.Seek(0, io.SeekCurrent)
	s.ends, s.run = append(s.ends, end), s.run[:0]
	return err
}

// each calls fn with all entries in order. Its error ends it. Nothing may be added any more.
func (s *sorter) each(fn func(entry) error) error {
	if s.file == nil {
		slices.SortFunc(s.run, entry.compare)
		for _, e := range s.run {
			if err := fn(e); err != nil {
				return err
			}
		}
		return nil
	}
	if err := s.spill(); err != nil {
		return err
	}
	s.run = nil
	var m merge
	start, size := int64(0), min(max(mergeMemory/len(s.ends), 4<<10), 1<<20)
	for _, end := range s.ends {
		run := &runReader{r: bufio.NewReaderSize(io.NewSectionReader(s.file, start, end-start), size)}
		start = end
		switch ok, err := run.next(); {
		case err != nil:
			return err
		case ok:
			m = append(m, run)
		}
	}
	return m.each(fn)
}

func (s *sorter) close() {
	if s.file != nil {
		_ = s.file.Close()
	}
}

// runReader reads a sorted run.
type runReader struct {
	r     *bufio.Reader
	entry entry // that was read last
}

// next reads the next entry; false: there is none.
func (r *runReader) next() (bool, error) {
	var b [entryBytes]byte
	if _, err := io.ReadFull(r.r, b[:]); err == io.EOF { // and no part of an entry is read
		return false, nil
	} else if err != nil {
		return false, err
	}
	r.entry = entry{[2]uint64{binary.BigEndian.Uint64(b[:]), binary.BigEndian.Uint64(b[8:])}, int64(binary.BigEndian.Uint64(b[16:]))}
	return true, nil
}

// merge is a heap of runs by their next entries.
type merge []*runReader

func (m merge) Len() int           { return len(m) }
func (m merge) Less(i, j int) bool { return m[i].entry.compare(m[j].entry) < 0 }
func (m merge) Swap(i, j int)      { m[i], m[j] = m[j], m[i] }
func (m *merge) Push(x any)        { *m = append(*m, x.(*runReader)) }

func (m *merge) Pop() any {
	last := (*m)[len(*m)-1]
	*m = (*m)[:len(*m)-1]
	return last
}

func (m merge) each(fn func(entry) error) error {
	heap.Init(&m)
	for len(m) > 0 {
		if err := fn(m[0].entry); err != nil {
			return err
		}
		ok, err := m[0].next()
		if err != nil {
			return err
		}
		if ok {
			heap.Fix(&m, 0)
		} else {
			heap.Pop(&m)
		}
	}
	return nil
}
