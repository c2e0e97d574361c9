// Package user holds the user record and its rules. It imports the standard library and internal/invalid
// only.
package user

import (
	"strings"
	"time"
	"unicode/utf8"
)

// The genders a record may have.
const (
	Male   = "Male"
	Female = "Female"
)

// User is one record.
type User struct {
	ID           int64
	FirstName    string
	LastName     string
	Email        string
	City         string
	State        string
	Age          int
	MobileNumber string
	Gender       string
	Deleted      bool
	DeletedAt    time.Time // zero while not deleted
}

// Columns names the columns of a record as exports and the store order them.
var Columns = []string{
	"id", "first_name", "last_name", "email", "city", "state", "age", "mobile_number", "gender", "deleted", "deleted_at",
}

// Limits of the fields, in characters.
const (
	MinFirstName = 3
	MaxName      = 100
	MaxEmail     = 255
	MaxMobile    = 32
	MinAge       = 1
	MaxAge       = 150
)

// Storable reports whether the record fits the table: what an import checks of a row from elsewhere. It is laxer
// than the rules of the API (a first name may have one letter), because real names do.
func (u *User) Storable() bool {
	return fits(u.FirstName, 1, MaxName) && fits(u.LastName, 0, MaxName) && fits(u.Email, 3, MaxEmail) &&
		strings.Contains(u.Email, "@") && fits(u.City, 0, MaxName) && fits(u.State, 0, MaxName) &&
		fits(u.MobileNumber, 0, MaxMobile) && u.Age >= MinAge && u.Age <= MaxAge &&
		(u.Gender == Male || u.Gender == Female)
}

func fits(s string, lo, hi int) bool {
	n := utf8.RuneCountInString(s)
	return n >= lo && n <= hi && utf8.ValidString(s) && !strings.ContainsRune(s, 0)
}
