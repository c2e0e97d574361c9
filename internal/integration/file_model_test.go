package integration

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/musterhq/muster/internal/columns"
	"github.com/musterhq/muster/internal/job"
	"github.com/musterhq/muster/internal/records"
	"github.com/musterhq/muster/internal/user"
)

// What must become of a file follows here from what was written into it, and not from a second reading: nothing in this
// file calls what the program reads files with.

// sampleRow is a row of a made-up file.
type sampleRow struct {
	raw   string    // as it stands in the file, without its line end
	line  int64     // on which it begins
	says  user.User // what it gives; what is zero it does not give
	code  string    // of what is wrong with it; empty: nothing is
	field string
}

// key is what tells users apart: their e-mail address.
func key(u *user.User) string { return strings.ToLower(u.Email) }

// sampleFile is a made-up CSV file.
type sampleFile struct {
	rows []sampleRow
	text []byte
}

const sampleHeader = "email,firstName,lastName,city,state,age,gender,mobileNumber,note"

// mix says of what a file is made: of n rows, bad percent are faulty, and again percent have the key of a row before.
type mix struct {
	set           string // goes into the addresses: files of different sets share none
	n, bad, again int
	step          int // persons are numbered 0, step, 2·step …
	variants      int // in how many more ways than one a person is described
	wide          int // bytes of a note that nobody reads, in each row
}

// newFile makes up a file. Persons are numbered, and the same number of the same set has the same address.
func newFile(random *rand.Rand, m mix) *sampleFile {
	f := &sampleFile{rows: make([]sampleRow, 0, m.n)}
	var text bytes.Buffer
	text.WriteString(sampleHeader + "\n")
	line := int64(2)
	for i := range m.n {
		no := i
		if i > 0 && random.IntN(100) < m.again {
			no = random.IntN(i)
		}
		row := sampleRow{line: line, says: person(m.set, no*m.step, random.IntN(m.variants+1))}
		if random.IntN(3) == 0 {
			row.says.Email = strings.ToUpper(row.says.Email)
		}
		row.write(random, m.wide)
		if random.IntN(1000) < 10*m.bad {
			row.spoil(random.IntN(faultKinds))
		}
		text.WriteString(row.raw + "\n")
		line += 1 + int64(strings.Count(row.raw, "\n"))
		f.rows = append(f.rows, row)
	}
	f.text = text.Bytes()
	return f
}

// person describes the person with that number in one of several ways, each of which leaves something out.
func person(set string, no, variant int) user.User {
	r := rand.New(rand.NewPCG(hash(set), uint64(no)))
	base, other := describe(r), describe(r)
	u := user.User{Email: fmt.Sprintf("%s%d@example.com", set, no)}
	r = rand.New(rand.NewPCG(uint64(no), uint64(variant)))
	for i, to := range texts(&u) {
		switch r.IntN(4) {
		case 0: // left out
		case 1:
			*to = *texts(&other)[i]
		default:
			*to = *texts(&base)[i]
		}
	}
	if r.IntN(3) > 0 {
		u.Age = base.Age + r.IntN(2)
	}
	return u
}

// describe makes up all of a user but the address.
func describe(r *rand.Rand) user.User {
	one := func(list ...string) string { return list[r.IntN(len(list))] }
	return user.User{
		FirstName: one("Ada", "Zoë", "Łukasz", "Mary Ann", "Al", "Grace"), LastName: one("Byron", "O'Neil", "Ng", "van Dyke", "Müller"),
		City: one("Austin", "Paris, Texas", "Köln", "San José"), State: one("Texas", "Bavaria", "California"),
		Age: 18 + r.IntN(60), Gender: one(user.Male, user.Female), MobileNumber: fmt.Sprintf("+1 555 %07d", r.IntN(1e7)),
	}
}

// texts are the texts of a user but the address, in the order of the file's columns.
func texts(u *user.User) []*string {
	return []*string{&u.FirstName, &u.LastName, &u.City, &u.State, &u.Gender, &u.MobileNumber}
}

func (r *sampleRow) write(random *rand.Rand, wide int) {
	note := strings.Repeat("x", wide)
	switch random.IntN(20) {
	case 0:
		note = "\"over\ntwo lines, \"\"quoted\"\"\""
	case 1:
		note = "short"
	}
	u, age := &r.says, ""
	if u.Age > 0 {
		age = fmt.Sprint(u.Age)
	}
	city := u.City
	if strings.Contains(city, ",") {
		city = `"` + city + `"`
	}
	r.raw = strings.Join([]string{u.Email, u.FirstName, u.LastName, city, u.State, age, u.Gender, u.MobileNumber, note}, ",")
}

// faultKinds is how many kinds of faults spoil knows.
const faultKinds = 9

// spoil makes the row one that is rejected.
func (r *sampleRow) spoil(kind int) {
	u := &r.says
	values := []string{u.Email, "Ada", "Byron", "Austin", "Texas", "36", user.Female, "+1 555 1234567", ""}
	switch kind {
	case 0:
		values[0], r.code, r.field = "nobody at home", user.BadEmail, "email"
	case 1:
		values[5], r.code, r.field = "very old", columns.BadAge, "age"
	case 2:
		values[6], r.code, r.field = "xyzzy", columns.BadGender, "gender"
	case 3:
		values[7], r.code, r.field = "4.477E+11", columns.DigitsLost, "mobileNumber"
	case 4:
		values[3], r.code, r.field = "New\tYork", user.ControlCharacter, "city"
	case 5:
		values, r.code = values[:5], string(records.TooFewColumns)
	case 6:
		values, r.code = append(values, "more"), string(records.TooManyColumns)
	case 7:
		values[1], r.code = `"Ada" Augusta`, string(records.BadQuote)
	case 8:
		values[2], r.code = "By\x00ron", string(records.NUL)
	}
	r.raw = strings.Join(values, ",")
}

// gzipped returns the file's text compressed.
func (f *sampleFile) gzipped(t testing.TB) []byte {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write(f.text); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// counting decides which of the rows with one key counts, by the key: the first or the last that nothing is wrong with.
func (f *sampleFile) counting(last bool) map[string]int {
	counts := map[string]int{}
	for i := range f.rows {
		r := &f.rows[i]
		if _, known := counts[key(&r.says)]; r.code == "" && (last || !known) {
			counts[key(&r.says)] = i
		}
	}
	return counts
}

// model is the users as they must be, by id.
type model struct {
	users map[int64]user.User
	byKey map[string][]int64
}

func newModel() *model { return &model{users: map[int64]user.User{}, byKey: map[string][]int64{}} }

func (m *model) insert(id int64, u user.User) {
	u.ID = id
	m.users[id] = u
	m.byKey[key(&u)] = append(m.byKey[key(&u)], id)
}

// remove takes the users with ids from first to last out.
func (m *model) remove(first, last int64) {
	for id := first; id <= last; id++ {
		u, ok := m.users[id]
		if !ok {
			continue
		}
		delete(m.users, id)
		m.byKey[key(&u)] = slices.DeleteFunc(m.byKey[key(&u)], func(other int64) bool { return other == id })
	}
}

// outcome is what became of the rows of a file.
type outcome struct {
	Inserted  int64 `json:"inserted"`
	Updated   int64 `json:"updated"`
	Unchanged int64 `json:"unchanged"`
	Skipped   int64 `json:"skipped"`
	Rejected  int64 `json:"rejected"`
}

func (o outcome) rows() int64 { return o.Inserted + o.Updated + o.Unchanged + o.Skipped + o.Rejected }

// reject is a rejected row, but for what people are told.
type reject struct {
	Row, Line   int64
	Code, Field string
	Raw         string
}

// strategy is how a file is imported.
type strategy struct {
	onDuplicate string
	last        bool // of the rows with one key the last counts
}

// query returns the parameters of the import.
func (y strategy) query() string {
	q := "onDuplicate=" + y.onDuplicate
	if y.last {
		q += "&inFile=last"
	}
	return q + "&maxRejected=100%25"
}

// run imports the rows of the file that done accepts, one after the other; row 0 has the id firstID if it is inserted.
func (m *model) run(f *sampleFile, y strategy, firstID int64, done func(row int64) bool) (o outcome, rejects []reject) {
	counts := f.counting(y.last)
	refuse := func(i int, code, field string) {
		r := &f.rows[i]
		o.Rejected++
		rejects = append(rejects, reject{Row: int64(i), Line: r.line, Code: code, Field: field, Raw: r.raw})
	}
	for i := range f.rows {
		r := &f.rows[i]
		if !done(int64(i)) {
			continue
		}
		there := m.byKey[key(&r.says)]
		switch {
		case r.code != "":
			refuse(i, r.code, r.field)
		case y.onDuplicate == job.DuplicateInsert:
			m.insert(firstID+int64(i), r.says)
			o.Inserted++
		case counts[key(&r.says)] != i && y.onDuplicate == job.DuplicateReject:
			refuse(i, "duplicate_in_file", "email")
		case counts[key(&r.says)] != i:
			o.Skipped++
		case len(there) == 0:
			m.insert(firstID+int64(i), r.says)
			o.Inserted++
		case y.onDuplicate == job.DuplicateSkip:
			o.Skipped++
		case y.onDuplicate == job.DuplicateReject:
			refuse(i, "duplicate", "email")
		case len(there) > 1:
			refuse(i, "ambiguous_key", "email")
		case m.change(there[0], &r.says, y.onDuplicate == job.DuplicateFill):
			o.Updated++
		default:
			o.Unchanged++
		}
	}
	return o, rejects
}

// change gives the user what is said of it, or only what it has not, and reports whether that was something new.
func (m *model) change(id int64, says *user.User, fill bool) bool {
	u := m.users[id]
	before := u
	for i, to := range texts(&u) {
		if from := *texts(says)[i]; from != "" && (*to == "" || !fill) {
			*to = from
		}
	}
	if says.Age != 0 && (u.Age == 0 || !fill) {
		u.Age = says.Age
	}
	m.users[id] = u
	return u != before
}
