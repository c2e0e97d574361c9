package columns

import (
	"slices"
	"strings"

	"github.com/musterhq/muster/internal/user"
)

// Row is what a record says about a user.
type Row struct {
	// Index is the row's place in the file, from 0, and so that of its user among the ids of a job. The caller sets it.
	Index int64
	// Line and Raw are the record's line in the file and its bytes, for the case that the row is rejected after all. The
	// caller sets them.
	Line int64
	Raw  []byte
	// ID is the user whom the row is about, with KeyID; else 0.
	ID int64
	// User has the values, in the form in which they are stored, and without an id of its own. What the record does not give
	// is zero; so is an unknown age or gender that it does give.
	User user.User
	// Name is the whole name where the record gives no other, and empty where it gives the parts. User has it split at its
	// first space, which need not be how a user that is there already has it: Changes compares the whole.
	Name string

	given uint32 // a bit for each target that the record gives a value, or empties
}

// RowOf returns the row that gives what is known of u.
func RowOf(u *user.User) Row {
	r := Row{User: *u}
	for t, known := range map[target]bool{
		ofFirstName: u.FirstName != "", ofLastName: u.LastName != "", ofEmail: u.Email != "", ofCity: u.City != "",
		ofState: u.State != "", ofMobile: u.MobileNumber != "", ofGender: u.Gender != "", ofAge: u.Age != 0,
	} {
		if known {
			r.give(t)
		}
	}
	return r
}

func (r *Row) give(t target) { r.given |= 1 << t }

func (r *Row) has(t target) bool { return r.given&(1<<t) != 0 }

// Patch returns what the row gives; it points into the row.
func (r *Row) Patch() user.Patch {
	var p user.Patch
	u := &r.User
	for _, f := range []struct {
		target target
		into   **string
		value  *string
	}{
		{ofFirstName, &p.FirstName, &u.FirstName},
		{ofLastName, &p.LastName, &u.LastName},
		{ofEmail, &p.Email, &u.Email},
		{ofCity, &p.City, &u.City},
		{ofState, &p.State, &u.State},
		{ofMobile, &p.MobileNumber, &u.MobileNumber},
		{ofGender, &p.Gender, &u.Gender},
	} {
		if r.has(f.target) {
			*f.into = f.value
		}
	}
	if r.has(ofAge) {
		p.Age = &u.Age
	}
	return p
}

// Changes returns what the row changes of a user that is there; it points into the row, and is empty when the row says
// nothing new. E-mail addresses that differ in case only are one.
func (r *Row) Changes(u *user.User) user.Patch {
	p := r.Patch()
	if r.Name != "" && slices.Equal(strings.Fields(r.Name), strings.Fields(wholeName(u))) {
		p.FirstName, p.LastName = nil, nil
	}
	if p.Email != nil && strings.EqualFold(*p.Email, u.Email) {
		p.Email = nil
	}
	for _, f := range []struct {
		given  **string
		stored string
	}{
		{&p.FirstName, u.FirstName},
		{&p.LastName, u.LastName},
		{&p.City, u.City},
		{&p.State, u.State},
		{&p.MobileNumber, u.MobileNumber},
		{&p.Gender, u.Gender},
	} {
		if *f.given != nil && **f.given == f.stored {
			*f.given = nil
		}
	}
	if p.Age != nil && *p.Age == u.Age {
		p.Age = nil
	}
	return p
}

// wholeName joins the names as our CSV does.
func wholeName(u *user.User) string {
	switch {
	case u.LastName == "":
		return u.FirstName
	case u.FirstName == "":
		return u.LastName
	}
	return u.FirstName + " " + u.LastName
}
