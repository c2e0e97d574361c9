package httpapi

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/musterhq/muster/internal/invalid"
	"github.com/musterhq/muster/internal/user"
)

// A cursor is, in base64url: its version, a checksum, the id of the user before and the value of the sort field there.
// The checksum covers conditions and order, so that a cursor of another list is refused and not taken for a place in
// this one. There is no secret in it: a cursor grants nothing that `page` and the conditions do not, any replica has to
// read it, and the key in it is checked like any other input.
const (
	cursorVersion = 1
	cursorSum     = 8
	cursorHead    = 1 + cursorSum + 8
)

// encodeCursor returns the cursor that goes on after the key in the list of f and s.
func encodeCursor(f user.Filter, s user.Sort, k user.Key) string {
	b := append([]byte{cursorVersion}, make([]byte, cursorSum)...)
	b = binary.BigEndian.AppendUint64(b, uint64(k.ID))
	b = append(b, k.Value...)
	copy(b[1:], cursorChecksum(f, s, b[1+cursorSum:]))
	return base64.RawURLEncoding.EncodeToString(b)
}

// decodeCursor returns the key in a cursor of the list of f and s; the error is an *invalid.Error of the field after.
func decodeCursor(f user.Filter, s user.Sort, cursor string) (*user.Key, error) {
	bad := func() (*user.Key, error) {
		return nil, &invalid.Error{Fields: []invalid.Field{
			{Field: "after", Message: "must be the nextCursor of a slice with the same conditions and order"},
		}}
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(cursor)
	if err != nil || len(b) < cursorHead || b[0] != cursorVersion || strings.ContainsAny(cursor, "\r\n") {
		return bad()
	}
	if string(b[1:1+cursorSum]) != string(cursorChecksum(f, s, b[1+cursorSum:])) {
		return bad()
	}
	k := user.Key{ID: int64(binary.BigEndian.Uint64(b[1+cursorSum:])), Value: string(b[cursorHead:])}
	if k.ID < 1 || !validSortValue(s.By, k.Value) {
		return bad()
	}
	return &k, nil
}

func cursorChecksum(f user.Filter, s user.Sort, key []byte) []byte {
	// %q keeps the texts apart whatever is in them. The fields are written one by one, so that a field that is new in
	// user.Filter for other reasons does not make the cursors of the last version worthless.
	h := sha256.New()
	_, _ = fmt.Fprintf(h, "%q %q %q %q %q %d %d %d %t %q %t ", f.Name, f.City, f.State, f.Email, f.Gender, f.Age, f.MinAge, f.MaxAge, f.Deleted, s.By, s.Desc)
	_, _ = h.Write(key)
	return h.Sum(nil)[:cursorSum]
}

// validSortValue reports whether a user may have the value in the field. A right checksum does not say so, since
// anybody can compute one.
func validSortValue(by, value string) bool {
	switch by {
	case user.SortID:
		return value == ""
	case user.SortAge:
		n, err := strconv.Atoi(value)
		return value == "" || err == nil && n >= 0 && n <= 999 && strconv.Itoa(n) == value
	}
	return utf8.ValidString(value) && !strings.ContainsRune(value, 0) && utf8.RuneCountInString(value) <= user.MaxText
}
