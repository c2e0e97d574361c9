package source

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/musterhq/muster/internal/user"
)

var june = time.Date(2026, time.June, 15, 12, 0, 0, 0, time.UTC)

const ada = `{"gender":"female","name":{"title":"Ms","first":"Zoë","last":"O'Connor"},
"location":{"city":"St. John's","state":"Newfoundland and Labrador","postcode":12345,"coordinates":{"latitude":"1"}},
"email":"zoë.o'connor@example.com","dob":{"date":"1990-06-15T23:59:59.000Z","age":3},"cell":"(555) 012-3456","nat":"CA","id":{"value":null}}`

func TestDecodeUser(t *testing.T) {
	t.Parallel()
	got, ok := decodeUser(json.RawMessage(ada), june)
	want := user.User{
		FirstName: "Zoë", LastName: "O'Connor", Email: "zoë.o'connor@example.com", City: "St. John's",
		State: "Newfoundland and Labrador", Age: 36, MobileNumber: "5550123456", Gender: user.Female,
	}
	if diff := cmp.Diff(want, got); diff != "" || !ok {
		t.Errorf("decodeUser: ok=%v (-want +got):\n%s", ok, diff)
	}
}

// A row is stored in the form of every other user: what only looks different is the same.
func TestDecodeUserPrepares(t *testing.T) {
	t.Parallel()
	raw := strings.NewReplacer(`Zoë`, "Zoe\u0308", `St. John's`, ` St. \u200bJohn's\n`, `zoë.`, `\ufeffzoë.`).Replace(ada)
	want, ok := decodeUser(json.RawMessage(ada), june)
	got, okToo := decodeUser(json.RawMessage(raw), june)
	if diff := cmp.Diff(want, got); diff != "" || !ok || !okToo {
		t.Errorf("decodeUser: %v, %v (-want +got):\n%s", ok, okToo, diff)
	}
}

func TestDecodeUserRejects(t *testing.T) {
	t.Parallel()
	for name, edit := range map[string][2]string{
		"no e-mail":           {`"zoë.o'connor@example.com"`, `""`},
		"gender unknown":      {`"female"`, `"other"`},
		"gender is a number":  {`"female"`, `1`},
		"no first name":       {`"Zoë"`, `""`},
		"first name too long": {`"Zoë"`, `"` + strings.Repeat("ë", 101) + `"`},
		"NUL in a name":       {`"Zoë"`, `"Zo\u0000"`},
		"line break in a city": {
			`"St. John's"`, `"St.\nJohn's"`,
		},
		"broken UTF-8":             {`"Zoë"`, "\"Zo\xff\""},
		"no @":                     {`@`, ` at `},
		"two dots in the e-mail":   {`zoë.o`, `zoë..o`},
		"65 bytes before the @":    {`zoë.o'connor`, strings.Repeat("ë", 32) + "x"},
		"e-mail in quotes":         {`"zoë.o'connor@`, `"\"zoë\"@`},
		"NEL in a state":           {`and Labrador`, `\u0085Labrador`},
		"born tomorrow":            {`1990-06-15`, `2026-06-16`},
		"born today":               {`1990-06-15`, `2026-06-15`},
		"born 200 years ago":       {`1990-06-15`, `1826-06-15`},
		"no such day":              {`1990-06-15`, `1990-02-30`},
		"date is a number":         {`"1990-06-15T23:59:59.000Z"`, `19900615`},
		"cell too long":            {`(555)`, strings.Repeat("5", 30)},
		"name is a string":         {`{"title":"Ms","first":"Zoë","last":"O'Connor"}`, `"Zoë"`},
		"location missing is fine": {`"location"`, `"location"`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if !strings.Contains(ada, edit[0]) {
				t.Fatalf("the record has no %s", edit[0])
			}
			_, ok := decodeUser(json.RawMessage(strings.Replace(ada, edit[0], edit[1], 1)), june)
			if want := edit[0] == edit[1]; ok != want {
				t.Errorf("taken: %v, want %v", ok, want)
			}
		})
	}
	for _, raw := range []string{`null`, `[]`, `"x"`, `{}`} {
		if u, ok := decodeUser(json.RawMessage(raw), june); ok || u != (user.User{}) {
			t.Errorf("decodeUser(%s) = %+v, %v", raw, u, ok)
		}
	}
}

func TestAge(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		born, at string
		want     int
	}{
		{"1990-06-15T00:00:00Z", "2026-06-14T23:59:59Z", 35},
		{"1990-06-15T23:59:59Z", "2026-06-15T00:00:00Z", 36},
		{"2000-02-29T00:00:00Z", "2026-02-28T12:00:00Z", 25},
		{"2000-02-29T00:00:00Z", "2026-03-01T00:00:00Z", 26},
		{"2000-02-29T00:00:00Z", "2028-02-29T00:00:00Z", 28},
		{"1999-12-31T23:30:00-01:00", "2026-01-01T00:00:00Z", 26}, // born in 2000 by UTC
		{"2026-06-15T00:00:00Z", "2026-06-14T00:00:00Z", -1},
	} {
		born, _ := time.Parse(time.RFC3339, c.born)
		at, _ := time.Parse(time.RFC3339, c.at)
		if got := age(born, at); got != c.want {
			t.Errorf("age(%s, %s) = %d, want %d", c.born, c.at, got, c.want)
		}
	}
}

func page(results, info string) string { return `{"results":[` + results + `],"info":` + info + `}` }

const goodInfo = `{"seed":"42","results":1,"page":3,"version":"1.4"}`

func TestDecodePage(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ body, want string }{
		"right":              {page(ada, goodInfo), ""},
		"null error":         {strings.Replace(page(ada, goodInfo), "{", `{"error":null,`, 1), ""},
		"empty":              {"", "not its JSON"},
		"html":               {" <html>ada@example.com</html>", "web page"},
		"text":               {"Uh oh", "not its JSON"},
		"cut":                {page(ada, goodInfo)[:300], "not its JSON"},
		"trailing":           {page(ada, goodInfo) + "x", "not its JSON"},
		"error text":         {`{"error":"zoë is not here"}`, "answered with an error"},
		"error object":       {strings.Replace(page(ada, goodInfo), "{", `{"error":{},`, 1), "answered with an error"},
		"none":               {page("", goodInfo), "sent 0 users instead of 1"},
		"too many":           {page(ada+","+ada, goodInfo), "sent 2 users instead of 1"},
		"count in info":      {page(ada, strings.Replace(goodInfo, `"results":1`, `"results":2`, 1)), "instead of"},
		"page in info":       {page(ada, strings.Replace(goodInfo, `3`, `1`, 1)), "another page"},
		"seed in info":       {page(ada, strings.Replace(goodInfo, `42`, `43`, 1)), "another page"},
		"version in info":    {page(ada, strings.Replace(goodInfo, `1.4`, `1.3`, 1)), "another page"},
		"info missing":       {`{"results":[` + ada + `]}`, "instead of"},
		"results not a list": {`{"results":{"a":1}}`, "not its JSON"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			users, err := decodePage([]byte(c.body), wanted{seed: "42", page: 3, rows: 1, at: june})
			if c.want == "" {
				if err != nil || len(users) != 1 || users[0].FirstName != "Zoë" {
					t.Fatalf("decodePage = %v, %v", users, err)
				}
				return
			}
			if !isRefusal(nil, err) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("decodePage = %v, want a refusal that says %q", err, c.want)
			}
		})
	}
}

func FuzzDecodePage(f *testing.F) {
	for _, seed := range []string{
		page(ada, goodInfo), page("null", goodInfo), page(strings.Replace(ada, "female", "x", 1), goodInfo),
		`{"error":"slow down"}`, `<html>`, ``, `[]`, `{"results":[1],"info":{"results":1e0}}`, strings.Repeat("[", 20_000),
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		users, err := decodePage(body, wanted{seed: "42", page: 3, rows: 1, at: june})
		if err != nil {
			var r *refusal
			if !errors.As(err, &r) || users != nil || len(err.Error()) > 100 {
				t.Fatalf("%d users and %v, want none and a short refusal", len(users), err)
			}
			return
		}
		if len(users) != 1 {
			t.Fatalf("%d users, want 1", len(users))
		}
		u := users[0]
		if err := u.Prepare(); users[0] != (user.User{}) && (err != nil || u != users[0] || u.ID != 0 || u.Deleted) {
			t.Fatalf("a user that cannot be stored got through: %+v, %v", users[0], err)
		}
	})
}
