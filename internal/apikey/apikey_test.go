package apikey_test

import (
	"crypto/sha256"
	"hash/crc32"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/musterhq/muster/internal/apikey"
)

// Every key has the documented form, is taken, and no other text one character away from it is.
func TestKeysHaveTheirForm(t *testing.T) {
	t.Parallel()
	const alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	rapid.Check(t, func(t *rapid.T) {
		key, hash, prefix := apikey.New()
		if len(key) != 43 || !strings.HasPrefix(key, "muster_") || strings.Trim(key[7:], alphabet) != "" || key[:11] != prefix {
			t.Fatalf("key %s, prefix %s", key, prefix)
		}
		sum := new(big.Int).SetUint64(uint64(crc32.ChecksumIEEE([]byte(key[7:37])))).Text(62) // digits, lower, upper
		swapped := strings.Map(func(r rune) rune {
			switch {
			case r >= 'a' && r <= 'z':
				return r - 'a' + 'A'
			case r >= 'A' && r <= 'Z':
				return r - 'A' + 'a'
			}
			return r
		}, sum)
		if want := strings.Repeat("0", 6-len(swapped)) + swapped; key[37:] != want {
			t.Fatalf("key %s ends with %s, want %s", key, key[37:], want)
		}
		if got, ok := apikey.Parse(key); !ok || got != hash || hash != sha256.Sum256([]byte(key)) {
			t.Fatalf("key %s is not taken as itself", key)
		}
		i := rapid.IntRange(0, len(key)-1).Draw(t, "place")
		other := key[:i] + string(rapid.Byte().Draw(t, "character")) + key[i+1:]
		if _, ok := apikey.Parse(other); ok && other != key {
			t.Fatalf("%q is taken, which was %s", other, key)
		}
	})
}

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	key, _, _ := apikey.New()
	for _, text := range []string{"", "muster_", key[:42], key + "0", " " + key, strings.ToUpper(key), "Muster_" + key[7:], strings.Repeat("é", 22)[:43], strings.Repeat("0", 1<<20)} {
		if _, ok := apikey.Parse(text); ok {
			t.Errorf("%.60q is taken", text)
		}
	}
}

func TestScopes(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"read": "read", "admin,read,read": "read,admin", "admin,export,write,read": "read,write,export,admin", "": "", "Read": "", "read,": "", "read write": "", "all": "",
	} {
		got, err := apikey.ParseScopes(text)
		if diff := cmp.Diff(want, apikey.JoinScopes(got)); diff != "" || (err == nil) != (want != "") {
			t.Errorf("%q: %v, %s", text, err, diff)
		}
	}
	k := apikey.Key{Scopes: []apikey.Scope{apikey.Admin}}
	for _, s := range apikey.Scopes {
		if k.Has(s) != (s == apikey.Admin) {
			t.Errorf("a key for admin: %s is %t", s, k.Has(s))
		}
	}
}

func TestStatus(t *testing.T) {
	t.Parallel()
	now := time.Now()
	for want, k := range map[string]apikey.Key{
		"live": {Expires: now.Add(1)}, "expired": {Expires: now}, "revoked": {Expires: now, Revoked: now},
	} {
		if got := k.Status(now); got != want {
			t.Errorf("%+v is %s, want %s", k, got, want)
		}
	}
	if got := (&apikey.Key{}).Status(now); got != "live" {
		t.Errorf("a key that never expires is %s", got)
	}
}
