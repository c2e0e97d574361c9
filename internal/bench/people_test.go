package main

import (
	"io"
	"os"
	"slices"
	"testing"

	"github.com/musterhq/muster/internal/records"
)

// TestFilesOfPeople reads each kind of file as Muster does.
func TestFilesOfPeople(t *testing.T) {
	t.Parallel()
	const n = 2500
	rows, err := peopleOf(n, 40)
	if err != nil {
		t.Fatal(err)
	}
	next := func(yield func(person) bool) {
		for p := range rows {
			if !yield(*p) {
				return
			}
		}
	}
	want := slices.Collect(next)
	if len(want) != n || want[0].Notes == want[1].Notes || len(want[0].Notes) != 40 {
		t.Fatalf("%d people, the first two with the notes %q and %q", len(want), want[0].Notes, want[1].Notes)
	}
	for _, k := range fileKinds {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			made, err := makeFile(t.TempDir(), k, rows)
			if err != nil {
				t.Fatal(err)
			}
			got := mailsIn(t, made)
			if len(got) != n {
				t.Fatalf("%d rows, want %d", len(got), n)
			}
			for i, email := range got {
				if email != want[i].Email {
					t.Fatalf("row %d has %q, want %q", i, email, want[i].Email)
				}
			}
		})
	}
}

// mailsIn returns the e-mail addresses in a file.
func mailsIn(t *testing.T, file peopleFile) (list []string) {
	t.Helper()
	f, err := os.Open(file.path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	_, err = records.Prepare(t.Context(), io.NewSectionReader(f, 0, file.bytes), records.Options{TempDir: t.TempDir()}, records.Plan{
		ChunkRows: 1000,
		Begin: func(i records.Info) (io.Writer, error) {
			if !slices.Equal(i.Columns, columnNames) {
				t.Errorf("columns %q", i.Columns)
			}
			return io.Discard, nil
		},
		Chunk: func(records.Chunk) error { return nil },
		Record: func(r *records.Record) error {
			if r.Fault != "" {
				t.Errorf("row %d: %s", r.Row, r.Fault)
				return nil
			}
			list = append(list, string(r.Values[slices.Index(columnNames, "email")]))
			return nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}
