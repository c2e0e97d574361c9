package httpapi

import (
	"encoding/base64"
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
		"no age":          {"age", user.Key{ID: 1}, false},
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

// The texts of conditions cannot be shifted into one another.
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
