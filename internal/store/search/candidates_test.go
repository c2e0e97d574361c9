package search_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/musterhq/muster/internal/store/search"
	"github.com/musterhq/muster/internal/store/storetest"
	"github.com/musterhq/muster/internal/user"
)

// fillEvenly stores 40,000 users, each value as frequent as any other of its column:
//
//	1000 first names  First 000 … First 999
//	2000 last names   Last 0000 … Last 1999
//	 400 cities       City 000 … City 399, each in one state
//	  50 states       State 00 … State 49
//	  70 ages         18 … 87
//	   2 genders
//	every 1000th deleted
const fillEvenly = `
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 40000)
INSERT INTO users (id, first_name, last_name, email, city, state, age, mobile_number, gender, deleted)
SELECT i, printf('First %03d', i * 7 % 1000), printf('Last %04d', i * 13 % 2000), 'u' || i || '@example.com',
       printf('City %03d', i % 400), printf('State %02d', i % 400 % 50), 18 + i * 3 % 70, '+999',
       CASE i * 11 / 7 % 2 WHEN 0 THEN 'Male' ELSE 'Female' END, i % 1000 = 0
FROM n`

func TestWhichCandidateIsCheapest(t *testing.T) {
	t.Parallel()
	l := open(t, storetest.Engines(t)[0].New(t)) // SQLite: costs know of no engine
	if _, err := l.db.ExecContext(t.Context(), fillEvenly); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name   string
		filter user.Filter
		sort   string
		size   int // 0: 10
		want   string
	}{
		{name: "everybody", want: "walk by id"},
		{name: "everybody by last name", sort: user.SortLastName, want: "walk by lastName"},
		{name: "every second", filter: user.Filter{Gender: user.Male}, want: "walk by id"},
		{name: "every second by city", filter: user.Filter{Gender: user.Male}, sort: user.SortCity, want: "walk by city"},
		{name: "nobody's city", filter: user.Filter{City: "zzz"}, want: "nobody"},
		{name: "nobody's name", filter: user.Filter{Name: "zzz"}, sort: user.SortAge, want: "nobody"},
		{name: "nobody of that age", filter: user.Filter{Age: 99, City: "city 1"}, want: "nobody"},
		{name: "no such ids", filter: user.Filter{FirstID: 50_000}, want: "nobody"},
		{name: "an address", filter: user.Filter{Email: "u7@example.com"}, want: "collect email"},
		{name: "an address by age", filter: user.Filter{Email: "u7@example.com"}, sort: user.SortAge, want: "collect email"},
		{name: "an address and a city", filter: user.Filter{Email: "u7@example.com", City: "city 007"}, want: "collect email"},
		{name: "deleted", filter: user.Filter{Deleted: true}, want: "collect deleted"},
		{name: "deleted by email", filter: user.Filter{Deleted: true}, sort: user.SortEmail, want: "collect deleted"},
		{name: "one city", filter: user.Filter{City: "city 123"}, want: "merge city"},
		{name: "one city, large page", filter: user.Filter{City: "city 123"}, size: 1000, want: "collect city"},
		{name: "ten cities", filter: user.Filter{City: "y 12"}, want: "walk by id, else collect city"},
		{name: "a hundred cities", filter: user.Filter{City: "y 1"}, want: "walk by id, else collect city"},
		{name: "all cities", filter: user.Filter{City: "city"}, want: "walk by id, else collect city"},
		{name: "one city by city", filter: user.Filter{City: "city 123"}, sort: user.SortCity, want: "collect city"},
		{name: "ten cities by city", filter: user.Filter{City: "y 12"}, sort: user.SortCity, want: "walk by city"},
		{name: "one city by state", filter: user.Filter{City: "city 123"}, sort: user.SortState, want: "collect city"},
		{name: "all cities by age", filter: user.Filter{City: "city"}, sort: user.SortAge, want: "walk by age"},
		{name: "one state", filter: user.Filter{State: "state 07"}, want: "merge state"},
		{name: "one state by first name", filter: user.Filter{State: "state 07"}, sort: user.SortFirstName, want: "walk by firstName"},
		{name: "a city in its state", filter: user.Filter{City: "city 123", State: "state 23"}, want: "collect city"},
		{name: "a city in another state", filter: user.Filter{City: "city 123", State: "state 22"}, want: "collect city"},
		{name: "one age", filter: user.Filter{Age: 33}, want: "merge age"},
		{name: "one age by age", filter: user.Filter{Age: 33}, sort: user.SortAge, want: "collect age"},
		{name: "the oldest", filter: user.Filter{MinAge: 80}, want: "walk by id, else collect age"},
		{name: "one age in a state", filter: user.Filter{Age: 33, State: "state 07"}, want: "collect age"},
		{name: "one age in a state by email", filter: user.Filter{Age: 33, State: "state 07"}, sort: user.SortEmail, want: "collect age"},
		{name: "first name", filter: user.Filter{Name: "first 123"}, want: "collect name"},
		{name: "first name by first name", filter: user.Filter{Name: "first 123"}, sort: user.SortFirstName, want: "collect name"},
		{name: "full name", filter: user.Filter{Name: "first 007 last 0013"}, want: "collect name"},
		{name: "across the space", filter: user.Filter{Name: "7 l"}, want: "walk by id, else collect name"},
		// A match takes a 1 in the first name and in the last: a collect reads the 27 % with the one, for the 17 % with both.
		{name: "across the space, many of each", filter: user.Filter{Name: "1 1", Gender: user.Male}, sort: user.SortLastName, size: 900, want: "walk by lastName"},
		{name: "in most names", filter: user.Filter{Name: "1"}, want: "walk by id, else collect name"},
		{name: "in most names, few ids", filter: user.Filter{Name: "1", FirstID: 100, LastID: 200}, want: "walk by id, else collect name"},
		{name: "name, city and gender", filter: user.Filter{Name: "last 1", City: "y 1", Gender: user.Female}, want: "walk by id, else collect city"},
		{name: "four fields", filter: user.Filter{Name: "t 12", City: "city", State: "state 2", Age: 40}, want: "merge age"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			q := user.Query{Filter: tt.filter, Sort: user.Sort{By: tt.sort}, Size: max(tt.size, 10)}
			candidates, err := search.Candidates(t.Context(), l.db, l.dialect, q, search.Defaults)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, search.Cheapest(candidates).Name); diff != "" {
				t.Errorf("the cheapest of %v (-want +got):\n%s", costs(candidates), diff)
			}
		})
	}
}

func costs(candidates []search.Candidate) map[string]float64 {
	m := map[string]float64{}
	for _, c := range candidates {
		m[c.Name] = c.Cost
	}
	return m
}
