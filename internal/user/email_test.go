package user

import (
	"net/mail"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestCheckEmail(t *testing.T) {
	t.Parallel()
	label := strings.Repeat("x", 63)
	for s, want := range map[string]*Fault{
		"ada@example.com": nil, "a@b": nil, "ada+news@example.com": nil, "o'connor@example.com": nil, "!#$%&'*+-/=?^_`{|}~@example.com": nil,
		"a.b.c@sub.example.com": nil, "1@1.2": nil, "A@B.C": nil, "a@a--b.example": nil,
		"zoë.o'connor@example.com": nil, "نیایش@example.com": nil, "ann@münchen.example": nil, "ann@例え.example": nil, "👩@example.com": nil,
		"ann@نامه\u200cای.example":              nil,
		strings.Repeat("x", 64) + "@x.com":      nil,
		strings.Repeat("é", 32) + "@x.com":      nil,
		"a@" + label + "." + label + ".com":     nil,
		"a@" + strings.Repeat("x.", 125) + "xx": nil, // 254 in all

		"": &noAddress, "ada": &noAddress, "@": &noAddress, "@example.com": &noAddress, "ada@": &noAddress, "a@b@c": &noAddress,
		".a@b": &noAddress, "a.@b": &noAddress, "a..b@c": &noAddress, "a@.b": &noAddress, "a@b.": &noAddress, "a@b..c": &noAddress,
		"a@-b.com": &noAddress, "a@b-.com": &noAddress, "a@b_c.com": &noAddress, "a@b,c": &noAddress, "a@b/c": &noAddress,
		`"ann.b"@example.com`: &noAddress, `"a b"@c`: &noAddress, `"a@b"@c`: &noAddress, `a\b@c`: &noAddress,
		"a(comment)@b": &noAddress, "a@b(comment)": &noAddress, "Ada <a@b.c>": &noAddress, "<a@b.c>": &noAddress, "a@b.c, d@e.f": &noAddress,
		"a@[127.0.0.1]": &noAddress, "a@[IPv6:::1]": &noAddress, "mailto:a@b.c": &noAddress,
		"a b@c": &noAddress, "a@b c": &noAddress, "a\u00a0b@c": &noAddress, "a\u3000@c": &noAddress, "ann＠example.com": &noAddress,
		"ann@例え。example": &noAddress, "a@👩.example": &noAddress, "a@b\u2010c": &noAddress,
		strings.Repeat("x", 65) + "@x.com":       &longLocal,
		strings.Repeat("é", 33) + "@x.com":       &longLocal,
		"a@" + label + "x.com":                   &longLabel,
		"a@" + strings.Repeat("é", 32) + ".com":  &longLabel,
		"a@" + strings.Repeat("x.", 125) + "xxx": &longAddress,
	} {
		if got := checkEmail(s); got != want {
			t.Errorf("%q: %v, want %v", s, got, want)
		}
	}
}

// Whatever is taken, net/mail takes too, and for the same address.
func FuzzCheckEmail(f *testing.F) {
	for _, seed := range []string{"ada@example.com", "zoë@münchen.example", `"a"@b`, "=?utf-8?q?a?=@b", "a@b.c (x)", "a@[1]", "a.b@c-d", "{@}", "a@0", "👩\u200d💻@x"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if !utf8.ValidString(s) || strings.ContainsFunc(s, control) || checkEmail(s) != nil {
			return
		}
		a, err := mail.ParseAddress(s)
		if err != nil || a.Address != s || a.Name != "" {
			t.Fatalf("%q is taken, net/mail says %v, %v", s, a, err)
		}
		if at := strings.LastIndexByte(s, '@'); at > 64 || len(s) > 254 || len(s)-at > 254 {
			t.Fatalf("%q is too long", s)
		}
	})
}
