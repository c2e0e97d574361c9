package storetest

import (
	"database/sql"
	"fmt"
	"math/rand/v2"
	"net/url"
	"strings"
	"testing"

	"github.com/musterhq/muster/internal/job"
	"github.com/musterhq/muster/internal/store"
	"github.com/musterhq/muster/internal/store/search"
	"github.com/musterhq/muster/internal/user"
)

// Pick returns one of the list.
func Pick[T any](r *rand.Rand, list []T) T { return list[r.IntN(len(list))] }

// People returns n users of few names, always the same, so that every search has neighbours that must not match. The age of
// every fourth is unknown, and the gender of every third.
func People(n int) []user.User {
	var (
		firstNames = []string{"Ada", "ada", "Adam", "Zoe", "Bo_b", "50%", "Mary Ann", "Li!", "Ann"}
		lastNames  = []string{"", "Byron", "byron", "Smith", "Van Dyke", "O'Neil", `Back\slash`, "Ann"}
		cities     = []string{"Austin", "Boston", "San Jose", "austin", "Ost", "100%_"}
		states     = []string{"Texas", "California", "Massachusetts", ""}
		ages       = []int{18, 19, 20, 21, 22, 23, 24, 25, 26, 0, 0, 0}
	)
	r := rand.New(rand.NewPCG(1, 2))
	users := make([]user.User, n)
	for i := range users {
		users[i] = user.User{
			FirstName: Pick(r, firstNames), LastName: Pick(r, lastNames), City: Pick(r, cities), State: Pick(r, states),
			Email: fmt.Sprintf("%s%04d@example.com", Pick(r, []string{"a", "B", "c"}), i), Age: Pick(r, ages),
			Gender: Pick(r, []string{user.Male, user.Female, ""}), MobileNumber: "+999",
		}
	}
	return users
}

// Import stores users as a job does, so that they get the ids from 1 on in an empty database, and deletes every seventh.
// It returns them as they are then.
func Import(t testing.TB, s *store.Store, users []user.User) []user.User {
	t.Helper()
	ctx := t.Context()
	j := job.Job{ID: "0193a000-0000-7000-8000-000000000001", Owner: "u", Source: job.SourceFaker, Tier: "SMALL", Requested: int64(len(users)), RequestHash: strings.Repeat("0", 64)}
	if err := CreateJob(ctx, s, &j, j.Requested); err != nil {
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

// DB returns connections of the test's own to the database at rawURL, closed with the test, and the dialect of its
// searches.
func DB(t testing.TB, rawURL string) (*sql.DB, *search.Dialect) {
	t.Helper()
	u, err := url.Parse(rawURL)
	if err != nil {
		t.Fatal(err)
	}
	driver, dsn, dialect := "sqlite", "file:"+u.Path+"?_pragma=busy_timeout(10000)", &search.SQLite
	if u.Scheme != "sqlite" {
		// As store.Open does: the server plans a statement with its values in it.
		driver, dsn, dialect = "mysql", u.User.String()+"@tcp("+u.Host+")"+u.Path+"?interpolateParams=true", &search.MySQL
	}
	if u.Scheme == "vitess" {
		dialect = &search.Vitess
	}
	db, err := sql.Open(driver, dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db, dialect
}
