package httpapi

import (
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/musterhq/muster/internal/httpapi/api"
)

// The contract lists the codes by their HTTP status, and those are all that there are.
func TestCodesAreThoseOfTheContract(t *testing.T) {
	t.Parallel()
	spec, err := api.GetSpec()
	if err != nil {
		t.Fatal(err)
	}
	documented := map[string]int{}
	for line := range strings.Lines(spec.Components.Schemas["Error"].Value.Properties["code"].Value.Description) {
		if m := regexp.MustCompile(`^- (\d{3}) `).FindStringSubmatch(line); m != nil {
			status, _ := strconv.Atoi(m[1])
			for _, name := range regexp.MustCompile("`([a-z_]+)`").FindAllStringSubmatch(line, -1) {
				documented[name[1]] = status
			}
		}
	}
	known := map[string]int{}
	for c := range codeCount {
		known[c.String()] = c.status()
	}
	if diff := cmp.Diff(documented, known); diff != "" {
		t.Errorf("codes (-contract +table):\n%s", diff)
	}
	if len(known) != int(codeCount) {
		t.Errorf("%d codes have %d names", codeCount, len(known))
	}
}

// An error of Echo keeps its status.
func TestHTTPProblemsKeepTheirStatus(t *testing.T) {
	t.Parallel()
	for status, p := range httpProblems {
		if got := p.code.status(); got != status {
			t.Errorf("%d is answered with %d", status, got)
		}
	}
}
