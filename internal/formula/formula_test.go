package formula_test

import (
	"strings"
	"testing"
	"unicode"

	"golang.org/x/text/unicode/norm"

	"github.com/musterhq/muster/internal/formula"
)

// guarded returns the text as an export writes it.
func guarded(text string) string {
	if formula.Needs([]byte(text)) {
		return "'" + text
	}
	return text
}

func TestNeeds(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"=1+1", "+442079460000", "-1", "@SUM(A1)", "\tx", "\rx", "\nx", "=", "\t", // as OWASP lists them
		"＝1+1", "＋1", "－1", "＠SUM", "﹦1", "−1", // full-width, small, the minus of mathematics
		" =1", "\u00a0=1", "\u3000＝1", "\u200b=1", "\ufeff=1", "\u00ad@x", "\x00=1", "\v\f=1", " \u200b \u202e-1", // behind what programs drop
		"'=1", "''=1", "'\tx", "' ＝1", // what looks guarded
	} {
		if got := guarded(text); got != "'"+text {
			t.Errorf("%q becomes %q", text, got)
		}
	}
	for _, text := range []string{
		"", " ", "'", "''", "Ada", "'t Hooft", "'s-Hertogenbosch", "O'Neil", "a=b", "7", "(555) 012-3456", "1-2", "'1-2", "' '=1", "ä=1", " Ada", "\u200b",
		"#REF!", "%", "|", "\xff=1", "\xef\xbc", "“=1”", "👩=",
	} {
		if got := guarded(text); got != text {
			t.Errorf("%q becomes %q", text, got)
		}
	}
}

// Every character that Unicode takes for one of the signs is guarded like it.
func TestNeedsForAllThatFolds(t *testing.T) {
	t.Parallel()
	for r := range unicode.MaxRune {
		switch folded := norm.NFKC.String(string(r)); folded {
		case "=", "+", "-", "@", "\u2212":
			if !formula.Needs([]byte(string(r) + "1")) {
				t.Errorf("%U is folded to %s and has no guard", r, folded)
			}
		}
	}
}

func TestUnguardLeavesOthersAlone(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"": "", "'": "'", "''": "''", "'t Hooft": "'t Hooft", "'=1": "=1", "''=1": "'=1", "=1": "=1", "'Ada": "'Ada", "' ＝1": " ＝1",
	} {
		if got := string(formula.Unguard([]byte(in))); got != want {
			t.Errorf("%q becomes %q, want %q", in, got, want)
		}
	}
}

func FuzzUnguard(f *testing.F) {
	for _, seed := range []string{"", "'", "''", "=1", "'=1", "''=1", " =1", "' =1", "'t Hooft", "'\t", "\u200b＝", "'\u200b'＝", "' '=1", "\xff", "'\xef\xbc"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		cell := guarded(text)
		if got := string(formula.Unguard([]byte(cell))); got != text {
			t.Fatalf("%q becomes %q and then %q", text, cell, got)
		}
		// However often it went out and in before.
		if twice := guarded(cell); string(formula.Unguard([]byte(twice))) != cell {
			t.Fatalf("%q becomes %q", cell, twice)
		}
		// Whatever programs drop in front of it, no cell begins with a sign.
		if bare := strings.TrimLeftFunc(cell, unicode.IsSpace); bare != "" && strings.ContainsRune("=+-@＝＋－＠", []rune(bare)[0]) {
			t.Fatalf("%q stays %q", text, cell)
		}
	})
}
