package docstest_test

import (
	"regexp"
	"strings"
	"testing"
)

// masks are what differs from one run to the next.
var masks = []struct{ pattern, as string }{
	{`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`, "<id>"},
	{`\b[0-9a-f]{64}\b`, "<sha256>"},
	{`msg_[0-9a-f]{32}`, "<delivery>"},
	{`muster_[0-9A-Za-z]{36}`, "<key>"},
	{`muster_[0-9A-Za-z]{4,12}\b`, "<prefix>"},
	{`whsec_[0-9A-Za-z+/=]+`, "<secret>"},
	{`\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?Z?`, "<time>"},
	{`\d{4}-\d\d-\d\d`, "<date>"},
	{`\bnever\b`, "<time>"}, // when a key was used last is noted a moment later
	{`"(etaSeconds|ratePerSecond|requestId)":("\w+"|\d+)`, `"$1":<any>`},
	{`, [\d.]+( \w+)? a second`, ""}, // a bar has none in its first moments
	{`\b\d+(\.\d+)? (ms|s|min|h)\b`, "<duration>"},
}

func mask(s string) string {
	for _, m := range masks {
		s = regexp.MustCompile(m.pattern).ReplaceAllString(s, m.as)
	}
	return s
}

// matches reports whether a command printed what the page shows, but for what masks name. In what is shown, … stands for
// any text, lines among it, and white space may be anywhere where the page has some, so that a long line may be broken.
func matches(shown, printed string) bool {
	var pattern strings.Builder
	pattern.WriteString(`(?s)^\s*`)
	for _, word := range strings.Fields(mask(shown)) {
		pattern.WriteString(strings.ReplaceAll(regexp.QuoteMeta(word), "…", ".*?") + `\s*`)
	}
	pattern.WriteString("$")
	return regexp.MustCompile(pattern.String()).MatchString(mask(printed))
}

func TestMatches(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		shown, printed string
		want           bool
	}{
		{"Imported 5 users.", "Imported 5 users.\n", true},
		{"Imported 5 users.", "Imported 6 users.\n", false},
		{"Imported 5 users.", "Imported 5 users.\nand an error\n", false},
		{"01a21f32-f969-7409-95f2-9ebe3c39ff4c", "01a20000-0000-7000-8000-000000000000", true},
		{`{"a":1,` + "\n" + `  "b":2}`, `{"a":1,"b":2}`, true},
		{`{"a":1,"b":3}`, `{"a":1,"b":2}`, false},
		{"HTTP/1.1 200 OK\n…\nlast", "HTTP/1.1 200 OK\nDate: x\nY: z\nlast\n", true},
		{"…\nlast", "first\nlast but one\n", false},
		{"in 32.4 s", "in 4 s", true},
		{"2026-11-27T22:49:24.074Z", "2027-01-01T00:00:00Z", true},
		{"whsec_abc=", "whsec_xyz+/=", true},
	} {
		if got := matches(c.shown, c.printed); got != c.want {
			t.Errorf("shown %q, printed %q: %t", c.shown, c.printed, got)
		}
	}
}
