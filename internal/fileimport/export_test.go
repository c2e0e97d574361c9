package fileimport

import "fmt"

// SetRun makes sorters spill after so many entries.
func (f *Files) SetRun(entries int) { f.runEntries = entries }

// Sorted sorts rows by hashes outside of memory, and returns them as text.
func Sorted(dir string, most int, hashes []uint64) (out []string, runs int, err error) {
	s := newSorter(dir, most)
	defer s.close()
	for row, h := range hashes {
		if err := s.add(entry{key: [2]uint64{h % 7, h}, row: int64(row)}); err != nil {
			return nil, 0, err
		}
	}
	err = s.each(func(e entry) error {
		out = append(out, fmt.Sprint(e.key, e.row))
		return nil
	})
	return out, len(s.ends), err
}

// ParseHead reads a head, and returns it as it would be written.
func ParseHead(text []byte) ([]byte, error) {
	h, err := parseHead(text)
	if err != nil {
		return nil, err
	}
	b, err := h.append(nil)
	return b[lengthSize:], err
}
