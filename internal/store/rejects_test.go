package store_test

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/musterhq/muster/internal/columns"
	"github.com/musterhq/muster/internal/job"
	"github.com/musterhq/muster/internal/store"
	"github.com/musterhq/muster/internal/store/storetest"
)

// Rejected records of any size are kept, of long ones the share that each row of the job has, which their message says. They
// are read page by page; a page of long ones is short.
func TestRejects(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url string) {
		s := storetest.Open(t, url, store.Options{})
		c := fileOf(t, s, job.FileOptions{OnDuplicate: job.DuplicateInsert}, 700)
		huge := bytes.Repeat([]byte("\x00'\\\xff"), 1<<20)
		b := &columns.Batch{}
		for i := range int64(700) {
			r := job.Reject{Row: i, Line: i + 2, Code: "too_long", Field: "city", Message: strings.Repeat("ß", 600), Raw: []byte("é;\x00")}
			switch i {
			case 3, 4, 600:
				r.Raw = huge
			}
			if i >= 100 && i < 150 {
				r.Raw = huge
			}
			if i == 5 {
				r.Raw, r.Field = nil, ""
			}
			b.Rejects = append(b.Rejects, r)
		}
		commitFile(t, s, c, b)
		if c.Chunk.Rejected != 700 || c.Chunk.Left() != 0 {
			t.Errorf("%+v", c.Chunk)
		}
		var got []job.Reject
		for after := int64(-1); ; after = got[len(got)-1].Row {
			page, err := s.Rejects(t.Context(), c.Job.ID, after, 90)
			if err != nil {
				t.Fatal(err)
			}
			if len(page) == 0 {
				break
			}
			size := 0
			for i := range page {
				size += len(page[i].Raw)
			}
			if size > 4<<20 {
				t.Errorf("a page of %d rows has %d bytes", len(page), size)
			}
			got = append(got, page...)
		}
		want := slices.Clone(b.Rejects)
		const share = (16<<20 + 4*fileBytes) / 700
		note := fmt.Sprintf("; of the record only the first %d bytes are kept", share)
		for i := range want {
			want[i].Message = strings.Repeat("ß", 500)
			if len(want[i].Raw) > share {
				want[i].Message, want[i].Raw = strings.Repeat("ß", 500-len(note))+note, want[i].Raw[:share]
			}
			if want[i].Raw == nil {
				want[i].Raw = []byte{}
			}
		}
		for i := range want {
			if i >= len(got) || !bytes.Equal(want[i].Raw, got[i].Raw) || got[i].Message != want[i].Message || got[i].Row != want[i].Row || got[i].Field != want[i].Field {
				t.Fatalf("row %d of %d differs", i, len(got))
			}
		}
	})
}
