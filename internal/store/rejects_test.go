package store_test

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/musterhq/muster/internal/columns"
	"github.com/musterhq/muster/internal/job"
	"github.com/musterhq/muster/internal/store"
	"github.com/musterhq/muster/internal/store/storetest"
	"github.com/musterhq/muster/internal/user"
)

// Rejected records of any size are kept, up to a mebibyte of each, and read page by page.
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
			case 5:
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
			got = append(got, page...)
		}
		want := slices.Clone(b.Rejects)
		for i := range want {
			want[i].Message, want[i].Raw = strings.Repeat("ß", 500), want[i].Raw[:min(len(want[i].Raw), 1<<20)]
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

func TestCreateUserOnDuplicate(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url string) {
		s := storetest.Open(t, url, store.Options{})
		stored := create(t, s, user.User{FirstName: "Ada", Email: "a@example.com", Age: 36}, user.User{Email: "t@example.com"}, user.User{Email: "T@example.com"})
		steps := []struct {
			onDuplicate string
			u           user.User
			what        string
			err         error
			stored      user.User
		}{
			{job.DuplicateSkip, user.User{Email: "A@example.com", City: "Rome"}, user.WasSkipped, nil, stored[0]},
			{job.DuplicateReject, user.User{Email: "A@example.com"}, "", user.ErrDuplicate, user.User{}},
			{job.DuplicateUpdate, user.User{Email: "A@example.com", Age: 36}, user.WasUnchanged, nil, stored[0]},
			{job.DuplicateUpdate, user.User{Email: "t@example.com", Age: 36}, "", user.ErrAmbiguous, user.User{}},
			{job.DuplicateFill, user.User{Email: "t@example.com", Age: 36}, "", user.ErrAmbiguous, user.User{}},
			{job.DuplicateSkip, user.User{Email: "t@example.com", Age: 36}, user.WasSkipped, nil, stored[1]},
			{job.DuplicateFill, user.User{FirstName: "X", Email: "A@example.com", City: "Rome"}, user.WasUpdated, nil,
				user.User{ID: stored[0].ID, FirstName: "Ada", Email: "a@example.com", Age: 36, City: "Rome"}},
			{job.DuplicateUpdate, user.User{FirstName: "X", Email: "A@example.com"}, user.WasUpdated, nil,
				user.User{ID: stored[0].ID, FirstName: "X", Email: "a@example.com", Age: 36, City: "Rome"}},
		}
		for _, step := range steps {
			got, what, err := s.CreateUserOnDuplicate(t.Context(), &step.u, step.onDuplicate)
			if what != step.what || !errors.Is(err, step.err) || got != step.stored {
				t.Errorf("%s of %+v: %+v, %q, %v", step.onDuplicate, step.u, got, what, err)
			}
		}
		for _, onDuplicate := range []string{job.DuplicateSkip, job.DuplicateInsert} {
			u := user.User{FirstName: "Nameless " + onDuplicate}
			got, what, err := s.CreateUserOnDuplicate(t.Context(), &u, onDuplicate)
			if what != user.WasInserted || err != nil || got.ID == 0 {
				t.Errorf("%+v, %s, %v", got, what, err)
			}
		}
		got := everybody(t, s)
		if len(got) != 5 || got[0] != (user.User{FirstName: "X", Email: "a@example.com", Age: 36, City: "Rome"}) {
			t.Errorf("%+v", got)
		}
	})
}
