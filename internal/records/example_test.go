package records_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/musterhq/muster/internal/records"
)

// A file is walked over once, and then any chunk of it can be read alone.
func Example() {
	file := []byte("name;city\nAda;London\nZoë;\"New\nYork\"\nGrace\n")
	var stored bytes.Buffer // what a file that is no plain text is rewritten to
	var chunks []records.Chunk
	p, err := records.Prepare(context.Background(), bytes.NewReader(file), records.Options{}, records.Plan{
		ChunkRows: 2,
		Begin:     func(records.Info) (io.Writer, error) { return &stored, nil },
		Chunk:     func(c records.Chunk) error { chunks = append(chunks, c); return nil },
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%s, %q, %d rows, columns %q\n", p.Info.Format, p.Info.Delimiter, p.Rows, p.Info.Columns)

	object := file
	if p.Info.Rewritten {
		object = stored.Bytes()
	}
	for _, c := range chunks {
		s, err := records.NewScanner(io.NewSectionReader(bytes.NewReader(object), c.Offset, c.Size), p.Info, c)
		if err != nil {
			fmt.Println(err)
			return
		}
		for {
			r, err := s.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				fmt.Println(err)
				return
			}
			if r.Fault != "" {
				fmt.Printf("row %d, line %d: %s\n", r.Row, r.Line, r.Fault.Message())
				continue
			}
			fmt.Printf("row %d, line %d: %q\n", r.Row, r.Line, r.Values)
		}
		s.Close()
	}
	// Output:
	// csv, ";", 3 rows, columns ["name" "city"]
	// row 1, line 2: ["Ada" "London"]
	// row 2, line 3: ["Zoë" "New\nYork"]
	// row 3, line 5: the record has fewer values than there are columns
}
