package httpapi

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"math"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/musterhq/muster/internal/invalid"
	"github.com/musterhq/muster/internal/user"
)

// malformedError: the body is no JSON. why says what is wrong without repeating any of it.
type malformedError struct{ why string }

func (e malformedError) Error() string { return "the body is not well-formed JSON: " + e.why }

// maxFieldErrors keeps an answer short whatever was sent.
const maxFieldErrors = 100

// userDecoder reads the fields of a user one by one.
type userDecoder struct {
	user.Patch
	seen   map[string]int    // how often each name is there
	given  map[string]string // by field: the name under which it is there, which may be its alias
	fields []invalid.Field
}

// decodeUser reads a user, or with whole unset a merge patch of one, and lists all that is wrong with it.
func decodeUser(body []byte, whole bool) (user.Patch, []invalid.Field, error) {
	d := userDecoder{seen: map[string]int{}, given: map[string]string{}}
	if err := d.object(body); err != nil {
		return user.Patch{}, nil, err
	}
	if whole {
		d.complete()
	}
	if err, ok := errors.AsType[*invalid.Error](d.Prepare()); ok {
		for _, f := range err.Fields {
			d.bad(cmp.Or(d.given[f.Field], f.Field), f.Message)
		}
	}
	return d.Patch, d.fields[:min(len(d.fields), maxFieldErrors)], nil
}

// complete empties the fields that are not given.
func (d *userDecoder) complete() {
	for _, f := range user.Fields() {
		switch {
		case d.given[f.Name] != "":
		case f.Text != nil:
			*f.Text(&d.Patch) = new("")
		case f.Number != nil:
			*f.Number(&d.Patch) = new(0)
		}
	}
}

func (d *userDecoder) bad(field, message string) {
	d.fields = append(d.fields, invalid.Field{Field: field, Message: message})
}

// object reads the members of a JSON object.
func (d *userDecoder) object(body []byte) error {
	isObject, err := eachMember(body, func(name string, value json.RawMessage) bool {
		d.member(name, value)
		return len(d.fields) < maxFieldErrors
	})
	if err == nil && !isObject {
		d.bad("body", "must be a JSON object")
	}
	return err
}

// eachMember calls member for each member of a JSON object, equal names among them, until it returns false; isObject is false
// for another value. The error is a malformedError.
func eachMember(text []byte, member func(name string, value json.RawMessage) bool) (isObject bool, err error) {
	if len(bytes.TrimSpace(text)) == 0 {
		return false, malformedError{"it is empty"}
	}
	if !utf8.Valid(text) {
		return false, malformedError{"it is not UTF-8"}
	}
	// This bounds the depth, too, and finds whatever follows the value.
	if err := json.Unmarshal(text, new(json.RawMessage)); err != nil {
		if e, ok := errors.AsType[*json.SyntaxError](err); ok {
			return false, malformedError{"see byte " + strconv.FormatInt(e.Offset, 10)}
		}
		return false, malformedError{"it cannot be read"}
	}
	tokens := json.NewDecoder(bytes.NewReader(text))
	if t, _ := tokens.Token(); t != json.Delim('{') {
		return false, nil
	}
	for more := true; more && tokens.More(); {
		name, err := tokens.Token()
		if err != nil {
			return true, malformedError{"it cannot be read"}
		}
		var value json.RawMessage
		if err := tokens.Decode(&value); err != nil {
			return true, malformedError{"it cannot be read"}
		}
		more = member(name.(string), value)
	}
	return true, nil
}

func (d *userDecoder) member(name string, value json.RawMessage) {
	d.seen[name]++
	switch d.seen[name] {
	case 1:
	case 2:
		d.bad(shorten(name), "is given more than once")
		return
	default:
		return
	}
	f := user.FieldOf(name)
	switch {
	case f == nil:
		d.bad(shorten(name), "is not a field of a user"+meant(name))
	case !f.Settable():
		d.bad(name, "cannot be set")
	case d.given[f.Name] != "":
		d.bad(name, "is given as "+d.given[f.Name]+" already: they are the same")
	default:
		d.given[f.Name] = name
		if f.Text != nil {
			d.text(f.Text(&d.Patch), name, value)
		} else {
			d.number(f.Number(&d.Patch), name, value)
		}
	}
}

// meant names the field that a name means if case, hyphens and underscores are of no account; empty: none.
func meant(name string) string {
	for _, f := range user.Fields() {
		if f.Settable() && folded(f.Name) == folded(name) {
			return ", but " + f.Name + " is"
		}
	}
	return ""
}

// text reads a string; null is an empty one.
func (d *userDecoder) text(to **string, name string, value json.RawMessage) {
	var s string
	switch {
	case value[0] == 'n':
		*to = new("")
	case value[0] != '"' || json.Unmarshal(value, &s) != nil:
		d.bad(name, "must be text")
	case halfCharacter(value):
		d.bad(name, "has half of a character (\\uD800 to \\uDFFF alone)")
	default:
		*to = &s
	}
}

// number reads a whole number, which JSON may write as 36, 36.0 or 3.6e1; null is an unknown one.
func (d *userDecoder) number(to **int, name string, value json.RawMessage) {
	f, err := strconv.ParseFloat(string(value), 64)
	switch {
	case value[0] == 'n':
		*to = new(0)
	case err != nil && !errors.Is(err, strconv.ErrRange) || !isWhole(string(value)):
		d.bad(name, "must be a whole number")
	case f == 0:
		*to = new(-1) // a patch would take 0 for unknown, and nobody who writes 0 may mean that
	default:
		*to = new(int(max(-1, min(f, math.MaxInt32)))) // out of bounds stays out of bounds
	}
}

// isWhole reports whether a JSON number has no fraction. It looks at the digits, because the nearest float64 of
// 3.0000000000000001 has none.
func isWhole(number string) bool {
	mantissa, exponent, _ := strings.Cut(strings.ToLower(number), "e")
	shift, err := strconv.Atoi(cmp.Or(exponent, "0"))
	if err != nil { // of more digits than there can be zeros
		shift = math.MaxInt32
		if strings.HasPrefix(exponent, "-") {
			shift = math.MinInt32
		}
	}
	whole, fraction, _ := strings.Cut(mantissa, ".")
	digits := strings.TrimLeft(whole+fraction, "-0")
	last := len(digits) - len(strings.TrimRight(digits, "0")) // zeros at the end
	return digits == "" || last+shift >= len(fraction)
}

// halfCharacter reports whether a valid JSON string escapes one half of a surrogate pair without the other.
// encoding/json would put U+FFFD in its place.
func halfCharacter(s []byte) bool {
	var high rune // waits for its low half
	for i := 0; i < len(s); i++ {
		var r rune
		if s[i] == '\\' {
			i++
			if s[i] == 'u' {
				n, _ := strconv.ParseUint(string(s[i+1:i+5]), 16, 16)
				r = rune(n)
				i += 4
			}
		}
		if high != 0 {
			if utf16.DecodeRune(high, r) == utf8.RuneError {
				return true
			}
			high = 0
			continue
		}
		if utf16.IsSurrogate(r) {
			if r >= 0xDC00 {
				return true
			}
			high = r
		}
	}
	return false
}
