package user

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// byColumn sets every field of u to a value that no other field has, and returns the values by column.
func byColumn(u *User) map[string]any {
	values := map[string]any{}
	v := reflect.ValueOf(u).Elem()
	for i := range v.NumField() {
		column := v.Type().Field(i).Tag.Get("db")
		switch f := v.Field(i); f.Kind() {
		case reflect.String:
			f.SetString(fmt.Sprint("text ", i))
			values[column] = f.String()
		case reflect.Int, reflect.Int64:
			f.SetInt(int64(100 + i))
			values[column] = f.Int()
		}
	}
	return values
}

// The struct User has the columns of the table of fields, in its order, but for DeletedAt, which is stored in another form.
func TestColumnsAreTheRecords(t *testing.T) {
	t.Parallel()
	var tags []string
	for _, f := range reflect.VisibleFields(reflect.TypeFor[User]()) {
		if tag := f.Tag.Get("db"); tag != "-" {
			tags = append(tags, tag)
		}
	}
	if diff := cmp.Diff(Columns, append(tags, "deleted_at")); diff != "" {
		t.Errorf("columns (-table +record):\n%s", diff)
	}
}

// Inserted is written by hand: its values must be those of the columns of Inserts.
func TestInsertedAreTheInserts(t *testing.T) {
	t.Parallel()
	var u User
	values := byColumn(&u)
	var want []any
	for _, column := range Inserts {
		want = append(want, values[column])
	}
	if diff := cmp.Diff(want, u.Inserted(nil)); diff != "" {
		t.Errorf("inserted (-want +got):\n%s", diff)
	}
}

// An unknown age is NULL in the database, when it is inserted and when a patch empties it; an unknown gender is an empty text,
// as every other text.
func TestUnknownAgeIsNull(t *testing.T) {
	t.Parallel()
	u, p := User{ID: 7, Email: "ada@example.com"}, Patch{Age: new(0), Gender: new("")}
	for i, column := range Inserts {
		if got := u.Inserted(nil)[i]; (got == nil) != (column == "age") {
			t.Errorf("%s is inserted as %v", column, got)
		}
	}
	for _, f := range Fields() {
		value, given := f.Given(&p)
		if given != f.CanBeUnknown || given && (value == nil) != f.Nullable() || f.Nullable() != (f.Name == "age") {
			t.Errorf("%s is changed to %v", f.Name, value)
		}
	}
	u.Age, u.Gender = 36, Female
	if p.Apply(&u); u.Age != 0 || u.Gender != "" {
		t.Errorf("%+v after the patch", u)
	}
}

// A patch of every field turns one user into another: no field of Patch is without a line of the table, and none of those
// mixes two up.
func TestPatchReachesEveryField(t *testing.T) {
	t.Parallel()
	var p Patch
	v := reflect.ValueOf(&p).Elem()
	for i := range v.NumField() {
		switch f := v.Field(i); f.Type() {
		case reflect.TypeFor[*string]():
			f.Set(reflect.ValueOf(new("of " + v.Type().Field(i).Name)))
		case reflect.TypeFor[*int]():
			f.Set(reflect.ValueOf(new(7)))
		default:
			t.Fatalf("%s: teach this test a %s", v.Type().Field(i).Name, f.Type())
		}
	}
	var u User
	p.Apply(&u)
	for i := range v.NumField() {
		name, want := v.Type().Field(i).Name, v.Field(i).Elem().Interface()
		if got := reflect.ValueOf(u).FieldByName(name).Interface(); got != want {
			t.Errorf("%s is %v after the patch, want %v", name, got, want)
		}
	}
	given := 0
	for _, f := range Fields() {
		value, ok := f.Given(&p)
		if ok != f.Settable() {
			t.Errorf("%s is given: %v", f.Name, ok)
		}
		if ok {
			given++
			if at := slices.Index(Inserts, f.Column); at < 0 || fmt.Sprint(u.Inserted(nil)[at]) != fmt.Sprint(value) {
				t.Errorf("%s is inserted elsewhere than in %s", f.Name, f.Column)
			}
		}
	}
	if given != v.NumField() {
		t.Errorf("%d of %d fields of Patch are in the table", given, v.NumField())
	}
}

func TestPatchRules(t *testing.T) {
	t.Parallel()
	tests := []struct {
		patch Patch
		want  string // empty: valid
	}{
		{Patch{}, ""},
		{Patch{FirstName: new("Ada"), LastName: new(""), Email: new("a@b.c"), Age: new(1), Gender: new("Male")}, ""},
		{Patch{FirstName: new("O")}, ""},
		{Patch{FirstName: new(""), Email: new(""), Age: new(0), Gender: new("")}, ""}, // the user may have a last name
		{Patch{FirstName: new(""), LastName: new("\u3164\u2800\u00a0\u200b"), Email: new(" ")}, "email or a name must be given"},
		{Patch{FirstName: new(strings.Repeat("u\u0308", 100) + " ")}, ""},
		{Patch{FirstName: new(strings.Repeat("ü", 101))}, "firstName must have at most 100 characters"},
		{Patch{Email: new("Ada <a@b.c>")}, "email must be an e-mail address"},
		{Patch{Email: new(strings.Repeat("x", 65) + "@b.c")}, "email must have at most 64 bytes before the @"},
		{Patch{Email: new("a@" + strings.Repeat("x.", 126) + "x")}, "email must have at most 254 characters"},
		{Patch{Email: new("a@" + strings.Repeat("é.", 84) + "x")}, "email must have at most 254 bytes"},
		{Patch{Gender: new("a longer text than any")}, "gender must be Male or Female"},
		{Patch{Age: new(-1)}, "age must be 1 to 150"},
		{Patch{City: new("a\x00")}, "city must be text without control characters"},
		{Patch{City: new("a\tb")}, "city must be text without control characters"},
		{Patch{City: new("a\u0085b")}, "city must be text without control characters"},
		{Patch{City: new("a\u2028b")}, "city must be text without control characters"},
		{Patch{City: new("a\xff")}, "city must be text in UTF-8"},
		{Patch{MobileNumber: new("012345678901234567890123456789012")}, "mobileNumber must have at most 32 characters"},
		{Patch{Age: new(151), City: new("\xff")}, "2 fields are invalid"},
	}
	for _, test := range tests {
		got := ""
		if err := test.patch.Prepare(); err != nil {
			got = err.Error()
		}
		if got != test.want {
			t.Errorf("%q, want %q", got, test.want)
		}
	}
}

// A patch gets texts of its own: what the caller's pointers point to stays.
func TestPrepareLeavesTheCallersTextsAlone(t *testing.T) {
	t.Parallel()
	first, city, email := " Zoe\u0308 ", "London", "\ufeffzoe\u0308@example.com"
	p := Patch{FirstName: &first, City: &city, Email: &email}
	if err := p.Prepare(); err != nil {
		t.Fatal(err)
	}
	var u User
	p.Apply(&u)
	if want := (User{FirstName: "Zoë", City: "London", Email: "zoë@example.com"}); u != want || first != " Zoe\u0308 " || p.City != &city {
		t.Errorf("stored %+v of %q, want %+v", u, first, want)
	}
}

func TestSortFields(t *testing.T) {
	t.Parallel()
	want := []string{SortAge, SortCity, SortEmail, SortFirstName, SortID, SortLastName, SortState}
	if diff := cmp.Diff(want, slices.Sorted(slices.Values(SortFields()))); diff != "" {
		t.Errorf("sort fields (-want +got):\n%s", diff)
	}
	u := User{ID: 7, City: "London", Age: 36}
	for by, value := range map[string]string{"": "", SortID: "", SortCity: "London", SortAge: "36"} {
		if got := KeyOf(&u, Sort{By: by}); got != (Key{Value: value, ID: 7}) {
			t.Errorf("key by %q: %+v", by, got)
		}
	}
	if got := KeyOf(&User{ID: 7}, Sort{By: SortAge}); got != (Key{ID: 7}) {
		t.Errorf("key of an unknown age: %+v", got)
	}
}
