package httpapi

import (
	"strconv"
	"strings"
)

// encodings are the content encodings of texts, the best first.
var encodings = []string{"zstd", "gzip", "identity"}

// negotiate picks the encoding that an Accept-Encoding header likes best, empty for none; it is not ok when the header
// forbids them all (RFC 9110, 12.5.3). What it does not understand it ignores.
func negotiate(accept string) (encoding string, ok bool) {
	weights := map[string]float64{}
	for item := range strings.SplitSeq(accept, ",") {
		name, param, _ := strings.Cut(item, ";")
		name = strings.TrimPrefix(strings.ToLower(strings.TrimSpace(name)), "x-") // x-gzip is gzip
		weight := 1.0
		if key, value, given := strings.Cut(param, "="); given && strings.EqualFold(strings.TrimSpace(key), "q") {
			var err error
			weight, err = strconv.ParseFloat(strings.TrimSpace(value), 64)
			if inRange := weight >= 0 && weight <= 1; err != nil || !inRange {
				continue
			}
		}
		weights[name] = weight
	}
	others, wildcard := weights["*"]
	best := 0.0
	for _, name := range encodings {
		weight, named := weights[name]
		switch {
		case named:
		case name == "identity" && !wildcard:
			weight = 0.0001 // accepted when nothing else is: less than a header can say
		default:
			weight = others
		}
		if weight > best {
			best, encoding = weight, name
		}
	}
	if encoding == "identity" {
		encoding = ""
	}
	return encoding, best > 0
}
