// Package apikey is the keys by which callers prove who they are: their form, what they may do, and who tells whether a
// key that is presented counts.
package apikey

import (
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash/crc32"
	"slices"
	"strings"
	"time"
)

var (
	// ErrNotFound: there is no such key.
	ErrNotFound = errors.New("API key not found")
	// ErrTooMany: MaxLive keys of the owner and name count already.
	ErrTooMany = errors.New("two keys of this owner and name count already: revoke one first, or take another name")
	// ErrRefused: what was presented does not count. It does not tell why.
	ErrRefused = errors.New("an API key that counts is required, as Authorization: Bearer muster_…; see docs/api-keys.md")
)

// MaxLive is how many keys of one owner and name count at a time: the one in use, and the next.
const MaxLive = 2

// Scope is what a key may do. No scope contains another.
type Scope string

// Read sees users and jobs, Write makes and changes them, Export writes all users as files, Admin makes and revokes keys.
const (
	Read   Scope = "read"
	Write  Scope = "write"
	Export Scope = "export"
	Admin  Scope = "admin"
)

// Scopes are all that there are, in the order in which they are written.
var Scopes = []Scope{Read, Write, Export, Admin}

// ParseScopes reads scopes joined by commas, at least one, and returns each once and in the order of Scopes.
func ParseScopes(text string) ([]Scope, error) {
	given := strings.Split(text, ",")
	for _, s := range given {
		if !slices.Contains(Scopes, Scope(s)) {
			return nil, fmt.Errorf("%q is no scope: want one or more of read, write, export and admin, joined by commas", s)
		}
	}
	var scopes []Scope
	for _, s := range Scopes {
		if slices.Contains(given, string(s)) {
			scopes = append(scopes, s)
		}
	}
	return scopes, nil
}

// JoinScopes is the inverse of ParseScopes.
func JoinScopes(scopes []Scope) string {
	texts := make([]string, len(scopes))
	for i, s := range scopes {
		texts[i] = string(s)
	}
	return strings.Join(texts, ",")
}

// Key is what is known of a key. The key itself nobody knows but its holder.
type Key struct {
	ID      string // a UUID
	Owner   string // the caller that it stands for
	Name    string // what it is for, for people
	Prefix  string // its first characters
	Scopes  []Scope
	Created time.Time
	Expires time.Time // zero: never
	Revoked time.Time // zero: it is not
	Used    time.Time // to about a minute; zero: never
}

// Has reports whether the key may do what the scope says.
func (k *Key) Has(s Scope) bool { return slices.Contains(k.Scopes, s) }

// Status is "live", "expired" or "revoked" at a time; only a live key counts.
func (k *Key) Status(now time.Time) string {
	switch {
	case !k.Revoked.IsZero():
		return "revoked"
	case !k.Expires.IsZero() && !now.Before(k.Expires):
		return "expired"
	}
	return "live"
}

// The form of a key: its prefix, by which scanners of secrets know it, 30 random characters, and 6 that check these.
const (
	keyPrefix = "muster_"
	randomLen = 30
	checkLen  = 6
	keyLen    = len(keyPrefix) + randomLen + checkLen
	shownLen  = len(keyPrefix) + 4 // of the random ones, few enough to leave 154 bits

	base62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
)

// Hash is the SHA-256 of a key, or of a session's token: what is stored of it. Neither needs salt or a slow function,
// since they are random.
type Hash [sha256.Size]byte

// New makes a key: the text for its holder, what is stored of it, and the beginning that is shown.
func New() (key string, hash Hash, prefix string) {
	random := randomText(randomLen)
	key = keyPrefix + random + check(random)
	return key, sha256.Sum256([]byte(key)), key[:shownLen]
}

// Parse returns the hash of a key; it is not ok when the text has not the form of one, or was mistyped.
func Parse(key string) (hash Hash, ok bool) {
	if len(key) != keyLen || !strings.HasPrefix(key, keyPrefix) {
		return Hash{}, false
	}
	random, sum := key[len(keyPrefix):keyLen-checkLen], key[keyLen-checkLen:]
	if strings.Trim(random, base62) != "" || sum != check(random) {
		return Hash{}, false
	}
	return sha256.Sum256([]byte(key)), true
}

// check returns the CRC-32 (IEEE) of the text in base 62, with zeros in front, as GitHub's tokens have it.
func check(random string) string {
	var digits [checkLen]byte
	sum := crc32.ChecksumIEEE([]byte(random))
	for i := checkLen - 1; i >= 0; i-- {
		digits[i] = base62[sum%62]
		sum /= 62
	}
	return string(digits[:])
}

// randomText returns n characters of base62, each equally likely.
func randomText(n int) string {
	text := make([]byte, 0, n)
	var b [64]byte
	for len(text) < n {
		_, _ = rand.Read(b[:]) // it never fails
		for _, c := range b {
			if c < 4*62 && len(text) < n { // of 256 values, 8 would make some characters likelier
				text = append(text, base62[c%62])
			}
		}
	}
	return string(text)
}
