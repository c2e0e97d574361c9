package job_test

import (
	"strings"
	"testing"

	"github.com/musterhq/muster/internal/job"
)

func TestValidOwner(t *testing.T) {
	t.Parallel()
	for _, owner := range []string{"a", "Z9", "ada@example.com", "-._@", strings.Repeat("x", 64)} {
		if !job.ValidOwner(owner) {
			t.Errorf("ValidOwner(%q) = false", owner)
		}
	}
	for _, owner := range []string{"", strings.Repeat("x", 65), "a b", "{a}", "a\n", "a:b", "é", "a\xff", "a\x00", "а"} {
		if job.ValidOwner(owner) {
			t.Errorf("ValidOwner(%q) = true", owner)
		}
	}
}
