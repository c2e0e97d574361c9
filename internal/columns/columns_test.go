package columns_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/musterhq/muster/internal/columns"
	"github.com/musterhq/muster/internal/export"
	"github.com/musterhq/muster/internal/invalid"
	"github.com/musterhq/muster/internal/user"
)

// taken lists the columns that a plan takes: "email=E-Mail name=Name", in the order of the header.
func taken(t *testing.T, header []string, o columns.Options) string {
	t.Helper()
	o.Today = today
	p, err := columns.NewPlan(header, o)
	if err != nil {
		t.Fatalf("%q: %v", header, err)
	}
	var out []string
	for _, c := range p.Columns() {
		switch {
		case c.Field == "":
		case c.Order == 1:
			out = append(out, c.Field+"="+c.Name)
		default:
			out = append(out, fmt.Sprintf("%s%d=%s", c.Field, c.Order, c.Name))
		}
	}
	return strings.Join(out, " | ")
}

func TestColumns(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		header  string // its columns are parted by |
		options columns.Options
		want    string
	}{
		"case, spaces and signs": {
			header: " E-MAIL |first_name|Last-Name|PHONE NUMBER*|Date Of Birth:|(State)",
			want:   "email= E-MAIL  | firstName=first_name | lastName=Last-Name | mobileNumber=PHONE NUMBER* | birthdate=Date Of Birth: | state=(State)",
		},
		"camel case":            {header: "emailAddress|givenName|familyName", want: "email=emailAddress | firstName=givenName | lastName=familyName"},
		"accents, apart":        {header: "Pre\u0301nom|Nom|Courriel", want: "firstName=Pre\u0301nom | lastName=Nom | email=Courriel"},
		"full-width":            {header: "Ｅｍａｉｌ", want: "email=Ｅｍａｉｌ"},
		"sharp s, dotted I":     {header: "email|CİTY", want: "email=email | city=CİTY"},
		"nothing known besides": {header: "email||company|fax|Account Name|assistant's phone|Email Opt Out|Email Status|Nickname", want: "email=email"},
		"the brackets of Entra": {
			header: "Name [displayName] Required|User name [userPrincipalName] Required|Office [physicalDeliveryOfficeName]|Name [companyName]",
			want:   "name=Name [displayName] Required | email=User name [userPrincipalName] Required",
		},
		"the brackets of Google Workspace": {
			header: "Email Address [Required]|Recovery Phone [MUST BE IN THE E.164 FORMAT]|Status [READ ONLY]",
			want:   "email=Email Address [Required] | mobileNumber=Recovery Phone [MUST BE IN THE E.164 FORMAT]",
		},
		"brackets that say nothing": {header: "[email]|email [|Name []|City [unclosed", want: "email=[email] | email2=email [ | name=Name []"},
		"numbers": {
			header: "Email 2|E-mail 3 - Value|E-mail 1 - Value|Email|Phone10|phone 2|email 1000|E-mail 0 - Value",
			want:   "email2=Email 2 | email4=E-mail 3 - Value | email3=E-mail 1 - Value | email=Email | mobileNumber2=Phone10 | mobileNumber=phone 2",
		},
		"nested": {
			header: "user_metadata.city|attributes.custom.email|company.name|custom:phone|name.first|name.last|address.locality|address.region|email.verified",
			want:   "city2=user_metadata.city | email=attributes.custom.email | mobileNumber=custom:phone | firstName=name.first | lastName=name.last | city=address.locality | state=address.region",
		},
		"what is not nested comes first": {header: "user_metadata.name|email|name", want: "name2=user_metadata.name | email=email | name=name"},
		"home before work":               {header: "email|Work City|Business Phone|Home City|Mobile Phone|Work State", want: "email=email | city2=Work City | mobileNumber2=Business Phone | city=Home City | mobileNumber=Mobile Phone | state=Work State"},
		"one name twice":                 {header: "email|Email|email", want: "email=email | email2=Email | email3=email"},
		"Name beside Vorname":            {header: "Name|Vorname|E-Mail", want: "lastName=Name | firstName=Vorname | email=E-Mail"},
		"Name alone":                     {header: "Name|E-Mail", want: "name=Name | email=E-Mail"},
		"Nombre beside Apellidos":        {header: "Nombre|Apellidos", want: "firstName=Nombre | lastName=Apellidos"},
		"Nombre alone":                   {header: "Nombre|Correo", want: "name=Nombre | email=Correo"},
		"Estado beside Ciudad":           {header: "Nombre|Estado|Ciudad", want: "name=Nombre | state=Estado | city=Ciudad"},
		"Estado alone":                   {header: "Nombre|Estado", want: "name=Nombre"},
		"Mailchimp guesses the region":   {header: "Email Address|REGION|LEID", want: "email=Email Address"},
		"Shopify's state is none":        {header: "email|verified_email|state|default_address.province", want: "email=email | state=default_address.province"},
		"what may be an address":         {header: "username|email|cognito:username", want: "email2=username | email=email | email3=cognito:username"},
		"rejected rows, sent again":      {header: "email|_row|_line|_code|_field|_message", want: "email=email"},
		"our own export": {
			header: "id|name|age|gender|city|state|email|mobile",
			want:   "name=name | age=age | gender=gender | city=city | state=state | email=email | mobileNumber=mobile",
		},
		"our own export, by id": {
			header: "id|name|email|deleted|deletedAt", options: columns.Options{Key: columns.KeyID},
			want: "id=id | name=name | email=email | deleted=deleted",
		},
		"our own JSON": {
			header: "id|firstName|lastName|email|city|state|age|mobileNumber|gender|deleted|deletedAt", options: columns.Options{Key: columns.KeyEmail},
			want: "firstName=firstName | lastName=lastName | email=email | city=city | state=state | age=age | mobileNumber=mobileNumber | gender=gender | deleted=deleted",
		},
		"a user and what changes": {header: "id|city", options: columns.Options{Key: columns.KeyID}, want: "id=id | city=city"},
		"mapped": {
			header: "cognito:username|mail|Wohnort|Herkunft", options: columns.Options{Map: map[string]string{"email": "cognito:username", "city": "herkunft"}},
			want: "email=cognito:username | city=Herkunft",
		},
		"mapped to none":            {header: "email|city|state", options: columns.Options{Map: map[string]string{"city": ""}}, want: "email=email | state=state"},
		"mapped, two of one name":   {header: "x|x|X", options: columns.Options{Map: map[string]string{"email": "x"}}, want: "email=x | email2=x"},
		"a whole name mapped":       {header: "first name|last name|Mitglied", options: columns.Options{Map: map[string]string{"name": "Mitglied"}}, want: "name=Mitglied"},
		"a part mapped":             {header: "name|given", options: columns.Options{Map: map[string]string{"firstName": "given"}}, want: "firstName=given"},
		"a birthdate mapped":        {header: "email|age|born", options: columns.Options{Map: map[string]string{"birthdate": "born"}}, want: "email=email | birthdate=born"},
		"other names of the fields": {header: "email|x", options: columns.Options{Map: map[string]string{"phNum": "x"}}, want: "email=email | mobileNumber=x"},
		"too long to be a name":     {header: "email|" + strings.Repeat("user.", 100) + "city", want: "email=email"},
		"no UTF-8":                  {header: "email|city\xff", want: "email=email"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(c.want, taken(t, strings.Split(c.header, "|"), c.options)); diff != "" {
				t.Errorf("columns (-want +got):\n%s", diff)
			}
		})
	}
}

func TestNewPlanRefuses(t *testing.T) {
	t.Parallel()
	header := []string{"email", "Ada Marlowe", "x"}
	for name, o := range map[string]columns.Options{
		"key must be email or id":                                       {Key: "phone"},
		"emptyMeans must be keep or clear":                              {EmptyMeans: "null"},
		"map names a column for city that the file does not have":       {Map: map[string]string{"city": "town"}},
		"map names a column for the id, which is read with key=id only": {Key: columns.KeyEmail, Map: map[string]string{"id": "x"}},
		"map takes one column for two fields, gender among them":        {Map: map[string]string{"email": "x", "gender": "x"}},
		"map knows no such field; there are id, email, firstName, lastName, name, city, state, age, birthdate, gender, mobileNumber": {
			Map: map[string]string{"": "x"},
		},
	} {
		o.Today = today
		_, err := columns.NewPlan(header, o)
		if _, ok := errors.AsType[*invalid.Error](err); !ok || err.Error() != name {
			t.Errorf("%v, want %s", err, name)
		}
	}
}

func TestNoKnownColumn(t *testing.T) {
	t.Parallel()
	for _, header := range [][]string{nil, {""}, {"Ada Marlowe", "ada@example.com"}, {"city", "age"}, {"id", "city"}} {
		_, err := columns.NewPlan(header, columns.Options{Today: today})
		unknown, ok := errors.AsType[*columns.NoKnownColumnError](err)
		if !ok || !slices.Equal(unknown.Columns, header) {
			t.Errorf("%q: %v", header, err)
		} else if strings.Contains(err.Error(), "Ada") {
			t.Errorf("the text shows what may be data: %v", err)
		}
	}
	_, err := columns.NewPlan([]string{"id", "fax"}, columns.Options{Today: today, Key: columns.KeyID})
	if _, ok := errors.AsType[*columns.NoKnownColumnError](err); !ok {
		t.Errorf("nothing but an id: %v", err)
	}
	for key, header := range map[string][]string{columns.KeyEmail: {"name", "city"}, columns.KeyID: {"email", "Customer ID"}} {
		_, err := columns.NewPlan(header, columns.Options{Today: today, Key: key})
		if without, ok := errors.AsType[*columns.NoKeyColumnError](err); !ok || without.Key != key || !slices.Equal(without.Columns, header) {
			t.Errorf("key %s, columns %q: %v", key, header, err)
		}
	}
}

func TestParseMap(t *testing.T) {
	t.Parallel()
	got, err := columns.ParseMap([]string{"email:cognito:username", " phNum :Tel", "city:", "name: Mitglied "})
	want := map[string]string{"email": "cognito:username", "mobileNumber": "Tel", "city": "", "name": " Mitglied "}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	for setting, n := range map[string]int{"email": 1, "": 1, "deleted:x": 1, "Email:x": 1, "mobile:x|phNum:y": 1, "a:b|c:d|email": 3} {
		_, err := columns.ParseMap(strings.Split(setting, "|"))
		bad, ok := errors.AsType[*invalid.Error](err)
		if !ok || len(bad.Fields) != n || bad.Fields[0].Field != "map" {
			t.Errorf("%q: %v", setting, err)
		}
	}
}

// Our exports must come back: no column of theirs may be forgotten here. The guard against formulas is taken off only where
// all columns are ours.
func TestOwnColumns(t *testing.T) {
	t.Parallel()
	err := export.Users{}.Check(user.ExportSpec{Fields: []string{"?"}})
	_, list, ok := strings.Cut(fmt.Sprint(err), "not among ")
	if !ok {
		t.Fatal(err)
	}
	all := strings.Split(list, ", ")
	if len(all) < 12 {
		t.Fatalf("the columns of CSV: %q", all)
	}
	foreign := append(slices.Clone(all), "x")
	for name, c := range map[string]struct {
		header []string
		want   string
	}{"ours": {all, "=1"}, "ours, sent again": {append(slices.Clone(all), "_row", "_code"), "=1"}, "another's": {foreign, "'=1"}, "twice": {append(slices.Clone(all), "id"), "'=1"}} {
		plan, err := columns.NewPlan(c.header, columns.Options{Today: today})
		if err != nil {
			t.Fatal(err)
		}
		values := make([][]byte, len(c.header))
		values[slices.Index(c.header, "city")] = []byte("'=1")
		values[slices.Index(c.header, "email")] = []byte("ada@example.com")
		var row columns.Row
		if faults := plan.Converter().Convert(values, &row); faults != nil || row.User.City != c.want {
			t.Errorf("%s: city %q, %v", name, row.User.City, faults)
		}
	}
}
