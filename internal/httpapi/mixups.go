package httpapi

import (
	"encoding/json"
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/labstack/echo/v4"

	"github.com/musterhq/muster/internal/invalid"
	"github.com/musterhq/muster/internal/user"
)

// notKnown says of a query parameter that the operation does not have where what is probably meant belongs.
func notKnown(op *openapi3.Operation, name string) string {
	const text = "is not a parameter of this route"
	if f := user.FieldOf(name); op.RequestBody != nil && !takesAny(op) && f != nil && f.Settable() {
		return text + ": it goes into the body, as JSON"
	}
	p := alike(op.Parameters, name)
	switch {
	case p == nil:
		return text
	case p.In == openapi3.ParameterInHeader:
		return text + ": it goes into the header " + p.Name
	}
	return text + ", but " + p.Name + " is"
}

// alike returns the parameter that name means if case, hyphens and underscores are of no account; nil when there is
// none.
func alike(params openapi3.Parameters, name string) *openapi3.Parameter {
	for _, p := range params {
		if folded(p.Value.Name) == folded(name) {
			return p.Value
		}
	}
	return nil
}

var fold = strings.NewReplacer("-", "", "_", "")

// folded returns the letters and digits of a name, so that min_age, MinAge and minAge are the same, X-USER-ID and
// userId, too.
func folded(name string) string {
	return fold.Replace(strings.TrimPrefix(strings.ToLower(name), "x-"))
}

// misplaced returns errors of query parameters that the caller has put into the body, of a route that takes none: the
// rest of such a body is of no account, but this would be missed. It leaves alone what is longer than anybody writes.
func misplaced(c echo.Context, op *openapi3.Operation) []invalid.Field {
	const longest = 16 << 10
	body, _ := c.Get(bodyKey).([]byte)
	if op.RequestBody != nil || len(body) == 0 || len(body) > longest {
		return nil
	}
	var members map[string]json.RawMessage
	var names []string
	if json.Unmarshal(body, &members) == nil {
		names = slices.Collect(maps.Keys(members))
	} else if form, err := url.ParseQuery(string(body)); err == nil {
		names = slices.Collect(maps.Keys(form))
	}
	var fields []invalid.Field
	for _, name := range names {
		if p := alike(op.Parameters, name); p != nil && p.In == openapi3.ParameterInQuery {
			fields = addNew(fields, []invalid.Field{
				{Field: p.Name, Message: "is a query parameter: write ?" + p.Name + "=… after the path, not into the body"},
			})
		}
	}
	slices.SortFunc(fields, byName)
	return fields
}
