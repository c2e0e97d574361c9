package store_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/musterhq/muster/internal/columns"
	"github.com/musterhq/muster/internal/job"
	"github.com/musterhq/muster/internal/store"
	"github.com/musterhq/muster/internal/store/storetest"
	"github.com/musterhq/muster/internal/user"
)

// everybody returns the users that are not deleted, without their ids, in the order of their ids.
func everybody(t *testing.T, s *store.Store) (users []user.User) {
	t.Helper()
	users, more, err := s.Users(t.Context(), user.Query{Size: 100_000})
	if err != nil || more {
		t.Fatal(more, err)
	}
	for i := range users {
		users[i].ID = 0
	}
	return users
}

func create(t *testing.T, s *store.Store, users ...user.User) []user.User {
	t.Helper()
	for i := range users {
		if err := s.CreateUser(t.Context(), &users[i]); err != nil {
			t.Fatal(err)
		}
	}
	return users
}

// outcome shows what became of a chunk's rows: inserted, updated, unchanged, skipped and rejected.
func outcome(c job.Chunk) string {
	return fmt.Sprintf("%d+%d+%d+%d+%d", c.Done-c.Updated-c.Unchanged-c.Skipped-c.Rejected, c.Updated, c.Unchanged, c.Skipped, c.Rejected)
}

// What each strategy makes of the same rows.
func TestStrategies(t *testing.T) {
	t.Parallel()
	there := []user.User{
		{FirstName: "Ada", Email: "Ada@example.com", City: "London"},
		{FirstName: "Other", Email: "àda@example.com"}, // equal by the collation, and another user
		{FirstName: "Twin", Email: "twin@example.com"},
		{FirstName: "Twin", Email: "TWIN@example.com"},
		{FirstName: "Same", Email: "same@example.com", Age: 30, Gender: user.Male},
		{FirstName: "Gone", Email: "gone@example.com"},
	}
	file := []user.User{
		{FirstName: "Augusta", LastName: "Byron", Email: "aDA@example.com"},
		{FirstName: "One", Email: "twin@example.com"},
		{FirstName: "Same", Email: "SAME@example.com", Gender: user.Male},
		{FirstName: "Back", Email: "gone@example.com"},
		{FirstName: "New", Email: "NEW@example.com"},
	}
	augusta, filled := there[0], there[0]
	augusta.FirstName, augusta.LastName, filled.LastName = "Augusta", "Byron", "Byron"
	added := []user.User{file[3], file[4]}
	for onDuplicate, want := range map[string]struct {
		outcome, codes string
		users          []user.User
	}{
		job.DuplicateInsert: {"5+0+0+0+0", "", slices.Concat(there[:5], file)},
		job.DuplicateSkip:   {"2+0+0+3+0", "", slices.Concat(there[:5], added)},
		job.DuplicateReject: {"2+0+0+0+3", "0 duplicate email, 1 duplicate email, 2 duplicate email", slices.Concat(there[:5], added)},
		job.DuplicateUpdate: {"2+1+1+0+1", "1 ambiguous_key email", slices.Concat([]user.User{augusta}, there[1:5], added)},
		job.DuplicateFill:   {"2+1+1+0+1", "1 ambiguous_key email", slices.Concat([]user.User{filled}, there[1:5], added)},
	} {
		t.Run(onDuplicate, func(t *testing.T) {
			t.Parallel()
			storetest.Each(t, func(t *testing.T, url string) {
				s := storetest.Open(t, url, store.Options{})
				stored := create(t, s, slices.Clone(there)...)
				if err := s.DeleteUser(t.Context(), stored[5].ID, nil); err != nil {
					t.Fatal(err)
				}
				for _, dry := range []bool{true, false} {
					j := newFileJob(job.FileOptions{Key: columns.KeyEmail, OnDuplicate: onDuplicate})
					j.DryRun = dry
					submit(t, s, j)
					importing(t, s, j, 5, 5)
					before := everybody(t, s)
					c := claim(t, s, j.ID, 0)
					commitFile(t, s, c, batchOf(c, file...))
					if got := outcome(c.Chunk); got != want.outcome {
						t.Errorf("dry run %v: %s, want %s", dry, got, want.outcome)
					}
					wantStored(t, s, c.Chunk)
					if got := codes(t, s, j.ID); got != want.codes {
						t.Errorf("dry run %v: rejected %q, want %q", dry, got, want.codes)
					}
					after := want.users
					if dry {
						after = before
					}
					if diff := cmp.Diff(after, everybody(t, s)); diff != "" {
						t.Errorf("users (-want +got):\n%s", diff)
					}
					if got := finish(t, s, j.ID); got.Status != job.Completed || got.Updated != c.Chunk.Updated || got.Skipped != c.Chunk.Skipped {
						t.Errorf("%+v", got)
					}
				}
			})
		})
	}
}

// wantStored compares the chunk as its worker knows it with what is stored.
func wantStored(t *testing.T, s *store.Store, c job.Chunk) {
	t.Helper()
	chunks, err := s.Chunks(t.Context(), c.JobID)
	if err != nil {
		t.Fatal(err)
	}
	got := chunks[slices.IndexFunc(chunks, func(other job.Chunk) bool { return other.No == c.No })]
	got.Claims, got.Stalls, c.Claims, c.Stalls = 0, 0, 0, 0
	if diff := cmp.Diff(c, got); diff != "" {
		t.Errorf("chunk (-worker +stored):\n%s", diff)
	}
}

// codes lists the rejected rows of a job.
func codes(t *testing.T, s *store.Store, id string) string {
	t.Helper()
	rejects, err := s.Rejects(t.Context(), id, -1, 1000)
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for _, r := range rejects {
		list = append(list, fmt.Sprintf("%d %s %s", r.Row, r.Code, r.Field))
		if r.Line != r.Row+2 || r.Message == "" {
			t.Errorf("%+v", r)
		}
	}
	return strings.Join(list, ", ")
}

// Rows that name their users by id.
func TestKeyID(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url string) {
		s := storetest.Open(t, url, store.Options{})
		stored := create(t, s, user.User{FirstName: "Ada"}, user.User{FirstName: "Bob", Email: "b@example.com"}, user.User{FirstName: "Gone"})
		if err := s.DeleteUser(t.Context(), stored[2].ID, nil); err != nil {
			t.Fatal(err)
		}
		for _, step := range []struct{ onDuplicate, want string }{
			{job.DuplicateSkip, "1+0+0+2+3; 2 unknown_id id, 3 unknown_id id, 5 required email"},
			{job.DuplicateReject, "1+0+0+0+5; 0 duplicate id, 1 duplicate id, 2 unknown_id id, 3 unknown_id id, 5 required email"},
			{job.DuplicateFill, "1+1+1+0+3; 2 unknown_id id, 3 unknown_id id, 5 required email"},
			{job.DuplicateUpdate, "1+0+2+0+3; 2 unknown_id id, 3 unknown_id id, 5 required email"},
		} {
			c := fileOf(t, s, job.FileOptions{Key: columns.KeyID, OnDuplicate: step.onDuplicate}, 6)
			commitFile(t, s, c, batchOf(c, user.User{ID: stored[0].ID, FirstName: "Ada", City: "Rome"}, user.User{ID: stored[1].ID, Email: "B@example.com"},
				user.User{ID: stored[2].ID, FirstName: "X"}, user.User{ID: 1 << 40, FirstName: "X"}, user.User{FirstName: "New"}, user.User{City: "Rome"}))
			if got := outcome(c.Chunk) + "; " + codes(t, s, c.Job.ID); got != step.want {
				t.Errorf("%s: %s, want %s", step.onDuplicate, got, step.want)
			}
			wantStored(t, s, c.Chunk)
		}
		if ada, err := s.User(t.Context(), stored[0].ID); err != nil || ada.City != "Rome" || ada.FirstName != "Ada" {
			t.Errorf("%+v, %v", ada, err)
		}
	})
}

// A whole name fills none of which a part is known: that would be the name of two people.
func TestWholeNameFillsNoHalf(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url string) {
		s := storetest.Open(t, url, store.Options{})
		stored := create(t, s, user.User{FirstName: "Ann"}, user.User{LastName: "Byron"}, user.User{Email: "c@example.com"})
		plan, err := columns.NewPlan([]string{"id", "name"}, columns.Options{Key: columns.KeyID, Today: time.Now()})
		if err != nil {
			t.Fatal(err)
		}
		c := fileOf(t, s, job.FileOptions{Key: columns.KeyID, OnDuplicate: job.DuplicateFill}, 3)
		b := &columns.Batch{Rows: make([]columns.Row, 3)}
		for i := range b.Rows {
			record := [][]byte{fmt.Append(nil, stored[i].ID), []byte("Eve Smith")}
			if faults := plan.Converter().Convert(record, &b.Rows[i]); faults != nil {
				t.Fatal(faults)
			}
			b.Rows[i].Index, b.Rows[i].Line = int64(i), int64(i)+2
		}
		commitFile(t, s, c, b)
		for i, want := range []string{"Ann|", "|Byron", "Eve|Smith"} {
			if u, err := s.User(t.Context(), stored[i].ID); err != nil || u.FirstName+"|"+u.LastName != want {
				t.Errorf("%s|%s, %v, want %s", u.FirstName, u.LastName, err, want)
			}
		}
	})
}

// A row may empty what a user has, but not both e-mail and name.
func TestUserIsNotLeftNameless(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url string) {
		s := storetest.Open(t, url, store.Options{})
		stored := create(t, s, user.User{FirstName: "Ada", City: "Rome"}, user.User{FirstName: "Bob", Email: "b@example.com"})
		plan, err := columns.NewPlan([]string{"id", "first name", "city"}, columns.Options{Key: columns.KeyID, EmptyMeans: columns.Clear, Today: time.Now()})
		if err != nil {
			t.Fatal(err)
		}
		c := fileOf(t, s, job.FileOptions{Key: columns.KeyID, OnDuplicate: job.DuplicateUpdate}, 2)
		b := &columns.Batch{Rows: make([]columns.Row, 2)}
		for i := range b.Rows {
			record := [][]byte{fmt.Append(nil, stored[i].ID), {}, {}}
			if faults := plan.Converter().Convert(record, &b.Rows[i]); faults != nil {
				t.Fatal(faults)
			}
			b.Rows[i].Index, b.Rows[i].Line = int64(i), int64(i)+2
		}
		commitFile(t, s, c, b)
		if got := outcome(c.Chunk) + "; " + codes(t, s, c.Job.ID); got != "0+1+0+0+1; 0 required email" {
			t.Error(got)
		}
		if diff := cmp.Diff([]user.User{{FirstName: "Ada", City: "Rome"}, {Email: "b@example.com"}}, everybody(t, s)); diff != "" {
			t.Errorf("users (-want +got):\n%s", diff)
		}
	})
}

// Jobs whose files have the same keys, and single creates with these, all at once: each key becomes one user.
func TestSameKeysAtOnce(t *testing.T) {
	t.Parallel()
	const jobs, keys, perBatch = 3, 240, 60
	for _, onDuplicate := range []string{job.DuplicateSkip, job.DuplicateUpdate, job.DuplicateFill, job.DuplicateReject} {
		t.Run(onDuplicate, func(t *testing.T) {
			t.Parallel()
			storetest.Each(t, func(t *testing.T, url string) {
				s := storetest.Open(t, url, store.Options{})
				claims := make(chan *job.Claim, jobs)
				for range jobs {
					claims <- fileOf(t, s, job.FileOptions{Key: columns.KeyEmail, OnDuplicate: onDuplicate}, keys)
				}
				var number, created, inserted atomic.Int64
				parallel(jobs, func() {
					c := <-claims
					from := int(number.Add(1)) * 70 // each begins elsewhere, so that they meet in other orders
					for c.Chunk.Left() > 0 {
						var users []user.User
						for i := range perBatch {
							key := (from + int(c.Chunk.Done) + i*7) % keys // 7 and 240 have no common divisor
							users = append(users, user.User{Email: fmt.Sprintf("U%d@example.com", key), City: c.Job.ID})
						}
						if err := s.CommitFileBatch(context.Background(), c, batchOf(c, users...)); err != nil {
							t.Error(err)
							return
						}
						u := user.User{Email: fmt.Sprintf("u%d@EXAMPLE.com", from%keys), LastName: "Single"}
						switch _, what, err := s.CreateUserOnDuplicate(context.Background(), &u, onDuplicate); {
						case err == nil && what == user.WasInserted:
							created.Add(1)
						case err != nil && !errors.Is(err, user.ErrDuplicate):
							t.Error(err)
						}
					}
					inserted.Add(c.Chunk.Done - c.Chunk.Updated - c.Chunk.Unchanged - c.Chunk.Skipped - c.Chunk.Rejected)
					wantStored(t, s, c.Chunk)
				})
				count := map[string]int{}
				for _, u := range everybody(t, s) {
					count[strings.ToLower(u.Email)]++
				}
				for key, n := range count {
					if n != 1 {
						t.Errorf("%d users are %s", n, key)
					}
				}
				if got := created.Load() + inserted.Load(); got != int64(len(count)) {
					t.Errorf("%d users, and %d by the counts", len(count), got)
				}
			})
		})
	}
}

// A file's rows and callers change different fields of the same users at once: both last.
func TestUpdateRacesPatches(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url string) {
		s := storetest.Open(t, url, store.Options{})
		const users = 50
		var list []user.User
		for i := range users {
			list = append(list, user.User{FirstName: "Ada", Email: fmt.Sprintf("%d@example.com", i)})
		}
		stored := create(t, s, list...)
		c := fileOf(t, s, job.FileOptions{Key: columns.KeyEmail, OnDuplicate: job.DuplicateUpdate}, users)
		work := make(chan func() error, 2)
		work <- func() error {
			for c.Chunk.Left() > 0 {
				u := stored[c.Chunk.Done : c.Chunk.Done+10]
				next := make([]user.User, len(u))
				for i := range u {
					next[i] = user.User{Email: u[i].Email, City: "Rome"}
				}
				if err := s.CommitFileBatch(context.Background(), c, batchOf(c, next...)); err != nil {
					return err
				}
			}
			return nil
		}
		work <- func() error {
			state := "Lazio"
			for _, u := range stored {
				if _, err := s.ChangeUser(context.Background(), u.ID, user.Patch{State: &state}, nil); err != nil {
					return err
				}
			}
			return nil
		}
		parallel(2, func() {
			if err := (<-work)(); err != nil {
				t.Error(err)
			}
		})
		for _, u := range everybody(t, s) {
			if u.City != "Rome" || u.State != "Lazio" {
				t.Fatalf("%+v", u)
			}
		}
	})
}

// What is undone are the users that the job inserted. What it changed stays.
func TestUndoOfAnUpdate(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url string) {
		s := storetest.Open(t, url, store.Options{})
		create(t, s, user.User{FirstName: "Ada", Email: "a@example.com"})
		c := fileOf(t, s, job.FileOptions{Key: columns.KeyEmail, OnDuplicate: job.DuplicateUpdate}, 3)
		commitFile(t, s, c, batchOf(c, user.User{Email: "a@example.com", City: "Rome"}, user.User{Email: "b@example.com"}, user.User{Email: "c@example.com"}))
		finish(t, s, c.Job.ID)
		if _, err := move(t.Context(), s, "ann", c.Job.ID, job.MoveUndo); err != nil {
			t.Fatal(err)
		}
		undone(t, s, c.Job.ID)
		if diff := cmp.Diff([]user.User{{FirstName: "Ada", Email: "a@example.com", City: "Rome"}}, everybody(t, s)); diff != "" {
			t.Errorf("users (-want +got):\n%s", diff)
		}
	})
}
