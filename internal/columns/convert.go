package columns

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/musterhq/muster/internal/formula"
	"github.com/musterhq/muster/internal/user"
)

// Converter makes rows of records by a plan. It reuses its memory: one goroutine at a time may use it.
type Converter struct {
	plan    *Plan
	by      *[targets][]candidate
	picked  [targets]picked
	guarded bool   // texts have the guard against formulas
	text    []byte // the texts of a record, one after the other
	faults  []Fault
	met     [2]met // of columns of genders, and of titles

	// Of JSON records:
	members map[string]int // where the value of a member stands in values; passedOver: nowhere
	values  [][]byte
	late    [targets][]candidate // the plan's candidates and those that the header does not show
}

// picked is what a record gives a target.
type picked struct {
	value   []byte // without white space at its ends
	from    *candidate
	present bool // the record has a column for it, though it may be empty
	end     int  // of a text: where it ends in Converter.text
}

// passedOver is the place of a member that is of no field.
const passedOver = -1

// maxMembers is how many names of members a converter remembers, whatever a file brings.
const maxMembers = 10_000

// Converter returns a new one.
func (p *Plan) Converter() *Converter {
	return &Converter{plan: p, by: &p.by}
}

// Convert makes a row of the values of a CSV record, which stand as the columns of the header do, and returns what is wrong
// with it, nil when nothing is. The faults are valid until the next call; the row keeps nothing of the values. A column
// whose value is nil, or that has none, is one that the record does not have.
func (c *Converter) Convert(values [][]byte, row *Row) []Fault {
	o := &c.plan.origin
	return c.convert(values, o.csv && !o.marked || o.onlyCSV, row) // what is marked was made of objects
}

func (c *Converter) convert(values [][]byte, guarded bool, row *Row) []Fault {
	*row = Row{}
	c.faults, c.guarded = c.faults[:0], guarded
	c.pick(values)
	c.checkDeleted()
	c.convertID(row)
	c.convertTexts(row)
	c.convertAge(row)
	c.convertGender(row)
	c.require(row)
	if len(c.faults) == 0 {
		return nil
	}
	return c.faults
}

// ConvertMembers does the same for the members of a JSON record, by their names, which may be others than those of the
// header. A value is nil for null, which is an empty one. Of two members of one name the last counts.
func (c *Converter) ConvertMembers(names, values [][]byte, row *Row) []Fault {
	if c.members == nil {
		c.members = make(map[string]int, len(c.plan.index))
		for name, at := range c.plan.index {
			if c.plan.columns[at].Field == "" {
				at = passedOver
			}
			c.members[name] = at
		}
		c.values = make([][]byte, len(c.plan.columns))
		c.by = &c.plan.by
	}
	clear(c.values)
	for i, name := range names {
		at, known := c.members[string(name)]
		if !known {
			at = c.meet(string(name))
		}
		switch {
		case at == passedOver:
		case values[i] == nil:
			c.values[at] = []byte{}
		default:
			c.values[at] = values[i]
		}
	}
	faults := c.convert(c.values, c.plan.origin.onlyCSV, row)
	if len(c.members) > maxMembers { // somebody's members have names like no others: forget them
		c.members = nil
	}
	return faults
}

// meet returns the place of a member that was not met before.
func (c *Converter) meet(name string) int {
	late := candidate{match: c.plan.head.match(name), column: len(c.values), late: name}
	if c.by == &c.plan.by {
		for t := range c.late {
			c.late[t] = slices.Clone(c.plan.by[t])
		}
	}
	if OfRejects(name) || !c.plan.add(&c.late, late) {
		if len(c.members) < maxMembers {
			c.members[name] = passedOver
		}
		return passedOver
	}
	c.by = &c.late
	c.members[name] = late.column
	c.values = append(c.values, nil)
	return late.column
}

// pick chooses, for each target, the first of its columns that is not empty.
func (c *Converter) pick(values [][]byte) {
	for t := ofID; t < targets; t++ {
		p := &c.picked[t]
		*p = picked{}
		for i := range c.by[t] {
			from := &c.by[t][i]
			if from.column >= len(values) || values[from.column] == nil {
				continue
			}
			p.present = p.present || !from.soft
			if v := c.read(values[from.column], from); len(v) > 0 && !c.saysNothing(t, v, from) {
				p.value, p.from = v, from
				break
			}
		}
		if t == ofState {
			c.pickState(values)
		}
	}
}

// pickState takes the state of the city's address where the record has that, also when it is empty: no row has the city of
// one address and the state of another.
func (c *Converter) pickState(values [][]byte) {
	of := c.picked[ofCity].from
	if of == nil {
		return
	}
	p, found := &c.picked[ofState], false
	for i := range c.by[ofState] {
		from := &c.by[ofState][i]
		if !from.sameAddress(of.match) || from.column >= len(values) || values[from.column] == nil {
			continue
		}
		if v := c.read(values[from.column], from); !found || len(v) > 0 {
			p.value, p.from, found = v, from, true
		}
		if len(p.value) > 0 {
			return
		}
	}
}

// read returns a value as it was before a program made it fit into a cell. In a file that is ours for certain the guard
// against formulas is all that there is to take off; rejected rows have it before what the file had.
func (c *Converter) read(v []byte, from *candidate) []byte {
	if c.plan.origin.marked {
		v = formula.Unguard(v)
	}
	if c.guarded {
		if text := formula.Unguard(v); len(text) < len(v) {
			return trim(text)
		}
	}
	v = trim(v)
	if c.plan.options.Quoted && len(v) > 0 && v[0] == '\'' {
		v = trim(v[1:])
	}
	if len(v) < 2 || c.plan.origin.exact {
		return v
	}
	switch v[0] {
	case '=': // ="+44 20 7946 0000" keeps a spreadsheet from taking a text for a number
		if inside := v[1:]; len(inside) > 1 && inside[0] == '"' && inside[len(inside)-1] == '"' && bytes.Count(inside, []byte{'"'}) == 2 {
			return trim(inside[1 : len(inside)-1])
		}
	case '[': // Keycloak's attributes are lists, most of them of one
		var list []string
		if v[len(v)-1] == ']' && json.Unmarshal(v, &list) == nil {
			for _, s := range list {
				if s = strings.TrimSpace(s); s != "" {
					return []byte(s)
				}
			}
			return nil
		}
	}
	if from.list {
		return firstOf(v)
	}
	return v
}

// firstOf returns the first value of a list that is not empty.
func firstOf(v []byte) []byte {
	for len(v) > 0 {
		first, rest, _ := bytes.Cut(v, []byte(":::"))
		if first = trim(first); len(first) > 0 {
			return first
		}
		v = rest
	}
	return v
}

// trim cuts white space of ASCII off. What other there is goes when the text is prepared.
func trim(v []byte) []byte {
	for len(v) > 0 && space(v[0]) {
		v = v[1:]
	}
	for len(v) > 0 && space(v[len(v)-1]) {
		v = v[:len(v)-1]
	}
	return v
}

func space(b byte) bool { return b == ' ' || '\t' <= b && b <= '\r' }

// saysNothing reports whether a value is as good as an empty one: a word for an unknown gender, or in a column that may hold
// other things another thing.
func (c *Converter) saysNothing(t target, v []byte, from *candidate) bool {
	switch {
	case t == ofGender:
		says := c.sexOf(v, from)
		return says == unknown || from.soft && says == unsaid
	case t == ofEmail && from.soft:
		// Entra's name of a guest looks like an address and is none: ada_example.com#EXT#@example.com.
		return bytes.IndexByte(v, '@') < 0 || bytes.Contains(v, []byte("#EXT#"))
	}
	return false
}

// fieldOf are the fields of users that texts are prepared by.
var fieldOf = [targets]*user.Field{
	ofEmail: user.FieldOf("email"), ofFirstName: user.FieldOf("firstName"), ofLastName: user.FieldOf("lastName"), ofName: user.FieldOf("lastName"),
	ofCity: user.FieldOf("city"), ofState: user.FieldOf("state"), ofMobile: user.FieldOf("mobileNumber"),
}

// texts are the targets that are texts.
var texts = [...]target{ofEmail, ofFirstName, ofLastName, ofName, ofCity, ofState, ofMobile}

func (c *Converter) convertTexts(row *Row) {
	c.text = c.text[:0]
	c.readPhone()
	for _, t := range texts {
		c.text = append(c.text, c.picked[t].value...)
		c.picked[t].end = len(c.text)
	}
	all := string(c.text) // the one allocation of most rows
	start := 0
	for _, t := range texts {
		p := &c.picked[t]
		s := all[start:p.end]
		start = p.end
		switch {
		case t == ofName:
			c.convertName(row, s)
		case s != "" || p.present:
			c.convertText(row, t, s)
		}
	}
}

func (c *Converter) convertText(row *Row, t target, s string) {
	if s != "" {
		var fault *user.Fault
		if s, fault = fieldOf[t].Prepare(s); fault != nil && s != "" {
			c.faults = append(c.faults, Fault{fault.Code, t.String(), fault.Message})
			return
		}
	}
	if s == "" && c.plan.options.EmptyMeans != Clear { // also when nobody could see what was there
		return
	}
	row.give(t)
	switch t {
	case ofEmail:
		row.User.Email = s
	case ofFirstName:
		row.User.FirstName = s
	case ofLastName:
		row.User.LastName = s
	case ofCity:
		row.User.City = s
	case ofState:
		row.User.State = s
	case ofMobile:
		row.User.MobileNumber = s
	}
}

// convertName takes a whole name where the record does not have both its parts. Where one part is all that there is, the
// whole name says which.
func (c *Converter) convertName(row *Row, s string) {
	first, last := row.User.FirstName, row.User.LastName
	if first != "" && last != "" || c.faulty(ofFirstName) || c.faulty(ofLastName) {
		return
	}
	if s = strings.TrimSpace(user.Normal(s)); s == "" || s == first || s == last || c.isAddress(s) {
		if s == "" && c.picked[ofName].present && c.plan.options.EmptyMeans == Clear {
			row.give(ofFirstName)
			row.give(ofLastName)
		}
		return
	}
	first, last = split(s)
	for _, part := range []string{first, last} {
		if part == "" {
			continue
		}
		if _, fault := fieldOf[ofName].Prepare(part); fault != nil {
			c.faults = append(c.faults, Fault{fault.Code, ofName.String(), fault.Message})
			return
		}
	}
	row.Name, row.User.FirstName, row.User.LastName = s, first, last
	row.give(ofFirstName)
	row.give(ofLastName)
}

// isAddress reports whether a name is an e-mail address or the record's telephone number, as Auth0 calls people whose name
// it does not know.
func (c *Converter) isAddress(name string) bool {
	if name == string(c.picked[ofMobile].value) {
		return true
	}
	_, fault := fieldOf[ofEmail].Prepare(name)
	return fault == nil
}

// split cuts a name at its first space; at a later one only where the last name would be too long, as in our own CSV it can
// be when the first name has a space in it.
func split(s string) (first, last string) {
	for i, r := range s {
		if !unicode.IsSpace(r) {
			continue
		}
		rest := strings.TrimLeftFunc(s[i:], unicode.IsSpace)
		if first == "" {
			first, last = s[:i], rest
		}
		switch {
		case len(rest) <= user.MaxName, utf8.RuneCountInString(rest) <= user.MaxName:
			return s[:i], rest
		case len(s) > 2*user.MaxName*utf8.UTFMax+1: // too long at every space
			return first, last
		}
	}
	if first == "" {
		return s, ""
	}
	return first, last
}

func (c *Converter) fault(t target, code string) {
	c.faults = append(c.faults, Fault{code, t.String(), messages[code]})
}

func (c *Converter) faulty(t target) bool {
	return slices.ContainsFunc(c.faults, func(f Fault) bool { return f.Field == t.String() })
}

// require checks that a row can be told apart and stored.
func (c *Converter) require(row *Row) {
	key := c.plan.options.Key
	switch {
	case key == KeyEmail && row.User.Email == "" && !c.faulty(ofEmail):
		c.fault(ofEmail, MissingKey)
	case key == KeyID && row.ID == 0 && !c.faulty(ofID):
		c.fault(ofID, MissingKey)
	}
	if row.User.Email != "" || row.User.FirstName != "" || row.User.LastName != "" || len(c.faults) > 0 {
		return
	}
	// A row that names its user by id may leave both alone, but not empty them.
	if key != KeyID || row.has(ofEmail) && row.has(ofFirstName) && row.has(ofLastName) {
		c.fault(ofEmail, Required)
	}
}
