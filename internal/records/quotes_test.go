package records_test

import (
	"testing"

	"github.com/musterhq/muster/internal/records"
)

func TestQuoted(t *testing.T) {
	t.Parallel()
	for file, want := range map[string]bool{
		"email,name\n'ada@example.com,'Ada\n":                               true,
		"email,name\n\"'ada@example.com\",\"'Ada\"\n":                       true,
		"email,name\n'ada@example.com,'Ada\n,'t Hooft\n'bo@example.com,b\n": true,
		"email,name\n'ada@example.com,'Ada\nbo@example.com,'Bo\n":           false,
		"name,city\n't Hooft,'s-Hertogenbosch\n":                            false, // no address tells
		"email,name\n'+ada@example.com,'=Ada\n":                             false, // guards
		"email,city\nada@example.com,'@home\n":                              false,
		"email,name\n":                                                      false,
		"{\"email\":\"'ada@example.com\",\"n\":{\"x\":\"'y\"}}\n":           true,
		"{\"email\":\"ada@example.com\",\"city\":\"'t\"}\n":                 false,
	} {
		if info, _ := mustRead(t, []byte(file), records.Options{}); info.Quoted != want {
			t.Errorf("%q: %+v", file, info)
		}
	}
}
