package user

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// The limits of RFC 5321 (4.5.3.1), RFC 3696 (erratum 1690) and RFC 1035 (2.3.4), in bytes of UTF-8.
const (
	maxLocal = 64 // before the @
	maxLabel = 63 // between two dots of the domain
)

// checkEmail returns what is wrong with an e-mail address, nil when nothing is. It takes the mailbox of RFC 5321 with the
// letters of every script (RFC 6531), but only as addresses are given by people: without quotes, comments or a display
// name before the @, and with a domain by name behind it, not by number in brackets (ADR 20).
func checkEmail(s string) *Fault {
	at := strings.LastIndexByte(s, '@')
	if at < 0 {
		return &noAddress
	}
	local, domain := s[:at], s[at+1:]
	switch {
	case len(s) > MaxEmail:
		return &longAddress
	case len(local) > maxLocal:
		return &longLocal
	}
	for atom := range strings.SplitSeq(local, ".") {
		if atom == "" || strings.ContainsFunc(atom, notInAtom) {
			return &noAddress
		}
	}
	for label := range strings.SplitSeq(domain, ".") {
		switch {
		case label == "" || label[0] == '-' || label[len(label)-1] == '-' || strings.ContainsFunc(label, notInLabel):
			return &noAddress
		case len(label) > maxLabel:
			return &longLabel
		}
	}
	return nil
}

var (
	noAddress   = Fault{BadEmail, "must be an e-mail address"}
	longAddress = Fault{BadEmail, "must have at most 254 bytes"}
	longLocal   = Fault{BadEmail, "must have at most 64 bytes before the @"}
	longLabel   = Fault{BadEmail, "must have at most 63 bytes between two dots behind the @"}
)

func notInAtom(r rune) bool {
	if r < utf8.RuneSelf {
		return !letterOrDigit(r) && strings.IndexByte("!#$%&'*+-/=?^_`{|}~", byte(r)) < 0
	}
	return unicode.IsSpace(r)
}

// notInLabel leaves it to the DNS which letters of other scripts a domain may have, and in which order.
func notInLabel(r rune) bool {
	if r < utf8.RuneSelf {
		return !letterOrDigit(r) && r != '-'
	}
	return !unicode.In(r, unicode.L, unicode.M, unicode.Nd, unicode.Join_Control)
}

func letterOrDigit(r rune) bool {
	return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9'
}
