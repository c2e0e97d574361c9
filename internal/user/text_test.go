package user

import (
	"math/rand/v2"
	"strings"
	"testing"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

func TestNormal(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"": "", "Ada": "Ada", "  a\tb ": "  a\tb ", "\x00": "\x00", "Müller": "Müller", "Mu\u0308ller": "Müller",
		"Zero\u200bWidth": "ZeroWidth", "\ufeffAda": "Ada", "Don\u00adau\u00ad": "Donau", "\u202eadA\u202c": "adA", "\u2066Ada\u2069": "Ada",
		"e\u200b\u0301": "é",                // the mark meets its letter
		"\u0041\u030a":  "Å", "\u212b": "Å", // Ångström
		"\u3164": "", "\u115f\u1160": "", "a\u034fb": "ab", "\U000e0041dam": "dam",
		"한국": "한국", "\u1112\u1161\u11ab": "한", "葛\U000e0100城": "葛\U000e0100城",
		// Joiners and selectors stay where they shape what is before them.
		"می\u200cخواهم": "می\u200cخواهم", "മോഹന\u0d4d\u200d": "മോഹന\u0d4d\u200d", "క\u0c4d\u200c": "క\u0c4d\u200c",
		"👩\u200d💻": "👩\u200d💻", "👩🏽\u200d💻": "👩🏽\u200d💻", "❤\ufe0f\u200d🔥": "❤\ufe0f\u200d🔥",
		"Zero\u200cWidth": "ZeroWidth", "Zero\u200d": "Zero", "é\ufe0f": "é", "Ж\u200dж": "Жж", "\u200dAda": "Ada", " \u200c": " ",
		"1\u200d2": "12", "+49\u200c170": "+49170", "می\u200c\u200cخ": "می\u200cخ", "می\u200c\u200b\u200cخ": "می\u200cخ", "م\u064f\u200cخ": "م\u064f\u200cخ",
		"x\u0301\u200d": "x\u0301", "\u064b\u200c": "\u064b", "“\u200d": "“",
		"\xff\u200b": "\xff\u200b", // no text at all, which the rules say
		"\u0601":     "\u0601",     // an Arabic sign that Unicode counts as format and that is seen
	} {
		if got := Normal(in); got != want {
			t.Errorf("%+q becomes %+q, want %+q", in, got, want)
		}
	}
}

// The table of invisible characters is what Unicode derives from other properties (DerivedCoreProperties.txt), which the
// standard library has.
func TestInvisibleIsUnicodes(t *testing.T) {
	t.Parallel()
	for r := range unicode.MaxRune {
		derived := unicode.In(r, unicode.Other_Default_Ignorable_Code_Point, unicode.Cf, unicode.Variation_Selector) &&
			!unicode.In(r, unicode.White_Space, unicode.Prepended_Concatenation_Mark) &&
			(r < 0xfff9 || r > 0xfffb) && (r < 0x13430 || r > 0x13440)
		if got := unicode.Is(invisible, r); got != derived {
			t.Errorf("%U: %v, Unicode says %v", r, got, derived)
		}
		if unicode.Is(shaping, r) && !unicode.Is(invisible, r) {
			t.Errorf("%U is shaping and not invisible", r)
		}
	}
}

func FuzzNormal(f *testing.F) {
	for _, seed := range []string{
		"", "Ada", "Mu\u0308ller", "\u200b", "می\u200cخ", "👩\u200d💻", "\u212a\u200d", "=\u0338\ufe00", "=\u200b\u0338\ufe00", "a" + strings.Repeat("\u0301\u0323", 40), "\u0958\u200d", "\xff",
	} {
		f.Add(seed)
	}
	f.Fuzz(checkNormal)
}

// The same for texts of characters that have to do with one another, which a fuzzer hardly finds.
func TestNormalOfOddTexts(t *testing.T) {
	t.Parallel()
	odd := []rune("aEk=<1 \u00a0\t“éµΩЖ强葛가ㄱﾠيکम്ക్తার👩🏽❤🏴©≠\u0301\u0308\u0338\u0323\u064b\u094d\u20e3\u1161\u11a8\u1100\u0958\u212a\u2126\u0344\u200b\u200c\u200d\u200e\u202e" +
		"\u2066\u00ad\u034f\u061c\u0600\u115f\u180b\u180e\u3164\ufe0f\ufeff\U000e0041\U000e0100\U0001d15e")
	r := rand.New(rand.NewPCG(1, 2))
	for range 20_000 {
		text := make([]rune, r.IntN(12))
		for i := range text {
			text[i] = odd[r.IntN(len(odd))]
		}
		checkNormal(t, string(text))
	}
}

func checkNormal(t *testing.T, s string) {
	t.Helper()
	got := Normal(s)
	if again := Normal(got); again != got {
		t.Fatalf("%+q becomes %+q and then %+q", s, got, again)
	}
	if !isText(s) {
		return
	}
	if !norm.NFC.IsNormalString(got) {
		t.Fatalf("%+q becomes %+q, which is not NFC", s, got)
	}
	// Whoever typed the text in another of the equal forms, or with something invisible around it, gets the same.
	for _, same := range []string{norm.NFD.String(s), norm.NFC.String(s), "\ufeff" + s + "\u200b", strings.ReplaceAll(s, "a", "\u00ada\u2060")} {
		if from := Normal(same); from != got {
			t.Fatalf("%+q becomes %+q, but %+q becomes %+q", s, got, same, from)
		}
	}
}

// isText reports whether s is UTF-8 and no piled-up marks, into which norm puts invisible joiners of its own.
func isText(s string) bool {
	marks := 0
	for _, r := range s {
		if r == unicode.ReplacementChar {
			return false
		}
		if marks++; !unicode.Is(unicode.M, r) && !unicode.Is(invisible, r) {
			marks = 0
		}
		if marks > 10 {
			return false
		}
	}
	return true
}

// 300,000 selectors in a row: a value of a request may be a megabyte.
func TestNormalOfALongText(t *testing.T) {
	t.Parallel()
	long := "م" + strings.Repeat("\ufe0f\ufe0e", 150_000)
	if got := Normal(long); got != long {
		t.Errorf("%d bytes become %d", len(long), len(got))
	}
}

var texts = map[string]string{"ascii": "golda.heaney.1@example.com", "german": "Jürgen Müller", "persian": "نیایش سلطانی\u200cزاده"}

func TestNormalAllocatesNothing(t *testing.T) { // not parallel: AllocsPerRun counts the whole process
	for name, text := range texts {
		if n := testing.AllocsPerRun(100, func() { Normal(text) }); n > 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

func BenchmarkNormal(b *testing.B) {
	for name, text := range texts {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				Normal(text)
			}
		})
	}
}
