// Package api holds the Go types and the routing of the contract in api/openapi.yaml: api.gen.go is generated from it, this
// file has what the contract names as its own.
package api

//go:generate go tool -modfile=../../../tools/go.mod oapi-codegen -config=../../../api/oapi-codegen.yaml ../../../api/openapi.yaml

import (
	"encoding/json"
	"time"
)

// Timestamp is a time in JSON: RFC 3339 in UTC with milliseconds, null when zero.
type Timestamp time.Time

// MarshalJSON implements json.Marshaler.
func (t Timestamp) MarshalJSON() ([]byte, error) {
	if time.Time(t).IsZero() {
		return []byte("null"), nil
	}
	const form = `"2006-01-02T15:04:05.000Z"`
	return time.Time(t).UTC().AppendFormat(make([]byte, 0, len(form)), form), nil
}

// UnmarshalJSON implements json.Unmarshaler.
func (t *Timestamp) UnmarshalJSON(b []byte) error {
	return json.Unmarshal(b, (*time.Time)(t))
}

// Parameters are query parameters. In JSON one value is a text, several are a list of texts.
type Parameters map[string][]string

// MarshalJSON implements json.Marshaler.
func (p Parameters) MarshalJSON() ([]byte, error) {
	shown := make(map[string]any, len(p))
	for name, values := range p {
		shown[name] = values
		if len(values) == 1 {
			shown[name] = values[0]
		}
	}
	return json.Marshal(shown)
}
