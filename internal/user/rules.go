package user

import (
	"errors"
	"fmt"
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
	// ErrDuplicate: there is a user with this e-mail address already.
	ErrDuplicate = errors.New("a user has this e-mail address already")
	// ErrAmbiguous: there are several users with this e-mail address, so which one to change cannot be told.
	ErrAmbiguous = errors.New("several users have this e-mail address")
)

// What became of a user who was to be created, and whose e-mail address another may have already.
const (
	WasInserted  = "inserted"
	WasUpdated   = "updated"
	WasUnchanged = "unchanged" // nothing new was said of the user who is there
	WasSkipped   = "skipped"
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

// Fill keeps of the patch only what u has no value for.
func (p *Patch) Fill(u *User) {
	for i := range fields {
		switch f := &fields[i]; {
		case f.Text != nil && *f.text(u) != "":
			*f.Text(p) = nil
		case f.Number != nil && *f.number(u) != 0:
			*f.Number(p) = nil
		}
	}
}

// Empty reports whether the patch changes nothing.
func (p *Patch) Empty() bool { return *p == Patch{} }

// Prepare makes the texts that are given those that are stored, and checks the fields that are given; the error is a
// *invalid.Error with every bad one. User.Prepare does the same for a whole user, by the same rules: what comes from a
// caller or a source is stored only after one of the two.
func (p *Patch) Prepare() error {
	var bad []invalid.Field
	for i := range fields {
		f := &fields[i]
		var fault *Fault
		switch {
		case f.Text != nil && *f.Text(p) != nil:
			given := f.Text(p)
			var stored string
			if stored, fault = f.Prepare(**given); stored != **given {
				*given = &stored // and not what the caller's pointer points to
			}
		case f.Number != nil && *f.Number(p) != nil:
			fault = f.checkNumber(**f.Number(p))
		}
		bad = f.add(bad, fault)
	}
	if p.FirstName != nil && p.LastName != nil && p.Email != nil && *p.FirstName == "" && *p.LastName == "" && *p.Email == "" {
		bad = append(bad, nobody)
	}
	return listed(bad)
}

// Prepare makes the texts of u those that are stored, and checks its fields; the error is a *invalid.Error with every bad
// one. It allocates nothing for a user whose texts are stored as they are.
func (u *User) Prepare() error {
	var bad []invalid.Field
	for i := range fields {
		f := &fields[i]
		var fault *Fault
		switch {
		case f.text != nil:
			s := f.text(u)
			*s, fault = f.Prepare(*s)
		case f.number != nil:
			fault = f.checkNumber(*f.number(u))
		}
		bad = f.add(bad, fault)
	}
	if u.isNobody() {
		bad = append(bad, nobody)
	}
	return listed(bad)
}

// CheckIdentity returns nil, or a *invalid.Error when u has neither an e-mail address nor a name. A patch alone does not tell,
// so who applies one to a user that is there asks.
func (u *User) CheckIdentity() error {
	if u.isNobody() {
		return listed([]invalid.Field{nobody})
	}
	return nil
}

func (u *User) isNobody() bool { return u.Email == "" && u.FirstName == "" && u.LastName == "" }

// nobody is what is wrong with a user who cannot be told from any other.
var nobody = invalid.Field{Field: "email", Message: "or a name must be given"}

func (f *Field) add(bad []invalid.Field, fault *Fault) []invalid.Field {
	if fault == nil {
		return bad
	}
	return append(bad, invalid.Field{Field: f.Name, Message: fault.Message})
}

func listed(bad []invalid.Field) error {
	if bad == nil {
		return nil
	}
	return &invalid.Error{Fields: bad}
}

// Fault is what is wrong with a value.
type Fault struct {
	Code    string // one of those below
	Message string // follows the field's name in a sentence, and does not show the value: "must not be blank"
}

// The codes of faults.
const (
	NotText          = "not_text"          // no UTF-8
	ControlCharacter = "control_character" // among them TAB and line breaks
	Missing          = "required"          // neither an e-mail address nor a name
	TooLong          = "too_long"
	NotOneOf         = "not_one_of"
	BadEmail         = "bad_email"
	OutOfBounds      = "out_of_bounds" // a number
)

var (
	notText          = Fault{NotText, "must be text in UTF-8"}
	controlCharacter = Fault{ControlCharacter, "must be text without control characters"}
)

// Prepare returns a text as the field stores it, in its Normal form without white space at its ends, or empty where that
// shows nothing at all, and what is wrong with it, nil when nothing is.
func (f *Field) Prepare(s string) (stored string, fault *Fault) {
	if f.oneOf != nil { // as they are: they have one form already, which the contract lists
		if s != "" && !slices.Contains(f.oneOf, s) {
			return s, &Fault{NotOneOf, "must be " + strings.Join(f.oneOf, " or ")}
		}
		return s, nil
	}
	var characters int
	if plain(s) {
		s = strings.Trim(s, " ")
		characters = len(s)
	} else {
		if !utf8.ValidString(s) {
			return s, &notText
		}
		s = strings.TrimSpace(Normal(s))
		if strings.ContainsFunc(s, control) {
			return s, &controlCharacter
		}
		characters = utf8.RuneCountInString(s)
	}
	switch {
	case blank(s):
		return "", nil
	case characters > f.Max:
		return s, &Fault{TooLong, fmt.Sprintf("must have at most %d characters", f.Max)}
	case f.check != nil:
		return s, f.check(s)
	}
	return s, nil
}

func (f *Field) checkNumber(n int) *Fault {
	if n != 0 && (n < f.Min || n > f.Max) {
		return &Fault{OutOfBounds, fmt.Sprintf("must be %d to %d", f.Min, f.Max)}
	}
	return nil
}
