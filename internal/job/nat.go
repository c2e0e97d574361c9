package job

import "slices"

// Nationalities lists the codes that RandomUser 1.4 knows, lower case and sorted. A code outside the list makes it
// drop the whole filter without a word, so codes are checked before a job is accepted and before they are sent.
func Nationalities() []string {
	return []string{
		"au", "br", "ca", "ch", "de", "dk", "es", "fi", "fr", "gb", "ie",
		"in", "ir", "mx", "nl", "no", "nz", "rs", "tr", "ua", "us",
	}
}

// DefaultNat lists the nationalities of a RandomUser job that names none.
func DefaultNat() []string { return []string{"us", "ca", "au", "gb", "in"} }

// ValidNat reports whether code is one of Nationalities; upper case is not.
func ValidNat(code string) bool {
	_, found := slices.BinarySearch(Nationalities(), code)
	return found
}
