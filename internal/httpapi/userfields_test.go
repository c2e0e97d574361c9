package httpapi_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/musterhq/muster/internal/httpapi/api"
	"github.com/musterhq/muster/internal/invalid"
	"github.com/musterhq/muster/internal/user"
)

// userFields returns the schemas of the fields that callers set.
func userFields(t *testing.T) openapi3.Schemas {
	t.Helper()
	spec, err := api.GetSpec()
	if err != nil {
		t.Fatal(err)
	}
	return spec.Components.Schemas["UserFields"].Value.Properties
}

// The contract has the limits of the table of fields.
func TestContractHasTheLimitsOfFields(t *testing.T) {
	t.Parallel()
	schemas := userFields(t)
	for _, f := range user.Fields() {
		if !f.Settable() {
			continue
		}
		for _, name := range []string{f.Name, f.Alias} {
			if name == "" {
				continue
			}
			s := schemas[name]
			switch {
			case s == nil:
				t.Errorf("%s is not in the contract", name)
			case f.Number != nil && (*s.Value.Min != float64(f.Min) || *s.Value.Max != float64(f.Max)):
				t.Errorf("%s is %v to %v in the contract, %d to %d in the table", name, *s.Value.Min, *s.Value.Max, f.Min, f.Max)
			case f.Text != nil && len(s.Value.Enum) == 0 && (s.Value.MaxLength == nil || *s.Value.MaxLength != uint64(f.Max) || s.Value.Pattern == ""):
				t.Errorf("%s has not the table's %d characters and a pattern in the contract", name, f.Max)
			}
		}
	}
}

// What the contract's schemas take is taken, and what they refuse is refused, but for what no pattern can say: spaces at the
// ends go, and so do invisible characters; limits are in bytes; a domain's letters are of any script.
func TestContractSaysWhichTextsAreTaken(t *testing.T) {
	t.Parallel()
	schemas := userFields(t)
	for name, texts := range map[string][]string{
		"firstName": {"A", "Ada", "Mary Ann", "O'Neil", "مريم", "👩\u200d💻", " ", "", "\u00a0", "a\tb", "a\nb", "a\x00b", "a\x7fb", "a\u0085b", "a\u2028b", strings.Repeat("é", 100), strings.Repeat("é", 101)},
		"lastName":  {"", "Byron", "van 't Hoff", "a\tb", "a\u2029b", strings.Repeat("x", 101)},
		"city":      {"", "Łódź", "a\u001fb"}, "state": {"", "'s-Hertogenbosch", "a\u009fb"},
		"mobileNumber": {"", "+44 20 7946 0000", "1\v2", strings.Repeat("1", 33)},
		"email": {
			"ada@example.com", "a@b", "o'connor+x@a-b.example", "zoë@münchen.example", "!#$%&'*+-/=?^_`{|}~@b", "1.2@3.4",
			"", "ada", "@b", "a@", ".a@b", "a.@b", "a..b@c", "a@.b", "a@b.", "a@b..c", "a@-b", "a@b-", "a@b_c", "a b@c", "a@b c", `"ann.b"@example.com`,
			"a(x)@b", "Ada <a@b.c>", "a@[127.0.0.1]", "a@b@c", "a,b@c", `a\b@c`, "a:b@c", "a;b@c", "a\tb@c", "a@b\nc",
		},
	} {
		for _, text := range texts {
			p := patchOf(t, name, text)
			err, refused := errors.AsType[*invalid.Error](p.Prepare())
			if byContract := schemas[name].Value.VisitJSONString(text) != nil; byContract != refused {
				t.Errorf("%s %q: refused by the contract %v, by the program %v", name, text, byContract, err)
			}
		}
	}
}

func patchOf(t *testing.T, name, text string) *user.Patch {
	t.Helper()
	var p user.Patch
	*user.FieldOf(name).Text(&p) = &text
	return &p
}
