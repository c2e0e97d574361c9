package user

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// Normal returns s in the form in which texts are stored and looked for, so that what looks the same is the same: Unicode's
// form NFC, and without characters that nobody sees. White space and control characters stay. ADR 20 says what goes and
// why. It allocates only when something changes.
func Normal(s string) string {
	if plain(s) || !utf8.ValidString(s) {
		return s
	}
	s = norm.NFC.String(s)
	if seen := visible(s); len(seen) < len(s) { // what was apart may join now
		return norm.NFC.String(seen)
	}
	return s
}

// plain reports whether s is ASCII without control characters, as nearly all that is imported. Nothing of it goes.
func plain(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' {
			return false
		}
	}
	return true
}

// visible returns s without its invisible characters, but for those that shape the one before.
func visible(s string) string {
	var out strings.Builder
	done := 0                                // s[:done] is in out, or gone
	last, shapes, known := rune(0), false, 0 // the last that stays; whether the last visible one of s[:known] is shaped
	for i, r := range s {
		if !unicode.Is(invisible, r) {
			last = r
			continue
		}
		if unicode.Is(shaping, r) {
			shapes, known = shaped(s[known:i], shapes), i
			if shapes && r != last {
				last = r
				continue
			}
		}
		out.WriteString(s[done:i])
		done = i + utf8.RuneLen(r)
	}
	if done == 0 {
		return s
	}
	out.WriteString(s[done:])
	return out.String()
}

// shaped reports whether joiners and variation selectors may change how the last visible character of s looks: whether it
// is a letter, a digit or a symbol, and neither ASCII nor of an alphabet whose letters stand alone. Where s has none, it
// returns before.
func shaped(s string, before bool) bool {
	for s != "" {
		r, size := utf8.DecodeLastRuneInString(s)
		if !unicode.Is(unicode.M, r) && !unicode.Is(invisible, r) {
			return r >= utf8.RuneSelf && unicode.In(r, unicode.L, unicode.N, unicode.S) && !unicode.In(r, unicode.Latin, unicode.Greek, unicode.Cyrillic)
		}
		s = s[:len(s)-size]
	}
	return before
}

// invisible is Unicode's property Default_Ignorable_Code_Point: soft hyphens, zero-width spaces, direction marks, fillers,
// tags, and what is in shaping.
var invisible = &unicode.RangeTable{
	R16: []unicode.Range16{
		{0x00ad, 0x00ad, 1},
		{0x034f, 0x034f, 1},
		{0x061c, 0x061c, 1},
		{0x115f, 0x1160, 1},
		{0x17b4, 0x17b5, 1},
		{0x180b, 0x180f, 1},
		{0x200b, 0x200f, 1},
		{0x202a, 0x202e, 1},
		{0x2060, 0x206f, 1},
		{0x3164, 0x3164, 1},
		{0xfe00, 0xfe0f, 1},
		{0xfeff, 0xfeff, 1},
		{0xffa0, 0xffa0, 1},
		{0xfff0, 0xfff8, 1},
	},
	R32: []unicode.Range32{
		{0x1bca0, 0x1bca3, 1},
		{0x1d173, 0x1d17a, 1},
		{0xe0000, 0xe0fff, 1},
	},
	LatinOffset: 1,
}

// shaping are the joiners of Persian, of the scripts of India and of emoji, and the variation selectors of these, of Chinese
// characters and of Mongolian.
var shaping = &unicode.RangeTable{
	R16: []unicode.Range16{{0x180b, 0x180f, 1}, {0x200c, 0x200d, 1}, {0xfe00, 0xfe0f, 1}},
	R32: []unicode.Range32{{0xe0100, 0xe01ef, 1}},
}

// control reports whether r is a control character or another that breaks lines, which no text of a user has in it.
func control(r rune) bool { return unicode.IsControl(r) || r == '\u2028' || r == '\u2029' }

// blank reports whether s has nothing in it that leaves ink. U+2800 is a Braille pattern without a dot.
func blank(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r > ' ' && r != '\u2800' && !unicode.IsSpace(r) })
}
