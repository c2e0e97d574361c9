package store_test

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/musterhq/muster/internal/columns"
	"github.com/musterhq/muster/internal/job"
	"github.com/musterhq/muster/internal/searchindex"
	"github.com/musterhq/muster/internal/store"
	"github.com/musterhq/muster/internal/store/storetest"
	"github.com/musterhq/muster/internal/user"
)

// align makes the wanted indexes those of the database, and compares what it says with what it should.
func align(t *testing.T, url, want, built, dropped string) {
	t.Helper()
	gotBuilt, gotDropped, err := store.AlignIndexes(t.Context(), url, indexes(t, want))
	if err != nil || gotBuilt.String() != built || gotDropped.String() != dropped {
		t.Fatalf("%s: built %s, dropped %s, %v; want %s and %s", want, gotBuilt, gotDropped, err, built, dropped)
	}
	if got, err := storetest.Open(t, url, store.Options{}).SearchIndexes(t.Context()); err != nil || got != indexes(t, want) {
		t.Fatalf("the database has %s after %s: %v", got, want, err)
	}
}

func indexes(t *testing.T, text string) searchindex.Set {
	t.Helper()
	set, _, err := searchindex.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

func TestAlignIndexes(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url string) {
		s := storetest.Open(t, url, store.Options{})
		storetest.Import(t, s, storetest.People(200))
		before := definitions(t, url)
		align(t, url, "all", "none", "none")
		align(t, url, "city,age", "none", "name,state,deleted")
		align(t, url, "city,age", "none", "none")
		if _, err := store.Migrate(t.Context(), url); err != nil { // as where nothing is set
			t.Fatal(err)
		}
		align(t, url, "city,age", "none", "none")
		align(t, url, "name,age", "name", "city")
		align(t, url, "none", "none", "name,age")
		align(t, url, "all", "all", "none")
		if diff := cmp.Diff(before, definitions(t, url)); diff != "" {
			t.Errorf("the indexes are not what they were (-before +after):\n%s", diff)
		}
	})
}

// definitions returns how a database defines the indexes of users.
func definitions(t *testing.T, url string) []string {
	t.Helper()
	db, dialect := storetest.DB(t, url)
	query := `SELECT sql FROM sqlite_schema WHERE type = 'index' AND tbl_name = 'users' AND sql IS NOT NULL ORDER BY name`
	if dialect.ByID != " NOT INDEXED" {
		if strings.HasPrefix(url, "vitess") {
			return nil
		}
		query = `SELECT CONCAT_WS(' ', index_name, non_unique, seq_in_index, column_name, sub_part, index_type)
			FROM information_schema.statistics WHERE table_schema = DATABASE() AND table_name = 'users' ORDER BY 1`
	}
	list := texts(t, db, query)
	if len(list) < 7 {
		t.Fatalf("definitions: %q", list)
	}
	return list
}

// A process that died left some of the indexes as they were, maybe one of the two of names.
func TestAlignIndexesHalfWay(t *testing.T) {
	t.Parallel()
	storetest.EachServer(t, func(t *testing.T, url string) {
		db, dialect := storetest.DB(t, url)
		drop := "DROP INDEX ix_users_first_name"
		if dialect.ByID != " NOT INDEXED" {
			drop += " ON users"
		}
		if _, err := db.ExecContext(t.Context(), drop); err != nil {
			t.Fatal(err)
		}
		s := storetest.Open(t, url, store.Options{})
		wantRefused(t, s, user.Query{Filter: user.Filter{Name: "ada"}}, "name")
		align(t, url, "name", "first_name", "city,state,age,deleted")
	})
}

// Two at once leave what one of them wants.
func TestAlignIndexesAtOnce(t *testing.T) {
	t.Parallel()
	storetest.EachServer(t, func(t *testing.T, url string) {
		done := make(chan error, 4)
		for range cap(done) {
			go func() {
				_, _, err := store.AlignIndexes(t.Context(), url, searchindex.Of("age"))
				done <- err
			}()
		}
		for range cap(done) {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
		align(t, url, "age", "none", "none")
	})
}

// A table that a long transaction uses keeps a change of its indexes waiting, and nobody else.
func TestAlignIndexesBehindALongTransaction(t *testing.T) {
	t.Parallel()
	for _, e := range storetest.Engines(t) {
		if e.Name == "sqlite" {
			continue
		}
		t.Run(e.Name, func(t *testing.T) {
			t.Parallel()
			url := e.New(t)
			db, _ := storetest.DB(t, url)
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			long, err := db.BeginTx(ctx, nil)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = long.Rollback() }()
			var n int
			if err := long.QueryRowContext(ctx, `SELECT COUNT(*) FROM users`).Scan(&n); err != nil {
				t.Fatal(err)
			}
			aligned := make(chan error, 1)
			go func() { _, _, err := store.AlignIndexes(ctx, url, searchindex.Of("age")); aligned <- err }()
			for range 2 { // it tries more than once
				for waiting(t, db) == 0 {
					select {
					case err := <-aligned:
						t.Fatalf("aligned, though the table is in use: %v", err)
					case <-time.After(10 * time.Millisecond):
					}
				}
				create(t, storetest.Open(t, url, store.Options{}), user.User{FirstName: "Ada"})
			}
			if err := long.Commit(); err != nil {
				t.Fatal(err)
			}
			if err := <-aligned; err != nil {
				t.Error(err)
			}
			align(t, url, "age", "none", "none")
		})
	}
}

// wantRefused fails unless the list is refused, for these fields.
func wantRefused(t *testing.T, s *store.Store, q user.Query, fields ...string) {
	t.Helper()
	q.Size = 10
	_, _, err := s.Users(t.Context(), q)
	var got []string
	if refused, ok := errors.AsType[*user.NotIndexedError](err); ok {
		for _, f := range refused.Fields {
			got = append(got, f.Field)
		}
	}
	if !slices.Equal(got, fields) {
		t.Errorf("%+v by %+v: %v, want a refusal of %v", q.Filter, q.Sort, err, fields)
	}
}

func TestListsByWhatIsNotIndexed(t *testing.T) {
	t.Parallel()
	// What asks for the index of a word, and for which fields it is refused without.
	type list struct {
		query  user.Query
		fields []string
	}
	by := func(field string) user.Query { return user.Query{Sort: user.Sort{By: field, Desc: true}} }
	with := func(f user.Filter) user.Query { return user.Query{Filter: f} }
	lists := map[string][]list{
		"name": {
			{with(user.Filter{Name: "ada"}), []string{"name"}}, {by(user.SortFirstName), []string{"sortBy"}}, {by(user.SortLastName), []string{"sortBy"}},
		},
		"city": {
			{with(user.Filter{City: "aus"}), []string{"city"}}, {by(user.SortCity), []string{"sortBy"}},
			{user.Query{Filter: user.Filter{City: "aus"}, Sort: user.Sort{By: user.SortCity}}, []string{"city", "sortBy"}},
		},
		"state":   {{with(user.Filter{State: "tex"}), []string{"state"}}, {by(user.SortState), []string{"sortBy"}}},
		"age":     {{with(user.Filter{Age: 20}), []string{"age"}}, {with(user.Filter{MinAge: 20, MaxAge: 22}), []string{"minAge", "maxAge"}}, {by(user.SortAge), []string{"sortBy"}}},
		"deleted": {{with(user.Filter{Deleted: true}), []string{"deleted"}}, {with(user.Filter{Deleted: true, Email: "a0003@example.com"}), []string{"deleted"}}},
		"": {
			{with(user.Filter{}), nil}, {by(user.SortID), nil}, {by(user.SortEmail), nil}, {with(user.Filter{Gender: user.Male}), nil},
			{with(user.Filter{Email: "a0003@example.com"}), nil},
		},
	}
	storetest.Each(t, func(t *testing.T, url string) {
		storetest.Import(t, storetest.Open(t, url, store.Options{}), storetest.People(200))
		full := storetest.Open(t, url, store.Options{})
		want := map[string][][]user.User{}
		for word, list := range lists {
			for _, l := range list {
				want[word] = append(want[word], listed(t, full, l.query))
			}
		}
		for without := range lists {
			left := slices.DeleteFunc([]string{"name", "city", "state", "age", "deleted"}, func(word string) bool { return word == without })
			if _, _, err := store.AlignIndexes(t.Context(), url, indexes(t, strings.Join(left, ","))); err != nil {
				t.Fatal(err)
			}
			s := storetest.Open(t, url, store.Options{})
			for word, list := range lists {
				for i, l := range list {
					if word == without && word != "" {
						wantRefused(t, s, l.query, l.fields...)
					} else if diff := cmp.Diff(want[word][i], listed(t, s, l.query)); diff != "" {
						t.Errorf("without %q, %+v by %+v (-with all +got):\n%s", without, l.query.Filter, l.query.Sort, diff)
					}
				}
			}
		}
	})
}

// listed returns the first users of a list.
func listed(t *testing.T, s *store.Store, q user.Query) []user.User {
	t.Helper()
	q.Size = 20
	users, _, err := s.Users(t.Context(), q)
	if err != nil {
		t.Fatalf("%+v by %+v: %v", q.Filter, q.Sort, err)
	}
	return users
}

// Indexes go while a process believes in them: what it asks then fails in the database, and it looks again.
func TestIndexesThatVanish(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url string) {
		s := storetest.Open(t, url, store.Options{})
		storetest.Import(t, s, storetest.People(200))
		believe := func() {
			t.Helper()
			align(t, url, "all", indexes(t, "all").Without(mustHave(t, url)).String(), "none")
			s.ForgetIndexes()
			if there, err := s.SearchIndexes(t.Context()); err != nil || there != searchindex.All {
				t.Fatal(there, err)
			}
			align(t, url, "none", "none", "all")
		}
		for field, q := range map[string]user.Query{
			"name": {Filter: user.Filter{Name: "ada"}}, "city": {Filter: user.Filter{City: "aus"}}, "age": {Filter: user.Filter{Age: 20}},
			"sortBy": {Sort: user.Sort{By: user.SortState}}, "deleted": {Filter: user.Filter{Deleted: true}},
		} {
			believe()
			wantRefused(t, s, q, field)
		}
		believe()
		f := user.Filter{Deleted: true}
		want, err := s.Plain(t.Context(), f)
		if err != nil || len(want) == 0 {
			t.Fatal(want, err)
		}
		if got := export(t, s, f, 7); !slices.Equal(got, want) {
			t.Errorf("exported %v, want %v", got, want)
		}
		align(t, url, "deleted", "deleted", "none")
		s.ForgetIndexes()
		if got, err := s.SearchIndexes(t.Context()); err != nil || got != indexes(t, "deleted") {
			t.Fatal(got, err)
		}
		align(t, url, "none", "none", "deleted")
		first, last, err := s.Span(t.Context(), f)
		if err != nil || first > want[0] || last < want[len(want)-1] {
			t.Errorf("%d to %d, %v; want %v in it", first, last, err, want)
		}
	})
}

func mustHave(t *testing.T, url string) searchindex.Set {
	t.Helper()
	have, err := storetest.Open(t, url, store.Options{}).SearchIndexes(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return have
}

// Exports take every filter, whatever is indexed, and write the same.
func TestExportsWithoutIndexes(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url string) {
		users := storetest.Import(t, storetest.Open(t, url, store.Options{}), storetest.People(120))
		filters := []user.Filter{
			{}, {Name: "ada"}, {City: "aus"}, {State: "tex"}, {Age: 20}, {MinAge: 20, MaxAge: 22}, {Deleted: true}, {Gender: user.Male}, {Email: users[0].Email},
			{Deleted: true, FirstID: 20, LastID: 70}, {City: "aus", Age: 20, Deleted: true}, {City: "nowhere"},
		}
		exports := func() (all [][]int64, nth []int64) {
			s := storetest.Open(t, url, store.Options{})
			for _, f := range filters {
				all = append(all, export(t, s, f, 7))
				id, ok, err := s.Nth(t.Context(), f, 3)
				if err != nil {
					t.Fatal(err)
				}
				if !ok {
					id = -1
				}
				nth = append(nth, id)
			}
			return all, nth
		}
		all, nth := exports()
		if slices.ContainsFunc(all[:9], func(ids []int64) bool { return len(ids) == 0 }) {
			t.Fatalf("a filter that finds nobody tests nothing: %v", all)
		}
		align(t, url, "none", "none", "all")
		allWithout, nthWithout := exports()
		if !reflect.DeepEqual(all, allWithout) || !slices.Equal(nth, nthWithout) {
			t.Errorf("%v, %v without indexes, %v, %v with them", allWithout, nthWithout, all, nth)
		}
	})
}

// Files that are imported by e-mail address, and users who are created so, need none of the indexes.
func TestKeysWithoutIndexes(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url string) {
		align(t, url, "none", "none", "all")
		s := storetest.Open(t, url, store.Options{})
		create(t, s, user.User{FirstName: "Ada", Email: "ada@example.com"})
		c := fileOf(t, s, job.FileOptions{Key: columns.KeyEmail, OnDuplicate: job.DuplicateUpdate}, 2)
		commitFile(t, s, c, batchOf(c, user.User{Email: "ADA@example.com", City: "Rome"}, user.User{Email: "bob@example.com"}))
		if got := outcome(c.Chunk); got != "1+1+0+0+0" {
			t.Errorf("outcome %s", got)
		}
		bob := user.User{Email: "BOB@example.com", Age: 30}
		if _, what, err := s.CreateUserOnDuplicate(t.Context(), &bob, job.DuplicateUpdate); err != nil || what != user.WasUpdated {
			t.Errorf("%s, %v", what, err)
		}
		fresh := storetest.Open(t, url, store.Options{})
		if err := errors.Join(fresh.Ready(t.Context()), fresh.SchemaCurrent(t.Context())); err != nil {
			t.Error(err)
		}
	})
}
