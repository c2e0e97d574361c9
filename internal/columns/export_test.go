package columns

// Remembered returns how many names of members a converter keeps.
func (c *Converter) Remembered() int { return len(c.members) }

// Normal is normal.
var Normal = normal

// AgeOf is ageOf on a day.
func AgeOf(date string, year, month, d int) (age int, code string) {
	return ageOf([]byte(date), day{year, month, d})
}
