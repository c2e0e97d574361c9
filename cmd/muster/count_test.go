package main

import (
	"strings"
	"testing"
)

func TestCount(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]count{
		"0": 0, "100000": 100_000, "0100": 100, "100k": 100_000, "2K": 2000, "1M": 1_000_000, "1.5m": 1_500_000, "1e6": 1_000_000, "1E+6": 1_000_000,
		"2.5e3": 2500, "1_000_000": 1_000_000, "1_0k": 10_000, "9223372036854775807": 1<<63 - 1,
	} {
		var c count
		if err := c.UnmarshalText([]byte(text)); err != nil || c != want {
			t.Errorf("%q is %d, %v; want %d", text, c, err, want)
		}
	}
	for _, text := range []string{"", "-1", "+1", "0x10", "1e-3", "1.5", "1.0005k", "1e99", "1e100", "9223372036854775808", "1__0", "_1", "1_", "1,000", "1 000", "k", "1kk", "1/2", "ten", "1e", "٣"} {
		var c count
		if err := c.UnmarshalText([]byte(text)); err == nil || !strings.Contains(err.Error(), "100k") {
			t.Errorf("%q is %d, %v", text, c, err)
		}
	}
}
