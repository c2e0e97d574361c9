package user

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/musterhq/muster/internal/invalid"
)

func TestPrepare(t *testing.T) {
	t.Parallel()
	good := User{FirstName: "Li", Email: "li@example.com", Age: 1, Gender: Female}
	if u := good; u.Prepare() != nil || u != good {
		t.Fatalf("a good record is refused or changed: %+v", u)
	}
	long := User{
		FirstName: strings.Repeat("é", 100), LastName: strings.Repeat("x", 100), Email: strings.Repeat("a", 64) + "@" + strings.Repeat("x.", 93) + "com",
		Age: 150, Gender: Male, MobileNumber: strings.Repeat("1", 32),
	}
	if u := long; len(u.Email) != 254 || u.Prepare() != nil || u != long {
		t.Fatalf("a record at the limits is refused or changed: %+v", u)
	}
	for _, few := range []User{{FirstName: "A"}, {LastName: "Ng"}, {Email: "li@example.com"}} {
		if u := few; u.Prepare() != nil || u != few || u.CheckIdentity() != nil {
			t.Errorf("refused or changed: %+v", u)
		}
	}
	for name, c := range map[string]struct {
		spoil func(u *User)
		field string
	}{
		"nobody":           {func(u *User) { *u = User{City: "London", Age: 36, Gender: Female, MobileNumber: "1"} }, "email"},
		"a blank name":     {func(u *User) { *u = User{FirstName: "\u3164\u2800\u00a0\u200b", LastName: " "} }, "email"},
		"long last name":   {func(u *User) { u.LastName = strings.Repeat("x", 101) }, "lastName"},
		"long e-mail":      {func(u *User) { u.Email = "x" + long.Email }, "email"},
		"e-mail without @": {func(u *User) { u.Email = "example.com" }, "email"},
		"age -1":           {func(u *User) { u.Age = -1 }, "age"},
		"age 151":          {func(u *User) { u.Age = 151 }, "age"},
		"other gender":     {func(u *User) { u.Gender = "female" }, "gender"},
		"NUL":              {func(u *User) { u.City = "a\x00b" }, "city"},
		"invalid UTF-8":    {func(u *User) { u.State = "a\xffb" }, "state"},
		"long mobile":      {func(u *User) { u.MobileNumber = strings.Repeat("1", 33) }, "mobileNumber"},
	} {
		u := good
		c.spoil(&u)
		err, ok := errors.AsType[*invalid.Error](u.Prepare())
		if !ok || len(err.Fields) != 1 || err.Fields[0].Field != c.field {
			t.Errorf("%s: %v, want an error of %s", name, err, c.field)
		}
	}
	all := User{City: "a\tb", MobileNumber: long.FirstName, Age: 151, Gender: "x"}
	err, _ := errors.AsType[*invalid.Error](all.Prepare())
	var names []string
	for _, f := range err.Fields {
		names = append(names, f.Field)
	}
	if diff := cmp.Diff([]string{"city", "age", "mobileNumber", "gender", "email"}, names); diff != "" {
		t.Errorf("bad fields (-want +got):\n%s", diff)
	}
}

// A patch of every field and a user with the same values keep the same rules, and end the same: there is one rule for all
// ways in.
func FuzzPrepare(f *testing.F) {
	f.Add("Ada", "Byron", "ada@example.com", "London", "+44", "Female", 36)
	f.Add(" Mu\u0308\u200b\n", "\u2800", "\ufeffzoë@example.com ", "a\tb", "\xff", "male", 0)
	f.Fuzz(func(t *testing.T, first, last, email, city, mobile, gender string, age int) {
		u := User{FirstName: first, LastName: last, Email: email, City: city, State: city, MobileNumber: mobile, Gender: gender, Age: age}
		p := Patch{
			FirstName: new(first), LastName: new(last), Email: new(email), City: new(city), State: new(city), MobileNumber: new(mobile),
			Gender: new(gender), Age: new(age),
		}
		byUser, byPatch := u.Prepare(), p.Prepare()
		var patched User
		p.Apply(&patched)
		if diff := cmp.Diff(byUser, byPatch); diff != "" || patched != u {
			t.Fatalf("user %+v, patch %+v (-user +patch):\n%s", u, patched, diff)
		}
		again := u
		if err := again.Prepare(); (err == nil) != (byUser == nil) || again != u {
			t.Fatalf("%+v becomes %+v when it is prepared again: %v", u, again, err)
		}
		if byUser != nil {
			return
		}
		for _, s := range []string{u.FirstName, u.LastName, u.Email, u.City, u.MobileNumber} {
			if len([]rune(s)) > 254 || s != strings.TrimSpace(s) || strings.ContainsFunc(s, control) {
				t.Errorf("%q is stored", s)
			}
		}
	})
}

func prepared() []User {
	return []User{
		{FirstName: "Golda", LastName: "Heaney", Email: "golda.heaney.1@example.com", City: "Warangal", State: "Telangana", Age: 90, MobileNumber: "+999000000000001", Gender: Female},
		{FirstName: "نیایش", LastName: "سلطانی", Email: "زوئه@example.com", City: "تهران", State: "تهران", Age: 36, MobileNumber: "5550123456", Gender: Female},
	}
}

func TestPrepareAllocatesNothing(t *testing.T) { // not parallel: AllocsPerRun counts the whole process
	users := prepared()
	n := testing.AllocsPerRun(100, func() {
		for i := range users {
			if users[i].Prepare() != nil {
				t.Fatal("refused")
			}
		}
	})
	if n > 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkPrepare(b *testing.B) {
	users := prepared()
	for i, name := range []string{"ascii", "persian"} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if users[i].Prepare() != nil {
					b.Fatal("refused")
				}
			}
		})
	}
}
