package httpapi

import (
	"net/http"
	"strings"
)

// limitRange changes the Range of a request for a file of size bytes where net/http reads it otherwise than RFC 9110, 14.1.2:
//   - it makes a part of no bytes of bytes=-0, and of any end of an empty file;
//   - it takes signs for a part of a number, and refuses numbers that are too large for it, however they are meant;
//   - it refuses ranges of anything but bytes, which are to be ignored.
func limitRange(h http.Header, size int64) {
	unit, set, _ := strings.Cut(h.Get("Range"), "=")
	if !strings.EqualFold(strings.TrimSpace(unit), "bytes") || size == 0 {
		h.Del("Range")
		return
	}
	specs := strings.Split(set, ",")
	for i, spec := range specs {
		first, last, _ := strings.Cut(strings.TrimSpace(spec), "-")
		first, last = limitNumber(first), limitNumber(last)
		if first == "" && last == "0" {
			first, last = beyond, ""
		}
		if strings.Contains(spec, "-") {
			specs[i] = first + "-" + last
		}
	}
	h.Set("Range", "bytes="+strings.Join(specs, ","))
}

// beyond is a number of bytes that no file has.
const beyond = "999999999999999999"

// limitNumber returns digits without zeros in front, as beyond when they are more than that has. What is no number
// stays none.
func limitNumber(digits string) string {
	digits = strings.TrimSpace(digits)
	if strings.Trim(digits, "0123456789") != "" {
		return "x"
	}
	trimmed := strings.TrimLeft(digits, "0")
	switch {
	case trimmed == "" && digits != "":
		return "0"
	case len(trimmed) >= len(beyond):
		return beyond
	}
	return trimmed
}
