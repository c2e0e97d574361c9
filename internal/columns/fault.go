package columns

import (
	"fmt"

	"github.com/musterhq/muster/internal/user"
)

// Fault is one thing that is wrong with a record.
type Fault struct {
	Code    string // one of those below, or of internal/user
	Field   string // of ParseMap; or "deleted"
	Message string // follows the field's name in a sentence, and does not show the value
}

// The codes of faults that internal/user does not have: of a text it says required, too_long, control_character, not_text
// and bad_email.
const (
	MissingKey    = "missing_key"    // the field that the rows are told apart by is empty
	BadAge        = "bad_age"        // no whole number, or outside of what an age may be
	BadBirthdate  = "bad_birthdate"  // not understood, no day of the calendar, or in the future
	AmbiguousDate = "ambiguous_date" // it can be read in ways that give different ages
	BadGender     = "bad_gender"     // not understood
	BadID         = "bad_id"         // no whole number from 1
	BadBoolean    = "bad_boolean"    // not understood
	DigitsLost    = "digits_lost"    // a program took a telephone number for a number, and rounded or cut it
	IsDeleted     = "is_deleted"     // the record says that its user is deleted
)

// The codes of rows that do not fit the users who are there.
const (
	Duplicate    = "duplicate"     // there is one with the row's key
	AmbiguousKey = "ambiguous_key" // there are several
	UnknownID    = "unknown_id"    // there is none
)

// Required is the code of a record without an e-mail address and a name.
const Required = user.Missing

// messages are those of the codes, where they do not depend on the field.
var messages = map[string]string{
	MissingKey:    "is the key and must not be empty",
	Required:      "or a name must be given",
	BadAge:        fmt.Sprintf("must be a whole number of years from %d to %d", user.MinAge, user.MaxAge),
	BadBirthdate:  "must be a date in the past, best written as 1990-12-31",
	AmbiguousDate: "can be read as several days that make different ages: write it as 1990-12-31",
	BadGender:     "must be Male or Female, a common word for one of them, or empty",
	BadID:         "must be the whole number of a user",
	BadBoolean:    "must be true, false, yes, no, 1 or 0",
	DigitsLost:    "has lost digits, for a program wrote it as a number like 4.477E+11: take it from the original as text",
	IsDeleted:     "says that the user is deleted, so it is not stored",
}
