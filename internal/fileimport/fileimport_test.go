package fileimport_test

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/musterhq/muster/internal/columns"
	"github.com/musterhq/muster/internal/job"
)

// A file is prepared once, and then its chunks are read, each alone and from any row on.
func TestImport(t *testing.T) {
	t.Parallel()
	const file = "E-Mail;Vorname;Name;Alter\n" + // German, with semicolons
		"ada@example.com;Ada;Byron;36\n" +
		"ADA@example.com;Augusta;King;37\n" +
		"no address;Grace;Hopper;40\n" +
		"zoë@example.com;\"Zoë\n2\";Özil;30\n" +
		"too;few\n" +
		"grace@example.com;Grace;Hopper;40\n" +
		"ada@example.com;Ada;;\n"
	for name, c := range map[string]struct {
		options job.FileOptions
		want    string
	}{
		"insert": {job.FileOptions{}, `row 0 line 2: ada@example.com Ada Byron
row 1 line 3: ADA@example.com Augusta King
row 5 line 8: grace@example.com Grace Hopper
row 6 line 9: ada@example.com Ada 
reject 2 line 4: bad_email email "no address;Grace;Hopper;40"
reject 3 line 5: control_character firstName "zoë@example.com;\"Zoë\n2\";Özil;30"
reject 4 line 7: too_few_columns  "too;few"
skipped 0
`},
		"first": {job.FileOptions{OnDuplicate: job.DuplicateUpdate, Key: columns.KeyEmail, InFile: job.FirstRow}, `row 0 line 2: ada@example.com Ada Byron
row 5 line 8: grace@example.com Grace Hopper
reject 2 line 4: bad_email email "no address;Grace;Hopper;40"
reject 3 line 5: control_character firstName "zoë@example.com;\"Zoë\n2\";Özil;30"
reject 4 line 7: too_few_columns  "too;few"
skipped 2
`},
		"last": {job.FileOptions{OnDuplicate: job.DuplicateReject, Key: columns.KeyEmail, InFile: job.LastRow}, `row 5 line 8: grace@example.com Grace Hopper
row 6 line 9: ada@example.com Ada 
reject 0 line 2: duplicate_in_file email "ada@example.com;Ada;Byron;36"
reject 1 line 3: duplicate_in_file email "ADA@example.com;Augusta;King;37"
reject 2 line 4: bad_email email "no address;Grace;Hopper;40"
reject 3 line 5: control_character firstName "zoë@example.com;\"Zoë\n2\";Özil;30"
reject 4 line 7: too_few_columns  "too;few"
skipped 0
`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFiles(t, 3)
			j := newJob(t, f, "j1", []byte(file), c.options)
			got := importAll(t, f, j, 2)
			if diff := cmp.Diff(c.want, got.shown()); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			want := &job.FileFound{
				Format: "csv", Compression: "none", Charset: "utf-8", Delimiter: ";", Header: true, Rows: 7, ColumnCount: 4,
				Columns: []job.FileColumn{{Name: "E-Mail", Field: "email"}, {Name: "Vorname", Field: "firstName"}, {Name: "Name", Field: "lastName"}, {Name: "Alter", Field: "age"}},
			}
			if diff := cmp.Diff(want, got.Prepared.Found); diff != "" || got.Prepared.Chunks != 3 || got.Prepared.ChunkRows != 3 {
				t.Errorf("%+v (-want +got):\n%s", got.Prepared, diff)
			}
			for done := range int64(4) { // the second chunk, from its row done on
				var rest imported
				rest.readChunk(t, again(f), claim(j, got.Prepared, 1, done), 2)
				if n := int64(len(rest.Rows) + len(rest.Rejects) + rest.Skipped); n != 3-done {
					t.Errorf("%d rows are left behind the first %d", n, done)
				}
			}
		})
	}
}

// What was prepared before is only told again, also by a process that has another size of chunks.
func TestPrepareAgain(t *testing.T) {
	t.Parallel()
	f := newFiles(t, 1)
	j := newJob(t, f, "j1", []byte("email\na@example.com\nb@example.com\n"), job.FileOptions{})
	want, err := f.Prepare(t.Context(), j, noProgress)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Store.Delete(t.Context(), j.File.Object); err != nil {
		t.Fatal(err)
	}
	other := again(f)
	other.ChunkRows = 1000
	got, err := other.Prepare(t.Context(), j, func(int64) error { return errors.New("not called") })
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}
