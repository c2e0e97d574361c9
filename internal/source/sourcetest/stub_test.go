package sourcetest_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/musterhq/muster/internal/source/sourcetest"
	"github.com/musterhq/muster/internal/user"
)

type answer struct {
	Error   string `json:"error"`
	Results []struct {
		Gender   string
		Name     struct{ First, Last string }
		Location *struct{ Postcode any }
		Email    string
		Login    map[string]string
		Nat      string
	}
	Info struct {
		Seed, Version string
		Results, Page int
	}
}

func get(t *testing.T, stub *sourcetest.Stub, target string) (int, []byte) {
	t.Helper()
	rec := httptest.NewRecorder()
	stub.ServeHTTP(rec, httptest.NewRequestWithContext(t.Context(), http.MethodGet, target, nil))
	return rec.Code, rec.Body.Bytes()
}

func page(t *testing.T, stub *sourcetest.Stub, query string) answer {
	t.Helper()
	code, body := get(t, stub, "/api/1.4/?"+query)
	var a answer
	if err := json.Unmarshal(body, &a); err != nil || code != http.StatusOK {
		t.Fatalf("%s: status %d, %v", query, code, err)
	}
	return a
}

func TestParametersAndTheirTraps(t *testing.T) {
	t.Parallel()
	for query, want := range map[string][2]int{ // results, page
		"seed=1&results=5000&page=10000": {5000, 10000},
		"seed=1&results=5001&page=10001": {1, 1},
		"seed=1&results=0&page=0":        {1, 1},
		"seed=1&results=many&page=-1":    {1, 1},
		"seed=1":                         {1, 1},
	} {
		a := page(t, sourcetest.New(sourcetest.Config{}), query)
		got := [2]int{len(a.Results), a.Info.Page}
		if got != want || a.Info.Results != want[0] || a.Info.Seed != "1" || a.Info.Version != "1.4" {
			t.Errorf("%s: %d users, info %+v, want %v", query, len(a.Results), a.Info, want)
		}
	}
}

func TestNationalities(t *testing.T) {
	t.Parallel()
	stub := sourcetest.New(sourcetest.Config{})
	nats := func(query string) map[string]bool {
		set := make(map[string]bool)
		for _, r := range page(t, stub, query).Results {
			set[r.Nat] = true
		}
		return set
	}
	if got := nats("seed=1&results=500&nat=us,GB"); !cmp.Equal(got, map[string]bool{"US": true, "GB": true}) {
		t.Errorf("nat=us,GB gave %v", got)
	}
	for _, query := range []string{"seed=1&results=2000&nat=us,xx", "seed=1&results=2000"} {
		if got := nats(query); len(got) != 21 {
			t.Errorf("%s gave %d nationalities, want all 21", query, len(got))
		}
	}
}

func TestEmptyNationalityHangs(t *testing.T) {
	t.Parallel()
	srv := httptest.NewServer(sourcetest.New(sourcetest.Config{}))
	defer srv.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, srv.URL+"/api/1.4/?nat=,", nil)
	if err != nil {
		t.Fatal(err)
	}
	if res, err := srv.Client().Do(req); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("nat=, answered %v, %v", res, err)
	}
}

func TestSameSeedSamePeople(t *testing.T) {
	t.Parallel()
	stub := sourcetest.New(sourcetest.Config{})
	long, short := page(t, stub, "seed=a&page=2&results=50&nat=us,ir"), page(t, stub, "seed=a&page=2&results=10&nat=us,ir&gender=male")
	if diff := cmp.Diff(long.Results[:10], short.Results); diff != "" {
		t.Errorf("10 users are not the first of 50, or gender counts beside a seed:\n%s", diff)
	}
	people := sourcetest.People("a", 2, []string{"us", "ir"}, 50)
	for i, r := range long.Results {
		if p := people[i]; p.First != r.Name.First || p.Last != r.Name.Last || p.Email != r.Email || p.Nat != r.Nat {
			t.Fatalf("user %d differs from its prediction", i)
		}
	}
	if other := page(t, stub, "seed=a&page=3&results=10&nat=us,ir"); cmp.Equal(other.Results, short.Results) {
		t.Error("page 3 repeats page 2")
	}
	for _, r := range page(t, stub, "gender=female&results=100").Results {
		if r.Gender != "female" {
			t.Fatal("gender=female without a seed gave a man")
		}
	}
	if a, b := page(t, stub, "results=1"), page(t, stub, "results=1"); a.Info.Seed == b.Info.Seed {
		t.Error("two requests without a seed got the same")
	}
}

func TestOddValues(t *testing.T) {
	t.Parallel()
	a := page(t, sourcetest.New(sourcetest.Config{}), "seed=7&results=5000")
	emails := make(map[string]bool)
	var numbers, texts, apostrophes, unicode int
	for _, r := range a.Results {
		emails[r.Email] = true
		switch r.Location.Postcode.(type) {
		case float64:
			numbers++
		case string:
			texts++
		}
		if strings.Contains(r.Email, "'") {
			apostrophes++
		}
		if strings.ContainsFunc(r.Name.Last, func(c rune) bool { return c > 0x3ff }) {
			unicode++
		}
	}
	if numbers == 0 || texts == 0 || apostrophes == 0 || unicode == 0 || len(emails) == len(a.Results) {
		t.Errorf("%d numeric and %d textual postcodes, %d apostrophes, %d names beyond Latin, %d different e-mails",
			numbers, texts, apostrophes, unicode, len(emails))
	}
	if a.Results[0].Login["password"] == "" {
		t.Error("the default answer should carry a password")
	}
	slim := page(t, sourcetest.New(sourcetest.Config{}), "seed=7&results=1&inc=name,email").Results[0]
	if slim.Login != nil || slim.Location != nil || slim.Email == "" {
		t.Errorf("inc=name,email gave %+v", slim)
	}
}

func TestFaultsAndCounts(t *testing.T) {
	t.Parallel()
	stub := sourcetest.New(sourcetest.Config{SlowFor: time.Millisecond})
	srv := httptest.NewServer(stub)
	defer srv.Close()
	client := srv.Client()
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	stub.FailOnceEach()
	var right bool
	for _, fault := range append(sourcetest.Faults(), "none") {
		res, err := client.Get(srv.URL + "/api/1.4/?seed=1&page=1&results=10&inc=email")
		if err != nil {
			t.Fatalf("%s: %v", fault, err)
		}
		body, err := io.ReadAll(res.Body)
		res.Body.Close()
		var a answer
		right = err == nil && len(body) < 10<<20 && res.StatusCode == http.StatusOK && json.Unmarshal(body, &a) == nil &&
			a.Error == "" && len(a.Results) == 10 && a.Info.Page == 1
		if want := fault == "none" || fault == sourcetest.Slow; right != want {
			t.Errorf("%s: a right answer: %v, want %v (status %d, %d bytes, %v)", fault, right, want, res.StatusCode, len(body), err)
		}
	}
	n := int64(len(sourcetest.Faults()) + 1)
	if stub.Requests() != n || stub.Users() != 10*n || stub.FaultsLeft() != 0 {
		t.Errorf("%d requests, %d users, %d faults left; want %d, %d, 0", stub.Requests(), stub.Users(), stub.FaultsLeft(), n, 10*n)
	}
}

func TestAllowance(t *testing.T) {
	t.Parallel()
	stub := sourcetest.New(sourcetest.Config{Allowance: 20, Window: time.Hour})
	for i, want := range []int{http.StatusOK, http.StatusOK, http.StatusTooManyRequests} {
		if code, _ := get(t, stub, "/api/1.4/?results=10"); code != want {
			t.Errorf("request %d: status %d, want %d", i, code, want)
		}
	}
	if code, _ := get(t, stub, "/other"); code != http.StatusNotFound {
		t.Errorf("/other: status %d", code)
	}
}

func TestPersonUser(t *testing.T) {
	t.Parallel()
	p := sourcetest.Person{
		Female: true, First: "Zoë", Last: "Lee", Email: "zoë.lee@example.com", City: "Perth", State: "Western Australia",
		Born: time.Date(2000, time.February, 29, 22, 0, 0, 0, time.UTC), Cell: "(040) 123-4567",
	}
	want := user.User{
		ID: 9, FirstName: "Zoë", LastName: "Lee", Email: "zoë.lee@example.com", City: "Perth", State: "Western Australia",
		Age: 25, MobileNumber: "0401234567", Gender: user.Female,
	}
	if diff := cmp.Diff(want, p.User(9, time.Date(2026, time.February, 28, 23, 0, 0, 0, time.UTC))); diff != "" {
		t.Errorf("the day before (-want +got):\n%s", diff)
	}
	want.Age = 26
	if diff := cmp.Diff(want, p.User(9, time.Date(2026, time.March, 1, 0, 0, 0, 0, time.UTC))); diff != "" {
		t.Errorf("on the birthday (-want +got):\n%s", diff)
	}
}
