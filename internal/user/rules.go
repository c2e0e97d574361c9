package user

import (
	"errors"
	"net/mail"
	"strings"
	"unicode/utf8"

	"github.com/musterhq/muster/internal/invalid"
)

// Sentinels of single users.
var (
	// ErrNotFound: there is no such user, or it is deleted.
	ErrNotFound = errors.New("user not found")
	// ErrActive: a user that is not deleted cannot be reactivated.
	ErrActive = errors.New("user is active")
	// ErrChanged: the user is not what the caller last saw.
	ErrChanged = errors.New("the user changed meanwhile")
)

// Patch is a change of some fields; nil leaves a field as it is.
type Patch struct {
	FirstName, LastName, Email, City, State, MobileNumber, Gender *string
	Age                                                           *int
}

// Apply changes u as the patch says.
func (p *Patch) Apply(u *User) {
	for _, f := range []struct {
		to   *string
		from *string
	}{
		{&u.FirstName, p.FirstName}, {&u.LastName, p.LastName}, {&u.Email, p.Email}, {&u.City, p.City}, {&u.State, p.State},
		{&u.MobileNumber, p.MobileNumber}, {&u.Gender, p.Gender},
	} {
		if f.from != nil {
			*f.to = *f.from
		}
	}
	if p.Age != nil {
		u.Age = *p.Age
	}
}

// Empty reports whether the patch changes nothing.
func (p *Patch) Empty() bool { return *p == Patch{} }

// Validate checks the rules of the API for a whole record; the error is a *invalid.Error with every bad field.
func (u *User) Validate() error {
	age := u.Age
	p := Patch{&u.FirstName, &u.LastName, &u.Email, &u.City, &u.State, &u.MobileNumber, &u.Gender, &age}
	return p.Validate()
}

// Validate checks the rules of the API for the fields that are given; the error is a *invalid.Error.
func (p *Patch) Validate() error {
	var bad invalid.Error
	for _, f := range []struct {
		name     string
		value    *string
		low, max int
	}{
		{"firstName", p.FirstName, MinFirstName, MaxName}, {"lastName", p.LastName, 0, MaxName}, {"email", p.Email, 3, MaxEmail},
		{"city", p.City, 0, MaxName}, {"state", p.State, 0, MaxName}, {"mobileNumber", p.MobileNumber, 0, MaxMobile},
	} {
		if f.value == nil {
			continue
		}
		switch n := utf8.RuneCountInString(*f.value); {
		case !utf8.ValidString(*f.value) || strings.ContainsRune(*f.value, 0):
			bad.Add(f.name, "must be text without NUL")
		case n < f.low && f.low > 1:
			bad.Add(f.name, "must have %d to %d characters", f.low, f.max)
		case n > f.max:
			bad.Add(f.name, "must have at most %d characters", f.max)
		case f.name == "firstName" && strings.TrimSpace(*f.value) == "":
			bad.Add(f.name, "must not be blank")
		case f.name == "email" && !validEmail(*f.value):
			bad.Add(f.name, "must be an e-mail address")
		}
	}
	if p.Age != nil && (*p.Age < MinAge || *p.Age > MaxAge) {
		bad.Add("age", "must be %d to %d", MinAge, MaxAge)
	}
	if p.Gender != nil && *p.Gender != Male && *p.Gender != Female {
		bad.Add("gender", "must be Male or Female")
	}
	return bad.Err()
}

// validEmail takes a bare address only: no display name, no comment.
func validEmail(s string) bool {
	a, err := mail.ParseAddress(s)
	return err == nil && a.Address == s && !strings.ContainsAny(s, " \t\r\n")
}
