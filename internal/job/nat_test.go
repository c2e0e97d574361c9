package job_test

import (
	"slices"
	"testing"

	"github.com/musterhq/muster/internal/job"
)

func TestValidNat(t *testing.T) {
	t.Parallel()
	codes := job.Nationalities()
	if len(codes) != 21 || !slices.IsSorted(codes) {
		t.Fatalf("Nationalities() = %q, want 21 sorted codes", codes)
	}
	for _, code := range append(codes, job.DefaultNat()...) {
		if !job.ValidNat(code) {
			t.Errorf("ValidNat(%q) = false", code)
		}
	}
	for _, code := range []string{"", ",", "xx", "US", "us,ca", " us"} {
		if job.ValidNat(code) {
			t.Errorf("ValidNat(%q) = true", code)
		}
	}
}
