package user

import (
	"strings"
	"testing"
)

func TestStorable(t *testing.T) {
	t.Parallel()
	good := User{FirstName: "Li", Email: "li@example.com", Age: 1, Gender: Female}
	if !good.Storable() {
		t.Fatal("a good record is refused")
	}
	long := User{
		FirstName: strings.Repeat("é", 100), LastName: strings.Repeat("x", 100), Email: strings.Repeat("a", 243) + "@example.com", Age: 150,
		Gender: Male, MobileNumber: strings.Repeat("1", 32),
	}
	if !long.Storable() {
		t.Fatal("a record at the limits is refused")
	}
	for name, spoil := range map[string]func(u *User){
		"no first name":    func(u *User) { u.FirstName = "" },
		"long last name":   func(u *User) { u.LastName = strings.Repeat("x", 101) },
		"long e-mail":      func(u *User) { u.Email = strings.Repeat("a", 250) + "@x.com" },
		"e-mail without @": func(u *User) { u.Email = "example.com" },
		"age 0":            func(u *User) { u.Age = 0 },
		"age 151":          func(u *User) { u.Age = 151 },
		"other gender":     func(u *User) { u.Gender = "female" },
		"NUL":              func(u *User) { u.City = "a\x00b" },
		"invalid UTF-8":    func(u *User) { u.State = "a\xffb" },
		"long mobile":      func(u *User) { u.MobileNumber = strings.Repeat("1", 33) },
	} {
		u := good
		if spoil(&u); u.Storable() {
			t.Errorf("%s is taken", name)
		}
	}
}
