package httpapi

import "testing"

func TestNegotiate(t *testing.T) {
	t.Parallel()
	const none = "none of them"
	for accept, want := range map[string]string{
		"": "", "gzip": "gzip", "zstd": "zstd", "GZip": "gzip", "x-gzip": "gzip", "gzip, deflate, br": "gzip", "gzip, deflate, br, zstd": "zstd",
		"br": "", "identity": "", "*": "zstd", "gzip;q=0": "", "gzip;q=0.0": "", "zstd;q=0.5, gzip;q=0.9": "gzip", "zstd;q=0.5,gzip;Q=0.5": "zstd",
		"gzip;q=0.5, identity": "", "gzip;q=0.5, identity;q=0.4": "gzip", "gzip;q=0.001": "gzip", "zstd ; q=0 , * ; q=0.1": "gzip",
		"identity;q=0": none, "*;q=0": none, "identity;q=0, gzip;q=0.1": "gzip", "*;q=0, gzip": "gzip", "*;q=0, identity": "", "br, *;q=0": none,
		"zstd;q=2, gzip;q=x, identity;q=NaN": "", ",,;q=1,=": "", "gzip;level=9": "gzip",
	} {
		got, ok := negotiate(accept)
		if !ok {
			got = none
		}
		if got != want {
			t.Errorf("%q: %q, want %q", accept, got, want)
		}
	}
}

func TestLists(t *testing.T) {
	t.Parallel()
	const tag = `"a,b"`
	tests := map[string]struct{ strong, weak bool }{
		tag: {true, true}, "*": {true, true}, " * ": {true, true}, `W/"a,b"`: {false, true}, `"x","a,b"`: {true, true}, `"x" , W/"a,b" ,`: {false, true},
		"": {}, `"`: {}, "a,b": {}, `"a`: {}, `w/"a,b"`: {}, `"x" "a,b"`: {true, true}, `"a", b"`: {}, "W/": {}, `"x", *`: {},
	}
	for header, want := range tests {
		if strong, weak := lists(header, tag, false), lists(header, tag, true); strong != want.strong || weak != want.weak {
			t.Errorf("%q: %t strong, %t weak, want %+v", header, strong, weak, want)
		}
	}
}

func FuzzLists(f *testing.F) {
	for _, seed := range []string{`"a"`, `W/"a", "b"`, "*", `",`, "W/W/", `""`} {
		f.Add(seed, false)
	}
	f.Fuzz(func(t *testing.T, header string, weak bool) {
		if lists(header, `"a"`, false) && !lists(header, `"a"`, true) {
			t.Errorf("%q names a tag strongly and not weakly", header)
		}
		_ = lists(header, `"a"`, weak) // ends
		_, _ = negotiate(header)
	})
}
