package httpapi

import (
	"crypto/sha256"
	"encoding/base64"
	"strings"
)

// etagLen is how many bytes of a hash an ETag has: too many for two states of a user to share one by chance.
const etagLen = 15

// etag returns the strong entity tag of something whose SHA-256 is hash.
func etag(hash []byte) string {
	return `"` + base64.RawURLEncoding.EncodeToString(hash[:etagLen]) + `"`
}

func etagOf(representation []byte) string {
	hash := sha256.Sum256(representation)
	return etag(hash[:])
}

// lists reports whether the value of an If-Match or If-None-Match header names the tag (RFC 9110, 13.1). A weak tag
// counts only with weak set. What is no list of tags names none.
func lists(header, tag string, weak bool) bool {
	if strings.TrimSpace(header) == "*" {
		return true
	}
	for {
		var isWeak bool
		header, isWeak = strings.CutPrefix(strings.TrimLeft(header, ", \t"), "W/")
		if !strings.HasPrefix(header, `"`) {
			return false
		}
		end := strings.IndexByte(header[1:], '"') + 2
		if end < 2 {
			return false
		}
		if header[:end] == tag && (weak || !isWeak) {
			return true
		}
		header = header[end:]
	}
}
