package store_test

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/musterhq/muster/internal/job"
	"github.com/musterhq/muster/internal/store"
	"github.com/musterhq/muster/internal/store/storetest"
	"github.com/musterhq/muster/internal/user"
)

var (
	firstNames = []string{"Ada", "ada", "Adam", "Zoe", "Bo_b", "50%", "Mary Ann", "Li!", "Ann"}
	lastNames  = []string{"", "Byron", "byron", "Smith", "Van Dyke", "O'Neil", `Back\slash`, "Ann"}
	cities     = []string{"Austin", "Boston", "San Jose", "austin", "Ost", "100%_"}
	states     = []string{"Texas", "California", "Massachusetts", ""}
)

func pickOne(r *rand.Rand, list []string) string { return list[r.IntN(len(list))] }

// people are users of few names, so that every search has neighbours that must not match.
func people(n int) []user.User {
	r := rand.New(rand.NewPCG(1, 2))
	users := make([]user.User, n)
	for i := range users {
		users[i] = user.User{
			FirstName: pickOne(r, firstNames), LastName: pickOne(r, lastNames), City: pickOne(r, cities), State: pickOne(r, states),
			Email: fmt.Sprintf("%s%04d@example.com", pickOne(r, []string{"a", "B", "c"}), i), Age: 18 + r.IntN(10),
			Gender: pickOne(r, []string{user.Male, user.Female}), MobileNumber: "+999",
		}
	}
	return users
}

// matches is the definition of a filter.
func matches(f user.Filter, u user.User) bool {
	has := func(text, part string) bool { return strings.Contains(strings.ToLower(text), strings.ToLower(part)) }
	return u.Deleted == f.Deleted && has(u.FirstName+" "+u.LastName, f.Name) && has(u.City, f.City) && has(u.State, f.State) &&
		(f.Email == "" || strings.EqualFold(f.Email, u.Email)) && (f.Gender == "" || f.Gender == u.Gender) &&
		(f.Age == 0 || f.Age == u.Age) && (f.MinAge == 0 || f.MinAge <= u.Age) && (f.MaxAge == 0 || u.Age <= f.MaxAge) &&
		(f.FirstID == 0 || f.FirstID <= u.ID) && (f.LastID == 0 || u.ID <= f.LastID)
}

// inOrder is the definition of a sort.
func inOrder(s user.Sort) func(a, b user.User) int {
	return func(a, b user.User) int {
		ka, kb := user.KeyOf(&a, s), user.KeyOf(&b, s)
		c := cmp.Or(strings.Compare(strings.ToLower(ka.Value), strings.ToLower(kb.Value)), cmp.Compare(ka.ID, kb.ID))
		if s.Desc {
			return -c
		}
		return c
	}
}

func randomFilter(r *rand.Rand, users []user.User) (f user.Filter) {
	some := func() bool { return r.IntN(4) == 0 }
	if some() {
		f.Name = pickOne(r, []string{"a", "ADA", "ann", "ann b", "ada by", "y ann", "zzz", "%", "_", "!", `\`, "'", "n d", "Van D", "mary ann van dyke"})
	}
	if some() {
		f.City = pickOne(r, []string{"ost", "AUSTIN", "san j", "%_", "zzz", "n"})
	}
	if some() {
		f.State = pickOne(r, []string{"tex", "A", "zzz"})
	}
	if r.IntN(10) == 0 {
		f.Email = strings.ToUpper(users[r.IntN(len(users))].Email)
	}
	if some() {
		f.Gender = pickOne(r, []string{user.Male, user.Female})
	}
	switch r.IntN(8) {
	case 0:
		f.Age = 17 + r.IntN(12)
	case 1:
		f.MinAge = 17 + r.IntN(12)
	case 2:
		f.MinAge, f.MaxAge = 20, 20+r.IntN(5)
	}
	f.Deleted = r.IntN(10) == 0
	if r.IntN(10) == 0 {
		f.FirstID, f.LastID = 40, 40+r.Int64N(100)
	}
	return f
}

// stored imports users as a job, so that they get ids from 1 on, and deletes every seventh.
func stored(t *testing.T, s *store.Store, users []user.User) []user.User {
	t.Helper()
	ctx := t.Context()
	j := job.Job{ID: "0193a000-0000-7000-8000-000000000001", Owner: "u", Source: job.SourceFaker, Tier: "SMALL", Requested: int64(len(users)), RequestHash: strings.Repeat("0", 64)}
	if err := create(ctx, s, &j, j.Requested); err != nil {
		t.Fatal(err)
	}
	for i := range users {
		users[i].ID = j.FirstID + int64(i)
	}
	c, err := s.ClaimChunk(ctx, j.ID, 0)
	if err != nil || c == nil {
		t.Fatal(c, err)
	}
	if err := s.CommitBatch(ctx, c, users, 0); err != nil {
		t.Fatal(err)
	}
	for i := range users {
		if i%7 == 3 {
			if err := s.DeleteUser(ctx, users[i].ID, nil); err != nil {
				t.Fatal(err)
			}
			users[i].Deleted = true
		}
	}
	return users
}

func TestUsersAgainstTheDefinition(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url string) {
		s := storetest.Open(t, url, store.Options{})
		users := stored(t, s, people(500))
		r := rand.New(rand.NewPCG(3, 4))
		for range 150 {
			q := user.Query{
				Filter: randomFilter(r, users), Size: 1 + r.IntN(30),
				Sort: user.Sort{By: pickOne(r, append(user.SortFields(), "")), Desc: r.IntN(2) == 0},
			}
			var want []int64
			sorted := slices.SortedFunc(slices.Values(users), inOrder(q.Sort))
			for _, u := range sorted {
				if matches(q.Filter, u) {
					want = append(want, u.ID)
				}
			}
			if got := allPages(t, s, q); !slices.Equal(got, want) {
				t.Fatalf("%+v:\ngot  %v\nwant %v", q, got, want)
			}
			checkOffset(t, s, q, want)
			eachWay(t, s, q, want)
		}
	})
}

// oddities are texts that a collation takes for equal and LIKE does not, or the other way round.
var oddities = []string{
	"Waco", "Wa\u200bco", "Wa\u0001co", "Waco ", " Waco", "Waco \u200b", "Straße", "Strasse", "STRASSE", "Stra\u0301sse", "Ada 🎉", "Ada 👩", "Ada", "👩", "🎉🎉",
	"Æsop", "Aesop", "ﬁn", "fin", "Łódź", "Lodz", "Lo\u0301dz\u0301", "Ada\u00a0B", "Ada B", "Ada\u3000B", "강남", "江南", "\u0301", "\u200b", "İzmir", "izmir", "ızmir",
}

// What is found must not depend on which of equal texts stands for the others.
func TestOddTextsAgainstTheirConditions(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url string) {
		s := storetest.Open(t, url, store.Options{})
		r := rand.New(rand.NewPCG(5, 6))
		odd := func() string { return pickOne(r, oddities) }
		users := people(300)
		for i := range users {
			users[i].FirstName, users[i].LastName, users[i].City, users[i].State = odd(), odd(), odd(), odd()
		}
		stored(t, s, users)
		part := func() string { // of a text, or of two with a space between
			whole := []rune(pickOne(r, []string{odd(), odd() + " " + odd(), strings.ToUpper(odd())}))
			from := r.IntN(len(whole))
			return string(whole[from : from+1+r.IntN(len(whole)-from)])
		}
		for i := range 400 {
			f := []user.Filter{{Name: part()}, {City: part()}, {State: part()}, {Name: part(), City: part()}}[i%4]
			q := user.Query{Filter: f, Size: 1 + r.IntN(30), Sort: user.Sort{By: pickOne(r, user.SortFields()), Desc: r.IntN(2) == 0}}
			want, err := s.Plain(t.Context(), q)
			if err != nil {
				t.Fatal(err)
			}
			if got := allPages(t, s, q); !slices.Equal(got, want) {
				t.Fatalf("%+v:\ngot  %v\nwant %v", q.Filter, got, want)
			}
			eachWay(t, s, q, want)
		}
	})
}

// An export finds what a list finds, however many ids lie between the users.
func TestPagesAcrossUnusedIDs(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url string) {
		s := storetest.Open(t, url, store.Options{})
		users := stored(t, s, people(60))
		unused := job.Job{ID: "0193a000-0000-7000-8000-000000000002", Owner: "u", Source: job.SourceFaker, Tier: "XL", Requested: 2_000_000, RequestHash: strings.Repeat("0", 64)}
		if err := create(t.Context(), s, &unused, unused.Requested); err != nil {
			t.Fatal(err)
		}
		for _, u := range users[:30] {
			if err := s.CreateUser(t.Context(), &u); err != nil {
				t.Fatal(err)
			}
		}
		for _, f := range []user.Filter{
			{}, {Deleted: true}, {Email: users[0].Email}, {Email: "nobody@example.com"}, {City: "austin"}, {LastID: 10}, {LastID: 1_000_000},
			{FirstID: 1_000_000}, {FirstID: 5, LastID: 50, Deleted: true},
		} {
			want, err := s.Plain(t.Context(), user.Query{Filter: f})
			if err != nil {
				t.Fatal(err)
			}
			for _, ids := range []int64{1, 7, 1000} {
				if got := export(t, s, f, ids); !slices.Equal(got, want) {
					t.Errorf("%+v by %d: %v, want %v", f, ids, got, want)
				}
			}
		}
	})
}

var allColumns = []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10}

// export reads the ids of f's users, so many ids at a time; it must not ask for every stretch of millions of unused ones.
func export(t *testing.T, s *store.Store, f user.Filter, ids int64) (got []int64) {
	t.Helper()
	first, last, err := s.Span(t.Context(), f)
	if err != nil {
		t.Fatal(err)
	}
	for queries := 0; first <= last; queries++ {
		if queries > 2000 {
			t.Fatalf("%+v: still at %d of %d", f, first, last)
		}
		_, first, err = s.Range(t.Context(), f, allColumns, first, min(first+ids-1, last), func(cols [][]byte) error {
			id, err := strconv.ParseInt(string(cols[0]), 10, 64)
			got = append(got, id)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return got
}

// allPages follows the cursors to the end.
func allPages(t *testing.T, s *store.Store, q user.Query) (got []int64) {
	t.Helper()
	for {
		page, more, err := s.Users(t.Context(), q)
		if err != nil {
			t.Fatalf("%+v: %v", q, err)
		}
		for i := range page {
			got = append(got, page[i].ID)
		}
		if !more {
			return got
		}
		if len(page) != q.Size {
			t.Fatalf("%+v: a page of %d before the last", q, len(page))
		}
		key := user.KeyOf(&page[len(page)-1], q.Sort)
		q.After = &key
	}
}

func checkOffset(t *testing.T, s *store.Store, q user.Query, want []int64) {
	t.Helper()
	q.Offset = 2 * q.Size
	page, more, err := s.Users(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	from, to := min(q.Offset, len(want)), min(q.Offset+q.Size, len(want))
	if !slices.EqualFunc(page, want[from:to], func(u user.User, id int64) bool { return u.ID == id }) || more != (to < len(want)) {
		t.Fatalf("%+v: page of %d, more %v, want %v", q, len(page), more, want[from:to])
	}
}

// eachWay checks that all plans find the same, on the first page and on one inside.
func eachWay(t *testing.T, s *store.Store, q user.Query, want []int64) {
	t.Helper()
	ctx := context.WithoutCancel(t.Context())
	for _, skip := range []int{0, len(want) / 2} {
		if skip > 0 {
			page, _, err := s.Users(ctx, user.Query{Filter: q.Filter, Sort: q.Sort, Size: 1, Offset: skip - 1})
			if err != nil || len(page) != 1 {
				t.Fatal(page, err)
			}
			key := user.KeyOf(&page[0], q.Sort)
			q.After = &key
		}
		ways, err := s.EachWay(ctx, q)
		if err != nil {
			t.Fatal(err)
		}
		part := want[skip:min(skip+q.Size+1, len(want))]
		for way, got := range ways {
			if !slices.Equal(got, part) {
				t.Fatalf("%+v, %s:\ngot  %v\nwant %v", q, way, got, part)
			}
		}
	}
}
