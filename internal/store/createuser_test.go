package store_test

import (
	"errors"
	"testing"

	"github.com/musterhq/muster/internal/job"
	"github.com/musterhq/muster/internal/store"
	"github.com/musterhq/muster/internal/store/storetest"
	"github.com/musterhq/muster/internal/user"
)

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
		if err := s.Ready(t.Context()); err != nil { // whose connections are those of the calls
			t.Errorf("not ready afterwards: %v", err)
		}
	})
}
