// Package formula keeps spreadsheets from running the texts of a CSV file as formulas (OWASP, "CSV Injection"). A text that
// needs it gets a ' in front, which spreadsheets take for "this is text"; Unguard takes it off again. No other text
// changes, and none is lost: Unguard(guarded text) is the text, whatever it begins with.
package formula

import (
	"bytes"
	"unicode"
	"unicode/utf8"
)

// Needs reports whether a text needs the guard, a ' in front of it: when it starts with = + - @ or what looks like one of
// these, also behind white space and invisible characters, which programs drop, or with TAB, CR or LF. A text that would
// begin so but for ' in front of it needs one more, or its own would be taken for the guard.
func Needs(text []byte) bool {
	if len(text) > 0 && '@' < text[0] && text[0] <= '~' { // a letter, as most
		return false
	}
	text = bytes.TrimLeft(text, "'")
	if len(text) > 0 && (text[0] == '\t' || text[0] == '\r' || text[0] == '\n') {
		return true
	}
	for len(text) > 0 {
		r, size := utf8.DecodeRune(text)
		switch {
		case sign(r):
			return true
		case !dropped(r):
			return false
		}
		text = text[size:]
	}
	return false
}

// Unguard returns the text without its guard, if it has one.
func Unguard(cell []byte) []byte {
	if len(cell) > 0 && cell[0] == '\'' && Needs(cell[1:]) {
		return cell[1:]
	}
	return cell
}

// sign reports whether a formula may begin with r: = + - @, or what Unicode folds to one of these or to the minus of
// mathematics (NFKC). The full-width ones are known to be run.
func sign(r rune) bool {
	switch r {
	case '=', '+', '-', '@',
		'＝', '＋', '－', '＠', // full-width
		'﹦', '﹢', '﹣', '﹫', // small
		'⁼', '⁺', '⁻', '₌', '₊', '₋', // above and below the line
		'\u2212', '\ufb29': // the minus of mathematics, and the plus of Hebrew
		return true
	}
	return false
}

func dropped(r rune) bool {
	if r < utf8.RuneSelf {
		return r <= ' ' || r == 0x7f
	}
	return unicode.IsSpace(r) || unicode.In(r, unicode.Cc, unicode.Cf, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector)
}
