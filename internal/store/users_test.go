package store_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/musterhq/muster/internal/invalid"
	"github.com/musterhq/muster/internal/store"
	"github.com/musterhq/muster/internal/store/storetest"
	"github.com/musterhq/muster/internal/user"
)

func ada() user.User {
	return user.User{
		FirstName: "Ada \U0001F469", LastName: "بايرون", Email: "ada@example.com", City: "Łódź", State: "", Age: 36,
		MobileNumber: "+442079460000", Gender: user.Female,
	}
}

func TestUserFromBirthToReactivation(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url string) {
		s := storetest.Open(t, url, store.Options{})
		ctx := t.Context()
		u := ada()
		if err := s.CreateUser(ctx, &u); err != nil || u.ID == 0 {
			t.Fatalf("create: %v, id %d", err, u.ID)
		}
		if got, err := s.User(ctx, u.ID); err != nil || got != u {
			t.Fatalf("got %+v, %v, want %+v", got, err, u)
		}
		if _, err := s.ReactivateUser(ctx, u.ID); !errors.Is(err, user.ErrActive) {
			t.Errorf("reactivate an active user: %v", err)
		}
		before := time.Now().Add(-time.Minute)
		if err := s.DeleteUser(ctx, u.ID, nil); err != nil {
			t.Fatal(err)
		}
		city := "London"
		for what, err := range map[string]error{
			"read":         second(s.User(ctx, u.ID)),
			"change":       second(s.ChangeUser(ctx, u.ID, user.Patch{City: &city}, nil)),
			"delete again": s.DeleteUser(ctx, u.ID, nil),
			"delete none":  s.DeleteUser(ctx, 1<<40, nil),
			"reactivate":   second(s.ReactivateUser(ctx, 1<<40)),
		} {
			if !errors.Is(err, user.ErrNotFound) {
				t.Errorf("%s: %v, want not found", what, err)
			}
		}
		gone, _, err := s.Users(ctx, user.Query{Filter: user.Filter{Deleted: true}, Size: 10})
		if err != nil || len(gone) != 1 || !gone[0].Deleted || gone[0].DeletedAt.Before(before) {
			t.Errorf("deleted users %+v, %v", gone, err)
		}
		if got, err := s.ReactivateUser(ctx, u.ID); err != nil || got != u {
			t.Errorf("reactivated %+v, %v", got, err)
		}
		if got, err := s.User(ctx, u.ID); err != nil || got != u {
			t.Errorf("after all %+v, %v", got, err)
		}
	})
}

// Age and gender may be unknown from the start, become known, and be emptied; an e-mail address or a name stays.
func TestUnknownAgeAndGender(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url string) {
		s := storetest.Open(t, url, store.Options{})
		ctx := t.Context()
		u := user.User{LastName: "Ng"}
		if err := s.CreateUser(ctx, &u); err != nil {
			t.Fatal(err)
		}
		for _, p := range []user.Patch{
			{},
			{Age: new(36), Gender: new(user.Female)},
			{Age: new(0), City: new("Leeds")},
			{Gender: new("")},
			{Email: new("ng@example.com"), LastName: new("")},
			{Age: new(1), FirstName: new("A"), Email: new("")},
		} {
			p.Apply(&u)
			if got, err := s.ChangeUser(ctx, u.ID, p, nil); err != nil || got != u {
				t.Errorf("changed to %+v, %v, want %+v", got, err, u)
			}
			if got, err := s.User(ctx, u.ID); err != nil || got != u {
				t.Errorf("stored %+v, %v, want %+v", got, err, u)
			}
			list, _, err := s.Users(ctx, user.Query{Filter: user.Filter{MaxAge: user.MaxAge}, Size: 10})
			if err != nil || len(list) == 1 != (u.Age != 0) {
				t.Errorf("by age: %+v, %v", list, err)
			}
		}
		_, err := s.ChangeUser(ctx, u.ID, user.Patch{FirstName: new("")}, nil)
		if _, ok := errors.AsType[*invalid.Error](err); !ok {
			t.Errorf("a patch that leaves nobody: %v", err)
		}
		if got, err := s.User(ctx, u.ID); err != nil || got != u {
			t.Errorf("after it %+v, %v", got, err)
		}
	})
}

func second[T any](_ T, err error) error { return err }

func TestUsersGetIDsOfTheirOwn(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url string) {
		var mu sync.Mutex
		seen := map[int64]bool{}
		var wg sync.WaitGroup
		for range 2 { // two processes
			s := storetest.Open(t, url, store.Options{})
			for range 4 {
				wg.Go(func() {
					for range 40 { // beyond one block
						u := ada()
						if err := s.CreateUser(t.Context(), &u); err != nil {
							t.Error(err)
							return
						}
						mu.Lock()
						if seen[u.ID] {
							t.Errorf("id %d twice", u.ID)
						}
						seen[u.ID] = true
						mu.Unlock()
					}
				})
			}
		}
		wg.Wait()
		if len(seen) != 320 {
			t.Errorf("%d users", len(seen))
		}
	})
}

// Two who change different fields of one user at once must both find their change there.
func TestPatchesAtOnceLoseNothing(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url string) {
		s := storetest.Open(t, url, store.Options{})
		u := ada()
		if err := s.CreateUser(t.Context(), &u); err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		for i := range 15 {
			last, city, age := fmt.Sprintf("last%d", i), fmt.Sprintf("city%d", i), 20+i
			for _, p := range []user.Patch{{LastName: &last}, {City: &city}, {Age: &age}} {
				wg.Go(func() {
					got, err := s.ChangeUser(t.Context(), u.ID, p, nil)
					want := got
					p.Apply(&want)
					if err != nil || got != want {
						t.Errorf("answer %+v, %v", got, err)
					}
				})
			}
		}
		wg.Wait()
		got, err := s.User(t.Context(), u.ID)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(got.LastName, "last") || !strings.HasPrefix(got.City, "city") || got.Age == u.Age {
			t.Errorf("a change was lost: %+v", got)
		}
		got.LastName, got.City, got.Age = u.LastName, u.City, u.Age
		if got != u {
			t.Errorf("a field that nobody gave changed: %+v", got)
		}
	})
}

func TestChangeIsChecked(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url string) {
		s := storetest.Open(t, url, store.Options{})
		u := ada()
		if err := s.CreateUser(t.Context(), &u); err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		var mu sync.Mutex
		done := 0
		for i := range 10 { // each has seen age 36
			age := 40 + i
			wg.Go(func() {
				_, err := s.ChangeUser(t.Context(), u.ID, user.Patch{Age: &age}, func(now user.User) error {
					if now != u {
						return user.ErrChanged
					}
					return nil
				})
				mu.Lock()
				defer mu.Unlock()
				switch {
				case err == nil:
					done++
				case !errors.Is(err, user.ErrChanged):
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if done != 1 {
			t.Errorf("%d of 10 changed what all saw first", done)
		}
		if err := s.DeleteUser(t.Context(), u.ID, func(user.User) error { return user.ErrChanged }); !errors.Is(err, user.ErrChanged) {
			t.Errorf("a deletion that the check refuses: %v", err)
		}
		if _, err := s.User(t.Context(), u.ID); err != nil {
			t.Errorf("after it: %v", err)
		}
	})
}

// Users that are deleted between the two steps of a list are not in it, and those behind them are not lost.
func TestListWhileUsersAreDeleted(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url string) {
		s := storetest.Open(t, url, store.Options{})
		var ids []int64
		for range 5 {
			u := ada()
			if err := s.CreateUser(t.Context(), &u); err != nil {
				t.Fatal(err)
			}
			ids = append(ids, u.ID)
		}
		between := func(gone ...int64) func() {
			return func() {
				for ; len(gone) > 0; gone = gone[1:] {
					if err := s.DeleteUser(t.Context(), gone[0], nil); err != nil {
						t.Error(err)
					}
				}
			}
		}
		q := user.Query{Filter: user.Filter{City: "Łódź"}, Sort: user.Sort{By: user.SortCity}, Size: 2}
		users, more, err := s.UsersInterrupted(t.Context(), q, between(ids[0]))
		if err != nil || len(users) != 1 || users[0].ID != ids[1] || !more {
			t.Errorf("one of two is gone: %+v, %v, %v", users, more, err)
		}
		users, more, err = s.UsersInterrupted(t.Context(), q, between(ids[1], ids[2]))
		if err != nil || len(users) != 2 || users[0].ID != ids[3] || more {
			t.Errorf("both are gone: %+v, %v, %v", users, more, err)
		}
	})
}
