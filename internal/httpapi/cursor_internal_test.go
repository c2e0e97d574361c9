package httpapi

import (
	"encoding/base64"
	"reflect"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/musterhq/muster/internal/user"
)

// Anybody can compute the checksum, so the key inside is no more trusted than any other input.
func TestForgedCursors(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		by  string
		key user.Key
		ok  bool
	}{
		"id":              {"id", user.Key{ID: 1}, true},
		"largest id":      {"id", user.Key{ID: 1<<63 - 1}, true},
		"no id":           {"id", user.Key{}, false},
		"negative id":     {"id", user.Key{ID: -1}, false},
		"id with a value": {"id", user.Key{ID: 1, Value: "1"}, false},
		"age":             {"age", user.Key{ID: 1, Value: "36"}, true},
		"age as text":     {"age", user.Key{ID: 1, Value: "36 OR 1=1"}, false},
		"odd age":         {"age", user.Key{ID: 1, Value: "+36"}, false},
		"unknown age":     {"age", user.Key{ID: 1}, true},
		"huge age":        {"age", user.Key{ID: 1, Value: "9223372036854775807"}, false},
		"empty city":      {"city", user.Key{ID: 1}, true},
		"quotes":          {"city", user.Key{ID: 1, Value: `'";--`}, true},
		"long":            {"email", user.Key{ID: 1, Value: strings.Repeat("🌍", 255)}, true},
		"too long":        {"email", user.Key{ID: 1, Value: strings.Repeat("x", 256)}, false},
		"NUL":             {"city", user.Key{ID: 1, Value: "a\x00"}, false},
		"not UTF-8":       {"city", user.Key{ID: 1, Value: "a\xff"}, false},
	}
	for name, test := range tests {
		s := user.Sort{By: test.by}
		cursor := encodeCursor(user.Filter{}, s, test.key)
		got, err := decodeCursor(user.Filter{}, s, cursor)
		if (err == nil) != test.ok || test.ok && *got != test.key {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
		if len(cursor) > 2000 && test.ok {
			t.Errorf("%s: the contract allows no cursor of %d characters", name, len(cursor))
		}
	}
}

// A part of one condition's text cannot pass for a part of another's.
func TestCursorBindsTheList(t *testing.T) {
	t.Parallel()
	key := user.Key{ID: 1}
	cursor := encodeCursor(user.Filter{Name: `a" "b`, Age: 1}, user.Sort{By: "id"}, key)
	for _, f := range []user.Filter{{Name: "a", City: "b", Age: 1}, {Name: `a" "b`, Age: 11}, {Name: `a" "b`, MinAge: 1}, {}} {
		if _, err := decodeCursor(f, user.Sort{By: "id"}, cursor); err == nil {
			t.Errorf("taken for the list of %+v", f)
		}
	}
}

// A cursor is of one list only, so each condition and the order are in its checksum. The two fields without a part in it
// are no conditions of a list: exports of a job set them, and have no cursors.
func TestCursorBindsEveryField(t *testing.T) {
	t.Parallel()
	free := []string{"FirstID", "LastID"}
	sum := func(f user.Filter, s user.Sort) string { return string(cursorChecksum(f, s, nil)) }
	var f user.Filter
	var s user.Sort
	for _, v := range []reflect.Value{reflect.ValueOf(&f).Elem(), reflect.ValueOf(&s).Elem()} {
		for i := range v.NumField() {
			name, plain := v.Type().Field(i).Name, sum(f, s)
			switch field := v.Field(i); field.Kind() {
			case reflect.String:
				field.SetString("x")
			case reflect.Bool:
				field.SetBool(true)
			case reflect.Int, reflect.Int64:
				field.SetInt(7)
			default:
				t.Fatalf("%s is a %s: teach this test to set one", name, field.Kind())
			}
			if bound := sum(f, s) != plain; bound == slices.Contains(free, name) {
				t.Errorf("%s: in the checksum: %v", name, bound)
			}
			v.Field(i).SetZero()
		}
	}
}

// Clients keep cursors over an upgrade.
func TestCursorsStayValid(t *testing.T) {
	t.Parallel()
	f := user.Filter{Name: "a", City: "b", State: "c", Email: "d", Gender: "Male", Age: 1, MinAge: 2, MaxAge: 3, Deleted: true}
	s := user.Sort{By: "city", Desc: true}
	const cursor = "ASGOG6uczbqDAAAAAAAAAAdMb25kb24"
	if got := encodeCursor(f, s, user.Key{ID: 7, Value: "London"}); got != cursor {
		t.Errorf("the cursor is %s, it was %s", got, cursor)
	}
}

func FuzzCursor(f *testing.F) {
	sorts := user.SortFields()
	f.Add("", 0, "", int64(0), false)
	f.Add("AQ", 1, "Ada", int64(1), true)
	f.Add(encodeCursor(user.Filter{City: "x"}, user.Sort{By: "age"}, user.Key{ID: 1, Value: "36"}), 5, "x", int64(1<<62), false)
	f.Add(base64.RawURLEncoding.EncodeToString(make([]byte, 64)), 3, "\xff", int64(-1), false)
	f.Fuzz(func(t *testing.T, cursor string, sort int, value string, id int64, desc bool) {
		s := user.Sort{By: sorts[uint(sort)%uint(len(sorts))], Desc: desc}
		filter := user.Filter{City: value}
		// What was made up is refused, or is exactly what this list would have made.
		if k, err := decodeCursor(filter, s, cursor); err == nil {
			if encodeCursor(filter, s, *k) != cursor || k.ID < 1 || !utf8.ValidString(k.Value) {
				t.Errorf("%q was taken as %+v", cursor, k)
			}
		}
		key := user.Key{ID: id, Value: value}
		k, err := decodeCursor(filter, s, encodeCursor(filter, s, key))
		if ok := id > 0 && validSortValue(s.By, value); ok != (err == nil) || ok && *k != key {
			t.Errorf("%+v came back as %+v, %v", key, k, err)
		}
	})
}
