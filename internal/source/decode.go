package source

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/musterhq/muster/internal/user"
)

// The part of an answer of API 1.4 that is used. Results stay raw at first, so that a user of a wrong form costs only
// this user. The service's default answer holds much more, passwords among it: that is never asked for.
type (
	answer struct {
		Error   json.RawMessage   `json:"error"` // comes with status 200 too
		Results []json.RawMessage `json:"results"`
		Info    struct {
			Seed    string `json:"seed"`
			Results int    `json:"results"`
			Page    int    `json:"page"`
			Version string `json:"version"`
		} `json:"info"`
	}
	person struct {
		Gender string `json:"gender"`
		Name   struct {
			First string `json:"first"`
			Last  string `json:"last"`
		} `json:"name"`
		Location struct {
			City  string `json:"city"`
			State string `json:"state"`
		} `json:"location"`
		Email string `json:"email"`
		DOB   struct {
			Date string `json:"date"` // the age beside it follows the calendar and would not repeat
		} `json:"dob"`
		Cell string `json:"cell"`
	}
)

// wanted is what a page was asked for.
type wanted struct {
	seed string
	page int // from 1
	rows int
	at   time.Time // ages are as of this time
}

// decodePage checks an answer against what was asked for and returns one user per row, without ids; a row that breaks a
// rule of users is the zero User, which counts as rejected. Its error is a *refusal that holds nothing of the body.
func decodePage(body []byte, want wanted) ([]user.User, error) {
	var a answer
	if err := json.Unmarshal(body, &a); err != nil {
		// The decoder's error is dropped: it may quote the body.
		if bytes.HasPrefix(bytes.TrimSpace(body), []byte("<")) {
			return nil, &refusal{what: "answered with a web page"}
		}
		return nil, &refusal{what: "answered with something that is not its JSON"}
	}
	switch {
	case len(a.Error) > 0 && string(a.Error) != "null":
		return nil, &refusal{what: "answered with an error"}
	case len(a.Results) != want.rows || a.Info.Results != want.rows:
		return nil, &refusal{what: "sent " + strconv.Itoa(len(a.Results)) + " users instead of " + strconv.Itoa(want.rows)}
	case a.Info.Page != want.page || a.Info.Seed != want.seed || a.Info.Version != apiVersion:
		return nil, &refusal{what: "sent another page than the one asked for"}
	}
	users := make([]user.User, len(a.Results))
	for i, raw := range a.Results {
		if u, ok := decodeUser(raw, want.at); ok {
			users[i] = u
		}
	}
	return users, nil
}

// decodeUser reads one result as if a stranger had typed it: by the rules that a caller's users have to keep. What breaks
// one is not mended, and the service knows of all its people what a caller may not know.
func decodeUser(raw json.RawMessage, at time.Time) (user.User, bool) {
	var p person
	if json.Unmarshal(raw, &p) != nil {
		return user.User{}, false
	}
	born, err := time.Parse(time.RFC3339, p.DOB.Date)
	if err != nil {
		return user.User{}, false
	}
	u := user.User{
		FirstName:    p.Name.First,
		LastName:     p.Name.Last,
		Email:        p.Email,
		City:         p.Location.City,
		State:        p.Location.State,
		Age:          age(born, at),
		MobileNumber: digits(p.Cell),
	}
	switch p.Gender {
	case "male":
		u.Gender = user.Male
	case "female":
		u.Gender = user.Female
	}
	for _, s := range []string{u.FirstName, u.LastName, u.Email, u.City, u.State} {
		if strings.ContainsRune(s, unicode.ReplacementChar) { // what the decoder makes of broken UTF-8
			return user.User{}, false
		}
	}
	return u, u.Prepare() == nil && u.FirstName != "" && u.Email != "" && u.Age != 0 && u.Gender != ""
}

// age returns the number of birthdays, by the UTC calendar, that somebody born then has had.
func age(born, at time.Time) int {
	born, at = born.UTC(), at.UTC()
	years := at.Year() - born.Year()
	if at.Month() < born.Month() || at.Month() == born.Month() && at.Day() < born.Day() {
		years--
	}
	return years
}

// digits keeps the digits of a phone number in national form: "(555) 012-3456" is 5550123456.
func digits(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' {
			return r
		}
		return -1
	}, s)
}
