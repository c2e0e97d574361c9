// Package user holds the user record and its rules. It imports the standard library, internal/invalid and
// golang.org/x/text/unicode/norm only.
package user

import "time"

// The genders a record may have.
const (
	Male   = "Male"
	Female = "Female"
)

// User is one record. The tags name the columns of the table users. It has an e-mail address or a name; all else may be
// unknown.
type User struct {
	ID           int64     `db:"id"`
	FirstName    string    `db:"first_name"`
	LastName     string    `db:"last_name"`
	Email        string    `db:"email"`
	City         string    `db:"city"`
	State        string    `db:"state"`
	Age          int       `db:"age"` // in years; 0: unknown, stored as NULL
	MobileNumber string    `db:"mobile_number"`
	Gender       string    `db:"gender"` // Male, Female, or empty: unknown
	Deleted      bool      `db:"deleted"`
	DeletedAt    time.Time `db:"-"` // zero while not deleted; stored as milliseconds or NULL
}

// Patch is a change of some fields; nil leaves a field as it is, and the empty text or the age 0 empties it.
type Patch struct {
	FirstName, LastName, Email, City, State, MobileNumber, Gender *string
	Age                                                           *int
}

// Limits of the fields, in characters (code points of the stored form) and in years.
const (
	MaxName   = 100
	MaxEmail  = 254 // and as many bytes
	MaxMobile = 32
	MinAge    = 1
	MaxAge    = 150
)

// MaxText is the most characters that any column takes, and so the longest text that there may be of earlier versions.
const MaxText = 255

// fields is all that the other packages know of the fields: what is inserted, changed, checked, read from JSON, exported
// and sorted by follows from it. CONTRIBUTING.md says what else a new field takes.
var fields = []Field{
	{Name: "id", Column: "id", Kind: Long, Sortable: true},
	{
		Name: "firstName", Column: "first_name", Sortable: true, Max: MaxName,
		text: func(u *User) *string { return &u.FirstName }, Text: func(p *Patch) **string { return &p.FirstName },
	},
	{
		Name: "lastName", Column: "last_name", Sortable: true, Repeats: true, Max: MaxName,
		text: func(u *User) *string { return &u.LastName }, Text: func(p *Patch) **string { return &p.LastName },
	},
	{
		Name: "email", Column: "email", Sortable: true, Max: MaxEmail, check: checkEmail,
		text: func(u *User) *string { return &u.Email }, Text: func(p *Patch) **string { return &p.Email },
	},
	{
		Name: "city", Column: "city", Sortable: true, Repeats: true, Max: MaxName,
		text: func(u *User) *string { return &u.City }, Text: func(p *Patch) **string { return &p.City },
	},
	{
		Name: "state", Column: "state", Sortable: true, Repeats: true, Max: MaxName,
		text: func(u *User) *string { return &u.State }, Text: func(p *Patch) **string { return &p.State },
	},
	{
		Name: "age", Column: "age", Kind: Whole, CanBeUnknown: true, Sortable: true, Min: MinAge, Max: MaxAge,
		number: func(u *User) *int { return &u.Age }, Number: func(p *Patch) **int { return &p.Age },
	},
	{
		Name: "mobileNumber", Alias: "phNum", Column: "mobile_number", Max: MaxMobile,
		text: func(u *User) *string { return &u.MobileNumber }, Text: func(p *Patch) **string { return &p.MobileNumber },
	},
	{
		Name: "gender", Column: "gender", CanBeUnknown: true, Repeats: true, oneOf: []string{Male, Female},
		text: func(u *User) *string { return &u.Gender }, Text: func(p *Patch) **string { return &p.Gender },
	},
	{Name: "deleted", Column: "deleted", Kind: Flag},
	{Name: "deletedAt", Column: "deleted_at", Kind: Stamp},
}

// Inserted appends the values of the columns of Inserts to dst and returns it. It lists the fields a second time, because
// going through the table would make batches slower.
func (u *User) Inserted(dst []any) []any {
	return append(dst, u.ID, u.FirstName, u.LastName, u.Email, u.City, u.State, stored(u.Age), u.MobileNumber, u.Gender)
}

// stored returns a number that may be unknown as the database has it. Small ones are not allocated.
func stored(n int) any {
	if n == 0 {
		return nil
	}
	return int64(n)
}
