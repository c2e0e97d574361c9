package search_test

import (
	stdcmp "cmp"
	"database/sql"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/musterhq/muster/internal/store"
	"github.com/musterhq/muster/internal/store/search"
	"github.com/musterhq/muster/internal/store/storetest"
	"github.com/musterhq/muster/internal/user"
)

// list is a database to search in, through the Store and directly.
type list struct {
	store   *store.Store
	db      *sql.DB
	dialect *search.Dialect
}

func open(t *testing.T, url string) list {
	t.Helper()
	l := list{store: storetest.Open(t, url, store.Options{})}
	l.db, l.dialect = storetest.DB(t, url)
	return l
}

// matches reports whether f lists u: the definition of a filter, in Go.
func matches(f user.Filter, u user.User) bool {
	has := func(text, part string) bool { return strings.Contains(strings.ToLower(text), strings.ToLower(part)) }
	return u.Deleted == f.Deleted && has(u.FirstName+" "+u.LastName, f.Name) && has(u.City, f.City) && has(u.State, f.State) &&
		(f.Email == "" || strings.EqualFold(f.Email, u.Email)) && (f.Gender == "" || f.Gender == u.Gender) &&
		(f.Age == 0 || f.Age == u.Age) && (f.MinAge == 0 || f.MinAge <= u.Age) && (f.MaxAge == 0 || u.Age <= f.MaxAge && u.Age != 0) &&
		(f.FirstID == 0 || f.FirstID <= u.ID) && (f.LastID == 0 || u.ID <= f.LastID)
}

// inOrder returns the comparison of s: the definition of a sort, in Go.
func inOrder(s user.Sort) func(a, b user.User) int {
	return func(a, b user.User) int {
		if s.By == user.SortAge && (a.Age == 0) != (b.Age == 0) { // unknown ones are last, whatever the direction
			return stdcmp.Compare(b.Age, a.Age)
		}
		ka, kb := user.KeyOf(&a, s), user.KeyOf(&b, s)
		c := stdcmp.Or(strings.Compare(strings.ToLower(ka.Value), strings.ToLower(kb.Value)), stdcmp.Compare(ka.ID, kb.ID))
		if s.Desc {
			return -c
		}
		return c
	}
}

func randomFilter(r *rand.Rand, users []user.User) (f user.Filter) {
	some := func() bool { return r.IntN(4) == 0 }
	if some() {
		f.Name = storetest.Pick(r, []string{"a", "ADA", "ann", "ann b", "ada by", "y ann", "zzz", "%", "_", "!", `\`, "'", "n d", "Van D", "mary ann van dyke"})
	}
	if some() {
		f.City = storetest.Pick(r, []string{"ost", "AUSTIN", "san j", "%_", "zzz", "n"})
	}
	if some() {
		f.State = storetest.Pick(r, []string{"tex", "A", "zzz"})
	}
	if r.IntN(10) == 0 {
		f.Email = strings.ToUpper(users[r.IntN(len(users))].Email)
	}
	if some() {
		f.Gender = storetest.Pick(r, []string{user.Male, user.Female})
	}
	switch r.IntN(8) {
	case 0:
		f.Age = 17 + r.IntN(12)
	case 1:
		f.MinAge = 17 + r.IntN(12)
	case 2:
		f.MinAge, f.MaxAge = 20, 20+r.IntN(5)
	case 3:
		f.MaxAge = 17 + r.IntN(12)
	}
	f.Deleted = r.IntN(10) == 0
	if r.IntN(10) == 0 {
		f.FirstID, f.LastID = 40, 40+r.Int64N(100)
	}
	return f
}

func TestUsersAgainstTheDefinition(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url string) {
		l := open(t, url)
		users := storetest.Import(t, l.store, storetest.People(500))
		r := rand.New(rand.NewPCG(3, 4))
		for range 150 {
			q := user.Query{
				Filter: randomFilter(r, users), Size: 1 + r.IntN(30),
				Sort: user.Sort{By: storetest.Pick(r, append(user.SortFields(), "")), Desc: r.IntN(2) == 0},
			}
			var want []int64
			sorted := slices.SortedFunc(slices.Values(users), inOrder(q.Sort))
			for _, u := range sorted {
				if matches(q.Filter, u) {
					want = append(want, u.ID)
				}
			}
			if got := l.allPages(t, q); !slices.Equal(got, want) {
				t.Fatalf("%+v:\ngot  %v\nwant %v", q, got, want)
			}
			l.checkOffset(t, q, want)
			l.everyCandidate(t, q, want)
		}
	})
}

// Wherever a page ends, also between the known ages and the unknown ones, every candidate goes on with the next user.
func TestEveryPlaceByAge(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url string) {
		l := open(t, url)
		users := storetest.Import(t, l.store, storetest.People(70))
		for _, f := range []user.Filter{{}, {City: "ost"}, {Name: "a", Gender: user.Female}, {MinAge: 20}, {MaxAge: 24, City: "n"}, {Deleted: true}} {
			for _, desc := range []bool{false, true} {
				q := user.Query{Filter: f, Sort: user.Sort{By: user.SortAge, Desc: desc}, Size: 2}
				var want []user.User
				for _, u := range slices.SortedFunc(slices.Values(users), inOrder(q.Sort)) {
					if matches(f, u) {
						want = append(want, u)
					}
				}
				for i := range want {
					key := user.KeyOf(&want[i], q.Sort)
					q.After = &key
					l.candidatesFind(t, q, ids(want[i+1:min(i+2+q.Size, len(want))]))
				}
			}
		}
	})
}

func ids(users []user.User) (list []int64) {
	for i := range users {
		list = append(list, users[i].ID)
	}
	return list
}

// oddities are texts that a collation takes for equal and LIKE does not, or the other way round.
var oddities = []string{
	"Waco", "Wa\u200bco", "Wa\u0001co", "Waco ", " Waco", "Waco \u200b", "Straße", "Strasse", "STRASSE", "Stra\u0301sse", "Ada 🎉", "Ada 👩", "Ada", "👩", "🎉🎉",
	"Æsop", "Aesop", "ﬁn", "fin", "Łódź", "Lodz", "Lo\u0301dz\u0301", "Ada\u00a0B", "Ada B", "Ada\u3000B", "강남", "江南", "\u0301", "\u200b", "İzmir", "izmir", "ızmir",
}

// The collation takes some texts for equal, and the index names one of them for all: what is found must not depend on
// which. Not on Vitess: vtgate merges what its shards have sorted by a collation of its own, which differs for some of these.
func TestOddTextsAgainstTheirConditions(t *testing.T) {
	t.Parallel()
	storetest.EachServer(t, func(t *testing.T, url string) {
		l := open(t, url)
		r := rand.New(rand.NewPCG(5, 6))
		odd := func() string { return storetest.Pick(r, oddities) }
		users := storetest.People(300)
		for i := range users {
			users[i].FirstName, users[i].LastName, users[i].City, users[i].State = odd(), odd(), odd(), odd()
		}
		storetest.Import(t, l.store, users)
		part := func() string { // of a text, or of two with a space between
			whole := []rune(storetest.Pick(r, []string{odd(), odd() + " " + odd(), strings.ToUpper(odd())}))
			from := r.IntN(len(whole))
			return string(whole[from : from+1+r.IntN(len(whole)-from)])
		}
		for i := range 400 {
			f := []user.Filter{{Name: part()}, {City: part()}, {State: part()}, {Name: part(), City: part()}}[i%4]
			q := user.Query{Filter: f, Size: 1 + r.IntN(30), Sort: user.Sort{By: storetest.Pick(r, user.SortFields()), Desc: r.IntN(2) == 0}}
			want, err := search.Plain(t.Context(), l.db, l.dialect, q)
			if err != nil {
				t.Fatal(err)
			}
			if got := l.allPages(t, q); !slices.Equal(got, want) {
				t.Fatalf("%+v:\ngot  %v\nwant %v", q.Filter, got, want)
			}
			l.everyCandidate(t, q, want)
		}
	})
}

// What looks the same finds the same users: those that are stored in the form of today, and those of earlier versions, which
// are as they were given, where it is given so.
func TestWhatLooksTheSameIsFound(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url string) {
		l := open(t, url)
		users := storetest.People(40)
		today, earlier := &users[0], &users[1]
		earlier.FirstName, earlier.LastName, earlier.City, earlier.State = "Mu\u0308ller\u200b", "Ann", "Zero\u200bWidth", "Baden-Wu\u0308rttemberg"
		earlier.Email = "mu\u0308ller\u200b@example.com"
		*today = *earlier
		if err := today.Prepare(); err != nil || *today == *earlier {
			t.Fatal(*today, err)
		}
		storetest.Import(t, l.store, users)
		both := []int64{today.ID, earlier.ID}
		for _, tt := range []struct {
			filter user.Filter
			want   []int64
		}{
			{user.Filter{Name: "Mu\u0308LLER"}, both},
			{user.Filter{Name: "müller"}, both[:1]},
			{user.Filter{Name: "ller\u200b a"}, both},
			{user.Filter{Name: "ller a"}, both[:1]},
			{user.Filter{City: "zero\u200bw"}, both},
			{user.Filter{City: "zerow"}, both[:1]},
			{user.Filter{City: "zero\ufeffw"}, both[:1]},
			{user.Filter{State: "wu\u0308rtt", City: "zero\u200bw", Name: "mu\u0308ller\u200b"}, both},
			{user.Filter{Email: "Mu\u0308ller\u200b@EXAMPLE.com"}, both},
			{user.Filter{Email: "müller@example.com"}, both[:1]},
		} {
			for _, sort := range []user.Sort{{}, {By: user.SortEmail}, {By: user.SortCity, Desc: true}} {
				q := user.Query{Filter: tt.filter, Sort: sort, Size: 10}
				got := l.allPages(t, q)
				for _, id := range tt.want { // a collation may find more
					if !slices.Contains(got, id) {
						t.Errorf("%+v by %q: found %v, not %d", tt.filter, sort.By, got, id)
					}
				}
				if len(got) > len(both) {
					t.Errorf("%+v by %q: found %v", tt.filter, sort.By, got)
				}
				l.everyCandidate(t, q, got)
			}
			first, last, err := l.store.Span(t.Context(), tt.filter)
			if err != nil || first > tt.want[0] || last < tt.want[len(tt.want)-1] {
				t.Errorf("%+v: exported from %d to %d, %v", tt.filter, first, last, err)
			}
			var n int
			if _, _, err := l.store.Range(t.Context(), tt.filter, []int{0}, first, last, func([][]byte) error { n++; return nil }); err != nil || n < len(tt.want) {
				t.Errorf("%+v: %d exported, %v", tt.filter, n, err)
			}
		}
		// What is nothing in the form of today is not in every text.
		if got := l.allPages(t, user.Query{Filter: user.Filter{City: "\u200b"}, Size: 10}); slices.Contains(got, today.ID) || len(got) > 1 {
			t.Errorf("an invisible character alone finds %v", got)
		}
	})
}

// allPages follows the cursors to the end.
func (l list) allPages(t *testing.T, q user.Query) (got []int64) {
	t.Helper()
	for {
		page, more, err := l.store.Users(t.Context(), q)
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

func (l list) checkOffset(t *testing.T, q user.Query, want []int64) {
	t.Helper()
	q.Offset = 2 * q.Size
	page, more, err := l.store.Users(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	from, to := min(q.Offset, len(want)), min(q.Offset+q.Size, len(want))
	if !slices.EqualFunc(page, want[from:to], func(u user.User, id int64) bool { return u.ID == id }) || more != (to < len(want)) {
		t.Fatalf("%+v: page of %d, more %v, want %v", q, len(page), more, want[from:to])
	}
}

// everyCandidate checks that all candidates find the same, on the first page and on one inside.
func (l list) everyCandidate(t *testing.T, q user.Query, want []int64) {
	t.Helper()
	for _, skip := range []int{0, len(want) / 2} {
		if skip > 0 {
			page, _, err := l.store.Users(t.Context(), user.Query{Filter: q.Filter, Sort: q.Sort, Size: 1, Offset: skip - 1})
			if err != nil || len(page) != 1 {
				t.Fatal(page, err)
			}
			key := user.KeyOf(&page[0], q.Sort)
			q.After = &key
		}
		l.candidatesFind(t, q, want[skip:min(skip+q.Size+1, len(want))])
	}
}

// candidatesFind checks that all candidates find these users.
func (l list) candidatesFind(t *testing.T, q user.Query, want []int64) {
	t.Helper()
	for _, limits := range []search.Limits{search.Defaults, search.Tight(5 + 15*(q.Size%2))} {
		candidates, err := search.Candidates(t.Context(), l.db, l.dialect, q, limits)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range candidates {
			got, err := c.Run(t.Context())
			if err != nil {
				t.Fatalf("%+v, %s: %v", q, c.Name, err)
			}
			if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
				t.Fatalf("%+v after %+v, %s, limits %+v (-want +got):\n%s", q, q.After, c.Name, limits, diff)
			}
		}
	}
}
