package httpapi_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/musterhq/muster/internal/httpapi/api"
	"github.com/musterhq/muster/internal/job"
)

// The contract has to write the rule out; it is that of job.ValidOwner.
func TestOwnerRuleIsThatOfTheContract(t *testing.T) {
	t.Parallel()
	spec, err := api.GetSpec()
	if err != nil {
		t.Fatal(err)
	}
	owners := []string{"", "ada", "a b", "a\n", "é", "{a}", strings.Repeat("x", 64), strings.Repeat("x", 65)}
	for c := range byte(128) {
		owners = append(owners, string([]byte{c}))
	}
	found := 0
	for name, p := range spec.Components.Parameters {
		if p.Value.Name != "X-USER-ID" {
			continue
		}
		found++
		pattern := regexp.MustCompile(p.Value.Schema.Value.Pattern)
		for _, owner := range owners {
			if got, want := pattern.MatchString(owner), job.ValidOwner(owner); got != want {
				t.Errorf("%s takes %q: %v, ValidOwner: %v", name, owner, got, want)
			}
		}
	}
	if found == 0 {
		t.Error("the contract has no X-USER-ID")
	}
}
