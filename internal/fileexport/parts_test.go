package fileexport_test

import (
	"crypto/sha256"
	"encoding/hex"
	"net/url"
	"path"
	"strconv"
	"testing"
)

func sha(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// parts takes a link of this API apart.
func parts(t *testing.T, link string) (name string, expires int64, signature string) {
	t.Helper()
	u, err := url.Parse(link)
	if err != nil {
		t.Fatal(err)
	}
	if expires, err = strconv.ParseInt(u.Query().Get("expires"), 10, 64); err != nil {
		t.Fatal(err)
	}
	return path.Base(u.Path), expires, u.Query().Get("signature")
}
