package httpapi

import (
	"net/http"
	"testing"
)

func TestLimitRange(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		in   string
		size int64
		want string // empty: no range
	}{
		{"bytes=0-5", 10, "bytes=0-5"},
		{"bytes=5-", 10, "bytes=5-"},
		{"bytes=-5", 10, "bytes=-5"},
		{"BYTES=1-2,-3 , 4-", 10, "bytes=1-2,-3,4-"},
		{"bytes=-0", 10, "bytes=" + beyond + "-"},
		{"bytes=-000,1-2", 10, "bytes=" + beyond + "-,1-2"},
		{"bytes=007-008", 10, "bytes=7-8"},
		{"bytes=0-18446744073709551615", 10, "bytes=0-" + beyond},
		{"bytes=+1-2", 10, "bytes=x-2"},
		{"bytes=--5", 10, "bytes=-x"},
		{"bytes=1", 10, "bytes=1"},
		{"bytes=", 10, "bytes="},
		{"bytes=,,", 10, "bytes=,,"},
		{"bytes=-5", 0, ""},
		{"lines=1-2", 10, ""},
		{"bytes", 10, "bytes="},
		{"", 10, ""},
	} {
		h := http.Header{"Range": {test.in}}
		if limitRange(h, test.size); h.Get("Range") != test.want {
			t.Errorf("%q of %d bytes became %q, want %q", test.in, test.size, h.Get("Range"), test.want)
		}
	}
}
