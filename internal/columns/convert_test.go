package columns_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/musterhq/muster/internal/columns"
	"github.com/musterhq/muster/internal/formula"
	"github.com/musterhq/muster/internal/user"
)

// converted shows the row, or the faults, of a record whose columns and values are parted by |.
func converted(t *testing.T, header, record string, o columns.Options) string {
	t.Helper()
	c := newPlan(t, strings.Split(header, "|"), o).Converter()
	var row columns.Row
	if faults := c.Convert(bytesOf(strings.Split(record, "|")...), &row); faults != nil {
		return listed(faults)
	}
	return strings.TrimSpace(shown(&row))
}

func TestConvert(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 101)
	for name, c := range map[string]struct{ header, record, want string }{
		"white space":        {"email|first name|city|age", "\tada@example.com |  Ada\u00a0| \u2003|  36 ", `firstName="Ada" email="ada@example.com" age=36`},
		"nothing to be seen": {"email|first name", "ada@example.com|\u200b", `email="ada@example.com"`},
		"one form of text":   {"email|last name", "\ufeffada@example.com|Mu\u0308ller\u200b", `lastName="Müller" email="ada@example.com"`},
		"too long":           {"email|first name|last name|mobile", "ada@example.com|" + long + "|" + long + "|" + long, "firstName too_long, lastName too_long, mobileNumber too_long"},
		"control characters": {"email|city", "ada@example.com|Lon\ndon", "city control_character"},
		"no UTF-8":           {"email|city", "ada@example.com|K\xf6ln", "city not_text"},
		"bad e-mail":         {"email", "Ada <ada@example.com>", "email bad_email"},
		"every fault":        {"email|age|gender|mobile", "ada|old|xyz|1e9", "mobileNumber digits_lost, email bad_email, age bad_age, gender bad_gender"},
		"nobody":             {"email|name|city", "||London", "email required"},
		"fewer values":       {"email|name|city", "ada@example.com", `email="ada@example.com"`},
		"no values":          {"email|name|city", "NULL", "email required"},

		"first that is not empty":   {"email 1|email 2|email 3", " |b@example.com|c@example.com", `email="b@example.com"`},
		"a bad first is no empty":   {"email 1|email 2", "b|b@example.com", "email bad_email"},
		"a login that is none":      {"name|username", "Ada|ada", `name="Ada" firstName="Ada" lastName=""`},
		"a login that is one":       {"name|username|email", "Ada|ada@example.com|", `name="Ada" firstName="Ada" lastName="" email="ada@example.com"`},
		"a login that looks so":     {"name|username", "Ada|ada@", "email bad_email"},
		"a guest":                   {"displayName|userPrincipalName", "Ada|a_x.com#EXT#@example.com", `name="Ada" firstName="Ada" lastName=""`},
		"several in a cell":         {"E-mail 1 - Value", " ::: b@example.com ::: c@example.com", `email="b@example.com"`},
		"several where one must be": {"email", "b@example.com ::: c@example.com", "email bad_email"},
		"a list":                    {"email|mobile", `["", " b@example.com "]|[]`, `email="b@example.com"`},
		"no list of texts":          {"email|city", `b@example.com|[1]`, `email="b@example.com" city="[1]"`},

		"state of the city's address": {"email|home city|home state|work city|work state", "a@example.com|Köln||Bonn|NRW", `email="a@example.com" city="Köln"`},
		"the second address":          {"email|home city|home state|work city|work state", "a@example.com|||Bonn|NRW", `email="a@example.com" city="Bonn" state="NRW"`},
		"no city":                     {"email|home city|home state|work city|work state", "a@example.com||||NRW", `email="a@example.com" state="NRW"`},
		"a city without its state":    {"email|town|home state", "a@example.com|Köln|NRW", `email="a@example.com" city="Köln" state="NRW"`},

		"name at its first space": {"name", " Ada  King Noel ", `name="Ada  King Noel" firstName="Ada" lastName="King Noel"`},
		"name at another space":   {"name", "Ada\u3000Byron", `name="Ada\u3000Byron" firstName="Ada" lastName="Byron"`},
		"name of two long parts":  {"name", "Ada B " + long[:99], `name="Ada B ` + long[:99] + `" firstName="Ada" lastName="B ` + "" + `"`},
		"name too long":           {"name", "Ada " + long, "name too_long"},
		"name beside both parts":  {"name|first name|last name", "Countess|Ada|Byron", `firstName="Ada" lastName="Byron"`},
		"name beside one part":    {"name|first name|last name", "Ada Byron|Ada|", `name="Ada Byron" firstName="Ada" lastName="Byron"`},
		"name that is a part":     {"name|first name|last name", "Byron||Byron", `lastName="Byron"`},
		"name that is an address": {"name|email", "Ada@example.com|ada@example.com", `email="ada@example.com"`},
		"name that is a number":   {"name|mobile", "+4420|+4420", "email required"},
		"last name alone":         {"last name", "Byron", `lastName="Byron"`},

		"a ' before all of a row":   {"email|last name|city", "'ada@example.com|'t Hooft|'s-Hertogenbosch", `lastName="'t Hooft" email="'ada@example.com" city="'s-Hertogenbosch"`},
		"a ' before two names":      {"last name|city", "'t Hooft|'s-Hertogenbosch", `lastName="'t Hooft" city="'s-Hertogenbosch"`},
		"a ' before some":           {"email|last name|city", "ada@example.com|'t Hooft|'s-Hertogenbosch", `lastName="'t Hooft" email="ada@example.com" city="'s-Hertogenbosch"`},
		"a ' before all that is":    {"last name|city", "'t Hooft|", `lastName="'t Hooft"`},
		"a ' before a phone number": {"email|phone", "ada@example.com|'+442079460000", `email="ada@example.com" mobileNumber="+442079460000"`},
		"a formula for a text":      {"email|phone", `ada@example.com|="0044"`, `email="ada@example.com" mobileNumber="0044"`},
		"a formula":                 {"email|phone", `ada@example.com|="00"&"44"`, `email="ada@example.com" mobileNumber="=\"00\"&\"44\""`},

		"deleted":           {"email|deleted", "ada@example.com|TRUE", "deleted is_deleted"},
		"not deleted":       {"email|IsDeleted", "ada@example.com|0", `email="ada@example.com"`},
		"perhaps deleted":   {"email|deleted", "ada@example.com|perhaps", "deleted bad_boolean"},
		"age before birth":  {"email|age|birthdate", "ada@example.com|36|1815-12-10", `email="ada@example.com" age=36`},
		"birth without age": {"email|age|birthdate", "ada@example.com||1990-12-31", `email="ada@example.com" age=35`},
	} {
		if name == "name of two long parts" {
			c.want = fmt.Sprintf(`name="Ada B %s" firstName="Ada B" lastName="%s"`, long[:99], long[:99])
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(c.want, converted(t, c.header, c.record, columns.Options{})); diff != "" {
				t.Errorf("row (-want +got):\n%s", diff)
			}
		})
	}
}

// What stands before texts by the file or the header is taken off, and nothing else that looks like it.
func TestQuotedAndGuarded(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		header, record string
		quoted         bool
		want           string
	}{
		"quoted":           {"email|given_name|city|age", "'ada@example.com|'Ada|''s-Hertogenbosch|36", true, `firstName="Ada" email="ada@example.com" city="'s-Hertogenbosch" age=36`},
		"quoted, and none": {"email|first name", "'ada@example.com|'", true, `email="ada@example.com"`},
		"quoted in part":   {"email|given_name|birthdate", "ada@example.com|'Ada|'1990-12-31", true, `firstName="Ada" email="ada@example.com" age=35`},
		"guarded":          {"email|city|state|_guarded", "'-a@example.com|'=1|''=1|true", false, `email="-a@example.com" city="=1" state="'=1"`},
		"guarded, none":    {"email|city|state|_guarded", "a@example.com|'s-Hertogenbosch|x|", false, `email="a@example.com" city="'s-Hertogenbosch" state="x"`},
		"guarded formula":  {"email|phone|_guarded", `a@example.com|'="0044"|true`, false, `email="a@example.com" mobileNumber="0044"`},
	} {
		if got := converted(t, c.header, c.record, columns.Options{Quoted: c.quoted}); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}

func TestAge(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]string{
		"1": "age=1", "150": "age=150", "036": "age=36", "36.0": "age=36", "36,00": "age=36",
		"0": "age bad_age", "151": "age bad_age", "36.5": "age bad_age", "36.": "age bad_age", "-3": "age bad_age", "+36": "age bad_age", "3e1": "age bad_age",
		"25-34": "age bad_age", "36 years": "age bad_age", "٣٦": "age bad_age", "99999999999999999999": "age bad_age", "": "",
	} {
		want = strings.TrimSpace(`email="a@example.com" ` + want)
		got := converted(t, "email|age", "a@example.com|"+value, columns.Options{})
		if got != want && `email="a@example.com" `+got != want {
			t.Errorf("%q: %s, want %s", value, got, want)
		}
	}
}

func TestPhone(t *testing.T) {
	t.Parallel()
	lost := []string{"4.47700E+11", "4,477E+11", "4.477e11", "4E+11", "+4.477E+11", "447700900123.0", "447700900123,0", "####", "-1.0E-3"}
	kept := []string{"+44 7700 900123", "447700900123", "(555) 010-0100", "0301.231", "01.99.00.11.22", "5550100.00", "12.0", "##", "E11", "12E", "12E+", "+", "1 2E3", "x4.4E+11", "4.4E+11x", "#31#0301234"}
	for _, v := range lost {
		if got := converted(t, "email|phone", "a@example.com|"+v, columns.Options{}); got != "mobileNumber digits_lost" {
			t.Errorf("%q: %s", v, got)
		}
	}
	for _, v := range kept {
		if got, want := converted(t, "email|phone", "a@example.com|"+v, columns.Options{}), fmt.Sprintf(`email="a@example.com" mobileNumber=%q`, v); got != want {
			t.Errorf("%q: %s", v, got)
		}
	}
}

func TestGender(t *testing.T) {
	t.Parallel()
	const given = `email="a@example.com" gender=`
	for column, words := range map[string]map[string]string{
		"gender": {
			"Male": "Male", "female": "Female", "M": "Male", "f": "Female", " FEMALE ": "Female", "Mr.": "Male", "Mrs": "Female", "Frau": "Female", "Herr": "Male", "männlich": "Male",
			"Ma\u0308nnlich": "Male", "weiblich": "Female", "W": "Female", "homme": "Male", "Féminin": "Female", "H": "Male", "hombre": "Male", "Mujer": "Female",
			"other": "", "divers": "", "D": "", "X": "", "non-binary": "", "Prefer not to say": "",
			"unknown": "-", "n/a": "-", "k. A.": "-", "-": "-", "": "-", "???": "-", "NULL": "-",
			"1": "!", "0": "!", "v": "!", "femal": "!", "♀": "!", "m/f": "!", "Dr.": "!", "\xff": "!", strings.Repeat("male", 50): "!",
		},
		"Sexo":   {"H": "Male", "M": "!", "m": "!", "F": "Female", "mujer": "Female", "Masculino": "Male", "V": "!"},
		"Anrede": {"Herr": "Male", "Frau Dr.": "Female", "Herr Prof. Dr.": "Male", "Dr.": "-", "Familie": "-", "Mme": "Female", "M.": "Male", "Sr": "-", "": "-", "Male": "Male"},
		"Title":  {"Ms.": "Female", "Sr. Engineer": "-", "VP": "-"},
	} {
		for word, want := range words {
			got := converted(t, "email|"+column, "a@example.com|"+word, columns.Options{})
			switch want {
			case "-":
				want = `email="a@example.com"`
			case "!":
				want = "gender bad_gender"
			default:
				want = fmt.Sprintf("%s%q", given, want)
			}
			if got != want {
				t.Errorf("%s %q: %s, want %s", column, word, got, want)
			}
		}
	}
	// A column that says nothing leaves it to the next.
	for record, want := range map[string]string{"Unspecified|Mrs.": given + `"Female"`, "female|Mr.": given + `"Female"`, "other|Mr.": given + `""`} {
		if got := converted(t, "email|gender|salutation", "a@example.com|"+record, columns.Options{}); got != want {
			t.Errorf("%s: %s, want %s", record, got, want)
		}
	}
}

func TestKeys(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ key, header, record, want string }{
		{"email", "email|name", "|Ada", "email missing_key"},
		{"email", "email|name", "ada|Ada", "email bad_email"},
		{"email", "email", "a@example.com", `email="a@example.com"`},
		{"id", "id|name", "|Ada", "id missing_key"},
		{"id", "id|name", "0|Ada", "id bad_id"},
		{"id", "id|name", "-1|Ada", "id bad_id"},
		{"id", "id|name", "1234567890123456789|Ada", "id bad_id"},
		{"id", "id|name", "0000000000000000000000007|Ada", "id bad_id"},
		{"id", "id|name", "auth0|7|Ada", "id bad_id"},
		{"id", "id|name", "7.5|Ada", "id bad_id"},
		{"id", "id|name", "7.0|Ada", `id=7 name="Ada" firstName="Ada" lastName=""`},
		{"id", "id|city", "7|London", `id=7 city="London"`},
		{"id", "id|city", "7|", `id=7`},
		{"", "id|city|email", "x|London|a@example.com", `email="a@example.com" city="London"`},
	} {
		if got := converted(t, c.header, c.record, columns.Options{Key: c.key}); got != c.want {
			t.Errorf("key %s, %s: %s, want %s", c.key, c.record, got, c.want)
		}
	}
}

func TestEmptyMeans(t *testing.T) {
	t.Parallel()
	const header = "id|email|first name|last name|city|state|age|mobile|gender"
	for _, c := range []struct{ header, record, keep, clears string }{
		{header, "7|a@example.com|||||||", `id=7 email="a@example.com"`, `id=7 firstName="" lastName="" email="a@example.com" city="" state="" mobileNumber="" gender="" age=0`},
		{header, "7|||||||||", `id=7`, "email required"},
		{header, "7|NULL|||||||", `id=7`, `id=7 firstName="" lastName="" city="" state="" mobileNumber="" gender="" age=0`},
		{header, "7|a@example.com|NULL|NULL|NULL|NULL|NULL|NULL|NULL", `id=7 email="a@example.com"`, `id=7 email="a@example.com"`},
		{"id|name|gender|birthdate", "7||unknown|0/0/00", `id=7`, `id=7 firstName="" lastName="" gender="" age=0`},
		{"id|name", "7|Ada", `id=7 name="Ada" firstName="Ada" lastName=""`, `id=7 name="Ada" firstName="Ada" lastName=""`},
		{"id|city|salutation|username", "7|x|Dr.|ada", `id=7 city="x"`, `id=7 city="x"`}, // a title or a login never empties anything
		{"id|home city|work city", "7||x", `id=7 city="x"`, `id=7 city="x"`},
		{"id|home city|home state|work state", "7|x||y", `id=7 city="x"`, `id=7 city="x" state=""`},
	} {
		for means, want := range map[string]string{columns.Keep: c.keep, "": c.keep, columns.Clear: c.clears} {
			if got := converted(t, c.header, c.record, columns.Options{Key: columns.KeyID, EmptyMeans: means}); got != want {
				t.Errorf("%s, %s: %s, want %s", means, c.record, got, want)
			}
		}
	}
}

func TestMessages(t *testing.T) {
	t.Parallel()
	plan := newPlan(t, []string{"id", "email", "age", "birthdate", "gender", "mobile", "deleted", "city"}, columns.Options{Key: columns.KeyID})
	secrets := []string{"s3cret", "s3cret@", "s3cret", "s3cret", "s3cret", "1e7", "s3cret", "s3cret\x00"}
	var row columns.Row
	faults := slices.Clone(plan.Converter().Convert(bytesOf(secrets...), &row))
	secrets[2] = ""
	faults = append(faults, plan.Converter().Convert(bytesOf(secrets...), &row)...)
	if len(faults) < 13 {
		t.Errorf("%d faults: %s", len(faults), listed(faults))
	}
	for _, f := range faults {
		if f.Message == "" || strings.Contains(f.Message, "s3cret") || strings.Contains(f.Message, "1e7") {
			t.Errorf("%s %s: %q", f.Field, f.Code, f.Message)
		}
	}
}

func TestMembers(t *testing.T) {
	t.Parallel()
	c := newPlan(t, []string{"email", "name", "fax"}, columns.Options{Key: columns.KeyEmail, EmptyMeans: columns.Clear}).Converter()
	for _, test := range []struct{ names, values, want string }{
		{"name|email", "Ada|a@example.com", `name="Ada" firstName="Ada" lastName="" email="a@example.com"`},
		{"email", "a@example.com", `email="a@example.com"`},
		{"email|name", "a@example.com|NULL", `firstName="" lastName="" email="a@example.com"`},
		{"email|name|email", "a@example.com|Ada|b@example.com", `name="Ada" firstName="Ada" lastName="" email="b@example.com"`},
		{"email|city|fax|_row|nothing", "a@example.com|London|1|2|3", `email="a@example.com" city="London"`}, // city is late
		{"email|home city|city|home state", "a@example.com|Leeds|London|Yorkshire", `email="a@example.com" city="London" state="Yorkshire"`},
		{"email|home city|city|home state|state", "a@example.com|Leeds|London|Yorkshire|England", `email="a@example.com" city="London" state="England"`},
		{"email|home city|home state|state", "a@example.com|Leeds|Yorkshire|England", `email="a@example.com" city="Leeds" state="Yorkshire"`},
		{"", "", "email missing_key"},
		{"email", "NULL", "email missing_key"},
	} {
		var row columns.Row
		got := listed(c.ConvertMembers(bytesOf(strings.Split(test.names, "|")...), bytesOf(strings.Split(test.values, "|")...), &row))
		if got == "" {
			got = strings.TrimSpace(shown(&row))
		}
		if got != test.want {
			t.Errorf("%s: %s, want %s", test.names, got, test.want)
		}
	}
}

// A record is the same row wherever it stands: what a converter met before, and in which order, changes nothing.
func TestMembersDoNotDependOnOthers(t *testing.T) {
	t.Parallel()
	names := rapid.SampledFrom([]string{
		"email", "Email", "E-MAIL", "mail", "username", "email 2", "email 3", "name", "full name", "first name", "givenName", "last name", "city", "home city", "home state",
		"state", "user.city", "user.state", "attributes.email", "phone", "Phone", "mobile", "gender", "anrede", "age", "birthdate", "fax", "_row",
	})
	values := rapid.SampledFrom([]string{"", "NULL", "a@example.com", "b@example.com", "Ada Byron", "London", "36", "1990-12-31", "Frau", "+44", "unknown"})
	rapid.Check(t, func(t *rapid.T) {
		header := append([]string{"email"}, rapid.SliceOfNDistinct(names, 0, 6, rapid.ID).Draw(t, "header")...)
		plan, err := columns.NewPlan(header, columns.Options{Today: today})
		if err != nil {
			t.Fatal(err)
		}
		used := plan.Converter()
		for range rapid.IntRange(1, 6).Draw(t, "records") {
			members := bytesOf(rapid.SliceOfN(names, 0, 12).Draw(t, "names")...)
			record := bytesOf(rapid.SliceOfN(values, len(members), len(members)).Draw(t, "values")...)
			var row, fresh columns.Row
			faults := used.ConvertMembers(members, record, &row)
			if again := plan.Converter().ConvertMembers(members, record, &fresh); listed(again) != listed(faults) || !reflect.DeepEqual(row, fresh) {
				t.Fatalf("%q: %s%s, and for the first time %s%s", members, shown(&row), listed(faults), shown(&fresh), listed(again))
			}
		}
	})
}

// A file whose every record has other members costs no memory.
func TestManyMembers(t *testing.T) {
	t.Parallel()
	c := newPlan(t, []string{"email"}, columns.Options{}).Converter()
	var row columns.Row
	for i := range 30_000 {
		names := bytesOf("email", fmt.Sprint("x", i), strings.Repeat("user.", i%30)+"city", fmt.Sprint("phone ", i%999+1))
		want := ` email="a@example.com" city="c" mobileNumber="p"`
		if faults := c.ConvertMembers(names, bytesOf("a@example.com", "x", "c", "p"), &row); faults != nil || shown(&row) != want {
			t.Fatalf("%q: %s %v", names, shown(&row), faults)
		}
	}
	if n := c.Remembered(); n > 12_000 {
		t.Errorf("%d names are remembered", n)
	}
}

// storedUser draws a user as the store has it.
func storedUser() *rapid.Generator[user.User] {
	text := rapid.OneOf(
		rapid.StringOfN(rapid.RuneFrom([]rune("aZ ''\"=+-@,|é\u0308\u200d[]{}\\1٣ß中👩")), 0, 12, -1), rapid.StringN(0, 8, -1),
		rapid.SampledFrom([]string{"", "'=x", "''", "'t Hooft", "-1", "+44", "＝1", "Male", "a@example.com", `["x"]`, `="x"`, "a ::: b", strings.Repeat("long name ", 10)}),
	)
	return rapid.Custom(func(t *rapid.T) user.User {
		draw := func(field string) string {
			s, fault := user.FieldOf(field).Prepare(text.Draw(t, field))
			if fault != nil {
				return ""
			}
			return s
		}
		u := user.User{
			ID: rapid.Int64Range(1, 1e15).Draw(t, "id"), FirstName: draw("firstName"), LastName: draw("lastName"), City: draw("city"), State: draw("state"),
			MobileNumber: draw("mobileNumber"), Age: rapid.IntRange(0, 150).Draw(t, "age"), Gender: rapid.SampledFrom([]string{"", user.Male, user.Female}).Draw(t, "gender"),
			Email: rapid.SampledFrom([]string{"", "ada@example.com", "'ada@example.com", "=ada@example.com", "'=ada@example.com"}).Draw(t, "email"),
		}
		return u
	})
}

// Our own CSV comes back as it went.
func TestOwnCSVComesBack(t *testing.T) {
	t.Parallel()
	c := newPlan(t, []string{"id", "name", "age", "gender", "city", "state", "email", "mobile"}, columns.Options{Key: columns.KeyID}).Converter()
	cell := func(s string) string {
		if formula.Needs([]byte(s)) {
			return "'" + s
		}
		return s
	}
	rapid.Check(t, func(t *rapid.T) {
		u := storedUser().Draw(t, "user")
		age := ""
		if u.Age > 0 {
			age = fmt.Sprint(u.Age)
		}
		name := strings.Trim(u.FirstName+" "+u.LastName, " ")
		var row columns.Row
		faults := c.Convert(bytesOf(fmt.Sprint(u.ID), cell(name), age, u.Gender, cell(u.City), cell(u.State), cell(u.Email), cell(u.MobileNumber)), &row)
		if changes := row.Changes(&u); faults != nil || row.ID != u.ID || !changes.Empty() {
			text, _ := json.Marshal(changes)
			t.Fatalf("%+v: %s, changes %s", u, listed(faults), text)
		}
	})
}

func TestChanges(t *testing.T) {
	t.Parallel()
	ada := user.User{ID: 7, FirstName: "Ada King", LastName: "Byron", Email: "Ada@example.com", City: "London", Age: 36, Gender: user.Female}
	for _, c := range []struct{ header, record, want string }{
		{"id|name", "7|Ada King Byron", ""},
		{"id|name", "7|Ada  King Byron", ""},
		{"id|name", "7|Ada Byron", `firstName="Ada"`},
		{"id|name", "7|Ada", `firstName="Ada" lastName=""`},
		{"id|name", "7|Byron", `firstName="Byron" lastName=""`},
		{"id|first name|last name", "7|Ada|Byron", `firstName="Ada"`},
		{"id|email", "7|ADA@EXAMPLE.COM", ""},
		{"id|email", "7|ada@example.org", `email="ada@example.org"`},
		{"id|city|state|age|gender", "7|London||36|f", ""},
		{"id|city|state|age|gender", "7|Leeds|Yorkshire|37|m", `city="Leeds" state="Yorkshire" gender="Male" age=37`},
		{"id|gender|mobile", "7|diverse|+44", `mobileNumber="+44" gender=""`},
	} {
		conv := newPlan(t, strings.Split(c.header, "|"), columns.Options{Key: columns.KeyID}).Converter()
		var row columns.Row
		if faults := conv.Convert(bytesOf(strings.Split(c.record, "|")...), &row); faults != nil {
			t.Fatal(faults)
		}
		p := row.Changes(&ada)
		changed := ada
		p.Apply(&changed)
		if got := strings.TrimSpace(patched(&p)); got != c.want {
			t.Errorf("%s: %s, want %s", c.record, got, c.want)
		}
		if again := row.Changes(&changed); !again.Empty() {
			t.Errorf("%s: changes again", c.record)
		}
	}
}

// Whatever comes, a row without faults is one that can be stored, and its values are not what the row was made of.
func FuzzConvert(f *testing.F) {
	f.Add("id|name|age|gender|city|state|email|mobile", "7|Ada Byron|36|Female|'=London||ada@example.com|'+44", false)
	f.Add("Name|Vorname|Anrede|home city|home state|work state", "Müller|Ada|Frau Dr.|Ko\u0308ln||NRW", true)
	f.Add("email|given_name|name|username", "'ada@example.com|'Ada|'Ada Byron|'ada", false)
	f.Add("E-mail 1 - Value|Birthday|Sexo|Phone", "a ::: b|3/4/85|M|4E+11", true)
	f.Add("id|name|city|deleted", "7|'=x|[\"\"]|no", true)
	f.Fuzz(func(t *testing.T, header, record string, clears bool) {
		names, o := strings.Split(header, "|"), columns.Options{Today: today}
		if clears {
			o.EmptyMeans = columns.Clear
		}
		plan, err := columns.NewPlan(append(names, "email"), o)
		if err != nil {
			t.Fatal(err)
		}
		values := bytesOf(strings.Split(record, "|")...)
		before := bytes.Join(values, []byte("|"))
		c := plan.Converter()
		var row, again columns.Row
		faults := slices.Clone(c.Convert(values, &row))
		if after := bytes.Join(values, []byte("|")); !bytes.Equal(before, after) {
			t.Fatalf("%q became %q", before, after)
		}
		if other := c.Convert(values, &again); listed(other) != listed(faults) || !reflect.DeepEqual(again, row) {
			t.Fatalf("%q: %s, then %s", record, listed(faults), listed(other))
		}
		for _, v := range values {
			clear(v)
		}
		if !reflect.DeepEqual(row, again) {
			t.Fatalf("%q: the row changes with the values", record)
		}
		if faults == nil {
			storable(t, &row)
		}
	})
}

func storable(t *testing.T, row *columns.Row) {
	t.Helper()
	u := row.User
	for _, s := range []struct{ field, value string }{
		{"firstName", u.FirstName},
		{"lastName", u.LastName},
		{"email", u.Email},
		{"city", u.City},
		{"state", u.State},
		{"mobileNumber", u.MobileNumber},
	} {
		if stored, fault := user.FieldOf(s.field).Prepare(s.value); s.value != "" && (fault != nil || stored != s.value) {
			t.Errorf("%s %q is stored: %v", s.field, s.value, fault)
		}
	}
	if u.Age < 0 || u.Age > user.MaxAge || !slices.Contains([]string{"", user.Male, user.Female}, u.Gender) || u.ID != 0 || u.Deleted {
		t.Errorf("%+v is stored", u)
	}
	if u.Email == "" && u.FirstName == "" && u.LastName == "" {
		t.Error("nobody is stored")
	}
	var other user.User
	p := row.Changes(&other)
	p.Apply(&other)
	if other != u {
		t.Errorf("the changes of an empty user make %+v, want %+v", other, u)
	}
}

// A field that users get must be known here.
func TestEveryField(t *testing.T) {
	t.Parallel()
	for _, f := range user.Fields() {
		if !f.Settable() {
			continue
		}
		for _, name := range []string{f.Name, f.Alias} {
			if name == "" {
				continue
			}
			if _, err := columns.ParseMap([]string{name + ":x"}); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		value := map[string]string{"age": "36", "gender": "Female", "email": "ada@example.com"}[f.Name]
		if value == "" {
			value = "x"
		}
		c := newPlan(t, []string{"email", "lastName", f.Name}, columns.Options{}).Converter()
		var row columns.Row
		if faults := c.Convert(bytesOf("a@example.com", "y", value), &row); faults != nil {
			t.Errorf("%s: %s", f.Name, listed(faults))
		}
		p := row.Patch()
		if _, given := f.Given(&p); !given {
			t.Errorf("a column %s gives nothing", f.Name)
		}
	}
}
