package user

// Filter picks users; its conditions are ANDed. The zero value picks every user that is not deleted. No condition on an age
// or a gender picks those of whom it is unknown.
type Filter struct {
	Name    string // contained in the first name, the last name, or the two joined by a space; any case
	City    string // contained, any case
	State   string // contained, any case
	Email   string // equal, any case
	Gender  string // Male or Female
	Age     int    // exactly; 0: any
	MinAge  int    // inclusive; 0: none
	MaxAge  int    // inclusive; 0: none
	Deleted bool   // only the deleted ones, instead of only those that are not
	FirstID int64  // inclusive; 0: none
	LastID  int64  // inclusive; 0: none
}

// The fields of SortFields that code asks for by name.
const (
	SortID        = "id"
	SortFirstName = "firstName"
	SortLastName  = "lastName"
	SortCity      = "city"
	SortState     = "state"
	SortAge       = "age"
	SortEmail     = "email"
)

// Sort is the order of a list; users with equal values follow by id, in the same direction. Users of unknown age are the last
// ones by age, in both directions.
type Sort struct {
	By   string // one of SortFields; empty: id
	Desc bool
}

// Key is the place of a user in a sorted list: a page after it starts with the next user.
type Key struct {
	Value string // of the sort field, as text; empty when sorting by id, and for an unknown age
	ID    int64
}

// Query asks for a slice of a list. There is no total: counting costs more than the slice.
type Query struct {
	Filter Filter
	Sort   Sort
	Size   int  // 1 to 1000
	After  *Key // nil: from the start, or from Offset
	Offset int  // users to pass over; only without After, at most 10,000
}
