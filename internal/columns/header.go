package columns

import (
	"cmp"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// target is what a column is taken for.
type target uint8

const (
	none target = iota
	ofID
	ofEmail
	ofFirstName
	ofLastName
	ofName // the whole one, in one column
	ofCity
	ofState
	ofAge
	ofBirthdate
	ofGender
	ofMobile
	ofDeleted
	targets // how many there are
)

var targetNames = [targets]string{
	"", "id", "email", "firstName", "lastName", "name", "city", "state", "age", "birthdate", "gender", "mobileNumber", "deleted",
}

// String returns the name that ParseMap takes, which for a field of users is its name in the API.
func (t target) String() string { return targetNames[t] }

// targetNamed returns the target that a caller may name; none when there is no such.
func targetNamed(s string) target {
	switch s {
	case "phNum", "mobile": // other names of the API and of our CSV
		return ofMobile
	}
	for t := ofID; t < ofDeleted; t++ {
		if targetNames[t] == s {
			return t
		}
	}
	return none
}

func mappable() []string { return targetNames[ofID:ofDeleted] }

// match is what the table of synonyms says of a column's name.
type match struct {
	target  target
	soft    bool // a value that is not understood there is passed over: the column may hold other things
	list    bool // Google's: one cell may hold several values, " ::: " between them
	spanish bool // of a gender: where m may be mujer
	nested  bool // the name was known only without what stands before its last dots
	rank    int  // its place in the table
	number  int  // of "E-mail 2 - Value" 2
	address int  // of a city or a state: which of the table's addresses it is of; 0: of none
}

// compare orders by preference.
func (m match) compare(n match) int {
	nested := func(m match) int {
		if m.nested {
			return 1
		}
		return 0
	}
	return cmp.Or(nested(m)-nested(n), m.rank-n.rank, cmp.Compare(m.number, n.number))
}

func (m match) sameAddress(n match) bool {
	return m.address > 0 && m.address == n.address && m.number == n.number && m.nested == n.nested
}

// header is what a file's header says of the meaning of single names: "Name" beside "Vorname" is the last name.
type header struct{ keys map[string]bool }

func newHeader(names []string) header {
	h := header{keys: make(map[string]bool, len(names))}
	for _, name := range names {
		for _, key := range keysOf(name) {
			h.keys[key] = true
		}
	}
	return h
}

// match returns what a column of that name is taken for. It does not depend on the other columns' order, nor on columns
// that the header does not show.
func (h header) match(column string) match {
	for i, key := range keysOf(column) {
		number := 0
		m, ok := synonyms[key]
		if !ok {
			if key, number = numbered(key); number > 0 {
				m, ok = synonyms[key]
			}
		}
		for _, rule := range besides {
			if rule.key == key && h.keys[rule.other] {
				m, ok = rule.match, true
			}
		}
		if ok {
			m.number, m.nested = number, i > 0
			return m
		}
	}
	return match{}
}

// longestName is more than the longest name of the table, in bytes before it is brought into its normal form.
const longestName = 200

// keysOf returns the normal forms under which a column's name is looked for: the whole, then without one after the other of
// the objects that it is nested in ("user_metadata.phone_number", "custom:city").
func keysOf(column string) []string {
	if len(column) > longestName {
		return nil
	}
	column = property(column)
	keys := []string{normal(column)}
	for {
		at := strings.IndexAny(column, ".:")
		if at <= 0 || !containers[normal(column[:at])] {
			return keys
		}
		column = column[at+1:]
		keys = append(keys, normal(column))
	}
}

// property returns the part of a name that says what the column is: of Entra's "First name [givenName] Required" what is in
// the brackets, of Google Workspace's "Recovery Phone [MUST BE IN THE E.164 FORMAT]" what stands before them.
func property(column string) string {
	before, rest, ok := strings.Cut(column, "[")
	inside, _, closed := strings.Cut(rest, "]")
	if !ok || !closed || strings.TrimSpace(before) == "" {
		return column
	}
	switch key := normal(inside); {
	case key == "", key == "required", key == "optional", strings.ContainsAny(strings.TrimSpace(inside), " \t"):
		return before
	}
	return inside
}

// normal returns a name without case, spaces, signs and accents: "E-Mail Adresse", "e_mail_adresse" and "EMAIL-ADRESSE" are
// one. What remains are the letters and digits of Unicode's compatibility form NFKD, in lower case.
func normal(s string) string {
	if key, ok := normalASCII(s); ok {
		return key
	}
	if !utf8.ValidString(s) {
		return ""
	}
	var out strings.Builder
	for _, r := range norm.NFKD.String(strings.ToLower(norm.NFKD.String(s))) {
		switch {
		case r == 'ß':
			out.WriteString("ss")
		case unicode.IsLetter(r), unicode.IsDigit(r):
			out.WriteRune(r)
		}
	}
	return out.String()
}

func normalASCII(s string) (key string, ok bool) {
	out := make([]byte, 0, len(s))
	for i := range len(s) {
		switch c := s[i]; {
		case c >= utf8.RuneSelf:
			return "", false
		case 'A' <= c && c <= 'Z':
			out = append(out, c+'a'-'A')
		case 'a' <= c && c <= 'z', '0' <= c && c <= '9':
			out = append(out, c)
		}
	}
	return string(out), true
}

// numbered replaces the first number in a key by the table's # and returns it; 0: there is none, or none below a thousand.
func numbered(key string) (string, int) {
	digit := func(r rune) bool { return '0' <= r && r <= '9' }
	start := strings.IndexFunc(key, digit)
	if start < 0 {
		return key, 0
	}
	end, number := start, 0
	for end < len(key) && digit(rune(key[end])) && number < 1000 {
		number = 10*number + int(key[end]-'0')
		end++
	}
	if number >= 1000 {
		return key, 0
	}
	return key[:start] + "#" + key[end:], number
}
