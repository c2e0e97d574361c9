package user

import (
	"errors"
	"net/mail"
	"slices"
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

// Apply changes u as the patch says.
func (p *Patch) Apply(u *User) {
	for i := range fields {
		switch f := &fields[i]; {
		case f.Text != nil && *f.Text(p) != nil:
			*f.text(u) = **f.Text(p)
		case f.Number != nil && *f.Number(p) != nil:
			*f.number(u) = **f.Number(p)
		}
	}
}

// Empty reports whether the patch changes nothing.
func (p *Patch) Empty() bool { return *p == Patch{} }

// Validate checks the rules of the API for the fields that are given; the error is a *invalid.Error with every bad field.
func (p *Patch) Validate() error {
	var bad invalid.Error
	for i := range fields {
		f := &fields[i]
		switch value, _ := f.Given(p); value := value.(type) {
		case string:
			f.validate(value, &bad)
		case int:
			if value < f.Min || value > f.Max {
				bad.Add(f.Name, "must be %d to %d", f.Min, f.Max)
			}
		}
	}
	return bad.Err()
}

func (f *Field) validate(value string, bad *invalid.Error) {
	switch n := utf8.RuneCountInString(value); {
	case f.oneOf != nil:
		if !slices.Contains(f.oneOf, value) {
			bad.Add(f.Name, "must be %s", strings.Join(f.oneOf, " or "))
		}
	case !utf8.ValidString(value) || strings.ContainsRune(value, 0):
		bad.Add(f.Name, "must be text without NUL")
	case n < f.Min:
		bad.Add(f.Name, "must have %d to %d characters", f.Min, f.Max)
	case n > f.Max:
		bad.Add(f.Name, "must have at most %d characters", f.Max)
	case f.check != nil:
		if why := f.check(value); why != "" {
			bad.Add(f.Name, "%s", why)
		}
	}
}

func notBlank(s string) string {
	if strings.TrimSpace(s) == "" {
		return "must not be blank"
	}
	return ""
}

func emailAddress(s string) string {
	if !validEmail(s) {
		return "must be an e-mail address"
	}
	return ""
}

// validEmail reports whether s is a bare e-mail address, without a display name or a comment.
func validEmail(s string) bool {
	a, err := mail.ParseAddress(s)
	return err == nil && a.Address == s && !strings.ContainsAny(s, " \t\r\n")
}

// fits reports whether an import may store the text.
func (f *Field) fits(s string) bool {
	if f.oneOf != nil {
		return slices.Contains(f.oneOf, s)
	}
	n := utf8.RuneCountInString(s)
	return n >= f.imported && n <= f.Max && utf8.ValidString(s) && !strings.ContainsRune(s, 0)
}
