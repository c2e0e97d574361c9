package columns_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/musterhq/muster/internal/columns"
	"github.com/musterhq/muster/internal/user"
)

// today is the day of all tests.
var today = time.Date(2026, time.July, 1, 12, 0, 0, 0, time.UTC)

func newPlan(tb testing.TB, header []string, o columns.Options) *columns.Plan {
	tb.Helper()
	o.Today = today
	plan, err := columns.NewPlan(header, o)
	if err != nil {
		tb.Fatal(err)
	}
	return plan
}

// bytesOf returns values as a record has them; "NULL" is nil.
func bytesOf(values ...string) [][]byte {
	out := make([][]byte, len(values))
	for i, v := range values {
		if v != "NULL" {
			out[i] = []byte(v)
		}
	}
	return out
}

// shown lists what a row gives.
func shown(row *columns.Row) string {
	var out strings.Builder
	if row.ID != 0 {
		fmt.Fprintf(&out, " id=%d", row.ID)
	}
	if row.Name != "" {
		fmt.Fprintf(&out, " name=%q", row.Name)
	}
	p := row.Patch()
	return out.String() + patched(&p)
}

// patched lists what a patch gives.
func patched(p *user.Patch) string {
	var out strings.Builder
	for _, f := range []struct {
		name  string
		value *string
	}{
		{"firstName", p.FirstName},
		{"lastName", p.LastName},
		{"email", p.Email},
		{"city", p.City},
		{"state", p.State},
		{"mobileNumber", p.MobileNumber},
		{"gender", p.Gender},
	} {
		if f.value != nil {
			fmt.Fprintf(&out, " %s=%q", f.name, *f.value)
		}
	}
	if p.Age != nil {
		fmt.Fprintf(&out, " age=%d", *p.Age)
	}
	return out.String()
}

func listed(faults []columns.Fault) string {
	var out []string
	for _, f := range faults {
		out = append(out, f.Field+" "+f.Code)
	}
	return strings.Join(out, ", ")
}
